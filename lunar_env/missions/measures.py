"""What a replay is measured by: each function turns flights into the mean of one published quantity."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lunar_env.task import Outcome


@dataclass(frozen=True)
class Traces:
    """A batch of flights, decision by decision; what comes after a flight's end is nan."""

    trace: dict[str, np.ndarray]  # each (decisions, flights)
    record: dict[str, np.ndarray]  # each (flights,), see task.Record; nan where there was no end
    outcome: np.ndarray  # (flights,) codes of Outcome
    period: float  # [s] of a decision

    def errors(self) -> np.ndarray:
        """(decisions, flights) believed minus true height [m]."""
        return self.trace["believed_height"] - self.trace["height"]


def at_touchdown(quantity: str) -> Callable[[Traces], float]:
    """A number of the episode's record at the ground, see task.Record."""
    return lambda flights: float(np.nanmean(flights.record[quantity]))


def impact_speed(flights: Traces) -> float:
    """Speed [m/s] at the ground."""
    return float(np.nanmean(np.hypot(flights.record["descent_rate"], flights.record["lateral_speed"])))


def share(*outcomes: Outcome) -> Callable[[Traces], float]:
    """Share of the flights that end so."""
    return lambda flights: float(np.isin(flights.outcome, outcomes).mean())


def passing(height: float, quantity: str) -> Callable[[Traces], float]:
    """A traced quantity as the true height [m] first passes a given one, linear between decisions."""

    def measure(flights: Traces) -> float:
        values = []
        for heights, column in zip(flights.trace["height"].T, flights.trace[quantity].T, strict=True):
            after = int((heights <= height).argmax())  # 0 for a flight that never gets there
            if after > 0:
                share = (heights[after - 1] - height) / (heights[after - 1] - heights[after])
                values.append(column[after - 1] + share * (column[after] - column[after - 1]))
        return float(np.mean(values)) if values else float("nan")

    return measure


def when_believed_down(flights: Traces) -> float:
    """True height [m] when the flight computer first believes to be at 20 m or below."""
    down = flights.trace["believed_height"] <= 20.0
    rows = down.argmax(axis=0)
    heights = flights.trace["height"][rows, np.arange(down.shape[1])]
    return float(np.nanmean(np.where(down.any(axis=0), heights, np.nan)))


def lowest_belief(flights: Traces) -> float:
    """Lowest believed height [m] of each flight."""
    return float(np.nanmean(np.nanmin(flights.trace["believed_height"], axis=0)))


def error_of_belief(flights: Traces) -> float:
    """Believed minus true height [m] at the last decision before the ground."""
    return float(np.nanmean([error[np.isfinite(error)][-1] for error in flights.errors().T]))


def burn(flights: Traces) -> float:
    """Length [s] of the first burn."""
    burning = flights.trace["throttle"] > 0.01
    over = np.maximum.accumulate(burning, axis=0) & ~burning
    first = np.where(over.any(axis=0), over.argmax(axis=0), burning.shape[0]) - burning.argmax(axis=0)
    return float(np.where(burning.any(axis=0), first, 0).mean() * flights.period)


def minutes(flights: Traces) -> float:
    """Length [min] of the flight."""
    return float(np.nanmean(flights.record["duration"])) / 60.0
