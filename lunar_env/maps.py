"""The maps of a batch on its device: what terrain.py reads, from what the scenario names."""

import functools
from pathlib import Path

import numpy as np
import torch
import warp as wp

from lunar_env.elevation import load_elevation
from lunar_env.relief import KINDS, Map, ground_maps
from lunar_env.terrain import BLOCK, Maps

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
        if not Path(name).suffix:
            known = ", ".join(["none", *KINDS])
            raise ValueError(f"terrain.map must be one of {known}, or the path of an elevation model, got {name!r}")
        coarse = load_elevation(name, spacing or None)
        levels = 1
    periodic = levels == 2
    tables = [coarse.heights, fine.heights, cones(coarse, periodic), cones(fine, periodic)]
    tensors = tuple(torch.from_numpy(np.array(table, dtype=np.float32)).to(device) for table in tables)
    maps = Maps()
    maps.coarse, maps.fine, maps.coarse_cones, maps.fine_cones = map(wp.from_torch, tensors)
    maps.per_coarse, maps.per_fine = 1.0 / coarse.spacing, 1.0 / fine.spacing
    maps.levels = levels
    maps.periodic = int(periodic)
    maps.top = sum(float(one.heights.max()) for one in (coarse, fine))
    maps.fine_span = float(np.ptp(fine.heights))
    maps.steepest = sum(float(gradients(one, periodic).max()) for one in (coarse, fine))
    return maps, tensors


def cones(one: Map, periodic: bool) -> np.ndarray:
    """By blocks of BLOCK x BLOCK cells: a slope that no line from ground in the block up to other ground exceeds.

    Ground within two nodes rises by the steepest gradient there at most. Ground farther than ``near`` nodes and within
    ``far`` is at most as high as the highest node around it, over ground at least as high as the lowest of the block.
    """
    lowest = blocks(widened(one.heights, 1, periodic, np.minimum), np.minimum)
    slope = blocks(widened(gradients(one, periodic), 3, periodic, np.maximum), np.maximum)
    highest, reach, near = one.heights, 0, 2
    while near < max(one.heights.shape):
        far = 2 * near
        while reach < far + 2:
            more = min(far + 2 - reach, 2 * reach + 1)  # so that the window has no gaps
            highest, reach = widened(highest, more, periodic, np.maximum), reach + more
        slope = np.maximum(slope, (blocks(highest, np.maximum) - lowest) / (near * one.spacing))
        near = far
    return slope


def gradients(one: Map, periodic: bool) -> np.ndarray:
    """For each cell, a gradient that its bilinear patch does not exceed."""
    padded = np.pad(one.heights, ((0, 1), (0, 1)), mode="wrap" if periodic else "edge")
    along, across = np.abs(np.diff(padded, axis=0)), np.abs(np.diff(padded, axis=1))
    steepest = np.hypot(np.maximum(along[:, 1:], along[:, :-1]), np.maximum(across[1:], across[:-1]))
    return steepest / one.spacing


def widened(values: np.ndarray, nodes: int, periodic: bool, extreme: np.ufunc) -> np.ndarray:
    """The extreme of each value, the ``nodes``-th before it and the ``nodes``-th after it, along both axes."""
    for axis in (0, 1):
        pad = [(nodes, nodes) if other == axis else (0, 0) for other in (0, 1)]
        padded = np.pad(values, pad, mode="wrap" if periodic else "edge")
        count = values.shape[axis]
        values = extreme.reduce([np.take(padded, range(k, k + count), axis) for k in (0, nodes, 2 * nodes)])
    return values


def blocks(values: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """The extreme of each block; blocks over the edge repeat the last values."""
    padded = np.pad(values, [(0, -count % BLOCK) for count in values.shape], mode="edge")
    rows, columns = (count // BLOCK for count in padded.shape)
    return extreme.reduce(extreme.reduce(padded.reshape(rows, BLOCK, columns, BLOCK), axis=3), axis=1)
