"""Draw descents.  A landing is won or lost in the plane of altitude and descent rate.

Altitude is drawn on a square-root axis: the stopping curve v = sqrt(2 a h) becomes a straight line, and both the
kilometres of the approach and the last hundred metres can be read.  Colour means the pilot and nothing else:
truth is a grey ribbon, readings are dark dots, belief is a line in the pilot's colour.  A plot for the page is SVG whose
colours are CSS variables, so that it follows the reader's light or dark theme; `picture` writes a PNG in light colours.
"""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

THEME = {  # CSS variable: (light, dark); pilots after Okabe & Ito and Tol, distinct for the colour-blind
    "ink": ("#1b1f24", "#ebe9e4"),
    "muted": ("#62686f", "#a0a6ad"),
    "truth": ("#b4b9bf", "#6a727b"),
    "rule": ("#d4d7db", "#3b4148"),
    "shade": ("#eceded", "#252a30"),
    "paper": ("#fdfdfc", "#15181b"),
    "soft": ("#007f5c", "#2fb88f"),
    "pilot0": ("#0072b2", "#4ba6dd"),
    "pilot1": ("#d98200", "#eda73a"),
    "pilot2": ("#aa4499", "#d583c7"),
    "pilot3": ("#44aa99", "#63c7b6"),
    "pilot4": ("#999933", "#bdbd5c"),
    "pilot5": ("#332288", "#9c8ee6"),
}
LIGHT = {name: light for name, (light, _) in THEME.items()}
INK, MUTED, TRUTH, RULE, SHADE, PAPER, SOFT, *PILOTS = LIGHT.values()

SOFT_BOX = (3.0, 1.0)  # [m/s] vertical, lateral speed of a soft touchdown
STRICT_BOX = (2.0, 0.5)  # [m/s] the same for a strict one
LAST_METRES = 25.0  # [m] altitude at which the zoom on the ground begins
LAST_SPEED = 8.0  # [m/s] descent rate at which it ends
MOST_POINTS = 1200  # of one line, more would not be seen
MOST_READINGS = 160  # dots along one flight
MOST_VECTORS = 20_000  # points in one plot; beyond this it is drawn as pixels

