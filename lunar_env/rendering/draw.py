"""One picture of one descent: the lander, the Moon below, and what the altimeter makes of it.

`draw` turns a `Scene` into pixels and depends on nothing else: the same scene gives the same picture, with no
display, clock or random number involved. `Window` puts such pictures on a screen. The camera is a function of
altitude alone, in steps of a factor two with a smooth passage between them: within a step the scale stands
still and the lander visibly sinks. Far away the lander is an enlarged symbol, and a note says by how much.

Downrange runs to the right, up is up. Importing this module needs pygame-ce.
"""

from __future__ import annotations

import math
import os
from dataclasses import MISSING, dataclass, fields, replace
from functools import lru_cache

import numpy as np

from lunar_env.rendering import instruments as panel
from lunar_env.rendering.instruments import Colour, polygon, pygame, stroke, write
from lunar_env.rendering.scene import Scene
from lunar_env.task import TOUCHED

GROUND_LINE = 0.86  # where the ground stands in the picture, as a fraction of its height
STRIP_SHARE = 0.33  # the instruments' share of the frame's width
SMALLEST_LANDER = 38  # [px at 600 px frame height], the size of the enlarged symbol

GROUNDED = tuple(outcome.name.lower() for outcome in TOUCHED)  # engine off, no way to go
WRECKED = ("crashed", "out_of_propellant")

UNSEEN = ("dummy", "offscreen")  # drivers of SDL without a screen

METAL = ((222, 225, 230), (150, 155, 164), (96, 102, 114))  # in the light, in the shade, dark parts
CHARRED = ((104, 96, 92), (66, 60, 58), (130, 62, 28))


