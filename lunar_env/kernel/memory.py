"""The memory of a batch: torch tensors that a kernel sees as arrays of structs."""

from typing import Any

import torch
import warp as wp

from lunar_env.state import Lander, Reading, Sample, Surface


def words(struct: Any) -> int:
    """Number of 4-byte words in one struct."""
    return wp.types.type_size_in_bytes(struct) // 4


def columns(table: torch.Tensor, struct: Any) -> dict[str, torch.Tensor]:
    """Named views of a (rows, words) float32 table of structs: 'motion.position' is (rows, 3), scalars are (rows,).

    The table may have more axes before its words.
    """
    found: dict[str, torch.Tensor] = {}

    def visit(ctype: Any, offset: int, path: str) -> None:
        for name, kind in ctype._fields_:
            start = offset + getattr(ctype, name).offset // 4
            where = f"{path}{name}"
            if hasattr(kind, "_length_"):
                found[where] = table[..., start : start + kind._length_]
            elif hasattr(kind, "_fields_"):
                visit(kind, start, where + ".")
            else:
                column = table[..., start]
                found[where] = column.view(torch.int32) if kind.__name__.startswith(("c_int", "c_long")) else column

    visit(struct.ctype, 0, "")
    return found


def structs(table: torch.Tensor, struct: Any) -> wp.array:
    """The same memory as a Warp array of the structs along its last axis. The table must outlive it."""
    return wp.array(
        ptr=table.data_ptr(),
        dtype=struct,
        shape=table.shape[:-1],
        strides=tuple(4 * stride for stride in table.stride()[:-1]),
        device=wp.device_from_torch(table.device),
    )


class State:
    """The tables of a batch of landers: everything a snapshot needs, as torch tensors on the batch's device."""

    def __init__(
        self,
        drawn: Any,
        finder: Any,
        faults: Any,
        start: Any,
        beams: dict[str, int],
        num_landers: int,
        delay_slots: int,
        observation_size: int,
        num_faults: int,
        device: torch.device,
    ) -> None:
        """The first four are structs of numbers; ``beams``: how many each range finder has."""

        def empty(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float32, device=device)

        # What belongs to a lander lies side by side in its row, so that memory is fetched once.
        every_beam = sum(beams.values())
        self.lander = empty(num_landers, words(Lander) + every_beam * words(Reading))
        self.reading = self.lander[:, words(Lander) :].unflatten(1, (every_beam, words(Reading)))
        of_each = [words(drawn), len(beams) * words(finder), words(faults), words(start)]
        self.drawn = empty(num_landers, sum(of_each))
        self.drawn_once, finders, self.drawn_faults, self.drawn_start = self.drawn.split(of_each, dim=1)
        self.drawn_finders = finders.unflatten(1, (len(beams), words(finder)))
        self.surface = empty(num_landers, words(Surface))
        self.delay_line = empty(delay_slots, num_landers, every_beam, words(Sample))
        self.begun = torch.zeros(num_landers, num_faults, dtype=torch.int32, device=device)
        self.observation = empty(num_landers, observation_size)
        self._columns = {
            **columns(self.lander, Lander),
            **_prefixed("drawn.", columns(self.drawn_once, drawn)),
            **_prefixed("drawn.faults.", columns(self.drawn_faults, faults)),
            **_prefixed("drawn.start.", columns(self.drawn_start, start)),
            **_prefixed("surface.", columns(self.surface, Surface)),
        }
        first = 0
        for i, (name, count) in enumerate(beams.items()):
            self._columns |= _prefixed(f"drawn.{name}.", columns(self.drawn_finders[:, i], finder))
            for quantity, view in columns(self.reading[:, first : first + count], Reading).items():
                self._columns[f"{name}.{quantity}"] = view[:, 0] if count == 1 else view
            first += count

    def __getitem__(self, name: str) -> torch.Tensor:
        """A live view of one quantity of all landers, such as ``state["motion.position"]``, shape (N, 3)."""
        if name not in self._columns:
            raise KeyError(f"unknown quantity {name!r}; known: {', '.join(self._columns)}")
        return self._columns[name]

    def names(self) -> list[str]:
        """Names of all quantities."""
        return list(self._columns)

    def tables(self) -> dict[str, torch.Tensor]:
        """The raw tables by name."""
        return {
            "lander": self.lander,
            "drawn": self.drawn,
            "surface": self.surface,
            "delay_line": self.delay_line,
            "begun": self.begun,
            "observation": self.observation,
        }

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of everything that changes."""
        return {name: table.clone() for name, table in self.tables().items()}

    def restore(self, snapshot: dict[str, torch.Tensor]) -> None:
        """Put a snapshot back, bit for bit."""
        for name, table in self.tables().items():
            saved = snapshot.get(name)
            if saved is None or saved.shape != table.shape:
                shape = None if saved is None else tuple(saved.shape)
                raise ValueError(
                    f"snapshot table {name!r} has shape {shape}, this batch needs {tuple(table.shape)}; "
                    "restore into a batch of the same scenario and size"
                )
        for name, table in self.tables().items():
            table.copy_(snapshot[name])


def _prefixed(prefix: str, views: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: view for name, view in views.items()}
