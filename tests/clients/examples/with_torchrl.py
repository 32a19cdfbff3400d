import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper, RewardSum
from torchrl.modules import MLP, NormalParamExtractor, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

vector = gym.make_vec("lunar_env:Lunar/Vertical-v0", num_envs=16, autoreset_mode="same_step")
env = GymWrapper(vector).append_transform(RewardSum())

sizes = {"num_cells": [64, 64], "activation_class": nn.Tanh}
numbers = nn.Sequential(MLP(out_features=2 * env.action_spec.shape[-1], **sizes), NormalParamExtractor())
actor = ProbabilisticActor(
    TensorDictModule(numbers, ["observation"], ["loc", "scale"]),
    spec=env.action_spec,
    in_keys=["loc", "scale"],
    distribution_class=TanhNormal,
    return_log_prob=True,
)
critic = ValueOperator(MLP(out_features=1, **sizes))
begin = env.reset()
actor(begin), critic(begin)  # their layers take their sizes from what they see first

advantage, loss = GAE(gamma=0.99, lmbda=0.95, value_network=critic), ClipPPOLoss(actor, critic)
optimizer = torch.optim.Adam(loss.parameters(), 3e-4)
returns = []
for batch in Collector(env, actor, frames_per_batch=2048, total_frames=8192, auto_register_policy_transforms=True):
    returns.append(batch["next", "episode_reward"][batch["next", "done"]])
    for _ in range(4):
        advantage(batch)
        terms = loss(batch.reshape(-1))
        (terms["loss_objective"] + terms["loss_critic"] + terms["loss_entropy"]).backward()
        optimizer.step()
        optimizer.zero_grad()
