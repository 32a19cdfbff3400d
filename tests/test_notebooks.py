"""What a terminal and a notebook show of a scenario and of an observation's table: a few lines with what matters."""

import pytest

from lunar_env import load_scenario, scenarios


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_is_shown_in_a_few_lines(name: str) -> None:
    scenario = load_scenario(name)
    assert len(repr(scenario)) < 200 and name in repr(scenario)
    shown = scenario._repr_markdown_()
    assert len(shown) < 1500 and shown.startswith(f"**{name}**: {scenario.summary}\n\n| | |\n")
    assert all(one in shown for one in (*scenario.action_names, *scenario.beams()))
    assert f"every {scenario.decision_period:g} s" in shown


def test_a_scenario_shows_what_an_episode_draws_and_may_meet() -> None:
    shown = load_scenario("resilience")._repr_markdown_()
    assert "`late_acquisition`" in shown and "`faults.late_acquisition.altitude` 200 to 5000" in shown
    assert "faults.dust" not in shown
    fixed = load_scenario("vertical", **{"altimeter.delay": 0.3})
    assert "`altimeter.delay`" not in fixed._repr_markdown_()
    assert "`altimeter.bias` -1 to 1" in load_scenario("vertical", **{"altimeter.bias": (-1.0, 1.0)})._repr_markdown_()


@pytest.mark.parametrize(("name", "history"), [("resilience", 1), ("slim", 1), ("vertical", 4)])
def test_an_observation_table_is_shown_as_one(name: str, history: int) -> None:
    table = load_scenario(name, history=history).observation_table()
    assert len(repr(table)) < 200 and str(table.size) in repr(table)
    shown = table._repr_markdown_()
    rows = [line for line in shown.splitlines() if line.startswith("| ") and not line.startswith("| #")]
    assert len(rows) == len(table.channels) and len(shown) < 5000
    assert ("readings in a row" in shown) == (history > 1)
