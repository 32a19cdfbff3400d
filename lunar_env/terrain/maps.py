"""The maps of a batch on its device: what surface.py reads, from what the scenario names."""

import functools
import math
from pathlib import Path

import numpy as np
import torch
import warp as wp

from lunar_env.terrain.elevation import load_elevation
from lunar_env.terrain.relief import KINDS, Map, ground_maps
from lunar_env.terrain.surface import BLOCK, Maps

WAYS = ((1, 1), (1, -1), (-1, 1), (-1, -1))  # signs of the steps along both axes, in the order of ``steepest_seen``
NEARBY = 4  # cells within which the cones go by the gradient
SITES = {"crater_rim": 100.0}  # elevation models that ship, made by elevation.py: [m] between nodes
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
    elif name in SITES:
        coarse = load_elevation(Path(__file__).with_name(f"{name}.npy"), SITES[name])
        levels = 1
    elif name != "none":
        if not Path(name).suffix:
            known = ", ".join(["none", *KINDS, *SITES])
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
    maps.steepest = sum(float(max(gradients(one, periodic, way).max() for way in WAYS)) for one in (coarse, fine))
    return maps, tensors


def cones(one: Map, periodic: bool) -> np.ndarray:
    """Slopes that no line from ground in a block up to other ground exceeds: (4, rows, columns), by way and block.

    A block has BLOCK x BLOCK cells; a way is a quarter of all directions, see WAYS. Ground within NEARBY cells rises by
    the steepest gradient there at most. Ground farther than ``near`` cells and within ``far`` is at most as high as the
    highest node around it, over ground at least as high as the lowest of the block; thin rings make that tight.
    """
    top, bottom = (around_cells(one.heights, periodic, extreme) for extreme in (np.maximum, np.minimum))
    lowest, slopes = blocks(bottom, np.minimum), []
    for way in WAYS:
        slope = blocks(widened(gradients(one, periodic, way), 0, NEARBY, way, periodic), np.maximum)
        highest, reach, near = top, 0, NEARBY
        while near < max(top.shape):
            far = math.ceil(1.25 * near)
            highest, reach = widened(highest, reach, far, way, periodic), far
            slope = np.maximum(slope, (blocks(highest, np.maximum) - lowest) / (near * one.spacing))
            near = far
        slopes.append(slope)
    return np.stack(slopes)


def gradients(one: Map, periodic: bool, way: tuple[int, int]) -> np.ndarray:
    """For each cell, a gradient that its bilinear patch does not exceed uphill in any direction of a way."""
    padded = np.pad(one.heights, ((0, 1), (0, 1)), mode="wrap" if periodic else "edge")
    along, across = (np.maximum(sign * np.diff(padded, axis=axis), 0.0) for axis, sign in enumerate(way))
    steepest = np.hypot(np.maximum(along[:, 1:], along[:, :-1]), np.maximum(across[1:], across[:-1]))
    return steepest / one.spacing


def around_cells(heights: np.ndarray, periodic: bool, extreme: np.ufunc) -> np.ndarray:
    """The extreme of the four nodes of each cell."""
    for axis in (0, 1):
        heights = extreme(heights, moved(heights, 1, axis, periodic))
    return heights


def widened(values: np.ndarray, reach: int, wanted: int, way: tuple[int, int], periodic: bool) -> np.ndarray:
    """The greatest within ``wanted`` cells along a way, from the greatest within ``reach``."""
    while reach < wanted:
        more = min(wanted - reach, reach + 1)  # so that the window has no gaps
        for axis in (0, 1):
            values = np.maximum(values, moved(values, more * way[axis], axis, periodic))
        reach += more
    return values


def moved(values: np.ndarray, cells: int, axis: int, periodic: bool) -> np.ndarray:
    """What lies so many cells farther along an axis, round the period or up to the edge."""
    return np.take(values, np.arange(values.shape[axis]) + cells, axis, mode="wrap" if periodic else "clip")


def blocks(values: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """The extreme of each block; blocks over the edge repeat the last values."""
    padded = np.pad(values, [(0, -count % BLOCK) for count in values.shape], mode="edge")
    rows, columns = (count // BLOCK for count in padded.shape)
    return extreme.reduce(extreme.reduce(padded.reshape(rows, BLOCK, columns, BLOCK), axis=3), axis=1)
