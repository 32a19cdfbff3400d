"""The ground against a reference in double precision, and the beam against a dense march along its ray."""

import math

import numpy as np
import pytest
import torch
import warp as wp

from lunar_env import Descent, Range, load_scenario
from lunar_env.faults.kinds import with_fault
from lunar_env.kernel.access import load
from lunar_env.sensors.echo import rough_distance
from lunar_env.state import Surface
from lunar_env.terrain.maps import cones, load_maps
from lunar_env.terrain.relief import Map, ground_maps
from lunar_env.terrain.surface import Maps, ground_height, ground_shape

RADIUS = 1e12  # [m] so flat that the reference need not know of a sphere
ANYWHERE = {"terrain.turn": Range(0.0, 2.0 * math.pi), "terrain.shift_x": Range(0.0, 32_768.0)}
ANYWHERE |= {"terrain.shift_y": Range(0.0, 32_768.0)}
PLANE = {"terrain.slope": Range(0.0, 0.2), "terrain.slope_direction": Range(0.0, 6.0)}
RELIEF = {"terrain.relief": Range(5.0, 40.0), "terrain.phase_x": Range(0.0, 6.0)}
RIM = {"terrain.step_height": Range(-300.0, 3_000.0), "terrain.step_distance": 500.0, "terrain.step_width": 800.0}
GROUNDS = {
    "mare": {"terrain.map": "mare", **ANYWHERE},
    "highland": {"terrain.map": "highland", "terrain.roughness": Range(0.5, 1.0), **ANYWHERE},
    "rim": RIM,
    "all": {"terrain.map": "mare", **ANYWHERE, **PLANE, **RELIEF, **RIM},
}
EACH_GROUND = pytest.mark.parametrize("name", GROUNDS)


def descent_over(name: str, landers: int = 40, seed: int = 3) -> Descent:
    return Descent(load_scenario("vertical", **{"moon.radius": RADIUS, **GROUNDS[name]}), landers, seed=seed)


