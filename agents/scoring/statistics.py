"""Numbers one may quote: counts with intervals, and the tail beside the mean."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lunar_env import Outcome, Scenario
from lunar_env.quantities import middle
from lunar_env.task import TERMS, TOUCHED, Limits

STRICT = {"descent_rate": 2.0, "lateral_speed": 0.5, "tilt": np.radians(5.0)}  # Chandrayaan-3's design box [V2: ISROT]


def landing_box(scenario: Scenario) -> dict[str, float]:
    """The limits of a landing in a scenario by their names, in SI units; of a range its middle."""
    return {item.name: middle(getattr(scenario.limits, item.name)) for item in fields(Limits)}


def shown_boxes(box: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """The boxes that a picture shows: a scenario's, called soft, and the strict one where it lies inside that."""
    inside = all(limit <= box[name] for name, limit in STRICT.items())
    smaller = any(STRICT[name] < box[name] for name in ("descent_rate", "lateral_speed"))
    return {"soft": box} | ({"strict": STRICT} if inside and smaller else {})


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a success rate."""
    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def chance_of_wins(first: np.ndarray, second: np.ndarray) -> float:
    """The chance that a pilot is so far ahead of another one by luck: McNemar's exact test, one-sided.

    Only episodes that one of both landed tell them apart. If neither were better, each of these would go to either
    with the same chance; this is the chance of as many for the first, or more. The episodes being the same for both,
    it sees smaller differences than two intervals side by side.

    Args:
        first: (episodes,) bool, which ones it landed.
        second: (episodes,) bool, which of the same ones the other one landed.
    """
    won, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(won, won + lost, 0.5, alternative="greater").pvalue) if won + lost else 1.0


def spread(values: np.ndarray) -> dict[str, float] | None:
    """Mean, 99th percentile, mean of the worst 0.1 % (at least one) and the worst of a 1-D array; None if empty."""
    if values.size == 0:
        return None
    ordered = np.sort(values.astype(np.float64))
    tail = max(1, round(0.001 * ordered.size))
    return {
        "mean": float(ordered.mean()),
        "p99": float(np.quantile(ordered, 0.99)),
        "worst_0.1_percent": float(ordered[-tail:].mean()),
        "worst": float(ordered[-1]),
    }


def summary(scenario: str, pilot: str, outcome: np.ndarray, record: dict[str, np.ndarray]) -> dict[str, Any]:
    """One row of ``evaluation.json``: SI units, all episodes counted, each once.

    Args:
        scenario: its name.
        pilot: its name.
        outcome: (episodes,) codes of ``Outcome``.
        record: the episodes' records, each (episodes,).
    """
    landed = outcome == Outcome.LANDED
    touched = np.isin(outcome, TOUCHED)
    strict = landed.copy()
    for name, limit in STRICT.items():
        strict &= record[name] <= limit
    episodes, successes = int(outcome.size), int(landed.sum())
    return {
        "scenario": scenario,
        "pilot": pilot,
        "episodes": episodes,
        "landed": successes,
        "landed_strict": int(strict.sum()),
        "wilson": list(wilson(successes, episodes)),
        "wilson_strict": list(wilson(int(strict.sum()), episodes)),
        "outcomes": {o.name.lower(): int((outcome == o).sum()) for o in Outcome if o != Outcome.FLYING},
        "touchdown": {
            "vertical_speed": spread(record["descent_rate"][touched]),
            "lateral_speed": spread(record["lateral_speed"][touched]),
            "tilt": spread(record["tilt"][touched]),
            "rate": spread(record["rate"][touched]),
            "distance": spread(record["distance"][touched]),
        },
        "landing": {
            "vertical_speed": spread(record["descent_rate"][landed]),
            "lateral_speed": spread(record["lateral_speed"][landed]),
        },
        "propellant": spread(record["propellant_used"]),
        "duration": spread(record["duration"]),
        "reward": {name: float(record[name].mean()) for name in ("reward", *TERMS)},
    }


def against_bound(outcome: np.ndarray, used: np.ndarray, bound: np.ndarray, no_bound: str) -> dict[str, Any]:
    """What a row of ``evaluation.json`` says of the propellant over the least that any pilot could have used.

    Args:
        outcome: (episodes,) codes of ``Outcome``.
        used: (episodes,) propellant [kg].
        bound: (episodes,) least propellant [kg] that a landing takes; not a number where there is no bound.
        no_bound: why there may be none.

    Returns:
        ``bound``, the mean [kg] of all episodes that have one, whoever flies them; ``over_bound``, of used / bound - 1
        for those of them that landed; ``below_bound``, how many of these used less, which cannot be; and
        ``without_bound``, why one of the first two is None or leaves episodes out, else an empty text.
    """
    known = np.isfinite(bound)
    compared = known & (outcome == Outcome.LANDED)
    over = used[compared].astype(np.float64) / bound[compared] - 1.0
    reason = "" if known.all() else f"{int((~known).sum())} of {bound.size} episodes have no bound: {no_bound}"
    if known.any() and not compared.any():
        reason = "; ".join(filter(None, [reason, "no episode that has one landed"]))
    return {
        "bound": float(bound[known].mean()) if known.any() else None,
        "over_bound": {"mean": float(over.mean()), "median": float(np.median(over)), "worst": float(over.max())}
        if over.size
        else None,
        "below_bound": int((over < 0.0).sum()),
        "without_bound": reason,
    }
