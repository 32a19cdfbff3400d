"""The maps of a batch on its device: what terrain.py reads, from what the scenario names."""

import functools
import math

import numpy as np
import torch
import warp as wp

from lunar_env.elevation import load_elevation
from lunar_env.relief import KINDS, Map, ground_maps
from lunar_env.terrain import Maps

SMOOTH = Map(np.zeros((1, 1), dtype=np.float32), 1.0)


@functools.cache
def load_maps(name: str, seed: int, spacing: float, device: torch.device) -> tuple[Maps, tuple[torch.Tensor, ...]]:
    """The maps that a ``Terrain`` names for the kernels, and the tensors that hold them, shared by all batches.

    Raises ValueError or OSError for a file that is no elevation model; see ``load_elevation``.
    """
    coarse, fine, levels = SMOOTH, SMOOTH, 0
    if name in KINDS:
        fine, coarse = ground_maps(name, seed)
        levels = 2
    elif name != "none":
        coarse = load_elevation(name, spacing or None)
        levels = 1
    heights = tuple(torch.from_numpy(np.array(one.heights)).to(device) for one in (coarse, fine))
    maps = Maps()
    maps.coarse, maps.fine = map(wp.from_torch, heights)
    maps.per_coarse, maps.per_fine = 1.0 / coarse.spacing, 1.0 / fine.spacing
    maps.levels = levels
    maps.periodic = int(levels == 2)
    maps.top = sum(float(one.heights.max()) for one in (coarse, fine))
    maps.steepest = sum(steepest(one, periodic=levels == 2) for one in (coarse, fine))
    return maps, heights


def steepest(one: Map, periodic: bool) -> float:
    """A gradient that no bilinear patch of a map exceeds."""
    padded = np.pad(one.heights, ((0, 1), (0, 1)), mode="wrap" if periodic else "edge")
    along, across = (float(np.abs(np.diff(padded, axis=axis)).max()) for axis in (0, 1))
    return math.hypot(along, across) / one.spacing
