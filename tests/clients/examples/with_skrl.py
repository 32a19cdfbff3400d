import gymnasium as gym
import torch
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from skrl.agents.torch.ppo import PPO
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.trainers.torch import SequentialTrainer
from torch import nn

statistics = RecordEpisodeStatistics(gym.make_vec("lunar_env:Lunar/Vertical-v0", num_envs=16))
env = wrap_env(statistics)
spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}


def layers(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))


class Policy(GaussianMixin, Model):
    def __init__(self) -> None:
        Model.__init__(self, **spaces)
        GaussianMixin.__init__(self)
        self.layers = layers(self.num_observations, self.num_actions)
        self.log_std = nn.Parameter(torch.zeros(self.num_actions))

    def compute(self, inputs: dict, role: str) -> tuple[torch.Tensor, dict]:
        return self.layers(inputs["observations"]), {"log_std": self.log_std}


class Value(DeterministicMixin, Model):
    def __init__(self) -> None:
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.layers = layers(self.num_observations, 1)

    def compute(self, inputs: dict, role: str) -> tuple[torch.Tensor, dict]:
        return self.layers(inputs["observations"]), {}


agent = PPO(
    models={"policy": Policy(), "value": Value()},
    memory=RandomMemory(memory_size=128, num_envs=env.num_envs, device=env.device),
    cfg={"rollouts": 128, "learning_epochs": 4, "mini_batches": 8},
    **spaces,
)
trainer = SequentialTrainer(env=env, agents=agent, cfg={"timesteps": 512, "headless": True})
trainer.train()
returns = list(statistics.return_queue)
