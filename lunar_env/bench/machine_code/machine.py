"""What one warp sees: its registers, its memories and the constants of its launch."""

import ctypes
from collections.abc import Callable

import numpy as np

LANES = 32
SECTOR = 32  # bytes that global memory is moved in
BASE = 0x7F00_0000_0000  # address of the first table: any that is far from 0
APART = 512  # tables begin at whole multiples of it, as allocators of device memory have it
SHARED = 1 << 16  # bytes of a block's shared memory

Words = np.ndarray  # (lanes,) uint32, or (1,) for what is the same in all lanes
Mask = np.ndarray  # (lanes,) or (1,) bool


class EmulationError(RuntimeError):
    """The kernel did what the emulator does not know, or what no right kernel does."""


class DeviceMemory:
    """Memory of the host at addresses of a device: a copy that the kernel reads and writes.

    Args:
        intervals: (first address, bytes) of host memory; those that overlap or touch become one block.
    """

    def __init__(self, intervals: list[tuple[int, int]]) -> None:
        self.blocks: list[tuple[int, int, int]] = []  # address on the host, bytes, offset in ``bytes``
        merged: list[list[int]] = []
        for first, size in sorted(set(intervals)):
            if merged and first <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], first + size)
            else:
                merged.append([first, first + size])
        offset = APART
        for first, end in merged:
            self.blocks.append((first, end - first, offset))
            offset += -(-(end - first) // APART) * APART + APART
        self.bytes = np.zeros(offset, np.uint8)
        self.covered = np.zeros(offset, bool)
        for first, size, offset in self.blocks:
            self.bytes[offset : offset + size] = _host(first, size)
            self.covered[offset : offset + size] = True

    def address(self, host: int) -> int:
        """Where the kernel finds this byte of the host's memory; 0 for no memory at all."""
        for first, size, offset in self.blocks:
            if first <= host < first + size:
                return BASE + offset + host - first
        if host:
            raise ValueError(f"the address {host:#x} lies in none of the tables")
        return 0

    def put_back(self) -> None:
        """Write what the kernel left into the host's memory."""
        for first, size, offset in self.blocks:
            _host(first, size)[:] = self.bytes[offset : offset + size]

    def places(self, addresses: np.ndarray, width: int) -> np.ndarray:
        """(lanes, width) where the bytes at these addresses stand. Raises EmulationError outside of the tables."""
        offsets = addresses.astype(np.int64) - BASE
        places = offsets[:, None] + np.arange(width)
        inside = (places >= 0) & (places < len(self.bytes))
        if not inside.all() or not self.covered[places].all():
            raise EmulationError(f"an access of {width} bytes outside of all tables")
        if (offsets % width).any():
            raise EmulationError(f"an access of {width} bytes that is not aligned")
        return places


def _host(first: int, size: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(first))


class Warp:
    """The state of 32 lanes.

    Args:
        memory: what global loads and stores reach.
        constants: the banks of constants by number, each an array of bytes.
        stack: bytes of local memory of a lane.
        special: the special registers by name, each (lanes,) or (1,).
        seen: called with the addresses, bytes and kind ("load" or "store") of each global access.
    """

    def __init__(
        self,
        memory: DeviceMemory,
        constants: dict[int, np.ndarray],
        stack: int,
        special: dict[str, np.ndarray],
        seen: Callable[[np.ndarray, int, str], None],
    ) -> None:
        self.memory, self.constants, self.special, self.seen = memory, constants, special, seen
        self.registers = np.zeros((256, LANES), np.uint32)
        self.uniforms = np.zeros((64, 1), np.uint32)
        self.predicates = np.zeros((8, LANES), bool)
        self.uniform_predicates = np.zeros((8, 1), bool)
        self.predicates[7] = self.uniform_predicates[7] = True
        self.barriers = np.zeros((16, LANES), np.uint32)  # for each lane the lanes that it waits for
        self.stack = np.zeros((LANES, stack), np.uint8)
        self.shared = np.zeros(SHARED, np.uint8)
        self.files = {
            "register": self.registers,
            "uniform": self.uniforms,
            "predicate": self.predicates,
            "uniform predicate": self.uniform_predicates,
            "barrier": self.barriers,
        }
