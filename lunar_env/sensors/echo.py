"""Where a beam meets the ground: one beam from one vehicle, over smooth ground or rough."""

from typing import Any

import warp as wp

from lunar_env.state import Motion, Surface
from lunar_env.terrain.contact import GearDrawn
from lunar_env.terrain.surface import (
    greatest_slope,
    ground_shape,
    height_below,
    off_step,
    rough,
    shape_below,
    steepest_seen,
    through_cell,
)
from lunar_env.vehicle.dynamics import MoonDrawn
from lunar_env.vehicle.frames import altitude_of, thrust_axis, up_at

wp.set_module_options({"enable_backward": False})

BEAM_STEPS = wp.constant(10)  # Newton steps from vehicle to ground at most; two are enough for an upright one
BEAM_TOLERANCE = wp.constant(0.02)  # [m] of the last step, each of which leaves a few per cent of its error
ROUGH_STEPS = wp.constant(400)  # grazing a slope takes many, anything else about ten
SECANT_STEPS = wp.constant(8)  # on rough ground; one beam in a hundred needs more
FARTHEST = wp.constant(2.0)  # times the maximum range: no return comes from there
STANDING = wp.constant(0.01)  # [m] of height, below which rough ground is met at once
PAST_CELL = wp.constant(0.003)  # [m] of beam into the next cell, lest float32 stay in this one
ROUGH_TOLERANCE = wp.constant(0.0025)  # [m] across the ground, of the last correction


@wp.struct
class Echo:
    """What the beam meets: the truth before the instrument touches it."""

    range: float  # [m] along the beam from the footpads' level
    incidence: float  # cosine of the angle between beam and the ground's normal
    met: bool  # False if the beam misses the ground


@wp.func
def smooth_distance(
    origin: wp.vec3, beam: wp.vec3, sink: float, up: wp.vec3, height: float, radius: float, surface: Surface, maps: Any
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
    gap: float, closing: float, sink: float, across: float, site: wp.vec3, beam: wp.vec3, surface: Surface, maps: Any
) -> float:
    """How far [m] to go along a beam that has not met the ground yet, from ``gap`` [m] above the ground at a site.

    Safe: the ground at a distance d across rises by at most W d, with W the steepest slope seen from here, of which the
    fine map's share ends at its span; the named step is steeper, but begins only where it begins. Safe as well is
    Newton's step, as far as the cell reaches: the gap is a quadratic there, so that it has one zero if it ends negative
    and none if it does not. ``closing`` is the gap's loss per metre of beam.
    """
    seen = steepest_seen(site[0], site[1], beam[0], beam[1], surface, maps)
    slope = seen[0] + seen[1]
    over_fine = (gap - surface.roughness * maps.fine_span) / (sink + across * seen[0])
    safe = wp.max(gap / (sink + across * slope), over_fine)
    if beam[0] * surface.step_height < 0.0:  # towards the step's higher side
        step = 1.5 * wp.abs(surface.step_height) * surface.per_step
        until_step = off_step(site[0], surface) / wp.max(across, 1.0e-6)
        safe = wp.max(wp.min(safe, until_step), gap / (sink + across * (slope + step)))
    newton = gap / wp.max(closing, 1.0e-3)
    cell = through_cell(site[0], site[1], beam[0], beam[1], surface, maps) + PAST_CELL
    return wp.max(safe, wp.min(newton, cell))


@wp.func
def unsure_from(
    distance: float, sink: float, across: float, site: wp.vec3, beam: wp.vec3, surface: Surface, maps: Any
) -> float:
    """From what distance [m] on a beam may have met other ground before a site; that of the site itself if from none.

    Nothing rises above the cones that stand on the ground here. A beam that falls more steeply than they do came down
    above them; if only more steeply than the coarse map's, then as far back as the fine map's span reaches it.
    """
    if sink > 1.05 * across * greatest_slope(surface, maps):
        return distance
    seen = steepest_seen(site[0], site[1], -beam[0], -beam[1], surface, maps)
    coarse = seen[0]
    if beam[0] * surface.step_height > 0.0:  # the step's higher side lies behind
        coarse = coarse + 1.5 * wp.abs(surface.step_height) * surface.per_step
    if sink > 1.05 * across * (coarse + seen[1]):
        return distance
    if sink > 1.05 * across * coarse:
        return wp.max(distance - surface.roughness * maps.fine_span / (sink - across * coarse), 0.0)
    return 0.0


@wp.func
def secant_step(gap: float, gap_before: float, moved: float, closing: float, sink: float, across: float) -> float:
    """How much farther [m] the secant through the last two looks meets the ground."""
    lost = gap_before - gap
    if moved == 0.0 or wp.abs(gap) * across < 0.5 * sink:  # so near that the gradient here says more
        moved = 1.0
        lost = closing
    per_sink = 1.0 / sink
    return gap * wp.clamp(moved / lost, 0.25 * per_sink, 4.0 * per_sink)


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
    maps: Any,
):
    """Distance [m] along a beam to the first rough ground it meets, and the ground's normal there.

    The secant method finds some ground in two or three looks, and ``unsure_from`` nearly always shows that it is the
    first. Otherwise the beam is followed by steps that cannot miss the ground, see ``next_step``, up to ``farthest``,
    from where no return can come.
    """
    across = wp.sqrt(wp.max(1.0 - sink * sink, 0.0))
    # So small a gap that the last correction moves the point by at most a few millimetres across the ground.
    tolerance = ROUGH_TOLERANCE * sink / wp.max(across, 1.0e-3)
    per_sink = 1.0 / sink
    highest = (altitude_of(origin, radius) - surface.top) * per_sink  # [m] to where there may be any ground
    distance = wp.max(height * per_sink, highest)
    gap = float(height)
    closing = float(sink)
    normal = up
    before = float(0.0)
    careful = bool(highest > farthest)
    found = bool(False)
    steps = int(0)
    while not found and steps < ROUGH_STEPS and (distance < farthest or not careful):
        point = origin + beam * distance
        site = point * (radius / (radius + point[2]))  # below the point
        ground = ground_shape(site[0], site[1], surface, maps)
        normal = up - wp.vec3(ground[1], ground[2], 0.0)
        closing = -wp.dot(beam, normal)
        moved = distance - before
        before = distance
        gap_before = gap
        gap = altitude_of(point, radius) - ground[0]
        found = wp.abs(gap) <= wp.max(tolerance, 3.0e-7 * distance)  # all that single precision knows of a distance
        steps = steps + 1
        if careful and gap > 0.0:
            if not found:
                distance = distance + next_step(gap, closing, sink, across, site, beam, surface, maps)
        elif not careful and (found or steps == SECANT_STEPS):
            start = float(0.0)
            if found and distance > 0.0:
                start = unsure_from(distance, sink, across, site, beam, surface, maps)
            if start != distance:
                careful = True
                found = False
                distance = wp.max(start, highest)
        elif not found:
            distance = distance + secant_step(gap, gap_before, moved, closing, sink, across)
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
    maps: Any,
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
        if rough(surface, maps) and above > STANDING:
            distance, normal = rough_distance(origin, beam, sink, up, above, farthest, moon.radius, surface, maps)
            echo.met = distance < farthest
        elif not rough(surface, maps):
            distance, normal = smooth_distance(origin, beam, sink, up, above, moon.radius, surface, maps)
        echo.range = distance
        echo.incidence = wp.max(-wp.dot(beam, wp.normalize(normal)), 0.0)
        echo.met = echo.met and distance >= 0.0
    return echo
