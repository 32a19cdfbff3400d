"""What two readings tell a network: of altimeter, belief and engine, each by a case whose answer is known."""

import pytest
import torch

pytest.importorskip("safetensors")

from agents.pilots import as_shown_to, make_pilot
from agents.policy.beam_features import signed_log
from agents.policy.differences import Changes
from agents.policy.features import Features
from lunar_env import Descent, Scenario, load_scenario
from lunar_env.faults.kinds import with_fault

READING = {"altimeter_range": 400.0, "altimeter_valid": 1.0, "velocity_up": -30.0, "altitude": 450.0}


def changes_between(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """What changed between two readings, by name; what is not given is zero, and the vehicle upright."""
    scenario = load_scenario("resilience", history=2)
    features = Features(scenario)
    si = torch.zeros(1, 2, len(features.column))
    for row, reading in enumerate((before, now)):
        for name, value in {"attitude_w": 1.0, **reading}.items():
            si[0, row, features.column[name]] = value
    changes = Changes(scenario, features.column)
    return {name: float(column) for name, column in changes.named(si, features.measured_heights(si)).items()}


def logarithm(value: float, unit: float) -> float:
    return float(signed_log(torch.tensor(value), unit)) / 3.0


def test_a_range_that_stands_still_while_the_lander_falls_stands_out():
    good = changes_between(READING, {**READING, "altimeter_range": 370.0, "altitude": 420.0})
    frozen = changes_between(READING, {**READING, "altitude": 420.0})
    assert good["range_0"] == pytest.approx(logarithm(-30.0, 0.5), abs=1e-3)
    assert abs(good["doubt_0"]) < 1e-3
    assert frozen["range_0"] == 0.0
    assert frozen["doubt_0"] == pytest.approx(logarithm(-30.0, 0.5), abs=1e-3)


def test_a_belief_that_jumps_is_told_by_how_much():
    period = load_scenario("resilience").decision_period
    good = changes_between(READING, {**READING, "altitude": 450.0 - 30.0 * period})
    jumped = changes_between(READING, {**READING, "altitude": 450.0 - 30.0 * period + 80.0})
    assert good["jump"] == good["jump_in_proportion"] == 0.0
    assert jumped["jump"] == pytest.approx(logarithm(80.0, 5.0), abs=1e-3)
    assert jumped["jump_in_proportion"] == pytest.approx(80.0 / 50.0, abs=1e-3)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_what_is_missing_of_the_thrust_is_what_the_engine_lost(loss):
    weak = with_fault("engine_loss", loss=loss, below=1e7) if loss else {}
    scenario = load_scenario(as_shown_to("wary", "resilience"), history=2, **{"engine.thrust_scale": 1.0, **weak})
    landers = 64
    descent, pilot = Descent(scenario, landers, seed=1, autoreset="disabled"), make_pilot("wary", scenario, landers)
    features, size = Features(scenario), len(scenario.observation_table().channels)
    changes, observation, missing = Changes(scenario, features.column), descent.reset(seed=1), []
    pilot.reset(torch.ones(landers, dtype=torch.bool))
    for _ in range(300):
        transition = descent.step(pilot.act(observation))
        observation, flying = transition.observation, ~transition.done
        si = observation.view(landers, 2, size) * features.scale
        seen = changes.named(si, features.measured_heights(si))
        missing += [seen["missing"][(seen["telling"] > 0.0) & flying[:, None]] / 3.0]
    found = torch.cat(missing)
    assert len(found) > 1_000
    assert found.median() == pytest.approx(loss, abs=0.01)


@pytest.mark.parametrize("scenario", [load_scenario("resilience"), load_scenario("gaudet_beams", history=2)])
def test_differences_need_two_readings_and_an_inertial_unit(scenario: Scenario):
    with pytest.raises(
        ValueError, match=r"network\.differences .* history of at least 2 and observation='instruments'"
    ):
        Features(scenario, differences=True)
