"""What the flight computer knows: one row of numbers, each with a name, a unit, a scale and bounds.

Every number is divided by its scale, so that a network sees about [-1, 1], and clipped to its bounds, so that it
stays inside the declared space. ``ObservationTable.read`` gives the numbers back by name in SI units.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import warp as wp

from lunar_env.quantities import middle
from lunar_env.sensors.inertial import misjudged
from lunar_env.sensors.range_finder import RangeFinder, turned_by
from lunar_env.state import Belief, Reading
from lunar_env.vehicle.compare import alike, below, real, select
from lunar_env.vehicle.frames import altitude_of, to_local, up_at

# Warp looks the operators up by these names: + is add, - is sub, * is mul, / is div.
from lunar_env.vehicle.lanes import Counts, Lanes, Quaternions, Vectors, add, div, mul, sub  # noqa: F401

wp.set_module_options({"enable_backward": False})

AGE_SCALE = wp.constant(10.0)  # [s]
RATE_SCALE = wp.constant(0.2)  # [rad/s]
PER_AGE, PER_RATE = wp.constant(1.0 / AGE_SCALE), wp.constant(1.0 / RATE_SCALE)
CORE = 15  # numbers between those of the beams and the last action

# What a pilot is shown: beams, core and last action; the same without errors, noise or lag; no core.
OBSERVATIONS = ("instruments", "truth", "beams")


@wp.struct
class Scales:
    """Scales of the numbers that depend on the scenario."""

    altitude: float  # [m]
    extent: float  # [m] horizontal
    speed: float  # [m/s]
    propellant: float  # [kg]
    time: float  # [s]


@dataclass(frozen=True)
class Channel:
    """One number of the observation. ``minimum`` and ``maximum`` are in ``unit``."""

    name: str
    unit: str
    minimum: float
    maximum: float
    scale: float
    frame: str
    noise: str
    lag: str
    meaning: str


@dataclass(frozen=True)
class BeamChannels:
    """The names of one beam's channels, and where it points."""

    range: str
    valid: str
    age: str
    speed: str  # "" without Doppler
    direction: tuple[float, float, float]  # body axes, with the nominal cant


@dataclass(frozen=True)
class ObservationTable:
    """The channels of one reading, in order; with ``history`` the oldest reading comes first."""

    channels: tuple[Channel, ...]
    history: int = 1
    finders: tuple[RangeFinder, ...] = ()  # the instruments, for pilots that want to know where their beams point
    pad: bool = False  # whether the descent is to end at the pad

    @property
    def size(self) -> int:
        """Numbers in one observation."""
        return len(self.channels) * self.history

    def beams(self) -> list[BeamChannels]:
        """Every beam of every range finder, in the order of the channels."""
        found = []
        for finder in self.finders:
            names = [finder.labels(quantity) for quantity in ("range", "valid", "age", "speed")]
            directions = turned_by(finder.directions(), middle(finder.cant)).tolist()
            for distance, valid, age, speed, (x, y, z) in zip(*names, directions, strict=True):
                found.append(BeamChannels(distance, valid, age, speed if finder.doppler else "", (x, y, z)))
        return found

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest scaled values, each of shape (size,)."""
        low = np.array([c.minimum / c.scale for c in self.channels], dtype=np.float32)
        high = np.array([c.maximum / c.scale for c in self.channels], dtype=np.float32)
        return np.tile(low, self.history), np.tile(high, self.history)

    def read(self, observation: torch.Tensor) -> dict[str, torch.Tensor]:
        """The newest reading of (N, size) observations as named SI columns, each of shape (N,)."""
        scales = row_of(tuple(c.scale for c in self.channels), observation.device, observation.dtype)
        newest = (observation[..., -len(self.channels) :] * scales).movedim(-1, 0)
        # All at once: as many small products would take most of a pilot's time. Each column lies close together.
        return dict(zip((c.name for c in self.channels), newest.contiguous().unbind(0), strict=True))

    def __repr__(self) -> str:
        first, last = self.channels[0].name, self.channels[-1].name
        past = f", {self.history} readings of {len(self.channels)}" if self.history > 1 else ""
        return f"<ObservationTable of {self.size} numbers{past}: {first} to {last}; .markdown() has all>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows: a line for each number."""
        lines = [
            f"| {i} | `{c.name}` | {c.unit} | {c.minimum:g} to {c.maximum:g} | {c.scale:g} | {c.meaning} |"
            for i, c in enumerate(self.channels)
        ]
        past = f" {self.history} readings in a row, the newest last." if self.history > 1 else ""
        head = "| # | name | unit | range | divided by | meaning |\n" + 6 * "|---" + "|"
        return "\n".join([f"{self.size} numbers, scaled and clipped.{past}", "", head, *lines])

    def markdown(self) -> str:
        """The table as it stands in the documentation."""
        head = "| # | name | unit | min | max | scale | frame | noise | lag | meaning |\n" + 10 * "|---" + "|\n"
        return head + "\n".join(
            f"| {i} | `{c.name}` | {c.unit} | {c.minimum:g} | {c.maximum:g} | {c.scale:g} | {c.frame} | {c.noise} "
            f"| {c.lag} | {c.meaning} |"
            for i, c in enumerate(self.channels)
        )


