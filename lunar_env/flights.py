"""A batch of flights as they were: what replays produce and measures read."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Flights:
    """A batch of flights, decision by decision; what comes after a flight's end is nan."""

    trace: dict[str, np.ndarray]  # each (decisions, flights)
    record: dict[str, np.ndarray]  # each (flights,), see state.Record; nan where there was no end
    outcome: np.ndarray  # (flights,) codes of Outcome
    period: float  # [s] of a decision

    def errors(self) -> np.ndarray:
        """(decisions, flights) believed minus true height [m]."""
        return self.trace["believed_height"] - self.trace["height"]
