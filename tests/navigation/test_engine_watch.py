"""The engine watch: it finds what an engine gives of what it is asked for, and forgets and doubts as it should."""

import pytest
import torch

from agents.guidance.vehicle import Vehicle
from agents.navigation.engine_watch import HIGHEST, LEAST_COMMAND, LOWEST, EngineWatch
from agents.pilots import as_shown_to, make_pilot
from agents.seeds import EVALUATION
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.faults.kinds import with_fault

SEED, LANDERS = EVALUATION[0], 16
PERIOD = 0.5  # [s] between the decisions of ``robust``, which carries the watch


def flight(scenario, decisions, **changes):
    """Fly ``robust`` and give batch, watch and observation (N, size) after it has looked, at each decision."""
    scenario = as_shown_to("robust", load_scenario(scenario, **changes))
    assert scenario.decision_period == PERIOD
    descent = Descent(scenario, LANDERS, seed=SEED, autoreset="disabled")
    pilot = make_pilot("robust", scenario, LANDERS)
    observation = descent.reset(seed=SEED)
    for _ in range(decisions):
        action = pilot.act(observation)
        yield descent, pilot.watch, observation
        transition = descent.step(action)
        observation = transition.observation
        if bool(transition.done.all()):
            return


@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_it_finds_a_weak_or_strong_engine_within_ten_decisions_of_braking(scale):
    changes = {"engine.thrust_scale": scale}
    effects = [watch.effect for _, watch, _ in flight("resilience_as_planned", 60, **changes)]
    assert (effects[0] == 1.0).all(), "nothing was felt yet"
    # Seen: 0.4 % off. Braking at full thrust, half of the difference at each decision.
    assert (torch.stack(effects[10:]) / scale - 1.0).abs().max() <= 0.03


@pytest.mark.parametrize("excess", [-0.1, 0.1])
def test_it_finds_a_deviation_that_comes_on_the_way(excess):
    fault = with_fault("thrust_deviation", excess=excess, onset=10.0, duration=1_000.0)
    effects = [
        watch.effect for _, watch, _ in flight("resilience_as_planned", 50, **fault, **{"engine.thrust_scale": 1.0})
    ]
    before, after = torch.stack(effects[8:20]), torch.stack(effects[32:])  # 4 to 10 s, and from 6 s after the onset
    assert (before - 1.0).abs().max() <= 0.03
    assert (after / (1.0 + excess) - 1.0).abs().max() <= 0.03


@pytest.mark.parametrize("below", [50.0, 1_000.0])
def test_it_sees_half_of_the_thrust_within_two_and_a_half_seconds_of_its_loss(below):
    changes = {"faults.engine_loss.below": below, "start.progress": 0.9 if below < 100.0 else 0.6}
    since = torch.full((LANDERS,), -PERIOD)  # [s] of the loss
    late = []
    for descent, watch, _ in flight("resilience_engine_loss", 140, **changes):
        lost = descent.faults()["acting"][:, descent.possible_faults.index("engine_loss")]
        since = torch.where(lost, since + PERIOD, since)
        flying = descent.outcomes == int(Outcome.FLYING)
        late.append(watch.effect[flying & (since >= 2.5) & (since <= 6.0)])
    late = torch.cat(late)
    assert len(late) >= 5 * LANDERS, "no loss, or none for long"
    assert (late - 0.5).abs().max() <= 0.07  # seen: 0.49 to 0.525


def test_reset_forgets_the_masked_landers_only():
    *_, (_, watch, observation) = flight("resilience_as_planned", 20, **{"engine.thrust_scale": 0.9})
    mask = torch.arange(LANDERS) % 3 == 0
    parts = ("effect", "command", "flowing", "mean", "velocity", "axis")
    before = {name: getattr(watch, name).clone() for name in parts}
    watch.reset(torch.zeros(LANDERS, dtype=torch.bool))
    for name in parts:
        assert torch.equal(getattr(watch, name), before[name]), name
    watch.reset(mask)
    assert (watch.effect[mask] == 1.0).all()
    for name in parts:
        assert torch.equal(getattr(watch, name)[~mask], before[name][~mask]), name
    # The first look of a new descent has no velocity to compare with: it may not tell anything.
    watch.note(torch.ones(LANDERS, 3))
    table = as_shown_to("robust", "resilience_as_planned").observation_table()
    watch.look(table.read(observation))
    assert (watch.effect[mask] == 1.0).all()


@pytest.mark.parametrize("command", [0.0, 0.99 * LEAST_COMMAND])
def test_a_decision_that_says_little_leaves_the_effect_as_it_is_bit_for_bit(command):
    *_, (descent, watch, _) = flight("resilience_as_planned", 20, **{"engine.thrust_scale": 0.9})
    assert (watch.effect - 0.9).abs().max() < 0.03
    action = torch.zeros(LANDERS, 3)
    action[:, 2] = command
    before = watch.effect.clone()
    for _ in range(4):
        watch.note(action)
        watch.look(descent.observations.read(descent.step(action).observation))
        assert torch.equal(watch.effect, before)


def test_it_never_says_what_no_engine_does_whatever_the_readings_are():
    faults = with_fault("dead_accelerometer") | with_fault("engine_cut")
    for changes in ({}, {"start.progress": [0.0, 1.0]}, faults):
        for _, watch, _ in flight("resilience", 120, **changes):
            assert torch.isfinite(watch.effect).all()
            assert (watch.effect >= LOWEST).all()
            assert (watch.effect <= HIGHEST).all()


def test_readings_that_are_no_numbers_leave_the_effect_as_it_is():
    scenario = as_shown_to("robust", "resilience_as_planned")
    table, vehicle = scenario.observation_table(), Vehicle.of(scenario)
    watch = EngineWatch(vehicle, PERIOD, 2)
    observation = Descent(scenario, 2, seed=SEED).reset(seed=SEED)
    spoilt = observation.clone()
    spoilt[1] = torch.nan
    for shown in (observation, spoilt, observation, observation):
        watch.look(table.read(shown))
        watch.note(torch.tensor([[0.0, 0.0, 1.0]]).expand(2, -1))
        assert torch.isfinite(watch.effect).all()


def test_a_change_of_the_throttle_is_no_change_of_the_engine():
    """Without the lag, a throttle that falls from all to the least would look like 12 % more thrust."""
    scenario = load_scenario(
        as_shown_to("robust", "resilience_as_planned"), **{"engine.thrust_scale": 1.0, "engine.lag": 0.1}
    )
    descent = Descent(scenario, LANDERS, seed=3)
    watch = EngineWatch(Vehicle.of(scenario), PERIOD, LANDERS)
    action = torch.zeros(LANDERS, 3)
    farthest = 0.0
    for decision in range(24):
        action[:, 2] = 1.0 if decision // 4 % 2 == 0 else 0.3
        watch.note(action)
        watch.look(descent.observations.read(descent.step(action).observation))
        if decision >= 8:  # the vehicle has turned upright
            farthest = max(farthest, float((watch.effect - 1.0).abs().max()))
    assert farthest < 0.02  # seen: 0.006