@functools.cache
def row_of(numbers: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """The numbers as a tensor, which nobody may change: it is made once, for what stays the same from call to call."""
    with torch.inference_mode(False):  # the next call may want gradients through it
        return torch.tensor(numbers, device=device, dtype=dtype)


def up_in_body(named: Callable[[str], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Straight up in body axes, by the believed attitude; ``named`` gives a channel by name.

    It is the last row of the attitude's rotation matrix.
    """
    x, y, z, w = (named(f"attitude_{axis}") for axis in "xyzw")
    return 2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x**2 + y**2)


def pointing_down(named: Callable[[str], torch.Tensor], direction: tuple[float, float, float]) -> torch.Tensor:
    """Cosine of the angle between a direction in body axes and straight down, by the believed attitude."""
    return cosine_to_down(up_in_body(named), direction)


def cosine_to_down(
    up: tuple[torch.Tensor, torch.Tensor, torch.Tensor], direction: tuple[float, float, float]
) -> torch.Tensor:
    """The same from ``up``, which ``up_in_body`` gives: for several directions at one attitude."""
    return -(up[0] * direction[0] + up[1] * direction[1] + up[2] * direction[2])


def believed_velocity(reading: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The inertial velocity (N, 3) [m/s] of a reading in local axes: downrange, cross-range and up."""
    return torch.stack([reading["velocity_x"], reading["velocity_y"], reading["velocity_up"]], dim=1)


def believed_lateral_speed(reading: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The horizontal part (N,) [m/s] of ``believed_velocity``."""
    return torch.hypot(reading["velocity_x"], reading["velocity_y"])


def beam_channels(finder: RangeFinder, scales: Scales, truth: bool) -> list[Channel]:
    """What one range finder shows: for each beam its range, its flag, its age and, with Doppler, its closing speed."""
    top, fast = scales.altitude, scales.speed
    noise, lag = ("none", "none") if truth else ("grows with range", "period, delay, faults")
    named = [finder.labels(quantity) for quantity in ("range", "valid", "age", "speed")]
    found = []
    for distance, valid, age, speed in zip(*named, strict=True):
        found += [
            Channel(
                distance,
                "m",
                0.0,
                2 * top,
                top,
                "beam",
                noise,
                lag,
                "newest slant range, held; upper gate before the first",
            ),
            Channel(valid, "-", 0.0, 1.0, 1.0, "-", "-", lag, "1 if the newest sample that arrived had a return"),
            Channel(
                age,
                "s",
                0.0,
                10.0 * AGE_SCALE,
                AGE_SCALE,
                "-",
                "-",
                "-",
                "since the sample behind the range was taken, by its stamp; since the start before the first",
            ),
        ]
        if finder.doppler:
            speed_noise = "none" if truth else "white"
            meaning = "closing speed along the beam that came with the range; 0 before the first"
            found.append(Channel(speed, "m/s", -2 * fast, 2 * fast, fast, "beam", speed_noise, lag, meaning))
    return found


def core_channels(scales: Scales, truth: bool) -> list[Channel]:
    """What inertial navigation, gauge and clock show, in the order of ``observe_core``."""
    fast, local, inertial = scales.speed, "local vertical", "none" if truth else "initial error and drift"

    def both_ways(name: str, unit: str, scale: float, reach: float, frame: str, noise: str, meaning: str) -> Channel:
        return Channel(name, unit, -reach * scale, reach * scale, scale, frame, noise, "none", meaning)

    def upwards(name: str, unit: str, scale: float, frame: str, meaning: str) -> Channel:
        return Channel(name, unit, 0.0, scale, scale, frame, "none", "none", meaning)

    height = "believed height of the footpads above the pad's level"
    return [
        both_ways("altitude", "m", scales.altitude, 2, local, inertial, height),
        both_ways(
            "position_x", "m", scales.extent, 2, "site", inertial, "believed downrange position; the pad is at 0"
        ),
        both_ways("position_y", "m", scales.extent, 2, "site", inertial, "believed cross-range position"),
        both_ways("velocity_x", "m/s", fast, 2, local, inertial, "believed lateral velocity downrange"),
        both_ways("velocity_y", "m/s", fast, 2, local, inertial, "believed lateral velocity cross-range"),
        both_ways("velocity_up", "m/s", fast, 2, local, inertial, "believed climb rate; negative when descending"),
        both_ways("attitude_x", "-", 1.0, 1, "body to site", "none", "quaternion, scalar kept positive"),
        both_ways("attitude_y", "-", 1.0, 1, "body to site", "none", "quaternion"),
        both_ways("attitude_z", "-", 1.0, 1, "body to site", "none", "quaternion"),
        upwards("attitude_w", "-", 1.0, "body to site", "quaternion, scalar"),
        *(both_ways(f"rate_{axis}", "rad/s", RATE_SCALE, 10, "body", "none", "angular rate") for axis in "xyz"),
        upwards("propellant", "kg", scales.propellant, "-", "left in the tanks"),
        upwards("time", "s", scales.time, "-", "since the start"),
    ]


def observation_table(
    scales: Scales, finders: tuple[RangeFinder, ...], action_names: tuple[str, ...], history: int, kind: str
) -> ObservationTable:
    """The channels for a scenario that shows a kind of observation, one of ``OBSERVATIONS``."""
    truth = kind == "truth"
    rows = [channel for finder in finders for channel in beam_channels(finder, scales, truth)]
    if kind != "beams":
        rows += core_channels(scales, truth)
    rows += [
        Channel(f"last_{name}", "-", -1.0, 1.0, 1.0, "-", "none", "none", "action in force") for name in action_names
    ]
    return ObservationTable(tuple(rows), history, finders)


@wp.func
def put(observation: wp.array2d(dtype=float), row: int, column: int, scaled: float, low: float, high: float):
    """One number, clipped to its bounds."""
    observation[row, column] = wp.clamp(scaled, low, high)


@wp.func_native("""
    const float least = low, most = high;
    for (signed lane = 0; lane < 8; ++lane)
        if (rows.c[lane] >= 0)
            *wp::address(observation, rows.c[lane], column) = wp::clamp(scaled.c[lane], least, most);
    """)
def put(  # noqa: D103, F811
    observation: wp.array2d(dtype=float), rows: Counts, column: int, scaled: Lanes, low: float, high: float
): ...


@wp.func
def shown(reading: Reading, closing: float, height: float, tick: int) -> Reading:
    """What a beam shows with ``observation="truth"``: the true height [m], now, and the true closing speed [m/s]."""
    reading.range = height
    reading.valid = 1.0
    reading.range_tick = tick
    reading.speed = closing
    return reading


@wp.func
def observe_beam(
    observation: wp.array2d(dtype=float),
    row: Any,
    start: int,
    reading: Any,
    age: Any,
    doppler: int,
    scales: Scales,
):
    """Write one beam's numbers from column ``start`` of a row on, in the order of ``beam_channels``."""
    put(observation, row, start, reading.range * (1.0 / scales.altitude), 0.0, 2.0)
    put(observation, row, start + 1, reading.valid, 0.0, 1.0)
    put(observation, row, start + 2, age * PER_AGE, 0.0, 10.0)
    if doppler == 1:
        put(observation, row, start + 3, reading.speed * (1.0 / scales.speed), -2.0, 2.0)


@wp.func
def believed(attitude: wp.quat, rates: wp.vec3, belief: Belief):
    """Attitude and body rates as the flight computer believes them."""
    if belief.misled == 1:
        attitude = belief.attitude_error * attitude
        rates = rates + belief.rate_error
    return attitude, rates


@wp.func
def believed(attitude: Quaternions, rates: Vectors, belief: Any):  # noqa: D103, F811
    return attitude, rates  # landers whose belief of these is off are looked at one by one


@wp.func
def observe_core(
    observation: wp.array2d(dtype=float),
    row: Any,
    start: int,
    truth: int,
    misjudges: int,
    tick: Any,
    seconds: float,
    motion: Any,
    belief: Any,
    navigation: Any,
    moon: Any,
    gear: Any,
    scales: Scales,
):
    """Write the core from column ``start`` of a row on, in the order of ``observation_table``."""
    position = motion.position
    velocity = motion.velocity
    if truth == 0:
        if misjudges == 1:
            position, velocity = misjudged(position, velocity, navigation)
        position = position + belief.position_error
        velocity = velocity + belief.velocity_error
    up = up_at(position, moon.radius)
    local = to_local(velocity, up)
    altitude = altitude_of(position, moon.radius) - gear.centre_height
    q = motion.attitude
    rates = motion.rates
    propellant = motion.propellant
    if truth == 0:
        propellant = propellant + belief.propellant_error
        q, rates = believed(q, rates, belief)
    sign = select(below(q.w, 0.0), alike(-1.0, altitude), alike(1.0, altitude))

    per_altitude = 1.0 / scales.altitude
    per_extent = 1.0 / scales.extent
    per_speed = 1.0 / scales.speed
    put(observation, row, start + 0, altitude * per_altitude, -2.0, 2.0)
    put(observation, row, start + 1, position.x * per_extent, -2.0, 2.0)
    put(observation, row, start + 2, position.y * per_extent, -2.0, 2.0)
    put(observation, row, start + 3, local.x * per_speed, -2.0, 2.0)
    put(observation, row, start + 4, local.y * per_speed, -2.0, 2.0)
    put(observation, row, start + 5, local.z * per_speed, -2.0, 2.0)
    put(observation, row, start + 6, q.x * sign, -1.0, 1.0)
    put(observation, row, start + 7, q.y * sign, -1.0, 1.0)
    put(observation, row, start + 8, q.z * sign, -1.0, 1.0)
    put(observation, row, start + 9, q.w * sign, 0.0, 1.0)
    put(observation, row, start + 10, rates.x * PER_RATE, -10.0, 10.0)
    put(observation, row, start + 11, rates.y * PER_RATE, -10.0, 10.0)
    put(observation, row, start + 12, rates.z * PER_RATE, -10.0, 10.0)
    put(observation, row, start + 13, propellant / scales.propellant, 0.0, 1.0)
    put(observation, row, start + 14, real(tick) * seconds / scales.time, 0.0, 1.0)
