"""One picture of one descent: the lander, the Moon below, and what the altimeter makes of it.

`draw` turns a `Scene` into pixels and depends on nothing else: the same scene gives the same picture, with no
display, clock or random number involved. `Window` puts such pictures on a screen. The camera is a function of
altitude alone, in steps of a factor two with a smooth passage between them: within a step the scale stands
still and the lander visibly sinks. Far away the lander is an enlarged symbol, and the picture says by how much.

Downrange runs to the right, up is up. Importing this module needs pygame-ce.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from lunar_env import instruments as panel
from lunar_env.instruments import polygon, pygame, stroke, write

GROUND_LINE = 0.86  # where the ground stands in the picture, as a fraction of its height
STRIP_SHARE = 0.32  # the instruments' share of the frame's width
SMALLEST_LANDER = 34  # [px at 600 px frame height], the size of the enlarged symbol


@dataclass(frozen=True)
class Scene:
    """Everything one picture shows, in SI units; unknown numbers may be nan."""

    time: float  # [s] since the start of the episode
    altitude: float  # [m] true height of the footpads above the ground below
    downrange: float  # [m] position relative to the pad, which is at 0
    ground: Callable[[np.ndarray], np.ndarray]  # downrange [m] -> height relative to the pad [m]
    ground_clearance: float  # [m] centre of mass above the footpads
    velocity: tuple[float, float]  # [m/s] downrange, up
    lateral_speed: float  # [m/s]
    tilt: float  # [rad] in the drawing plane, positive when the thrust axis leans towards +downrange
    throttle: float  # 0..1
    propellant_fraction: float  # 0..1 of the initial load
    beam: bool  # the altimeter's newest sample is valid
    measured_altitude: float  # [m] newest valid reading, nan before the first
    reading_age: float  # [s] since that reading
    believed_altitude: float  # [m] what the pilot acts on
    outcome: str  # "flying", "landed", "crashed", ...
    scenario: str  # its name
    foot_span: float = 0.92  # [m] half the distance between opposite footpads
    body_height: float = 2.3  # [m] footpads to top


@dataclass(frozen=True)
class Camera:
    """Where the picture looks: `scale` [px/m], and the pixel of the point (0, 0) = pad, pad level."""

    scale: float
    origin_x: float
    origin_y: float

    def at(self, downrange: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
        """World [m] to screen [px]; held within what SDL's integers can take."""
        x = self.origin_x + np.asarray(downrange) * self.scale
        y = self.origin_y - np.asarray(height) * self.scale
        return np.clip(np.stack([x, y], axis=-1), -20_000.0, 20_000.0)


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
    camera, ground_y = _aim(known, *view.get_size())
    view.blit(_sky(view.get_size()), (0, 0))
    downrange, heights = _draw_ground(view, known, camera)
    _draw_pad(view, known, camera, unit)
    symbol, magnification = _symbol(known, camera, unit)
    _draw_beam(view, known, camera, symbol, downrange, heights, unit)
    _draw_plume(view, known, symbol)
    _draw_lander(view, symbol, charred=scene.outcome == "crashed")
    _draw_velocity(view, known, symbol, unit)
    _draw_scale(view, camera, magnification, unit)
    _draw_outcome(view, scene.outcome, unit)
    panel.draw_strip(strip, scene, ground_y, camera.scale, unit)
    return np.frombuffer(bytearray(pygame.image.tobytes(frame, "RGB")), np.uint8).reshape(height, width, 3)


def _without_nan(scene: Scene) -> Scene:
    """A scene that can be drawn: what is not known is drawn as zero, and the instruments show a dash."""
    numbers = {f.name: getattr(scene, f.name) for f in fields(scene) if f.type == "float"}
    broken = {name: 0.0 for name, value in numbers.items() if not math.isfinite(value)}
    velocity = tuple(v if math.isfinite(v) else 0.0 for v in scene.velocity)
    return replace(scene, velocity=velocity, **broken)


def _aim(scene: Scene, width: int, height: int) -> tuple[Camera, float]:
    """The camera for a scene, and the screen height of the ground below the lander."""
    zoom = math.log2(max(scene.altitude, 0.0) + 6.0)
    step = math.floor(zoom)
    passage = min(max((zoom - step - 0.35) / 0.65, 0.0), 1.0)
    # 1.87 keeps the lander below 0.7 of the picture above ground, whatever the phase of the step
    shown = 1.87 * 2.0 ** (step + passage * passage * (3.0 - 2.0 * passage))
    scale = height / shown
    shown_across = width / scale
    # look ahead towards the pad, and end up with the lander in the middle
    middle = scene.downrange - 0.2 * shown_across * math.tanh(scene.downrange / (0.6 * shown_across))
    below = _heights(scene, np.array([scene.downrange]))[0]
    around = _heights(scene, np.linspace(middle - shown_across / 2, middle + shown_across / 2, 24)).mean()
    # the mean ground moves less than the ground below, but must not carry the lander out of the picture
    level = below + min(max(around - below, -0.06 * shown), 0.06 * shown)
    camera = Camera(scale, width / 2 - middle * scale, height * GROUND_LINE + level * scale)
    return camera, float(camera.at(scene.downrange, below)[1])


