"""rsl-rl's dialect: its PPO, networks and storage on ``Descent``. All contact with that library is in this file.

It is used as it is, but for one thing: when the clock cuts an episode off, rsl-rl adds gamma V(s_t), the value *before*
the last step, to the reward. What the return lacks is gamma V(s_T) of the observation with which the episode ended
(Pardo et al. 2018, "Time limits in reinforcement learning"). ``ExactTimeoutPPO`` adds that.
"""

import time
from pathlib import Path
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel, RNNModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import nn

from agents.policy.features import Features, truth_features
from agents.policy.network import PolicyNetwork, load_policy
from agents.training.experiment import Experiment, per_action
from agents.training.rsl_rl.cuda_graph import Recorded
from lunar_env import Descent, Scenario
from lunar_env.descent import Transition

GROUPS = {"actor": ["seen"], "critic": ["seen"]}
PRIVILEGED = {"actor": ["seen"], "critic": ["seen", "truth"]}


class ExactTimeoutPPO(PPO):
    """PPO whose returns are right when the clock cuts an episode off."""

    def process_env_step(
        self, obs: TensorDict, rewards: torch.Tensor, dones: torch.Tensor, extras: dict[str, Any]
    ) -> None:
        """Record one step.

        Args:
            obs: what is seen next, of the new episode where one ended.
            rewards: (N,)
            dones: (N,) bool, or 0 and 1.
            extras: ``time_outs`` (N,) bool, and ``final_obs``: what was seen last of the episodes that ended, or None
                if no episode was cut off.
        """
        final = extras["final_obs"]
        if final is not None:
            memory = self.critic.get_hidden_state()
            worth = self.critic(final).detach().squeeze(-1)
            self.critic.reset(hidden_state=memory)  # looking at the end is no step of its memory
            # not a product: what the others saw last counts for nothing, and may be anything
            rewards = rewards + torch.where(extras["time_outs"], self.gamma * worth, 0.0)
        super().process_env_step(obs, rewards, dones, {})


class Descents:
    """A batch of landers for rsl-rl: observations are a TensorDict, and ended episodes keep their last one."""

    def __init__(self, experiment: Experiment, practice: Scenario, device: torch.device, rank: int) -> None:
        # "disabled", so that an episode that ended can still be looked at: its last truth is what a privileged critic
        # needs at a timeout. ``step`` begins the next one at once.
        self.descent = Descent(practice, experiment.num_envs, device, experiment.seed, autoreset="disabled")
        self.seed, self.first_lander = experiment.seed, rank * experiment.num_envs
        self.begin()
        self.features = Features(practice, experiment.network.differences).to(device)
        self.privileged = experiment.network.critic == "privileged"
        self.recorded = Recorded(self.fly) if device.type == "cuda" else None
        self.seconds = 0.0  # spent in the physics

    def begin(self) -> None:
        """The first episode of every lander."""
        self.descent.reset(seed=self.seed, first_lander=self.first_lander)

    def observe(self) -> TensorDict:
        """What is seen now: features for the pilot and, for a privileged critic, the truth and the faults."""
        groups = {"seen": self.features(self.descent.state.observation)}
        if self.privileged:
            groups["truth"] = truth_features(self.descent)
        return TensorDict(groups, batch_size=[self.descent.num_envs], device=self.descent.device)

    def fly(self, action: torch.Tensor) -> tuple[TensorDict, Transition, TensorDict]:
        """One decision, as ``step`` returns it, without waiting for the device: what a CUDA graph can record."""
        transition = self.descent.step(action)
        final = self.observe()
        self.descent.reset(mask=transition.done)
        return self.observe(), transition, final

    def step(self, action: torch.Tensor) -> tuple[TensorDict, Transition, TensorDict | None]:
        """Fly one decision: what is seen next, the transition, and what the episodes that ended saw last.

        On a CPU the last is None unless the clock cut an episode off. On a GPU, which is not made to wait for that
        answer, transition and last sight are overwritten by the next decision.
        """
        began = time.perf_counter()
        if self.recorded is not None:
            seen, transition, final = self.recorded(action)
            self.seconds += time.perf_counter() - began
            return seen.clone(), transition, final
        transition = self.descent.step(action)
        self.seconds += time.perf_counter() - began
        final = self.observe() if bool(transition.truncated.any()) else None
        if bool(transition.done.any()):
            self.descent.reset(mask=transition.done)
        return self.observe(), transition, final


