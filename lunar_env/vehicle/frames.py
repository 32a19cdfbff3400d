"""Up, down and sideways: directions and heights over a round Moon, for one lander or eight side by side."""

from typing import Any

import warp as wp

from lunar_env.vehicle.algebra import dot, length
from lunar_env.vehicle.compare import below, root, select

# Warp looks the operators up by these names: + is add, - is sub, * is mul, / is div.
from lunar_env.vehicle.lanes import add, div, mul, sub, vector  # noqa: F401

wp.set_module_options({"enable_backward": False})


@wp.func
def from_centre(position: Any, radius: Any):
    """Vector from the centre of the Moon."""
    return vector(position.x, position.y, position.z + radius)


@wp.func
def up_at(position: Any, radius: Any):
    """Local vertical, a unit vector."""
    centre = from_centre(position, radius)
    return centre * (1.0 / length(centre))  # one quotient instead of three


@wp.func
def altitude_of(position: Any, radius: Any):
    """Height above the mean sphere [m].

    As published: |r| - R. As programmed: z + (x^2 + y^2) / (|r| + R + z), the same without the cancellation; on the
    far half of the sphere, where R + z is negative, as published.
    """
    centre_height = position.z + radius
    across = position.x * position.x + position.y * position.y
    distance = root(across + centre_height * centre_height)
    near = position.z + across / (distance + centre_height)
    return select(below(centre_height, 0.0), distance - radius, near)


@wp.func
def thrust_axis(q: Any):
    """The body's z axis in the site frame: third column of the rotation matrix."""
    return vector(
        2.0 * (q.x * q.z + q.y * q.w),
        2.0 * (q.y * q.z - q.x * q.w),
        1.0 - 2.0 * (q.x * q.x + q.y * q.y),
    )


@wp.func
def to_local(v: Any, up: Any):
    """Site frame to local-vertical frame, by the shortest rotation that takes ``up`` to z."""
    both = vector(up.x, up.y, up.z + 1.0)
    turned = v - both * (dot(v, both) / (1.0 + up.z))
    return vector(turned.x, turned.y, turned.z + 2.0 * dot(v, up))


@wp.func
def to_site(v: Any, up: Any):
    """Local-vertical frame to site frame: the inverse of ``to_local``."""
    both = vector(up.x, up.y, up.z + 1.0)
    return v - both * (dot(v, both) / (1.0 + up.z)) + up * (2.0 * v.z)
