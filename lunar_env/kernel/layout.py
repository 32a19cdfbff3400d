"""Structs in tensors: torch memory that a kernel sees as arrays of structs, and the names of its columns."""

import functools
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


def columns(table: torch.Tensor, struct: Any) -> dict[str, torch.Tensor]:
    """Named views of a (rows, words) float32 table of structs: 'motion.position' is (rows, 3), scalars are (rows,).

    The table may have more axes before its words.
    """
    each, whole = table.unbind(-1), table.view(torch.int32).unbind(-1)
    return {
        name: table[..., start : start + length] if length else (whole if is_whole else each)[start]
        for name, start, length, is_whole in layout(struct)
    }


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
    if table.dtype != torch.float32 or table.shape[-1] < words(struct) or table.stride(-1) != 1:
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
