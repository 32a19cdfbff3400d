"""Up, down and sideways: directions and heights over a round Moon."""

from typing import Any

import warp as wp

# Warp looks the operators up by these names: + is add, - is sub, * is mul.
from lunar_env.vehicle.lanes import add, mul, sub, vector  # noqa: F401

wp.set_module_options({"enable_backward": False})


@wp.func
def from_centre(position: wp.vec3, radius: float) -> wp.vec3:
    """Vector from the centre of the Moon."""
    return wp.vec3(position[0], position[1], position[2] + radius)


@wp.func
def up_at(position: wp.vec3, radius: float) -> wp.vec3:
    """Local vertical, a unit vector."""
    centre = from_centre(position, radius)
    return centre * (1.0 / wp.length(centre))  # one quotient instead of three


@wp.func
def altitude_of(position: wp.vec3, radius: float) -> float:
    """Height above the mean sphere [m].

    As published: |r| - R. As programmed: z + (x^2 + y^2) / (|r| + R + z), the same without the cancellation; on the
    far half of the sphere, where R + z is negative, as published.
    """
    centre_height = position[2] + radius
    across = position[0] * position[0] + position[1] * position[1]
    distance = wp.sqrt(across + centre_height * centre_height)
    if centre_height < 0.0:
        return distance - radius
    return position[2] + across / (distance + centre_height)


@wp.func
def thrust_axis(q: Any):
    """The body's z axis in the site frame: third column of the rotation matrix."""
    return vector(
        2.0 * (q.x * q.z + q.y * q.w),
        2.0 * (q.y * q.z - q.x * q.w),
        1.0 - 2.0 * (q.x * q.x + q.y * q.y),
    )


@wp.func
def to_local(vector: wp.vec3, up: wp.vec3) -> wp.vec3:
    """Site frame to local-vertical frame, by the shortest rotation that takes ``up`` to z."""
    z = wp.vec3(0.0, 0.0, 1.0)
    both = up + z
    return vector - both * (wp.dot(vector, both) / (1.0 + up[2])) + z * (2.0 * wp.dot(vector, up))


@wp.func
def to_site(vector: wp.vec3, up: wp.vec3) -> wp.vec3:
    """Local-vertical frame to site frame: the inverse of ``to_local``."""
    z = wp.vec3(0.0, 0.0, 1.0)
    both = up + z
    return vector - both * (wp.dot(vector, both) / (1.0 + up[2])) + up * (2.0 * vector[2])
