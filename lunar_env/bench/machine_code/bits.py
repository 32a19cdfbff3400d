"""What the instructions on bits do: logic, selections, bytes, and predicates as bits."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lunar_env.bench.machine_code.integers import Action, low, only
from lunar_env.bench.machine_code.listing import Instruction
from lunar_env.bench.machine_code.machine import Mask, Warp
from lunar_env.bench.machine_code.operands import joined, to_truths, to_words, truths, words


def logic(instruction: Instruction) -> Action:
    """LOP3.LUT: any function of three bits, by its table; a predicate tells whether any bit is left."""
    only(instruction, "LUT")
    operands = list(instruction.operands)
    any_left = to_truths(operands.pop(0)) if operands[0].is_predicate else None
    write = to_words(operands[0])
    sources = [words(one) for one in operands[1:4]]
    table, also = int(operands[4].text, 16), truths(operands[5])

    def act(warp: Warp, mask: Mask) -> None:
        result = looked_up(table, [one(warp) for one in sources])
        write(warp, mask, result)
        if any_left:
            any_left(warp, mask, (result != 0) | also(warp))

    return act


def looked_up(table: int, values: Sequence[np.ndarray]) -> np.ndarray:
    """A function of three bits by its table: bit 4 a + 2 b + c of it is what it gives for a, b and c."""
    result = values[0] & ~values[0]
    for row in range(8):
        if table >> row & 1:
            bits = [value if row >> (2 - place) & 1 else ~value for place, value in enumerate(values)]
            result = result | (bits[0] & bits[1] & bits[2])
    return result


def logic_of_predicates(instruction: Instruction) -> Action:
    """PLOP3.LUT: two functions of three predicates."""
    only(instruction, "LUT")
    first, second, *sources, table, other = instruction.operands
    writes = [to_truths(first), to_truths(second)]
    tables, reads = [int(one.text, 16) for one in (table, other)], [truths(one) for one in sources]

    def act(warp: Warp, mask: Mask) -> None:
        values = [read(warp) for read in reads]
        for write, one in zip(writes, tables, strict=True):
            write(warp, mask, looked_up(one, values))

    return act


def predicates_to_word(instruction: Instruction) -> Action:
    """P2R: predicate k as bit k where the mask has it, else the bit of another word."""
    target, _, other, chosen = instruction.operands
    write, rest, picked = to_words(target), words(other), int(chosen.text, 16)
    only(instruction)

    def act(warp: Warp, mask: Mask) -> None:
        packed = sum(warp.predicates[k].astype(np.uint32) << np.uint32(k) for k in range(7))
        write(warp, mask, (packed & np.uint32(picked)) | (rest(warp) & np.uint32(~picked & 0xFFFF_FFFF)))

    return act


def word_to_predicates(instruction: Instruction) -> Action:
    """R2P: bit k of a word, or of one of its bytes (.B0 to .B3), into predicate k where the mask has it."""
    _, source, chosen = instruction.operands
    first = 8 * int(source.text.removeprefix(".B")) if source.text.startswith(".B") else 0
    read, picked = words(replace(source, text="") if source.text.startswith(".B") else source), int(chosen.text, 16)
    only(instruction)

    def act(warp: Warp, mask: Mask) -> None:
        word = read(warp) >> np.uint32(first)
        for k in range(7):
            if picked >> k & 1:
                np.copyto(warp.predicates[k], (word >> np.uint32(k) & np.uint32(1)).astype(bool), where=mask)

    return act


def select(instruction: Instruction) -> Action:
    """SEL: the first word where the predicate holds, else the second."""
    only(instruction)
    target, a, b, predicate = instruction.operands
    write, first, second, holds = to_words(target), words(a), words(b), truths(predicate)
    return lambda warp, mask: write(warp, mask, np.where(holds(warp), first(warp), second(warp)))


def bytes_picked(instruction: Instruction) -> Action:
    """PRMT: each byte is one of eight, or eight times its sign."""
    only(instruction)
    target, a, chosen, b = instruction.operands
    write, first, last, pick = to_words(target), words(a), words(b), words(chosen)

    def act(warp: Warp, mask: Mask) -> None:
        whole, picked = joined(first(warp), last(warp)), pick(warp)
        result = np.zeros(1, np.uint64)
        for place in range(4):
            nibble = (picked >> np.uint32(4 * place)).astype(np.uint64)
            byte = (whole >> (np.uint64(8) * (nibble & np.uint64(7)))) & np.uint64(0xFF)
            extended = np.where(byte >> np.uint64(7), np.uint64(0xFF), np.uint64(0))
            result = result | np.where(nibble & np.uint64(8), extended, byte) << np.uint64(8 * place)
        write(warp, mask, low(result))

    return act


def move(instruction: Instruction) -> Action:
    """MOV."""
    only(instruction)
    write, value = to_words(instruction.operands[0]), words(instruction.operands[1])
    return lambda warp, mask: write(warp, mask, value(warp))


ACTIONS: dict[str, Callable[[Instruction], Action]] = {
    "LOP3": logic,
    "PLOP3": logic_of_predicates,
    "SEL": select,
    "P2R": predicates_to_word,
    "R2P": word_to_predicates,
    "PRMT": bytes_picked,
    "MOV": move,
}
