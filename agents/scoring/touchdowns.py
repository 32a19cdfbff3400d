"""What a descent is measured by in the tables of shipped results: its touchdown and its propellant."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lunar_env.flying.episodes import Endings
from lunar_env.flying.statistics import spread
from lunar_env.task import TOUCHED


@dataclass(frozen=True)
class Quantity:
    """How a quantity is shown; it is computed in SI units."""

    words: str
    unit: str
    digits: int = 2
    per_si: float = 1.0


QUANTITIES = {  # by their names in the record of a descent; speed is of both parts together
    "speed": Quantity("touchdown speed", "m/s"),
    "descent_rate": Quantity("rate of descent", "m/s"),
    "lateral_speed": Quantity("lateral speed", "m/s"),
    "distance": Quantity("distance from the pad", "m", 1),
    "tilt": Quantity("tilt", "°", 2, math.degrees(1.0)),
    "rate": Quantity("turning rate", "°/s", 2, math.degrees(1.0)),
    "propellant_used": Quantity("propellant", "kg", 1),
}


def measured(flights: Endings) -> dict[str, np.ndarray]:
    """Each quantity (episodes,) in SI units; not a number where there was no touchdown, crashes being one.

    Propellant is that of all episodes.
    """
    touched = np.isin(flights.outcome, TOUCHED)
    columns = {name: flights.record[name].astype(np.float64) for name in QUANTITIES if name != "speed"}
    columns["speed"] = np.hypot(columns["descent_rate"], columns["lateral_speed"])
    return {
        name: column if name == "propellant_used" else np.where(touched, column, np.nan)
        for name, column in columns.items()
    }


def spreads(flights: Endings) -> dict[str, dict[str, float] | None]:
    """Mean, standard deviation (of a sample), tail and worst of each quantity; None without a touchdown."""
    spread_of: dict[str, dict[str, float] | None] = {}
    for name, column in measured(flights).items():
        known = column[np.isfinite(column)]
        tail = spread(known)
        spread_of[name] = tail and {**tail, "deviation": float(known.std(ddof=1)) if known.size > 1 else 0.0}
    return spread_of


def within(flights: Endings, at_most: Mapping[str, float]) -> np.ndarray:
    """(episodes,) whether an episode touched down with none of some quantities above its limit, in SI units."""
    columns = measured(flights)
    inside = np.isin(flights.outcome, TOUCHED)
    for name, limit in at_most.items():
        inside &= columns[name] <= limit  # which what is not a number never is
    return inside
