"""Two builds of the step: a plain descent flies in both bit for bit alike, and nothing else takes the plain one."""

from typing import Any

import pytest
import torch

from lunar_env import Descent, load_scenario
from lunar_env.descent import AUTORESET
from lunar_env.faults.kinds import KINDS, NAMES
from lunar_env.kernel import launch
from lunar_env.kernel.builds import PLAIN, WHOLE, build_of
from lunar_env.missions import scenarios
from lunar_env.quantities import Range
from lunar_env.vehicle.control import MODES

MORE = {  # what the plain build lacks, each by one change of a plain scenario
    "two beams": {"sensors": ["series_1_laser", "navigation_doppler_lidar"]},
    "Doppler": {"sensors": ["navigation_doppler_lidar"]},
    "a map": {"terrain.map": "mare"},
    "a step": {"terrain.step_height": Range(0.0, 100.0)},
    "a hole": {"terrain.step_height": -50.0},
    "a gyro bias": {"navigation.gyro_bias_y": Range(-1e-4, 0.0)},
    "a random walk of angles": {"navigation.angle_random_walk": 1e-5},
    "a wrong scale": {"navigation.scale_error": -0.01},
}
BEYOND = [  # faults that the plain build cannot fly
    "terrain_step",
    "engine_cut",
    "gyro_saturation",
    "dead_accelerometer",
    "thrust_deviation",
    "engine_loss",
    "stuck_throttle",
    "spurious_touchdown",
    "missed_touchdown",
]
PLAIN_PRESETS = [name for name in scenarios() if build_of(load_scenario(name)) is PLAIN]


def fault(name: str) -> dict[str, Any]:
    numbers = {**KINDS[name].training, "probability": 0.7}
    return {f"faults.{name}.{number}": value for number, value in numbers.items()}


def assert_both_fly_alike(monkeypatch: pytest.MonkeyPatch, scenario: Any, autoreset: str = "same_step") -> None:
    """From starts along the whole descent, until many have ended."""
    scenario = load_scenario(scenario, **{"start.progress": Range(-0.2, 1.0)})
    plain = Descent(scenario, 37, seed=3, autoreset=autoreset)
    monkeypatch.setattr(launch, "build_of", lambda _: WHOLE)
    whole = Descent(scenario, 37, seed=3, autoreset=autoreset)
    assert (plain._launch.build, whole._launch.build) == (PLAIN, WHOLE)
    generator = torch.Generator().manual_seed(1)
    ended = steps = 0
    while ended < 8 or steps < 100:
        action = 2.4 * torch.rand(37, plain.action_size, generator=generator) - 1.2
        for one in (plain, whole):
            one.actions.copy_(action)
            one.advance()
        ended += int((plain.outcomes != 0).sum())
        steps += 1
        assert steps < 2000
    expected = whole.snapshot()
    for name, table in plain.snapshot().items():
        same = table.view(torch.int32) == expected[name].view(torch.int32)
        assert same.all(), f"{name}: {int((~same).sum())} words differ"


def test_what_most_pilots_train_on_is_plain() -> None:
    assert {"resilience", "resilience_as_planned", "vertical"} <= set(PLAIN_PRESETS)


@pytest.mark.parametrize("name", PLAIN_PRESETS)
def test_a_plain_preset_flies_in_both_builds_alike(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert_both_fly_alike(monkeypatch, load_scenario(name, decision_period=4 * load_scenario(name).tick))


@pytest.mark.parametrize("autoreset", AUTORESET)
@pytest.mark.parametrize("control", MODES)
def test_every_control_mode_flies_in_both_builds_alike(
    monkeypatch: pytest.MonkeyPatch, control: str, autoreset: str
) -> None:
    assert_both_fly_alike(
        monkeypatch, load_scenario("resilience", control=control, decision_period=0.4), autoreset=autoreset
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in BEYOND])
def test_a_fault_of_a_plain_descent_flies_in_both_builds_alike(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert_both_fly_alike(monkeypatch, load_scenario("resilience_as_planned", decision_period=0.4, **fault(name)))


def test_truth_as_observation_is_the_same_in_both_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_both_fly_alike(monkeypatch, load_scenario("resilience", observation="truth", decision_period=0.4))


@pytest.mark.parametrize("what", MORE)
def test_a_scenario_that_asks_for_more_flies_the_whole_build(what: str) -> None:
    assert build_of(load_scenario("resilience", **MORE[what])) is WHOLE


@pytest.mark.parametrize("name", BEYOND)
def test_a_fault_beyond_the_altimeter_flies_the_whole_build(name: str) -> None:
    assert build_of(load_scenario("resilience", **fault(name))) is WHOLE


def test_a_fault_that_never_happens_costs_nothing() -> None:
    never = {key: value for key, value in fault("engine_loss").items() if "probability" not in key}
    assert build_of(load_scenario("resilience", **never)) is PLAIN
