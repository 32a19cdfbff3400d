"""The environment for Stable-Baselines3."""

import numpy as np
import pytest
import torch

sb3 = pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.monitor import Monitor  # noqa: E402
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize  # noqa: E402

from lunar_env import Descent, Outcome  # noqa: E402
from lunar_env.env import RECORD, LanderEnv  # noqa: E402
from lunar_env.sb3 import LanderVecEnv  # noqa: E402


def short(num_envs=6, **changes):
    """Planar descents of which some end by the clock and some on the ground."""
    return LanderVecEnv("planar", num_envs, **{"time_limit": 15.0, **changes})


def actions_for(env, steps, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (steps, env.num_envs, 2)).astype(np.float32)


def test_terminal_observation_is_what_a_twin_without_autoreset_sees():
    env = short(time_limit=25.0)
    twin = Descent(env.scenario, 6, seed=0, autoreset="disabled")
    assert np.array_equal(env.reset(), twin.reset(seed=0).numpy())
    ends, outcomes = 0, set()
    for action in actions_for(env, 300):
        observation, reward, done, infos = env.step(action)
        transition = twin.step(torch.from_numpy(action))
        assert np.array_equal(done, transition.done.numpy())
        assert np.array_equal(reward, transition.reward.numpy())
        for row in np.flatnonzero(done):
            assert np.array_equal(infos[row]["terminal_observation"], transition.observation[row].numpy())
            assert infos[row]["TimeLimit.truncated"] is bool(transition.outcome[row] == Outcome.OUT_OF_TIME)
            assert infos[row]["outcome"] == transition.outcome[row]
            assert all(infos[row][name] == transition.ended[name][row] for name in RECORD)
            outcomes.add(infos[row]["outcome"])
            ends += 1
        expected = twin.reset(mask=transition.done) if done.any() else transition.observation
        assert np.array_equal(observation, expected.numpy())
    assert ends >= 30
    assert {Outcome.CRASHED, Outcome.OUT_OF_TIME} <= outcomes


def test_a_terminal_observation_is_a_copy():
    env = short()
    env.reset()
    kept = []
    for action in actions_for(env, 80):
        _, _, done, infos = env.step(action)
        kept += [
            (infos[row]["terminal_observation"], infos[row]["terminal_observation"].copy())
            for row in np.flatnonzero(done)
        ]
    assert kept
    assert all(np.array_equal(now, then) and now.base is None for now, then in kept)


def test_only_landers_that_are_done_have_infos():
    env = short()
    env.reset()
    for action in actions_for(env, 60):
        _, _, done, infos = env.step(action)
        assert [bool(info) for info in infos] == done.tolist()


def test_episode_statistics_are_those_of_the_episode():
    env = short()
    env.reset()
    returns, lengths, ends = np.zeros(6), np.zeros(6, int), 0
    for action in actions_for(env, 120):
        _, reward, done, infos = env.step(action)
        returns, lengths = returns + reward, lengths + 1
        for row in np.flatnonzero(done):
            episode = infos[row]["episode"]
            assert episode["r"] == pytest.approx(returns[row], abs=1e-3)
            assert episode["l"] == lengths[row]
            assert 0.0 < episode["t"] < 60.0
            assert infos[row]["is_success"] is (infos[row]["outcome"] == Outcome.LANDED)
            returns[row], lengths[row], ends = 0.0, 0, ends + 1
    assert ends


def test_row_0_flies_what_the_single_environment_flies():
    env, single = short(), LanderEnv("planar", time_limit=15.0)
    env.seed(4)
    assert np.array_equal(env.reset()[0], single.reset(seed=4)[0])
    for action in actions_for(env, 80):
        observation, reward, done, _ = env.step(action)
        result = single.step(action[0])
        assert (reward[0], done[0]) == (result[1], result[2] or result[3])
        assert np.array_equal(observation[0], single.reset()[0] if done[0] else result[0])


def test_a_seed_counts_for_the_next_reset_and_later_resets_go_on():
    env = short()
    first, second = env.reset(), env.reset()
    assert not np.array_equal(first, second)
    assert env.seed(0) == [0] * 6
    assert np.array_equal(env.reset(), first)
    env.seed()
    assert not np.array_equal(env.reset(), first)