@dataclass(frozen=True)
class Camera:
    """Where the picture looks, and the ground it sees there."""

    scale: float  # [px/m]
    origin: np.ndarray  # [px] where the pad would be if its ground were at height 0
    downrange: np.ndarray  # [m] of the ground profile, a little beyond both edges of the picture
    heights: np.ndarray  # [m] of the ground there
    below: float  # [m] height of the ground below the lander
    pad: float  # [m] height of the ground at the pad

    def at(self, downrange: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
        """World [m] to screen [px]; held within what SDL's integers can take."""
        place = np.stack([np.asarray(downrange), -np.asarray(height)], axis=-1) * self.scale
        return np.clip(self.origin + place, -20_000.0, 20_000.0)


@dataclass(frozen=True)
class Symbol:
    """The lander as it lies on the screen: a frame of its own, across and along the thrust axis."""

    foot: np.ndarray  # [px] the point between the footpads
    axis: np.ndarray  # unit vector along the thrust axis; screen y runs down
    height: float  # [px] footpads to top
    half_width: float  # [px]
    centre: float  # [px] centre of mass above the footpads

    def at(self, points: list[tuple[float, float]]) -> np.ndarray:
        """(across, along) in half-widths and heights -> screen [px]."""
        across, along = np.array(points).T
        sideways = np.array([-self.axis[1], self.axis[0]])
        return self.foot + np.outer(across * self.half_width, sideways) + np.outer(along * self.height, self.axis)


def draw(scene: Scene, size: tuple[int, int] = (800, 600)) -> np.ndarray:
    """The picture of a scene: uint8 (height, width, 3). No display is touched."""
    width, height = size
    unit = min(width / 800, height / 600)
    strip_width = round(STRIP_SHARE * width)
    frame = pygame.Surface(size, 0, 32)
    view = frame.subsurface((0, 0, width - strip_width, height))
    strip = frame.subsurface((width - strip_width, 0, strip_width, height))
    known = _without_nan(scene)
    camera = _aim(known, *view.get_size())
    symbol, magnification = _symbol(known, camera, unit)
    view.blit(_sky(view.get_size()), (0, 0))
    _draw_ground(view, camera)
    _draw_pad(view, known, camera, unit)
    if scene.outcome not in GROUNDED:
        _draw_plume(view, known.throttle, symbol)
        _draw_beam(view, scene.beam, camera, symbol, unit)
        _draw_velocity(view, known, symbol, unit)
    _draw_lander(view, symbol, charred=scene.outcome in WRECKED)
    panel.draw_scale(view, camera.scale, magnification, unit)
    if scene.outcome != "flying":
        panel.draw_outcome(view, scene.outcome, unit)
    ground_y = float(camera.at(known.downrange, camera.below)[1])
    panel.draw_strip(strip, scene, ground_y, camera.scale, unit)
    return np.frombuffer(bytearray(pygame.image.tobytes(frame, "RGB")), np.uint8).reshape(height, width, 3)


def _without_nan(scene: Scene) -> Scene:
    """A scene that can be drawn: what is not known is drawn as zero or its default; instruments show a dash."""
    unknown = [f for f in fields(scene) if f.type == "float" and not math.isfinite(getattr(scene, f.name))]
    broken = {f.name: 0.0 if f.default is MISSING else f.default for f in unknown}
    forward, up = (v if math.isfinite(v) else 0.0 for v in scene.velocity)
    return replace(scene, velocity=(forward, up), **broken)


def _aim(scene: Scene, width: int, height: int) -> Camera:
    """Point the camera at a scene; the zoom follows from the altitude alone."""
    zoom = math.log2(max(scene.altitude, 0.0) + 6.0)
    step = math.floor(zoom)
    passage = min(max((zoom - step - 0.35) / 0.65, 0.0), 1.0)
    # 1.87 keeps the lander below 0.7 of the picture above ground, whatever the phase of the step
    shown = 1.87 * 2.0 ** (step + passage * passage * (3.0 - 2.0 * passage))
    scale = height / shown
    across = width / scale
    # look ahead towards the pad, and end up with the lander in the middle
    middle = scene.downrange - 0.16 * across * math.tanh(scene.downrange / (0.6 * across))
    downrange = middle + 0.51 * across * np.linspace(-1.0, 1.0, 140)
    # asked once a frame: the ground may be costly to look up
    looked_up = scene.ground(np.concatenate([downrange, [scene.downrange, 0.0]]))
    *profile, below, pad = np.nan_to_num(np.asarray(looked_up, dtype=float))
    heights = np.array(profile)
    # the mean ground moves less than the ground below, but must not carry the lander out of the picture
    level = below + min(max(heights.mean() - below, -0.05 * shown), 0.05 * shown)
    origin = np.array([width / 2 - middle * scale, height * GROUND_LINE + level * scale])
    return Camera(scale, origin, downrange, heights, below, pad)


def _symbol(scene: Scene, camera: Camera, unit: float) -> tuple[Symbol, float]:
    """Where and how large the lander is drawn, and how many times larger than it is."""
    magnification = max(SMALLEST_LANDER * unit / (scene.body_height * camera.scale), 1.0)
    enlarged = camera.scale * magnification
    clearance = scene.ground_clearance * enlarged
    # the enlarged symbol turns about its own centre and grows upwards from the footpads, not into the ground
    centre = camera.at(scene.downrange, camera.below + scene.altitude) - (0.0, clearance)
    axis = np.array([math.sin(scene.tilt), -math.cos(scene.tilt)])
    foot = centre - axis * clearance
    return Symbol(foot, axis, scene.body_height * enlarged, scene.foot_span * enlarged, clearance), magnification


@lru_cache(maxsize=8)
def _sky(size: tuple[int, int]) -> pygame.Surface:
    """Black, with the same stars every time; they are too far away to move."""
    sky = pygame.Surface(size, 0, 32)
    for x, y, magnitude in np.random.default_rng(1969).random((60, 3)):
        grey = int(70 + 160 * magnitude**3)
        side = 2 if magnitude > 0.8 else 1
        sky.fill((grey, grey, grey), (x * size[0], y * size[1], side, side))
    return sky


def _draw_ground(view: pygame.Surface, camera: Camera) -> None:
    """Regolith: bright along the edge where it faces the Sun, on the left, and darker with depth."""
    width, height = view.get_size()
    x, y = camera.at(camera.downrange, camera.heights).T
    edge = np.interp(np.arange(width) + 0.5, x, y).astype(np.float32)
    top = int(min(max(edge.min() - 1.0, 0.0), height - 1))
    depth = np.arange(top, height, dtype=np.float32) + 0.5 - edge[:, None]
    cover = np.clip(depth + 0.5, 0.0, 1.0)  # of each pixel: the edge is smooth
    sunlit = 1.0 - 0.45 * np.tanh(2.0 * np.gradient(edge))
    rim = 55.0 * np.clip(1.0 - depth / 2.0, 0.0, 1.0)
    grey = cover * (62.0 + sunlit[:, None] * (58.0 * np.exp(np.maximum(depth, 0.0) / (-0.05 * height)) + rim))
    pixels = pygame.surfarray.pixels3d(view)[:, top:]
    np.copyto(pixels, grey[..., None].astype(np.uint8), where=cover[..., None] > 0.0)


def _draw_pad(view: pygame.Surface, scene: Scene, camera: Camera, unit: float) -> None:
    """Two posts on the ground, or an arrow towards a pad that is out of the picture."""
    width = view.get_width()
    x, y = camera.at(0.0, camera.pad)
    half = max(14 * unit / camera.scale, 1.5)  # [m]
    if 0 <= x <= width:
        sides = np.array([-half, half])
        left, right = camera.at(sides, np.interp(sides, camera.downrange, camera.heights))
        for foot in (left, right):
            stroke(view, panel.GOOD, foot, foot - (0.0, 14 * unit), 3 * unit)
        stroke(view, panel.GOOD, left, right, 4 * unit)
        write(view, "PAD", (x, y + 9 * unit), 19 * unit, panel.TEXT, "midtop")
        return
    y, side = view.get_height() * 0.92, 1 if x > width else -1
    tip = width - 14 * unit if side > 0 else 14 * unit
    back = tip - side * 13 * unit
    polygon(view, panel.GOOD, [(tip, y), (back, y - 8 * unit), (back, y + 8 * unit)])
    label = f"PAD {panel.distance(abs(scene.downrange))}"
    write(view, label, (back - side * 8 * unit, y), 20 * unit, panel.TEXT, "midright" if side > 0 else "midleft")


def _draw_plume(view: pygame.Surface, throttle: float, symbol: Symbol) -> None:
    """A plume as long as the throttle says; added to the picture as light is."""
    if throttle <= 0.0:
        return
    length = 0.2 + 1.5 * min(throttle, 1.0)  # in heights of the lander
    reach = 2 * math.ceil(0.5 * (length + 0.5) * symbol.height)
    bell = symbol.at([(0.0, 0.08)])[0]
    # drawn at half size and blown up: the blur is the glow
    glow = pygame.Surface((reach, reach), 0, 32)
    along = np.linspace(0.0, 1.0, 12)
    swell = np.sqrt(along) * (1.0 - along) ** 0.7
    for heat in np.linspace(0.0, 1.0, 9):
        half, far = (
            0.3 * (1.0 - along) + (1.1 - 0.9 * heat) * swell,
            0.08 - length * (1.0 - 0.55 * heat) * along,
        )
        outline = [*zip(half, far, strict=True), *zip(-half[::-1], far[::-1], strict=True)]
        colour = (10 + 245 * heat**1.6, 16 + 232 * heat**1.3, 44 + 190 * heat)
        pygame.draw.polygon(glow, colour, (symbol.at(outline) - bell + reach) / 2)
    glow = pygame.transform.smoothscale(glow, (2 * reach, 2 * reach))
    view.blit(glow, np.round(bell - reach), special_flags=pygame.BLEND_RGB_ADD)


def _draw_beam(view: pygame.Surface, valid: bool, camera: Camera, symbol: Symbol, unit: float) -> None:
    """The altimeter looks down the body axis: bright while it answers, dashed and dim while it is silent."""
    start = symbol.at([(0.0, 0.12)])[0]
    path = start - np.linspace(0.0, 1.0, 400)[:, None] * math.hypot(*view.get_size()) * symbol.axis
    edge_x, edge_y = camera.at(camera.downrange, camera.heights).T
    struck = np.flatnonzero(path[:, 1] >= np.interp(path[:, 0], edge_x, edge_y))
    end = path[struck[0]] if struck.size else path[-1]
    if valid:
        stroke(view, panel.MEASURED, start, end, 3 * unit)
        if struck.size:
            pygame.draw.aacircle(view, panel.MEASURED, end, 5 * unit)
        return
    dim = (140, 98, 24)
    length = float(np.linalg.norm(end - start))
    for near in np.arange(0.0, length, 14 * unit):
        far = min(near + 6 * unit, length)
        stroke(view, dim, start - near * symbol.axis, start - far * symbol.axis, 2 * unit)


def _draw_lander(view: pygame.Surface, symbol: Symbol, charred: bool) -> None:
    """The lander, drawn large and scaled down: that makes its edges smooth."""
    factor = 2 if symbol.height > 80 else 4
    reach = math.ceil(0.6 * symbol.height + 1.2 * symbol.half_width)
    corner = np.round(symbol.at([(0.0, 0.5)])[0] - reach)
    large = Symbol(
        (symbol.foot - corner) * factor, symbol.axis, symbol.height * factor, symbol.half_width * factor, 0.0
    )
    patch = pygame.Surface((2 * reach * factor, 2 * reach * factor), pygame.SRCALPHA, 32)
    _draw_body(patch, large, *(CHARRED if charred else METAL))
    patch = pygame.transform.smoothscale(patch, (2 * reach, 2 * reach))
    # averaged with clear black, the colours of edge pixels have become premultiplied with their alpha
    view.blit(patch, corner, special_flags=pygame.BLEND_PREMULTIPLIED)


def _draw_body(patch: pygame.Surface, symbol: Symbol, bright: Colour, shade: Colour, dark: Colour) -> None:
    """Legs, engine bell, body, belt and deck; the Sun stands on the left."""

    def shape(colour: Colour, *points: tuple[float, float]) -> None:
        pygame.draw.polygon(patch, colour, symbol.at(list(points)))

    def rod(colour: Colour, start: tuple[float, float], end: tuple[float, float], width: float = 0.03) -> None:
        a, b = symbol.at([start, end])
        aside = np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a) * max(width * symbol.height, 6.5) / 2
        pygame.draw.polygon(patch, colour, [a + aside, b + aside, b - aside, a - aside])

    for side in (-1, 1):
        rod(shade, (0.3 * side, 0.2), (0.97 * side, 0.02))
        rod(bright, (0.6 * side, 0.42), (0.97 * side, 0.02))
        rod(bright, (0.8 * side, 0.015), (1.14 * side, 0.015))
    shape(dark, (-0.15, 0.24), (-0.32, 0.07), (0.32, 0.07), (0.15, 0.24))
    outline = [(0.0, 0.2), (0.42, 0.2), (0.68, 0.32), (0.68, 0.68), (0.48, 0.8), (0.0, 0.8)]
    shape(shade, *outline)
    shape(bright, *[(-across, along) for across, along in outline])
    shape(dark, (-0.68, 0.42), (-0.68, 0.5), (0.68, 0.5), (0.68, 0.42))
    shape(shade, (-0.36, 0.8), (-0.28, 0.92), (0.28, 0.92), (0.36, 0.8))
    rod(bright, (0.12, 0.92), (0.12, 1.0))


