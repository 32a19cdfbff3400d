"""Several experiments side by side as a table for people: what they landed in the end, and how soon they could."""

from collections.abc import Mapping
from statistics import median
from typing import Any

LEARNT = 0.9  # landing rate while exploring at which a task counts as learnt here
HEAD = (
    f"| experiment | landed in the end | worst seed | decisions to {LEARNT:g} | seconds to {LEARNT:g} "
    "| decisions per second |\n|---|---|---|---|---|---|"
)


def comparison(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of finished curves (``curve.json``) by name, and how to read it."""
    seeds = " or ".join(sorted({str(len(curve["runs"])) for curve in curves.values()}))
    legend = (
        f"Landed in the end: interquartile mean of {seeds} seeds [95 % bootstrap interval], each trained policy flown "
        "without noise on descents that training never met. The others are of the interquartile mean of the landing "
        "rates of the practice, noise included."
    )
    return "\n".join([HEAD, *(line(name, curve) for name, curve in curves.items()), "", legend])


def line(name: str, curve: Mapping[str, Any]) -> str:
    """One experiment."""
    values = (curve["validation"][key][0] for key in ("interquartile_mean", "low", "high"))
    middle, low, high = ("-" if value is None else f"{value:.3f}" for value in values)  # one seed has no interval
    worst = min(run["validation"]["landed"] / run["validation"]["episodes"] for run in curve["runs"])
    speed = median(run["steps"] / run["seconds"] for run in curve["runs"])
    decisions, seconds = (reached(curve[axis]) for axis in ("decisions", "seconds"))
    return f"| {name} | {middle} [{low}, {high}] | {worst:.3f} | {decisions} | {seconds} | {speed:,.0f} |"


def reached(curve: Mapping[str, Any]) -> str:
    """Where a curve first reaches ``LEARNT``; a dash if it never does."""
    found = [at for at, rate in zip(curve["grid"], curve["interquartile_mean"], strict=True) if (rate or 0.0) >= LEARNT]
    return f"{found[0]:,.0f}" if found else "-"
