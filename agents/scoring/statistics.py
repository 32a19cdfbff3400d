"""Comparisons one may quote: by chance or not, and beside what no pilot could have done better."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from lunar_env import Outcome, Scenario
from lunar_env.flying.statistics import STRICT
from lunar_env.quantities import middle
from lunar_env.task import Limits


def landing_box(scenario: Scenario) -> dict[str, float]:
    """The limits of a landing in a scenario by their names, in SI units; of a range its middle."""
    return {item.name: middle(getattr(scenario.limits, item.name)) for item in fields(Limits)}


def shown_boxes(box: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """The boxes that a picture shows: a scenario's, called soft, and the strict one where it lies inside that."""
    inside = all(limit <= box[name] for name, limit in STRICT.items())
    smaller = any(STRICT[name] < box[name] for name in ("descent_rate", "lateral_speed"))
    return {"soft": box} | ({"strict": STRICT} if inside and smaller else {})


def chance_of_wins(first: np.ndarray, second: np.ndarray) -> float:
    """The chance that a pilot is so far ahead of another one by luck: McNemar's exact test, one-sided.

    Only episodes that one of both landed tell them apart. If neither were better, each of these would go to either
    with the same chance; this is the chance of as many for the first, or more. The episodes being the same for both,
    it sees smaller differences than two intervals side by side.

    Args:
        first: (episodes,) bool, which ones it landed.
        second: (episodes,) bool, which of the same ones the other one landed.
    """
    from scipy.stats import binomtest  # half a second: not before it is needed

    won, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(won, won + lost, 0.5, alternative="greater").pvalue) if won + lost else 1.0


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
