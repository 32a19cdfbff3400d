"""One warp through a kernel, instruction by instruction.

Lanes that take different ways go apart at a branch and come together at the barrier that the compiler set for it (BSSY,
BSYNC), as on a GPU since Volta. In which order the ways are walked is the hardware's choice; it changes no count.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lunar_env.bench.machine_code import bits, floating, integers, transfers
from lunar_env.bench.machine_code.integers import Action
from lunar_env.bench.machine_code.listing import Instruction, Listing
from lunar_env.bench.machine_code.machine import LANES, EmulationError, Mask, Warp
from lunar_env.bench.machine_code.operands import Reader, pairs, truths

SIZE = 16  # bytes of an instruction
MOST = 2_000_000  # instructions after which a kernel is taken for one that never ends
ACTIONS = {**integers.ACTIONS, **bits.ACTIONS, **floating.ACTIONS, **transfers.ACTIONS}
IDLE = {"NOP", "YIELD"}
WAYS = ("U", "REL", "NOINC", "NODEC", "RELIABLE", "RECONVERGENT")  # modifiers that change nothing of where lanes go
ONE, ALL = np.ones(1, bool), np.ones(LANES, bool)


@dataclass
class Run:
    """What a warp did."""

    issued: Counter[int] = field(default_factory=Counter)  # instructions, by their address
    loops: dict[int, int] = field(default_factory=dict)  # first and last address of those that were gone round

    @property
    def instructions(self) -> int:
        """How many were issued."""
        return self.issued.total()


@dataclass
class Way:
    """Lanes that walk together, and the place of their next instruction in the listing."""

    place: int
    mask: Mask
    barrier: int = -1  # where they wait


class Emulator:
    """A kernel, and the warp that walks through it.

    Args:
        listing: the kernel's instructions.
        warp: its state before the first of them.
    """

    def __init__(self, listing: Listing, warp: Warp) -> None:
        self.listing, self.warp, self.run = listing, warp, Run()
        self.alive = ALL.copy()
        self.ways, self.waiting = [Way(0, ALL.copy())], list[Way]()
        self.actions: dict[int, tuple[Reader | None, Action | None, bool]] = {}
        self.turns: dict[str, Callable[[Way, Instruction, Mask], None]] = {
            "BRA": self._branch,
            "CALL": self._branch,
            "BRX": self._jump_through_table,
            "RET": self._return,
            "EXIT": self._exit,
            "BSSY": self._set_barrier,
            "BSYNC": self._wait,
            "BREAK": self._leave_barrier,
        }

    def walk(self) -> Run:
        """Walk all lanes to their end.

        Raises:
            EmulationError: an instruction that is not known, an access outside of all tables, or no end.
        """
        with np.errstate(all="ignore"):
            while self.ways:
                way = self.ways.pop()
                while way.mask.any():
                    instruction = self.listing.instructions[way.place]
                    try:
                        self._step(way, instruction)
                    except EmulationError as error:
                        raise EmulationError(f"at {instruction.address:#x}, {instruction.text}: {error}") from None
        if self.waiting:
            raise EmulationError("lanes wait for others that never come")
        return self.run

    def _step(self, way: Way, instruction: Instruction) -> None:
        self.run.issued[instruction.address] += 1
        if self.run.issued[instruction.address] > MOST:
            raise EmulationError(f"no end after {MOST:,} rounds")
        if way.place not in self.actions:
            self.actions[way.place] = self._prepared(instruction)
        guard, action, uniform = self.actions[way.place]
        mask = ONE if uniform else way.mask
        if guard:
            mask = mask & guard(self.warp)
        way.place += 1
        if instruction.opcode in self.turns:
            self.turns[instruction.opcode](way, instruction, mask)
        elif action and mask.any():
            action(self.warp, mask)

    def _prepared(self, instruction: Instruction) -> tuple[Reader | None, Action | None, bool]:
        """The guard, what is done, and whether it is done once for all lanes."""
        guard = truths(instruction.guard) if instruction.guard else None
        opcode = instruction.opcode
        if opcode in self.turns or opcode in IDLE:
            integers.only(instruction, *WAYS)
            return guard, None, False
        uniform = opcode not in ACTIONS and opcode.startswith("U")
        base = opcode[1:] if uniform else opcode
        if base not in ACTIONS:
            raise EmulationError(f"the emulator does not know {opcode}")
        return guard, ACTIONS[base](instruction), uniform or opcode == "S2UR"

    # Where lanes go ------------------------------------------------------------------------------------------------

    def _branch(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        *conditions, label = instruction.operands
        for condition in conditions:
            mask = mask & truths(condition)(self.warp)
        target = self.listing.labels[label.text] if label.kind == "name" else int(label.text, 16)
        if target <= instruction.address and mask.any():
            self.run.loops[target] = max(instruction.address, self.run.loops.get(target, 0))
        self._go(way, mask, target)

    def _jump_through_table(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        register, offset = instruction.operands
        self._go_each(way, mask, pairs(register)(self.warp), instruction.address + SIZE + int(offset.text, 16))

    def _return(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        register, function = instruction.operands
        self._go_each(way, mask, pairs(register)(self.warp), self.listing.labels[function.text])

    def _go_each(self, way: Way, mask: Mask, targets: np.ndarray, base: int) -> None:
        """Each lane goes to a place of its own."""
        targets = np.broadcast_to(targets, LANES).astype(np.int64) + base
        for target in np.unique(targets[mask]).tolist():
            self._go(way, mask & (targets == target), target)

    def _go(self, way: Way, mask: Mask, target: int) -> None:
        if not mask.any():
            return
        if not 0 <= target // SIZE < len(self.listing.instructions):
            raise EmulationError(f"a jump to {target:#x}")
        self.ways.append(Way(target // SIZE, mask))
        way.mask = way.mask & ~mask

    def _exit(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        self.alive &= ~mask
        way.mask = way.mask & ~mask
        self._release()

    # Barriers ------------------------------------------------------------------------------------------------------

    def _set_barrier(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        self.warp.barriers[instruction.operands[0].index][mask] = number(mask)

    def _leave_barrier(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        barrier = self.warp.barriers[instruction.operands[0].index]
        for together in np.unique(barrier[mask]).tolist():
            barrier[barrier == together] &= ~number(mask)
        self._release()

    def _wait(self, way: Way, instruction: Instruction, mask: Mask) -> None:
        if mask.any():
            self.waiting.append(Way(way.place, mask, instruction.operands[0].index))
            way.mask = way.mask & ~mask
            self._release()

    def _release(self) -> None:
        """Let those go on whose barrier waits for nobody more."""
        there = defaultdict[tuple[int, int], list[Way]](list)
        for way in self.waiting:
            together = int(self.warp.barriers[way.barrier][way.mask][0])
            there[way.barrier, together].append(way)
        for (_, together), ways in there.items():
            arrived = np.logical_or.reduce([way.mask for way in ways])
            if together & int(number(self.alive & ~arrived)):
                continue
            self.waiting = [way for way in self.waiting if all(way is not one for one in ways)]
            for place in {way.place for way in ways}:
                masks = [way.mask for way in ways if way.place == place]
                self.ways.append(Way(place, np.logical_or.reduce(masks)))


def number(mask: Mask) -> np.uint32:
    """A mask as a number, the first lane its lowest bit."""
    return np.packbits(mask, bitorder="little").view(np.uint32)[0]
