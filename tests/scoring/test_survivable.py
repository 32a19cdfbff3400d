"""Which episodes count as survivable: each rule against its closed form, and against what is flown."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("scipy")

from agents.scoring import survivable as module
from agents.scoring.episodes import fly_episodes
from agents.scoring.survivable import ENGINE_FAULTS, survivable
from agents.seeds import EVALUATION
from lunar_env import Descent, Outcome, Scenario, load_scenario
from lunar_env.faults.kinds import NAMES
from lunar_env.quantities import Range

SEED = EVALUATION[0]
ANY_FAULT = load_scenario("any_fault")
# Straight down, with so much propellant for its thrust that the mass is as good as constant.
DROP = load_scenario(
    "vertical",
    **{"start.altitude": 400.0, "start.descent_rate": 20.0, "engine.specific_impulse": 1e6, "engine.lag": 0.0},
)
BLIND = {"late_acquisition.probability": 1.0, "late_acquisition.altitude": 1_000.0}
LOST = {"ranging_loss.probability": 1.0, "ranging_loss.loss": 1.0}


def with_faults(scenario: Scenario | str, numbers: dict[str, Any]) -> Scenario:
    return load_scenario(scenario, **{f"faults.{name}": value for name, value in numbers.items()})


def drawn(scenario: Scenario, episodes: int, *names: str) -> list[np.ndarray]:
    """Numbers that episodes draw, each (episodes,)."""
    descent = Descent(scenario, episodes, seed=SEED, autoreset="disabled")
    descent.reset(seed=SEED, first_lander=0)
    return [descent.state[name].double().numpy() for name in names]


def has(scenario: Scenario, episodes: int, *faults: str) -> np.ndarray:
    """(episodes,) bool: which ones have at least one of some faults."""
    bits = sum(1 << NAMES.index(name) for name in faults)
    return drawn(scenario, episodes, "episode.faults")[0].astype(int) & bits != 0


# The ground


@pytest.mark.parametrize(
    "numbers, seen",
    [
        (BLIND | LOST | {"ranging_loss.below": 1_000.0}, False),  # both in one tick
        (BLIND | LOST | {"ranging_loss.below": 3_000.0}, False),
        (BLIND | LOST | {"ranging_loss.below": 999.0}, True),
        (BLIND | LOST | {"ranging_loss.onset": 60.0}, True),  # who falls fast is there before
        (BLIND | LOST | {"ranging_loss.duration": 400.0}, True),
        (BLIND | LOST | {"ranging_loss.loss": 0.99}, True),
        (BLIND | LOST | {"late_acquisition.duration": 5.0, "ranging_loss.below": 8_000.0}, True),  # awake before that
        (BLIND | {"ranging_loss.probability": 0.0}, True),
        ({"late_acquisition.probability": 0.0} | LOST, False),  # lost from the start
        ({"late_acquisition.probability": 0.0} | LOST | {"ranging_loss.below": 8_000.0}, True),
    ],
)
def test_the_ground_is_seen_if_the_range_finder_wakes_up_above_the_height_of_its_loss(
    numbers: dict[str, Any], seen: bool
) -> None:
    found = survivable(with_faults("resilience", numbers), 20, SEED)
    assert (found.seen == seen).all() and found.braked.all()


def test_a_range_finder_that_no_fault_touches_sees() -> None:
    scenario = with_faults("resilience", BLIND | LOST)
    spared = load_scenario(scenario, **{"altimeter.faulty": False})
    assert not survivable(scenario, 5, SEED).seen.any() and survivable(spared, 5, SEED).seen.all()


def test_who_cannot_see_gets_no_range_and_who_can_does() -> None:
    heights = {"late_acquisition.altitude": Range(500.0, 3_000.0), "ranging_loss.below": Range(500.0, 3_000.0)}
    scenario = with_faults("resilience", BLIND | LOST | heights)
    seen = survivable(scenario, 200, SEED).seen
    altitude, below = drawn(scenario, 200, "drawn.faults.late_acquisition.altitude", "drawn.faults.ranging_loss.below")
    first = fly_episodes("cautious", scenario, 200, SEED).record["first_valid_altitude"]
    assert 60 < seen.sum() < 140
    assert (first[~seen] < 0.0).all()
    assert (first[seen & (altitude > below + 60.0)] > 0.0).mean() > 0.97, "a sample in ten comes back even at 100 m/s"


# The engine


def test_an_engine_that_loses_thrust_at_once_brakes_what_the_closed_form_says() -> None:
    scenario = with_faults(DROP, {"engine_loss.probability": 1.0, "engine_loss.loss": Range(0.0, 1.0)})
    loss, gravity, limit, dry, propellant = drawn(
        scenario, 300, "drawn.faults.engine_loss.loss", "drawn.moon.surface_gravity",
        "drawn.limits.descent_rate", "drawn.mass.dry", "motion.propellant",
    )  # fmt: skip
    net = 1_600.0 * (1.0 - loss) / (dry + propellant) - gravity
    square = limit**2 + 2.0 * net * 400.0  # of the fastest rate; negative where even a lander at rest crashes
    clear = np.abs(square / 20.0**2 - 1.0) > 0.01  # gravity falls by 0.05 % in 400 m
    assert 0.3 < np.mean(square > 20.0**2) < 0.7 and clear.mean() > 0.9
    assert (survivable(scenario, 300, SEED).braked == (square > 20.0**2))[clear].all()


def test_less_thrust_than_weight_is_survivable_only_close_to_the_ground() -> None:
    # Net 0.4 m/s^2 downwards: from 2 m/s and 3 m/s allowed, (9 - 4) / 0.8 m.
    least = 1.0 - (1.6242 - 0.4) * 390.0 / 1_600.0
    low = {"start.descent_rate": 2.0, "start.propellant": 50.0}
    fault = {"engine_loss.probability": 1.0, "engine_loss.loss": least}
    for altitude, braked in ((6.0, True), (6.5, False)):
        scenario = load_scenario(with_faults(DROP, fault), **low, **{"start.altitude": altitude})
        assert (survivable(scenario, 3, SEED).braked == braked).all(), altitude


def test_a_cut_is_asked_about_at_its_end() -> None:
    scenario = with_faults(DROP, {"engine_cut.probability": 1.0, "engine_cut.duration": Range(0.5, 15.0)})
    cut, gravity, limit, dry, propellant = drawn(
        scenario, 300, "drawn.faults.engine_cut.duration", "drawn.moon.surface_gravity",
        "drawn.limits.descent_rate", "drawn.mass.dry", "motion.propellant",
    )  # fmt: skip
    cut = np.ceil(cut / 0.1 - 1e-3) * 0.1  # whole ticks
    height, rate = 400.0 - 20.0 * cut - 0.5 * gravity * cut**2, 20.0 + gravity * cut
    square = limit**2 + 2.0 * (1_600.0 / (dry + propellant) - gravity) * height
    clear = np.abs(square / rate**2 - 1.0) > 0.02
    assert 0.3 < np.mean(square > rate**2) < 0.8 and np.mean(height < 0.0) > 0.05 and clear.mean() > 0.9
    assert (survivable(scenario, 300, SEED).braked == (square > rate**2))[clear].all()


@pytest.mark.parametrize(
    "fault, braked",
    [
        ({"engine_loss.probability": 1.0, "engine_loss.loss": 1.0}, False),
        ({"engine_cut.probability": 1.0, "engine_cut.below": 300.0}, False),  # for good
        ({"engine_cut.probability": 1.0, "engine_cut.loss": 0.3}, True),
        ({"engine_cut.probability": 1.0, "engine_cut.onset": 110.0}, True),  # it has landed by then
        ({"stuck_throttle.probability": 1.0, "stuck_throttle.duration": 5.0}, True),
        ({"stuck_throttle.probability": 1.0}, False),  # off, for good
        ({"stuck_throttle.probability": 1.0, "stuck_throttle.share": 0.5}, True),
        ({"thrust_deviation.probability": 1.0, "thrust_deviation.excess": -0.3}, True),
        ({"thrust_deviation.probability": 1.0, "thrust_deviation.excess": -0.7}, False),
    ],
)
def test_each_engine_fault_takes_what_it_takes(fault: dict[str, Any], braked: bool) -> None:
    found = survivable(with_faults(DROP, fault), 5, SEED)
    assert (found.braked == braked).all() and found.seen.all()


def test_a_fault_that_adds_thrust_makes_good_for_one_that_takes_some() -> None:
    loss = {"engine_loss.probability": 1.0, "engine_loss.loss": 0.6}
    excess = {"thrust_deviation.probability": 1.0, "thrust_deviation.excess": 1.0}
    assert not survivable(with_faults(DROP, loss), 3, SEED).braked.any()
    assert survivable(with_faults(DROP, loss | excess), 3, SEED).braked.all()


def test_the_planned_flight_lands_nothing_that_its_engine_cannot() -> None:
    scenario = with_faults(
        ANY_FAULT, {f"{name}.probability": 0.5 for name in ENGINE_FAULTS} | {"ranging_loss.probability": 0.0}
    )
    braked = survivable(scenario, 300, SEED).braked
    landed = fly_episodes("as_flown", load_scenario(scenario, observation="truth"), 300, SEED).outcome == Outcome.LANDED
    assert 30 < (~braked).sum() < 120
    assert not landed[~braked].any()
    assert landed[braked].mean() > 0.8


# All of it


def test_without_engine_fault_and_with_sight_an_episode_is_survivable() -> None:
    found = survivable(ANY_FAULT, 400, SEED)
    spared = ~has(ANY_FAULT, 400, *ENGINE_FAULTS, "ranging_loss")
    assert 0.4 < spared.mean() < 0.8
    assert found.episodes[spared].all() and not found.episodes.all()
    assert (~found.seen <= has(ANY_FAULT, 400, "ranging_loss")).all()
    assert (~found.braked <= has(ANY_FAULT, 400, *ENGINE_FAULTS)).all()


@pytest.mark.parametrize("name", ["resilience", "resilience_as_planned", "vertical"])
def test_without_faults_of_engine_and_ranging_all_episodes_are_survivable(name: str) -> None:
    assert survivable(load_scenario(name), 10, SEED).counts() == {
        "episodes": 10, "survivable": 10, "unseen": 0, "unbraked": 0,
    }  # fmt: skip


def test_the_answer_is_the_same_whatever_the_batch_and_whoever_is_to_fly(monkeypatch: pytest.MonkeyPatch) -> None:
    once = survivable(ANY_FAULT, 120, SEED)
    monkeypatch.setattr(module, "CHUNK", 50)
    shown = load_scenario(ANY_FAULT, control="thrust_vector", history=4, observation="beams")
    for scenario in (ANY_FAULT, shown):
        again = survivable(scenario, 120, SEED)
        assert np.array_equal(again.seen, once.seen) and np.array_equal(again.braked, once.braked)
    assert torch.equal(*(torch.tensor(drawn(s, 50, "drawn.faults.engine_loss.loss")[0]) for s in (ANY_FAULT, shown)))


@pytest.mark.slow
def test_hardly_anyone_lands_what_cannot_be_survived() -> None:
    found = survivable(ANY_FAULT, 5_000, SEED)
    counts = found.counts()
    assert counts["unseen"] == 362
    assert abs(counts["unbraked"] - 170) <= 3 and abs(counts["survivable"] - 4_486) <= 3
    landed = {
        name: fly_episodes(name, ANY_FAULT, 5_000, SEED).outcome == Outcome.LANDED for name in ("robust", "cautious")
    }
    for name, flown in landed.items():
        assert not flown[~found.seen].any(), name
        assert flown[~found.braked].mean() < 0.15, "only who is slower than the plan"
        assert flown[found.episodes].mean() > flown.mean() + 0.05
