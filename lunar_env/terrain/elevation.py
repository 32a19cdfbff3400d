"""Elevation models: the ground at a site as a map of heights, read from a file or made here.

A map covers a site, does not repeat, and has the pad in its middle, at height zero. Node (i, j) of an (n, m) map lies
(i - (n - 1) / 2) * spacing downrange of the pad and (j - (m - 1) / 2) * spacing to the left, towards +y.

- A ``.npy`` file holds the heights in this order: x along its first axis, y along its second.
- A GeoTIFF is an image: x runs along its columns to the right, y along its rows upwards. With north up, an approach
  therefore flies east. A lander that comes from elsewhere needs the image turned beforehand.

The grid is taken as laid over the reference sphere without distortion. Azimuthal projections centred on the site are
so to 2 x 10^-4 within 20 km of it; others may not be.
"""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_env.terrain.relief import Array, Map

PIXEL_SCALE, GEO_KEYS = 33550, 34735  # tags of OGC GeoTIFF 1.1
BAND_SCALE, NO_DATA = 42112, 42113  # tags that GDAL adds: metadata in XML, and the value that marks a hole
IN_DEGREES = (1024, 0, 1, 2)  # the entry among the keys that says GTModelType = geographic

# The rim that stands in for Atlas, where HAKUTO-R M1 met a cliff of about 3 km [V2: ISP1].
CRATER_RADIUS = 43_500.0  # [m] of Atlas [R]
RIM_DISTANCE = 11_000.0  # [m] from the pad back to the crest [P]
WALL = 9_000.0  # [m] from the crest to the floor [P]
TERRACES = 3  # [-] steps of the wall [P]


