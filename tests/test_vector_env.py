"""The Gymnasium vector environment, in its three ways to begin anew."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

import lunar_env
from lunar_env.checker import same
from lunar_env.env import RECORD
from lunar_env.task import TERMS
from lunar_env.vector_env import LanderVectorEnv

MODES = list(AutoresetMode)
EACH_MODE = pytest.mark.parametrize("mode", MODES, ids=[mode.value for mode in MODES])


def short(mode=AutoresetMode.SAME_STEP, num_envs=5, **changes):
    """Vertical descents that end within 40 decisions."""
    return LanderVectorEnv(
        num_envs, "vertical", autoreset_mode=mode, **{"time_limit": 20.0, "output": "torch", **changes}
    )


def one_end(env, seed=0):
    """Step on random actions until an episode ends; returns that step."""
    env.reset(seed=seed)
    env.action_space.seed(0)
    for _ in range(200):
        result = env.step(env.action_space.sample())
        if (result[2] | result[3]).any():
            return result
    raise AssertionError("no end")


@pytest.mark.parametrize("name", sorted(name for name in gym.registry if name.startswith("Lunar/")))
def test_make_vec_gives_the_same_spaces_as_make(name):
    env, many = gym.make(name), gym.make_vec(name, num_envs=3)
    assert isinstance(many, LanderVectorEnv)
    assert many.single_observation_space == env.observation_space
    assert many.single_action_space == env.action_space
    assert many.spec.id == name
    observation, _ = many.reset(seed=0)
    assert observation.shape == (3, *env.observation_space.shape)
    many.step(many.action_space.sample())


def test_make_vec_over_single_environments_works_too():
    many = gym.make_vec("Lunar/Vertical-v0", num_envs=2, vectorization_mode="sync", time_limit=5.0)
    many.reset(seed=0)
    for _ in range(12):
        many.step(many.action_space.sample())


def test_the_default_is_gymnasiums_numpy_and_next_step_and_modes_have_two_spellings():
    default = LanderVectorEnv(2, "vertical")
    assert default.metadata["autoreset_mode"] is default.autoreset_mode is AutoresetMode.NEXT_STEP
    assert isinstance(default.reset(seed=0)[0], np.ndarray)
    assert (
        LanderVectorEnv(1, "vertical", autoreset_mode="next_step").metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    )
    assert "autoreset_mode" not in LanderVectorEnv.metadata, "the mode belongs to the instance"
    with pytest.raises(ValueError, match=r"autoreset_mode must be .*next_step.*got 'sometimes'"):
        short("sometimes")


def test_output_is_torch_or_numpy_and_actions_may_be_either():
    tensors, arrays = short(), short(output="numpy")
    assert same(tensors.reset(seed=0), arrays.reset(seed=0))
    action = tensors.action_space.sample()
    result, result_arrays = tensors.step(torch.from_numpy(action)), arrays.step(action)
    assert same(result, result_arrays)
    assert all(isinstance(value, torch.Tensor) for value in result[:4])
    assert all(isinstance(value, np.ndarray) for value in result_arrays[:4])
    with pytest.raises(ValueError, match=r"output must be .*got 'jax'"):
        short(output="jax")


def test_same_step_tells_of_both_episodes():
    observation, _, terminated, truncated, info = one_end(short())
    done = terminated | truncated
    assert torch.equal(info["_final_obs"], done) and torch.equal(info["_final_info"], done)
    final = info["final_info"]
    assert set(final) == {prefix + name for prefix in ("", "_") for name in ("outcome", "is_success", *RECORD)}
    assert torch.equal(final["outcome"], info["outcome"])
    assert (info["outcome"][done] > 0).all() and (info["outcome"][~done] == 0).all()
    assert not torch.equal(info["final_obs"][done], observation[done])
    assert (observation[done][:, 17] == 0.0).all(), "the clock of the new episode"


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED], ids=lambda mode: mode.value)
def test_the_other_modes_keep_the_record_at_the_top(mode):
    _, _, terminated, truncated, info = one_end(short(mode))
    done = terminated | truncated
    assert set(info) == {prefix + name for prefix in ("", "_") for name in ("outcome", "is_success", *RECORD)}
    assert all(torch.equal(info[f"_{name}"], done) for name in RECORD)
    assert (info["duration"][done] > 0.0).all()


def test_a_disabled_lander_stays_as_it_is():
    env = short(AutoresetMode.DISABLED)
    observation, _, terminated, truncated, _ = one_end(env)
    done = terminated | truncated
    for _ in range(3):
        later = env.step(env.action_space.sample())
        assert torch.equal(later[0][done], observation[done])
        assert (later[1][done] == 0.0).all()
        assert torch.equal(later[2][done], terminated[done]) and torch.equal(later[3][done], truncated[done])


@EACH_MODE
@pytest.mark.parametrize("as_mask", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_a_masked_reset_leaves_the_others_alone(mode, as_mask):
    env, twin = short(mode), short(mode)
    before, _ = env.reset(seed=0)
    twin.reset(seed=0)
    mask = [True, False, True, False, False]
    after, info = env.reset(options={"reset_mask": as_mask(mask)})
    changed = (after != before).any(dim=1)
    assert changed.tolist() == mask
    assert info["outcome"].tolist() == [0] * 5
    action = np.zeros((5, 1), np.float32)
    for _ in range(20):
        result, result_twin = env.step(action), twin.step(action)
        for ours, theirs in zip(result[:4], result_twin[:4], strict=True):
            assert torch.equal(ours[~changed], theirs[~changed])


def test_a_masked_reset_can_take_a_seed():
    env, fresh = short(), short()
    env.reset(seed=0)
    expected, _ = fresh.reset(seed=9)
    after, _ = env.reset(seed=9, options={"reset_mask": torch.tensor([False, True, False, False, True])})
    assert torch.equal(after[[1, 4]], expected[[1, 4]])
    assert not torch.equal(after[0], expected[0])


@pytest.mark.parametrize("mask", [[0, 1, 0, 0, 0], [True], [False] * 5], ids=str)
def test_a_wrong_mask_is_refused(mask):
    env = short(AutoresetMode.DISABLED)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"reset_mask must be bool of shape \(5,\) with at least one True, got"):
        env.reset(options={"reset_mask": np.array(mask)})


def test_what_cannot_be_done_is_said():
    env = short()
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(env.action_space.sample())
    with pytest.raises(ResetNeeded, match="without reset_mask"):
        env.reset(options={"reset_mask": np.ones(5, bool)})
    with pytest.raises(ValueError, match=r"seed must be one whole number, or a list of one for each of 5 rows, got 2"):
        env.reset(seed=[1, 2])
    with pytest.raises(ValueError, match=r"reset_mask, got \['wind'\]"):
        env.reset(options={"wind": 1})
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(5, 1\) \(throttle\), got .*\(4, 1\)"):
        env.step(np.zeros((4, 1), np.float32))
    with pytest.raises(ValueError, match=r"render_mode must be None or .*got 'human'"):
        short(render_mode="human")


def test_an_action_that_is_no_number_of_the_six_ends_that_lander_only():
    env = LanderVectorEnv(4, "planar", autoreset_mode="disabled", discrete=True)
    env.reset(seed=0)
    outcome = env.step(torch.tensor([0, 6, 5, -1]))[4]["outcome"].tolist()
    invalid = int(lunar_env.Outcome.INVALID)
    assert outcome == [0, invalid, 0, invalid]
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 5 of shape \(4,\), got torch.float32"):
        env.step(torch.zeros(4))


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_max_episode_steps_means_the_same_in_make_and_make_vec(mode):
    name, limit = "Lunar/Vertical-v0", 4
    env, many = (
        gym.make(name, max_episode_steps=limit),
        gym.make_vec(name, num_envs=3, max_episode_steps=limit, autoreset_mode=mode),
    )
    seen, batch = env.reset(seed=0)[0], many.reset(seed=0)[0]
    for step in range(1, limit + 1):
        seen, reward, terminated, truncated, info = env.step(np.full(1, 0.1, np.float32))
        batch, rewards, terminations, truncations, infos = many.step(np.full((3, 1), 0.1, np.float32))
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        assert truncated == (step == limit)
    final = infos["final_info"] if mode == "same_step" else infos
    assert np.array_equal(infos["final_obs"][0] if mode == "same_step" else batch[0], seen), "the clock too"
    assert {key: final[key][0] for key in info} == info
    assert info["outcome"] == lunar_env.Outcome.FLYING and not info["is_success"] and info["duration"] == 0.0


def test_a_limit_beyond_the_scenarios_own_changes_nothing_and_no_limit_is_minus_one():
    for limit in (10_000, 240, -1, None):
        many = gym.make_vec("Lunar/Vertical-v0", max_episode_steps=limit, time_limit=2.0)
        many.reset(seed=0)
        for _ in range(4):
            result = many.step(np.full((1, 1), 0.1, np.float32))
        assert result[3].all() and result[4]["outcome"] == lunar_env.Outcome.OUT_OF_TIME
    with pytest.raises(ValueError, match="max_episode_steps must be a whole number of at least 1, got 0"):
        LanderVectorEnv(1, "vertical", max_episode_steps=0)


def test_seeds_may_be_numpy_numbers():
    env, twin = short(), short()
    assert same(env.reset(seed=np.int64(3)), twin.reset(seed=3))


@EACH_MODE
def test_record_episode_statistics_works(mode):
    env = wrappers.RecordEpisodeStatistics(short(mode, output="numpy"))
    env.reset(seed=0)
    env.action_space.seed(0)
    episodes = 0
    for _ in range(100):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        done = terminated | truncated
        if done.any():
            record = info["final_info"] if mode is AutoresetMode.SAME_STEP else info
            total = sum(record[name] for name in TERMS)
            np.testing.assert_allclose(info["episode"]["r"][done], total[done], atol=1e-3)
            # A decision lasts 0.5 s; the last one ends at the ground.
            decisions = np.ceil(record["duration"][done] / 0.5 - 1e-3)
            assert info["episode"]["l"][done].tolist() == decisions.tolist()
            episodes += int(done.sum())
            if mode is AutoresetMode.DISABLED:
                env.reset(options={"reset_mask": done})
    assert episodes >= 5


@EACH_MODE
def test_stock_wrappers_of_rewards_actions_and_infos_work(mode):
    env = short(mode, output="numpy")
    env = wrappers.DictInfoToList(wrappers.NormalizeReward(wrappers.ClipAction(env)))
    _, infos = env.reset(seed=0)
    assert infos == [{"outcome": 0}] * 5
    for _ in range(45):
        _, _, terminated, truncated, infos = env.step(env.action_space.sample())
        done = terminated | truncated
        key = "final_info" if mode is AutoresetMode.SAME_STEP else "duration"
        assert [key in info for info in infos] == done.tolist()
        if done.any() and mode is AutoresetMode.DISABLED:
            env.reset(options={"reset_mask": done})


# Gymnasium's Box, asked for float64, compares float32 bounds with the range of float64.
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize(
    "wrap",
    [
        wrappers.NormalizeObservation,
        wrappers.FlattenObservation,
        lambda env: wrappers.DtypeObservation(env, np.float64),
        lambda env: wrappers.RescaleObservation(env, np.float32(-1), np.float32(1)),
        lambda env: wrappers.TransformObservation(env, lambda observation: observation * 0.5),
        lambda env: wrappers.RescaleAction(env, np.float32(0), np.float32(1)),
        lambda env: wrappers.ClipReward(env, -1.0, 1.0),
    ],
)
def test_stock_wrappers_work_on_next_step_with_numpy(wrap):
    env = wrap(short(AutoresetMode.NEXT_STEP, output="numpy"))
    env.reset(seed=0)
    for _ in range(45):
        result = env.step(env.action_space.sample())
    assert np.isfinite(result[0]).all() and np.isfinite(result[1]).all()


@EACH_MODE
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["deepcopy", "pickle"]
)
def test_a_copy_goes_on_from_where_the_original_stands(mode, duplicate):
    env = short(mode)
    one_end(env)
    twin = duplicate(env)
    for _ in range(45):
        action = env.action_space.sample()
        assert same(env.step(action), twin.step(action))


def test_render_gives_a_picture_per_lander():
    pytest.importorskip("pygame")
    env = short(num_envs=2, render_mode="rgb_array")
    env.reset(seed=0)
    frames = env.render()
    assert len(frames) == 2
    assert all(frame.dtype == np.uint8 and frame.ndim == 3 for frame in frames)
    assert not np.array_equal(*frames)
    assert short().render() is None
