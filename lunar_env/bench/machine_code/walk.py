"""A warp's walk through a kernel on real tables, and what is counted on the way."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lunar_env.bench.machine_code.cubin import Cubin
from lunar_env.bench.machine_code.emulator import Emulator, Run
from lunar_env.bench.machine_code.launch import Argument, memory_of, warp_of
from lunar_env.bench.machine_code.machine import SECTOR
from lunar_env.kernel.cache import BLOCK


@dataclass
class Traffic:
    """The loads or the stores of a warp in global memory."""

    requests: int = 0  # instructions that reached memory
    sectors: int = 0  # of 32 bytes, that these touched one by one
    alike: int = 0  # requests in which all lanes asked for one and the same address
    widths: Counter[int] = field(default_factory=Counter)  # bytes of a lane in one request
    apart: set[int] = field(default_factory=set)  # sectors that were touched at all

    def add(self, addresses: np.ndarray, size: int) -> None:
        """One request: the addresses of its active lanes, and bytes of each."""
        touched = np.unique(np.concatenate((addresses, addresses + size - 1)) // SECTOR).tolist()
        self.requests += 1
        self.sectors += len(touched)
        self.alike += int((addresses == addresses[0]).all())
        self.widths[size] += 1
        self.apart.update(touched)


@dataclass(frozen=True)
class Walk:
    """What one warp did from the kernel's beginning to its end."""

    cubin: Cubin
    run: Run
    loads: Traffic
    stores: Traffic

    def figures(self) -> dict[str, Any]:
        """Its counts by name."""
        issued = self.run.issued
        done = [(one, issued[one.address]) for one in self.cubin.listing.instructions if issued[one.address]]
        rounds, each = self.hot_loop()
        return {
            "instructions": self.run.instructions,
            "rounds of the hot loop": rounds,
            "instructions of a round": each,
            "double precision": sum(count for one, count in done if one.is_double),
            "spills": sum(count for one, count in done if one.spill),
            "stack accesses": sum(count for one, count in done if one.opcode in ("LDL", "STL")),
            "load requests": self.loads.requests,
            "store requests": self.stores.requests,
            "load sectors": self.loads.sectors,
            "store sectors": self.stores.sectors,
            "sectors": self.loads.sectors + self.stores.sectors,
            "sectors of a request": self._sectors_of_a_request(),
            "sectors read at all": len(self.loads.apart),
            "sectors written at all": len(self.stores.apart),
            "widths": sorted(8 * width for width in {**self.loads.widths, **self.stores.widths}),
        }

    def _sectors_of_a_request(self) -> float:
        """Of the requests in which each lane asks for something of its own."""
        both = (self.loads, self.stores)
        alike = sum(one.alike for one in both)
        own = sum(one.requests for one in both) - alike
        return (sum(one.sectors for one in both) - alike) / own if own else 1.0

    def hot_loop(self) -> tuple[int, int]:
        """Rounds, and instructions of one, of the loop that most instructions stand in; what it calls is not in it."""
        issued = self.run.issued
        spent = [
            (sum(count for place, count in issued.items() if first <= place <= last), issued[first])
            for first, last in self.run.loops.items()
        ]
        instructions, rounds = max(spent, default=(0, 0))
        return rounds, round(instructions / max(rounds, 1))


def walked(cubin: Cubin, arguments: Sequence[Argument], threads: int, first: int, block: int = BLOCK) -> Walk:
    """Walk the warp whose first lane is thread ``first``; what it writes is written into the arguments' tables.

    Args:
        cubin: the kernel.
        arguments: Warp type and value of each argument, arrays in the host's memory.
        threads: of the launch.
        first: a multiple of 32.
        block: threads of a block.

    Raises:
        EmulationError: the kernel does what the emulator does not know.
    """
    memory, traffic = memory_of(arguments), {"load": Traffic(), "store": Traffic()}

    def seen(addresses: np.ndarray, size: int, kind: str) -> None:
        traffic[kind].add(addresses, size)

    run = Emulator(cubin.listing, warp_of(cubin, arguments, memory, threads, first, block, seen)).walk()
    memory.put_back()
    return Walk(cubin, run, traffic["load"], traffic["store"])