def build(experiment: Experiment, descents: Descents, ranks: int = 1, rank: int = 0) -> ExactTimeoutPPO:
    """The learner, with the initial policy that the experiment describes."""
    ppo, network = experiment.ppo, experiment.network
    seen, actions = descents.observe(), descents.descent.action_size
    if not network.hidden:
        raise ValueError(
            f"network.hidden of {experiment.algorithm} needs at least one layer, got none; give it one, such as [64]"
        )
    groups = PRIVILEGED if descents.privileged else GROUPS
    common: dict[str, Any] = {"hidden_dims": list(network.hidden), "activation": "tanh"}
    noise = {"class_name": "GaussianDistribution", "std_type": "log"}
    actor: Any
    if network.memory == "none":
        actor = MLPModel(seen, groups, "actor", actions, distribution_cfg=noise, **common)
    else:
        memory = {"rnn_type": network.memory, "rnn_hidden_dim": network.memory_size}
        actor = RNNModel(seen, groups, "actor", actions, distribution_cfg=noise, **memory, **common)
    critic: Any
    if network.memory == "none" or descents.privileged:  # who sees the truth need not remember
        critic = MLPModel(seen, groups, "critic", 1, **common)
    else:
        critic = RNNModel(seen, groups, "critic", 1, **memory, **common)
    begin(actor, critic, experiment)
    if network.start:
        take_over(actor, load_policy(Path(network.start), descents.descent.scenario).network)
    storage = RolloutStorage("rl", experiment.num_envs, ppo.steps, seen, [actions], str(descents.descent.device))
    group = {"global_rank": rank, "world_size": ranks} if ranks > 1 else None
    return ExactTimeoutPPO(
        actor,
        critic,
        storage,
        num_learning_epochs=ppo.epochs,
        num_mini_batches=mini_batches(experiment),
        clip_param=ppo.clip,
        gamma=ppo.discount,
        lam=ppo.gae_lambda,
        value_loss_coef=0.5,
        entropy_coef=ppo.entropy,
        learning_rate=ppo.learning_rate,
        max_grad_norm=0.5,
        use_clipped_value_loss=False,
        schedule="adaptive" if ppo.desired_kl else "fixed",
        desired_kl=ppo.desired_kl,
        normalize_advantage_per_mini_batch=True,
        device=str(descents.descent.device),
        multi_gpu_cfg=group,
    )


def mini_batches(experiment: Experiment) -> int:
    """How many parts each pass over the data has; none is smaller than ``ppo.batch_size`` if there are enough data.

    With a memory, a part is whole landers, and at least two: of a single one rsl-rl loses an axis, and compares the
    action of every moment with those of all others.
    """
    ppo, landers = experiment.ppo, experiment.num_envs
    if experiment.network.memory == "none":
        return max(ppo.steps * landers // ppo.batch_size, 1)
    if landers < 2:
        raise ValueError(
            f"num_envs of {experiment.algorithm} with network.memory = {experiment.network.memory!r} must be "
            f"at least 2, got {landers}; fly more landers, or none to remember"
        )
    return max(landers // max(-(-ppo.batch_size // ppo.steps), 2), 1)


@torch.no_grad()
def begin(actor: Any, critic: Any, experiment: Experiment) -> None:
    """The first weights, as Stable-Baselines3 has them: orthogonal, and small for the action."""
    actions = actor.distribution.output_dim
    for model, gain in ((actor, 0.01), (critic, 1.0)):
        layers = [layer for layer in model.mlp if isinstance(layer, nn.Linear)]
        for layer in layers:
            nn.init.orthogonal_(layer.weight, gain if layer is layers[-1] else 2.0**0.5)
            layer.bias.zero_()
    network = experiment.network
    actor.mlp[-1].bias.copy_(per_action("network.bias", network.bias, actions))
    actor.distribution.log_std_param.copy_(per_action("network.deviation", network.deviation, actions).log())


@torch.no_grad()
def quieten(actor: Any, experiment: Experiment, done: float) -> None:
    """Let the exploration fall from ``network.deviation`` to ``ppo.last_deviation``; ``done`` goes from 0 to 1."""
    log_deviation = actor.distribution.log_std_param
    first = per_action("network.deviation", experiment.network.deviation, len(log_deviation))
    last = per_action("ppo.last_deviation", experiment.ppo.last_deviation, len(log_deviation))
    log_deviation.requires_grad_(False)
    log_deviation.copy_(torch.lerp(first.log(), last.log(), done))


@torch.no_grad()
def take_over(actor: Any, network: PolicyNetwork) -> None:
    """Begin with the weights of a policy of the same layers; how far it explores stays as it is."""
    sources = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    targets = [layer for layer in actor.mlp if isinstance(layer, nn.Linear)]
    for target, source in zip(targets, sources, strict=True):
        target.load_state_dict(source.state_dict())
    if network.memory != "none":
        actor.rnn.rnn.load_state_dict({f"{name}_l0": weight for name, weight in network.cell.state_dict().items()})


@torch.no_grad()
def extract_policy(actor: Any) -> PolicyNetwork:
    """The network that flies, without the noise that explores."""
    layers = [layer for layer in actor.mlp if isinstance(layer, nn.Linear)]
    hidden, actions = tuple(layer.out_features for layer in layers[:-1]), layers[-1].out_features
    memory, size = "none", 0
    if actor.is_recurrent:
        recurrent = actor.rnn.rnn
        memory, size = ("lstm" if isinstance(recurrent, nn.LSTM) else "gru"), recurrent.hidden_size
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn: how often a run is saved must not matter
        network = PolicyNetwork(actor.obs_dim, hidden, actions, memory, size)
    targets = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    for target, source in zip(targets, layers, strict=True):
        target.load_state_dict(source.state_dict())
    if memory != "none":  # a cell is one layer of the sequence that was trained
        network.cell.load_state_dict({n.removesuffix("_l0"): w for n, w in recurrent.state_dict().items()})
    return network
