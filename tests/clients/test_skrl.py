"""skrl: one lander and batches behind ``wrap_env``, and a short training."""

import runpy
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import pytest
import torch
from clients.words import span
from skrl import logger
from skrl.envs.wrappers.torch import wrap_env
from skrl.utils import set_seed

pytestmark = [
    pytest.mark.clients,
    # It makes tensors of what are tensors already.
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
]

ID = "lunar_env:Lunar/Vertical-v0"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What skrl writes goes to a folder of the test."""
    monkeypatch.chdir(tmp_path)
    logger.setLevel("WARNING")  # it says good-bye when pytest has closed what it would write into
    set_seed(1)


@pytest.mark.parametrize("name", [ID, "lunar_env:Lunar/PlanarDiscrete-v0"])
@pytest.mark.parametrize("output", [None, "numpy", "torch"])
@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_a_batch_gives_tensors(name: str, output: str | None, mode: str) -> None:
    chosen = {} if output is None else {"output": output}
    env = wrap_env(gym.make_vec(name, num_envs=4, autoreset_mode=mode, **chosen))
    observation, _ = env.reset()
    assert observation.shape == (4, env.observation_space.shape[0]) and env.num_envs == 4
    for _ in range(100):
        actions = torch.as_tensor(gym.vector.utils.batch_space(env.action_space, 4).sample()).reshape(4, -1)
        observation, reward, terminated, truncated, _ = env.step(actions)
        assert observation.isfinite().all() and reward.shape == terminated.shape == truncated.shape == (4, 1)
    assert observation.dtype == reward.dtype == torch.float32 and terminated.dtype == truncated.dtype == torch.bool


@pytest.mark.parametrize("name", [ID, "lunar_env:Lunar/PlanarDiscrete-v0"])
def test_one_lander_flies_to_its_end(name: str, seen: Callable[[str, str], None]) -> None:
    env = wrap_env(gym.make(name))
    env.reset()
    env.action_space.seed(1)
    rewards: list[float] = []
    done = False
    while not done:
        _, reward, terminated, truncated, info = env.step(torch.as_tensor(env.action_space.sample()).reshape(1, -1))
        rewards.append(reward.item())
        done = terminated.item() or truncated.item()
    assert info["outcome"] != 0
    saw = f"{len(rewards)} decisions, return {sum(rewards):.2f}"
    seen(f"`wrap_env` of `{name.partition(':')[2]}`, one random descent", saw)


def test_the_example_of_the_page_learns(seen: Callable[[str, str], None], example: Path) -> None:
    told = runpy.run_path(str(example))
    agent = told["agent"]
    assert torch.isfinite(torch.cat([p.flatten() for p in agent.policy.parameters()])).all()
    assert list(Path("runs").rglob("agent_*.pt")), "no checkpoint"
    returns = told["returns"]
    seen("PPO on 16 rows of `make_vec`", f"{512 * 16:,} decisions, 4 updates, last episodes: {span(returns)}")
