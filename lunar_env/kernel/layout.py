"""Structs in tensors: torch memory that kernels see as arrays of structs or in tiles, and the names of its columns."""

import functools
from dataclasses import dataclass
from typing import Any

import torch
import warp as wp


def words(struct: Any) -> int:
    """Number of 4-byte words in one struct."""
    return wp.types.type_size_in_bytes(struct) // 4


@functools.cache
def layout(struct: Any) -> tuple[tuple[str, int, int, bool], ...]:
    """Each number of a struct: its name, its first word, its words (0 for a scalar), and whether it is whole."""
    found: list[tuple[str, int, int, bool]] = []

    def visit(ctype: Any, offset: int, path: str) -> None:
        for name, kind in ctype._fields_:
            start = offset + getattr(ctype, name).offset // 4
            if hasattr(kind, "_length_"):
                found.append((path + name, start, kind._length_, False))
            elif hasattr(kind, "_fields_"):
                visit(kind, start, f"{path}{name}.")
            else:
                found.append((path + name, start, 0, kind.__name__.startswith(("c_int", "c_long"))))

    visit(struct.ctype, 0, "")
    return tuple(found)


def word_of(struct: Any, part: str) -> int:
    """Where a part of a struct begins, in words."""
    return getattr(struct.ctype, part).offset // 4


def columns(table: torch.Tensor, struct: Any) -> dict[str, torch.Tensor]:
    """Named views of a (rows, words) float32 table of structs: 'motion.position' is (rows, 3), scalars are (rows,).

    The table may have more axes before its words.
    """
    each, whole = table.unbind(-1), table.view(torch.int32).unbind(-1)
    return {
        name: table[..., start : start + length] if length else (whole if is_whole else each)[start]
        for name, start, length, is_whole in layout(struct)
    }


def in_rows(table: torch.Tensor) -> torch.Tensor:
    """A copy of a table in tiles, (tiles, words, width), as rows: (tiles * width, words)."""
    return table.transpose(1, 2).clone(memory_format=torch.contiguous_format).view(-1, table.shape[1])


def put_rows(table: torch.Tensor, rows: torch.Tensor) -> None:
    """Write rows (N, words) into the first places of a table in tiles."""
    tiles, left = divmod(len(rows), table.shape[2])
    whole = rows[: len(rows) - left].unflatten(0, (tiles, table.shape[2])) if tiles else rows[:0, :, None]
    table[:tiles].copy_(whole.transpose(1, 2) if tiles else whole)
    if left:
        table[tiles, :, :left].copy_(rows[len(rows) - left :].T)


@dataclass(frozen=True)
class Column:
    """Where one quantity of all landers stands in a table in tiles, (tiles, words, width)."""

    table: torch.Tensor
    first: int  # word
    words: int  # 0 for a scalar
    is_whole: bool

    def read(self, rows: int) -> torch.Tensor:
        """A copy: (rows,) of a scalar, (rows, words) of a vector."""
        found = in_rows(self._part())[:rows]
        return found[:, 0] if self.words == 0 else found

    def write(self, values: torch.Tensor | float, rows: int) -> None:
        """Put (rows,) or (rows, words) values, or what can be broadcast to them, into the first rows."""
        part = self._part()
        shape = (rows, self.words) if self.words else (rows,)
        given = torch.as_tensor(values, dtype=part.dtype, device=part.device).expand(shape)
        put_rows(part, given.reshape(rows, part.shape[1]))

    def _part(self) -> torch.Tensor:
        table = self.table.view(torch.int32) if self.is_whole else self.table
        return table[:, self.first : self.first + max(self.words, 1)]


def shared(tensor: torch.Tensor, dtype: torch.dtype = torch.float32) -> wp.array:
    """The same memory as a Warp array of numbers. The tensor must outlive it.

    Raises ValueError for another type of number than a kernel expects.
    """
    if tensor.dtype != dtype:
        raise ValueError(f"a kernel expects {dtype}, got {tensor.dtype} {tuple(tensor.shape)}")
    return wp.from_torch(tensor.detach())


def structs(table: torch.Tensor, struct: Any) -> wp.array:
    """The same memory as a Warp array of the structs along its last axis. The table must outlive it.

    Raises ValueError for a table that a kernel would read as something else.
    """
    side_by_side = table.stride(-1) == 1 or table.numel() == 0  # the strides of nothing are zeros
    if table.dtype != torch.float32 or table.shape[-1] < words(struct) or not side_by_side:
        raise ValueError(
            f"a table of {struct.key} has at least {words(struct)} float32 words side by side in its last axis, "
            f"got {table.dtype} {tuple(table.shape)} with strides {table.stride()}"
        )
    return wp.array(
        ptr=table.data_ptr(),
        dtype=struct,
        shape=table.shape[:-1],
        strides=tuple(4 * stride for stride in table.stride()[:-1]),
        device=wp.device_from_torch(table.device),
    )
