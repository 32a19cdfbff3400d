"""Draw descents. A landing is won or lost in the plane of altitude and descent rate.

Altitude stands on a square-root axis: the stopping curve v = sqrt(2 a h) becomes a straight line, and both
the kilometres of the approach and the last hundred metres can be read. Colour means the pilot and nothing
else: truth is a grey ribbon, readings are dark dots, belief is a line in the pilot's colour. On the page a
plot is SVG whose colours are CSS variables, so that it follows the reader's light or dark theme.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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

SOFT_BOX = (3.0, 1.0)  # [m/s] vertical and lateral speed of a soft touchdown
STRICT_BOX = (2.0, 0.5)  # [m/s] the same for a strict one
LAST_METRES = 25.0  # [m] the zoom on the ground begins here
LAST_SPEED = 8.0  # [m/s] and ends here
MOST_ROWS = 1_200  # of one line; more would not be seen
MOST_READINGS = 160  # dots along one flight
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


@dataclass(frozen=True, eq=False)
class Flight:
    """One episode of one pilot. Arrays are float64, one row per decision; nan where unknown."""

    pilot: str
    scenario: str
    outcome: str  # landed, crashed, tipped_over, out_of_propellant, lost, out_of_time, invalid
    time: np.ndarray  # (T,) [s] since the start of the episode
    altitude: np.ndarray  # (T,) [m] true, above ground
    believed_altitude: np.ndarray  # (T,) [m] on board
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
        rows = {name: value.size for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        if len(set(rows.values())) > 1:
            raise ValueError(f"the arrays of a Flight must have one length, got {rows}")

    def track(self) -> tuple[np.ndarray, np.ndarray]:
        """Descent rate [m/s] and altitude [m], ended by the touchdown where there was one."""
        if not np.isfinite(self.touchdown_descent_rate):
            return self.descent_rate, self.altitude
        return np.append(self.descent_rate, self.touchdown_descent_rate), np.append(self.altitude, 0.0)

    def ending(self) -> str:
        """How it ended, in words: "crashed at 27.5 m/s"."""
        words = self.outcome.replace("_", " ")
        down, sideways = self.touchdown_descent_rate, self.touchdown_lateral_speed
        if np.isfinite(down):
            words += f"{' at' if self.outcome in ('landed', 'crashed') else ', touching down at'} {down:.1f} m/s"
        return words + (f", {sideways:.1f} m/s sideways" if sideways > SOFT_BOX[1] else "")


@dataclass(frozen=True)
class Frame:
    """The ranges of the axes, the same for all plots that are to be compared."""

    time: float  # [s]
    altitude: float  # [m]
    rate: float  # [m/s]
    climb: float  # [m/s] the most negative descent rate, 0 or less
    propellant: float  # [kg]

    @classmethod
    def around(cls, flights: Sequence[Flight]) -> "Frame":
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


def palette(pilots: Iterable[str]) -> dict[str, str]:
    """A colour for each pilot, in the order in which they are first named; the seventh has the first's."""
    return {name: PILOTS[i % len(PILOTS)] for i, name in enumerate(dict.fromkeys(pilots))}


@matplotlib.rc_context(STYLE)
def plane_figure(flight: Flight, colour: str, frame: Frame, deceleration: float) -> Figure:
    """Altitude against descent rate, and below it the last metres with the box of a soft landing."""
    figure = Figure(figsize=(4.7, 4.9), layout="constrained")
    plane, ground = figure.subplots(2, 1, height_ratios=(3.2, 1))
    draw_plane(plane, [flight], {flight.pilot: colour}, frame, deceleration)
    mark_first_reading(plane, flight, frame)
    draw_last_metres(ground, flight, colour)
    return figure


@matplotlib.rc_context(STYLE)
def altitude_figure(flight: Flight, colour: str, frame: Frame) -> Figure:
    """Truth, readings and belief of the altitude over time."""
    figure = Figure(figsize=(4.7, 3.1), layout="constrained")
    draw_altitude(figure.subplots(), flight, colour, frame)
    return figure


@matplotlib.rc_context(STYLE)
def engine_figure(flight: Flight, colour: str, frame: Frame) -> Figure:
    """Throttle and propellant over time."""
    figure = Figure(figsize=(4.7, 2.8), layout="constrained")
    throttle, propellant = figure.subplots(2, 1, sharex=True)
    time, setting, mass = thin(flight.time, flight.throttle, flight.propellant)
    throttle.fill_between(time, setting, step="post", color=colour, alpha=0.2, lw=0)
    throttle.plot(time, setting, color=colour, lw=1.2, drawstyle="steps-post")
    throttle.set(ylim=(0, 1.05), title="throttle")
    throttle.set_yticks((0, 0.5, 1), ("0", "50 %", "100 %"))
    propellant.plot(time, mass, color=colour, lw=1.8)
    propellant.set(ylim=(0, frame.propellant), xlim=(0, frame.time), title="propellant aboard, kg")
    propellant.set_xlabel("time, s", loc="right")
    propellant.locator_params(axis="y", nbins=4)
    above = mass[-1] < 0.6 * frame.propellant
    place = {"xytext": (0, 5 if above else -5), "va": "bottom" if above else "top", "ha": "right"}
    if np.isfinite(mass[-1]):
        propellant.annotate(f"{mass[-1]:.0f} kg", (time[-1], mass[-1]), textcoords="offset points", **place)
    return figure


