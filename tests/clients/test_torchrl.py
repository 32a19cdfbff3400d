"""torchrl: ``GymEnv`` and ``GymWrapper``, its check of their specs, rollouts, a collector and PPO."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from clients.words import span
from torchrl.envs import GymEnv, GymWrapper, RewardSum, TransformedEnv
from torchrl.envs.utils import check_env_specs

pytestmark = pytest.mark.clients

IDS = ("lunar_env:Lunar/Vertical-v0", "lunar_env:Lunar/PlanarDiscrete-v0")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(1)


def checked(env: Any) -> Any:
    """An environment whose specs torchrl has checked."""
    env.set_seed(1)
    check_env_specs(env)
    return env


@pytest.mark.parametrize("name", IDS)
def test_one_lander_opens_and_flies_to_its_end(name: str, seen: Callable[[str, str], None]) -> None:
    env = TransformedEnv(checked(GymEnv(name)), RewardSum())
    flight = env.rollout(2000)
    assert flight["next", "done"][-1].item() and not flight["next", "done"][:-1].any()
    total = flight["next", "episode_reward"][-1].item()
    seen(f'`GymEnv("{name}")`, `check_env_specs`, a rollout', f"{len(flight)} random decisions, return {total:.2f}")


@pytest.mark.parametrize("name", IDS)
def test_the_keywords_of_an_environment_reach_it(name: str) -> None:
    env = checked(GymEnv(name, decision_period=0.2, frame_skip=2))
    assert env.get_wrapper_attr("scenario").decision_period == 0.2
    assert env.rollout(10)["next", "observation"].isfinite().all()


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("output", ["numpy", "torch"])
@pytest.mark.parametrize("mode", ["same_step", "disabled"])
def test_a_batch_opens_and_flies(name: str, output: str, mode: str) -> None:
    batch = gym.make_vec(name, num_envs=4, autoreset_mode=mode, output=output)
    kept = {"convert_actions_to_numpy": output == "numpy", "categorical_action_encoding": True}
    env = checked(GymWrapper(batch, **kept))
    flights = env.rollout(200, break_when_any_done=False)
    assert flights.shape == (4, 200) and flights["next", "observation"].isfinite().all()
    assert flights["next", "done"].sum() >= 3


def test_torchrl_refuses_a_batch_that_begins_anew_with_the_next_step_whoever_made_it() -> None:
    for batch in (gym.make_vec(IDS[0], num_envs=2), gym.make_vec(IDS[0], num_envs=2, vectorization_mode="sync")):
        with pytest.raises(RuntimeError, match="SAME_STEP or DISABLED"):
            GymWrapper(batch)


def test_landers_in_processes_of_their_own_fly(seen: Callable[[str, str], None]) -> None:
    env = checked(GymEnv(IDS[0], num_envs=2))
    flights = env.rollout(50, break_when_any_done=False)
    assert flights.shape == (2, 50)
    env.close()
    seen(f'`GymEnv("{IDS[0]}", num_envs=2)`, processes', "`check_env_specs`, 100 random decisions")


def test_the_example_of_the_page_learns(seen: Callable[[str, str], None], example: Path) -> None:
    told = runpy.run_path(str(example))
    returns = told["returns"]
    assert len(returns) == 4 and all(len(one) for one in returns)
    assert all(weights.isfinite().all() for weights in told["loss"].parameters())
    seen(
        "`GymWrapper` of 16 rows of `make_vec`, `Collector`, `ClipPPOLoss`",
        f"{4 * 2048:,} decisions, 16 updates, last batch: {span(returns[-1])}",
    )