def bilinear(one: Map, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Height [m] of a periodic map at map coordinates [m]."""
    heights, count = one.heights.astype(np.float64), len(one.heights)
    u, v = u / one.spacing, v / one.spacing
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    a, b = u - i, v - j
    i, j, i1, j1 = i % count, j % count, (i + 1) % count, (j + 1) % count
    low, high = heights[i, j] * (1 - a) + heights[i1, j] * a, heights[i, j1] * (1 - a) + heights[i1, j1] * a
    return low * (1 - b) + high * b


def reference_ground(descent: Descent, row: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height [m] of one lander's ground, from the drawn numbers, in double precision."""
    number = {key: descent.state[f"drawn.terrain.{key}"][row].item() for key in (
        "slope", "slope_direction", "levelling", "relief", "wavelength", "phase_x", "phase_y", "roughness", "turn",
        "shift_x", "shift_y", "step_height", "step_distance", "step_width",
    )}  # fmt: skip
    near = 1.0 / (1.0 + (x**2 + y**2) / number["levelling"] ** 2)
    direction, wave = number["slope_direction"], 2.0 * np.pi / number["wavelength"]
    plane = np.tan(number["slope"]) * (x * np.cos(direction) + y * np.sin(direction))
    rolling = number["relief"] * np.sin(wave * x + number["phase_x"]) * np.sin(wave * y + number["phase_y"])
    height = near * plane + (1.0 - near) * rolling
    kind = descent.scenario.terrain.map
    if kind != "none":
        turn_x, turn_y = np.cos(number["turn"]), np.sin(number["turn"])
        for one in ground_maps(kind, descent.scenario.terrain.map_seed):
            u = turn_x * x + turn_y * y + number["shift_x"]
            v = turn_x * y - turn_y * x + number["shift_y"]
            pad = bilinear(one, np.array(number["shift_x"]), np.array(number["shift_y"]))
            height = height + number["roughness"] * (bilinear(one, u, v) - pad)
    s = np.clip(0.5 - (x + number["step_distance"]) / number["step_width"], 0.0, 1.0)
    return height + number["step_height"] * s * s * (3.0 - 2.0 * s)


@wp.kernel(enable_backward=False)
def look(
    surfaces: wp.array3d(dtype=float),
    maps: Maps,
    points: wp.array2d(dtype=wp.vec2),
    heights: wp.array2d(dtype=float),
    shapes: wp.array2d(dtype=wp.vec3),
) -> None:
    """Both ways to look at the ground, for points of each lander's site."""
    row, k = wp.tid()
    point, surface = points[row, k], Surface()
    load(surfaces, row, 0, surface)
    heights[row, k] = ground_height(point[0], point[1], surface, maps)
    shapes[row, k] = ground_shape(point[0], point[1], surface, maps)


def looked(descent: Descent, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights (N, K) and shapes (N, K, 3) that the kernels see at (N, K) points."""
    points = wp.array(np.stack([x, y], axis=-1).astype(np.float32), dtype=wp.vec2, device="cpu")
    heights, shapes = wp.zeros(x.shape, dtype=float, device="cpu"), wp.zeros(x.shape, dtype=wp.vec3, device="cpu")
    inputs = [descent._launch.tables.surfaces, descent._launch.tables.maps, points, heights, shapes]
    wp.launch(look, dim=x.shape, inputs=inputs, device="cpu")
    return heights.numpy(), shapes.numpy()


@EACH_GROUND
def test_the_ground_is_what_its_numbers_say(name: str) -> None:
    descent = descent_over(name)
    x, y = np.random.default_rng(0).uniform(-3_000.0, 3_000.0, (2, 40, 200)).astype(np.float32).astype(np.float64)
    heights, shapes = looked(descent, x, y)
    expected = np.stack([reference_ground(descent, row, x[row], y[row]) for row in range(40)])
    # Float32 knows map coordinates of 33 km to 2 mm; the steepest ground turns those into less than a centimetre.
    assert np.abs(heights - expected).max() < 0.01
    assert np.abs(shapes[..., 0] - expected).max() < 0.01


@EACH_GROUND
def test_the_gradient_is_the_grounds(name: str) -> None:
    descent = descent_over(name)
    x, y = np.random.default_rng(1).uniform(-2_000.0, 2_000.0, (2, 40, 200)).astype(np.float32).astype(np.float64)
    shapes = looked(descent, x, y)[1]
    step = 1e-3
    for axis, (along_x, along_y) in enumerate(((step, 0.0), (0.0, step))):
        slopes = np.stack([
            (reference_ground(descent, row, x[row] + along_x, y[row] + along_y)
             - reference_ground(descent, row, x[row] - along_x, y[row] - along_y)) / (2.0 * step)
            for row in range(40)
        ])  # fmt: skip
        wrong = np.abs(shapes[..., axis + 1] - slopes) > 0.005
        # At the edge of a cell the gradient jumps: 2 mm of float32 on either side of each metre, along two axes.
        assert wrong.mean() < 0.02


def test_the_pad_is_at_zero_on_any_ground() -> None:
    for name in GROUNDS:
        if name in ("mare", "highland"):
            zero = np.zeros((40, 1))
            assert np.abs(looked(descent_over(name), zero, zero)[0]).max() < 1e-4


def test_the_same_seed_gives_the_same_surface_whatever_the_batch() -> None:
    surfaces = [descent_over("all", landers).snapshot()["surface"][:5] for landers in (5, 64)]
    assert torch.equal(surfaces[0].view(torch.int32), surfaces[1].view(torch.int32))
    assert len(np.unique(surfaces[1][:, 10].numpy())) == 5, "every lander meets other ground"


@wp.kernel(enable_backward=False)
def shine(
    surfaces: wp.array3d(dtype=float),
    maps: Maps,
    radius: float,
    origins: wp.array2d(dtype=wp.vec3),
    beams: wp.array2d(dtype=wp.vec3),
    heights: wp.array2d(dtype=float),
    ranges: wp.array2d(dtype=float),
) -> None:
    """Follow beams to rough ground."""
    row, k = wp.tid()
    origin, beam, surface = origins[row, k], beams[row, k], Surface()
    load(surfaces, row, 0, surface)
    up = wp.vec3(0.0, 0.0, 1.0)
    distance, _ = rough_distance(origin, beam, -beam[2], up, heights[row, k], 1.0e6, radius, surface, maps)
    ranges[row, k] = distance


def marched(descent: Descent, row: int, origin: np.ndarray, beam: np.ndarray, longest: float) -> tuple[float, float]:
    """The first distance [m] at which a ray is below the ground, by steps of 2 cm, then to the micrometre.

    And how fast the ray closes on the ground there [m/m].
    """

    def gap(s: np.ndarray) -> np.ndarray:
        return (
            origin[2] + s * beam[2] - reference_ground(descent, row, origin[0] + s * beam[0], origin[1] + s * beam[1])
        )

    for first in np.arange(0.0, longest, 20.0):  # most meet the ground within a hundred metres
        s = first + 0.02 * np.arange(1_001)
        below = np.flatnonzero(gap(s) <= 0.0)
        if len(below):
            break
    else:
        return np.inf, 1.0
    low, high = s[max(below[0] - 1, 0)], s[below[0]]
    for _ in range(15):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gap(np.array(middle)) > 0.0 else (low, middle)
    return 0.5 * (low + high), float(gap(np.array(low - 0.01))) / 0.01


@EACH_GROUND
@pytest.mark.parametrize("tilt", [0.0, 0.2, 0.6, 1.0])
def test_the_beam_meets_the_ground_where_a_dense_march_does(name: str, tilt: float) -> None:
    descent, rng = descent_over(name), np.random.default_rng(2)
    shape = (40, 2)
    x, y = rng.uniform(-1_000.0, 1_000.0, (2, *shape)).astype(np.float32).astype(np.float64)
    height = np.float64(np.float32(10.0 ** rng.uniform(0.5, 2.5, shape)))
    ground = np.stack([reference_ground(descent, row, x[row], y[row]) for row in range(40)])
    origins = np.stack([x, y, ground + height], axis=-1).astype(np.float32)
    azimuth = rng.uniform(0.0, 2.0 * np.pi, shape)
    lean = np.full(shape, tilt)
    beams = np.stack([np.sin(lean) * np.cos(azimuth), np.sin(lean) * np.sin(azimuth), -np.cos(lean)], axis=-1)
    beams = beams.astype(np.float32)
    ranges = wp.zeros(shape, dtype=float, device="cpu")
    arrays = [wp.array(part, dtype=wp.vec3, device="cpu") for part in (origins, beams)]
    heights = wp.array(height.astype(np.float32), dtype=float, device="cpu")
    inputs = [descent._launch.tables.surfaces, descent._launch.tables.maps, RADIUS, *arrays, heights, ranges]
    wp.launch(shine, dim=shape, inputs=inputs, device="cpu")
    found = ranges.numpy()
    met = 0
    for row, k in np.ndindex(*shape):
        expected, closing = marched(descent, row, origins[row, k].astype(float), beams[row, k].astype(float), 1_000.0)
        if expected < 990.0:
            met += 1
            # A beam that grazes at less than 3 degrees is as good as float32's heights, half a millimetre.
            allowed = 0.01 if closing > 0.05 else 0.0005 / closing
            assert abs(found[row, k] - expected) < allowed, (row, k, height[row, k], closing)
    assert met > 60


@pytest.mark.parametrize("kind", ["mare", "highland"])
def test_no_ground_rises_above_its_cones(kind: str) -> None:
    rng = np.random.default_rng(4)
    for one in ground_maps(kind):
        count, bound = len(one.heights), cones(one, periodic=True)
        u, v = rng.uniform(0.0, count, (2, 200_000))
        far, direction = 10.0 ** rng.uniform(-2.0, np.log10(count / 2), u.size), rng.uniform(0.0, 2.0 * np.pi, u.size)
        here = bilinear(one, u * one.spacing, v * one.spacing)
        there = bilinear(one, (u + far * np.cos(direction)) * one.spacing, (v + far * np.sin(direction)) * one.spacing)
        slope = (there - here) / (far * one.spacing)
        way = 2 * (np.cos(direction) < 0.0) + (np.sin(direction) < 0.0)
        limit = bound[way, np.floor(u).astype(int) // 4, np.floor(v).astype(int) // 4]
        assert (slope <= limit + 1e-5).all()
        assert np.quantile(slope / limit, 0.9999) > 0.5, "a bound of any use"


def test_a_terrain_step_is_a_fault_that_changes_the_ground_alone() -> None:
    flat = Descent(load_scenario("vertical"), 8, seed=1)
    stepped = Descent(load_scenario("vertical", **with_fault("terrain_step", height=300.0, distance=50.0)), 8, seed=1)
    assert torch.equal(flat.state["motion.position"], stepped.state["motion.position"])
    x = np.tile([-1_000.0, -50.0, 1_000.0], (8, 1))
    assert looked(stepped, x, np.zeros_like(x))[0] == pytest.approx(np.tile([300.0, 150.0, 0.0], (8, 1)))


def test_an_elevation_model_from_a_file_lies_with_its_middle_at_the_pad(tmp_path) -> None:
    heights = np.add.outer(np.arange(5.0), 10.0 * np.arange(7.0)).astype(np.float32)
    path = tmp_path / "plane.npy"
    np.save(path, heights)
    scenario = load_scenario("vertical", **{"terrain.map": str(path), "terrain.map_spacing": 10.0})
    x, y = np.array([[0.0, 15.0, -20.0, 1e4]]), np.array([[0.0, -5.0, 30.0, 0.0]])
    assert looked(Descent(scenario, 1), x, y)[0][0] == pytest.approx([0.0, 1.5 - 5.0, -2.0 + 30.0, 2.0], abs=1e-4)


def test_an_elevation_model_with_a_hole_is_refused(tmp_path) -> None:
    heights = np.zeros((4, 4), dtype=np.float32)
    heights[1, 2] = np.nan
    path = tmp_path / "hole.npy"
    np.save(path, heights)
    with pytest.raises(ValueError, match="hole"):
        Descent(load_scenario("vertical", **{"terrain.map": str(path), "terrain.map_spacing": 10.0}), 1)


def test_an_unknown_map_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"terrain\.map must be one of none, mare, highland, .* got 'maree'"):
        Descent(load_scenario("vertical", **{"terrain.map": "maree"}), 1)


def test_maps_are_made_once_and_shared() -> None:
    first, again = (load_maps("mare", 0, 0.0, torch.device("cpu"))[1] for _ in range(2))
    assert all(a is b for a, b in zip(first, again, strict=True))
