"""Minari: descents recorded with their infos, saved, loaded, and flown again to the same bits."""

import gc
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import minari
import numpy as np
import pytest

pytestmark = [
    pytest.mark.clients,
    # It would like to know whose a data set is.
    pytest.mark.filterwarnings("ignore:`[a-z_]+` is set to None:UserWarning"),
    # It leaves a temporary folder to the garbage collector.
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),
]

EPISODES = 4
CASES: dict[str, dict[str, Any]] = {
    "Lunar/Vertical-v0": {},
    "Lunar/PlanarDiscrete-v0": {},
    "Lunar/Resilience-v0": {"labels": True, "decision_period": 0.2},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Data sets go to a folder of the test, and nothing is left to be collected after it."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    yield
    gc.collect()


def recorded(name: str, keywords: dict[str, Any]) -> str:
    """Random descents, as a data set of this name."""
    env = minari.DataCollector(gym.make(f"lunar_env:{name}", **keywords), record_infos=True)
    env.action_space.seed(1)
    for seed in range(EPISODES):
        env.reset(seed=seed)
        while not any(env.step(env.action_space.sample())[2:4]):
            pass
    dataset = f"lunar/{name.rpartition('/')[2].lower()}"
    env.create_dataset(dataset, algorithm_name="random")
    env.close()
    return dataset


def same(first: Any, second: Any) -> bool:
    """Whether what was stored is what is flown now, bit for bit."""
    return np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("name", CASES)
def test_what_is_recorded_is_loaded_and_flies_again_to_the_same_bits(
    name: str, seen: Callable[[str, str], None]
) -> None:
    dataset = minari.load_dataset(recorded(name, CASES[name]))
    assert dataset.total_episodes == EPISODES
    env = dataset.recover_environment()
    for episode in dataset.iterate_episodes():
        (metadata,) = dataset.storage.get_episode_metadata([episode.id])
        observation, info = env.reset(seed=int(metadata["seed"]))
        for step, action in enumerate(episode.actions):
            assert same(episode.observations[step], observation)
            assert all(same(episode.infos[key][step], value) for key, value in info.items())
            observation, reward, terminated, truncated, info = env.step(action)
            assert (reward, terminated, truncated) == (
                episode.rewards[step],
                episode.terminations[step],
                episode.truncations[step],
            )
        assert terminated or truncated
        assert same(episode.observations[-1], observation) and set(info) == set(episode.infos)
        assert all(same(episode.infos[key][-1], value) for key, value in info.items())
    chosen = "".join(f", {key}={value}" for key, value in CASES[name].items())
    seen(
        f"`DataCollector(..., record_infos=True)` of `{name}`{chosen}; saved, loaded, replayed",
        f"{EPISODES} descents, {dataset.total_steps:,} decisions, {len(info)} infos each, equal bits",
    )


def test_the_example_of_the_page_records(example: Path) -> None:
    told = runpy.run_path(str(example))
    assert len(told["landed"]) == told["dataset"].total_episodes == 20
    assert told["again"].unwrapped.scenario == told["env"].unwrapped.scenario
