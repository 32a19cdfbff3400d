"""Tensors of a device as NumPy arrays: all of a step's in one copy, for each copy waits for the device."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


def on_host(values: Any, at_once: bool) -> Any:
    """Tensors, and tuples and dicts of them, as NumPy arrays.

    Args:
        values: what is wanted.
        at_once: pack them for one copy; the arrays are then parts of one fresh buffer. False for tensors of the CPU,
            whose memory the arrays share.
    """
    if not at_once:
        return _each(values, itertools.repeat(None))
    tensors = list(_tensors(values))
    # The widest numbers first: then all stand where the processor wants them.
    order = sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())
    parts = [tensors[i].contiguous().view(-1).view(torch.uint8) for i in order]
    buffer, begin = torch.cat(parts).cpu().numpy(), 0
    arrays: list[Any] = [None] * len(tensors)
    for i, part in zip(order, parts, strict=True):
        end = begin + len(part)
        kind = _KINDS[tensors[i].dtype]
        arrays[i] = buffer[begin:end].view(kind).reshape(tensors[i].shape)
        begin = end
    return _each(values, iter(arrays))


_KINDS = {
    torch.bool: np.bool_, torch.uint8: np.uint8, torch.int32: np.int32, torch.int64: np.int64,
    torch.float32: np.float32, torch.float64: np.float64,
}  # fmt: skip


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    else:
        for value in values.values() if isinstance(values, dict) else values:
            yield from _tensors(value)


def _each(values: Any, arrays: Iterator[Any]) -> Any:
    """The same tree with the next array in place of each tensor, or with its own memory if there is none."""
    if isinstance(values, torch.Tensor):
        array = next(arrays)
        return values.cpu().numpy() if array is None else array
    if isinstance(values, dict):
        return {name: _each(value, arrays) for name, value in values.items()}
    return tuple(_each(value, arrays) for value in values)
