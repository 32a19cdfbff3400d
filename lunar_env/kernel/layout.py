"""Structs in tensors: torch memory that a kernel sees as arrays of structs, and the names of its columns."""

from typing import Any

import torch
import warp as wp


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
