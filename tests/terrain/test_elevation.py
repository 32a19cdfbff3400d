"""Elevation models: what was written is read back the right way round, and what cannot be flown over is refused."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lunar_env import Descent, load_scenario
from lunar_env.terrain import maps
from lunar_env.terrain.elevation import crater_rim, load_elevation
from lunar_env.terrain.maps import SITES
from lunar_env.terrain.relief import Array

GEOGRAPHIC = (1, 1, 0, 2, 1024, 0, 1, 2, 1025, 0, 1, 1)  # GeoKeyDirectoryTag: model type 2, raster type 1
PROJECTED = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1)


def hills(n: int, m: int) -> Array:
    """Heights (n, m) [m] with no symmetry."""
    return np.random.default_rng(3).normal(1000.0, 50.0, (n, m))


def npy(folder: Path, heights: Any) -> Path:
    np.save(folder / "site.npy", heights)
    return folder / "site.npy"


def tif(folder: Path, image: np.ndarray, *tags: tuple, suffix: str = ".tif", **options: Any) -> Path:
    """A TIFF with tags (number, type, value)."""
    tifffile = pytest.importorskip("tifffile")
    extra = [(tag, kind, 0 if kind == "s" else len(value), value, True) for tag, kind, value in tags]
    path = folder / f"site{suffix}"
    tifffile.imwrite(path, image, photometric="minisblack", metadata=None, extratags=extra, **options)
    return path


def scale(x: float, y: float) -> tuple:
    return (33550, "d", (x, y, 0.0))


# What is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_an_array_comes_back_with_x_along_its_first_axis(tmp_path: Path, kind: str) -> None:
    heights = hills(5, 7).astype(kind)
    site = load_elevation(npy(tmp_path, heights), 20.0)
    assert site.spacing == 20.0 and site.heights.dtype == np.float32
    assert site.heights == pytest.approx(heights - float(heights[2, 3]), abs=1e-5)


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".TIF"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_an_image_comes_back_with_x_to_the_right_and_y_upwards(tmp_path: Path, kind: str, suffix: str) -> None:
    image = hills(5, 7).astype(kind)  # 5 rows of 7 columns
    site = load_elevation(tif(tmp_path, image, scale(2.5, 2.5), suffix=suffix))
    assert site.spacing == 2.5 and site.heights.dtype == np.float32 and site.heights.shape == (7, 5)
    middle = float(image[2, 3])
    for row in range(5):
        for column in range(7):
            assert site.heights[column, 4 - row] == pytest.approx(image[row, column] - middle, abs=1e-5)


def test_a_hill_in_the_north_east_stands_downrange_and_to_the_left(tmp_path: Path) -> None:
    image = np.zeros((11, 11), np.float32)
    image[1, 8] = 100.0  # near the top, right of the middle
    i, j = np.unravel_index(load_elevation(tif(tmp_path, image, scale(1.0, 1.0))).heights.argmax(), (11, 11))
    assert i > 5 and j > 5


@pytest.mark.parametrize(("n", "m"), [(5, 7), (4, 7), (5, 6), (4, 6), (2, 2)])
def test_the_middle_is_at_height_zero_also_between_nodes(tmp_path: Path, n: int, m: int) -> None:
    # On a tilted plane the bilinear height is that of the plane.
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    site = load_elevation(npy(tmp_path, 1700.0 + 3.0 * i - 5.0 * j), 1.0)
    assert site.heights == pytest.approx(3.0 * (i - (n - 1) / 2) - 5.0 * (j - (m - 1) / 2), abs=1e-6)


def test_heights_far_from_zero_lose_no_digits(tmp_path: Path) -> None:
    # Radii of the Moon in metres, which a float32 keeps to an eighth.
    heights = 1_737_400.0 + np.array([[0.01, 0.02, 0.03]] * 3)
    site = load_elevation(npy(tmp_path, heights), 1.0)
    assert site.heights[0] == pytest.approx([-0.01, 0.0, 0.01], abs=1e-9)


def test_a_spacing_given_overrides_that_of_the_file(tmp_path: Path) -> None:
    for tags in ([], [scale(2.5, 2.5)], [scale(2.5, 3.0)], [scale(0.004, 0.004), (34735, "H", GEOGRAPHIC)]):
        assert load_elevation(tif(tmp_path, hills(3, 3), *tags), 7.0).spacing == 7.0


def test_stored_counts_become_metres(tmp_path: Path) -> None:
    metadata = (
        '<GDALMetadata><Item name="OFFSET" sample="0" role="offset">1737400</Item>'
        '<Item name="SCALE" sample="0" role="scale">0.5</Item></GDALMetadata>'
    )
    image = np.array([[0, 1, 2], [3, 4, 6], [8, 9, 11]], np.int16)
    site = load_elevation(tif(tmp_path, image, scale(118.0, 118.0), (34735, "H", PROJECTED), (42112, "s", metadata)))
    assert site.heights[:, 2].tolist() == [-2.0, -1.5, -1.0]
    assert site.heights[:, 0].tolist() == [2.0, 2.5, 3.5]


def test_a_mark_for_holes_that_marks_none_is_no_reason_to_refuse(tmp_path: Path) -> None:
    for mark in ("-9999", "nan", "-1.7976931348623157e+308"):
        tif(tmp_path, hills(3, 3).astype(np.float32), scale(1.0, 1.0), (42113, "s", mark))
        assert load_elevation(tmp_path / "site.tif").heights.shape == (3, 3)


# What is refused --------------------------------------------------------------------------------------------------


def refusal(path: Path, spacing: Any = None, error: type[Exception] = ValueError) -> str:
    with pytest.raises(error) as caught:
        load_elevation(path, spacing)
    assert str(path) in str(caught.value)
    return str(caught.value)


def holds(message: str, *words: str) -> None:
    for word in words:
        assert word in message, message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for name in ("site.npy", "site.tif"):
        holds(refusal(tmp_path / name, 1.0, FileNotFoundError), "no such", "check the path")


@pytest.mark.parametrize("name", ["site.img", "site.npz", "site"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    holds(refusal(tmp_path / name, 1.0), repr(Path(name).suffix), ".npy, .tif or .tiff", "gdal_translate")


@pytest.mark.parametrize("spacing", [0.0, -5.0, float("nan"), float("inf")])
def test_a_spacing_that_is_no_length_is_refused(tmp_path: Path, spacing: float) -> None:
    holds(refusal(npy(tmp_path, hills(3, 3)), spacing), "spacing", str(spacing), "above 0 m")


def test_an_array_without_its_spacing_is_refused(tmp_path: Path) -> None:
    holds(refusal(npy(tmp_path, hills(3, 3))), "spacing", "None", "give metres between nodes")


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        (np.zeros(9), ["2 axes", "got 1", "(9,)", "one band"]),
        (np.zeros((3, 3, 2)), ["2 axes", "got 3", "(3, 3, 2)", "one band"]),
        (np.zeros((1, 9)), ["2 x 2", "(1, 9)", "larger"]),
        (np.zeros((9, 0)), ["2 x 2", "(9, 0)", "larger"]),
        (np.zeros((3, 3), complex), ["real numbers", "complex128", "float32"]),
        (np.full((3, 3), "high"), ["real numbers", "<U4", "float32"]),
    ],
    ids=str,
)
def test_what_is_no_grid_of_heights_is_refused(tmp_path: Path, heights: np.ndarray, words: list[str]) -> None:
    holds(refusal(npy(tmp_path, heights), 1.0), *words)


def test_an_image_with_several_bands_is_refused(tmp_path: Path) -> None:
    path = tif(tmp_path, np.zeros((2, 5, 6), np.float32), scale(1.0, 1.0), planarconfig="separate")
    holds(refusal(path), "2 axes", "got 3", "(2, 5, 6)", "one band")


@pytest.mark.parametrize("hole", [float("nan"), float("inf"), -float("inf")])
def test_holes_in_an_array_are_counted_and_located(tmp_path: Path, hole: float) -> None:
    heights = hills(6, 8)
    heights[[2, 5, 4], [7, 0, 1]] = hole
    holds(refusal(npy(tmp_path, heights), 1.0), "3 holes", "48 nodes", "first at [2, 7]", "fill them first")


@pytest.mark.parametrize(
    ("kind", "hole", "mark"),
    [
        ("float32", np.nan, "-9999"),
        ("float32", -9999.0, "-9999"),
        ("int16", -32768, "-32768"),
        # As GDAL writes the lowest float32, with the digits of a double.
        ("float32", np.finfo(np.float32).min, "-3.4028234663852886e+38"),
        ("float32", np.float32(-0.1), "-0.1"),
    ],
)
def test_holes_in_an_image_are_counted_and_located(tmp_path: Path, kind: str, hole: float, mark: str) -> None:
    image = hills(6, 8).astype(kind)
    image[[2, 5], [7, 0]] = hole
    path = tif(tmp_path, image, scale(1.0, 1.0), (42113, "s", mark))
    holds(refusal(path), "2 holes", "48 nodes", "first at [2, 7]", "fill them first")


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([], ["no spacing", "33550", "give metres between nodes"]),
        ([scale(2.0, 2.5)], ["the same along x and y", "2 m", "2.5 m", "resample"]),
        ([scale(0.0, 0.0)], ["above 0 m", "0.0", "give the spacing"]),
        ([scale(0.004, 0.004), (34735, "H", GEOGRAPHIC)], ["in metres", "0.004 degrees", "project"]),
    ],
    ids=["none", "unequal", "zero", "degrees"],
)
def test_a_pixel_scale_that_is_no_spacing_is_refused(tmp_path: Path, tags: list[tuple], words: list[str]) -> None:
    holds(refusal(tif(tmp_path, hills(3, 3), *tags)), *words)


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "site.npy"
    np.save(path, np.array([[Trap(trace)] * 2] * 2, dtype=object), allow_pickle=True)
    holds(refusal(path, 1.0), "pickled arrays are refused", "np.save")
    path.write_bytes(pickle.dumps(Trap(trace)))
    holds(refusal(path, 1.0), "pickled arrays are refused", "np.save")
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"heights", b"\x93NUMPY\x01\x00", b"II*\x00\x00\x00\x00\x00"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "site.npy").write_bytes(content)
    holds(refusal(tmp_path / "site.npy", 1.0), "not a plain array", "np.save")
    pytest.importorskip("tifffile")
    (tmp_path / "site.tif").write_bytes(content)
    holds(refusal(tmp_path / "site.tif", 1.0), "cannot be read as a TIFF", "gdal_translate")


def test_an_unknown_compression_is_refused_with_the_remedy(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tif(tmp_path, hills(3, 3), scale(1.0, 1.0))
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(65_000)
    holds(refusal(path), "cannot be read as a TIFF", "COMPRESS=NONE")


def test_without_its_package_a_geotiff_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.tif").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    holds(refusal(tmp_path / "site.tif", error=ImportError), "tifffile", "pip install -e '.[terrain]'")


# The rim of a large crater ----------------------------------------------------------------------------------------


def test_the_pad_lies_on_the_floor_of_a_crater_three_kilometres_deep() -> None:
    site = crater_rim()
    assert site.heights.shape == (257, 257) and site.spacing == 100.0 and site.heights.dtype == np.float32
    assert site.heights[128, 128] == 0.0 and site.heights.min() == 0.0 and site.heights.max() == 3000.0
    profile = site.heights[:, 128]
    assert (profile[129:] == 0.0).all() and (profile[:19] == 3000.0).all()  # the crest is 11 km uprange
    assert (np.diff(profile) <= 0.0).all()
    assert np.array_equal(site.heights, crater_rim().heights)
    assert crater_rim(1500.0).heights == pytest.approx(0.5 * site.heights, abs=1e-3)


def test_the_crater_rim_that_ships_is_the_one_made_here_to_half_a_metre() -> None:
    shipped = load_elevation(Path(maps.__file__).with_name("crater_rim.npy"), SITES["crater_rim"])
    assert np.abs(shipped.heights - crater_rim().heights).max() <= 0.5
    descent = Descent(load_scenario("resilience", **{"terrain.map": "crater_rim"}))
    assert float(descent.truth()["height"][0]) > 0.0


def test_the_wall_has_three_terraces_and_no_kink() -> None:
    profile = crater_rim().heights[:, 128].astype(float)
    slope = -np.diff(profile) / 100.0
    # A terrace every 3 km. Over the 100 m next to it the mean of (1 - cos a) / 3 from 0 to a = pi / 15 is a^2 / 18.
    level = (np.pi / 15.0) ** 2 / 18.0
    for uprange in (2_000, 5_000, 8_000, 11_000):
        assert slope[127 - uprange // 100 : 129 - uprange // 100] == pytest.approx(0.0, abs=1.01 * level)
    steepest = 2.0 * 3000.0 / 9000.0  # halfway between terraces, where a node is: as much less over 100 m
    assert steepest - 1.01 * level < slope.max() <= steepest
    # Its second derivative in closed form is at most 2 pi TERRACES depth / WALL^2.
    assert np.abs(np.diff(slope)).max() <= 2.0 * np.pi * 3.0 * 3000.0 / 9000.0**2 * 100.0 * (1.0 + 1e-3)
    assert np.sum((slope[1:-1] > slope[:-2]) & (slope[1:-1] >= slope[2:]) & (slope[1:-1] > 0.1)) == 3


def test_the_crest_is_an_arc_of_the_rim_of_atlas() -> None:
    heights = crater_rim().heights
    along = (np.arange(257) - 128) * 100.0
    from_centre = np.hypot(along[:, None] - 32_500.0, along)
    assert (heights[from_centre >= 43_500.0] == 3000.0).all()
    assert (heights[from_centre < 43_300.0] < 3000.0).all()
    assert (heights[from_centre <= 34_500.0] == 0.0).all()
