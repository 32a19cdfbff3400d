"""Draw the limit of physics over what pilots land: a map for each pilot in the plane of altitude and rate of descent.

Altitude stands on a square-root axis, on which the frontier is all but straight, as in phase_plane.py. The map's
colours rise evenly in lightness, for readers with and without colour vision: bright is landed, dark is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from agents.limits.frontier import Frontier, propellant_of
from agents.pictures.style import INK, PAPER, STYLE, metres, root_axis
from agents.run_folder import write_atomic
from lunar_env import Scenario
from lunar_env.pages.root_scale import root, square

Vector = NDArray[np.float64]

CELLS = (24, 24)  # altitudes, evenly spaced in their square root, and rates of descent
COLOURS, SHARES = "YlGnBu_r", Normalize(0.0, 1.0)
LEAST_WIDTH = 6.0  # [inch] in which the caption can be read
OUTLINED: Any = {"color": PAPER, "path_effects": [withStroke(linewidth=2.2, foreground=INK)]}  # read on bright and dark
ACCIDENT = (66.0, (720.0, 900.0))  # [m/s]; [m], lowest and highest that fit the telemetry, see missions/resilience.py
ACCIDENT_WORDS = "5 June 2025: 66 m/s\nat 720 to 900 m"
LOWEST_WORDS = 120.0  # [m]


@dataclass(frozen=True)
class Cells:
    """The edges of a map's cells."""

    altitude: Vector  # (rows + 1,) [m]
    descent_rate: Vector  # (columns + 1,) [m/s]

    @classmethod
    def between(cls, highest: float, fastest: float) -> "Cells":
        """Cells from 0 to an altitude [m] and to a rate of descent [m/s]."""
        altitude = square(np.linspace(0.0, root(np.array(highest)), CELLS[0] + 1))
        return cls(altitude, np.linspace(0.0, fastest, CELLS[1] + 1))

    def count(self, altitude: Vector, descent_rate: Vector, landed: NDArray[np.bool_]) -> dict[str, list[list[int]]]:
        """How many episodes, each (n,), began in each cell and how many of them landed, by rows of one altitude."""
        edges = (self.altitude, self.descent_rate)
        every, _, _ = np.histogram2d(altitude, descent_rate, edges)
        down, _, _ = np.histogram2d(altitude[landed], descent_rate[landed], edges)
        return {"episodes": every.astype(int).tolist(), "landed": down.astype(int).tolist()}


def write_figure(
    out: Path, scenario: Scenario, frontier: Frontier, cells: Cells, rows: Sequence[dict[str, Any]]
) -> str:
    """Write frontier.png and frontier.svg into a folder. Returns the sentences below the picture."""
    rows = [row for row in rows if "failed" not in row]
    caption = caption_of(scenario, rows)
    style: Any = STYLE | {"svg.hashsalt": "frontier"}
    with matplotlib.rc_context(style):
        figure = figure_of(scenario, frontier, cells, rows, caption)
        write_atomic(out / "frontier.png", lambda path: figure.savefig(path, format="png", dpi=200))
        write_atomic(out / "frontier.svg", lambda path: figure.savefig(path, format="svg", metadata={"Date": None}))
    return caption


def figure_of(
    scenario: Scenario, frontier: Frontier, cells: Cells, rows: Sequence[dict[str, Any]], caption: str
) -> Figure:
    """One map beside the other, and the caption below."""
    width = max(LEAST_WIDTH, 0.9 + 3.3 * len(rows))
    lines = fill(caption, int(17.0 * width)).count("\n") + 1
    figure = Figure(figsize=(width, 4.5 + 0.17 * lines), layout="constrained")
    panels = figure.subplots(1, max(len(rows), 1), squeeze=False, sharey=True)[0]
    for number, (axes, row) in enumerate(zip(panels, rows, strict=False)):
        draw_map(axes, row, cells)
        draw_first_sights(axes, row)
        draw_frontier(axes, frontier, cells, named=number == len(rows) - 1)
        if scenario.name.startswith("resilience"):
            mark_accident(axes, named=number == 0)
        root_axis(axes, "y", float(cells.altitude[-1]), metres)
        axes.set_xlim(0.0, float(cells.descent_rate[-1]))
        axes.set_title(f"{row['pilot']} lands {percent(row['survivable'])} of what physics allows", color=INK)
    panels[0].set_ylabel("altitude at first sight")
    panels[-1].set_xlabel("rate of descent at first sight, m/s", loc="right")
    bar = figure.colorbar(ScalarMappable(SHARES, COLOURS), ax=list(panels), shrink=0.5, aspect=20, pad=0.01)
    bar.set_ticks([0.0, 0.5, 1.0], labels=["none lands", "half", "all land"])
    figure.supxlabel(fill(caption, int(17.0 * width)), x=0.01, ha="left", fontsize=9.0, color=INK)
    return figure


