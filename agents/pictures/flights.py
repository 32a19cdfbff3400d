"""Draw descents: each flight in its plane and over time, all of them together, and their touchdowns.

Truth is a grey ribbon, readings are dark dots, belief is a line in the pilot's colour.
"""

from collections.abc import Mapping, Sequence
from os import PathLike

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.pictures.phase_plane import draw_last_metres, draw_plane, mark_first_reading
from agents.pictures.recorded_flight import RecordedFlight
from agents.pictures.style import (
    GOOD,
    INK,
    MOST_VECTORS,
    MUTED,
    SHADE,
    STYLE,
    TRUTH,
    Frame,
    metres,
    palette,
    root_axis,
    thin,
)
from agents.scoring.statistics import shown_boxes

__all__ = [
    "Frame",
    "RecordedFlight",
    "altitude_figure",
    "engine_figure",
    "overlay_figure",
    "picture",
    "plane_figure",
    "touchdown_figure",
]

MOST_READINGS = 160  # dots along one flight


@matplotlib.rc_context(STYLE)
def plane_figure(flight: RecordedFlight, colour: str, frame: Frame) -> Figure:
    """Altitude against descent rate, and below it the last metres with the box of a landing."""
    figure = Figure(figsize=(4.7, 4.9), layout="constrained")
    plane, ground = figure.subplots(2, 1, height_ratios=(3.2, 1))
    draw_plane(plane, [flight], {flight.pilot: colour}, frame)
    mark_first_reading(plane, flight, frame)
    draw_last_metres(ground, flight, colour)
    return figure


@matplotlib.rc_context(STYLE)
def altitude_figure(flight: RecordedFlight, colour: str, frame: Frame) -> Figure:
    """Truth, readings and belief of the altitude over time."""
    figure = Figure(figsize=(4.7, 3.1), layout="constrained")
    draw_altitude(figure.subplots(), flight, colour, frame)
    return figure


@matplotlib.rc_context(STYLE)
def engine_figure(flight: RecordedFlight, colour: str, frame: Frame) -> Figure:
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
def overlay_figure(flights: Sequence[RecordedFlight], colours: Mapping[str, str]) -> Figure:
    """All flights in one plane, coloured by pilot."""
    figure = Figure(figsize=(4.7, 4.4), layout="constrained")
    draw_plane(figure.subplots(), flights, colours, Frame.around(flights))
    return figure


@matplotlib.rc_context(STYLE)
def touchdown_figure(
    touchdowns: Mapping[str, np.ndarray], colours: Mapping[str, str], limits: Mapping[str, float]
) -> Figure:
    """Vertical against lateral speed [m/s] at touchdown, both on square-root axes, with the boxes of a landing."""
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
    for name, box in shown_boxes(limits).items():
        vertical, lateral = box["descent_rate"], box["lateral_speed"]
        axes.plot((0, lateral, lateral), (vertical, vertical, 0), color=GOOD, lw=1.3, zorder=4)
        place = {"xytext": (-3, 4), "textcoords": "offset points", "ha": "right", "color": GOOD, "zorder": 5}
        axes.annotate(name, (lateral, 0), **place)
    for letter, least in (("x", limits["lateral_speed"]), ("y", limits["descent_rate"])):
        reach = getattr(axes.dataLim, f"{letter}1")
        root_axis(axes, letter, 1.08 * max(1.5 * least, reach), lambda tick: f"{tick:g}")
    axes.set_title("vertical speed, m/s")
    axes.set_xlabel("lateral speed, m/s", loc="right")
    return figure


@matplotlib.rc_context(STYLE | {"font.size": 10.5, "axes.titlesize": 10.0})
def picture(path: str | PathLike[str], flights: Sequence[RecordedFlight]) -> None:
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
        draw_plane(plane, [flight], colours, frame)
        mark_first_reading(plane, flight, frame)
        draw_altitude(history, flight, colour, frame)
        plane.set_title(f"{flight.pilot}: {flight.ending()}", color=colour, weight="bold", size=12, pad=14)
        history.set_title("")
    figure.savefig(path, format="png", dpi=200)


def draw_altitude(axes: Axes, flight: RecordedFlight, colour: str, frame: Frame) -> None:
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


def name_lines(axes: Axes, flight: RecordedFlight, colour: str, frame: Frame) -> None:
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
