"""Elevation models: the ground at a site as a map of heights, read from a file or made here.

A map covers a site, does not repeat, and has the pad in its middle, at height zero. Node (i, j) of an (n, m) map lies
(i - (n - 1) / 2) * spacing downrange of the pad and (j - (m - 1) / 2) * spacing to the left, towards +y.

- A ``.npy`` file holds the heights in this order: x along its first axis, y along its second.
- A GeoTIFF is an image: x runs east and y north, which are to the right and upwards on most. An approach therefore
  flies east. A lander that comes from elsewhere needs the image turned beforehand, or ``terrain.turn``.

The grid is taken as laid over the reference sphere without distortion. Azimuthal projections centred on the site are
so to 2 x 10^-4 within 20 km of it; others may not be.
"""

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lunar_env.terrain.geotiff import read_geotiff
from lunar_env.terrain.grids import (
    GridRefusedError,
    refuse_far_heights,
    refuse_holes,
    refuse_kilometres,
    refuse_silent_holes,
    refuse_spacing,
    refuse_steep,
    refuse_wrong_grid,
)
from lunar_env.terrain.relief import Array, Map

# The rim that stands in for Atlas, where HAKUTO-R M1 met a cliff of about 3 km [V2: ISP1].
CRATER_RADIUS = 43_500.0  # [m] of Atlas [R]
RIM_DISTANCE = 11_000.0  # [m] from the pad back to the crest [P]
WALL = 9_000.0  # [m] from the crest to the floor [P]
TERRACES = 3  # [-] steps of the wall [P]


def load_elevation(path: str | Path, spacing: float | None = None) -> Map:
    """The elevation model of a file, shifted so that its middle is at height zero (bilinear between the nodes).

    Args:
        path: a ``.npy`` file with heights (n, m) [m], or a GeoTIFF, ``.tif`` or ``.tiff``; geotiff.py says what is
            read of one. At least 2 x 2 nodes, no holes.
        spacing: [m] between nodes. A ``.npy`` needs it; for a GeoTIFF it stands for all that the file says of places,
            whose rows then run downwards and columns to the right.

    Returns:
        Heights (n, m) float32 [m], indexed along x and y as the module says.

    Raises:
        FileNotFoundError: no such file.
        ImportError: a GeoTIFF, and tifffile is not installed, or a package that its compression needs.
        ValueError: the file is of another kind or unreadable, its grid has not two axes of two nodes, it is too large,
            heights are not numbers or have holes, the spacing is unknown or not the same along both axes, or heights
            and spacing are such as the Moon does not have (grids.py).
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".tif", ".tiff"):
        raise ValueError(
            f"{path}: an elevation model ends in .npy, .tif or .tiff, got {path.suffix!r}; "
            "convert it, for example with gdal_translate"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such elevation model; check the path, which starts at {Path.cwd()}")
    if spacing is not None:
        refuse_spacing(path, spacing, "the spacing")
    if suffix == ".npy":
        if spacing is None:
            raise ValueError(f"{path}: a .npy file does not say its spacing, got None; give metres between nodes")
        heights = _read_array(path)
    else:
        heights, spacing = read_geotiff(path, spacing)
    middle = _middle(heights)
    refuse_far_heights(path, heights, middle)
    refuse_kilometres(path, heights, spacing)
    refuse_steep(path, heights, spacing)
    return Map((heights - middle).astype(np.float32), float(spacing))


def _middle(heights: Array) -> float:
    """Bilinear height of the middle: the mean of the one, two or four nodes that are nearest to it."""
    n, m = heights.shape
    nodes = heights[(n - 1) // 2 : n // 2 + 1, (m - 1) // 2 : m // 2 + 1]
    return float((nodes / nodes.size).sum())  # no sum of numbers near the largest float64


def _read_array(path: Path) -> Array:
    """Heights (n, m) float64 of a ``.npy`` file."""
    try:
        with path.open("rb") as file:
            _refuse_by_header(path, file)
            stored = np.lib.format.read_array(file, allow_pickle=False)  # a pickle can run code when it is read
    except GridRefusedError:
        raise
    except (ValueError, EOFError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"{path}: not a plain array of numbers ({error}); pickled arrays are refused, "
            "write it with np.save(path, heights.astype(np.float32))"
        ) from error
    refuse_holes(path, ~np.isfinite(stored))
    refuse_silent_holes(path, stored, 1.0)
    return stored.astype(np.float64)


def _refuse_by_header(path: Path, file: BinaryIO) -> None:
    """Refuse an array by what the first bytes of its file say, before memory is taken for it."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    if not kind.hasobject:  # pickles are refused by who reads them
        refuse_wrong_grid(path, shape, kind)
        declared, there = math.prod(shape) * kind.itemsize, path.stat().st_size - file.tell()
        if there < declared:
            raise GridRefusedError(
                f"{path}: cut off, for {shape} of {kind} take {declared:,} bytes, got {there:,}; copy the file again"
            )
    file.seek(0)


def crater_rim(depth: float = 3_000.0) -> Map:
    """A landing site in a large crater, and the terraced wall that an approach from uprange crosses to get there.

    The crest is an arc of the rim, RIM_DISTANCE uprange of the pad; beyond it the ground is level. With s from 0 at the
    foot of the wall to 1 at the crest, the height is depth (s - sin(2 pi TERRACES s) / (2 pi TERRACES)): level at
    the foot, on each terrace and at the crest, at most 2 depth / WALL steep between them.

    Args:
        depth: [m] from the crest down to the floor, which is at height zero.

    Returns:
        Heights (257, 257) [m], 100 m apart, the pad in the middle.
    """
    along = (np.arange(257) - 128) * 100.0
    from_centre = np.hypot(along[:, None] + RIM_DISTANCE - CRATER_RADIUS, along)
    s = np.clip((from_centre - (CRATER_RADIUS - WALL)) / WALL, 0.0, 1.0)
    turns = 2.0 * np.pi * TERRACES
    return Map((depth * (s - np.sin(turns * s) / turns)).astype(np.float32), 100.0)
