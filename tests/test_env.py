"""The Gymnasium environment of one lander."""

import copy
import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import lunar_env
from lunar_env.env import RECORD, LanderEnv
from lunar_env.rendering.view import scene_of
from lunar_env.task import TERMS

IDS = sorted(name for name in gym.registry if name.startswith("Lunar/"))
EXPECTED = {
    "Lunar/Vertical-v0": ("vertical", "throttle"),
    "Lunar/Planar-v0": ("planar", "planar"),
    "Lunar/PlanarDiscrete-v0": ("planar", "planar"),
    "Lunar/Descent-v0": ("resilience_as_planned", "descent_rate"),
    "Lunar/Descent6-v0": ("resilience_as_planned", "body"),
    "Lunar/Resilience-v0": ("resilience", "descent_rate"),
}


def fly(env, action=None, limit=5000):
    """To the end of an episode; returns the last transition."""
    for _ in range(limit):
        step = env.step(env.action_space.sample() if action is None else action)
        if step[2] or step[3]:
            return step
    raise AssertionError(f"no end within {limit} steps")


def test_every_id_is_its_scenario_and_control_mode():
    assert set(EXPECTED) <= set(IDS)
    for name, (scenario, control) in EXPECTED.items():
        env = gym.make(name).unwrapped
        assert (env.scenario.name, env.scenario.control) == (scenario, control)


def test_keywords_change_the_scenario():
    env = gym.make(
        "Lunar/Descent-v0",
        scenario="resilience",
        control="throttle",
        decision_period=0.1,
        **{"altimeter.delay": 0.3},
    ).unwrapped
    assert env.scenario.name == "resilience"
    assert env.action_space.shape == (1,)
    assert env.scenario.decision_period == 0.1
    assert env.scenario.sensor("altimeter").delay == 0.3


def test_a_scenario_of_ones_own_is_taken_as_it_is():
    scenario = lunar_env.load_scenario("vertical", history=3)
    env = LanderEnv(scenario)
    assert env.scenario == scenario
    assert env.observation_space.shape == (3 * 19,)


def test_the_docstring_holds_the_table_of_observations():
    for channel in LanderEnv("resilience").observations.channels:
        assert f"`{channel.name}`" in LanderEnv.__doc__


def test_the_docstring_has_the_sections_of_gymnasium_in_order():
    sections = [
        "Description",
        "Action Space",
        "Observation Space",
        "Rewards",
        "Starting State",
        "Episode End",
        "Arguments",
        "Version History",
    ]
    places = [LanderEnv.__doc__.index(f"## {section}\n") for section in sections]
    assert places == sorted(places)


def test_reset_without_a_seed_goes_on_to_the_next_episode():
    env = LanderEnv("vertical")
    first = env.reset(seed=7)[0]
    second = env.reset()[0]
    assert not np.array_equal(first, second)
    again = LanderEnv("vertical")
    assert np.array_equal(again.reset(seed=7)[0], first)
    assert np.array_equal(again.reset()[0], second)


def test_environments_without_a_seed_fly_different_descents():
    starts = [LanderEnv("vertical").reset()[0] for _ in range(3)]
    assert len({start.tobytes() for start in starts}) == 3


def test_reset_refuses_options_and_seeds_that_it_does_not_know():
    env = LanderEnv("vertical")
    with pytest.raises(ValueError, match=r"options.*'wind'.*scenario"):
        env.reset(options={"wind": 3})
    with pytest.raises(ValueError, match=r"seed must be .*got -1"):
        env.reset(seed=-1)


def test_step_wants_an_episode_under_way():
    env = LanderEnv("vertical")
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.zeros(1, np.float32))
    env.reset(seed=0)
    fly(env)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.zeros(1, np.float32))
    env.reset()
    env.step(np.zeros(1, np.float32))


@pytest.mark.parametrize("wild", [[3.0, -7.0], [1e30, -1e30], np.array([1e300, -1e300]), np.array([5, -5])], ids=repr)
def test_finite_actions_outside_the_box_are_clipped(wild):
    env, tame = LanderEnv("planar"), LanderEnv("planar")
    env.reset(seed=0)
    tame.reset(seed=0)
    assert np.array_equal(env.step(wild)[0], tame.step(np.array([1.0, -1.0], np.float32))[0])


