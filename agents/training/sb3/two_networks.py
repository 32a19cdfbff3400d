"""SB3's PPO on two cores, bit for bit as on one: what is computed twice is kept, its two networks learn side by side.

The features of an observation have nothing to learn, so a rollout's are made once and not anew in every pass over it.
The layers of the policy and of the value function have nothing in common, so each has a thread of its own, forwards and
backwards. All else stays Stable-Baselines3's.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import MlpExtractor
from stable_baselines3.common.type_aliases import RolloutBufferSamples

from agents.policy.features import Features


class TwoNetworksPPO(PPO):
    """SB3's PPO, which looks for news only where an episode ended: of a thousand landers few do in a step."""

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: np.ndarray | None = None) -> None:
        ended = range(len(infos)) if dones is None else np.flatnonzero(dones)
        super()._update_info_buffer([infos[row] for row in ended], None if dones is None else dones[ended])


class FeaturesBuffer(RolloutBuffer):
    """A rollout whose minibatches show features instead of observations. They are made when the first one is asked for.

    Args:
        features: of observations (rows, size).
        arguments: as a rollout buffer of SB3 takes them.
    """

    def __init__(self, *arguments: Any, features: Features, **named: Any) -> None:
        self.features = features
        super().__init__(*arguments, **named)

    def reset(self) -> None:
        """Begin a new rollout."""
        self.tables: list[torch.Tensor] = []
        super().reset()

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> RolloutBufferSamples:
        if not self.tables:  # in the order of the fields of RolloutBufferSamples
            columns = (self.values, self.log_probs, self.advantages, self.returns)
            self.tables = [
                self.features(torch.from_numpy(self.observations)),
                torch.from_numpy(self.actions),
                *(torch.from_numpy(column.flatten()) for column in columns),
            ]
        rows = torch.from_numpy(batch_inds)
        return RolloutBufferSamples(*(table.index_select(0, rows) for table in self.tables))


class TwoNetworksPolicy(ActorCriticPolicy):
    """SB3's policy for PPO, of which the two networks work at the same time."""

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = TwoNetworks(self.features_dim, self.net_arch, self.activation_fn, self.device)

    def evaluate_actions(self, obs: Any, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """Values, log-probabilities and entropy of actions; ``obs`` are features, as ``FeaturesBuffer`` shows them."""
        of_policy, of_value = self.mlp_extractor(obs)
        distribution = self._get_action_dist_from_latent(of_policy)
        return self.value_net(of_value), distribution.log_prob(actions), distribution.entropy()


class TwoNetworks(MlpExtractor):
    """The layers of the policy and those of the value function, the second in a thread of its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.thread = ThreadPoolExecutor(1)
        self.learnt = tuple(self.policy_net.parameters()), tuple(self.value_net.parameters())

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, size), which nothing is learned through, to what both action and value layer see."""
        if not torch.is_grad_enabled():
            return self.both(without_gradients, (self.policy_net, features), (self.value_net, features))
        if not all(self.learnt):  # no layers, so nothing to do at the same time
            return super().forward(features)
        return Learned.apply(self, features, *self.learnt[0], *self.learnt[1])

    def both(self, work: Callable[..., Any], first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, Any]:
        """What ``work`` gives for two sets of arguments, both under way at once."""
        other = self.thread.submit(work, *second)
        return work(*first), other.result()


class Learned(torch.autograd.Function):
    """Both networks as one operation, whose halves are computed side by side."""

    @staticmethod
    def forward(context: Any, networks: TwoNetworks, features: torch.Tensor, *parameters: torch.Tensor) -> Any:
        """Both outputs. The parameters are arguments so that gradients come back for them."""
        context.networks = networks
        context.outputs = networks.both(with_gradients, (networks.policy_net, features), (networks.value_net, features))
        return tuple(output.detach() for output in context.outputs)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> Any:
        """The gradients of all parameters."""
        networks = context.networks
        halves = zip(context.outputs, networks.learnt, gradients, strict=True)
        of_policy, of_value = networks.both(torch.autograd.grad, *halves)
        return None, None, *of_policy, *of_value


def with_gradients(network: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
    """A network's output, to learn from; a thread has no mode of its own."""
    with torch.enable_grad():
        return network(features)


def without_gradients(network: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
    """A network's output."""
    with torch.no_grad():
        return network(features)
