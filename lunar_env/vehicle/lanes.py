"""Numbers of eight landers side by side, so that one CPU instruction serves all eight.

``Lanes`` holds one number of each lander, ``Counts`` a whole one, ``Mask`` an answer; ``Vectors`` and ``Quaternions``
hold one such part of each. The operators below, the functions of compare.py and those of algebra.py exist for them and
for Warp's own ``float``, ``int``, ``bool``, ``wp.vec3`` and ``wp.quat``: a formula that is written with them and with
``Any`` for its types, as in dynamics.py, flies one lander on a GPU thread and eight on a CPU's. Sums of products are
written out, never fused, so that both give the same bits.

Clang turns loops over eight floats into vector instructions only now and then, its own vector type always does: hence
the native snippets (measured: a Runge-Kutta substep of one lander takes 71 ns alone, 35 ns in a loop, 10 ns in these).
"""

import functools
from typing import Any

import warp as wp

wp.set_module_options({"enable_backward": False})

WIDTH = wp.constant(8)
Lanes = wp.types.vector(length=8, dtype=float)  # one number of each of eight landers
Counts = wp.types.vector(length=8, dtype=int)  # one whole number of each
Mask = Counts  # an answer of each: -1 for yes, 0 for no


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


@functools.cache
def abreast(struct: Any) -> Any:
    """The struct of eight landers: in place of each number of ``struct`` stand eight, in the same order."""
    kinds = {float: Lanes, int: Counts, wp.float32: Lanes, wp.int32: Counts, wp.vec3: Vectors, wp.quat: Quaternions}
    annotations = {name: kinds.get(kind) or abreast(kind) for name, kind in struct.cls.__annotations__.items()}
    name = f"{struct.cls.__name__}Abreast"
    return wp.struct(type(name, (), {"__annotations__": annotations, "__module__": struct.cls.__module__}))


def lane_by_lane(expression: str, result: str = "float") -> str:
    """C++ that works an expression out for all lanes at once.

    In it LANES(a) is argument a as clang's vector of floats, COUNTS(a) as one of whole numbers.
    """
    return f"""
    typedef float lanes_t __attribute__((ext_vector_type(8), aligned(4)));
    typedef signed counts_t __attribute__((ext_vector_type(8), aligned(4)));
    #define LANES(a) (*(const lanes_t*)&a)
    #define COUNTS(a) (*(const counts_t*)&a)
    const {"lanes_t" if result == "float" else "counts_t"} result = {expression};
    #undef LANES
    #undef COUNTS
    return *(const wp::vec_t<8, {result if result == "float" else "wp::int32"}>*)&result;
    """


# Operators: Warp looks + up as add, - as sub and neg, * as mul, / as div ------------------------------------------


@wp.func_native(lane_by_lane("LANES(a) + LANES(b)"))
def add(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("LANES(a) + b"))
def add(a: Lanes, b: float) -> Lanes: ...


@wp.func_native(lane_by_lane("a + LANES(b)"))
def add(a: float, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("COUNTS(a) + b", "int"))
def add(a: Counts, b: int) -> Counts: ...


@wp.func_native(lane_by_lane("COUNTS(a) - b", "int"))
def sub(a: Counts, b: int) -> Counts: ...


@wp.func_native(lane_by_lane("COUNTS(a) - COUNTS(b)", "int"))
def sub(a: Counts, b: Counts) -> Counts: ...


@wp.func_native(lane_by_lane("LANES(a) - LANES(b)"))
def sub(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("LANES(a) - b"))
def sub(a: Lanes, b: float) -> Lanes: ...


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


@wp.func_native(lane_by_lane("LANES(a) / b"))
def div(a: Lanes, b: float) -> Lanes: ...


@wp.func_native(lane_by_lane("a / LANES(b)"))
def div(a: float, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("-LANES(a)"))
def neg(a: Lanes) -> Lanes: ...


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
