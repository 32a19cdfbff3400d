"""Everything that decides how an SB3 run goes on, as tensors and plain numbers: between an update and a rollout.

SB3's own ``save`` keeps weights, optimisers and the count of steps. It leaves out the random generators (minibatches
come from numpy's global one), the environment, and what was seen last; and reading it back runs what it has pickled.
"""

import json
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.training.checkpoint import random_state, set_random_state
from lunar_env.sb3 import LanderVecEnv

CPU = torch.device("cpu")
TRANSITIONS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def optimizers_of(model: BaseAlgorithm) -> dict[str, torch.optim.Optimizer]:
    """All that change weights, by name."""
    whole: Any = model
    if not isinstance(model, OffPolicyAlgorithm):
        return {"policy": whole.policy.optimizer}
    return {
        "actor": whole.actor.optimizer,
        "critic": whole.critic.optimizer,
        "entropy": whole.ent_coef_optimizer,
    }


def snapshot(model: BaseAlgorithm, environment: LanderVecEnv) -> dict[str, Any]:
    """What ``restore`` needs. The replay buffer's tensors are views of it: write them before the next step."""
    whole: Any = model
    state = {
        "policy": model.policy.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers_of(model).items()},
        "environment": environment.snapshot(),
        "last_observation": torch.from_numpy(whole._last_obs),
        "last_episode_starts": torch.from_numpy(whole._last_episode_starts),
        "counters": {"updates": whole._n_updates, "episodes": whole._episode_num},
        "random": {**random_state(CPU), "others": other_generators(model)},
        "steps": model.num_timesteps,
    }
    if isinstance(model, RecurrentPPO):
        state["memories"] = {"actor": list(whole._last_lstm_states.pi), "critic": list(whole._last_lstm_states.vf)}
    if isinstance(model, OffPolicyAlgorithm):
        state["log_entropy_coefficient"] = whole.log_ent_coef.detach()
        state["replay"] = replay_snapshot(whole.replay_buffer)
    return state


def restore(model: BaseAlgorithm, environment: LanderVecEnv, saved: Mapping[str, Any]) -> None:
    """Put a snapshot of the same experiment back; ``learn(..., reset_num_timesteps=False)`` then goes on from it.

    Raises KeyError, RuntimeError or ValueError for a snapshot of something else.
    """
    whole: Any = model
    model.policy.load_state_dict(saved["policy"])
    for name, optimizer in optimizers_of(model).items():
        optimizer.load_state_dict(saved["optimizers"][name])
    environment.restore(saved["environment"])
    whole._last_obs = saved["last_observation"].numpy()
    whole._last_episode_starts = saved["last_episode_starts"].numpy()
    whole._n_updates, whole._episode_num = saved["counters"]["updates"], saved["counters"]["episodes"]
    model.num_timesteps = saved["steps"]
    if isinstance(model, RecurrentPPO):
        memories = saved["memories"]
        whole._last_lstm_states = RNNStates(tuple(memories["actor"]), tuple(memories["critic"]))
    if isinstance(model, OffPolicyAlgorithm):
        with torch.no_grad():
            whole.log_ent_coef.copy_(saved["log_entropy_coefficient"])
        restore_replay(whole.replay_buffer, saved["replay"])
    set_random_state(saved["random"], CPU)
    set_other_generators(model, saved["random"]["others"])


def replay_snapshot(buffer: ReplayBuffer) -> dict[str, Any]:
    """The filled part of a replay buffer, as views of it."""
    filled = buffer.size()
    tables = {name: torch.from_numpy(getattr(buffer, name)[:filled]) for name in TRANSITIONS}
    return {"tables": tables, "position": buffer.pos, "full": buffer.full}


def restore_replay(buffer: ReplayBuffer, saved: Mapping[str, Any]) -> None:
    """Fill an empty one of the same size."""
    for name, table in saved["tables"].items():
        getattr(buffer, name)[: len(table)] = table.numpy()
    buffer.pos, buffer.full = saved["position"], saved["full"]


def other_generators(model: BaseAlgorithm) -> str:
    """Where the generators stand that are not torch's: numpy's global one, Python's, the action space's."""
    numpys: Any = np.random.get_state(legacy=False)
    numpys["state"]["key"] = numpys["state"]["key"].tolist()
    space: Any = model.action_space.np_random.bit_generator.state
    return json.dumps({"numpy": numpys, "python": random.getstate(), "action_space": space})


def set_other_generators(model: BaseAlgorithm, text: str) -> None:
    """Put them back."""
    states = json.loads(text)
    numpys = states["numpy"]
    numpys["state"]["key"] = np.array(numpys["state"]["key"], dtype=np.uint32)
    np.random.set_state(numpys)
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    model.action_space.np_random.bit_generator.state = states["action_space"]
