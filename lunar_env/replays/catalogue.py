"""The catalogue of missions: what happened, what the replay gives, and one page of pictures."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lunar_env.missions import MISSIONS
from lunar_env.missions.measures import Traces
from lunar_env.missions.mission import Mission
from lunar_env.pages.root_scale import root, round_ticks, square
from lunar_env.replays.replay import EPISODES, SEED, CheckResult, check, fly, landed
from lunar_env.task import Outcome

COLUMNS = 5  # of the page of plots
PLANNED_COLOUR, FAILED_COLOUR, LANDED_COLOUR = "#a8adb3", "#c2410c", "#0072b2"


@dataclass(frozen=True)
class Replay:
    """A mission flown again: as it happened and, for a failure, as planned."""

    mission: Mission
    flown: Traces
    planned: Traces | None
    results: list[CheckResult]

    @property
    def met(self) -> bool:
        """Whether every published figure was met and, for a failure, the flight without its fault landed."""
        return all(result.met for result in self.results) and (self.planned is None or landed(self.planned) >= 0.9)


def replay(mission: Mission, episodes: int = EPISODES, seed: int = SEED) -> Replay:
    """Fly a mission again."""
    flown = fly(mission, mission.flown, episodes, seed)
    planned = None if mission.planned is None else fly(mission, mission.planned, episodes, seed)
    return Replay(mission, flown, planned, check(mission, flown))


def replay_all(episodes: int = EPISODES, announce: Callable[[str], None] = lambda title: None) -> list[Replay]:
    """Fly every mission again. ``announce`` hears each title before it is flown."""
    replays = []
    for mission in MISSIONS:
        announce(mission.title)
        replays.append(replay(mission, episodes))
    return replays


def outcomes(flights: Traces) -> str:
    """How flights ended: ``32 landed`` or ``30 crashed, 2 tipped over``."""
    counted = Counter(Outcome(code).name.lower().replace("_", " ") for code in flights.outcome)
    return ", ".join(f"{count} {name}" for name, count in counted.most_common())


def shown(value: float) -> str:
    """A figure with as many digits as one reads."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(replays: Sequence[Replay]) -> str:
    """The catalogue as Markdown."""
    head = (
        "| mission | date | what happened | replay | published and replayed | without the fault |\n" + "|---" * 6 + "|"
    )
    rows = [head]
    for one in replays:
        figures = "<br>".join(
            f"{result.check.what}: {shown(result.check.published)} {result.check.unit} {result.check.source}; "
            f"replay **{shown(result.seen)}**, {'within' if result.met else 'NOT within'} "
            f"{shown(result.check.low)} to {shown(result.check.high)}"
            for result in one.results
        )
        without = "-" if one.planned is None else f"`{one.mission.planned.name}`: {outcomes(one.planned)}"  # type: ignore[union-attr]
        rows.append(
            f"| {one.mission.title}, `{one.mission.name}` | {one.mission.date} | {one.mission.story} "
            f"| {outcomes(one.flown)} | {figures} | {without} |"
        )
    return "\n".join(rows)


def text(replays: Sequence[Replay]) -> str:
    """The catalogue for the screen."""
    lines = []
    for one in replays:
        mission = one.mission
        lines += ["", f"{mission.title} ({mission.date})  {mission.name}", f"  {mission.story}."]
        lines.append(f"  replay: {outcomes(one.flown)}")
        for result in one.results:
            verdict = "ok" if result.met else "MISSED"
            lines.append(
                f"    {verdict:6s} {result.check.what}: {shown(result.seen)} {result.check.unit}, published "
                f"{shown(result.check.published)} {result.check.source}, "
                f"tolerance {shown(result.check.low)} to {shown(result.check.high)}"
            )
        if mission.planned is not None and one.planned is not None:
            lines.append(f"  without the fault, {mission.planned.name}: {outcomes(one.planned)}")
    return "\n".join(lines)


def draw(replays: Sequence[Replay], path: Path) -> None:
    """One page of height against speed: grey as planned, in colour as flown, a cross where it ended badly."""
    from matplotlib.figure import Figure

    rows = -(-len(replays) // COLUMNS)
    figure = Figure(figsize=(3.0 * COLUMNS, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS).ravel()
    for panel, one in zip(panels, replays, strict=False):
        panel.set_title(f"{one.mission.title}, {one.mission.date.split('-')[0]}", fontsize=9, loc="left")
        if one.planned is not None:
            line(panel, one.planned, PLANNED_COLOUR)
        line(panel, one.flown, FAILED_COLOUR if one.planned is not None else LANDED_COLOUR)
        panel.set_xscale("function", functions=(root, square))
        panel.set_yscale("function", functions=(root, square))
        panel.set_xlim(left=0.0)
        panel.set_ylim(bottom=0.0)
        few_ticks(panel)
        panel.tick_params(labelsize=7, length=2)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(replays) :]:
        panel.axis("off")
    figure.legend(handles=legend(), loc="outside upper center", ncols=4, fontsize=9, frameon=False)
    figure.supxlabel("speed [m/s]", fontsize=9)
    figure.supylabel("height above ground [m]", fontsize=9)
    figure.savefig(path, dpi=130)


def legend() -> list[Any]:
    """What colours and marks mean."""
    from matplotlib.lines import Line2D

    lines = (
        (LANDED_COLOUR, "as flown, without a fault"),
        (FAILED_COLOUR, "as flown, with the fault"),
        (PLANNED_COLOUR, "as planned"),
    )
    cross = Line2D([], [], color="black", linestyle="none", marker="x", label="did not land, at its speed then")
    return [*(Line2D([], [], color=colour, label=text) for colour, text in lines), cross]


def line(panel: object, flights: Traces, colour: str) -> None:
    """Three flights in one panel, and a cross at the speed of each that did not land."""
    speed = np.hypot(flights.trace["descent_rate"], flights.trace["lateral_speed"])
    for i in range(min(3, speed.shape[1])):
        panel.plot(speed[:, i], flights.trace["height"][:, i].clip(0.0), color=colour, linewidth=1.1)  # type: ignore[attr-defined]
        if flights.outcome[i] != Outcome.LANDED:
            end = np.hypot(flights.record["descent_rate"][i], flights.record["lateral_speed"][i])
            panel.plot([end], [0.0], "x", color=colour, markersize=6, clip_on=False)  # type: ignore[attr-defined]


def few_ticks(panel: object) -> None:
    """Round numbers that keep their distance on square-root axes."""
    for axis, limits in (("x", panel.get_xlim()), ("y", panel.get_ylim())):  # type: ignore[attr-defined]
        ticks = round_ticks(limits[1], 0.2)
        labels = [f"{tick / 1000:g} k" if tick >= 1000 else f"{tick:g}" for tick in ticks]
        getattr(panel, f"set_{axis}ticks")(ticks, labels)
