"""Where a beam meets the ground: one beam from one vehicle, over smooth ground or rough."""

import warp as wp

from lunar_env.dynamics import MoonDrawn, altitude_of, thrust_axis, up_at
from lunar_env.ground import GearDrawn
from lunar_env.state import Motion, Surface
from lunar_env.terrain import Maps, height_below, nearby_on_map, off_step, rough, shape_below, steepest_seen

wp.set_module_options({"enable_backward": False})

BEAM_STEPS = wp.constant(10)  # Newton steps from vehicle to ground at most; two are enough for an upright one
BEAM_TOLERANCE = wp.constant(0.02)  # [m] of the last step, each of which leaves a few per cent of its error
ROUGH_STEPS = wp.constant(400)  # grazing a slope takes many, anything else about ten
FARTHEST = wp.constant(2.0)  # times the maximum range: no return comes from there
ROUGH_TOLERANCE = wp.constant(0.01)  # [m] of height, before the last correction


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
def beam_direction(attitude: wp.quat, direction: wp.vec3, cant: float) -> wp.vec3:
    """A beam's direction in the site frame. ``direction`` is in body axes before the head is turned by ``cant`` [rad].

    A positive cant turns straight down, (0, 0, -1), towards +x.
    """
    sine = wp.sin(cant)
    cosine = wp.cos(cant)
    turned = wp.vec3(
        direction[0] * cosine - direction[2] * sine, direction[1], direction[0] * sine + direction[2] * cosine
    )
    return wp.quat_rotate(attitude, turned)


@wp.func
def beam_echo(
    motion: Motion,
    height: float,
    moon: MoonDrawn,
    surface: Surface,
    maps: Maps,
    gear: GearDrawn,
    beam: wp.vec3,
    farthest: float,
) -> Echo:
    """Follow a beam to the ground from a vehicle whose footpads are ``height`` [m] above the ground below.

    The instrument sits at the footpads' level below the centre of mass, so that an upright vehicle reads zero at
    touchdown; its offset from there is part of ``bias``.
    """
    echo = Echo()
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
