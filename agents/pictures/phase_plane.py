"""The plane of altitude and descent rate, where a landing is won or lost.

Altitude stands on a square-root axis: the stopping curve v = sqrt(2 a h) becomes a straight line, and both
the kilometres of the approach and the last hundred metres can be read.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from agents.pictures.recorded_flight import RecordedFlight
from agents.pictures.style import (
    GOOD,
    INK,
    MOST_VECTORS,
    MUTED,
    PAPER,
    SHADE,
    Frame,
    metres,
    root_axis,
    thin,
)
from agents.scoring.statistics import shown_boxes
from lunar_env.pages.root_scale import root, square

LAST_METRES = 25.0  # [m] the zoom on the ground begins here
LAST_SPEED = 8.0  # [m/s] and ends here, unless a landing may be as fast


def deceleration_of(flights: Sequence[RecordedFlight]) -> float:
    """That of the stopping curve [m/s²], net of gravity: the most that full thrust gave any of these flights.

    Not a number where it gave none of them any: then there is no curve.
    """
    return max((flight.deceleration for flight in flights if flight.deceleration > 0.0), default=float("nan"))


def draw_plane(axes: Axes, flights: Sequence[RecordedFlight], colours: Mapping[str, str], frame: Frame) -> None:
    """Tracks over the stopping curve v = sqrt(2 a h), see `deceleration_of`."""
    root_axis(axes, "y", frame.altitude, metres)
    axes.set_xlim(frame.climb, frame.rate)
    axes.set_title("altitude")
    axes.set_xlabel("descent rate, m/s", loc="right")
    few = len(flights) < 8
    pixels = sum(flight.time.size for flight in flights) > MOST_VECTORS
    for flight in flights:
        rate, altitude = thin(*flight.track())
        style = {"color": colours[flight.pilot], "alpha": 1.0 if few else 0.55}
        axes.plot(rate, altitude, lw=1.8 if few else 1.0, rasterized=pixels, **style)
        mark_end(axes, rate, altitude, flight.outcome, style)
    deceleration = deceleration_of(flights)
    if np.isfinite(deceleration):
        draw_stopping_curve(axes, frame, deceleration)
        name_stopping_curve(axes, flights, frame, deceleration)


def draw_stopping_curve(axes: Axes, frame: Frame, deceleration: float) -> None:
    """The curve, and the shade of all that is too fast to stop."""
    fastest = min(frame.rate, np.sqrt(2 * deceleration * frame.altitude))
    speed = np.array([0.0, fastest, frame.rate])
    stop = np.minimum(speed, fastest) ** 2 / (2 * deceleration)  # straight on this axis: two points draw it
    axes.fill_between(speed, stop, color=SHADE, lw=0, zorder=0)
    axes.plot(speed[:2], stop[:2], color=MUTED, lw=1.0, zorder=1)


def name_stopping_curve(axes: Axes, flights: Sequence[RecordedFlight], frame: Frame, deceleration: float) -> None:
    """Write along the curve, below it or above, where the tracks leave most room."""
    top = min(frame.rate, np.sqrt(2 * deceleration * frame.altitude))
    curve = np.linspace(0, top, 101)
    points = frame.share(curve, curve**2 / (2 * deceleration))
    places = [(middle, side) for side in (-1, 1) for middle in range(80, 25, -5)]
    room = [points[middle - 20 : middle + 21 : 5] + np.array([0, 0.04 * side]) for middle, side in places]
    middle, side = places[clearest(flights, frame, room)]
    here = curve[middle]
    style = {"rotation_mode": "anchor", "transform_rotates_text": True, "color": MUTED, "zorder": 1}
    style["rotation"] = np.degrees(np.arctan2(here, deceleration))  # of the tangent in m and m/s
    height = square(root(here**2 / (2 * deceleration)) + 0.02 * side * root(frame.altitude))
    style["va"] = "top" if side < 0 else "bottom"
    axes.text(here, height, f"stops at {deceleration:.1f} m/s²", ha="center", **style)
    ends = (0.985, 0.86, 0.74)
    words = [np.stack([np.linspace(end - 0.27, end, 10), np.full(10, 0.045)], axis=1) for end in ends]
    end = ends[clearest(flights, frame, words)]
    axes.text(end, 0.03, "too late to stop", transform=axes.transAxes, ha="right", color=MUTED, zorder=1)


def clearest(flights: Sequence[RecordedFlight], frame: Frame, candidates: Sequence[np.ndarray]) -> int:
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


def mark_first_reading(axes: Axes, flight: RecordedFlight, frame: Frame) -> None:
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


def draw_last_metres(axes: Axes, flight: RecordedFlight, colour: str) -> None:
    """The plane near its origin on plain axes, with the box of a landing in the flight's scenario."""
    rate, altitude = flight.track()
    for name, box in shown_boxes(flight.limits).items():
        axes.axvspan(0, box["descent_rate"], color=GOOD, alpha=0.15, lw=0, zorder=0)
        place = {"xytext": (-3, -3), "textcoords": "offset points", "ha": "right", "va": "top", "color": GOOD}
        axes.annotate(name, (box["descent_rate"], LAST_METRES), **place)
    fastest = max(LAST_SPEED, 1.5 * flight.limits["descent_rate"])
    axes.plot(rate, altitude, color=colour, lw=1.8)
    axes.set(xlim=(0, fastest), ylim=(0, LAST_METRES), title=f"altitude, the last {LAST_METRES:g} m")
    axes.set_xlabel("descent rate, m/s", loc="right")
    axes.set_yticks((0, 10, 20), ("0", "10 m", "20 m"))
    speed = flight.touchdown_descent_rate
    if speed > fastest:
        axes.text(fastest, 0.45 * LAST_METRES, f"touches far off, at {speed:.0f} m/s →", ha="right")
    elif np.isfinite(speed):
        mark_end(axes, rate, altitude, flight.outcome, {"color": colour})
