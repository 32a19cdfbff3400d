"""What a report shows of one scenario beside its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.pictures.recorded_flight import RecordedFlight


@dataclass(frozen=True, eq=False)
class Chapter:
    """A scenario of a report: what it is, and flights of one of its episodes."""

    scenario: str  # its name
    sentence: str  # what it is
    flights: Sequence[RecordedFlight]  # of one episode; the first two are shown side by side, all together
    episode: int  # which one
    limits: Mapping[str, float]  # of a landing, as ``agents.scoring.statistics.landing_box`` has them
    touchdowns: Mapping[str, np.ndarray] = field(default_factory=dict)  # (k, 2) vertical, lateral speed of each pilot
