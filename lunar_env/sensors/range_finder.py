"""Range finders, in one order: truth, beam, detection, bias and noise, fault, sample clock, delay, gate, reading.

One sample's life, with a period and a delay of two ticks each:

    tick       0    1    2    3    4    5    6
    sampled    s0        s2        s4        s6
    delivered            s0        s2        s4
    reading    -    -    s0   s0   s2   s2   s4
    its age              2    3    2    3    2   ticks

A reading is made once per tick as part of the state; looking at it twice shows the same. A range finder has one beam
or several, and each beam has a reading of its own; the beams of one instrument are sampled and delivered together.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp

from lunar_env import random
from lunar_env.faults.effects import (
    DISTORTING,
    RANGING,
    distorted,
    extra_delay,
    flagged,
    hidden_delay,
    lost,
    reach_left,
    slowness_added,
    spread_factor,
)
from lunar_env.quantities import Number, mirrored, number, setting
from lunar_env.sensors.echo import FARTHEST, Echo, beam_direction, beam_echo
from lunar_env.state import Motion, Reading, Sample, Surface
from lunar_env.terrain.contact import GearDrawn
from lunar_env.vehicle.dynamics import MoonDrawn

wp.set_module_options({"enable_backward": False})

GRAZING = math.radians(85.0)  # a beam farther from straight down than this counts as pointing up


@dataclass(frozen=True)
class RangeFinder:
    """An instrument that measures the distance to the ground along its beams, and their closing speed if Doppler.

    The defaults are a perfect laser with a lag; real instruments stand in devices.py.
    """

    name: str = setting("altimeter", "how it is called in observations and in paths of numbers")
    beams: int = setting(1, "on a cone about the head's axis, evenly spaced; at most 64", low=1, high=64)
    half_angle: float = setting(0.0, "of that cone", unit="rad", low=0.0, high=3.2)
    azimuth: float = setting(0.0, "of the first beam, from body x towards y", unit="rad", low=-7.0, high=7.0)
    doppler: bool = setting(False, "whether it measures the closing speed along each beam")
    faulty: bool = setting(True, "whether the scenario's altimeter faults act on it")
    period: float = setting(0.1, "between samples, whole ticks", unit="s", low=0.0, high=1e4)
    jitter: float = setting(
        0.0, "up to this much more delay, drawn per sample, whole ticks", unit="s", low=0.0, high=10.0
    )
    delay: Number = number(0.2, "s", "from sample to reading, whole ticks [P]", low=0.0, high=10.0)
    minimum_range: Number = number(0.0, "m", "gate: nearer returns are refused", low=0.0, high=1e6)
    maximum_range: Number = number(
        10_000.0, "m", "gate, and range of half detection on reference ground", low=1.0, high=1e7
    )
    reference_albedo: Number = number(0.12, "-", "ground on which maximum_range holds", low=0.001, high=1.0)
    detection_width: Number = number(
        0.07, "-", "softness of the detection edge, share of the range [P]", low=0.0, high=1.0
    )
    closing_speed: Number = number(1e9, "m/s", "detection falls as exp(-|v|/this) [P: 50-300]", low=1.0, high=1e12)
    cant: Number = number(0.0, "rad", "of the head's axis from the body's -z axis towards +x", low=-3.2, high=3.2)
    bias: Number = number(0.0, "m", "added to every range", low=-1e4, high=1e4)
    scale: Number = number(1.0, "-", "multiplies every range", low=0.1, high=10.0)
    noise: Number = number(0.0, "m", "standard deviation at zero range", low=0.0, high=1e3)
    noise_growth: Number = number(0.0, "m/m", "standard deviation per metre of range", low=0.0, high=1.0)
    resolution: Number = number(0.0, "m", "quantisation step; 0 for none", low=0.0, high=1e3)
    speed_noise: Number = number(0.0, "m/s", "standard deviation of the closing speed", low=0.0, high=1e3)

    def directions(self) -> np.ndarray:
        """(beams, 3) unit vectors of its beams in body axes for a head without cant."""
        azimuth = self.azimuth + 2.0 * np.pi * np.arange(self.beams) / self.beams
        sine, cosine = math.sin(self.half_angle), math.cos(self.half_angle)
        return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), np.full(self.beams, -cosine)], axis=1)

    def labels(self, quantity: str) -> list[str]:
        """The names of a quantity of each beam: ``altimeter_range``, or ``radar_range_1`` for the first of several."""
        if self.beams == 1:
            return [f"{self.name}_{quantity}"]
        return [f"{self.name}_{quantity}_{beam + 1}" for beam in range(self.beams)]


RangeFinderDrawn = mirrored(RangeFinder)


@wp.struct
class Beam:
    """What holds for one beam of all landers."""

    direction: wp.vec3  # body axes, before the cant
    finder: int  # number of its range finder
    first: int  # number of that one's first beam
    period: int  # [ticks] between samples
    jitter: int  # [ticks] of extra delay at most
    doppler: int  # 1 if it measures closing speeds
    faults: int  # the faults that may act on it, one bit each


def turned_by(direction: np.ndarray, cant: float) -> np.ndarray:
    """A direction (..., 3) of a head without cant after the head is turned, in body axes; see ``beam_direction``."""
    x, y, z = np.moveaxis(direction, -1, 0)
    sine, cosine = math.sin(cant), math.cos(cant)
    return np.stack([x * cosine - z * sine, y, x * sine + z * cosine], axis=-1)


@wp.func
def chance_at_speed(
    closing: float, finder: RangeFinderDrawn, faults: wp.array3d(dtype=float), row: int, acting: int
) -> float:
    """Chance of a return at a closing speed [m/s] from ground that is near: exp(-|v| / v0)."""
    slowness = slowness_added(1.0 / finder.closing_speed, faults, row, acting)
    return wp.exp(-wp.abs(closing) * slowness)


@wp.func
def chance_at_range(
    echo: Echo, finder: RangeFinderDrawn, albedo: float, faults: wp.array3d(dtype=float), row: int, acting: int
) -> float:
    """Chance of a return from a distance, apart from that of the speed.

    As published (link budget of a diffuse target): R_max = R_ref sqrt(albedo cos(i) / albedo_ref).
    As programmed: logistic((R_max - r) / w), so that the edge is soft.
    """
    reach = finder.maximum_range * wp.sqrt(albedo * echo.incidence / finder.reference_albedo)
    reach = reach_left(reach, faults, row, acting)
    width = finder.detection_width * reach
    chance = 1.0
    if width > 0.0:
        chance = 1.0 / (1.0 + wp.exp(wp.clamp((echo.range - reach) / width, -50.0, 50.0)))
    elif echo.range > reach:
        chance = 0.0
    return chance


@wp.func
def measure(
    key: wp.uint64,
    tick: int,
    height: float,
    motion: Motion,
    moon: MoonDrawn,
    surface: Surface,
    maps: Any,
    albedo: float,
    gear: GearDrawn,
    finder: RangeFinderDrawn,
    direction: wp.vec3,
    faults: wp.array3d(dtype=float),
    row: int,
    acting: int,
) -> Sample:
    """One beam's sample before its transport. ``direction`` is that of its beam in the uncanted head."""
    sample = Sample()
    sample.stamp = tick
    beam = beam_direction(motion.attitude, direction, finder.cant)
    closing = wp.dot(motion.velocity, beam)
    chance = chance_at_speed(closing, finder, faults, row, acting)
    drawn = random.uniform(random.draw(key, tick, random.DETECTION))
    gone = drawn >= chance
    if acting & RANGING != 0 and not gone:
        gone = lost(key, tick, height, faults, row, acting)
    if gone:  # to its speed or a fault: nobody needs to know where the beam meets the ground
        return sample
    echo = beam_echo(motion, height, moon, surface, maps, gear, beam, FARTHEST * finder.maximum_range)
    if echo.met and drawn < chance * chance_at_range(echo, finder, albedo, faults, row, acting):
        spread = (finder.noise + finder.noise_growth * echo.range) * spread_factor(faults, row, acting)
        value = echo.range * finder.scale + finder.bias
        if spread > 0.0:
            value = value + spread * random.normal(random.draw(key, tick, random.RANGE_NOISE))
        if acting & DISTORTING != 0:
            value = distorted(value, key, tick, height, faults, row, acting)
        if finder.resolution > 0.0:
            value = wp.round(value / finder.resolution) * finder.resolution
        sample.range = value
        if value >= finder.minimum_range and value <= finder.maximum_range:
            sample.returned = 1.0
            sample.speed = closing
            if finder.speed_noise > 0.0:
                error = random.normal(random.draw(key, tick, random.SPEED_NOISE))
                sample.speed = sample.speed + finder.speed_noise * error
            if flagged(key, tick, faults, row, acting):
                sample.valid = 1.0
    return sample


