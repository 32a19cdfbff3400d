"""Elevation models as others write them: one table of files, each read rightly or refused with the remedy."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lunar_env import Descent, load_scenario
from lunar_env.terrain.elevation import load_elevation
from lunar_env.terrain.grids import MOST_NODES, refuse_far_heights, refuse_steep

tifffile = pytest.importorskip("tifffile")

ROWS, COLUMNS, SPACING = 24, 32, 20.0
TYPE, CRS, LINEAR, LINEAR_SIZE, VERTICAL = 1024, 2048, 3076, 3077, 4099
LOWEST = float(np.finfo(np.float32).min)


def ground() -> np.ndarray:
    """Heights (ROWS, COLUMNS) float32 [m] of an image with north up: hills of 100 m, no symmetry."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] * SPACING
    hills = 60.0 * np.sin(x / 150.0) * np.cos(y / 90.0) + 40.0 * np.sin((x + 2.0 * y) / 310.0) - 2_000.0
    return hills.astype(np.float32)


def expected(image: np.ndarray | None = None) -> np.ndarray:
    """What a flight should find: x east, y north, zero in the middle."""
    image = (ground() if image is None else image).astype(float)
    middle = image[ROWS // 2 - 1 : ROWS // 2 + 1, COLUMNS // 2 - 1 : COLUMNS // 2 + 1].mean()
    return image[::-1].T - middle


def keys(**numbers: int) -> tuple:
    """GeoKeyDirectoryTag."""
    codes = {"model": TYPE, "crs": CRS, "linear": LINEAR, "linear_size": LINEAR_SIZE, "vertical": VERTICAL}
    entries: list[int] = []
    for name, value in numbers.items():
        place = 34736 if name == "linear_size" else 0
        entries += [codes[name], place, 1, value]
    return (34735, "H", (1, 1, 0, len(numbers), *entries))


def scale(x: Any = SPACING, y: Any = None) -> tuple:
    return (33550, "d", (x, x if y is None else y, 0.0))


def moved(*numbers: float) -> tuple:
    """ModelTransformationTag by its six numbers of the plane."""
    a, b, d, e, f, h = numbers
    return (34264, "d", (a, b, 0.0, d, e, f, 0.0, h, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))


def text(code: int, words: str) -> tuple:
    return (code, "s", words)


def metadata(*items: tuple[str, str]) -> tuple:
    """GDAL_METADATA of (role, value)."""
    lines = "".join(f'<Item name="{role.upper()}" sample="0" role="{role}">{value}</Item>' for role, value in items)
    return text(42112, f"<GDALMetadata>{lines}</GDALMetadata>")


METRES = keys(model=1, linear=9001)


def tif(*tags: tuple, image: np.ndarray | None = None, **options: Any) -> Callable[[Path], Path]:
    """What writes a GeoTIFF into a folder."""

    def write(folder: Path) -> Path:
        extra = [(code, kind, 0 if kind == "s" else len(value), value, True) for code, kind, value in tags]
        path = folder / "site.tif"
        what = {"photometric": "minisblack", "metadata": None, **options}
        tifffile.imwrite(path, ground() if image is None else image, extratags=extra, **what)
        return path

    return write


def npy(heights: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / "site.npy", heights)
        return folder / "site.npy"

    return write


def content(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


def cut(write: Callable[[Path], Path], share: float) -> Callable[[Path], Path]:
    """A file of which the end is missing."""

    def shorten(folder: Path) -> Path:
        path = write(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        return path

    return shorten


def patched(write: Callable[[Path], Path], **declared: Any) -> Callable[[Path], Path]:
    """A TIFF with numbers in its header overwritten."""

    def change(folder: Path) -> Path:
        path = write(folder)
        with tifffile.TiffFile(path, mode="r+") as file:
            tags = file.pages.first.tags
            for name, value in declared.items():
                tags[name].overwrite(value)
        return path

    return change


def with_mask(folder: Path) -> Path:
    """Holes as GDAL may keep them: a second image of bits."""
    path = folder / "site.tif"
    mask = np.ones((ROWS, COLUMNS), bool)
    mask[3, 5] = False
    with tifffile.TiffWriter(path) as file:
        file.write(
            ground(), photometric="minisblack", metadata=None, extratags=[(33550, "d", 3, (20.0, 20.0, 0), True)]
        )
        file.write(mask, photometric="minisblack", metadata=None, subfiletype=4)
    return path


def with_overview(folder: Path) -> Path:
    path = folder / "site.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(
            ground(), photometric="minisblack", metadata=None, extratags=[(33550, "d", 3, (20.0, 20.0, 0), True)]
        )
        file.write(ground()[::2, ::2], photometric="minisblack", metadata=None, subfiletype=1)
    return path


def two_pages(folder: Path) -> Path:
    path = folder / "site.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(2):
            file.write(ground(), photometric="minisblack", metadata=None)
    return path


def holed(value: float, kind: str = "float32") -> np.ndarray:
    image = ground().astype(kind)
    image[3, 5] = value
    return image


def huge_npy(folder: Path) -> Path:
    """A header that declares 8 TB, and no data."""
    path = folder / "site.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (1_000_000, 1_000_000)}
        )
    return path


class Unheard:
    """A pickle that would fail the test if anybody read it."""

    def __reduce__(self) -> tuple:
        return pytest.fail, ("a pickle was read",)


# Read rightly: file, spacing that is given, spacing [m] and heights that come back --------------------------------

flat = np.zeros((ROWS, COLUMNS), np.float32)
whole = np.round(ground())

READ = {
    "metres as they should be": (tif(scale(), METRES), None),
    "no keys at all": (tif(scale()), None),
    "north up by a matrix": (tif(moved(SPACING, 0, 5e5, 0, -SPACING, 7e5), METRES), None),
    "south up by a matrix": (tif(moved(SPACING, 0, 5e5, 0, SPACING, 7e5), METRES, image=ground()[::-1]), None),
    "west to the right": (tif(moved(-SPACING, 0, 5e5, 0, -SPACING, 7e5), METRES, image=ground()[:, ::-1]), None),
    "float64": (tif(scale(), METRES, image=ground().astype(float)), None),
    "big-endian": (tif(scale(), METRES, byteorder=">"), None),
    "BigTIFF": (tif(scale(), METRES, bigtiff=True), None),
    "tiles": (tif(scale(), METRES, tile=(16, 16)), None),
    "deflate": (tif(scale(), METRES, compression="zlib"), None),
    "several strips": (tif(scale(), METRES, rowsperstrip=5), None),
    "an overview": (with_overview, None),
    "projection in km": (tif(scale(SPACING / 1000), keys(model=1, linear=9036)), None),
    "projection in a unit of its own": (
        tif(scale(2.0), keys(model=1, linear=32767, linear_size=0), (34736, "d", (SPACING / 2.0,))),
        None,
    ),
    "heights in km, by the vertical unit": (
        tif(scale(), keys(model=1, linear=9001, vertical=9036), image=ground().astype(float) / 1000),
        None,
    ),
    "heights in km, by the band's unit": (
        tif(scale(), METRES, metadata(("unittype", "km")), image=ground().astype(float) / 1000),
        None,
    ),
    "half metres above the sphere": (
        tif(scale(), METRES, metadata(("offset", "1737400"), ("scale", "0.5")), image=(2 * ground()).astype(float)),
        None,
    ),
    "a mark that marks nothing": (tif(scale(), METRES, text(42113, "-3.4028226550889045e+38")), None),
    "not a number as the mark": (tif(scale(), METRES, text(42113, "nan")), None),
    "an empty mark": (tif(scale(), METRES, text(42113, " ")), None),
    "degrees, with metres given": (tif(scale(0.0006), keys(model=2)), SPACING),
    "an oblong, with metres given": (tif(scale(2.0, 3.0)), SPACING),
    "big-endian array": (npy(expected().astype(">f4")), SPACING),
    "array by columns": (npy(np.asfortranarray(expected())), SPACING),
    "array far from zero": (npy(expected() + 1_737_400.0), SPACING),
}


@pytest.mark.parametrize("name", READ)
def test_a_file_that_says_what_it_holds_is_read(name: str, tmp_path: Path) -> None:
    write, spacing = READ[name]
    site = load_elevation(write(tmp_path), spacing)
    assert site.spacing == pytest.approx(SPACING)
    assert site.heights == pytest.approx(expected(), abs=2e-3)


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "uint8", "int8", "uint32", "float16"])
def test_whole_numbers_of_any_size_are_read(kind: str, tmp_path: Path) -> None:
    image = np.round(0.4 * (ground() + 2_000.0) + (60 if kind.startswith("u") else 0)).astype(kind)
    site = load_elevation(tif(scale(), METRES, image=image)(tmp_path))
    assert site.heights == pytest.approx(expected(image))


