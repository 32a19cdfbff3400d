"""How an instruction reads its operands and writes its results: each operand becomes a function of the warp."""

from collections.abc import Callable

import numpy as np

from lunar_env.bench.machine_code.listing import LAST, Operand
from lunar_env.bench.machine_code.machine import EmulationError, Mask, Warp

Reader = Callable[[Warp], np.ndarray]
Writer = Callable[[Warp, Mask, np.ndarray], None]

SPECIAL_NUMBERS = {"+INF": np.inf, "-INF": -np.inf, "INF": np.inf, "+QNAN": np.nan, "-QNAN": -np.nan, "QNAN": np.nan}
LOW = np.uint64(0xFFFF_FFFF)
HALF = np.uint64(32)


def words(operand: Operand) -> Reader:
    """The 32 bits of an operand of an integer instruction, with its sign: ``-`` is of two's complement."""
    plain = _plain_words(operand)
    if operand.absolute:
        raise EmulationError(f"the absolute value of an integer: {operand}")
    if operand.sign == "-":
        return lambda warp: np.uint32(0) - plain(warp)
    if operand.sign == "~":
        return lambda warp: ~plain(warp)
    return plain


def terms(operand: Operand) -> Reader:
    """An operand as uint64 whose sum shows the carry of 32 bits: minus one is ~1 + 1, so that minus 0 carries."""
    plain = _plain_words(operand)
    if operand.sign == "-":
        return lambda warp: (~plain(warp)).astype(np.uint64) + np.uint64(1)
    if operand.sign == "~":
        return lambda warp: (~plain(warp)).astype(np.uint64)
    return lambda warp: plain(warp).astype(np.uint64)


def _plain_words(operand: Operand) -> Reader:
    index, kind = operand.index, operand.kind
    if kind in ("register", "uniform", "barrier"):
        if operand.text not in ("", ".64"):
            raise EmulationError(f"a part of a register: {operand}")
        return lambda warp: warp.files[kind][index]
    if kind == "constant":
        return constant(operand, 4)
    if kind == "number":
        value = np.array([_integer(operand.text) & 0xFFFF_FFFF], np.uint32)
        return lambda warp: value
    raise EmulationError(f"an operand of an integer instruction: {operand}")


def _integer(text: str) -> int:
    """A number of an instruction that takes bits: those of a float32 if it is written as one."""
    if "x" in text:
        return int(text, 16)
    return int(np.array([_decimal(text)], np.float32).view(np.uint32)[0])


def _decimal(text: str) -> float:
    return SPECIAL_NUMBERS[text] if text in SPECIAL_NUMBERS else float(text)


def pairs(operand: Operand) -> Reader:
    """64 bits: a register and the next, a constant of 8 bytes, or a number."""
    kind, index = operand.kind, operand.index
    if operand.sign or operand.absolute:
        raise EmulationError(f"64 bits with a sign: {operand}")
    if kind in ("register", "uniform"):
        if index == LAST["R" if kind == "register" else "UR"]:
            return lambda warp: np.zeros(1, np.uint64)
        return lambda warp: joined(warp.files[kind][index], warp.files[kind][index + 1])
    if kind == "constant":
        return constant(operand, 8)
    if kind == "number":
        value = np.array([_integer(operand.text)], np.int64).view(np.uint64)
        return lambda warp: value
    raise EmulationError(f"64 bits: {operand}")


