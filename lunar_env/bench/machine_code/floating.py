"""What the floating-point instructions do, to the rounding of the host.

A fused product is reckoned in double precision and rounded once more, which differs from one rounding in the last bit
of one result in some hundred million. The approximate functions (MUFU) are the host's own, exact to the last bit; those
of a GPU are within two.
"""

from collections.abc import Callable

import numpy as np

from lunar_env.bench.machine_code.integers import JOINS, Action, only
from lunar_env.bench.machine_code.listing import Instruction, Operand
from lunar_env.bench.machine_code.machine import EmulationError, Mask, Warp
from lunar_env.bench.machine_code.operands import (
    doubles,
    floats,
    pairs,
    to_floats,
    to_pairs,
    to_truths,
    to_words,
    truths,
    words,
)

SMALLEST = np.float32(2.0**-126)  # of the normal numbers
ORDERED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
    "EQ": np.equal,
    "NE": lambda a, b: (a < b) | (a > b),
}
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "RCP": lambda x: 1.0 / x,
    "RSQ": lambda x: 1.0 / np.sqrt(x),
    "SQRT": np.sqrt,
    "EX2": np.exp2,
    "LG2": np.log2,
    "SIN": lambda x: np.sin(2.0 * np.pi * x),  # of turns, as the instruction has it
    "COS": lambda x: np.cos(2.0 * np.pi * x),
    "TANH": np.tanh,
}
SCALES = {"D2": 0.5, "D4": 0.25, "D8": 0.125, "M2": 2.0, "M4": 4.0, "M8": 8.0}
WHOLE = {"FLOOR": np.floor, "CEIL": np.ceil, "TRUNC": np.trunc}


def flushed(value: np.ndarray) -> np.ndarray:
    """Numbers too small for a normal float32 as zeros, with their sign."""
    return np.where(np.abs(value) < SMALLEST, np.copysign(np.float32(0.0), value), value)


def rounded(value: np.ndarray, modifiers: tuple[str, ...]) -> np.ndarray:
    """Double precision as float32: to the nearest, or up (RP), down (RM) or towards zero (RZ), and within [0, 1]."""
    near = value.astype(np.float32)
    if "RP" in modifiers:
        near = np.where(near < value, np.nextafter(near, np.float32(np.inf)), near)
    elif "RM" in modifiers:
        near = np.where(near > value, np.nextafter(near, np.float32(-np.inf)), near)
    elif "RZ" in modifiers:
        near = np.where(np.abs(near) > np.abs(value), np.nextafter(near, np.float32(0.0)), near)
    if "FTZ" in modifiers:
        near = flushed(near)
    if "SAT" in modifiers:
        near = np.where(np.isnan(near), np.float32(0.0), np.clip(near, np.float32(0.0), np.float32(1.0)))
    return near


def of_floats(instruction: Instruction, function: Callable[..., np.ndarray]) -> Action:
    """A function of float32 numbers, reckoned in double precision and rounded as the modifiers say."""
    modifiers = instruction.modifiers
    target, *sources = instruction.operands
    write, reads = to_floats(target), [floats(one) for one in sources]
    scale = next((SCALES[one] for one in modifiers if one in SCALES), 1.0)
    only(instruction, "RP", "RM", "RZ", "RN", "FTZ", "SAT", *SCALES)

    def act(warp: Warp, mask: Mask) -> None:
        values = [read(warp) for read in reads]
        if "FTZ" in modifiers:
            values = [flushed(value) for value in values]
        write(warp, mask, rounded(function(*(value.astype(np.float64) for value in values)) * scale, modifiers))

    return act


def of_doubles(instruction: Instruction, function: Callable[..., np.ndarray]) -> Action:
    """A function of float64 numbers."""
    only(instruction)
    target, *sources = instruction.operands
    write, reads = to_pairs(target), [doubles(one) for one in sources]
    return lambda warp, mask: write(warp, mask, function(*(read(warp) for read in reads)))


