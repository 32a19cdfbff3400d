"""Numbers of eight landers side by side, so that one CPU instruction serves all eight.

``Lanes`` holds one number of each lander; ``Vectors`` and ``Quaternions`` hold one such part of each. The operators
and functions below exist for them and for Warp's own ``float``, ``wp.vec3`` and ``wp.quat``: a formula written
with them and with ``Any`` for its types, as in dynamics.py, flies one lander on a GPU thread and eight on a CPU's.
Sums of products are written out, never fused, so that both give the same bits.

Clang turns loops over eight floats into vector instructions only now and then, its own vector type always does: hence
the native snippets (measured: a Runge-Kutta substep of one lander takes 71 ns alone, 35 ns in a loop, 10 ns in these).
"""

from typing import Any

import warp as wp

wp.set_module_options({"enable_backward": False})

WIDTH = wp.constant(8)
Lanes = wp.types.vector(length=8, dtype=float)  # one number of each of eight landers


@wp.struct
class Vectors:
    """A vector of each lander."""

    x: Lanes
    y: Lanes
    z: Lanes


@wp.struct
class Quaternions:
    """A quaternion of each lander, scalar last."""

    x: Lanes
    y: Lanes
    z: Lanes
    w: Lanes


def lane_by_lane(expression: str) -> str:
    """C++ that works an expression out for all lanes at once; LANES(a) is argument a as clang's vector."""
    return f"""
    typedef float lanes_t __attribute__((ext_vector_type(8), aligned(4)));
    #define LANES(a) (*(const lanes_t*)&a)
    const lanes_t result = {expression};
    #undef LANES
    return *(const wp::vec_t<8, float>*)&result;
    """


@wp.func_native(lane_by_lane("LANES(a) + LANES(b)"))
def add(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("LANES(a) - LANES(b)"))
def sub(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("a - LANES(b)"))
def sub(a: float, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("LANES(a) * LANES(b)"))
def mul(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("LANES(a) * b"))
def mul(a: Lanes, b: float) -> Lanes: ...


@wp.func_native(lane_by_lane("a * LANES(b)"))
def mul(a: float, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("LANES(a) / LANES(b)"))
def div(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("a / LANES(b)"))
def div(a: float, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("-LANES(a)"))
def neg(a: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("__builtin_elementwise_sqrt(LANES(a))"))
def root(a: Lanes) -> Lanes: ...


@wp.func
def root(a: float) -> float:
    """The square root."""
    return wp.sqrt(a)


@wp.func
def vector(x: float, y: float, z: float) -> wp.vec3:
    """The vector of these parts."""
    return wp.vec3(x, y, z)


@wp.func
def vector(x: Lanes, y: Lanes, z: Lanes) -> Vectors:
    result = Vectors()
    result.x = x
    result.y = y
    result.z = z
    return result


@wp.func
def quaternion(x: float, y: float, z: float, w: float) -> wp.quat:
    """The quaternion of these parts."""
    return wp.quat(x, y, z, w)


@wp.func
def quaternion(x: Lanes, y: Lanes, z: Lanes, w: Lanes) -> Quaternions:
    result = Quaternions()
    result.x = x
    result.y = y
    result.z = z
    result.w = w
    return result


@wp.func
def add(a: Vectors, b: Vectors) -> Vectors:
    return vector(a.x + b.x, a.y + b.y, a.z + b.z)


@wp.func
def sub(a: Vectors, b: Vectors) -> Vectors:
    return vector(a.x - b.x, a.y - b.y, a.z - b.z)


@wp.func
def mul(a: Vectors, b: Lanes) -> Vectors:
    return vector(a.x * b, a.y * b, a.z * b)


@wp.func
def mul(a: Vectors, b: float) -> Vectors:
    return vector(a.x * b, a.y * b, a.z * b)


@wp.func
def add(a: Quaternions, b: Quaternions) -> Quaternions:
    return quaternion(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w)


@wp.func
def sub(a: Quaternions, b: Quaternions) -> Quaternions:
    return quaternion(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w)


@wp.func
def mul(a: Quaternions, b: Lanes) -> Quaternions:
    return quaternion(a.x * b, a.y * b, a.z * b, a.w * b)


@wp.func
def mul(a: Quaternions, b: float) -> Quaternions:
    return quaternion(a.x * b, a.y * b, a.z * b, a.w * b)


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