_INSTALLED = {font.name for font in font_manager.fontManager.ttflist}
_FONTS = [name for name in ("Helvetica Neue", "Arial", "Liberation Sans") if name in _INSTALLED]
STYLE = {
    "font.family": [*_FONTS, "DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.0,
    "axes.titlecolor": MUTED,
    "axes.titlepad": 7.0,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
}


@dataclass(frozen=True, eq=False)
class Flight:
    """One episode of one pilot.  Arrays are float64, one row per decision; nan where there is nothing to say."""

    pilot: str
    scenario: str
    outcome: str  # landed, crashed, tipped_over, out_of_propellant, lost, out_of_time, invalid
    time: np.ndarray  # (T,) [s] since the start of the episode
    altitude: np.ndarray  # (T,) [m] true, above ground
    believed_altitude: np.ndarray  # (T,) [m] what the pilot flew on
    measured_altitude: np.ndarray  # (T,) [m] the altimeter's reading, nan where it is not valid
    descent_rate: np.ndarray  # (T,) [m/s] down is positive
    lateral_speed: np.ndarray  # (T,) [m/s]
    throttle: np.ndarray  # (T,) [0..1]
    propellant: np.ndarray  # (T,) [kg] aboard
    first_valid_altitude: float  # [m] true altitude at the first valid reading, nan if there was none
    first_valid_descent_rate: float  # [m/s] at that moment, nan if there was none
    touchdown_descent_rate: float  # [m/s] nan if the ground was not reached
    touchdown_lateral_speed: float  # [m/s] nan if the ground was not reached

    def __post_init__(self) -> None:
        rows = {name: np.size(value) for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        if len(set(rows.values())) > 1:
            raise ValueError(f"the arrays of a Flight must have one length, got {rows}")

    def track(self) -> tuple[np.ndarray, np.ndarray]:
        """Descent rate (m/s) and altitude (m), ended by the touchdown where there was one."""
        rate, altitude = self.descent_rate, self.altitude
        if not np.isfinite(self.touchdown_descent_rate):
            return rate, altitude
        flying = slice(None) if altitude.size == 0 or altitude[-1] > 0 else slice(-1)
        return np.append(rate[flying], self.touchdown_descent_rate), np.append(altitude[flying], 0.0)

    def ending(self) -> str:
        """How it ended, in words: 'crashed at 27.5 m/s'."""
        words = self.outcome.replace("_", " ")
        speed = self.touchdown_descent_rate
        return f"{words} at {speed:.1f} m/s" if np.isfinite(speed) else words


@dataclass(frozen=True)
class Limits:
    """One frame for all plots that are to be compared."""

    time: float  # [s]
    altitude: float  # [m]
    rate: float  # [m/s]
    climb: float  # [m/s] most negative descent rate, 0 or less
    propellant: float  # [kg]

    @classmethod
    def around(cls, flights: Sequence[Flight]) -> "Limits":
        def most(arrays: Iterable[np.ndarray], least: float) -> float:
            values = np.concatenate([np.ravel(array) for array in arrays])
            return float(max(least, *values[np.isfinite(values)], least))

        tracks = [flight.track() for flight in flights]
        return cls(
            time=most((flight.time for flight in flights), 1.0),
            altitude=1.05 * most((a for f in flights for a in (f.altitude, f.believed_altitude)), 10.0),
            rate=1.12 * most((rate for rate, _ in tracks), 4.0),
            climb=-1.05 * most((-rate for rate, _ in tracks), 0.0),
            propellant=1.08 * most((flight.propellant for flight in flights), 1.0),
        )


def picture(path: str | PathLike, flights: Sequence[Flight], *, deceleration: float = 2.0) -> None:
    """Write a PNG, 1600 pixels wide: the first two flights side by side, in the plane and over time."""
    flights = [flight for flight in flights if flight.time.size][:2]
    with matplotlib.rc_context(STYLE | {"font.size": 10.5, "axes.titlesize": 10.0}):
        if not flights:
            figure = Figure(figsize=(8, 2))
            figure.text(0.5, 0.5, "No flight was recorded.", ha="center", color=MUTED)
            return figure.savefig(path, dpi=200)
        figure = Figure(figsize=(8, 6.6), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.09)
        axes = figure.subplots(2, len(flights), squeeze=False, sharey=True)
        limits, colours = Limits.around(flights), palette(flight.pilot for flight in flights)
        for flight, (plane, history) in zip(flights, axes.T, strict=True):
            colour = colours[flight.pilot]
            draw_plane(plane, [flight], colours, limits, deceleration)
            mark_first_reading(plane, flight, limits)
            draw_altitude(history, flight, colour, limits)
            plane.set_title(
                f"{flight.pilot}: {flight.ending()}", color=colour, weight="bold", size=12, pad=14
            )
            history.set_title("")
        figure.savefig(path, dpi=200)


def palette(pilots: Iterable[str]) -> dict[str, str]:
    """A colour for each pilot, in the order in which they are first named."""
    names = list(dict.fromkeys(pilots))
    return {name: PILOTS[i % len(PILOTS)] for i, name in enumerate(names)}


@matplotlib.rc_context(STYLE)
def plane_figure(flight: Flight, colour: str, limits: Limits, deceleration: float) -> Figure:
    """Altitude against descent rate, and below it the last metres with the box of a soft landing."""
    figure = Figure(figsize=(4.7, 4.9), layout="constrained")
    plane, ground = figure.subplots(2, 1, height_ratios=(3.2, 1))
    draw_plane(plane, [flight], {flight.pilot: colour}, limits, deceleration)
    mark_first_reading(plane, flight, limits)
    draw_last_metres(ground, flight, colour)
    return figure


@matplotlib.rc_context(STYLE)
def altitude_figure(flight: Flight, colour: str, limits: Limits) -> Figure:
    """Truth, reading and belief of the altitude over time."""
    figure = Figure(figsize=(4.7, 3.1), layout="constrained")
    draw_altitude(figure.subplots(), flight, colour, limits)
    return figure


@matplotlib.rc_context(STYLE)
def engine_figure(flight: Flight, colour: str, limits: Limits) -> Figure:
    """Throttle and propellant over time."""
    figure = Figure(figsize=(4.7, 2.8), layout="constrained")
    throttle, propellant = figure.subplots(2, 1, sharex=True)
    time, setting, mass = thin(flight.time, flight.throttle, flight.propellant)
    throttle.fill_between(time, setting, step="post", color=colour, alpha=0.25, lw=0)
    throttle.plot(time, setting, color=colour, lw=1.2, drawstyle="steps-post")
    throttle.set(ylim=(0, 1.05), yticks=(0, 0.5, 1), yticklabels=("0", "50 %", "100 %"), title="throttle")
    propellant.plot(time, mass, color=colour, lw=1.8)
    propellant.set(ylim=(0, limits.propellant), xlim=(0, limits.time), title="propellant aboard, kg")
    propellant.set_xlabel("time, s", loc="right")
    propellant.locator_params(axis="y", nbins=4)
    if mass.size and np.isfinite(mass[-1]):
        above = mass[-1] < 0.6 * limits.propellant
        place = {"xytext": (0, 5 if above else -5), "va": "bottom" if above else "top", "ha": "right"}
        propellant.annotate(f"{mass[-1]:.0f} kg", (time[-1], mass[-1]), textcoords="offset points", **place)
    return figure


@matplotlib.rc_context(STYLE)
def overlay_figure(flights: Sequence[Flight], colours: dict[str, str], deceleration: float) -> Figure:
    """All flights in one plane, coloured by pilot."""
    figure = Figure(figsize=(4.7, 4.4), layout="constrained")
    draw_plane(figure.subplots(), flights, colours, Limits.around(flights), deceleration)
    return figure


@matplotlib.rc_context(STYLE)
def touchdown_figure(touchdowns: dict[str, np.ndarray], colours: dict[str, str]) -> Figure:
    """Vertical against lateral speed (m/s) at touchdown, both on square-root axes, with the two boxes."""
    figure = Figure(figsize=(4.7, 4.4), layout="constrained")
    axes = figure.subplots()
    count = sum(len(speeds) for speeds in touchdowns.values())
    for pilot, speeds in touchdowns.items():
        vertical, lateral = np.abs(np.asarray(speeds, float)).reshape(-1, 2).T
        style = {"ms": 3.2, "mew": 0, "alpha": 0.75 if count < 400 else 0.35, "rasterized": count > 4000}
        axes.plot(lateral, vertical, "o", color=colours[pilot], **style)
    for (vertical, lateral), name, width in ((SOFT_BOX, "soft", 1.4), (STRICT_BOX, "strict", 0.9)):
        axes.plot((0, lateral, lateral), (vertical, vertical, 0), color=SOFT, lw=width, zorder=4)
        place = {"textcoords": "offset points", "xytext": (4, 0), "va": "center", "color": SOFT, "zorder": 5}
        axes.annotate(name, (lateral, 0.93 * vertical), **place)
    for letter, floor in (("x", SOFT_BOX[1]), ("y", SOFT_BOX[0])):
        top = 1.08 * max(1.5 * floor, getattr(axes.dataLim, f"{letter}1"))
        root_axis(axes, letter, top, lambda tick: f"{tick:g}")
    axes.set_title("vertical speed at touchdown, m/s")
    axes.set_xlabel("lateral speed, m/s", loc="right")
    return figure


def draw_plane(
    axes: Axes, flights: Sequence[Flight], colours: dict[str, str], limits: Limits, deceleration: float
) -> None:
    """Tracks over the stopping curve v = sqrt(2 a h); deceleration a is net of gravity (m/s²)."""
    root_axis(axes, "y", limits.altitude, metres)
    axes.set_xlim(limits.climb, limits.rate)
    axes.set_title("altitude")
    axes.set_xlabel("descent rate, m/s", loc="right")
    speed = np.array([0.0, min(limits.rate, np.sqrt(2 * deceleration * limits.altitude))])
    stop = speed**2 / (2 * deceleration)  # straight on this axis, so two points draw it
    axes.fill_between([*speed, limits.rate], [*stop, stop[-1]], color=SHADE, lw=0, zorder=0)
    axes.plot(speed, stop, color=MUTED, lw=1.0, zorder=1)
    angle = {"rotation": np.degrees(np.arctan2(*np.diff(stop), *np.diff(speed))), "rotation_mode": "anchor"}
    place = {"ha": "center", "va": "top", "transform_rotates_text": True, "color": MUTED, "zorder": 1}
    axes.text(0.5 * speed[1], 0.235 * stop[1], f"stops at {deceleration:g} m/s²", **angle, **place)
    axes.text(0.985, 0.03, "too late to stop", transform=axes.transAxes, ha="right", color=MUTED, zorder=1)
    pixels = sum(flight.time.size for flight in flights) > MOST_VECTORS
    for flight in flights:
        rate, altitude = thin(*flight.track())
        style = {"color": colours[flight.pilot], "alpha": 1.0 if len(flights) < 8 else 0.55}
        axes.plot(rate, altitude, lw=1.8 if len(flights) < 8 else 1.0, rasterized=pixels, **style)
        mark_end(axes, rate, altitude, flight.outcome, style)


def mark_end(axes: Axes, rate: np.ndarray, altitude: np.ndarray, outcome: str, style: dict) -> None:
    """A dot where a flight landed, a cross where it ended otherwise."""
    marker = {"marker": "o", "ms": 5} if outcome == "landed" else {"marker": "x", "ms": 7, "mew": 2}
    axes.plot(rate[-1:], np.maximum(altitude[-1:], 0), clip_on=False, zorder=6, **marker, **style)


def mark_first_reading(axes: Axes, flight: Flight, limits: Limits) -> None:
    """A ring at the first valid range, with its altitude and descent rate in words."""
    rate, altitude = flight.first_valid_descent_rate, flight.first_valid_altitude
    if not (np.isfinite(rate) and np.isfinite(altitude)):
        axes.text(0.03, 0.5, "no valid range ever came", transform=axes.transAxes, color=INK)
        return
    axes.plot(rate, altitude, "o", ms=7, mfc=PAPER, mec=INK, mew=1.6, zorder=7)
    across = (rate - limits.climb) / (limits.rate - limits.climb)
    up = float(root(altitude) / root(limits.altitude))
    text = f"first valid range\n{altitude:,.0f} m, falling at {rate:.0f} m/s"
    where = (0.03, min(max(up, 0.5), 0.9)) if across > 0.6 else (min(across + 0.1, 0.45), max(up, 0.62))
    arrow = {"arrowstyle": "-", "color": MUTED, "lw": 0.8, "shrinkB": 5}
    place = {"xytext": where, "textcoords": "axes fraction", "va": "center", "ha": "left"}
    axes.annotate(text, (rate, altitude), arrowprops=arrow, zorder=7, **place)


def draw_last_metres(axes: Axes, flight: Flight, colour: str) -> None:
    """The plane near its origin, on plain axes: does the track enter the soft-landing box?"""
    rate, altitude = flight.track()
    for limit, name, alpha in ((SOFT_BOX[0], "soft", 0.14), (STRICT_BOX[0], "strict", 0.16)):
        axes.axvspan(0, limit, color=SOFT, alpha=alpha, lw=0, zorder=0)
        axes.annotate(
            name,
            (limit, LAST_METRES),
            xytext=(-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            color=SOFT,
        )
    axes.plot(rate, altitude, color=colour, lw=1.8)
    axes.set(xlim=(0, LAST_SPEED), ylim=(0, LAST_METRES), title=f"the last {LAST_METRES:g} m")
    axes.set_yticks((0, 10, 20), ("0", "10 m", "20 m"))
    speed = flight.touchdown_descent_rate
    if np.isfinite(speed) and speed > LAST_SPEED:
        axes.text(
            LAST_SPEED, 0.42 * LAST_METRES, f"touches at {speed:.0f} m/s,\nfar to the right →", ha="right"
        )
    elif np.isfinite(speed):
        mark_end(axes, rate, altitude, flight.outcome, {"color": colour})


def draw_altitude(axes: Axes, flight: Flight, colour: str, limits: Limits) -> None:
    """Truth, readings and belief over time; the time without a valid reading is shaded."""
    time, truth, belief = thin(flight.time, flight.altitude, flight.believed_altitude)
    silent = np.isnan(flight.measured_altitude)
    shaded = silent | np.append(False, silent[:-1])
    span = {"transform": axes.get_xaxis_transform(), "color": SHADE, "lw": 0, "zorder": 0}
    axes.fill_between(flight.time, 0, 1, where=shaded, **span)
    axes.plot(time, truth, color=TRUTH, lw=5)
    axes.plot(time, belief, color=colour, lw=1.6)
    heard = np.flatnonzero(~silent)
    dots = heard[:: 1 + heard.size // MOST_READINGS]
    axes.plot(flight.time[dots], flight.measured_altitude[dots], "o", ms=2.6, mfc=INK, mec="none", zorder=4)
    root_axis(axes, "y", limits.altitude, metres)
    axes.set(xlim=(0, limits.time), title="altitude")
    axes.set_xlabel("time, s", loc="right")
    name_lines(axes, flight, colour, limits)


def name_lines(axes: Axes, flight: Flight, colour: str, limits: Limits) -> None:
    """Write 'truth', 'belief', 'readings' and the length of the silence beside what they name."""
    offset = {"textcoords": "offset points", "zorder": 5}
    sample = flight.time.size // 4
    truth, belief = flight.altitude[sample], flight.believed_altitude[sample]
    for name, level, shade, above in (
        ("truth", truth, MUTED, truth >= belief),
        ("belief", belief, colour, truth < belief),
    ):
        place = {"xytext": (4, 5) if above else (-4, -6), "ha": "left" if above else "right"}
        place |= {"va": "bottom" if above else "top", "color": shade, "weight": "bold"}
        if np.isfinite(level):
            axes.annotate(name, (flight.time[sample], level), **offset, **place)
    heard = np.flatnonzero(np.isfinite(flight.measured_altitude))
    if heard.size:
        first = (flight.time[heard[0]], flight.measured_altitude[heard[0]])
        axes.annotate("readings", first, xytext=(7, 6), weight="bold", **offset)
    quiet = silence(flight)
    if quiet > 0.3 * limits.time:
        end = flight.time[heard[0]] if heard.size else flight.time[-1]
        words = {"transform": axes.get_xaxis_transform(), "ha": "center", "color": MUTED}
        axes.text(end / 2, 0.05, f"no valid reading for {quiet:.0f} s", **words)


def silence(flight: Flight) -> float:
    """Time without a valid reading (s)."""
    silent = np.isnan(flight.measured_altitude[:-1])
    return float(np.diff(flight.time)[silent].sum())


def thin(*arrays: np.ndarray) -> list[np.ndarray]:
    """The same rows of every array, few enough to draw, first and last included."""
    rows = np.unique(np.linspace(0, max(arrays[0].size - 1, 0), MOST_POINTS).astype(int))
    return [array[rows[: array.size]] for array in arrays]


def root(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.square(values)


def root_axis(axes: Axes, letter: str, top: float, words) -> None:
    """Make one axis run from 0 to top as a square root, with round ticks that keep their distance."""
    ticks = [0.0]
    for tick in (m * 10.0**e for e in range(-2, 6) for m in (1, 2, 5)):
        if tick <= top and root(tick) - root(ticks[-1]) > 0.11 * root(top):
            ticks.append(tick)
    getattr(axes, f"set_{letter}scale")("function", functions=(root, square))
    getattr(axes, f"set_{letter}lim")(0, top)
    getattr(axes, f"set_{letter}ticks")(ticks, [words(tick) for tick in ticks], minor=False)


def metres(altitude: float) -> str:
    return "0" if altitude == 0 else f"{altitude / 1000:g} km" if altitude >= 1000 else f"{altitude:g} m"


def to_svg(figure: Figure, name: str, label: str) -> str:
    """SVG to stand in a page: no outside reference, the page's font, colours as CSS variables, ids made of name."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(
        r"<metadata>.*?</metadata>|<g id=\"[^\"]*\"",
        lambda m: m[0][:2] * (m[0][1] == "g"),
        text[text.index("<svg") :],
        flags=re.S,
    )
    return text
