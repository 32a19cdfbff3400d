"""Learning curves: what runs wrote for TensorBoard, on a grid that all seeds share.

A point is the share of the episodes that ended since the point before and landed. They are those of the practice, flown
with the noise that explores: a policy without it, on the scenario itself, lands more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.run_folder import RunFolderError
from agents.scoring.interquartile import Table, bootstrap_interval, interquartile_mean
from lunar_env.extras import need

POINTS = 50  # of a curve at most


@dataclass(frozen=True)
class Updates:
    """One run's updates, each array (updates,)."""

    steps: Table  # decisions of all landers so far
    seconds: Table  # of training so far, on a clock that stands while the run is down
    landed: Table  # episodes that landed since the update before
    ended: Table  # episodes that ended since then


def read_updates(folder: Path) -> Updates:
    """The updates of a run, from its TensorBoard files.

    Every update counts once: what a killed run did after its last checkpoint was done again, so TensorBoard's reader
    drops the first values, and their seconds with them. The time stamps of the files would count the time in which the
    run was down.

    Raises:
        RunFolderError: if the run wrote nothing, or is older than the numbers that are needed.
    """
    reader = need("a learning curve", "tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    missing = {"speed/seconds", "episodes"} - set(events.Tags()["scalars"])
    if missing:
        raise RunFolderError(f"{folder / 'tensorboard'} has no {' and no '.join(sorted(missing))}; train it anew")
    seconds = {event.step: event.value for event in events.Scalars("speed/seconds")}
    ended = {event.step: event.value for event in events.Scalars("episodes")}
    shares = {}
    if "outcome/landed" in events.Tags()["scalars"]:
        shares = {event.step: event.value for event in events.Scalars("outcome/landed")}
    counts = np.array([ended[step] for step in seconds])
    landed = np.round(counts * np.array([shares.get(step, 0.0) for step in seconds]))
    return Updates(np.array(list(seconds), dtype=float), np.array(list(seconds.values())), landed, counts)


def curves(runs: list[Updates]) -> dict[str, Any]:
    """Landing rates over decisions and over seconds: grid, each seed, interquartile mean and its interval.

    Both grids end where the first of the runs ended. The curve over seconds is the one over decisions with each seed's
    own times, joined by straight lines. A value is None where a seed has none: no episode had ended.
    """
    points = min(POINTS, *(run.steps.size for run in runs))
    steps = np.linspace(0.0, min(run.steps[-1] for run in runs), points + 1)
    rates = np.stack([landing_rates(run, steps) for run in runs])
    times = np.stack([np.interp(steps[1:], np.append(0.0, run.steps), np.append(0.0, run.seconds)) for run in runs])
    seconds = np.linspace(0.0, times[:, -1].min(), points + 1)[1:]
    rates_in_time = [np.interp(seconds, time, rate, left=np.nan) for time, rate in zip(times, rates, strict=True)]
    return {"decisions": summed_up(steps[1:], rates), "seconds": summed_up(seconds, np.stack(rates_in_time))}


def landing_rates(run: Updates, grid: Table) -> Table:
    """(points,) share of the episodes that landed, of those that ended between each two of (points + 1,) decisions."""
    place = np.searchsorted(grid, run.steps) - 1  # an update at a point belongs to what leads there
    inside = place < grid.size - 1
    landed, ended = (
        np.bincount(place[inside], counts[inside], grid.size - 1) for counts in (run.landed, run.ended)
    )  # fmt: skip
    return np.divide(landed, ended, out=np.full(ended.shape, np.nan), where=ended > 0)


def summed_up(grid: Table, scores: Table) -> dict[str, Any]:
    """A grid (points,), the scores (seeds, points) and their middle, as JSON has them."""
    low, high = bootstrap_interval(scores)
    return {
        "grid": listed(grid, 3),
        "seeds": [listed(row) for row in scores],
        "interquartile_mean": listed(interquartile_mean(scores)),
        "low": listed(low),
        "high": listed(high),
    }


def listed(values: Table, digits: int = 5) -> list[float | None]:
    """Numbers as a list; None for what is not a number, which JSON does not have."""
    return [round(float(value), digits) if np.isfinite(value) else None for value in values]
