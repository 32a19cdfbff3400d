"""The same small code stands once: markers of pages, turns, the square-root scale, what a reading says of velocity."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT

from lunar_env import Descent, load_scenario, scenarios
from lunar_env.flying.batches import batches
from lunar_env.missions.mission import FULL_TURN, ROUNDED_TURN
from lunar_env.observation import believed_lateral_speed, believed_velocity
from lunar_env.pages.markers import BEGIN, END, replaced
from lunar_env.pages.root_scale import root, round_ticks, square
from lunar_env.quantities import Range, leaves

SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for package in ("lunar_env", "agents")
    for path in sorted((ROOT / package).rglob("*.py"))
}
OWNERS = {  # a file, and what is written there and nowhere else
    "lunar_env/pages/markers.py": r"\.(partition|split)\((BEGIN|begin|MARKERS)",
    "lunar_env/missions/mission.py": r"Range\(0\.0, (radians\(360|math\.radians\(360|6\.283|2\.0 \* (math\.)?pi)",
    "lunar_env/pages/root_scale.py": r"np\.sign\(\w+\) \* np\.(sqrt|square)\(|for m in \(1, 2, 5\)",
    "lunar_env/observation.py": r'torch\.(stack\(\[|hypot\()\w+\["velocity_x"\], \w+\["velocity_y"\]',
    "lunar_env/flying/batches.py": r"reset\(seed=seed, first_lander=",
    "agents/pages/words.py": r"\.ljust\(width\)",
    "agents/pilots/shared/descent_rate.py": r"rate\.clamp\(max=(BRAKING_RATE|fastest)\), rate\)",
}


@pytest.mark.parametrize("owner", OWNERS)
def test_it_stands_in_one_file(owner: str) -> None:
    found = [name for name, source in SOURCES.items() if re.search(OWNERS[owner], source)]
    assert found == [owner]


def test_all_whole_turns_that_scenarios_draw_are_one_of_two() -> None:
    assert math.radians(360.0) == FULL_TURN.high
    assert np.float32(ROUNDED_TURN.high) != np.float32(FULL_TURN.high), "the two are one: draw from FULL_TURN alone"
    near = [
        leaf.value
        for name in scenarios()
        for leaf in leaves(load_scenario(name))
        if leaf.low == 0.0 and abs(leaf.high - FULL_TURN.high) < 1e-3
    ]
    assert {FULL_TURN, ROUNDED_TURN} == set(near)


@pytest.mark.parametrize("markers", [(BEGIN, END), ("<!-- catalogue -->", "<!-- end of catalogue -->")])
def test_a_text_goes_between_any_two_markers_and_a_page_without_them_is_refused(
    markers: tuple[str, str], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{markers[0]}\nold\n{markers[1]}\nafter\n", encoding="utf-8")
    wanted = f"before\n{markers[0]}\n\nnew\n{markers[1]}\nafter\n"
    assert replaced(page, "new", *markers) == wanted
    page.write_text(wanted, encoding="utf-8")
    assert replaced(page, "new", *markers) == wanted
    page.write_text(f"{markers[1]}\n{markers[0]}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(f"needs the lines {markers[0]} and {markers[1]}")):
        replaced(page, "new", *markers)
    with pytest.raises(ValueError, match="cannot be read"):
        replaced(tmp_path / "none.md", "new", *markers)


def test_the_velocity_of_a_reading_is_that_of_the_descent_where_the_truth_is_shown() -> None:
    level = Range(-30.0, 30.0)
    changes = {"start.speed": level, "start.cross_speed": level, "start.distance": 0.0, "start.cross_distance": 0.0}
    descent = Descent(load_scenario("resilience", observation="truth", **changes), 50, seed=1)
    reading, truth = descent.observations.read(descent.state.observation), descent.truth()
    velocity, sideways = believed_velocity(reading), believed_lateral_speed(reading)
    assert velocity.shape == (50, 3) and sideways.shape == (50,)
    assert torch.allclose(-velocity[:, 2], truth["descent_rate"], atol=1e-3)
    assert torch.allclose(sideways, truth["lateral_speed"], atol=1e-3)
    assert torch.allclose(velocity[:, :2].norm(dim=1), sideways)
    assert torch.allclose(velocity[:, 0], descent.state["motion.velocity"][:, 0], atol=1e-3)


def test_batches_are_the_same_descents_whatever_their_size() -> None:
    scenario = load_scenario("vertical")
    whole, *none = batches(scenario, 10, 5, "cpu", 100)
    parts = list(batches(scenario, 10, 5, "cpu", 4))
    assert not none and [part.num_envs for part in parts] == [4, 4, 2]
    assert torch.equal(torch.cat([part.state.observation for part in parts]), whole.state.observation)


def test_the_root_scale_goes_both_ways_and_its_ticks_keep_their_distance() -> None:
    values = np.array([-9.0, -0.25, 0.0, 2.0, 1e4])
    assert np.allclose(square(root(values)), values)
    assert round_ticks(100.0, 0.2) == [0.0, 5.0, 20.0, 50.0, 100.0]
    for top, apart in ((0.3, 0.11), (80.0, 0.2), (25_000.0, 0.11), (1_700.0, 0.2)):
        ticks = round_ticks(top, apart)
        assert ticks[0] == 0.0 and ticks[-1] <= top and len(ticks) > 2
        assert (np.diff(root(np.array(ticks))) > apart * root(top)).all()
