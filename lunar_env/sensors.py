"""The altimeter, in one order: truth, beam, detection, bias and noise, fault, sample clock, delay, gate, reading.

One sample's life, with a period and a delay of two ticks each:

    tick       0    1    2    3    4    5    6
    sampled    s0        s2        s4        s6
    delivered            s0        s2        s4
    reading    -    -    s0   s0   s2   s2   s4
    its age              2    3    2    3    2   ticks

A reading is made once per tick as part of the state; looking at it twice shows the same.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env import random
from lunar_env.dynamics import MoonDrawn, altitude_of, thrust_axis, up_at
from lunar_env.fault_effects import (
    DETECTION_LOSS,
    DISTORTING,
    RANGING,
    acts,
    blind,
    distorted,
    extra_delay,
    flagged,
    hides_delay,
    lost,
    spread_factor,
)
from lunar_env.faults import FaultsDrawn
from lunar_env.ground import GearDrawn
from lunar_env.quantities import Number, mirrored, number, setting
from lunar_env.state import Motion, Reading, Sample, Surface
from lunar_env.terrain import Maps, height_below, nearby_on_map, off_step, rough, shape_below, steepest_seen

wp.set_module_options({"enable_backward": False})

BEAM_STEPS = wp.constant(10)  # Newton steps from vehicle to ground at most; two are enough for an upright one
BEAM_TOLERANCE = wp.constant(0.02)  # [m] of the last step, each of which leaves a few per cent of its error
ROUGH_STEPS = wp.constant(400)  # grazing a slope takes many, anything else about ten
FARTHEST = wp.constant(2.0)  # times the maximum range: no return comes from there
ROUGH_TOLERANCE = wp.constant(0.01)  # [m] of height, before the last correction


@dataclass(frozen=True)
class Altimeter:
    """A laser range finder. Range, rate, noise and latency of the Resilience unit are unpublished: [P] throughout."""

    period: float = setting(0.1, "between samples, whole ticks", unit="s", low=0.0)
    delay: Number = number(0.2, "s", "from sample to reading, whole ticks [P]", low=0.0, high=10.0)
    jitter: float = setting(0.0, "up to this much more delay, drawn per sample, whole ticks", unit="s", low=0.0)
    minimum_range: Number = number(0.0, "m", "gate: nearer returns are refused", low=0.0, high=1e6)
    maximum_range: Number = number(
        10_000.0, "m", "gate, and range of half detection on reference ground", low=1.0, high=1e7
    )
    reference_albedo: Number = number(0.12, "-", "ground on which maximum_range holds", low=0.001, high=1.0)
    detection_width: Number = number(
        0.07, "-", "softness of the detection edge, share of the range [P]", low=0.0, high=1.0
    )
    closing_speed: Number = number(1e9, "m/s", "detection falls as exp(-|v|/this) [P: 50-300]", low=1.0, high=1e12)
    cant: Number = number(0.0, "rad", "of the beam from the body's -z axis towards +x", low=-1.5, high=1.5)
    bias: Number = number(0.0, "m", "added to every range", low=-1e4, high=1e4)
    scale: Number = number(1.0, "-", "multiplies every range", low=0.1, high=10.0)
    noise: Number = number(0.0, "m", "standard deviation at zero range", low=0.0, high=1e3)
    noise_growth: Number = number(0.0, "m/m", "standard deviation per metre of range", low=0.0, high=1.0)
    resolution: Number = number(0.0, "m", "quantisation step; 0 for none", low=0.0, high=1e3)


AltimeterDrawn = mirrored(Altimeter)


@wp.struct
class Echo:
    """What the beam meets: the truth before the instrument touches it."""

    range: float  # [m] along the beam from the footpads' level
    incidence: float  # cosine of the angle between beam and the ground's normal
    closing: float  # [m/s] along the beam, positive when approaching
    met: bool  # False if the beam misses the ground


@wp.func
def smooth_distance(
    origin: wp.vec3, beam: wp.vec3, sink: float, up: wp.vec3, height: float, radius: float, surface: Surface, maps: Maps
):
    """Distance [m] along a beam to smooth ground, and the ground's normal there (not of unit length).

    Newton's method on the height above the surface, with the slope at the first guess, which is the flat ground's.
    """
    distance = height / sink
    point = origin + beam * distance
    ground = shape_below(point, radius, surface, maps)
    # The vertical at the vehicle serves for slopes: 10 km farther on it is off by 0.3 degrees.
    normal = up - wp.vec3(ground[1], ground[2], 0.0)
    inverse_slope = 1.0 / wp.min(wp.dot(beam, normal), -0.02)
    error = (altitude_of(point, radius) - ground[0]) * inverse_slope
    distance = distance - error
    steps = int(1)
    while wp.abs(error) > BEAM_TOLERANCE and steps < BEAM_STEPS:
        point = origin + beam * distance
        error = (altitude_of(point, radius) - height_below(point, radius, surface, maps)) * inverse_slope
        distance = distance - error
        steps = steps + 1
    return distance, normal


@wp.func
def next_step(
    gap: float, closing: float, sink: float, across: float, point: wp.vec3, along_x: float, surface: Surface, maps: Maps
) -> float:
    """How far [m] to go along a beam that has not met the ground yet, from a point ``gap`` [m] above it.

    Safe: the ground at a distance d across rises by at most W d, with W the steepest slope seen from here, of which the
    fine map's share ends at its span; the named step is steeper, but begins only where it begins. Where the beam falls
    faster than W, it meets the nearby ground only once, and Newton's method may go as far as "nearby" reaches.
    ``closing`` is the gap's loss per metre of beam.
    """
    seen = steepest_seen(point[0], point[1], surface, maps)
    slope = seen[0] + seen[1]
    step = 1.5 * wp.abs(surface.step_height) * surface.per_step
    until_step = off_step(point[0], surface)
    per_across = 1.0 / wp.max(across, 1.0e-6)
    above = wp.max(gap, 0.0)
    over_fine = (above - surface.roughness * maps.fine_span) / (sink + across * seen[0])
    safe = wp.max(above / (sink + across * slope), over_fine)
    if along_x * surface.step_height < 0.0:  # towards the step's higher side
        safe = wp.max(wp.min(safe, until_step * per_across), above / (sink + across * (slope + step)))
    if until_step <= 0.0:
        slope = slope + step
    if sink > 1.05 * across * slope:
        nearby = wp.min(nearby_on_map(maps), wp.max(until_step, 1.0)) * per_across
        newton = wp.clamp(gap / wp.max(closing, 0.05 * sink), -nearby, nearby)
        return wp.where(gap > 0.0, wp.max(safe, newton), newton)
    return wp.where(gap < 0.0, gap / (sink + across * slope), safe)


@wp.func
def rough_distance(
    origin: wp.vec3,
    beam: wp.vec3,
    sink: float,
    up: wp.vec3,
    height: float,
    farthest: float,
    radius: float,
    surface: Surface,
    maps: Maps,
):
    """Distance [m] along a beam to the first rough ground it meets, and the ground's normal there.

    Steps that cannot miss it, see ``next_step``. Stops beyond ``farthest``, where no return can come from.
    """
    across = wp.sqrt(wp.max(1.0 - sink * sink, 0.0))
    distance = float(0.0)
    normal = up
    gap = float(height)
    closing = float(sink)
    tolerance = float(ROUGH_TOLERANCE)
    point = origin
    steps = int(0)
    while wp.abs(gap) > tolerance and steps < ROUGH_STEPS and distance < farthest:
        distance = distance + next_step(gap, closing, sink, across, point, beam[0], surface, maps)
        point = origin + beam * distance
        ground = shape_below(point, radius, surface, maps)
        normal = up - wp.vec3(ground[1], ground[2], 0.0)
        closing = -wp.dot(beam, normal)
        gap = altitude_of(point, radius) - ground[0]
        # A grazing beam needs a finer height; single precision knows a distance to a ten-millionth of itself.
        tolerance = wp.max(ROUGH_TOLERANCE * wp.clamp(closing, 0.05, 1.0), 3.0e-7 * distance)
        steps = steps + 1
    if closing > 0.01 * sink:
        distance = distance + gap / closing
    return distance, normal


@wp.func
def beam_echo(
    motion: Motion,
    height: float,
    moon: MoonDrawn,
    surface: Surface,
    maps: Maps,
    gear: GearDrawn,
    cant: float,
    farthest: float,
) -> Echo:
    """Follow the beam to the ground from a vehicle whose footpads are ``height`` [m] above the ground below.

    The instrument sits at the footpads' level below the centre of mass, so that an upright vehicle reads zero at
    touchdown; its offset from there is part of ``bias``.
    """
    echo = Echo()
    beam = wp.quat_rotate(motion.attitude, wp.vec3(wp.sin(cant), 0.0, -wp.cos(cant)))
    origin = motion.position - thrust_axis(motion.attitude) * gear.centre_height
    up = up_at(origin, moon.radius)
    sink = -wp.dot(beam, up)
    echo.met = sink > 0.05
    if echo.met:
        above = wp.max(height, 0.0)
        distance = float(0.0)
        normal = up
        if rough(surface):
            distance, normal = rough_distance(origin, beam, sink, up, above, farthest, moon.radius, surface, maps)
            echo.met = distance < farthest
        else:
            distance, normal = smooth_distance(origin, beam, sink, up, above, moon.radius, surface, maps)
        echo.range = distance
        echo.incidence = wp.max(-wp.dot(beam, wp.normalize(normal)), 0.0)
        echo.closing = wp.dot(motion.velocity, beam)
        echo.met = echo.met and distance >= 0.0
    return echo


@wp.func
def detection_probability(
    echo: Echo, altimeter: AltimeterDrawn, albedo: float, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int
) -> float:
    """Chance of a return.

    As published (link budget of a diffuse target): R_max = R_ref sqrt(albedo cos(i) / albedo_ref).
    As programmed: logistic((R_max - r) / w) exp(-|v| / v0), so that the edge is soft and speed costs returns.
    """
    reach = altimeter.maximum_range * wp.sqrt(albedo * echo.incidence / altimeter.reference_albedo)
    slowness = 1.0 / altimeter.closing_speed
    if acts(acting, DETECTION_LOSS):
        reach = reach * (1.0 - faults[row].detection_loss.reach)
        slowness = slowness + faults[row].detection_loss.slowness
    width = altimeter.detection_width * reach
    chance = 1.0
    if width > 0.0:
        chance = 1.0 / (1.0 + wp.exp(wp.clamp((echo.range - reach) / width, -50.0, 50.0)))
    elif echo.range > reach:
        chance = 0.0
    return chance * wp.exp(-wp.abs(echo.closing) * slowness)


@wp.func
def measure(
    key: wp.uint64,
    tick: int,
    height: float,
    motion: Motion,
    moon: MoonDrawn,
    surface: Surface,
    maps: Maps,
    albedo: float,
    gear: GearDrawn,
    altimeter: AltimeterDrawn,
    faults: wp.array(dtype=FaultsDrawn),
    row: int,
    acting: int,
) -> Sample:
    """One sample before its transport: range [m] and whether there was a return."""
    sample = Sample()
    sample.stamp = tick
    if not blind(faults, row, acting, height):
        echo = beam_echo(motion, height, moon, surface, maps, gear, altimeter.cant, FARTHEST * altimeter.maximum_range)
        chances = random.draw(key, tick, random.DETECTION)
        chance = float(0.0)
        if echo.met:
            chance = detection_probability(echo, altimeter, albedo, faults, row, acting)
        if random.uniform(chances) < chance and not (
            acting & RANGING != 0 and lost(key, tick, height, faults, row, acting)
        ):
            spread = (altimeter.noise + altimeter.noise_growth * echo.range) * spread_factor(faults, row, acting)
            value = echo.range * altimeter.scale + altimeter.bias
            if spread > 0.0:
                value = value + spread * random.normal(random.draw(key, tick, random.RANGE_NOISE))
            if acting & DISTORTING != 0:
                value = distorted(value, key, tick, height, faults, row, acting)
            if altimeter.resolution > 0.0:
                value = wp.round(value / altimeter.resolution) * altimeter.resolution
            sample.range = value
            if value >= altimeter.minimum_range and value <= altimeter.maximum_range:
                sample.returned = 1.0
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
    altimeter: AltimeterDrawn,
    faults: wp.array(dtype=FaultsDrawn),
    row: int,
    acting: int,
) -> Sample:
    """When the sample arrives, and the time stamp it carries. ``seconds`` is the length of a tick."""
    normal_delay = int(altimeter.delay / seconds + 0.5)
    if jitter_ticks > 0:
        spread = random.uniform(random.draw(key, tick, random.JITTER))
        normal_delay = normal_delay + int(spread * float(jitter_ticks + 1))
    late = int(extra_delay(faults, row, acting) / seconds + 0.5)
    sample.delivery = tick + normal_delay + late
    if hides_delay(faults, row, acting):
        sample.stamp = tick + late
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
        reading.range_tick = sample.stamp
    return reading
