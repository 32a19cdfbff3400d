"""Gymnasium's habits in every shell: copies, specifications, seeds, attributes; nothing given in or out is shared."""

import copy
import gc
import json
import os
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

import lunar_env
from lunar_env import Descent, Range, load_scenario
from lunar_env.checker import same
from lunar_env.env import LanderEnv
from lunar_env.vector_env import LanderVectorEnv

sb3 = pytest.importorskip("stable_baselines3")
from lunar_env.sb3 import LanderVecEnv  # noqa: E402

COPIES = pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["deepcopy", "pickle"]
)


# Graphs and aliases -----------------------------------------------------------------------------------------------


def test_actions_keep_no_graph() -> None:
    descent = Descent("vertical", 4)
    network = torch.nn.Linear(descent.observations.size, 1)
    observation = descent.state.observation.clone()
    for _ in range(3):
        observation = descent.step(network(observation)).observation
        assert descent.actions.grad_fn is None and not observation.requires_grad
    descent.actions.copy_(network(observation))
    descent.advance()
    assert descent.actions.grad_fn is None, "written in place"


def resident() -> float:
    """[MB] that this process holds."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux for its memory")
def test_memory_does_not_grow_with_the_steps_of_a_policy_with_gradients() -> None:
    descent = Descent("vertical", 16)
    network = torch.nn.Sequential(
        torch.nn.Linear(descent.observations.size, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)
    )
    observation, before = descent.state.observation.clone(), 0.0
    for step in range(20_001):
        if step == 2_000:
            before = resident()
        observation = descent.step(network(observation)).observation
    assert resident() - before < 1.0


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux for its memory")
def test_memory_does_not_grow_with_environments_that_are_closed() -> None:
    def one(count: int) -> None:
        for seed in range(count):
            for env in (gym.make("Lunar/Vertical-v0"), gym.make_vec("Lunar/Vertical-v0", num_envs=3)):
                env.reset(seed=seed)
                env.step(env.action_space.sample())
                env.close()

    one(100)
    before = resident()
    one(150)  # of each kind, 300 in all
    assert resident() - before < 5.0


def arrays_of(value, path=""):
    """Every array and dict of a nested result with its path."""
    if isinstance(value, dict):
        yield path, value
        for key, one in value.items():
            yield from arrays_of(one, f"{path}.{key}")
    elif isinstance(value, tuple | list):
        for place, one in enumerate(value):
            yield from arrays_of(one, f"{path}[{place}]")
    elif isinstance(value, np.ndarray | torch.Tensor):
        yield path, value


def spoil(value) -> None:
    """Write into every array and dict that was given out."""
    for _, one in arrays_of(value):
        if isinstance(one, dict):
            one["spoilt"] = True
        elif isinstance(one, torch.Tensor):
            one.fill_(77)
        elif one.flags.writeable:
            one.fill(77)


def shells():
    """Each shell twice, alike: what it returns from reset and from step as one tuple."""
    changes = {"time_limit": 6.0, "labels": True}
    yield lambda: gym.make("Lunar/Vertical-v0", **changes)
    for mode in AutoresetMode:
        for output in ("numpy", "torch"):
            yield lambda mode=mode, output=output: gym.make_vec(
                "Lunar/Vertical-v0", num_envs=4, autoreset_mode=mode, output=output, **changes
            )
    yield lambda: LanderVecEnv("vertical", 4, **changes)


@pytest.mark.parametrize("make", list(shells()))
def test_nothing_given_in_is_kept_and_nothing_given_out_is_shared(make) -> None:
    env, twin = make(), make()
    rows = getattr(env, "num_envs", None)
    shape = (1,) if rows is None else (rows, 1)
    batches = isinstance(env, LanderVecEnv)
    for one in (env, twin):
        if batches:
            one.seed(1)
    results = [one.reset() if batches else one.reset(seed=1) for one in (env, twin)]
    for step in range(30):
        assert same(unclocked(results[0]), unclocked(results[1])), step
        spoil(results[0])
        assert not [path for path, one in arrays_of(results[1]) if isinstance(one, dict) and "spoilt" in one]
        action = np.full(shape, 0.2 * np.sin(step), np.float32)
        mine = action.copy()
        results = [env.step(mine), twin.step(action)]
        assert np.array_equal(mine, action)
        mine.fill(np.nan)
        ended = np.any(np.asarray(results[1][2])) or (not batches and np.any(np.asarray(results[1][3])))
        if rows is None and ended:
            spoil(results[0])
            results = [env.reset(), twin.reset()]


def unclocked(result):
    """A result without what the machine's clock says."""
    plain = copy.deepcopy(result)
    for _, one in arrays_of(plain):
        if isinstance(one, dict) and "episode" in one:
            one["episode"].pop("t")
    return plain


@pytest.mark.parametrize("make", list(shells()))
def test_no_two_things_in_a_result_share_memory(make) -> None:
    env = make()
    env.reset()
    shape = (1,) if "num_envs" not in dir(env.unwrapped) and not isinstance(env, LanderVecEnv) else (4, 1)
    for _ in range(12):
        result = env.step(np.zeros(shape, np.float32))
        held = [(path, one) for path, one in arrays_of(result) if not isinstance(one, dict)]
        for place, (path, one) in enumerate(held):
            for other_path, other in held[:place]:
                assert not np.shares_memory(np.asarray(one), np.asarray(other)), (path, other_path)
        if shape == (1,) and (result[2] or result[3]):
            break