def _draw_velocity(view: pygame.Surface, scene: Scene, symbol: Symbol, unit: float) -> None:
    """An arrow that grows with the logarithm of speed: 2 m/s and 1,600 m/s must both fit."""
    speed = math.hypot(*scene.velocity)
    if speed < 0.05:
        return
    along = np.array([scene.velocity[0], -scene.velocity[1]]) / speed
    across = np.array([-along[1], along[0]])
    start = symbol.foot + symbol.axis * symbol.centre + along * 0.75 * symbol.height
    end = start + along * unit * (10.0 + 14.0 * math.log2(1.0 + speed))
    stroke(view, panel.TEXT, start, end, 2 * unit)
    head = end - along * 10 * unit
    polygon(view, panel.TEXT, [end + along * 3 * unit, head + across * 5 * unit, head - across * 5 * unit])
    # the label stands beside the tip, on the side where the beam is not, or below if there is no room
    off_axis = end - symbol.foot - np.dot(end - symbol.foot, symbol.axis) * symbol.axis
    side = math.copysign(1.0, along[0] if abs(along[0]) > 0.5 else off_axis[0])
    x, y, anchor = end[0] + side * 14 * unit, end[1], "midleft" if side > 0 else "midright"
    room, width = 90 * unit, view.get_width()
    if not 0 < x + side * room < width:
        x, y, anchor = min(max(end[0], room / 2), width - room / 2), y + 12 * unit, "midtop"
    write(view, panel.number(speed, " m/s"), (x, y), 21 * unit, panel.TEXT, anchor)