def compare(instruction: Instruction) -> Action:
    """FSETP, and FSET.BF, which writes 1 or 0: a comparison joined with a predicate."""
    only(instruction, "FTZ", "BF", "NUM", "NAN", *ORDERED, *(f"{one}U" for one in ORDERED), *JOINS)
    modifiers = [one for one in instruction.modifiers if one not in ("FTZ", "BF")]
    comparison, join = modifiers[0], JOINS[modifiers[1]]
    to_number = instruction.opcode == "FSET"
    *targets, a, b, predicate = instruction.operands
    first, second, holds = floats(a), floats(b), truths(predicate)
    if to_number and "BF" not in instruction.modifiers:
        raise EmulationError(instruction.text)
    number = to_floats(targets[0]) if to_number else None
    writes = [] if to_number else [to_truths(one) for one in targets]

    def act(warp: Warp, mask: Mask) -> None:
        left, right = first(warp), second(warp)
        if "FTZ" in instruction.modifiers:
            left, right = flushed(left), flushed(right)
        result, joined_in = compared(comparison, left, right), holds(warp)
        if number:
            number(warp, mask, join(result, joined_in).astype(np.float32))
        for write, value in zip(writes, (result, ~result), strict=False):
            write(warp, mask, join(value, joined_in))

    return act


