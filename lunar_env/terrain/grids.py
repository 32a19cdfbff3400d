"""Grids of heights from files of others: which are refused, and in which words.

What a file says of itself is refused where it cannot be: no grid, holes, more nodes than fit. What it leaves unsaid,
its units above all, shows in the numbers: a map in kilometres is a thousand times too even, one in degrees many
thousand times too steep. The bounds below hold for all ground of the Moon with room to spare, and stop such maps
before anybody lands on them.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_env.terrain.relief import Array

MOST_NODES = 2**26  # [-] 8,192 x 8,192: heights, cones and what is made on the way then take some 3 GB
MOST_HEIGHT = 20_000.0  # [m] above or below the middle; the whole Moon spans -9.2 to 10.8 km
SPACINGS = (0.01, 10_000.0)  # [m]
STEEPEST = 100.0  # [m/m] median of all cells, 89 degrees
# The steepest cell of a real map rises by a degree at least, and by 60 degrees at most: read in kilometres, by 0.0017.
LEVELLEST = 1e-3  # [m/m] of the steepest cell
KILOMETRES = 12.0  # heights and depths of the Moon in km are below this
EVEN = (0.02, 2e-3)  # [m/m] steepest cell, and span over extent, below which such numbers are taken for kilometres
USUAL_MARKS = (-9999.0, 9999.0, -99999.0, -32768.0, -32767.0, 32767.0, 65535.0)  # for holes, where nothing says so
ALONE = 1_000.0  # [m] from a mark to the next height, at least


class GridRefusedError(ValueError):
    """A file is no elevation model that can be flown over. The message names it, the value and a remedy."""


def refuse_size(path: Path, shape: tuple[int, ...], item_bytes: int) -> None:
    """Refuse a file by the shape that it declares, before memory is taken for it."""
    nodes = math.prod(shape)
    if nodes > MOST_NODES:
        size = " x ".join(f"{count:,}" for count in shape)
        raise GridRefusedError(
            f"{path}: an elevation model may have {MOST_NODES:,} nodes, got {size}, which is {nodes * item_bytes:.2g} "
            "bytes; cut out the site, for example with gdal_translate -srcwin"
        )


def refuse_wrong_grid(path: Path, shape: tuple[int, ...], kind: np.dtype) -> None:
    """Refuse what is no grid of real numbers with two nodes along both axes, by what the file declares."""
    if kind.kind not in "fiu":
        raise GridRefusedError(f"{path}: heights must be real numbers, got {kind}; save them as float32")
    if len(shape) != 2:
        raise GridRefusedError(
            f"{path}: heights must be a grid with 2 axes, got {len(shape)}, shape {shape}; save one band alone"
        )
    if min(shape) < 2:
        raise GridRefusedError(f"{path}: a grid must have at least 2 x 2 nodes, got {shape}; use a larger cut")
    refuse_size(path, shape, kind.itemsize)


def refuse_holes(path: Path, holes: NDArray[np.bool_]) -> None:
    """Refuse a map with holes: how many, and where the first is."""
    if holes.any():
        row, column = np.unravel_index(holes.argmax(), holes.shape)
        raise GridRefusedError(
            f"{path}: every height must be known, got {holes.sum()} holes (not finite, or marked as no data) of "
            f"{holes.size} nodes, the first at [{row}, {column}]; fill them first, for example with gdal_fillnodata"
        )


def refuse_silent_holes(path: Path, stored: NDArray[Any], unit: float) -> None:
    """Refuse a map with a number that others use for holes, a kilometre off all other heights.

    Args:
        path: of the file, for the message.
        stored: (n, m), as the file has it.
        unit: [m] of a stored 1.
    """
    for mark in USUAL_MARKS:
        marked = stored == np.float64(mark)  # which a 16-bit number does not hold
        if not marked.any():
            continue
        others = stored[~marked].astype(np.float64)
        if others.size == 0 or np.abs(others - mark).min() * unit > ALONE:
            row, column = np.unravel_index(marked.argmax(), marked.shape)
            raise GridRefusedError(
                f"{path}: the value {mark:g} at {marked.sum()} of {marked.size} nodes, the first at [{row}, {column}], "
                "is far from all other heights and looks like a mark for holes, but the file does not say so; "
                f"fill them first, for example with gdal_translate -a_nodata {mark:g} and gdal_fillnodata"
            )


def refuse_spacing(path: Path, spacing: float, of: str) -> None:
    """Refuse a distance between nodes [m] that no map of a landing site has."""
    low, high = SPACINGS
    if not low <= spacing <= high:  # also true for nan
        raise GridRefusedError(
            f"{path}: {of} must be from {low:g} m to {high:,.0f} m, above 0 m and finite, got {spacing}; "
            "is it in other units? Give metres between nodes"
        )


def refuse_far_heights(path: Path, heights: Array, middle: float) -> None:
    """Refuse a height [m] that is farther from the one in the middle [m] than the Moon's are from each other."""
    with np.errstate(over="ignore"):
        farthest = np.abs(heights - middle).argmax()
        wrong = abs(heights.flat[farthest] - middle) > MOST_HEIGHT
    if wrong:
        raise GridRefusedError(
            f"{path}: heights must be within {MOST_HEIGHT:,.0f} m of the one in the middle, {middle:.6g} m, got "
            f"{heights.flat[farthest]:.6g} m; is it a hole without its mark, or are the heights in other units? "
            "Fill it, or multiply by metres per unit"
        )


def refuse_steep(path: Path, heights: Array, spacing: float) -> None:
    """Refuse heights (n, m) [m] that would be steeper than any ground at this spacing [m]."""
    rises = [np.abs(np.diff(heights, axis=axis)) / spacing for axis in (0, 1)]
    middling = float(np.median(np.hypot(rises[0][:, 1:], rises[1][1:])))
    if middling > STEEPEST:
        raise GridRefusedError(
            f"{path}: half of the ground would be steeper than {math.degrees(math.atan(middling)):.2f} degrees with "
            f"{spacing:g} m between nodes; is the spacing in degrees or kilometres? Give metres between nodes"
        )


def refuse_kilometres(path: Path, stored: Array, spacing: float) -> None:
    """Refuse heights that are most likely in kilometres: ground more even than any on the Moon.

    Args:
        path: of the file, for the message.
        stored: (n, m), taken for metres above any level.
        spacing: [m] between nodes.
    """
    span = float(np.ptp(stored))
    if span == 0.0:  # level ground that somebody made
        return
    steepest = max(float(np.abs(np.diff(stored, axis=axis)).max()) for axis in (0, 1)) / spacing
    even = steepest < EVEN[0] and span < EVEN[1] * spacing * max(stored.shape)
    if steepest < LEVELLEST or (even and np.abs(stored).max() < KILOMETRES):
        raise GridRefusedError(
            f"{path}: heights must be in metres, got {stored.min():.6g} to {stored.max():.6g} over "
            f"{spacing * max(stored.shape):,.0f} m, ground that nowhere rises by more than {steepest:.2g} m in 1 m; "
            'are they kilometres? Multiply by 1000. Level ground needs no map: terrain.map="none"'
        )
