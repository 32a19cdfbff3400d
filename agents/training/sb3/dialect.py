"""Stable-Baselines3's dialect: its four learners with the first policy of an experiment, and the network that flies."""

from typing import Any

import torch
from sb3_contrib import TQC, RecurrentPPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn

from agents.policy.features import Features
from agents.policy.network import PolicyNetwork
from agents.training.algorithms import algorithm_of
from agents.training.experiment import Experiment, per_action
from agents.training.sb3.two_networks import FeaturesBuffer, TwoNetworksPolicy, TwoNetworksPPO
from lunar_env import Scenario
from lunar_env.sb3 import LanderVecEnv

# The learner of each algorithm, and the network that it is made with if there are several.
ON_POLICY: dict[str, tuple[type[PPO | RecurrentPPO], Any]] = {
    "sb3.ppo": (TwoNetworksPPO, TwoNetworksPolicy),
    "sb3contrib.recurrent_ppo": (RecurrentPPO, "MlpLstmPolicy"),
}
OFF_POLICY: dict[str, type[SAC | TQC]] = {"sb3.sac": SAC, "sb3contrib.tqc": TQC}
SMALL = 0.01  # gain of the first action layer: the first policy answers everything with nearly the same action


class FeaturesExtractor(BaseFeaturesExtractor):
    """``Features`` as SB3 wants them."""

    def __init__(self, observation_space: Any, scenario: Scenario, differences: bool) -> None:
        features = Features(scenario, differences)
        super().__init__(observation_space, features.size)
        self.features = features

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """(N, size) to (N, features)."""
        return self.features(observation)


class WatchedReplayBuffer(ReplayBuffer):
    """Remembers the newest minibatch, which is the one to look at when an update goes wrong."""

    newest: ReplayBufferSamples

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """(batch_size, ...) transitions, drawn with numpy's global generator."""
        self.newest = super().sample(batch_size, env)
        return self.newest


def networks_at_once(experiment: Experiment) -> int:
    """How many networks learn at the same time, each with its share of torch's threads."""
    return 2 if ON_POLICY.get(experiment.algorithm, (None, None))[1] is TwoNetworksPolicy else 1


def build(experiment: Experiment, practice: Scenario, environment: LanderVecEnv) -> BaseAlgorithm:
    """The learner, with the initial policy that the experiment describes."""
    policy = {
        "features_extractor_class": FeaturesExtractor,
        "features_extractor_kwargs": {
            "scenario": practice,
            "differences": experiment.network.differences,
        },
        "net_arch": list(experiment.network.hidden),
        "activation_fn": nn.Tanh,
    }
    model: BaseAlgorithm
    if algorithm_of(experiment.algorithm).off_policy:
        model = build_off_policy(experiment, policy, environment)
    else:
        model = build_on_policy(experiment, policy, environment)
    begin(model, experiment, len(practice.action_names))
    return model


def build_on_policy(experiment: Experiment, policy: dict[str, Any], environment: LanderVecEnv) -> PPO | RecurrentPPO:
    """PPO, whose actor and critic may each have a memory of their own."""
    ppo = experiment.ppo
    numbers: dict[str, Any] = {
        "n_steps": ppo.steps,
        "batch_size": ppo.batch_size,
        "n_epochs": ppo.epochs,
        "learning_rate": lambda left: ppo.learning_rate * max(left, 0.03),
        "gamma": ppo.discount,
        "gae_lambda": ppo.gae_lambda,
        "clip_range": ppo.clip,
        "ent_coef": ppo.entropy,
        "seed": experiment.seed,
        "device": "cpu",
    }
    learner, network = ON_POLICY[experiment.algorithm]
    if network is TwoNetworksPolicy:
        extractor = policy["features_extractor_kwargs"]
        numbers |= {
            "rollout_buffer_class": FeaturesBuffer,
            "rollout_buffer_kwargs": {"features": Features(**extractor)},
        }
    if experiment.network.memory != "none":
        policy = {**policy, "lstm_hidden_size": experiment.network.memory_size}
    return learner(network, environment, policy_kwargs=policy, **numbers)


def build_off_policy(experiment: Experiment, policy: dict[str, Any], environment: LanderVecEnv) -> SAC | TQC:
    """Soft actor-critic, plain or with truncated quantiles. What it learns from outlives many updates."""
    settings = experiment.off_policy
    return OFF_POLICY[experiment.algorithm](
        "MlpPolicy",
        environment,
        buffer_size=settings.buffer,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        gamma=settings.discount,
        tau=settings.blending,
        train_freq=settings.steps,
        gradient_steps=settings.updates,
        learning_starts=settings.start,
        replay_buffer_class=WatchedReplayBuffer,
        policy_kwargs=policy,
        seed=experiment.seed,
        device="cpu",
    )


@torch.no_grad()
def begin(model: BaseAlgorithm, experiment: Experiment, actions: int) -> None:
    """The first policy: the mean and the deviation of the experiment, whatever is seen."""
    policy: Any = model.policy
    bias = per_action("network.bias", experiment.network.bias, actions)
    deviation = per_action("network.deviation", experiment.network.deviation, actions)
    if not isinstance(model, OffPolicyAlgorithm):
        policy.action_net.bias.copy_(bias)
        policy.log_std.copy_(deviation.log())
        return
    if not bool((bias.abs() < 1.0).all()):
        raise ValueError(
            f"network.bias of {experiment.algorithm} must lie between -1 and 1, both excluded, because a tanh gives "
            f"the action; got {experiment.network.bias}"
        )
    for layer, first in ((policy.actor.mu, bias.atanh()), (policy.actor.log_std, deviation.log())):
        nn.init.orthogonal_(layer.weight, SMALL)
        layer.bias.copy_(first)


def extract_policy(model: BaseAlgorithm) -> PolicyNetwork:
    """The network that flies: a memory if there is one, the policy's layers and its action layer, nothing else."""
    policy: Any = model.policy
    squash = isinstance(model, OffPolicyAlgorithm)
    if squash:
        features, body, head = policy.actor.features_dim, policy.actor.latent_pi, policy.actor.mu
    else:
        features, body, head = policy.features_dim, policy.mlp_extractor.policy_net, policy.action_net
    layers = [*(layer for layer in body if isinstance(layer, nn.Linear)), head]
    hidden = tuple(layer.out_features for layer in layers[:-1])
    recurrent = policy.lstm_actor if isinstance(model, RecurrentPPO) else None
    memory, size = ("none", 0) if recurrent is None else ("lstm", recurrent.hidden_size)
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn: how often a run is saved must not matter
        network = PolicyNetwork(features, hidden, head.out_features, memory, size, squash)
    if recurrent is not None:  # a cell is one layer of the sequence that was trained
        network.cell.load_state_dict({n.removesuffix("_l0"): w for n, w in recurrent.state_dict().items()})
    targets = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    for target, source in zip(targets, layers, strict=True):
        target.load_state_dict(source.state_dict())
    return network
