"""Vectors and quaternions, of one lander or of eight side by side, by the same names."""

from typing import Any

import warp as wp

from lunar_env.vehicle.compare import root

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul.
from lunar_env.vehicle.lanes import add, mul, neg, quaternion, sub, vector  # noqa: F401

wp.set_module_options({"enable_backward": False})


@wp.func
def part_by_part(a: Any, b: Any):
    """The vector of the products of equal parts."""
    return vector(a.x * b.x, a.y * b.y, a.z * b.z)


@wp.func
def cross(a: Any, b: Any):
    """The cross product."""
    return vector(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)


@wp.func
def length(a: Any):
    """The Euclidean length of a vector."""
    return root(a.x * a.x + a.y * a.y + a.z * a.z)


@wp.func
def turning(q: Any, w: Any):
    """q (w, 0): the product of a quaternion with a pure one."""
    return quaternion(
        q.w * w.x + q.y * w.z - q.z * w.y,
        q.w * w.y + q.z * w.x - q.x * w.z,
        q.w * w.z + q.x * w.y - q.y * w.x,
        -(q.x * w.x + q.y * w.y + q.z * w.z),
    )


@wp.func
def dot(a: Any, b: Any):
    """The scalar product."""
    return a.x * b.x + a.y * b.y + a.z * b.z


@wp.func
def turned_back(q: Any, v: Any):
    """The vector that the rotation ``q`` turns into ``v``."""
    c = q.w * 2.0 * q.w - 1.0
    d = (q.x * v.x + q.y * v.y + q.z * v.z) * 2.0
    return vector(
        v.x * c + q.x * d - (q.y * v.z - q.z * v.y) * q.w * 2.0,
        v.y * c + q.y * d - (q.z * v.x - q.x * v.z) * q.w * 2.0,
        v.z * c + q.z * d - (q.x * v.y - q.y * v.x) * q.w * 2.0,
    )
