"""What the integer instructions do: sums, products, shifts, logic, comparisons, selections."""

from collections.abc import Callable

import numpy as np

from lunar_env.bench.machine_code.listing import Instruction, Operand
from lunar_env.bench.machine_code.machine import EmulationError, Mask, Warp
from lunar_env.bench.machine_code.operands import (
    HALF,
    LOW,
    joined,
    pairs,
    terms,
    to_pairs,
    to_truths,
    to_words,
    truths,
    words,
)

Action = Callable[[Warp, Mask], None]
COMPARISONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
    "EQ": np.equal,
    "NE": np.not_equal,
}
JOINS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "AND": np.logical_and,
    "OR": np.logical_or,
    "XOR": np.logical_xor,
}


def only(instruction: Instruction, *known: str) -> None:
    """Refuse an instruction with a modifier that is not known: it would do something else."""
    if unknown := [one for one in instruction.modifiers if one not in known]:
        raise EmulationError(f"the emulator does not know {instruction.opcode} with {unknown[0]}")


def parts(instruction: Instruction) -> tuple[list[Operand], list[Operand], list[Operand]]:
    """Carries written, sources, and predicates read, of an instruction that writes a register first."""
    rest, written, read = list(instruction.operands[1:]), list[Operand](), list[Operand]()
    while rest and rest[0].is_predicate:
        written.append(rest.pop(0))
    while rest and rest[-1].is_predicate:
        read.insert(0, rest.pop())
    return written, rest, read


def low(value: np.ndarray) -> np.ndarray:
    """The lower 32 bits."""
    return (value & LOW).astype(np.uint32)


def signed(value: np.ndarray) -> np.ndarray:
    """Words as signed numbers of 64 bits."""
    return value.view(np.int32).astype(np.int64)


def sum_of_three(instruction: Instruction) -> Action:
    """IADD3, VIADD, and IADD3.X, which adds carries."""
    only(instruction, "X")
    written, sources, read = parts(instruction)
    write, carries = to_words(instruction.operands[0]), [to_truths(one) for one in written]
    values, ins = [terms(one) for one in sources], [truths(one) for one in read]

    def act(warp: Warp, mask: Mask) -> None:
        total = np.zeros(1, np.uint64)
        for value in values:
            total = total + value(warp)
        for carry in ins:
            total = total + carry(warp)
        write(warp, mask, low(total))
        for number, carry_out in enumerate(carries):
            carry_out(warp, mask, (total >> HALF) > number)

    return act


def product(instruction: Instruction) -> Action:
    """IMAD in its kinds: the low or the high word of a product plus a third number, or all 64 bits."""
    only(instruction, "WIDE", "HI", "U32", "MOV", "SHL", "IADD", "X")
    return (_wide_product if {"WIDE", "HI"} & set(instruction.modifiers) else _low_product)(instruction)


def _wide_product(instruction: Instruction) -> Action:
    written, sources, read = parts(instruction)
    first, second, third = words(sources[0]), words(sources[1]), pairs(sources[2])
    carries, ins = [to_truths(one) for one in written], [truths(one) for one in read]
    upper, unsigned = "HI" in instruction.modifiers, "U32" in instruction.modifiers
    write = (to_words if upper else to_pairs)(instruction.operands[0])

    def act(warp: Warp, mask: Mask) -> None:
        a, b = first(warp), second(warp)
        times = a.astype(np.uint64) * b if unsigned else (signed(a) * signed(b)).view(np.uint64)
        total = times + third(warp)
        over = total < times
        for carry in ins:
            total = total + carry(warp)
        write(warp, mask, (total >> HALF).astype(np.uint32) if upper else total)
        for carry_out in carries:
            carry_out(warp, mask, over)

    return act


def _low_product(instruction: Instruction) -> Action:
    written, sources, read = parts(instruction)
    if written:
        raise EmulationError(f"a carry of the low word of a product: {instruction.text}")
    first, second, third = (words(one) for one in sources)
    write, ins = to_words(instruction.operands[0]), [truths(one) for one in read]

    def act(warp: Warp, mask: Mask) -> None:
        total = first(warp) * second(warp) + third(warp)
        for carry in ins:
            total = total + carry(warp)
        write(warp, mask, total)

    return act


