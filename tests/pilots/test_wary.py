"""The pilot for when anything may fail, and the two parts that only it has."""

import math

import pytest
import torch

pytest.importorskip("scipy")

from agents.guidance.stopping import guarded_rate, stopping_rate
from agents.navigation.jumps import SteadyAltitude
from agents.pilots import as_shown_to, make_pilot
from agents.scoring.episodes import fly_episodes
from agents.scoring.survivable import survivable
from agents.seeds import EVALUATION
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.faults.kinds import with_fault

SEED, EPISODES = EVALUATION[0], 300


def landed(pilot, scenario, episodes=EPISODES):
    return fly_episodes(pilot, load_scenario(scenario), episodes, SEED).outcome == Outcome.LANDED


@pytest.fixture(scope="module")
def survivors():
    return survivable(load_scenario("any_fault"), EPISODES, SEED).episodes


def test_it_lands_more_of_what_is_survivable_than_the_robust_pilot(survivors):
    own, other = landed("wary", "any_fault")[survivors].mean(), landed("robust", "any_fault")[survivors].mean()
    assert own >= 0.92  # seen: 94 %
    assert own >= other + 0.05  # seen: 82 %


@pytest.mark.parametrize("scenario", ["resilience", "resilience_as_planned", "hakuto_r_m1"])
def test_it_lands_where_nothing_else_fails(scenario):
    assert landed("wary", scenario, 200).mean() >= 0.99  # seen: all


def effects(flies, changes, landers=32):
    """What ``wary`` thinks of the engines (landers,) at the end of descents that ``flies`` decides on."""
    scenario = as_shown_to("wary", load_scenario("resilience_as_planned", **changes))
    descent = Descent(scenario, landers, seed=SEED, autoreset="disabled")
    watching, flying = make_pilot("wary", scenario, landers), make_pilot(flies, scenario, landers)
    observation, found = descent.reset(seed=SEED), torch.ones(landers)
    for _ in range(scenario.steps):
        watching.act(observation)
        flies_on = descent.outcomes == int(Outcome.FLYING)
        if not bool(flies_on.any()):
            return found
        found = torch.where(flies_on, watching.loop.effect, found)
        observation = descent.step(flying.act(observation)).observation
    raise AssertionError("somebody flies forever")


@pytest.mark.parametrize("flies", ["wary", "cautious"])
@pytest.mark.parametrize("loss", [0.0, 0.2, 0.35])
def test_the_effect_of_an_engine_is_found_whoever_flies(flies, loss):
    exact = {"engine.thrust_scale": 1.0}
    weak = with_fault("engine_loss", loss=loss, below=1_500.0) if loss else {}
    effect = effects(flies, {**exact, **weak})
    torch.testing.assert_close(effect, torch.full_like(effect, 1.0 - loss), rtol=0.0, atol=0.01)  # seen: 0.002


@pytest.mark.parametrize("loss", [0.0, 0.35])
def test_while_it_brakes_sideways_an_engine_is_never_taken_for_weaker_than_it_is(loss):
    weak = with_fault("engine_loss", loss=loss, below=1e7) if loss else {}
    changes = {"engine.thrust_scale": 1.0, **weak}
    scenario = as_shown_to("wary", load_scenario("resilience_as_planned", **changes))
    descent, pilot = Descent(scenario, 32, seed=SEED, autoreset="disabled"), make_pilot("wary", scenario, 32)
    observation = descent.reset(seed=SEED)
    for _ in range(80):  # all of them brake for so long
        observation = descent.step(pilot.act(observation)).observation
        # Seen: 0.996 of a sound one; 0.65 to 1 of the other, for thrust that goes sideways says little.
        assert pilot.loop.effect.min() >= 1.0 - loss - 0.01


def test_the_effect_never_exceeds_the_nominal_one():
    assert effects("wary", {"engine.thrust_scale": 1.05}).max() <= 1.0


def altitudes(jumps, climb=-40.0, period=0.5):
    """What is left of a belief's jumps after some steady decisions; ``jumps`` by the decision in which they come."""
    steady, believed, left = SteadyAltitude(1, period), 3_000.0, []
    for decision in range(20):
        believed += climb * period * (decision > 0) + jumps.get(decision, 0.0)
        reading = {"altitude": torch.tensor([believed]), "velocity_up": torch.tensor([climb])}
        repaired = steady.repaired(reading)
        assert float(reading["altitude"]) == pytest.approx(believed), "what others see stays as it is"
        left.append(float(repaired["altitude"]) - (3_000.0 + climb * period * decision))
    return left


def test_what_a_belief_jumps_by_is_taken_back():
    assert altitudes({5: 200.0, 9: -120.0}) == pytest.approx([0.0] * 20, abs=1e-2)


def test_what_it_drifts_by_stays():
    drifting = altitudes(dict.fromkeys(range(1, 20), 5.0))
    assert drifting == pytest.approx([5.0 * decision for decision in range(20)], abs=1e-2)


def test_a_new_descent_begins_without_the_jumps_of_the_last():
    steady = SteadyAltitude(2, 1.0)
    for altitude in (1_000.0, 1_200.0):
        reading = {"altitude": torch.full((2,), altitude), "velocity_up": torch.zeros(2)}
        repaired = steady.repaired(reading)
    assert repaired["altitude"].tolist() == [1_000.0, 1_000.0]
    steady.reset(torch.tensor([True, False]))
    assert steady.repaired(reading)["altitude"].tolist() == [1_200.0, 1_000.0]


def test_a_guarded_rate_stops_with_a_part_of_the_thrust_at_the_end():
    strong, weak, guarded, reaction = torch.tensor([2.0]), torch.tensor([0.5]), 100.0, 1.0

    def rate(height):
        return guarded_rate(torch.tensor([height]), strong, guarded, weak, reaction, 0.0)

    below = torch.tensor([60.0])
    torch.testing.assert_close(rate(60.0), stopping_rate(below, weak, reaction))
    torch.testing.assert_close(rate(guarded), rate(guarded + 1e-3), rtol=0.0, atol=0.02)
    # Far above it is nearly the curve of constant deceleration that comes out of it: v^2 = 2 a (h - h_g) + v_g^2.
    free = math.sqrt(2.0 * 2.0 * (5_000.0 - guarded) + float(rate(guarded)) ** 2)
    assert 0.95 * free <= float(rate(5_000.0)) <= free


def test_a_scenario_whose_scale_of_rates_is_drawn_is_refused():
    drawn = load_scenario("resilience", **{"guidance.maximum_descent_rate": [90.0, 110.0]})
    with pytest.raises(ValueError, match=r"guidance\.maximum_descent_rate must be a fixed number"):
        make_pilot("wary", drawn, 1)
