"""Gymnasium's own wrappers, all of them, around one lander and around a batch; one that is new fails until decided."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from clients.words import span
from gymnasium import wrappers
from gymnasium.wrappers import vector

pytestmark = [
    pytest.mark.clients,
    # What Gymnasium says of its own spaces of float32, whatever the environment.
    pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*precision lowered by casting:UserWarning"),
    # What it says of films of any batch that begins anew in the same step.
    pytest.mark.filterwarnings("ignore:.*autoreset mode is same-step:UserWarning"),
]

ID = "lunar_env:Lunar/Vertical-v0"
ROWS = 5
DECISIONS = 100  # of each batch; by then most landers have ended once
SINGLE = [name for name in wrappers.__all__ if name != "vector"]
VECTOR = list(vector.__all__)


def pictures(env: gym.Env) -> gym.Env:
    """An environment whose observation is its picture, for the wrappers that want one."""
    return wrappers.AddRenderObservation(env, render_only=True)


def lifted(space: gym.spaces.Box) -> gym.spaces.Box:
    """The space of observations to which one was added."""
    return gym.spaces.Box(space.low + 1.0, space.high + 1.0, dtype=space.dtype)


# How each is put around an environment. A text says why one is not for a lander.
AROUND_ONE: dict[str, Callable[..., Any] | str] = {
    "AddRenderObservation": lambda env: wrappers.AddRenderObservation(env, render_only=False),
    "AddWhiteNoise": lambda env: wrappers.AddWhiteNoise(env, probability_of_noise_per_pixel=0.1),
    "ArrayConversion": lambda env: wrappers.ArrayConversion(env, env_xp=np, target_xp=torch),
    "AtariPreprocessing": "wants an Atari emulator",
    "Autoreset": wrappers.Autoreset,
    "ClipAction": wrappers.ClipAction,
    "ClipReward": lambda env: wrappers.ClipReward(env, -1.0, 1.0),
    "DelayObservation": lambda env: wrappers.DelayObservation(env, delay=2),
    "DiscretizeAction": lambda env: wrappers.DiscretizeAction(env, bins=5),
    "DiscretizeObservation": lambda env: wrappers.DiscretizeObservation(env, bins=4),
    "DtypeObservation": lambda env: wrappers.DtypeObservation(env, np.float64),
    "FilterObservation": "wants a dictionary of observations",
    "FlattenObservation": wrappers.FlattenObservation,
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 4),
    "GrayscaleObservation": lambda env: wrappers.GrayscaleObservation(pictures(env)),
    "HumanRendering": wrappers.HumanRendering,
    "JaxToNumpy": wrappers.JaxToNumpy,
    "JaxToTorch": wrappers.JaxToTorch,
    "MaxAndSkipObservation": lambda env: wrappers.MaxAndSkipObservation(env, skip=2),
    "NormalizeObservation": wrappers.NormalizeObservation,
    "NormalizeReward": wrappers.NormalizeReward,
    "NumpyToTorch": wrappers.NumpyToTorch,
    "ObstructView": lambda env: wrappers.ObstructView(env, obstructed_pixels_ratio=0.1, obstruction_width=20),
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "RecordVideo": lambda env: wrappers.RecordVideo(env, "films"),
    "RenderCollection": wrappers.RenderCollection,
    "RepeatAction": lambda env: wrappers.RepeatAction(env, num_repeats=2),
    "RescaleAction": lambda env: wrappers.RescaleAction(env, 0.0, 1.0),
    "RescaleObservation": lambda env: wrappers.RescaleObservation(env, 0.0, 1.0),
    "ReshapeObservation": lambda env: wrappers.ReshapeObservation(env, (1, *env.observation_space.shape)),
    "ResizeObservation": lambda env: wrappers.ResizeObservation(pictures(env), (84, 84)),
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.25),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(wrappers.TimeLimit(env, 50)),
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 50),
    "TransformAction": lambda env: wrappers.TransformAction(env, np.negative, env.action_space),
    "TransformObservation": lambda env: wrappers.TransformObservation(
        env, lambda observation: observation + 1.0, lifted(env.observation_space)
    ),
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda reward: 2.0 * reward),
}

PICTURES = "wants a batch of pictures"
AROUND_MANY: dict[str, Callable[..., Any] | str] = {
    "ArrayConversion": lambda envs: vector.ArrayConversion(envs, env_xp=np, target_xp=torch),
    "ClipAction": vector.ClipAction,
    "ClipReward": lambda envs: vector.ClipReward(envs, -1.0, 1.0),
    "DictInfoToList": vector.DictInfoToList,
    "DtypeObservation": lambda envs: vector.DtypeObservation(envs, np.float64),
    "FilterObservation": "wants a dictionary of observations",
    "FlattenObservation": vector.FlattenObservation,
    "GrayscaleObservation": PICTURES,
    "HumanRendering": vector.HumanRendering,
    "JaxToNumpy": vector.JaxToNumpy,
    "JaxToTorch": vector.JaxToTorch,
    "NormalizeObservation": vector.NormalizeObservation,
    "NormalizeReward": vector.NormalizeReward,
    "NumpyToTorch": vector.NumpyToTorch,
    "RecordEpisodeStatistics": vector.RecordEpisodeStatistics,
    "RecordVideo": lambda envs: vector.RecordVideo(envs, "films", video_length=DECISIONS // 2),
    "RescaleAction": lambda envs: vector.RescaleAction(envs, 0.0, 1.0),
    "RescaleObservation": lambda envs: vector.RescaleObservation(envs, 0.0, 1.0),
    "ReshapeObservation": lambda envs: vector.ReshapeObservation(envs, (1, *envs.single_observation_space.shape)),
    "ResizeObservation": PICTURES,
    "TransformAction": lambda envs: vector.TransformAction(envs, np.negative, envs.action_space),
    "TransformObservation": lambda envs: vector.TransformObservation(
        envs,
        lambda observation: observation + 1.0,
        lifted(envs.observation_space),
        lifted(envs.single_observation_space),
    ),
    "TransformReward": lambda envs: vector.TransformReward(envs, lambda reward: 2.0 * reward),
    "VectorizeTransformAction": lambda envs: vector.VectorizeTransformAction(
        envs, wrappers.RescaleAction, min_action=0.0, max_action=1.0
    ),
    "VectorizeTransformObservation": lambda envs: vector.VectorizeTransformObservation(
        envs, wrappers.FlattenObservation
    ),
    "VectorizeTransformReward": lambda envs: vector.VectorizeTransformReward(
        envs, wrappers.ClipReward, min_reward=-1.0, max_reward=1.0
    ),
}

# Those that Gymnasium itself allows in these modes of autoreset only, around any environment.
ONLY_NEXT_STEP = {"NormalizeObservation"}
NOT_SAME_STEP = {*ONLY_NEXT_STEP, "VectorizeTransformObservation"} | {
    name for name in VECTOR if name.endswith("Observation") and callable(AROUND_MANY.get(name))
}
MODES = ("next_step", "same_step", "disabled")


def allowed(name: str, mode: str) -> bool:
    """Whether Gymnasium allows a wrapper around a batch of this mode."""
    return mode == "next_step" or name not in (ONLY_NEXT_STEP if mode == "disabled" else NOT_SAME_STEP)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Films go to a folder of the test, and windows nowhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def drawing(name: str) -> str | None:
    """The render mode that a wrapper wants of what it is put around."""
    wanting = ("Render", "Video", "Noise", "Obstruct", "Grayscale", "Resize")
    return "rgb_array" if any(word in name for word in wanting) else None


def sampled(env: Any, name: str) -> Any:
    """An action of the kind that the outermost wrapper takes."""
    action = env.action_space.sample()
    return torch.as_tensor(action) if name in ("ArrayConversion", "JaxToTorch", "NumpyToTorch") else action


def belongs(space: gym.Space, observation: Any) -> bool:
    """Whether an observation of any library is one of the space."""
    return space.contains(observation if isinstance(observation, dict | int) else np.asarray(observation))


def flown(env: gym.Env, name: str = "") -> int:
    """Fly an episode with sampled actions, and check each step. Returns how many decisions it took."""
    env.action_space.seed(1)
    observation, _ = env.reset(seed=1)
    for decisions in range(1, 1000):
        assert belongs(env.observation_space, observation)
        observation, reward, terminated, truncated, _ = env.step(sampled(env, name))
        assert np.isfinite(float(reward))
        if terminated or truncated:
            assert belongs(env.observation_space, observation)
            env.close()
            return decisions
    raise AssertionError(f"{name} keeps the lander from ending")


def test_every_wrapper_that_there_is_has_been_decided_on() -> None:
    assert set(AROUND_ONE) == set(SINGLE), "Gymnasium has another list of wrappers: decide in AROUND_ONE"
    assert set(AROUND_MANY) == set(VECTOR), "Gymnasium has another list of vector wrappers: decide in AROUND_MANY"


@pytest.mark.parametrize("name", [name for name in SINGLE if callable(AROUND_ONE.get(name))])
def test_a_lander_flies_an_episode_inside_each_wrapper(name: str) -> None:
    wrapped = AROUND_ONE[name](gym.make(ID, render_mode=drawing(name)))
    assert 20 <= flown(wrapped, name) <= 60


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [name for name in VECTOR if callable(AROUND_MANY.get(name))])
def test_a_batch_flies_inside_each_wrapper(name: str, mode: str) -> None:
    envs = gym.make_vec(ID, num_envs=ROWS, render_mode=drawing(name), autoreset_mode=mode)
    if not allowed(name, mode):
        with pytest.raises(ValueError, match="autoreset"):
            AROUND_MANY[name](envs)
        return
    wrapped = AROUND_MANY[name](envs)
    wrapped.action_space.seed(1)
    observation, _ = wrapped.reset(seed=1)
    ended = np.zeros(ROWS, dtype=bool)
    for _ in range(DECISIONS):
        assert belongs(wrapped.observation_space, observation)
        observation, reward, terminated, truncated, _ = wrapped.step(sampled(wrapped, name))
        assert np.isfinite(np.asarray(reward)).all()
        ended |= np.asarray(terminated) | np.asarray(truncated)
    wrapped.close()
    assert ended.sum() >= 2


def test_those_that_are_not_for_a_lander_are_refused_by_gymnasium_itself() -> None:
    arguments = {"FilterObservation": ((0,),), "ResizeObservation": ((84, 84),)}
    for table, module, made in ((AROUND_ONE, wrappers, gym.make(ID)), (AROUND_MANY, vector, gym.make_vec(ID))):
        for name in (name for name, how in table.items() if isinstance(how, str)):
            with pytest.raises((AssertionError, TypeError, ValueError, gym.error.Error)):
                getattr(module, name)(made, *arguments.get(name, ()))


@pytest.mark.parametrize("way", ["sync", "async"])
def test_gymnasium_makes_a_batch_of_its_own_of_landers(way: str) -> None:
    chosen = {"context": "spawn"} if way == "async" else {}  # jax forbids fork; where it is absent, both do
    statistics = [wrappers.RecordEpisodeStatistics]
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode=way, wrappers=statistics, vector_kwargs=chosen)
    envs.action_space.seed(1)
    envs.reset(seed=1)
    done = [np.logical_or(*envs.step(envs.action_space.sample())[2:4]).any() for _ in range(DECISIONS)]
    envs.close()
    assert any(done)


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_the_infos_of_a_batch_have_the_keys_that_gymnasium_s_own_batch_has(mode: str) -> None:
    ours = gym.make_vec(ID, num_envs=ROWS, autoreset_mode=mode)
    mode = gym.vector.AutoresetMode[mode.upper()]
    theirs = gym.make_vec(ID, num_envs=ROWS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    met = []
    for envs in (ours, theirs):
        envs.action_space.seed(1)
        infos = [envs.reset(seed=1)[1], *(envs.step(envs.action_space.sample())[4] for _ in range(DECISIONS))]
        met.append({frozenset(info) & {"final_obs", "final_info", "_final_obs", "_final_info"} for info in infos})
    assert met[0] == met[1]


def test_statistics_are_those_of_the_episodes_that_were_flown() -> None:
    envs = vector.RecordEpisodeStatistics(gym.make_vec(ID, num_envs=ROWS, autoreset_mode="same_step"))
    envs.action_space.seed(1)
    envs.reset(seed=1)
    total = np.zeros(ROWS)
    for _ in range(DECISIONS):
        _, reward, terminated, truncated, info = envs.step(envs.action_space.sample())
        total += reward
        done = terminated | truncated
        assert ("episode" in info) == done.any()
        if done.any():
            assert info["episode"]["r"][done] == pytest.approx(total[done])
        total[done] = 0.0


def test_only_a_limit_from_outside_makes_the_time_known_to_gymnasium() -> None:
    with pytest.raises(ValueError, match="max_episode_steps"):
        wrappers.TimeAwareObservation(gym.make(ID))
    limited = wrappers.TimeAwareObservation(gym.make(ID, max_episode_steps=50))
    assert limited.observation_space.shape == (gym.make(ID).observation_space.shape[0] + 1,)
    assert flown(limited) == 50


def test_the_example_of_the_page_flies(seen: Callable[[str, str], None], example: Path) -> None:
    told = runpy.run_path(str(example))
    returns = told["returns"]
    assert len(returns) >= 64
    for wrapped, kind in ((AROUND_ONE, "`gymnasium.wrappers`"), (AROUND_MANY, "`gymnasium.wrappers.vector`")):
        unfit = [f"{name} ({why})" for name, why in wrapped.items() if isinstance(why, str)]
        flights = "an episode in each" if wrapped is AROUND_ONE else f"{ROWS} rows, {DECISIONS} decisions, 3 modes"
        saw = f"{len(wrapped) - len(unfit)} of {len(wrapped)} fly, {flights}; not for a lander: {', '.join(unfit)}"
        seen(f"every wrapper of {kind}", saw)
    seen("statistics and normalised rewards of 64 rows", f"{len(returns)} random descents, {span(returns)}")
