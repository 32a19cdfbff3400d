"""Where flight ends: height above the ground, and touchdown inside a substep instead of at its edge."""

from dataclasses import dataclass
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number
from lunar_env.state import Motion, Surface
from lunar_env.terrain.surface import greatest_slope, height_below, rough, shape_below, smooth_height_below
from lunar_env.vehicle.algebra import dot, length
from lunar_env.vehicle.compare import reaches
from lunar_env.vehicle.dynamics import substep
from lunar_env.vehicle.frames import altitude_of, up_at

# Warp looks the operators up by these names: + is add, - is sub, * is mul, / is div.
from lunar_env.vehicle.lanes import add, div, mul, sub  # noqa: F401

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Gear:
    """The landing gear, as far as touchdown and tip-over need it."""

    centre_height: Number = number(1.0, "m", "centre of mass above the footpads [C, assumed]", low=0.0, high=50.0)
    foot_distance: Number = number(0.92, "m", "half-span of feet square in 2.6 m [C]", low=0.01, high=50.0)


GearDrawn = mirrored(Gear)


@wp.func
def height_above_ground(position: wp.vec3, radius: float, surface: Surface, maps: Any, gear: GearDrawn) -> float:
    """Height [m] of the footpads above the ground on the local vertical.

    Tilt is neglected: at the 10 degrees that still count as a landing one pad is 0.16 m lower.
    """
    return altitude_of(position, radius) - gear.centre_height - height_below(position, radius, surface, maps)


@wp.func
def height_above_smooth_ground(position: Any, radius: Any, surface: Any, gear: Any):
    """The same where there is neither map nor step."""
    return altitude_of(position, radius) - gear.centre_height - smooth_height_below(position, radius, surface)


@wp.func
def farthest_in(motion: Any, forcing: Any, duration: float):
    """How far [m] the vehicle moves at most in a duration [s]: d = |v| t + (g + T/m) t^2 / 2."""
    strongest = forcing.gravity + forcing.thrust / forcing.dry_mass
    return length(motion.velocity) * duration + 0.5 * strongest * duration * duration


@wp.func
def is_above_all(motion: Any, forcing: Any, duration: float, surface: Any, gear: Any):
    """Whether the vehicle stays above the highest ground for a duration [s]."""
    altitude = altitude_of(motion.position, forcing.radius) - gear.centre_height
    return reaches(altitude - farthest_in(motion, forcing, duration), surface.top)


@wp.func
def may_touch(motion: Motion, forcing: Any, duration: float, surface: Surface, maps: Any, gear: GearDrawn) -> bool:
    """False where no ground can be met within a duration [s], so that it need not be looked for.

    The ground never exceeds the surface's top, nor rises by more than its steepest slope times the way.
    """
    if is_above_all(motion, forcing, duration, surface, gear):
        return False
    if not rough(surface, maps):
        return True
    height = height_above_ground(motion.position, forcing.radius, surface, maps, gear)
    return height < farthest_in(motion, forcing, duration) * (1.0 + greatest_slope(surface, maps))


@wp.func
def climb_rate(motion: Motion, radius: float, surface: Surface, maps: Any) -> float:
    """Rate of change [m/s] of the height above the ground."""
    up = up_at(motion.position, radius)
    ground = shape_below(motion.position, radius, surface, maps)
    vertical = wp.dot(motion.velocity, up)
    return vertical - ground[1] * motion.velocity[0] - ground[2] * motion.velocity[1]


@wp.func
def touch_fraction(height0: float, rate0: float, height1: float, rate1: float, duration: float) -> float:
    """Where in (0, 1] a substep meets the ground.

    The height between the two ends is the cubic with the right heights and rates (Hermite), whose error is of the
    integrator's own order; bisection finds its first crossing to the last bit of a float.
    """
    low = float(0.0)
    high = float(1.0)
    for _ in range(24):
        s = 0.5 * (low + high)
        r = 1.0 - s
        start = r * r * ((1.0 + 2.0 * s) * height0 + s * duration * rate0)
        end = s * s * ((3.0 - 2.0 * s) * height1 - r * duration * rate1)
        if start + end > 0.0:
            low = s
        else:
            high = s
    return high


@wp.func
def fly_to_ground(
    before: Motion,
    rest: Motion,
    after: Motion,
    forcing: Any,
    duration: float,
    surface: Surface,
    maps: Any,
    gear: GearDrawn,
):
    """The motion at the moment of touchdown, and the fraction of the substep flown until then."""
    height0 = height_above_ground(before.position, forcing.radius, surface, maps, gear)
    height1 = height_above_ground(after.position, forcing.radius, surface, maps, gear)
    rate0 = climb_rate(before, forcing.radius, surface, maps)
    rate1 = climb_rate(after, forcing.radius, surface, maps)
    fraction = touch_fraction(height0, rate0, height1, rate1, duration)
    touching, _ = substep(before, rest, forcing, fraction * duration)
    return touching, fraction


@wp.func
def lateral_velocity(motion: Any, radius: Any):
    """The part of the velocity along the local horizontal."""
    up = up_at(motion.position, radius)
    return motion.velocity - up * dot(motion.velocity, up)