# Refused: file, spacing that is given, words of the message -------------------------------------------------------

VALUE, FILL = "first at [3, 5]", "fill"
REFUSED = {
    # units
    "heights in km": (tif(scale(), METRES, image=ground() / 1000), None, ["in metres", "kilometres", "by 1000"]),
    "radii in km": (tif(scale(), METRES, image=1737.4 + ground().astype(float) / 1000), None, ["kilometres"]),
    "array in km": (npy(ground() / 1000), SPACING, ["got -2.0", "kilometres", "by 1000"]),
    "a unit nobody knows": (tif(scale(), METRES, metadata(("unittype", "fathom"))), None, ["'fathom'", "convert"]),
    "a vertical unit nobody knows": (tif(scale(), keys(model=1, vertical=9014)), None, ["9014", "convert"]),
    "degrees, said": (tif(scale(0.0006), keys(model=2)), None, ["0.0006 degrees", "gdalwarp"]),
    "degrees, by the system alone": (tif(scale(0.0006), keys(crs=30100)), None, ["0.0006 degrees", "gdalwarp"]),
    "degrees, user-defined model": (tif(scale(0.0006), keys(model=32767, crs=30100)), None, ["degrees"]),
    "degrees, unsaid": (tif(scale(1 / 16)), None, ["0.0625", "no GTModelType", "gdalwarp", "give metres"]),
    "whole degrees, unsaid": (tif(scale(1.0), image=60 * ground()), None, ["steeper than", "1 m between", "degrees"]),
    "geocentric": (tif(scale(), keys(model=3)), None, ["geocentric", "gdalwarp"]),
    "a unit of length nobody knows": (tif(scale(), keys(model=1, linear=9042)), None, ["9042", "gdalwarp"]),
    "degrees given as metres": (npy(expected()), 0.0006, ["0.0006", "from 0.01 m to 10,000 m", "metres"]),
    "a spacing beyond maps": (npy(expected()), 2e4, ["20000.0", "10,000 m"]),
    # places
    "no scale": (tif(METRES), None, ["no spacing", "33550", "give metres between nodes"]),
    "an oblong": (tif(scale(20.0, 25.0), METRES), None, ["20 m and 25 m", "gdalwarp -tr"]),
    "turned": (tif(moved(17.3, 10.0, 0, 10.0, -17.3, 0), METRES), None, ["turned by 30", "gdalwarp"]),
    "scale nan": (tif(scale(float("nan")), METRES), None, ["above 0 m", "nan"]),
    "scale inf": (tif(scale(float("inf")), METRES), None, ["above 0 m", "inf"]),
    "scale 0": (tif(scale(0.0), METRES), None, ["above 0 m", "0.0"]),
    "scale as a text with commas": (tif(text(33550, "20,0 20,0 0,0"), METRES), None, ["20,0", "decimal point"]),
    "scale of one number": (tif((33550, "d", (20.0,)), METRES), None, ["at least 2 numbers", "20.0"]),
    "matrix cut short": (tif((34264, "d", (20.0, 0.0, 0.0)), METRES), None, ["16 numbers", "decimal point"]),
    "keys that are text": (tif(scale(), text(34735, "projected")), None, ["GeoKeyDirectoryTag", "'projected'"]),
    # marks and scales
    "rounded mark": (
        tif(scale(), METRES, text(42113, "-3.4028226550889045e+38"), image=holed(LOWEST)),
        None,
        ["1 holes", VALUE, FILL],
    ),
    "lowest float without a mark": (tif(scale(), METRES, image=holed(LOWEST)), None, ["-3.40282e+38", "hole"]),
    "-9999 without a mark": (tif(scale(), METRES, image=holed(-9999.0)), None, ["-9999", VALUE, "gdal_fillnodata"]),
    "-32768 without a mark": (
        tif(scale(), METRES, metadata(("scale", "0.5")), image=holed(-32768, "int16")),
        None,
        ["-32768", VALUE, FILL],
    ),
    "another mark than the one used": (
        tif(scale(), METRES, text(42113, "-32768"), image=holed(-9999.0)),
        None,
        ["-9999", VALUE, FILL],
    ),
    "nothing but the mark": (npy(np.full((8, 8), -9999.0)), SPACING, ["-9999", "64 of 64", FILL]),
    "-9999 in an array": (npy(holed(-9999.0)), SPACING, ["-9999", VALUE, FILL]),
    "mark with a comma": (
        tif(scale(), METRES, text(42113, "-9999,0")),
        None,
        ["GDAL_NODATA", "'-9999,0'", "gdal_edit"],
    ),
    "mark in words": (tif(scale(), METRES, text(42113, "none")), None, ["GDAL_NODATA", "'none'", "gdal_edit"]),
    "mark as Windows wrote it": (tif(scale(), METRES, text(42113, "1.#QNAN")), None, ["'1.#QNAN'", "gdal_edit"]),
    "nan marked": (tif(scale(), METRES, text(42113, "nan"), image=holed(np.nan)), None, ["1 holes", VALUE, FILL]),
    "infinite": (tif(scale(), METRES, image=holed(np.inf)), None, ["1 holes", VALUE, FILL]),
    "holes of a mask": (with_mask, None, ["1 holes", VALUE, FILL]),
    "scale with a comma": (tif(scale(), METRES, metadata(("scale", "0,5"))), None, ["scale", "'0,5'", "gdal_edit"]),
    "scale below zero": (tif(scale(), METRES, metadata(("scale", "-1"))), None, ["scale", "'-1'"]),
    "scale not a number": (tif(scale(), METRES, metadata(("scale", "nan"))), None, ["scale", "'nan'"]),
    "scale beyond all heights": (tif(scale(), METRES, metadata(("scale", "1e300"))), None, ["within 20,000 m"]),
    # heights
    "beyond float32": (tif(scale(), METRES, image=holed(1e39, "float64")), None, ["1e+39", "20,000 m"]),
    "beyond float32 in an array": (npy(holed(-1e300, "float64")), SPACING, ["-1e+300", "20,000 m"]),
    "largest float64 everywhere": (npy(np.full((4, 4), 1.7e308) * [1, -1, 1, -1]), SPACING, ["20,000 m"]),
    "higher than the Moon": (npy(400 * expected()), 9_000.0, ["20,000 m", "other units"]),
    "nan in an array": (npy(holed(np.nan)), SPACING, ["1 holes", VALUE, FILL]),
    # grids
    "one row": (tif(scale(), METRES, image=ground()[:1]), None, ["2 x 2", "larger cut"]),
    "colours": (tif(scale(), METRES, image=np.zeros((8, 8, 3), np.uint8), photometric="rgb"), None, ["one band"]),
    "a palette": (
        tif(
            scale(),
            image=np.zeros((8, 8), np.uint8),
            photometric="palette",
            colormap=np.zeros((3, 256), np.uint16),
        ),
        None,
        ["palette", "the map itself"],
    ),
    "bands as pages": (two_pages, None, ["2 of", "one band alone"]),
    "complex": (npy(expected().astype(complex)), SPACING, ["real numbers", "complex128"]),
    "text": (npy(expected().astype(str)), SPACING, ["real numbers", "float32"]),
    "records": (npy(np.zeros((4, 4), [("height", "f4")])), SPACING, ["real numbers", "float32"]),
    "dates": (npy(np.zeros((4, 4), "datetime64[s]")), SPACING, ["real numbers", "datetime64"]),
    "pickled objects": (
        npy(np.array([[Unheard()] * 2] * 2, object)),
        SPACING,
        ["pickled arrays are refused", "np.save"],
    ),
    # size and damage
    "a header of 10^12 pixels": (
        patched(tif(scale(), METRES), ImageWidth=1_000_000, ImageLength=1_000_000),
        None,
        ["1,000,000 x 1,000,000", "4e+12 bytes", "gdal_translate -srcwin"],
    ),
    "an array of 10^12 numbers": (huge_npy, SPACING, ["1,000,000 x 1,000,000", "8e+12 bytes", "cut out"]),
    "tiles of 10^10 pixels": (
        patched(tif(scale(), METRES, tile=(16, 16)), TileWidth=65520, TileLength=65520),
        None,
        ["65,520 x 65,520", "cut out"],
    ),
    "half a TIFF": (cut(tif(scale(), METRES), 0.5), None, ["cannot be read as a TIFF", "copy it again"]),
    "half a packed TIFF": (cut(tif(scale(), METRES, compression="zlib"), 0.9), None, ["TIFF", "copy it again"]),
    "a tenth of a TIFF": (cut(tif(scale(), METRES), 0.02), None, ["cannot be read as a TIFF", "copy it again"]),
    "half an array": (cut(npy(expected()), 0.5), SPACING, ["cut off", "copy the file again"]),
    "an offset beyond the file": (
        content("site.tif", b"II*\x00" + struct.pack("<I", 2**31)),
        None,
        ["cannot be read as a TIFF", "gdal_translate"],
    ),
    "a web page": (content("site.tif", b"<html>404</html>"), None, ["cannot be read as a TIFF", "gdal_translate"]),
    "an ASCII grid": (content("site.asc", b"ncols 3\nnrows 3\n"), SPACING, [".asc", "gdal_translate"]),
    "an image of PDS": (content("site.img", b"\0" * 64), SPACING, [".img", "gdal_translate"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_flown_over_is_refused_in_words(name: str, tmp_path: Path) -> None:
    write, spacing, words = REFUSED[name]
    path = write(tmp_path)
    with pytest.raises(ValueError) as caught:
        load_elevation(path, spacing)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message, message
    for word in words:
        assert word in message, message


def test_a_compression_that_needs_a_package_says_which(tmp_path: Path) -> None:
    path = tif(scale(), METRES)(tmp_path)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(50001)  # WebP
    with pytest.raises((ImportError, ValueError)) as caught:
        load_elevation(path)
    if isinstance(caught.value, ImportError):
        assert "pip install imagecodecs" in str(caught.value) and "COMPRESS=NONE" in str(caught.value)


def test_a_scenario_refuses_such_a_file_before_anything_flies(tmp_path: Path) -> None:
    path = REFUSED["heights in km"][0](tmp_path)
    with pytest.raises(ValueError, match="kilometres"):
        Descent(load_scenario("vertical", **{"terrain.map": str(path)}), 1)


def test_all_ground_of_the_moon_is_plausible() -> None:
    deepest_to_highest = np.linspace(-9_130.0, 10_786.0, 101) - 828.0
    refuse_far_heights(Path("moon"), np.tile(deepest_to_highest, (3, 1)), 0.0)
    cliff = np.zeros((9, 9))
    cliff[:, 5:] = 3_000.0
    refuse_steep(Path("cliff"), cliff, 1.0)
    assert MOST_NODES >= 8_192**2