@matplotlib.rc_context(STYLE)
def overlay_figure(flights: Sequence[Flight], colours: Mapping[str, str], deceleration: float) -> Figure:
    """All flights in one plane, coloured by pilot."""
    figure = Figure(figsize=(4.7, 4.4), layout="constrained")
    draw_plane(figure.subplots(), flights, colours, Frame.around(flights), deceleration)
    return figure


@matplotlib.rc_context(STYLE)
def touchdown_figure(touchdowns: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> Figure:
    """Vertical against lateral speed [m/s] at touchdown, both on square-root axes, with the two boxes."""
    figure = Figure(figsize=(4.7, 4.4), layout="constrained")
    axes = figure.subplots()
    count = sum(len(speeds) for speeds in touchdowns.values())
    style = {
        "ms": 3.2,
        "mew": 0,
        "alpha": 0.8 if count < 400 else 0.35,
        "rasterized": count > MOST_VECTORS // 5,
    }
    for pilot, speeds in touchdowns.items():
        axes.plot(speeds[:, 1], np.abs(speeds[:, 0]), "o", color=colours[pilot], **style)
    for (vertical, lateral), name in ((SOFT_BOX, "soft"), (STRICT_BOX, "strict")):
        axes.plot((0, lateral, lateral), (vertical, vertical, 0), color=GOOD, lw=1.3, zorder=4)
        place = {"xytext": (-3, 4), "textcoords": "offset points", "ha": "right", "color": GOOD, "zorder": 5}
        axes.annotate(name, (lateral, 0), **place)
    for letter, least in (("x", SOFT_BOX[1]), ("y", SOFT_BOX[0])):
        reach = getattr(axes.dataLim, f"{letter}1")
        root_axis(axes, letter, 1.08 * max(1.5 * least, reach), lambda tick: f"{tick:g}")
    axes.set_title("vertical speed, m/s")
    axes.set_xlabel("lateral speed, m/s", loc="right")
    return figure


@matplotlib.rc_context(STYLE | {"font.size": 10.5, "axes.titlesize": 10.0})
def picture(path: str | PathLike[str], flights: Sequence[Flight], *, deceleration: float = 2.0) -> None:
    """Write a PNG 1600 pixels wide: the first two flights side by side, in the plane and over time."""
    flights = [flight for flight in flights if flight.time.size][:2]
    figure = Figure(figsize=(8, 6.6 if flights else 1.5), layout="constrained")
    if not flights:
        figure.text(0.5, 0.5, "No flight was recorded.", ha="center")
        figure.savefig(path, format="png", dpi=200)
        return
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.09)
    axes = figure.subplots(2, len(flights), squeeze=False, sharey=True)
    frame, colours = Frame.around(flights), palette(flight.pilot for flight in flights)
    for flight, (plane, history) in zip(flights, axes.T, strict=True):
        colour = colours[flight.pilot]
        draw_plane(plane, [flight], colours, frame, deceleration)
        mark_first_reading(plane, flight, frame)
        draw_altitude(history, flight, colour, frame)
        plane.set_title(f"{flight.pilot}: {flight.ending()}", color=colour, weight="bold", size=12, pad=14)
        history.set_title("")
    figure.savefig(path, format="png", dpi=200)


def draw_plane(
    axes: Axes, flights: Sequence[Flight], colours: Mapping[str, str], frame: Frame, deceleration: float
) -> None:
    """Tracks over the stopping curve v = sqrt(2 a h); the deceleration a [m/s²] is net of gravity."""
    if not deceleration > 0:
        raise ValueError(f"deceleration must be positive, got {deceleration} m/s²")
    root_axis(axes, "y", frame.altitude, metres)
    axes.set_xlim(frame.climb, frame.rate)
    axes.set_title("altitude")
    axes.set_xlabel("descent rate, m/s", loc="right")
    fastest = min(frame.rate, np.sqrt(2 * deceleration * frame.altitude))
    speed = np.array([0.0, fastest, frame.rate])
    stop = np.minimum(speed, fastest) ** 2 / (2 * deceleration)  # straight on this axis: two points draw it
    axes.fill_between(speed, stop, color=SHADE, lw=0, zorder=0)
    axes.plot(speed[:2], stop[:2], color=MUTED, lw=1.0, zorder=1)
    few = len(flights) < 8
    pixels = sum(flight.time.size for flight in flights) > MOST_VECTORS
    for flight in flights:
        rate, altitude = thin(*flight.track())
        style = {"color": colours[flight.pilot], "alpha": 1.0 if few else 0.55}
        axes.plot(rate, altitude, lw=1.8 if few else 1.0, rasterized=pixels, **style)
        mark_end(axes, rate, altitude, flight.outcome, style)
    name_stopping_curve(axes, flights, frame, deceleration)