def load_elevation(path: str | Path, spacing: float | None = None) -> Map:
    """The elevation model of a file, shifted so that its middle is at height zero (bilinear between the nodes).

    Args:
        path: a ``.npy`` file with heights (n, m) [m], or a GeoTIFF, ``.tif`` or ``.tiff``, with heights in metres times
            the scale that its metadata may state. At least 2 x 2 nodes, no holes.
        spacing: [m] between nodes. A ``.npy`` needs it; for a GeoTIFF it overrides the pixel scale.

    Returns:
        Heights (n, m) float32 [m], indexed along x and y as the module says.

    Raises:
        FileNotFoundError: no such file.
        ImportError: a GeoTIFF, and tifffile is not installed.
        ValueError: the file is of another kind or unreadable, its grid has not two axes of two nodes, heights are not
            numbers or have holes, or the spacing is unknown, not above zero or not the same along both axes.
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
    if spacing is not None and not 0.0 < spacing < math.inf:
        raise ValueError(f"{path}: the spacing must be above 0 m and finite, got {spacing}; give metres between nodes")
    if suffix == ".npy":
        if spacing is None:
            raise ValueError(f"{path}: a .npy file does not say its spacing, got None; give metres between nodes")
        heights = _read_array(path)
    else:
        heights, spacing = _read_image(path, spacing)
    heights = heights - _middle(heights)
    return Map(heights.astype(np.float32), float(spacing))


def _middle(heights: Array) -> float:
    """Bilinear height of the middle: the mean of the one, two or four nodes that are nearest to it."""
    n, m = heights.shape
    return float(heights[(n - 1) // 2 : n // 2 + 1, (m - 1) // 2 : m // 2 + 1].mean())


def _read_array(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            stored = np.lib.format.read_array(file, allow_pickle=False)  # a pickle can run code when it is read
    except ValueError as error:
        raise ValueError(
            f"{path}: not a plain array of numbers ({error}); pickled arrays are refused, "
            "write it with np.save(path, heights.astype(np.float32))"
        ) from error
    _refuse_wrong_grid(path, stored)
    _refuse_holes(path, ~np.isfinite(stored))
    return stored.astype(np.float64)


def _read_image(path: Path, spacing: float | None) -> tuple[Array, float]:
    """Heights with x along the first axis, and their spacing."""
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(f'{path}: a GeoTIFF needs the package tifffile: pip install "lunar-env[terrain]"') from error
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            tags = {tag: page.tags.valueof(tag) for tag in (PIXEL_SCALE, GEO_KEYS, BAND_SCALE, NO_DATA)}
            stored = page.asarray()
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: cannot be read as a TIFF ({error}); "
            "gdal_translate -co COMPRESS=NONE writes one that can, or save it as .npy"
        ) from error
    _refuse_wrong_grid(path, stored)
    _refuse_holes(path, ~np.isfinite(stored) | _marked(stored, tags[NO_DATA]))
    if spacing is None:
        spacing = _pixel_scale(path, tags[PIXEL_SCALE], tags[GEO_KEYS] or ())
    # Row 0 is the top of the image, so rows run downwards.
    return stored[::-1].T * _band_scale(tags[BAND_SCALE]), spacing


def _pixel_scale(path: Path, scale: tuple[float, ...] | None, keys: tuple[int, ...]) -> float:
    """Metres per pixel, the same along both axes."""
    if scale is None:
        raise ValueError(
            f"{path}: no spacing, for the file has no ModelPixelScaleTag ({PIXEL_SCALE}); give metres between nodes"
        )
    along_x, along_y = scale[:2]
    if any(keys[i : i + 4] == IN_DEGREES for i in range(0, len(keys), 4)):
        raise ValueError(
            f"{path}: the pixel scale must be in metres, got {along_x:g} degrees; "
            "project the map, for example with gdalwarp, or give metres between nodes"
        )
    # Decimal fractions that were computed along two ways may differ in their last digits.
    if not math.isclose(along_x, along_y, rel_tol=1e-6):
        raise ValueError(
            f"{path}: the pixel scale must be the same along x and y, got {along_x:g} m and {along_y:g} m; "
            "resample the map, for example with gdalwarp -tr"
        )
    if not 0.0 < along_x < math.inf:
        raise ValueError(f"{path}: the pixel scale must be above 0 m and finite, got {along_x}; give the spacing")
    return along_x


def _band_scale(metadata: str | None) -> float:
    """Metres per unit of the stored numbers; maps of the LOLA team count in half metres."""
    found = re.search(r'role="scale"[^>]*>([^<]+)<', metadata or "")
    return float(found[1]) if found else 1.0


def _marked(stored: NDArray[Any], no_data: str | None) -> NDArray[np.bool_]:
    """Where a grid carries the value that stands for a hole."""
    if no_data is None:
        return np.zeros(stored.shape, dtype=bool)
    mark = np.float64(no_data.strip("\0 "))
    if stored.dtype.kind == "f":  # the text has more digits than a float32 keeps
        with np.errstate(over="ignore"):
            mark = mark.astype(stored.dtype)
    return stored == mark


def _refuse_wrong_grid(path: Path, stored: NDArray[Any]) -> None:
    if stored.dtype.kind not in "fiu":
        raise ValueError(f"{path}: heights must be real numbers, got {stored.dtype}; save them as float32")
    if stored.ndim != 2:
        raise ValueError(
            f"{path}: heights must be a grid with 2 axes, got {stored.ndim}, shape {stored.shape}; save one band alone"
        )
    if min(stored.shape) < 2:
        raise ValueError(f"{path}: a grid must have at least 2 x 2 nodes, got {stored.shape}; use a larger cut")


def _refuse_holes(path: Path, holes: NDArray[np.bool_]) -> None:
    if holes.any():
        row, column = np.unravel_index(holes.argmax(), holes.shape)
        raise ValueError(
            f"{path}: every height must be known, got {holes.sum()} holes (not finite, or marked as no data) of "
            f"{holes.size} nodes, the first at [{row}, {column}]; fill them first, for example with gdal_fillnodata"
        )


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