@wp.func
def transport(
    sample: Sample,
    key: wp.uint64,
    tick: int,
    seconds: float,
    jitter_ticks: int,
    finder: RangeFinderDrawn,
    faults: wp.array3d(dtype=float),
    row: int,
    acting: int,
) -> Sample:
    """When the sample arrives, and the time stamp it carries. ``seconds`` is the length of a tick."""
    normal_delay = int(finder.delay / seconds + 0.5)
    if jitter_ticks > 0:
        spread = random.uniform(random.draw(key, tick, random.JITTER))
        normal_delay = normal_delay + int(spread * float(jitter_ticks + 1))
    late = int(extra_delay(faults, row, acting) / seconds + 0.5)
    sample.delivery = tick + normal_delay + late
    sample.stamp = sample.stamp + int(hidden_delay(faults, row, acting) / seconds + 0.5)
    return sample


@wp.func
def newer_reading(reading: Reading, sample: Sample, number: int, frozen: bool) -> Reading:
    """The reading after a sample arrives: its range is held until the next; a frozen one is only stamped anew."""
    reading.sample_number = number
    reading.sample_tick = sample.stamp
    reading.valid = sample.valid
    if sample.returned > 0.5:
        if not frozen:
            reading.range = sample.range
            reading.speed = sample.speed
        reading.range_tick = sample.stamp
    return reading
