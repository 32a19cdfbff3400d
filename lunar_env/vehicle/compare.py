"""Comparisons and choices for one lander or eight side by side: where landers differ, ``select`` replaces a branch."""

from typing import Any

import warp as wp

from lunar_env.vehicle.lanes import WIDTH, Counts, Lanes, Mask, Quaternions, Vectors, lane_by_lane, quaternion, vector

wp.set_module_options({"enable_backward": False})


@wp.func_native(lane_by_lane("__builtin_elementwise_sqrt(LANES(a))"))
def root(a: Lanes) -> Lanes: ...


@wp.func
def root(a: float) -> float:
    """The square root."""
    return wp.sqrt(a)


@wp.func_native(lane_by_lane("__builtin_elementwise_abs(LANES(a))"))
def size(a: Lanes) -> Lanes: ...


@wp.func
def size(a: float) -> float:
    """The number without its sign."""
    return wp.abs(a)


@wp.func_native(lane_by_lane("__builtin_convertvector(COUNTS(a), lanes_t)"))
def real(a: Counts) -> Lanes: ...


@wp.func
def real(a: int) -> float:
    """A whole number as one with a fraction."""
    return float(a)


@wp.func_native(lane_by_lane("(lanes_t)(number)"))
def alike(number: float, like: Lanes) -> Lanes: ...


@wp.func
def alike(number: float, like: float) -> float:
    """The number, in as many lanes as ``like`` has."""
    return number


@wp.func
def sine(a: float) -> float:
    """The sine."""
    return wp.sin(a)


@wp.func
def sine(a: Lanes) -> Lanes:
    result = Lanes()
    for lane in range(WIDTH):
        result[lane] = wp.sin(a[lane])
    return result


@wp.func
def arc_cosine(a: float) -> float:
    """The angle [rad] of a cosine, which rounding may have taken a little beyond 1."""
    return wp.acos(a)


@wp.func
def arc_cosine(a: Lanes) -> Lanes:
    result = Lanes()
    for lane in range(WIDTH):
        result[lane] = wp.acos(a[lane])
    return result


# The less and the more -----------------------------------------------------------------------------------------------


@wp.func_native(lane_by_lane("__builtin_elementwise_min(LANES(a), LANES(b))"))
def least(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("__builtin_elementwise_min(LANES(a), (lanes_t)(b))"))
def least(a: Lanes, b: float) -> Lanes: ...


@wp.func
def least(a: float, b: float) -> float:
    """The less of two; of a number and NaN, the number."""
    return wp.min(a, b)


@wp.func_native(lane_by_lane("__builtin_elementwise_max(LANES(a), LANES(b))"))
def greatest(a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("__builtin_elementwise_max(LANES(a), (lanes_t)(b))"))
def greatest(a: Lanes, b: float) -> Lanes: ...


@wp.func
def greatest(a: float, b: float) -> float:
    """The greater of two; of a number and NaN, the number."""
    return wp.max(a, b)


@wp.func
def within(a: Any, low: Any, high: Any):
    """The number, or the nearer of two limits."""
    return least(greatest(a, low), high)


# Answers -------------------------------------------------------------------------------------------------------------


@wp.func_native(lane_by_lane("LANES(a) < LANES(b)", "int"))
def below(a: Lanes, b: Lanes) -> Mask: ...


@wp.func_native(lane_by_lane("LANES(a) < b", "int"))
def below(a: Lanes, b: float) -> Mask: ...


@wp.func_native(lane_by_lane("a < LANES(b)", "int"))
def below(a: float, b: Lanes) -> Mask: ...


@wp.func
def below(a: float, b: float) -> bool:
    """Whether a < b."""
    return a < b


@wp.func_native(lane_by_lane("COUNTS(a) < b", "int"))
def below(a: Counts, b: int) -> Mask: ...


@wp.func_native(lane_by_lane("COUNTS(a) == b", "int"))
def equal(a: Counts, b: int) -> Mask: ...


@wp.func_native(lane_by_lane("LANES(a) == b", "int"))
def equal(a: Lanes, b: float) -> Mask: ...


@wp.func_native(lane_by_lane("(counts_t){0, 1, 2, 3, 4, 5, 6, 7} < number", "int"))
def first_lanes(number: int) -> Mask: ...


@wp.func_native(lane_by_lane("(COUNTS(a) & bits) != 0", "int"))
def shares(a: Counts, bits: int) -> Mask: ...


@wp.func_native(lane_by_lane("LANES(a) >= LANES(b)", "int"))
def reaches(a: Lanes, b: Lanes) -> Mask: ...


@wp.func_native(lane_by_lane("LANES(a) >= b", "int"))
def reaches(a: Lanes, b: float) -> Mask: ...


@wp.func
def reaches(a: float, b: float) -> bool:
    """Whether a >= b."""
    return a >= b


@wp.func_native(lane_by_lane("COUNTS(a) & COUNTS(b)", "int"))
def both(a: Mask, b: Mask) -> Mask: ...


@wp.func
def both(a: bool, b: bool) -> bool:
    """Whether the one and the other."""
    return a and b


@wp.func_native(lane_by_lane("COUNTS(a) | COUNTS(b)", "int"))
def either(a: Mask, b: Mask) -> Mask: ...


@wp.func
def either(a: bool, b: bool) -> bool:
    """Whether the one or the other."""
    return a or b


@wp.func_native(lane_by_lane("~COUNTS(a)", "int"))
def never(a: Mask) -> Mask: ...


@wp.func
def never(a: bool) -> bool:
    """Whether not."""
    return not a


@wp.func
def anywhere(yes: bool) -> bool:
    """Whether the answer is yes for any of the landers."""
    return yes


@wp.func_native("""
    typedef signed counts_t __attribute__((ext_vector_type(8), aligned(4)));
    return __builtin_reduce_or(*(const counts_t*)&yes) != 0;
    """)
def anywhere(yes: Mask) -> bool: ...  # type: ignore[empty-body]


@wp.func_native(lane_by_lane("COUNTS(yes) ? LANES(a) : LANES(b)"))
def select(yes: Mask, a: Lanes, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("COUNTS(yes) ? LANES(a) : (lanes_t)(b)"))
def select(yes: Mask, a: Lanes, b: float) -> Lanes: ...


@wp.func_native(lane_by_lane("COUNTS(yes) ? (lanes_t)(a) : LANES(b)"))
def select(yes: Mask, a: float, b: Lanes) -> Lanes: ...


@wp.func_native(lane_by_lane("COUNTS(yes) ? (counts_t)(a) : (counts_t)(b)", "int"))
def select(yes: Mask, a: int, b: int) -> Counts: ...


@wp.func
def select(yes: bool, a: float, b: float) -> float:
    """The first number where the answer is yes, else the second. Both are worked out."""
    return wp.where(yes, a, b)


@wp.func
def select(yes: bool, a: int, b: int) -> int:
    return wp.where(yes, a, b)


@wp.func
def select(yes: bool, a: wp.vec3, b: wp.vec3) -> wp.vec3:
    return wp.where(yes, a, b)


@wp.func
def select(yes: Mask, a: Vectors, b: Vectors) -> Vectors:
    return vector(select(yes, a.x, b.x), select(yes, a.y, b.y), select(yes, a.z, b.z))


@wp.func
def select(yes: Mask, a: Quaternions, b: Quaternions) -> Quaternions:
    return quaternion(select(yes, a.x, b.x), select(yes, a.y, b.y), select(yes, a.z, b.z), select(yes, a.w, b.w))
