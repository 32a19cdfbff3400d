"""Devices, seeds and compiled kernels: what a batch asks of the machine before it flies."""

import sys
import threading
from typing import Any

import numpy as np
import torch
import warp as wp

from lunar_env.kernel.builds import Build


def split_seed(seed: int) -> tuple[int, int]:
    """A seed's two 32-bit halves, as signed numbers for int32 storage."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ValueError(f"seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")
    low, high = int(seed) & 0xFFFFFFFF, int(seed) >> 32
    return low - (low >> 31 << 32), high - (high >> 31 << 32)


def checked_device(device: str | torch.device) -> torch.device:
    """The torch device, if it is here."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f'device must be "cpu" or "cuda" (or "cuda:1", ...), got {device!r}') from None
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f'device must be "cpu" or "cuda", got {device!r}')
    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)  # Warp's banner would spoil piped output
    wp.init()
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError(f'device={device!r} was asked for, but torch finds no CUDA GPU; use device="cpu"')
        if not wp.is_cuda_available():
            raise RuntimeError(f'device={device!r} was asked for, but Warp finds no CUDA driver; use device="cpu"')
        chosen = torch.device("cuda", torch.cuda.current_device() if chosen.index is None else chosen.index)
    return chosen


_loaded: set[tuple[Build, str]] = set()


def load_kernels(build: Build, device: Any) -> None:
    """Compile the kernels, or take them from Warp's cache; say so when it takes long."""
    if (build, device.alias) in _loaded:
        return
    notice = threading.Timer(
        2.0,
        print,
        [f"lunar_env: compiling the physics for {device.alias}; once, some 20 s, then cached ..."],
        {"file": sys.stderr},
    )
    notice.daemon = True
    notice.start()
    try:
        for kernel in (build.advance if device.is_cuda else build.advance_abreast, build.reset):
            wp.load_module(kernel.module, device=device)
    finally:
        notice.cancel()
    _loaded.add((build, device.alias))