# Copies -----------------------------------------------------------------------------------------------------------


@COPIES
@pytest.mark.parametrize("autoreset", ["same_step", "next_step", "disabled"])
def test_a_copy_of_a_batch_goes_on_from_where_the_original_stands(duplicate, autoreset) -> None:
    scenario = load_scenario("vertical", time_limit=6.0, **{"start.altitude": Range(200.0, 900.0)})
    descent = Descent(scenario, 5, seed=3, autoreset=autoreset, max_decisions=9)
    descent.draw_from(load_scenario(scenario, **{"start.altitude": 300.0}))
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        descent.step(torch.rand(5, 1, generator=generator))
    twin = duplicate(descent)
    for _ in range(25):
        action = torch.rand(5, 1, generator=generator)
        assert same(vars(descent.step(action)), vars(twin.step(action)))
    descent.actions.fill_(-1.0)
    assert not torch.equal(descent.actions, twin.actions)


@COPIES
def test_a_copy_of_the_sb3_environment_goes_on_from_where_the_original_stands(duplicate) -> None:
    env = LanderVecEnv("vertical", 5, time_limit=6.0, seed=4)
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 5, 1)).astype(np.float32)
    for action in actions[:7]:
        env.step(action)
    twin = duplicate(env)
    for action in actions:
        assert same(unclocked(env.step(action)), unclocked(twin.step(action)))


# Specifications ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"scenario": load_scenario("resilience", history=2, sensors=["series_1_laser", "navigation_doppler_lidar"])},
        {"scenario": load_scenario("vertical"), "control": "throttle", "render_mode": "rgb_array"},
        {"engine.thrust_scale": Range(0.9, 1.1), "altimeter.delay": 0.3},
        {"engine.lag": np.float64(0.2), "start.altitude": (900.0, 1000.0)},
        {"start": load_scenario("resilience").start},
        {"labels": True, "max_episode_steps": 5},
    ],
    ids=["scenario", "lesson", "range", "numpy", "part", "limit"],
)
def test_a_specification_comes_back_from_json_for_every_keyword(changes) -> None:
    env = gym.make("Lunar/Descent-v0", **changes)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.scenario == env.unwrapped.scenario
    assert again.spec == env.spec
    assert same(again.reset(seed=1), env.reset(seed=1))

    changes = {key: value for key, value in changes.items() if key != "render_mode"}
    device = torch.device("cpu")
    many = gym.make_vec("Lunar/Descent-v0", 3, autoreset_mode=AutoresetMode.SAME_STEP, device=device, **changes)
    fresh = gym.make_vec(EnvSpec.from_json(many.spec.to_json()))
    assert fresh.num_envs == 3 and fresh.scenario == many.scenario and fresh.autoreset_mode is many.autoreset_mode
    assert same(fresh.reset(seed=1), many.reset(seed=1))


# Seeds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda: LanderEnv("vertical"), lambda: LanderVectorEnv(3, "vertical")], ids=["single", "vector"]
)
def test_the_seed_that_gymnasium_drew_begins_the_same_descent_again(make) -> None:
    env = make()
    first = env.reset()
    assert env.np_random_seed >= 2**64, "128 bits of entropy"
    assert same(env.reset(seed=env.np_random_seed), first)
    assert same(make().reset(seed=env.np_random_seed), first)


def test_a_generator_of_ones_own_draws_the_seed() -> None:
    starts = []
    for _ in range(2):
        env = LanderEnv("vertical")
        env.np_random = np.random.default_rng(5)
        starts.append(env.reset())
    assert same(*starts)


def test_a_list_of_seeds_gives_each_row_its_own_as_in_gymnasium() -> None:
    seeds = [7, 2**64 + 5, np.int64(9)]
    observation, _ = LanderVectorEnv(3, "vertical").reset(seed=seeds)
    for row, seed in enumerate(seeds):
        assert np.array_equal(observation[row], LanderEnv("vertical").reset(seed=seed)[0])


# Attributes -------------------------------------------------------------------------------------------------------


def test_a_vector_environment_answers_as_gymnasiums_own_does() -> None:
    env = gym.make_vec("Lunar/Vertical-v0", num_envs=3, render_mode="rgb_array")
    assert env.autoreset_mode is AutoresetMode.NEXT_STEP
    assert env.get_attr("scenario") == (env.scenario,) * 3
    assert env.get_attr("action_size") == (1, 1, 1), "of the descent"
    assert env.call("possible_faults") == ((),) * 3
    env.set_attr("note", [5, 5, 5])
    assert env.get_attr("note") == (5, 5, 5)
    with pytest.raises(ValueError, match="all 3 landers share 'note'"):
        env.set_attr("note", [1, 2, 3])
    with pytest.raises(AttributeError, match="wings"):
        env.get_attr("wings")


def test_an_id_needs_no_import_with_the_packages_name_before_it() -> None:
    assert gym.make("lunar_env:Lunar/Vertical-v0").unwrapped.scenario.name == "vertical"


def test_a_scenario_may_be_given_as_its_tables() -> None:
    scenario = load_scenario("hakuto_r_m1", history=2)
    assert load_scenario(json.loads(json.dumps(scenario.to_dict()))) == scenario
    assert lunar_env.Descent(scenario.to_dict()).scenario == scenario
