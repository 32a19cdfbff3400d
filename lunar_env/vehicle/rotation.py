"""The turning of the body below: the site's frame turns with it, and navigation knows so or does not.

In the site's frame a vehicle feels -2 W x v - W x (W x r) beside gravity, and the frame turns under it by W (Goldstein,
"Classical Mechanics", section 4.10). Who takes the frame for one that rests believes in a velocity that grows by what
is felt so, and in an attitude that stays among the stars while the site turns.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env.quantities import Number, ends, mirrored, number

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Rotation:
    """How the body below turns at the pad. The Moon's 27.32 days are 2.6617e-6 rad/s [V2: JPL]."""

    rate: Number = number(0.0, "rad/s", "about its axis; 0: it rests", low=-1.0, high=1.0)
    latitude: Number = number(0.0, "rad", "of the pad", low=-1.5708, high=1.5708)
    heading: Number = number(1.5708, "rad", "of x, downrange, clockwise from north: east", low=-6.2832, high=6.2832)
    unknown: Number = number(0.0, "-", "share of it that navigation leaves out of account", low=0.0, high=1.0)


RotationDrawn = mirrored(Rotation)


def is_at_rest(rotation: Rotation) -> bool:
    """Whether the body below never turns."""
    return ends(rotation.rate) == (0.0, 0.0)


@wp.func
def spin_of(rotation: RotationDrawn) -> wp.vec3:
    """The angular velocity [rad/s] in the site's frame: x along the heading, z up, y to the left of x."""
    north = rotation.rate * wp.cos(rotation.latitude)
    return wp.vec3(
        north * wp.cos(rotation.heading),
        north * wp.sin(rotation.heading),
        rotation.rate * wp.sin(rotation.latitude),
    )


@wp.func
def felt_beside_gravity(spin: wp.vec3, velocity: wp.vec3, centre: wp.vec3) -> wp.vec3:
    """What is felt in the turning frame [m/s^2]: Coriolis and centrifugal; ``centre`` [m] is seen from the body's."""
    return -wp.cross(spin, velocity * 2.0 + wp.cross(spin, centre))
