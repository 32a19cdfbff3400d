"""Tables in tiles: every quantity is found by its name, whatever the width of a tile and the number of landers."""

import pytest
import torch

from lunar_env import Descent, load_scenario
from lunar_env.kernel.layout import in_rows, put_rows
from lunar_env.kernel.memory import State
from lunar_env.vehicle.lanes import WIDTH
from lunar_env.vehicle.tiles import WARP

CPU = torch.device("cpu")
TWO = load_scenario("resilience", sensors=["navigation_doppler_lidar", "series_1_laser"])
LIDAR, LASER = (finder.name for finder in TWO.sensors)
EACH_WIDTH = pytest.mark.parametrize("width", [WIDTH, WARP])
EACH_SIZE = pytest.mark.parametrize("landers", [1, 5, 8, 32, 37])


@EACH_WIDTH
@EACH_SIZE
def test_what_is_written_by_a_name_is_read_by_it_and_nothing_else_changes(landers: int, width: int) -> None:
    state = State(TWO, landers, CPU, width)
    expected = {name: state[name] for name in state.names()}
    for number, name in enumerate(("motion.position", "episode.tick", "drawn.moon.radius", "surface.top")):
        expected[name] = torch.arange(expected[name].numel()).view_as(expected[name]).to(expected[name]) + number
        state[name] = expected[name]
    for name in (f"{LIDAR}.range", f"{LASER}.sample_number"):
        expected[name] = torch.full_like(expected[name], 7)
        state[name] = 7
    assert expected[f"{LIDAR}.range"].shape == (landers, TWO.sensors[0].beams)
    for name, values in expected.items():
        assert torch.equal(state[name], values), name


@EACH_SIZE
def test_a_quantity_by_its_name_is_a_copy(landers: int) -> None:
    state = State(TWO, landers, CPU)
    for name in ("episode.tick", "motion.velocity", f"{LASER}.range"):
        before = state[name]
        state[name].add_(1)
        assert torch.equal(state[name], before)


@EACH_SIZE
def test_a_snapshot_has_a_row_for_each_lander_and_fits_tiles_of_another_width(landers: int) -> None:
    descent = Descent(TWO, landers, seed=2)
    descent.advance()
    snapshot = descent.snapshot()
    assert all(len(table) == landers for table in snapshot.values())
    there = State(TWO, landers, CPU, WARP)
    there.restore(snapshot)
    for name in there.names():
        assert torch.equal(there[name], descent.state[name]), name
    for name, table in there.snapshot().items():
        assert torch.equal(table.view(torch.int32), snapshot[name].view(torch.int32)), name


@EACH_WIDTH
@EACH_SIZE
def test_rows_are_put_into_tiles_and_taken_out_again(landers: int, width: int) -> None:
    table = torch.zeros(-(-landers // width), 3, width, dtype=torch.float32, device=CPU)
    rows = torch.arange(3.0 * landers).view(landers, 3) + 1.0
    put_rows(table, rows)
    assert torch.equal(in_rows(table)[:landers], rows)
    assert not in_rows(table)[landers:].any()


def test_values_of_another_shape_are_refused() -> None:
    state = State(TWO, 5, CPU)
    with pytest.raises(RuntimeError, match="expand"):
        state["episode.tick"] = torch.zeros(4, dtype=torch.int32)


def test_one_lander_is_taken_out_of_its_tile() -> None:
    descent = Descent(TWO, 37, seed=2)
    for number in (0, 7, 8, 36):
        lander, drawn, surface = descent.state.row(number)
        snapshot = descent.snapshot()
        for table, name in ((lander, "lander"), (drawn, "drawn"), (surface, "surface")):
            assert torch.equal(in_rows(table)[0].view(torch.int32), snapshot[name][number].view(torch.int32))
