"""The page of actions and observations says what flies."""

import re

import pytest
import torch

from lunar_env import Descent, load_scenario, scenarios
from lunar_env.pages.spaces import actions, engine_limits, page


def test_every_scenario_has_its_numbers() -> None:
    text = page()
    for name in scenarios():
        scenario = load_scenario(name)
        assert f"`{name}`" in text
        assert all(f"| `{one}` |" in text for one in scenario.action_names)
        assert all(f"| `{channel.name}` |" in text for channel in scenario.observation_table().channels)
    for target in re.findall(r"\(#(\w+)\)", text):
        assert f"\n## `{target}`\n" in text


@pytest.mark.parametrize("mode", ["throttle", "planar", "descent_rate", "thrust_vector", "body"])
def test_every_mode_has_a_row_for_each_number(mode: str) -> None:
    scenario = load_scenario("resilience", control=mode)
    rows = actions(scenario)
    assert [row.split("`")[1] for row in rows] == list(scenario.action_names)
    assert all(len(row.split(" | ")) == 5 for row in rows)


@pytest.mark.parametrize("name", ["vertical", "gaudet_nominal"])
def test_an_engine_is_off_or_at_its_least_where_the_page_says(name: str) -> None:
    scenario = load_scenario(name, control="throttle", **{"engine.lag": 0.0})
    least, shutdown = scenario.engine.minimum_throttle, scenario.engine.shutdown
    asked = torch.tensor([-1.0, 2 * shutdown * least - 1.01, 2 * shutdown * least - 0.99, 2 * least - 1.01, 0.0, 1.0])
    asked = asked.clamp(min=-1.0)
    off = 0.0 if shutdown else least
    descent = Descent(scenario, len(asked))
    descent.step(asked[:, None])
    given = descent.state["motion.throttle"]
    assert given.tolist() == pytest.approx([off, off, least, least, 0.5, 1.0])
    said = engine_limits(scenario)
    assert (f"off below {2 * shutdown * least - 1:.3g}" if shutdown else "never off") in said
    assert f"up to a throttle of {2 * least - 1:.3g}" in said


def test_most_columns_of_the_first_lesson_stand_still() -> None:
    """As README.md and docs/ say of ``VecNormalize``: 11 of 19 never change, the reading's age hardly does."""
    descent, chance = Descent("vertical", 64, seed=0), torch.Generator().manual_seed(0)
    seen = torch.cat([descent.step(2 * torch.rand(64, 1, generator=chance) - 1).observation for _ in range(300)])
    names = [channel.name for channel in descent.observations.channels]
    still = [name for name, spread in zip(names, seen.std(dim=0), strict=True) if spread == 0.0]
    assert len(names) == 19 and len(still) == 11
    assert 0.0 < seen[:, names.index("altimeter_age")].std() < 0.01


def test_a_descent_rate_is_quadratic() -> None:
    [fall, aside, _] = actions(load_scenario("resilience"))
    assert fall == "`descent_rate` | m/s | 0 | 25 | 100" and aside == "`lateral_speed_x` | m/s | -10 | 0 | 10"
