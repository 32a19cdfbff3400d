"""Heights from a GeoTIFF: an image whose tags say where it lies and what its numbers mean.

Read are strips and tiles, both byte orders, BigTIFF, whole and real numbers of any size, and what tifffile can unpack;
of the tags ModelPixelScale or ModelTransformation, the units of the projection and of the heights, GDAL's scale and
mark of holes, and a mask. The level from which heights count does not matter: the middle becomes zero. What a file
says otherwise is refused, and so is what it leaves unsaid and cannot be guessed.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_env.extras import missing
from lunar_env.terrain.georeference import Tags, placed, text_of, unit_of_heights
from lunar_env.terrain.grids import GridRefusedError, refuse_holes, refuse_silent_holes, refuse_size, refuse_wrong_grid
from lunar_env.terrain.relief import Array

PHOTOMETRIC_PALETTE = 3
MASK, REDUCED = 4, 1  # bits of NewSubfileType
ROUNDED = 1e-6  # [-] by which the text of a large mark may differ from the value in the grid
LARGE = 1e6  # marks beyond this are no heights, so that one that is rounded can be told


@dataclass(frozen=True)
class Image:
    """What is read of a file before anything is believed."""

    stored: NDArray[Any]  # (rows, columns), row 0 at the top
    hidden: NDArray[np.bool_]  # where a mask says that nothing is known
    tags: Tags


def read_geotiff(path: Path, spacing: float | None) -> tuple[Array, float]:
    """The heights of a GeoTIFF, and the distance between them.

    Args:
        path: of the file.
        spacing: [m] between nodes, in place of what the file says of places; None for that.

    Returns:
        Heights (n, m) float64 [m] above any level, x along the first axis, y along the second, and their spacing [m].

    Raises:
        ImportError: tifffile is missing, or a package that the compression needs.
        ValueError: the file is no elevation model that can be read; see grids.py and georeference.py.
    """
    image = _image(path)
    stored, tags = image.stored, image.tags
    refuse_holes(path, ~np.isfinite(stored) | image.hidden | _marked(path, stored, tags))
    unit = unit_of_heights(path, tags)
    refuse_silent_holes(path, stored, unit)
    place = placed(path, tags) if spacing is None else None
    heights = stored.astype(np.float64)
    if place is not None and place.from_the_right:
        heights = heights[:, ::-1]
    if place is None or not place.from_below:
        heights = heights[::-1]
    with np.errstate(over="ignore"):  # what is too high is refused by its height
        heights = heights.T * unit
    return heights, place.spacing if place is not None else float(spacing or 0.0)


def _image(path: Path) -> Image:
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(missing(f"{path}, a GeoTIFF,", "tifffile")) from error
    try:
        with tifffile.TiffFile(path) as file:
            pages: list[Any] = list(file.pages)
            page = pages[0]
            _refuse_by_header(path, pages)
            tags = Tags({tag.code: tag.value for tag in page.tags})
            stored = page.asarray()
            hidden = np.zeros(stored.shape, dtype=bool)
            for other in pages[1:]:
                if other.subfiletype & MASK and other.shape == page.shape:
                    hidden |= other.asarray() == 0
    except GridRefusedError:
        raise
    except Exception as error:  # a header of a stranger can break a reader in any way
        if "imagecodecs" in str(error):
            raise ImportError(
                f"{path}: its compression needs imagecodecs: pip install imagecodecs; or write the file without "
                "compression: gdal_translate -co COMPRESS=NONE -co PREDICTOR=1"
            ) from error
        raise ValueError(
            f"{path}: cannot be read as a TIFF ({str(error) or type(error).__name__}); it may be damaged or cut off: "
            "copy it again; gdal_translate -co COMPRESS=NONE writes one that can be read, or save it as .npy"
        ) from error
    return Image(stored, hidden, tags)


def _refuse_by_header(path: Path, pages: list[Any]) -> None:
    """Refuse an image by its directories, before memory is taken for it."""
    page = pages[0]
    declared = math.prod(page.shape) * max(page.bitspersample // 8, 1)
    if page.dtype is None:
        raise GridRefusedError(
            f"{path}: heights must be whole or real numbers of 8 to 64 bits, got {page.bitspersample} bits; "
            "convert it with gdal_translate -ot Float32"
        )
    if page.photometric == PHOTOMETRIC_PALETTE:
        raise GridRefusedError(f"{path}: numbers must be heights, got colours of a palette; take the map itself")
    refuse_size(path, tuple(page.chunks), page.dtype.itemsize)
    refuse_wrong_grid(path, tuple(page.shape), page.dtype)
    bands = [one for one in pages if not one.subfiletype & (MASK | REDUCED) and one.shape == page.shape]
    if len(bands) > 1:
        raise GridRefusedError(
            f"{path}: heights must be one image with 2 axes, got {len(bands)} of {page.shape}; save one band alone"
        )
    if 0 in page.databytecounts:
        raise GridRefusedError(
            f"{path}: every height must be known, got {page.databytecounts.count(0)} strips or tiles without data (a "
            "sparse file); write it whole with gdal_translate -co SPARSE_OK=FALSE and fill the holes"
        )
    there = path.stat().st_size
    end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
    if end > there:
        raise GridRefusedError(
            f"{path}: cannot be read as a TIFF: cut off, for its heights end at byte {end:,} of {there:,} and take "
            f"{declared:,} bytes unpacked; copy it again, or write it anew with gdal_translate"
        )


def _marked(path: Path, stored: NDArray[Any], tags: Tags) -> NDArray[np.bool_]:
    """Where a grid carries the value that stands for a hole."""
    text = text_of(tags.no_data)
    if not text:
        return np.zeros(stored.shape, dtype=bool)
    if not re.fullmatch(r"[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|nan|inf)", text, re.IGNORECASE):
        raise GridRefusedError(
            f"{path}: the mark for holes (GDAL_NODATA) must be a number, got {text!r}; "
            "write it anew, for example with gdal_edit -a_nodata -9999"
        )
    mark = np.float64(text)
    if stored.dtype.kind == "f":
        if abs(mark) > LARGE:
            return np.abs(stored.astype(np.float64) / mark - 1.0) < ROUNDED
        with np.errstate(over="ignore"):
            mark = mark.astype(stored.dtype)  # the text has more digits than a float32 keeps
    return stored == mark