def shifted_sum(instruction: Instruction) -> Action:
    """LEA: a shifted, plus b. LEA.HI takes the upper word of 64 bits that were shifted."""
    written, sources, read = parts(instruction)
    modifiers = set(instruction.modifiers)
    only(instruction, "HI", "X", "SX32")
    write, carries = to_words(instruction.operands[0]), [to_truths(one) for one in written]
    ins = [truths(one) for one in read]
    first, added = words(sources[0]), terms(sources[1])
    upper = words(sources[2]) if "HI" in modifiers and "SX32" not in modifiers else None
    shift = np.uint64(int(sources[-1].text, 16))

    def act(warp: Warp, mask: Mask) -> None:
        a = first(warp)
        if "HI" not in modifiers:
            total = ((a.astype(np.uint64) << shift) & LOW) + added(warp)
        else:
            whole = signed(a).view(np.uint64) if upper is None else joined(a, upper(warp))
            total = ((whole << shift) >> HALF) + added(warp)
        for carry in ins:
            total = total + carry(warp)
        write(warp, mask, low(total))
        for carry_out in carries:
            carry_out(warp, mask, total > LOW)

    return act


def shift(instruction: Instruction) -> Action:
    """SHF: a word of 64 bits that were shifted by as much as they are long at most, or by a remainder (W)."""
    modifiers = instruction.modifiers
    only(instruction, "L", "R", "U32", "S32", "U64", "S64", "HI", "W")
    first, by, last = (words(one) for one in instruction.operands[1:])
    write = to_words(instruction.operands[0])
    size = np.uint64(64 if {"U64", "S64"} & set(modifiers) else 32)

    def act(warp: Warp, mask: Mask) -> None:
        amount = by(warp).astype(np.uint64)
        amount = amount & (size - np.uint64(1)) if "W" in modifiers else np.minimum(amount, size)
        whole = joined(first(warp), last(warp))
        half, rest = np.minimum(amount, np.uint64(32)), amount - np.minimum(amount, np.uint64(32))
        if "L" in modifiers:
            whole = (whole << half) << rest  # in two steps, for a shift by all 64 bits is none to the host
        elif "S32" in modifiers or "S64" in modifiers:
            whole = ((whole.view(np.int64) >> half.view(np.int64)) >> rest.view(np.int64)).view(np.uint64)
        else:
            whole = (whole >> half) >> rest
        write(warp, mask, (whole >> HALF).astype(np.uint32) if "HI" in modifiers else low(whole))

    return act


def compare(instruction: Instruction) -> Action:
    """ISETP: a comparison joined with a predicate; EX takes the lower words' comparison with it."""
    only(instruction, *COMPARISONS, *JOINS, "U32", "EX")
    comparison, *modifiers = instruction.modifiers
    function = COMPARISONS[comparison]
    join = JOINS[next(one for one in modifiers if one in JOINS)]
    view = np.uint32 if "U32" in modifiers else np.int32
    first, second, a, b, *read = instruction.operands
    writes, sources, ins = (to_truths(first), to_truths(second)), (words(a), words(b)), [truths(one) for one in read]

    def act(warp: Warp, mask: Mask) -> None:
        left, right = (one(warp).view(view) for one in sources)
        result = function(left, right)
        if "EX" in modifiers:
            lower = ins[1](warp)
            result = result | lower if comparison == "NE" else np.where(left == right, lower, result)
        joined_in = ins[0](warp)
        writes[0](warp, mask, join(result, joined_in))
        writes[1](warp, mask, join(~result, joined_in))

    return act


def smaller_or_larger(instruction: Instruction) -> Action:
    """IMNMX and VIMNMX: the smaller where the predicate holds, else the larger. VIADDMNMX adds two numbers before."""
    only(instruction, "U32")
    target, *sources, predicate = instruction.operands
    view = np.uint32 if "U32" in instruction.modifiers else np.int32
    write, holds, values = to_words(target), truths(predicate), [words(one) for one in sources]

    def act(warp: Warp, mask: Mask) -> None:
        *summed, last = (value(warp) for value in values)
        left, right = (summed[0] + summed[1] if len(summed) == 2 else summed[0]).view(view), last.view(view)
        write(warp, mask, np.where(holds(warp), np.minimum(left, right), np.maximum(left, right)).view(np.uint32))

    return act


def magnitude(instruction: Instruction) -> Action:
    """IABS."""
    only(instruction)
    write, value = to_words(instruction.operands[0]), words(instruction.operands[1])
    return lambda warp, mask: write(warp, mask, np.abs(value(warp).view(np.int32)).view(np.uint32))


ACTIONS: dict[str, Callable[[Instruction], Action]] = {
    "IADD3": sum_of_three,
    "VIADD": sum_of_three,
    "IMAD": product,
    "LEA": shifted_sum,
    "SHF": shift,
    "ISETP": compare,
    "IMNMX": smaller_or_larger,
    "VIMNMX": smaller_or_larger,
    "VIADDMNMX": smaller_or_larger,
    "IABS": magnitude,
}
