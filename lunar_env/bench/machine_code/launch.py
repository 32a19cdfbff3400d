"""A launch as the kernel finds it: parameters in the bank of constants, tables at addresses of a device."""

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import warp as wp

from lunar_env.bench.machine_code.cubin import Cubin
from lunar_env.bench.machine_code.machine import LANES, DeviceMemory, EmulationError, Warp
from lunar_env.kernel.tables import Settings

BANK = 1 << 16  # bytes of a bank of constants
# Where the bank of constants holds the size of a block, that of the grid, and the first address above a thread's stack.
PLACES = (0x0, 0xC, 0x28)
BOUNDS = struct.Struct("<IxxxxQQ")  # Warp's launch_bounds_t<1>: shape, size, threads that share a coordinate
STRUCT: Any = type(Settings)  # what @wp.struct makes of a class

Argument = tuple[Any, Any]  # of a kernel: its Warp type, an array or a struct, and its value


def arrays_of(kind: Any, value: Any) -> Iterator[wp.array]:
    """The Warp arrays of an argument: itself, or those of a struct and of the structs in it."""
    if isinstance(kind, wp.array) and value is not None:
        yield value
    elif isinstance(kind, STRUCT):
        for name, member in kind.vars.items():
            yield from arrays_of(member.type, getattr(value, name))


def interval(array: wp.array) -> tuple[int, int]:
    """First address and bytes of the memory that an array reaches."""
    last = sum((length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True))
    return array.ptr, last + wp.types.type_size_in_bytes(array.dtype)


def memory_of(arguments: Sequence[Argument]) -> DeviceMemory:
    """Device memory with a copy of all that the arguments' arrays reach."""
    arrays = [array for kind, value in arguments for array in arrays_of(kind, value)]
    return DeviceMemory([interval(array) for array in arrays if array.ptr and math.prod(array.shape)])


def packed(kind: Any, value: Any, memory: DeviceMemory) -> bytes:
    """An argument as the kernel takes it, its arrays at the addresses of the device."""
    original = value.__ctype__()
    copy = type(original).from_buffer_copy(original)
    _move(kind, value, copy, memory)
    return bytes(copy)


def _move(kind: Any, value: Any, copy: Any, memory: DeviceMemory) -> None:
    if isinstance(kind, wp.array):
        copy.data = memory.address(copy.data or 0)
    elif isinstance(kind, STRUCT):
        for name, member in kind.vars.items():
            if isinstance(member.type, wp.array | STRUCT):
                _move(member.type, getattr(value, name), getattr(copy, name), memory)


def warp_of(
    cubin: Cubin,
    arguments: Sequence[Argument],
    memory: DeviceMemory,
    threads: int,
    first: int,
    block: int,
    seen: Callable[[np.ndarray, int, str], None],
) -> Warp:
    """The warp whose first lane is thread ``first`` of a launch of so many ``threads``, at the kernel's beginning.

    Raises:
        EmulationError: the kernel takes other parameters than these.
    """
    if first % LANES or not 0 <= first < threads:
        raise ValueError(f"a warp begins at a multiple of {LANES} below {threads}, got {first}")
    parameters = [BOUNDS.pack(threads, threads, 1), *(packed(kind, value, memory) for kind, value in arguments)]
    if tuple(map(len, parameters)) != cubin.sizes:
        given = [len(one) for one in parameters]
        raise EmulationError(f"{cubin.kernel} takes parameters of {list(cubin.sizes)} bytes, got {given}")
    stack = -(-cubin.stack // 16) * 16
    bank = _constants(cubin, parameters, ((block, 1, 1), (-(-threads // block), 1, 1), (stack,)))
    lanes = np.arange(LANES, dtype=np.uint32)
    special = {
        "SR_TID.X": lanes + np.uint32(first % block),
        "SR_CTAID.X": np.array([first // block], np.uint32),
        "SR_LANEID": lanes,
        "SR_CgaCtaId": np.zeros(1, np.uint32),
        "SRZ": np.zeros(1, np.uint32),
    }
    return Warp(memory, {**cubin.constants, 0: bank}, stack, special, seen)


def _constants(cubin: Cubin, parameters: Sequence[bytes], sizes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """The bank of constants 0: the sizes of block, grid and stack, and the parameters."""
    bank = np.zeros(BANK, np.uint8)
    words = bank.view(np.uint32)
    for place, size in zip(PLACES, sizes, strict=True):
        words[place // 4 : place // 4 + len(size)] = size
    place = cubin.parameters
    for one in parameters:
        place = -(-place // 8) * 8  # each begins at a multiple of 8 bytes, as the widest number in it does
        bank[place : place + len(one)] = np.frombuffer(one, np.uint8)
        place += len(one)
    return bank