def compared(comparison: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A comparison by its name; one that ends with U holds also where a number is none."""
    none = np.isnan(left) | np.isnan(right)
    if comparison in ("NUM", "NAN"):
        return none if comparison == "NAN" else ~none
    if comparison in ORDERED:
        return ORDERED[comparison](left, right)
    return ORDERED[comparison.removesuffix("U")](left, right) | none


def smaller_or_larger(instruction: Instruction) -> Action:
    """FMNMX: the smaller where the predicate holds, else the larger; a number beats one that is none."""
    only(instruction)
    target, a, b, predicate = instruction.operands
    write, first, second, holds = to_floats(target), floats(a), floats(b), truths(predicate)

    def act(warp: Warp, mask: Mask) -> None:
        left, right = first(warp), second(warp)
        write(warp, mask, np.where(holds(warp), np.fmin(left, right), np.fmax(left, right)))

    return act


def select(instruction: Instruction) -> Action:
    """FSEL: the first number where the predicate holds, else the second."""
    only(instruction)
    target, a, b, predicate = instruction.operands
    write, first, second, holds = to_floats(target), floats(a), floats(b), truths(predicate)
    return lambda warp, mask: write(warp, mask, np.where(holds(warp), first(warp), second(warp)))


def division_check(instruction: Instruction) -> Action:
    """FCHK: whether a quotient needs the slow way, for its numbers or its result are none, zero or near an end.

    The fast way would lose the sign of a zero, and bits of a remainder that is no normal number.
    """
    only(instruction)
    target, a, b = instruction.operands
    write, first, second = to_truths(target), words(_bits(a)), words(_bits(b))

    def act(warp: Warp, mask: Mask) -> None:
        above, below = ((one(warp).view(np.int32) >> np.int32(23)) & np.int32(0xFF) for one in (first, second))
        special = (above == 0) | (above == 255) | (below == 0) | (below >= 253)
        quotient = above - below
        write(warp, mask, special | (quotient > 125) | (quotient < -125) | (above < 25))

    return act


def _bits(operand: Operand) -> Operand:
    """The operand without its sign, which the exponent does not have."""
    return Operand(operand.kind, operand.index, parts=operand.parts, text=operand.text.lstrip("-"))


def approximation(instruction: Instruction) -> Action:
    """MUFU: an approximate function."""
    only(instruction, *FUNCTIONS)
    [name] = instruction.modifiers
    write, value = to_floats(instruction.operands[0]), floats(instruction.operands[1])
    return lambda warp, mask: write(warp, mask, FUNCTIONS[name](value(warp).astype(np.float64)).astype(np.float32))


def whole_part(instruction: Instruction) -> Action:
    """FRND: a whole number near a float, as a float."""
    only(instruction, *WHOLE)
    write, value = to_floats(instruction.operands[0]), floats(instruction.operands[1])
    function = next((WHOLE[one] for one in instruction.modifiers if one in WHOLE), np.rint)
    return lambda warp, mask: write(warp, mask, function(value(warp)))


def to_integer(instruction: Instruction) -> Action:
    """F2I: a float as an integer, at its ends where it is beyond them; what is no number becomes 0."""
    modifiers = set(instruction.modifiers)
    size = 64 if modifiers & {"U64", "S64"} else 32
    unsigned = bool(modifiers & {"U32", "U64"})
    only(instruction, "U32", "S32", "U64", "S64", "F32", "FTZ", "NTZ", *WHOLE)
    lowest, highest = (0, 2**size - 1) if unsigned else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)
    function = next((WHOLE[one] for one in modifiers if one in WHOLE), np.rint)
    write = (to_pairs if size == 64 else to_words)(instruction.operands[0])
    value = floats(instruction.operands[1])

    def act(warp: Warp, mask: Mask) -> None:
        whole = function(value(warp).astype(np.float64))
        exact = [0 if one != one else int(min(max(one, lowest), highest)) for one in whole.tolist()]
        bits = np.array([one & (2**size - 1) for one in exact], np.uint64)
        write(warp, mask, bits if size == 64 else bits.astype(np.uint32))

    return act


def from_integer(instruction: Instruction) -> Action:
    """I2F and I2FP: an integer as a float32 or, as I2F.F64, a float64."""
    modifiers = instruction.modifiers
    only(instruction, "F32", "F64", "U32", "S32", "U64", "S64", "RP", "RM", "RZ")
    kind = np.uint64 if "U64" in modifiers else np.int64 if "S64" in modifiers else None
    small = np.uint32 if "U32" in modifiers else np.int32
    target, source = instruction.operands
    value = pairs(source) if kind else words(source)
    write = to_pairs(target) if "F64" in modifiers else to_floats(target)

    def act(warp: Warp, mask: Mask) -> None:
        exact = value(warp).view(kind or small).astype(np.float64)
        write(warp, mask, exact if "F64" in modifiers else rounded(exact, modifiers))

    return act


def conversion(instruction: Instruction) -> Action:
    """F2F: between float32 and float64."""
    only(instruction, "F32", "F64")
    target, source = instruction.operands
    kinds = [one for one in instruction.modifiers if one in ("F32", "F64")]
    if kinds == ["F32", "F64"]:
        narrow, double = to_floats(target), doubles(source)
        return lambda warp, mask: narrow(warp, mask, rounded(double(warp), instruction.modifiers))
    if kinds == ["F64", "F32"]:
        wide, single = to_pairs(target), floats(source)
        return lambda warp, mask: wide(warp, mask, single(warp).astype(np.float64))
    raise EmulationError(instruction.text)


def halves(instruction: Instruction) -> Action:
    """HFMA2 as the compiler uses it here: to write a constant, two halves plus nothing times nothing."""
    only(instruction, "MMA")
    target, a, b, first, second = instruction.operands
    zeros = all(one.kind == "register" and one.index == 255 for one in (a, b))
    if not zeros or first.kind != "number" or second.kind != "number":
        raise EmulationError(instruction.text)
    high, low = (int(np.array([float(one.text)], np.float16).view(np.uint16)[0]) for one in (first, second))
    write, value = to_words(target), np.array([high << 16 | low], np.uint32)
    return lambda warp, mask: write(warp, mask, value)


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * b


def _fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return a * b + c


ACTIONS: dict[str, Callable[[Instruction], Action]] = {
    "FADD": lambda instruction: of_floats(instruction, _add),
    "FMUL": lambda instruction: of_floats(instruction, _times),
    "FFMA": lambda instruction: of_floats(instruction, _fused),
    "DADD": lambda instruction: of_doubles(instruction, _add),
    "DMUL": lambda instruction: of_doubles(instruction, _times),
    "DFMA": lambda instruction: of_doubles(instruction, _fused),
    "FSETP": compare,
    "FSET": compare,
    "FMNMX": smaller_or_larger,
    "FSEL": select,
    "FCHK": division_check,
    "MUFU": approximation,
    "FRND": whole_part,
    "F2I": to_integer,
    "I2F": from_integer,
    "I2FP": from_integer,
    "F2F": conversion,
    "HFMA2": halves,
}