def draw_map(axes: Axes, row: dict[str, Any], cells: Cells) -> None:
    """The landing rate of a pilot, cell by cell; a cell without episodes stays blank."""
    landed, episodes = (np.array(row["map"][kind], dtype=float) for kind in ("landed", "episodes"))
    rate = np.ma.masked_where(episodes == 0, landed / np.maximum(episodes, 1.0))
    axes.pcolormesh(
        cells.descent_rate, cells.altitude, rate, cmap=COLOURS, norm=SHARES, edgecolors="face", linewidth=0.2
    )


def draw_frontier(axes: Axes, frontier: Frontier, cells: Cells, named: bool) -> None:
    """The frontier of physics with its band over the dispersions, and the one of a pilot who waits for the ground."""
    axes.fill_betweenx(frontier.height, frontier.weak, frontier.strong, color=PAPER, alpha=0.8, lw=0, zorder=3)
    for rate, width, dashes in ((frontier.sighted, 0.9, (0, (4, 2))), (frontier.physics, 1.5, "-")):
        halo = [withStroke(linewidth=width + 1.6, foreground=PAPER)]
        axes.plot(rate, frontier.height, color=INK, lw=width, ls=dashes, path_effects=halo, zorder=5)
    if named:
        words = f"beyond the solid line\nno pilot can land\ndashed: the same after\n{frontier.wait:.2g} s of free fall"
        style: Any = {"ha": "right", "va": "bottom", "zorder": 8} | OUTLINED
        axes.text(0.98 * cells.descent_rate[-1], LOWEST_WORDS, words, **style)


def draw_first_sights(axes: Axes, row: dict[str, Any]) -> None:
    """Where the pilot's own approaches first saw the ground: a dot for what was landed, a cross for what was not."""
    sights = row["approaches"]
    if sights is None:
        return
    landed = np.array(sights["landed"], dtype=bool)
    rate, altitude = np.array(sights["descent_rate"]), np.array(sights["altitude"])
    axes.plot(rate[landed], altitude[landed], "o", ms=2.6, color=INK, mec=PAPER, mew=0.4, zorder=4)
    axes.plot(rate[~landed], altitude[~landed], "x", ms=3.6, mew=1.0, zorder=4, **OUTLINED)


def mark_accident(axes: Axes, named: bool) -> None:
    """The first valid range of the real flight: the rate is known, the height between two ends."""
    rate, heights = ACCIDENT
    axes.plot((rate, rate), heights, color=PAPER, lw=6.0, solid_capstyle="round", zorder=6)
    axes.plot((rate, rate), heights, color=INK, lw=3.5, solid_capstyle="round", zorder=7)
    if named:
        place: Any = {"xytext": (9, -4), "textcoords": "offset points", "va": "top", "zorder": 8}
        axes.annotate(ACCIDENT_WORDS, (rate, heights[0]), **place, **OUTLINED)


# In words ----------------------------------------------------------------------------------------------------------


def percent(counts: dict[str, Any]) -> str:
    """The share of some episodes that was landed; a dash for none."""
    return f"{100.0 * counts['landed'] / counts['episodes']:.1f}\u00a0%" if counts["episodes"] else "-"


def caption_of(scenario: Scenario, rows: Sequence[dict[str, Any]]) -> str:
    """What there is to see, with its numbers."""
    if not rows:
        return "No pilot could fly."
    allowed, beyond = rows[0]["survivable"]["episodes"], rows[0]["beyond"]["episodes"]
    landed_beyond = ", ".join(f"{row['pilot']} {row['beyond']['landed']}" for row in rows)
    landed = ", ".join(f"{row['pilot']} {percent(row['survivable'])}" for row in rows)
    sentences = [
        "Bright is landed, when the ground is first seen at this altitude and rate of descent, with the engine off and "
        f"{propellant_of(scenario):g} kg of propellant.",
        f"Of {allowed:,} starts from which physics allows a landing {landed} are landed; "
        f"of {beyond:,} others {landed_beyond}.",
    ]
    if rows[0]["approaches"]:
        flown = rows[0]["approaches"]["all"]["episodes"]
        late = ", ".join(f"{row['pilot']} {row['approaches']['beyond']['episodes']}" for row in rows)
        sentences.append(
            f"Points: first sight in {flown:,} approaches of the pilot's own, dots landed, crosses not; "
            f"beyond the solid line: {late}."
        )
    return " ".join(sentences)
