"""rsl-rl's dialect: its networks and storage on ``Descent``. Contact with that library is here and in ppo.py alone."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import nn

from agents.policy.feature_kernel import FeatureKernel, truth_features_at_once
from agents.policy.features import Features, truth_features
from agents.policy.network import PolicyNetwork, load_policy
from agents.training.experiment import Experiment, per_action
from agents.training.rsl_rl.ppo import ExactTimeoutPPO, Gaussian, ModelWithMemory, Recorder
from lunar_env import Descent, Outcome, Scenario

GROUPS = {"actor": ["seen"], "critic": ["seen"]}
PRIVILEGED = {"actor": ["seen"], "critic": ["seen", "truth"]}


@dataclass(frozen=True)
class Flown:
    """What a decision gave, without a copy where nobody needs one: valid until the next decision."""

    reward: torch.Tensor  # (N,)
    done: torch.Tensor  # (N,) bool
    truncated: torch.Tensor  # (N,) bool: the clock ran out
    outcome: torch.Tensor  # (N,) int32, see task.Outcome
    ended: dict[str, torch.Tensor]  # the record of each episode that ended in this step or before, by name, (N,)


class Descents:
    """A batch of landers for rsl-rl: observations are a TensorDict, and ended episodes keep their last one.

    Args:
        experiment: all numbers of the run.
        practice: what is flown.
        device: of the landers.
        rank: of the process: it flies landers of its own.
        at_once: whether a decision is asked for without a look at what comes of it, as a GPU needs it; False to save
            what turns out to be needless.
    """

    def __init__(
        self, experiment: Experiment, practice: Scenario, device: torch.device, rank: int, at_once: bool = False
    ) -> None:
        # "disabled", so that an episode that ended can still be looked at: its last truth is what a privileged critic
        # needs at a timeout. ``step`` begins the next one at once.
        self.descent = Descent(practice, experiment.num_envs, device, experiment.seed, autoreset="disabled")
        self.seed, self.first_lander = experiment.seed, rank * experiment.num_envs
        self.begin()
        features = Features(practice, experiment.network.differences)
        self.features: Any = FeatureKernel(features, self.descent.device) if at_once else features.to(device)
        self.truth_features = truth_features_at_once if at_once else truth_features
        self.privileged = experiment.network.critic == "privileged"
        self.at_once = at_once
        self.seconds = 0.0  # spent in the physics

    def begin(self) -> None:
        """The first episode of every lander."""
        self.descent.reset(seed=self.seed, first_lander=self.first_lander)

    def observe(self) -> TensorDict:
        """What is seen now: features for the pilot and, for a privileged critic, the truth and the faults."""
        groups = {"seen": self.features(self.descent.state.observation)}
        if self.privileged:
            groups["truth"] = self.truth_features(self.descent)
        return TensorDict(groups, batch_size=[self.descent.num_envs], device=self.descent.device)

    def fly(self, action: torch.Tensor) -> tuple[TensorDict, Flown, TensorDict]:
        """One decision, as ``step`` returns it, without waiting for the device: what a CUDA graph can record."""
        descent = self.descent
        descent.actions.copy_(action)
        descent.advance()
        outcome, reward = descent.outcomes.clone(), descent.rewards.clone()  # which the next episode overwrites
        truncated, done = outcome == int(Outcome.OUT_OF_TIME), outcome != int(Outcome.FLYING)
        final = self.observe()
        descent.begin_next(done)
        return self.observe(), Flown(reward, done, truncated, outcome, descent.ended), final

    def step(self, action: torch.Tensor) -> tuple[TensorDict, Flown, TensorDict | None]:
        """Fly one decision: what is seen next, what came of it, and what the episodes that ended saw last.

        The last is None if nobody needs it, which only a batch that is not asked at once finds out.
        """
        began = time.perf_counter()
        if self.at_once:
            answer = self.fly(action)
            self.seconds += time.perf_counter() - began
            return answer
        transition = self.descent.step(action)
        self.seconds += time.perf_counter() - began
        flown = Flown(transition.reward, transition.done, transition.truncated, transition.outcome, transition.ended)
        final = self.observe() if bool(flown.truncated.any()) else None
        if bool(flown.done.any()):
            self.descent.reset(mask=flown.done)
        return self.observe(), flown, final


def build(
    experiment: Experiment, descents: Descents, ranks: int = 1, rank: int = 0, recorder: Recorder | None = None
) -> ExactTimeoutPPO:
    """The learner, with the initial policy that the experiment describes."""
    ppo, network = experiment.ppo, experiment.network
    seen, actions = descents.observe(), descents.descent.action_size
    if not network.hidden:
        raise ValueError(
            f"network.hidden of {experiment.algorithm} needs at least one layer, got none; give it one, such as [64]"
        )
    groups = PRIVILEGED if descents.privileged else GROUPS
    common: dict[str, Any] = {"hidden_dims": list(network.hidden), "activation": "tanh"}
    noise = {"class_name": Gaussian, "std_type": "log"}
    actor: Any
    if network.memory == "none":
        actor = MLPModel(seen, groups, "actor", actions, distribution_cfg=noise, **common)
    else:
        memory = {"rnn_type": network.memory, "rnn_hidden_dim": network.memory_size}
        actor = ModelWithMemory(seen, groups, "actor", actions, distribution_cfg=noise, **memory, **common)
    critic: Any
    if network.memory == "none" or descents.privileged:  # who sees the truth need not remember
        critic = MLPModel(seen, groups, "critic", 1, **common)
    else:
        critic = ModelWithMemory(seen, groups, "critic", 1, **memory, **common)
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
        recorder=recorder,
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


class Quieter:
    """Lets the exploration fall from ``network.deviation`` to ``ppo.last_deviation``; none of it is learned then.

    Args:
        actor: rsl-rl's, which explores.
        experiment: says how far.
    """

    def __init__(self, actor: Any, experiment: Experiment) -> None:
        self.log_deviation = actor.distribution.log_std_param
        self.log_deviation.requires_grad_(False)
        wanted = (
            ("network.deviation", experiment.network.deviation),
            ("ppo.last_deviation", experiment.ppo.last_deviation),
        )
        self.first, self.last = (
            per_action(name, values, len(self.log_deviation)).log().to(self.log_deviation.device)
            for name, values in wanted
        )

    @torch.no_grad()
    def quieten(self, done: float) -> None:
        """``done`` goes from 0 to 1 in a training."""
        self.log_deviation.copy_(torch.lerp(self.first, self.last, done))


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
