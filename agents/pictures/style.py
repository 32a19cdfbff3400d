"""How a plot looks: colours of two themes, the square-root axis, the frame that plots share, SVG for the page.

Colour means the pilot and nothing else. On the page a plot is SVG whose colours are CSS variables, so that it
follows the reader's light or dark theme.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.pictures.recorded_flight import RecordedFlight
from lunar_env.pages.root_scale import root, round_ticks, square

THEME = {  # CSS variable: (light, dark); pilots after Okabe & Ito and Tol, safe for the colour-blind
    "ink": ("#1b1f24", "#ebe9e4"),
    "muted": ("#5f656c", "#a4aab1"),
    "truth": ("#b4b9bf", "#69717a"),
    "rule": ("#d4d7db", "#3b4148"),
    "shade": ("#eceded", "#262b31"),
    "paper": ("#fdfdfc", "#15181b"),
    "good": ("#007f5c", "#2fb88f"),
    "pilot0": ("#0072b2", "#4ba6dd"),
    "pilot1": ("#c97800", "#eda73a"),
    "pilot2": ("#aa4499", "#d583c7"),
    "pilot3": ("#44aa99", "#63c7b6"),
    "pilot4": ("#999933", "#bdbd5c"),
    "pilot5": ("#332288", "#9c8ee6"),
}
INK, MUTED, TRUTH, RULE, SHADE, PAPER, GOOD, *PILOTS = (light for light, _ in THEME.values())

MOST_ROWS = 1_200  # of one line; more would not be seen
MOST_VECTORS = 20_000  # points of one plot; beyond this they are drawn as pixels

_INSTALLED = {font.name for font in font_manager.fontManager.ttflist}
STYLE = {
    "font.family": [f for f in ("Helvetica Neue", "Arial", "Liberation Sans") if f in _INSTALLED] + ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.0,
    "axes.titlecolor": MUTED,
    "axes.titlepad": 7.0,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0.0,
    "svg.fonttype": "none",
}


def palette(pilots: Iterable[str]) -> dict[str, str]:
    """A colour for each pilot, in the order in which they are first named; the seventh has the first's."""
    return {name: PILOTS[i % len(PILOTS)] for i, name in enumerate(dict.fromkeys(pilots))}


@dataclass(frozen=True)
class Frame:
    """The ranges of the axes, the same for all plots that are to be compared."""

    time: float  # [s]
    altitude: float  # [m]
    rate: float  # [m/s]
    climb: float  # [m/s] the most negative descent rate, 0 or less
    propellant: float  # [kg]

    @classmethod
    def around(cls, flights: Sequence[RecordedFlight]) -> "Frame":
        """A frame that holds all of these flights."""

        def most(arrays: Iterable[np.ndarray], least: float) -> float:
            values = np.concatenate([*arrays, np.array([least])])
            return float(np.nanmax(values[~np.isinf(values)]))

        return cls(
            time=most((flight.time for flight in flights), 1.0),
            altitude=1.05 * most((a for f in flights for a in (f.altitude, f.believed_altitude)), 10.0),
            rate=1.12 * most((flight.track()[0] for flight in flights), 4.0),
            climb=-1.05 * most((-flight.track()[0] for flight in flights), 0.0),
            propellant=1.1 * most((flight.propellant for flight in flights), 1.0),
        )

    def share(self, rate: np.ndarray, altitude: np.ndarray) -> np.ndarray:
        """Points of the plane (m/s, m) as (n, 2) shares of its width and height."""
        across = (rate - self.climb) / (self.rate - self.climb)
        return np.stack([across, root(altitude) / root(self.altitude)], axis=-1)


def thin(*arrays: np.ndarray) -> list[np.ndarray]:
    """The same rows of every array, few enough to draw, the first and the last included."""
    rows = np.unique(np.linspace(0, max(arrays[0].size - 1, 0), MOST_ROWS).astype(int))
    return [array[rows] for array in arrays]


def root_axis(axes: Axes, letter: str, top: float, words: Callable[[float], str]) -> None:
    """Let the x or y axis run from 0 to top as a square root, with round ticks that keep their distance."""
    ticks = round_ticks(top, 0.11)
    getattr(axes, f"set_{letter}scale")("function", functions=(root, square))
    getattr(axes, f"set_{letter}lim")(0, top)
    getattr(axes, f"set_{letter}ticks")(ticks, [words(tick) for tick in ticks])


def metres(altitude: float) -> str:
    """An altitude [m] as a tick label."""
    return f"{altitude / 1000:g} km" if altitude >= 1000 else f"{altitude:g} m" if altitude else "0"


def to_svg(figure: Figure, name: str, label: str) -> str:
    """SVG for a page: nothing external, the page's font, colours as CSS variables, ids salted with name."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<g id=\"[^\"]*\"", "<g", text.replace("xlink:href", "href"))
    text = re.sub(r"font-family: [^;\"]*; ?|font: ", "", text)
    for variable, (light, _) in THEME.items():
        text = text.replace(light, f"var(--{variable})")
    start = f'<svg role="img" aria-label="{escape(label)}" '
    return re.sub(r"<svg[^>]*(viewBox=\"[^\"]*\")[^>]*>", lambda tag: f"{start}{tag[1]}>", text, count=1)