def name_stopping_curve(axes: Axes, flights: Sequence[Flight], frame: Frame, deceleration: float) -> None:
    """Write under the curve, along it, where the tracks leave most room."""
    top = min(frame.rate, np.sqrt(2 * deceleration * frame.altitude))
    curve = np.linspace(0, top, 101)
    points = frame.share(curve, curve**2 / (2 * deceleration)) - (0, 0.04)
    middles = np.arange(80, 25, -5)
    middle = middles[clearest(flights, frame, [points[i - 20 : i + 21 : 5] for i in middles])]
    here = curve[middle]
    style = {"rotation_mode": "anchor", "transform_rotates_text": True, "color": MUTED, "zorder": 1}
    style["rotation"] = np.degrees(np.arctan2(here, deceleration))  # of the tangent in m and m/s
    height = square(root(here**2 / (2 * deceleration)) - 0.02 * root(frame.altitude))
    axes.text(here, height, f"stops at {deceleration:.1f} m/s²", ha="center", va="top", **style)
    ends = (0.985, 0.86, 0.74)
    words = [np.stack([np.linspace(end - 0.27, end, 10), np.full(10, 0.045)], axis=1) for end in ends]
    end = ends[clearest(flights, frame, words)]
    axes.text(end, 0.03, "too late to stop", transform=axes.transAxes, ha="right", color=MUTED, zorder=1)


