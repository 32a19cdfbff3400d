"""RLlib, in this process: PPO on one lander, on Gymnasium's batch of landers, and on one batch of this package."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.rllib.algorithms.ppo import PPOConfig

pytestmark = pytest.mark.clients

IDS = ("lunar_env:Lunar/Vertical-v0", "lunar_env:Lunar/PlanarDiscrete-v0")


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray of one core without a dashboard, its end included."""
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def trained(name: str, rows: int, mode: str) -> list[dict[str, Any]]:
    """What two iterations of PPO tell."""
    config = (
        PPOConfig()
        .environment(name)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=rows, gym_env_vectorize_mode=mode)
        .learners(num_learners=0)
        .training(train_batch_size_per_learner=1024, minibatch_size=256, num_epochs=2)
        .debugging(seed=1)
    )
    algorithm = config.build_algo()
    results = [algorithm.train()["env_runners"] for _ in range(2)]
    algorithm.stop()
    return results


def told(results: list[dict[str, Any]]) -> str:
    """Decisions and returns in a few words."""
    returns = " then ".join(f"{one['episode_return_mean']:.2f}" for one in results)
    decisions = int(results[-1]["num_env_steps_sampled_lifetime"])
    return f"{decisions:,} decisions, {len(results)} iterations, mean return {returns}"


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(("rows", "mode"), [(1, "sync"), (4, "sync"), (16, "vector_entry_point")])
def test_ppo_learns_on_them(name: str, rows: int, mode: str, seen: Callable[[str, str], None]) -> None:
    results = trained(name, rows, mode)
    assert results[-1]["num_env_steps_sampled_lifetime"] >= 2048
    assert -50.0 < results[-1]["episode_return_mean"] < 5.0
    if name == IDS[0]:
        seen(f'PPO, {rows} of `Lunar/Vertical-v0`, `gym_env_vectorize_mode="{mode}"`', told(results))


def test_the_example_of_the_page_learns(seen: Callable[[str, str], None], example: Path) -> None:
    results = [result["env_runners"] for result in runpy.run_path(str(example))["results"]]
    seen("PPO with a keyword of the environment in `env_config`", told(results))
