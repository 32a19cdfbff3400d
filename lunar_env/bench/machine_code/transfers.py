"""What moves between registers and memories: loads, stores, constants, special registers."""

from collections.abc import Callable

import numpy as np

from lunar_env.bench.machine_code.integers import Action, only
from lunar_env.bench.machine_code.listing import Instruction, Operand
from lunar_env.bench.machine_code.machine import LANES, EmulationError, Mask, Warp
from lunar_env.bench.machine_code.operands import addresses, indexed_constant, to_words, words

SIZES = {"64": 8, "128": 16, "U8": 1, "S8": 1, "U16": 2, "S16": 2, "32": 4}  # bytes; 4 without any of these
HINTS = {"E", "LU", "EF", "EL", "NA", "CONSTANT", "SYS", "STRONG", "WEAK", "GPU", "CTA"}  # of no weight here

Places = Callable[[Warp, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def width(instruction: Instruction) -> int:
    """Bytes that a load or a store moves for a lane."""
    return next((SIZES[one] for one in instruction.modifiers if one in SIZES), 4)


def load(places: Places, kind: str = "") -> Callable[[Instruction], Action]:
    """A load from a memory, whose bytes ``places`` finds."""

    def action(instruction: Instruction) -> Action:
        target, source = instruction.operands[:2]
        size, extended = _size(instruction), "S8" in instruction.modifiers or "S16" in instruction.modifiers
        writes = [to_words(_next(target, number)) for number in range(max(size // 4, 1))]
        read = addresses(source)

        def act(warp: Warp, mask: Mask) -> None:
            lanes = np.flatnonzero(mask)
            where = read(warp)[lanes]
            memory, found = places(warp, where, lanes, size)
            if kind:
                warp.seen(where, size, kind)
            raw = memory[found]
            if size < 4:
                small = raw.view(np.dtype(f"<{'i' if extended else 'u'}{size}"))
                columns = small.astype(np.int32 if extended else np.uint32).view(np.uint32)
            else:
                columns = raw.view(np.uint32)
            for number, write in enumerate(writes):
                spread = np.zeros(LANES, np.uint32)
                spread[lanes] = columns[:, number]
                write(warp, mask, spread)

        return act

    return action


def store(places: Places, kind: str = "") -> Callable[[Instruction], Action]:
    """A store into a memory, whose bytes ``places`` finds."""

    def action(instruction: Instruction) -> Action:
        target, source = instruction.operands[:2]
        size = _size(instruction)
        reads = [words(_next(source, number)) for number in range(max(size // 4, 1))]
        read = addresses(target)

        def act(warp: Warp, mask: Mask) -> None:
            lanes = np.flatnonzero(mask)
            where = read(warp)[lanes]
            memory, found = places(warp, where, lanes, size)
            if kind:
                warp.seen(where, size, kind)
            columns = np.stack([np.broadcast_to(one(warp), LANES)[lanes] for one in reads], axis=1)
            memory[found] = np.ascontiguousarray(columns).view(np.uint8)[:, :size]

        return act

    return action


def _size(instruction: Instruction) -> int:
    only(instruction, *HINTS, *SIZES)
    return width(instruction)


def _next(operand: Operand, number: int) -> Operand:
    """The register so many after this one; after the register of zeros there are only zeros."""
    zeros = operand.kind == "register" and operand.index == 255
    return Operand(operand.kind, operand.index if zeros else operand.index + number)


def _global(warp: Warp, where: np.ndarray, lanes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    return warp.memory.bytes, warp.memory.places(where, size)


def _stack(warp: Warp, where: np.ndarray, lanes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    deep = warp.stack.shape[1]
    if (where < 0).any() or (where + size > deep).any():
        raise EmulationError(f"an access of {size} bytes outside of the stack")
    return warp.stack.reshape(-1), (lanes * deep + where)[:, None] + np.arange(size)


def _shared(warp: Warp, where: np.ndarray, lanes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    return warp.shared, (where & (len(warp.shared) - 1))[:, None] + np.arange(size)


def from_constants(instruction: Instruction) -> Action:
    """LDC: a word of a bank of constants, or two."""
    target, source = instruction.operands
    size = _size(instruction)
    if size not in (4, 8):
        raise EmulationError(instruction.text)
    writes = [to_words(_next(target, number)) for number in range(size // 4)]
    read = indexed_constant(source, size)

    def act(warp: Warp, mask: Mask) -> None:
        both = np.ascontiguousarray(read(warp, mask)).view(np.uint32).reshape(-1, size // 4)
        for number, write in enumerate(writes):
            write(warp, mask, both[:, number])

    return act


def from_special(instruction: Instruction) -> Action:
    """S2R, S2UR, and CS2R, which writes two registers."""
    target, source = instruction.operands
    only(instruction, "32")
    double = instruction.opcode == "CS2R" and "32" not in instruction.modifiers
    writes = [to_words(_next(target, number)) for number in range(2 if double else 1)]
    name = source.text

    def act(warp: Warp, mask: Mask) -> None:
        if name not in warp.special:
            raise EmulationError(f"the special register {name}")
        writes[0](warp, mask, warp.special[name])
        for write in writes[1:]:
            write(warp, mask, np.zeros(1, np.uint32))

    return act


def to_uniform(instruction: Instruction) -> Action:
    """R2UR: what the first active lane holds."""
    only(instruction)
    target, source = instruction.operands
    write, read = to_words(target), words(source)

    def act(warp: Warp, mask: Mask) -> None:
        first = np.flatnonzero(mask)[0]
        write(warp, np.ones(1, bool), np.broadcast_to(read(warp), LANES)[first : first + 1])

    return act


def of_barrier(instruction: Instruction) -> Action:
    """BMOV: the lanes that a barrier waits for, into a register or back; CLEAR forgets them."""
    target, source = instruction.operands
    only(instruction, "32", "CLEAR")
    write, read = to_words(target), words(source)
    forget = to_words(source) if "CLEAR" in instruction.modifiers else None

    def act(warp: Warp, mask: Mask) -> None:
        write(warp, mask, read(warp).copy())
        if forget:
            forget(warp, mask, np.zeros(1, np.uint32))

    return act


ACTIONS: dict[str, Callable[[Instruction], Action]] = {
    "LDG": load(_global, "load"),
    "STG": store(_global, "store"),
    "LDL": load(_stack),
    "STL": store(_stack),
    "LDS": load(_shared),
    "STS": store(_shared),
    "LDC": from_constants,
    "S2R": from_special,
    "S2UR": from_special,
    "CS2R": from_special,
    "R2UR": to_uniform,
    "BMOV": of_barrier,
}
