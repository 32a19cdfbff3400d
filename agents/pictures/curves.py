"""Draw learning curves: the interquartile mean of an experiment's seeds, its band, each seed as a thin line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.pictures.style import PAPER, STYLE, palette
from agents.run_folder import write_atomic
from agents.scoring.interquartile import FEW


def write_figure(path: Path, experiments: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a PNG 1,600 pixels wide.

    Args:
        path: of the PNG.
        experiments: the ``curve.json`` of each by its name in the picture; colours follow their order.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 3.9), layout="constrained")
        over_decisions, over_time = figure.subplots(1, 2, sharey=True)
        colours = palette(experiments)
        for name, curve in experiments.items():
            draw(over_decisions, curve["decisions"], 1e-6, colours[name], name)
            draw(over_time, curve["seconds"], 1.0 / 60.0, colours[name], name)
        devices = sorted({run["device"] for curve in experiments.values() for run in curve["runs"]})
        units = ("million decisions", f"minutes of training on {' and '.join(devices)}")
        for axes, unit in zip((over_decisions, over_time), units, strict=True):
            axes.set_xlabel(unit, loc="right")
            axes.set_xlim(left=0.0)
        over_decisions.set(ylim=(0.0, 1.02), title="landed while exploring, share of the episodes that ended")
        over_decisions.set_yticks((0.0, 0.25, 0.5, 0.75, 1.0), ("0", "25 %", "50 %", "75 %", "100 %"))
        if len(experiments) > 1:
            lines = over_time.get_legend_handles_labels()
            figure.legend(*lines, frameon=False, loc="outside upper left", ncols=3, labelcolor="linecolor")
        figure.supxlabel(fill(caption(list(experiments.values())), 125), x=0.01, ha="left", fontsize=9.0)
        write_atomic(path, lambda temporary: figure.savefig(temporary, format="png", dpi=200))


def draw(axes: Axes, curve: Mapping[str, Any], scale: float, colour: str, name: str) -> None:
    """One experiment over one grid."""
    along = scale * numbers(curve["grid"])
    for seed in curve["seeds"]:
        axes.plot(along, numbers(seed), color=colour, lw=0.5, alpha=0.5, zorder=2)
    axes.fill_between(along, numbers(curve["low"]), numbers(curve["high"]), color=colour, alpha=0.2, lw=0, zorder=1)
    middle = numbers(curve["interquartile_mean"])
    axes.plot(along, middle, color=PAPER, lw=3.2, zorder=3)
    axes.plot(along, middle, color=colour, lw=1.8, zorder=4, label=name)


def numbers(values: Sequence[float | None]) -> np.ndarray:
    """A list of a ``curve.json`` as an array; None is not a number."""
    return np.array(values, dtype=float)


def caption(experiments: Sequence[Mapping[str, Any]]) -> str:
    """What the lines are, and how far to trust them."""
    counts = sorted({len(curve["runs"]) for curve in experiments})
    seeds = " or ".join(map(str, counts)) + (" seed" if counts == [1] else " seeds")
    if counts == [1]:
        return f"{seeds}: how others would differ is not known. Episodes of the practice, exploration included."
    few = f" Of fewer than {FEW} seeds it is wide, and may still be too narrow." if counts[0] < FEW else ""
    return (
        f"Thick: interquartile mean of {seeds}; band: its 95 % bootstrap interval, point by point; thin: each seed."
        f"{few} Episodes of the practice, exploration included."
    )