def _heights(scene: Scene, downrange: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.asarray(scene.ground(downrange), dtype=float))


@lru_cache(maxsize=8)
def _sky(size: tuple[int, int]) -> pygame.Surface:
    """Black, with the same stars every time; they are too far away to move."""
    sky = pygame.Surface(size, 0, 32)
    stars = np.random.default_rng(1969)
    for x, y, magnitude in stars.random((70, 3)):
        brightness = int(50 + 150 * magnitude**4)
        radius = 1.6 if magnitude > 0.93 else 0.8
        pygame.draw.circle(sky, (brightness, brightness, brightness), (x * size[0], y * size[1]), radius)
    return sky


def _draw_ground(view: pygame.Surface, scene: Scene, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Regolith with a sunlit edge; returns the profile drawn, downrange and height [m]."""
    width, height = view.get_size()
    columns = np.linspace(-4.0, width + 4.0, 140)
    downrange = (columns - camera.origin_x) / camera.scale
    heights = _heights(scene, downrange)
    edge = camera.at(downrange, heights)
    for depth, grey in ((0.0, 104), (0.012, 86), (0.04, 72), (0.09, 60)):
        top = edge + (0.0, depth * height)
        polygon(view, (grey, grey, grey - 2), np.vstack([top, [(width + 4, height + 4), (-4, height + 4)]]))
    pygame.draw.aalines(view, (190, 190, 184), False, edge)
    return downrange, heights


def _draw_pad(view: pygame.Surface, scene: Scene, camera: Camera, unit: float) -> None:
    width = view.get_width()
    x, y = camera.at(0.0, _heights(scene, np.zeros(1))[0])
    if 0 <= x <= width:
        for side in (-1, 1):
            post = (x + side * 13 * unit, y)
            stroke(view, panel.TEXT, post, (post[0], y - 12 * unit), 2 * unit)
        stroke(view, panel.GOOD, (x - 13 * unit, y), (x + 13 * unit, y), 4 * unit)
        write(view, "PAD", (x, y + 8 * unit), 18 * unit, panel.TEXT, "midtop")
        return
    side = 1 if x > width else -1
    tip = (width - 12 * unit, 0.0) if side > 0 else (12 * unit, 0.0)
    y = view.get_height() * 0.93
    back = tip[0] - side * 12 * unit
    polygon(view, panel.GOOD, [(tip[0], y), (back, y - 7 * unit), (back, y + 7 * unit)])
    away = panel.number(abs(scene.downrange) / 1000, " km")
    anchor = "midright" if side > 0 else "midleft"
    write(view, f"PAD {away}", (back - side * 8 * unit, y), 20 * unit, panel.TEXT, anchor)


def _symbol(scene: Scene, camera: Camera, unit: float) -> tuple[Symbol, float]:
    """Where and how large the lander is drawn, and how many times larger than it is."""
    magnification = max(SMALLEST_LANDER * unit / (scene.body_height * camera.scale), 1.0)
    enlarged = camera.scale * magnification
    below = _heights(scene, np.array([scene.downrange]))[0]
    # the enlarged symbol turns about its own centre and grows upwards from the footpads, never into the ground
    centre = camera.at(scene.downrange, below + scene.altitude) - (0.0, scene.ground_clearance * enlarged)
    axis = np.array([math.sin(scene.tilt), -math.cos(scene.tilt)])
    foot = centre - axis * scene.ground_clearance * enlarged
    clearance = scene.ground_clearance * enlarged
    return Symbol(foot, axis, scene.body_height * enlarged, scene.foot_span * enlarged, clearance), magnification


def _draw_beam(
    view: pygame.Surface,
    scene: Scene,
    camera: Camera,
    symbol: Symbol,
    downrange: np.ndarray,
    heights: np.ndarray,
    unit: float,
) -> None:
    """The altimeter looks down the body axis: bright while it answers, dashed and dim while it is silent."""
    start = symbol.at([(0.0, 0.12)])[0]
    reach = np.linspace(0.0, 1.0, 400)[:, None] * math.hypot(*view.get_size())
    path = start - reach * symbol.axis
    ground = np.interp((path[:, 0] - camera.origin_x) / camera.scale, downrange, heights)
    struck = np.flatnonzero(path[:, 1] >= camera.origin_y - ground * camera.scale)
    end = path[struck[0]] if struck.size else path[-1]
    if scene.beam:
        stroke(view, panel.MEASURED, start, end, 2 * unit)
        if struck.size:
            pygame.draw.circle(view, panel.MEASURED, end, 4 * unit)
        return
    length = float(np.linalg.norm(end - start))
    dim = tuple(c // 2 for c in panel.MEASURED)
    for near in np.arange(0.0, length, 14 * unit):
        far = min(near + 6 * unit, length)
        stroke(view, dim, start - near * symbol.axis, start - far * symbol.axis, 1)


def _draw_plume(view: pygame.Surface, scene: Scene, symbol: Symbol) -> None:
    """A plume as long as the throttle says; added to the picture as light is."""
    throttle = min(max(scene.throttle, 0.0), 1.0)
    if throttle == 0.0:
        return
    # drawn at a third of the size and blown up: the blur is the glow
    length = symbol.height * (0.25 + 1.35 * throttle)
    reach = math.ceil(length + symbol.height)
    origin = symbol.at([(0.0, 0.08)])[0]
    glow = pygame.Surface((2 * reach // 3 + 1, 2 * reach // 3 + 1), 0, 32)
    for share, spread, colour in (
        (1.0, 0.62, (26, 40, 84)),
        (0.8, 0.45, (64, 84, 140)),
        (0.55, 0.30, (150, 160, 190)),
        (0.3, 0.2, (255, 250, 235)),
    ):
        far = share * length / symbol.height
        outline = [(-0.16, 0.08), (-spread, 0.08 - 0.7 * far), (0.0, 0.08 - far), (spread, 0.08 - 0.7 * far)]
        points = symbol.at([*outline, (0.16, 0.08)])
        pygame.draw.polygon(glow, colour, (points - origin + reach) / 3)
    glow = pygame.transform.smoothscale(glow, (2 * reach, 2 * reach))
    view.blit(glow, np.round(origin - reach), special_flags=pygame.BLEND_RGB_ADD)


def _draw_lander(view: pygame.Surface, symbol: Symbol, charred: bool) -> None:
    """Legs, engine bell, skirt, body and deck; the Sun stands to the left of the body."""
    bright, shade, dark = ((92, 84, 80), (58, 52, 50), (120, 60, 30)) if charred else (
        (222, 225, 230),
        (150, 155, 164),
        (96, 102, 114),
    )
    limb = max(symbol.height / 42, 1.0)
    for side in (-1, 1):
        hip, knee, pad = symbol.at([(0.6 * side, 0.42), (0.3 * side, 0.2), (0.97 * side, 0.02)])
        stroke(view, bright, hip, pad, limb)
        stroke(view, shade, knee, pad, limb)
        stroke(view, bright, *symbol.at([(0.8 * side, 0.01), (1.14 * side, 0.01)]), 1.6 * limb)
    polygon(view, dark, symbol.at([(-0.15, 0.24), (-0.32, 0.07), (0.32, 0.07), (0.15, 0.24)]))
    body = [(0.0, 0.2), (0.42, 0.2), (0.68, 0.32), (0.68, 0.68), (0.48, 0.8), (0.0, 0.8)]
    polygon(view, shade, symbol.at(body))
    polygon(view, bright, symbol.at([(-across, along) for across, along in body]))
    polygon(view, dark, symbol.at([(-0.68, 0.42), (-0.68, 0.5), (0.68, 0.5), (0.68, 0.42)]))
    polygon(view, shade, symbol.at([(-0.36, 0.8), (-0.28, 0.92), (0.28, 0.92), (0.36, 0.8)]))
    stroke(view, bright, *symbol.at([(0.12, 0.92), (0.12, 1.0)]), limb)


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
    label = end + along * 16 * unit
    anchor = "midleft" if along[0] > 0.3 else "midright" if along[0] < -0.3 else "midtop" if along[1] > 0 else "midbottom"
    write(view, panel.number(speed, " m/s"), tuple(label), 20 * unit, panel.TEXT, anchor)


def _draw_scale(view: pygame.Surface, camera: Camera, magnification: float, unit: float) -> None:
    length = panel.round_length(150 * unit / camera.scale)
    left, y = 16 * unit, view.get_height() - 16 * unit
    right = left + length * camera.scale
    for x in (left, right):
        stroke(view, panel.TEXT, (x, y - 5 * unit), (x, y + 5 * unit), 2 * unit)
    stroke(view, panel.TEXT, (left, y), (right, y), 2 * unit)
    label = panel.distance(length)
    if magnification > 1.05:
        label += f"   (lander x {panel.number(magnification, decimals=0 if magnification >= 10 else 1)})"
    write(view, label, (right + 10 * unit, y), 20 * unit, panel.TEXT, "midleft")


def _draw_outcome(view: pygame.Surface, outcome: str, unit: float) -> None:
    if outcome == "flying":
        return
    width, height = view.get_size()
    band = pygame.Surface((width, round(76 * unit)), 0, 32)
    band.fill(panel.PANEL)
    band.set_alpha(215)
    top = round(height * 0.41)
    view.blit(band, (0, top))
    colour = panel.GOOD if outcome == "landed" else panel.BAD
    pygame.draw.rect(view, colour, (0, top, 10 * unit, band.get_height()))
    words = outcome.replace("_", " ").upper()
    write(view, words, (width / 2, top + 38 * unit), 60 * unit, colour, "center")


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
        """Show a frame (height, width, 3), then wait until the next one is due. Does nothing once dismissed."""
        if self.dismissed:
            return
        size = (frame.shape[1], frame.shape[0])
        if self._screen is None or self._screen is not pygame.display.get_surface() or self._screen.get_size() != size:
            pygame.display.init()
            self._screen = pygame.display.set_mode(size)
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