def clearest(flights: Sequence[Flight], frame: Frame, candidates: Sequence[np.ndarray]) -> int:
    """The first of some places, each (n, 2) shares of the plane, that is clear of tracks, or the clearest."""
    tracks = np.concatenate([frame.share(*thin(*flight.track())) for flight in flights])
    tracks = tracks[np.isfinite(tracks).all(axis=1)][:: 1 + len(tracks) // 2_000]
    if not len(tracks):
        return 0
    room = [np.abs(tracks[:, None] - place).max(axis=2).min() for place in candidates]
    return int(np.argmax(np.minimum(room, 0.05)))


def mark_end(axes: Axes, rate: np.ndarray, altitude: np.ndarray, outcome: str, style: Mapping) -> None:
    """A dot where a flight landed, a cross where it ended otherwise."""
    marker = {"marker": "o", "ms": 5} if outcome == "landed" else {"marker": "x", "ms": 6, "mew": 1.8}
    axes.plot(rate[-1:], altitude[-1:], clip_on=False, zorder=6, **marker, **style)


def mark_first_reading(axes: Axes, flight: Flight, frame: Frame) -> None:
    """A ring at the first valid range, with its altitude and descent rate in words."""
    rate, altitude = flight.first_valid_descent_rate, flight.first_valid_altitude
    if not (np.isfinite(rate) and np.isfinite(altitude)):
        axes.text(0.03, 0.5, "no valid range ever came", transform=axes.transAxes)
        return
    axes.plot(rate, altitude, "o", ms=7, mfc=PAPER, mec=INK, mew=1.6, zorder=7)
    ring = frame.share(np.array(rate), np.array(altitude))
    places = [np.array([x, y]) for x in (0.03, 0.53) for y in np.arange(0.5, 0.93, 0.07)]
    places.sort(key=lambda place: float(np.hypot(place[0] + 0.22 - ring[0], place[1] - ring[1])))
    box = np.stack(np.meshgrid(np.linspace(0, 0.44, 12), np.linspace(-0.07, 0.07, 4)), axis=-1).reshape(-1, 2)
    place = places[clearest([flight], frame, [corner + box for corner in places])]
    text = f"first valid range\n{altitude:,.0f} m, falling at {rate:.0f} m/s"
    arrow = {"arrowstyle": "-", "color": MUTED, "lw": 0.8, "shrinkB": 5}
    where = {"xytext": place, "textcoords": "axes fraction", "va": "center", "ha": "left", "zorder": 7}
    axes.annotate(text, (rate, altitude), arrowprops=arrow, **where)


def draw_last_metres(axes: Axes, flight: Flight, colour: str) -> None:
    """The plane near its origin on plain axes, with the box of a soft landing."""
    rate, altitude = flight.track()
    for limit, name in ((SOFT_BOX[0], "soft"), (STRICT_BOX[0], "strict")):
        axes.axvspan(0, limit, color=GOOD, alpha=0.15, lw=0, zorder=0)
        place = {"xytext": (-3, -3), "textcoords": "offset points", "ha": "right", "va": "top", "color": GOOD}
        axes.annotate(name, (limit, LAST_METRES), **place)
    axes.plot(rate, altitude, color=colour, lw=1.8)
    axes.set(xlim=(0, LAST_SPEED), ylim=(0, LAST_METRES), title=f"altitude, the last {LAST_METRES:g} m")
    axes.set_xlabel("descent rate, m/s", loc="right")
    axes.set_yticks((0, 10, 20), ("0", "10 m", "20 m"))
    speed = flight.touchdown_descent_rate
    if speed > LAST_SPEED:
        axes.text(LAST_SPEED, 0.45 * LAST_METRES, f"touches far off, at {speed:.0f} m/s →", ha="right")
    elif np.isfinite(speed):
        mark_end(axes, rate, altitude, flight.outcome, {"color": colour})


def draw_altitude(axes: Axes, flight: Flight, colour: str, frame: Frame) -> None:
    """Truth, readings and belief over time; the time without a valid reading is shaded."""
    time, truth, belief = thin(flight.time, flight.altitude, flight.believed_altitude)
    silent = np.isnan(flight.measured_altitude)
    until_next = silent | np.append(False, silent[:-1])
    span = {"transform": axes.get_xaxis_transform(), "color": SHADE, "lw": 0, "zorder": 0}
    axes.fill_between(flight.time, 0, 1, where=until_next, **span)
    axes.plot(time, truth, color=TRUTH, lw=5)
    axes.plot(time, belief, color=colour, lw=1.6)
    heard = np.flatnonzero(~silent)
    dots = heard[:: 1 + heard.size // MOST_READINGS]
    axes.plot(flight.time[dots], flight.measured_altitude[dots], "o", ms=2.6, color=INK, mew=0, zorder=4)
    root_axis(axes, "y", frame.altitude, metres)
    axes.set(xlim=(0, frame.time), title="altitude")
    axes.set_xlabel("time, s", loc="right")
    name_lines(axes, flight, colour, frame)


def name_lines(axes: Axes, flight: Flight, colour: str, frame: Frame) -> None:
    """Write "truth", "belief", "readings" and the length of the first silence beside what they name."""
    style = {"textcoords": "offset points", "weight": "bold", "zorder": 5}
    above = {"xytext": (4, 5), "ha": "left", "va": "bottom"} | style
    below = {"xytext": (-5, -6), "ha": "right", "va": "top"} | style
    heard = np.flatnonzero(np.isfinite(flight.measured_altitude))
    first = flight.time[heard[0]] if heard.size else flight.time[-1]
    moment = max((0.25 if first > 0.45 * flight.time[-1] else 0.65) * flight.time[-1], 0.15 * frame.time)
    sample = min(int(np.searchsorted(flight.time, moment)), flight.time.size - 1)
    truth, belief = flight.altitude[sample], flight.believed_altitude[sample]
    if np.isfinite(truth):
        axes.annotate("truth", (flight.time[sample], truth), color=MUTED, **(above if truth > belief else below))
    if np.isfinite(belief):
        axes.annotate("belief", (flight.time[sample], belief), color=colour, **(below if truth > belief else above))
    late = heard[flight.time[heard] >= 0.3 * frame.time]
    if late.size:
        axes.annotate("readings", (flight.time[late[0]], flight.measured_altitude[late[0]]), **below)
    if first > 0.3 * frame.time:
        words = f"no valid reading{' ' if first > 0.45 * frame.time else chr(10)}for {first:.0f} s"
        place = {"transform": axes.get_xaxis_transform(), "ha": "center", "color": MUTED}
        axes.text(first / 2, 0.05, words, **place)


def thin(*arrays: np.ndarray) -> list[np.ndarray]:
    """The same rows of every array, few enough to draw, the first and the last included."""
    rows = np.unique(np.linspace(0, max(arrays[0].size - 1, 0), MOST_ROWS).astype(int))
    return [array[rows] for array in arrays]


def root(values: np.ndarray) -> np.ndarray:
    """The square root, continued below zero as an odd function."""
    return np.sign(values) * np.sqrt(np.abs(values))


def square(values: np.ndarray) -> np.ndarray:
    """The inverse of `root`."""
    return np.sign(values) * np.square(values)


def root_axis(axes: Axes, letter: str, top: float, words: Callable[[float], str]) -> None:
    """Let the x or y axis run from 0 to top as a square root, with round ticks that keep their distance."""
    ticks = [0.0]
    for tick in (m * 10.0**e for e in range(-2, 7) for m in (1, 2, 5)):
        if tick <= top and root(tick) - root(ticks[-1]) > 0.11 * root(top):
            ticks.append(tick)
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