def test_six_discrete_actions_are_engine_times_rotation():
    env, twin = gym.make("Lunar/PlanarDiscrete-v0"), LanderEnv("planar")
    assert env.action_space == gym.spaces.Discrete(6)
    for number in range(6):
        env.reset(seed=1)
        twin.reset(seed=1)
        engine, rotation = (-1.0, 1.0)[number // 3], (-1.0, 0.0, 1.0)[number % 3]
        assert np.array_equal(env.step(number)[0], twin.step([engine, rotation])[0])
    env.reset(seed=1)
    env.step(np.int64(5))


def test_turning_right_leans_the_thrust_downrange():
    env = LanderEnv("planar", discrete=True, **{"start.tilt": 0.0})
    env.reset(seed=1)
    env.step(5)
    assert scene_of(env.descent).tilt > 0.0


def test_discrete_actions_of_another_mode_are_refused():
    with pytest.raises(ValueError, match=r'discrete.*"planar".*got \'throttle\''):
        LanderEnv("vertical", discrete=True)


def test_an_unknown_render_mode_is_refused():
    with pytest.raises(ValueError, match=r"render_mode must be .*got 'ascii'"):
        LanderEnv("vertical", render_mode="ascii")


def test_info_has_the_same_keys_and_kinds_from_the_reset_to_the_last_step():
    env = LanderEnv("vertical")
    infos = [env.reset(seed=0)[1], env.step(np.zeros(1))[4], fly(env)[4]]
    kinds = {"outcome": int, "is_success": bool, **dict.fromkeys(RECORD, float)}
    for info in infos:
        assert {name: type(value) for name, value in info.items()} == kinds
        json.dumps(info)
    assert infos[0] == infos[1] == {name: kind(0) for name, kind in kinds.items()}
    assert infos[2]["duration"] > 0.0


def test_fault_labels_are_in_infos_only_when_asked_for():
    plain, labelled = (LanderEnv("any_fault", time_limit=5.0, labels=labels) for labels in (False, True))
    infos = [[env.reset(seed=3)[1], env.step(np.zeros(3))[4], fly(env, np.zeros(3))[4]] for env in (plain, labelled)]
    count = len(labelled.descent.possible_faults)
    for bare, full in zip(*infos, strict=True):
        assert not any("fault" in key for key in bare)
        assert full.keys() - bare.keys() == {
            "acting_faults",
            "faults",
            "fault_present",
            "fault_onset",
            "fault_magnitude",
        }
        assert full["fault_present"].shape == full["fault_onset"].shape == full["fault_magnitude"].shape == (count,)
        assert {key: full[key] for key in bare} == bare
    present = [label for label, code in zip(infos[1][2]["fault_present"], range(count), strict=True) if label]
    assert bin(infos[1][2]["faults"]).count("1") == len(present) > 0


def test_rewards_are_plain_floats_and_sum_to_the_terms():
    env = LanderEnv("planar")
    env.reset(seed=3)
    total, result = 0.0, (None, 0.0, False, False, {})
    while not (result[2] or result[3]):
        result = env.step(env.action_space.sample())
        assert type(result[1]) is float and type(result[2]) is bool and type(result[3]) is bool
        total += result[1]
    terms = sum(result[4][name] for name in TERMS)
    assert total == pytest.approx(terms, abs=1e-3)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("name", ["Lunar/Planar-v0", "Lunar/PlanarDiscrete-v0"])
def test_a_copy_goes_on_from_where_the_original_stands(duplicate, name):
    env = gym.make(name).unwrapped
    env.reset(seed=2)
    env.action_space.seed(2)
    for _ in range(10):
        env.step(env.action_space.sample())
    twin = duplicate(env)
    for _ in range(2):
        result = (None, None, False, False)
        while not (result[2] or result[3]):
            result, result_twin = (e.step(e.action_space.sample()) for e in (env, twin))
            assert np.array_equal(result[0], result_twin[0])
            assert result[1:] == result_twin[1:]
        assert np.array_equal(env.reset()[0], twin.reset()[0])
    env.step(env.action_space.sample())
    assert twin.descent.state["episode.decisions"].item() == 0, "the two share memory"


def test_render_without_a_mode_says_how():
    env = LanderEnv("vertical")
    env.reset(seed=0)
    with pytest.warns(UserWarning, match='render_mode="rgb_array"'):
        assert env.render() is None
