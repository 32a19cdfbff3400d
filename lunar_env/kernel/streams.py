"""Launches in order with torch's work: one Warp stream for each CUDA stream of torch, kept.

Warp knows a foreign stream by its handle, and forgets the handle when any of its objects for it is deleted: a second
one, made and dropped while a graph is recorded, takes the recording's own entry with it, and the recording cannot be
ended. So each handle of each GPU has a single object here, which lives as long as the process, as torch's streams do.
"""

import threading
from collections.abc import Sequence
from typing import Any

import torch
import warp as wp

from lunar_env.kernel.cache import BLOCK, ready

_kept: dict[tuple[int, int], Any] = {}  # by GPU and handle: each GPU's first stream has the handle 0
_making = threading.Lock()


def kept_stream(stream: torch.cuda.Stream) -> Any:
    """Warp's object for a stream of torch, the same at every call."""
    place = (stream.device.index, stream.cuda_stream)
    found = _kept.get(place)
    if found is None:
        with _making:  # a second object would take the handle out of Warp's table when it is dropped
            found = _kept.get(place)
            if found is None:
                found = _kept[place] = wp.stream_from_torch(stream)
    return found


def current_stream(device: torch.device) -> Any:
    """Warp's object for torch's current stream on a GPU, so that both work in order; None on a CPU."""
    return kept_stream(torch.cuda.current_stream(device)) if device.type == "cuda" else None


def launch(
    kernel: wp.Kernel, dim: int | tuple[int, ...], inputs: Sequence[Any], device: torch.device, **more: Any
) -> Any:
    """Launch a kernel behind what torch has been asked for on a device, compiled if it has not been yet.

    Args:
        kernel: of Warp.
        dim: threads.
        inputs: all that it takes, tables that it writes included.
        device: of the tables.
        more: as ``wp.launch`` has it, such as ``record_cmd``.

    Raises:
        RuntimeError: see ``cache.ready``.
    """
    place = wp.device_from_torch(device)
    ready((kernel,), place)
    stream = current_stream(device)
    return wp.launch(kernel, dim=dim, inputs=list(inputs), device=place, stream=stream, block_dim=BLOCK, **more)
