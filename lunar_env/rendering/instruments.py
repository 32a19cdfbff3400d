"""The instrument strip: three lengths side by side, and never more than three.

TRUE is the altitude of the lander, BELIEVED the one that the pilot acts on. MEASURED is what the altimeter last said,
which is no altitude: a range along its beam, slant where the lander leans, and as old as the line below it says.
The altitude tape shares its scale and its zero with the picture beside it, so the TRUE mark stands level
with the lander's footpads and an error of belief is a height that can be pointed at.

Also here: the colours and the few drawing primitives that the picture uses as well. Lengths are pixels of
an 800 x 600 frame times `unit`, so that every frame size has the same look.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lunar_env.extras import missing
from lunar_env.rendering.scene import Scene

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # a library has no business greeting on stdout
try:
    import pygame
except ImportError as error:
    raise ImportError(missing("drawing", "pygame")) from error

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]] | np.ndarray

# After Okabe and Ito's palette, lifted for a dark ground: apart in hue and in lightness for every common
# kind of colour vision. Each altitude also has its own mark on the tape, so colour is never the only cue.
TRUE: Colour = (245, 245, 240)
MEASURED: Colour = (240, 165, 30)
BELIEVED: Colour = (70, 170, 245)

GOOD: Colour = (40, 190, 140)
BAD: Colour = (225, 95, 20)
TEXT: Colour = (222, 225, 230)
DIM: Colour = (140, 146, 156)
FAINT: Colour = (58, 63, 72)
PANEL: Colour = (14, 16, 21)
GROUND: Colour = (40, 41, 43)

TAPE_WIDTH = 76


@lru_cache(maxsize=32)
def _font(pixels: int) -> pygame.font.Font:
    """The font that comes with pygame: the same letters on every machine."""
    pygame.font.init()
    return pygame.font.Font(None, 3 * pixels)


@lru_cache(maxsize=512)
def _lettering(string: str, pixels: int, colour: Colour) -> pygame.Surface:
    """One line of text, kept, since most labels repeat from frame to frame."""
    try:
        large = _font(pixels).render(string, True, colour)
    except pygame.error:  # somebody called pygame.quit(), which kills every font made before it
        _font.cache_clear()
        large = _font(pixels).render(string, True, colour)
    # small letters snap to whole pixels and stand unevenly; letters made small do not
    return pygame.transform.smoothscale(large, (large.get_width() // 3, large.get_height() // 3))


def write(
    surface: pygame.Surface,
    string: str,
    position: tuple[float, float],
    size: float,
    colour: Colour = TEXT,
    anchor: str = "topleft",
) -> pygame.Rect:
    """Write one line with its `anchor` (a pygame.Rect attribute) at `position`; returns where it lies."""
    lettering = _lettering(string, max(6, round(size)), colour)
    return surface.blit(lettering, lettering.get_rect(**{anchor: (round(position[0]), round(position[1]))}))


def polygon(surface: pygame.Surface, colour: Colour, points: Points) -> None:
    """A filled polygon with smooth edges."""
    pygame.draw.polygon(surface, colour, points)
    pygame.draw.aalines(surface, colour, True, points)


def stroke(surface: pygame.Surface, colour: Colour, start: Points, end: Points, width: float) -> None:
    """A smooth line of any whole width."""
    pygame.draw.aaline(surface, colour, start, end, max(1, round(width)))


def number(value: float, unit: str = "", decimals: int = 1) -> str:
    """A value as a person reads it: three digits that matter, and a dash for what is not known."""
    if not math.isfinite(value):
        return "--"
    decimals = 0 if abs(value) >= 100 else decimals
    rounded = round(value, decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{rounded:,.{decimals}f}{unit}"


def distance(metres: float) -> str:
    """A distance to two digits, with the unit that keeps it short."""
    metres = float(f"{metres:.2g}")
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def round_length(length: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... that does not exceed `length`."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step for step in (1.0, 2.0, 5.0) if step * power <= length * (1 + 1e-9)) * power


def draw_strip(surface: pygame.Surface, scene: Scene, ground_y: float, scale: float, unit: float) -> None:
    """Fill `surface` with the instruments; `ground_y` [px] and `scale` [px/m] are those of the picture."""
    surface.fill(PANEL)
    width, height = surface.get_size()
    tape_width = round(TAPE_WIDTH * unit)
    _draw_tape(surface.subsurface((0, 0, tape_width, height)), scene, ground_y, scale, unit)
    stroke(surface, FAINT, (tape_width, 0), (tape_width, height), 1)
    panel = surface.subsurface((tape_width, 0, width - tape_width, height))
    y = _draw_clock(panel, scene, unit)
    y = _draw_altitudes(panel, scene, y, unit)
    _draw_motion(panel, scene, y, unit)


def _draw_tape(surface: pygame.Surface, scene: Scene, ground_y: float, scale: float, unit: float) -> None:
    width, height = surface.get_size()
    pygame.draw.rect(surface, GROUND, (0, ground_y, width, height))
    stroke(surface, DIM, (0, ground_y), (width, ground_y), 1)
    true_y = ground_y - scene.altitude * scale  # may be nan
    step = round_length(110 * unit / scale)
    for i in range(int(max(ground_y, 0) / (step * scale)) + 1):
        y = ground_y - i * step * scale
        stroke(surface, FAINT, (0, y), (width * 0.14, y), 1)
        stroke(surface, FAINT, (width * 0.86, y), (width, y), 1)
        if i > 0 and y > 20 * unit and not abs(y - true_y) < 11 * unit:
            write(surface, distance(i * step), (width / 2, y), 19 * unit, DIM, "center")
    write(surface, "0 m", (width / 2, ground_y + 14 * unit), 19 * unit, DIM, "center")
    _draw_marks(surface, scene, ground_y, scale, unit)


def _draw_marks(surface: pygame.Surface, scene: Scene, ground_y: float, scale: float, unit: float) -> None:
    """TRUE is a line across, MEASURED points from the left, BELIEVED from the right: none hides another."""
    width, height = surface.get_size()
    if math.isfinite(scene.altitude):
        y = min(max(ground_y - scene.altitude * scale, 2 * unit), height - 2 * unit)
        stroke(surface, TRUE, (0, y), (width, y), 3 * unit)
    if math.isfinite(scene.measured_altitude):
        mark = _mark(ground_y - scene.measured_altitude * scale, 0, 1, height, unit)
        if scene.beam:
            polygon(surface, MEASURED, mark)
        else:  # hollow: this was said some time ago
            pygame.draw.aalines(surface, MEASURED, True, mark)
    if math.isfinite(scene.believed_altitude):
        polygon(surface, BELIEVED, _mark(ground_y - scene.believed_altitude * scale, width, -1, height, unit))


def _mark(y: float, edge: float, inward: int, height: float, unit: float) -> list[tuple[float, float]]:
    """A triangle that points inward from the `edge` at `y`, or beyond the tape if `y` is not on it."""
    half, reach = 9 * unit, 20 * unit
    for end, beyond in ((0.0, y < 0), (height, y > height)):
        if beyond:
            base = end + math.copysign(1.6 * half, height / 2 - end)
            middle = edge + inward * (half + 3 * unit)
            return [(middle - half, base), (middle, end), (middle + half, base)]
    return [(edge, y - half), (edge + inward * reach, y), (edge, y + half)]


def _draw_clock(panel: pygame.Surface, scene: Scene, unit: float) -> float:
    left = 16 * unit
    write(panel, scene.scenario, (left, 20 * unit), 22 * unit, DIM)
    seconds = f"{scene.time:.1f}" if math.isfinite(scene.time) else "--"
    write(panel, f"{seconds} s", (left, 42 * unit), 38 * unit)
    return 96 * unit


def _draw_altitudes(panel: pygame.Surface, scene: Scene, y: float, unit: float) -> float:
    silent = not scene.beam or not math.isfinite(scene.measured_altitude)
    age = f"{number(scene.reading_age)} s"
    if not silent:
        note = f"slant, {age} old"
    elif math.isfinite(scene.measured_altitude):
        note = f"{number(scene.measured_altitude, ' m')}, {age} ago"
    else:
        note = "no reading yet"
    rows = (
        ("TRUE ALTITUDE", number(scene.altitude, " m"), "", TRUE),
        ("MEASURED RANGE", "silent" if silent else number(scene.measured_altitude, " m"), note, MEASURED),
        ("BELIEVED ALTITUDE", number(scene.believed_altitude, " m"), "", BELIEVED),
    )
    for label, value, remark, colour in rows:
        tall = 80 if remark else 56
        pygame.draw.rect(panel, colour, (0, y, 5 * unit, tall * unit))
        write(panel, label, (16 * unit, y), 19 * unit, DIM)
        write(panel, value, (16 * unit, y + 19 * unit), 46 * unit, colour)
        write(panel, remark, (16 * unit, y + 60 * unit), 20 * unit, DIM)
        y += (tall + 22) * unit
    return y + 12 * unit


def _draw_motion(panel: pygame.Surface, scene: Scene, y: float, unit: float) -> None:
    left, right = 16 * unit, panel.get_width() - 16 * unit
    rows = (
        ("DESCENT", number(-scene.velocity[1], " m/s")),
        ("LATERAL", number(scene.lateral_speed, " m/s")),
        ("TILT", number(math.degrees(scene.tilt), "°")),
    )
    for label, value in rows:
        write(panel, label, (left, y), 19 * unit, DIM, "midleft")
        write(panel, value, (right, y), 25 * unit, TEXT, "midright")
        y += 32 * unit
    y += 8 * unit
    for label, fraction in (("THROTTLE", scene.throttle), ("PROPELLANT", scene.propellant_fraction)):
        write(panel, label, (left, y), 19 * unit, DIM, "midleft")
        write(panel, number(100 * fraction, " %", 0), (right, y), 24 * unit, TEXT, "midright")
        bar = pygame.Rect(left, y + 13 * unit, right - left, 11 * unit)
        pygame.draw.rect(panel, FAINT, bar)
        filled = min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0
        pygame.draw.rect(panel, TEXT, (bar.x, bar.y, round(bar.width * filled), bar.height))
        y += 46 * unit


def draw_scale(view: pygame.Surface, scale: float, magnification: float, unit: float) -> None:
    """The scale bar in the corner of the picture, and how much too large the lander is drawn."""
    length = round_length(150 * unit / scale)
    left, y = 16 * unit, view.get_height() - 18 * unit
    right = left + length * scale
    for x in (left, right):
        stroke(view, TEXT, (x, y - 5 * unit), (x, y + 5 * unit), 2 * unit)
    stroke(view, TEXT, (left, y), (right, y), 2 * unit)
    label = distance(length)
    if magnification > 1.05:
        label += f"   (lander × {number(magnification, decimals=0 if magnification >= 10 else 1)})"
    write(view, label, (right + 10 * unit, y), 20 * unit, TEXT, "midleft")


def draw_outcome(view: pygame.Surface, outcome: str, unit: float) -> None:
    """The banner over the picture that says how the descent ended."""
    width, height = view.get_size()
    band = pygame.Surface((width, round(76 * unit)), 0, 32)
    band.fill(PANEL)
    band.set_alpha(215)
    top = round(height * 0.41)
    view.blit(band, (0, top))
    colour = GOOD if outcome == "landed" else BAD
    pygame.draw.rect(view, colour, (0, top, 10 * unit, band.get_height()))
    words = outcome.replace("_", " ").upper()
    size = min(60.0, 900.0 / max(len(words), 1))  # a long word must fit as well
    write(view, words, (width / 2, top + band.get_height() / 2), size * unit, colour, "center")