def joined(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """64 bits of two words."""
    return (high.astype(np.uint64) << HALF) | low.astype(np.uint64)


def floats(operand: Operand) -> Reader:
    """A float32 with its sign."""
    if operand.kind == "number":
        value = np.array([_integer(operand.text)], np.uint32).view(np.float32)
        return lambda warp: value
    plain = _plain_words(operand)
    if operand.absolute:
        sign = operand.sign
        return lambda warp: _signed(np.abs(plain(warp).view(np.float32)), sign)
    if operand.sign:
        return lambda warp: -plain(warp).view(np.float32)
    return lambda warp: plain(warp).view(np.float32)


def doubles(operand: Operand) -> Reader:
    """A float64 of two registers or a number, with its sign."""
    if operand.kind == "number":
        value = np.array([_decimal(operand.text)], np.float64)
        return lambda warp: value
    sign = operand.sign
    plain = pairs(Operand(operand.kind, operand.index, parts=operand.parts))
    if operand.absolute:
        return lambda warp: _signed(np.abs(plain(warp).view(np.float64)), sign)
    return lambda warp: _signed(plain(warp).view(np.float64), sign)


def _signed(value: np.ndarray, sign: str) -> np.ndarray:
    return -value if sign else value


def truths(operand: Operand) -> Reader:
    """A predicate, with its "not"."""
    kind, index = operand.kind, operand.index
    if not operand.is_predicate:
        raise EmulationError(f"not a predicate: {operand}")
    if operand.sign:
        return lambda warp: ~warp.files[kind][index]
    return lambda warp: warp.files[kind][index]


def constant(operand: Operand, width: int) -> Reader:
    """So many bytes at a fixed place of a bank of constants, 4 or 8."""
    bank, kind = operand.index, np.uint32 if width == 4 else np.uint64
    if any(part.kind != "number" for part in operand.parts):
        raise EmulationError(f"a constant at a place that registers name: {operand}")
    offset = sum(_integer(part.text) for part in operand.parts)
    return lambda warp: _bank(warp, bank)[offset : offset + width].view(kind)


def indexed_constant(operand: Operand, width: int) -> Callable[[Warp, Mask], np.ndarray]:
    """(lanes, width) the bytes at a place that each lane may name for itself; zeros for lanes outside of the mask."""
    where = addresses(operand)

    def read(warp: Warp, mask: Mask) -> np.ndarray:
        bank = _bank(warp, operand.index)
        places = np.where(mask, where(warp)[: len(mask)], 0)
        if (places < 0).any() or (places + width > len(bank)).any():
            raise EmulationError(f"{width} bytes outside of bank {operand.index} of constants")
        return np.where(mask[:, None], bank[places[:, None] + np.arange(width)], np.uint8(0))

    return read


def _bank(warp: Warp, bank: int) -> np.ndarray:
    if bank not in warp.constants:
        raise EmulationError(f"bank {bank} of constants, which is not there")
    return warp.constants[bank]


def addresses(operand: Operand) -> Reader:
    """(lanes,) int64 the addresses of a memory operand, in bytes."""
    offset = sum(_integer(part.text) for part in operand.parts if part.kind == "number")
    registers = [_address(part) for part in operand.parts if part.kind != "number"]

    def read(warp: Warp) -> np.ndarray:
        total = np.full(warp.registers.shape[1], offset, np.int64)
        for register in registers:
            total = total + register(warp).astype(np.int64)
        return total

    return read


def _address(part: Operand) -> Reader:
    """A register of an address: 32 bits, 64 with the next register, or 32 bits times a number."""
    if part.kind not in ("register", "uniform") or part.text not in ("", ".64", ".U32", ".X4", ".X8", ".X16"):
        raise EmulationError(f"a part of an address: {part}")
    if part.text == ".64":
        return pairs(part)
    read = words(Operand(part.kind, part.index))
    times = np.uint32(int(part.text[2:])) if part.text.startswith(".X") else np.uint32(1)
    return lambda warp: read(warp) * times


def to_words(operand: Operand) -> Writer:
    """Write 32 bits where the mask holds. What is written to the register of zeros is lost."""
    kind, index = operand.kind, operand.index
    if kind not in ("register", "uniform", "barrier"):
        raise EmulationError(f"not a register: {operand}")
    if kind != "barrier" and index == LAST["R" if kind == "register" else "UR"]:
        return lambda warp, mask, value: None
    return lambda warp, mask, value: np.copyto(warp.files[kind][index], value, where=mask)


def to_floats(operand: Operand) -> Writer:
    """Write a float32."""
    write = to_words(operand)
    return lambda warp, mask, value: write(warp, mask, value.astype(np.float32, copy=False).view(np.uint32))


def to_pairs(operand: Operand) -> Writer:
    """Write 64 bits into a register and the next."""
    low = to_words(operand)
    if operand.index == LAST["R" if operand.kind == "register" else "UR"]:
        return low
    high = to_words(Operand(operand.kind, operand.index + 1))

    def write(warp: Warp, mask: Mask, value: np.ndarray) -> None:
        value = value.view(np.uint64)
        low(warp, mask, (value & LOW).astype(np.uint32))
        high(warp, mask, (value >> HALF).astype(np.uint32))

    return write


def to_truths(operand: Operand) -> Writer:
    """Write a predicate. What is written to the one that is always true is lost."""
    kind, index = operand.kind, operand.index
    if not operand.is_predicate:
        raise EmulationError(f"not a predicate: {operand}")
    if index == LAST["P"]:
        return lambda warp, mask, value: None
    return lambda warp, mask, value: np.copyto(warp.files[kind][index], value, where=mask)