def test_what_was_returned_does_not_change():
    env = short()
    kept = [(env.reset(),)]
    kept += [env.step(action)[:3] for action in actions_for(env, 5)]
    copies = [[array.copy() for array in arrays] for arrays in kept]
    for action in actions_for(env, 40):
        env.step(action)
    assert all(
        np.array_equal(a, b) for now, then in zip(kept, copies, strict=True) for a, b in zip(now, then, strict=True)
    )
    assert all(array.flags.c_contiguous for arrays in kept for array in arrays)


def test_attributes_are_shared_by_all_landers():
    env = short(3)
    assert env.get_attr("scenario") == [env.scenario] * 3
    assert env.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    assert env.get_attr("action_size", indices=1) == [2], "an attribute of the descent"
    assert env.has_attr("descent") and not env.has_attr("wings")
    env.set_attr("note", 5)
    assert env.get_attr("note") == [5] * 3
    with pytest.raises(ValueError, match=r"all landers share 'note'.*leave indices out"):
        env.set_attr("note", 6, indices=[1])
    with pytest.raises(IndexError, match="below 3"):
        env.get_attr("scenario", indices=[3])
    assert len(env.env_method("privileged", indices=[0])) == 1
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.env_is_wrapped(LanderEnv) == [False] * 3
    env.close()


def test_options_are_refused():
    env = short(2)
    env.set_options({"wind": 3})
    with pytest.raises(ValueError, match="wind"):
        env.reset()


def test_images_show_the_first_landers():
    pytest.importorskip("pygame")
    env = short(6, render_mode="rgb_array")
    env.reset()
    assert len(env.get_images()) == 4
    assert env.render().dtype == np.uint8
    with pytest.raises(ValueError, match=r"render_mode must be .*got 'human'"):
        short(render_mode="human")


@pytest.mark.parametrize("wrap", [VecNormalize, VecMonitor, lambda env: VecFrameStack(env, 3)])
def test_sb3s_wrappers_work(wrap):
    env = short(control="planar")
    if wrap is VecMonitor:
        with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
            env = wrap(env)
    else:
        env = wrap(env)
    env.reset()
    for action in actions_for(env, 40):
        observation, _, done, infos = env.step(action)
        assert all("episode" in infos[row] for row in np.flatnonzero(done))
    assert np.isfinite(observation).all()


@pytest.mark.parametrize("discrete", [False, True])
def test_ppo_learns_for_two_small_iterations(discrete):
    env = short(8, discrete=discrete)
    model = PPO("MlpPolicy", env, n_steps=40, batch_size=80, n_epochs=2, seed=1)
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(2 * 8 * 40)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
    assert len(model.ep_info_buffer) >= 8 and len(model.ep_success_buffer) >= 8
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4)
    assert np.isfinite(mean)


def test_the_value_of_a_truncated_episode_is_added_once():
    # SB3 adds gamma V(terminal_observation) to the reward where an episode was truncated, and nowhere else.
    env = LanderVecEnv("vertical", 4, time_limit=2.0)
    model = PPO("MlpPolicy", env, n_steps=4, batch_size=4, n_epochs=1, gamma=0.9, seed=1)
    seen = []
    step = env.step_wait

    def watched():
        result = step()
        seen.append((result[1].copy(), result[2], result[3]))  # SB3 adds to the rewards in place
        return result

    env.step_wait = watched
    model.learn(16)
    reward, done, infos = seen[3]
    assert done.all() and all(info["TimeLimit.truncated"] for info in infos)
    # The policy was updated after the rollout, so the values are read from a model of the same seed.
    fresh = PPO("MlpPolicy", LanderVecEnv("vertical", 4, time_limit=2.0), n_steps=4, batch_size=4, gamma=0.9, seed=1)
    terminal = torch.as_tensor(np.stack([info["terminal_observation"] for info in infos]))
    value = fresh.policy.predict_values(terminal).detach().numpy().ravel()
    np.testing.assert_allclose(model.rollout_buffer.rewards[3], reward + 0.9 * value, rtol=1e-4)
    np.testing.assert_allclose(model.rollout_buffer.rewards[2], seen[2][0], rtol=1e-6)