def opened(size: tuple[int, int]) -> pygame.Surface:
    """A window of a size [px].

    Raises:
        RuntimeError: there is no display; with what helps.
    """
    try:
        pygame.display.init()
        # Without a display SDL falls back to drivers that show nothing, and says so nowhere.
        if pygame.display.get_driver() in UNSEEN and os.environ.get("SDL_VIDEODRIVER") not in UNSEEN:
            raise pygame.error(f"SDL found only its driver {pygame.display.get_driver()!r}")
        return pygame.display.set_mode(size)
    except pygame.error as error:
        pygame.display.quit()
        raise RuntimeError(
            f'render_mode="human" needs a display, and there is none here ({error}); take render_mode="rgb_array" for '
            "pictures, or set SDL_VIDEODRIVER=dummy to fly without seeing any"
        ) from error


class Window:
    """A window that shows frames at a steady pace, for `render_mode="human"`.

    It opens with the first frame. pygame has one window per process, so the newest `Window` shown wins.
    """

    def __init__(self, fps: float = 30.0, title: str = "lunar_env") -> None:
        self.fps = fps
        self.title = title
        self.dismissed = False  # the user closed it, and does not want it back
        self._screen: pygame.Surface | None = None
        self._clock = pygame.time.Clock()

    def show(self, frame: np.ndarray) -> None:
        """Show a frame (height, width, 3) and wait until the next is due. Does nothing once dismissed."""
        if self.dismissed:
            return
        size = (frame.shape[1], frame.shape[0])
        if self._screen is None or self._screen is not pygame.display.get_surface() or self._screen.get_size() != size:
            self._screen = opened(size)
            pygame.display.set_caption(self.title)
        self._screen.blit(pygame.image.frombuffer(frame.tobytes(), size, "RGB"), (0, 0))
        pygame.display.flip()
        self._clock.tick(self.fps)
        # events must be taken off the queue each frame, or the desktop calls the window frozen
        if any(event.type == pygame.QUIT for event in pygame.event.get()):
            self.dismissed = True
            self.close()

    def close(self) -> None:
        """Close the window, if it is open; closing twice is fine."""
        if self._screen is not None and self._screen is pygame.display.get_surface():
            pygame.display.quit()
        self._screen = None
