"""rsl-rl's PPO, with exact returns, and in a form that a GPU never waits in: read once per update, recordable.

It is rsl-rl's algorithm step by step, and gives the same bits on a CPU, but for one thing: when the clock cuts an
episode off, rsl-rl adds gamma V(s_t), the value *before* the last step, to the reward. What the return lacks is
gamma V(s_T) of the observation with which the episode ended (Pardo et al. 2018, "Time limits in reinforcement
learning"); that is added here.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import RNNModel
from rsl_rl.modules.distribution import GaussianDistribution
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch.distributions import Normal
from torch.nn.utils import clip_grad_norm_

from agents.training.rsl_rl.returns import returns_of

LOSSES = ("value", "surrogate", "entropy")
SLOWEST, FASTEST, PACE = 1e-5, 1e-2, 1.5  # rsl-rl's bounds of an adapted learning rate, and its step
Recorder = Callable[[Callable[[], None]], Callable[[], None]]


class Gaussian(GaussianDistribution):
    """rsl-rl's, with the same draws, but for a look whether deviations are negative, for which a GPU would wait."""

    @torch.no_grad()
    def sample(self) -> torch.Tensor:
        """Actions, as ``torch.normal`` draws them."""
        mean, deviation = self.params
        return torch.randn_like(mean) * deviation + mean


class ModelWithMemory(RNNModel):
    """rsl-rl's network with a memory, which forgets by a mask alone, where rsl-rl looks for rows."""

    def reset(self, dones: torch.Tensor | None = None, hidden_state: Any = None) -> None:
        """Take another memory or none; or forget those of the landers that are done, (N,) bool or 0 and 1."""
        memory = self.get_hidden_state()
        if dones is None or memory is None:
            super().reset(dones, hidden_state)
            return
        for part in memory if isinstance(memory, tuple) else (memory,):
            part.masked_fill_(dones.bool()[:, None], 0.0)


class ExactTimeoutPPO(PPO):
    """PPO whose returns are right when the clock cuts an episode off.

    Attributes:
        sums: (3,) of ``LOSSES``, over the minibatches of the newest update.
        chosen: the rows of what is stored that the present minibatch is made of.
        recorder: makes of a minibatch one that is recorded and replayed; None if none is. With a memory the sizes
            depend on what was flown, and processes that share gradients share them each time: these are not recorded.
    """

    def __init__(self, *args: Any, recorder: Recorder | None = None, **kwargs: Any) -> None:
        self.learning_rate: float
        super().__init__(*args, **kwargs)
        self.sums = torch.zeros(len(LOSSES), dtype=torch.float64, device=self.device)
        size = self.storage.num_envs * self.storage.num_transitions_per_env // self.num_mini_batches
        self.chosen = torch.zeros(size, dtype=torch.int64, device=self.device)
        remembers = self.actor.is_recurrent or self.critic.is_recurrent
        self.recorder = None if remembers or self.is_multi_gpu else recorder
        self._recorded: Callable[[], None] | None = None
        if self.recorder is not None:
            self._let_the_device_count()

    def _let_the_device_count(self) -> None:
        """Keep learning rate and count of steps on the device, where a recording can change them."""
        for group in self.optimizer.param_groups:
            group["lr"] = torch.full((), float(group["lr"]), dtype=torch.float32, device=self.device)
            group["capturable"] = True
        # Torch warns of the first steps, which are not recorded; this is its mark that it has.
        self.optimizer._warned_capturable_if_run_uncaptured = True
        self._recorded = None

    # Rollout

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Sample actions, and note what is to be stored; how likely they were is worked out with the returns."""
        noted = self.transition
        noted.hidden_states = (self.actor.get_hidden_state(), self.critic.get_hidden_state())
        noted.actions = self.actor(obs, stochastic_output=True).detach()
        noted.values = self.critic(obs).detach()
        noted.actions_log_prob = self.storage.actions_log_prob[self.storage.step]  # left as it is
        noted.distribution_params = tuple(p.detach() for p in self.actor.output_distribution_params)
        noted.observations = obs
        return noted.actions

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
            # chosen, not a product: what the others saw last counts for nothing, and may be anything
            rewards = torch.where(extras["time_outs"], rewards + self.gamma * worth, rewards)
        super().process_env_step(obs, rewards, dones, {})

    def compute_returns(self, obs: TensorDict) -> None:
        """Returns, advantages and the likelihood of what was done, of all that is stored; ``obs`` is seen now."""
        storage, memory = self.storage, self.critic.get_hidden_state()
        last = self.critic(obs).detach()
        self.critic.reset(hidden_state=memory)
        returns_of(storage.rewards, storage.dones, storage.values, last, self.gamma, self.lam, storage.returns)
        torch.sub(storage.returns, storage.values, out=storage.advantages)
        likely = Normal(*storage.distribution_params).log_prob(storage.actions)
        storage.actions_log_prob.copy_(likely.sum(dim=-1, keepdim=True))

    # Update

    def update(self) -> dict[str, float]:
        """Learn from what is stored. Returns the mean losses; the only wait is for them."""
        return self.losses(self.learn().tolist())

    def losses(self, sums: list[float]) -> dict[str, float]:
        """The mean losses by name, of the sums that ``learn`` returns."""
        return {name: sum / (self.num_learning_epochs * self.num_mini_batches)
                for name, sum in zip(LOSSES, sums, strict=True)}  # fmt: skip

    def learn(self, recorded: bool = True) -> torch.Tensor:
        """Learn from what is stored without a wait, and give ``sums``.

        Args:
            recorded: whether a minibatch may be recorded and replayed: not while other parameters learn than later.
        """
        self.sums.zero_()
        if self.actor.is_recurrent or self.critic.is_recurrent:
            storage = self.storage
            for batch in storage.recurrent_mini_batch_generator(self.num_mini_batches, self.num_learning_epochs):
                self.learn_from(batch)
        else:
            work = self._replayed() if recorded else self._learn_from_chosen
            for rows in self._shuffled():
                self.chosen.copy_(rows)
                work()
        self.storage.clear()
        return self.sums

    def _shuffled(self) -> Iterator[torch.Tensor]:
        """The rows of every minibatch, shuffled once as rsl-rl does."""
        size = len(self.chosen)
        rows = torch.randperm(self.num_mini_batches * size, device=self.device, dtype=torch.int64)
        for _ in range(self.num_learning_epochs):
            yield from rows.split(size)

    def _replayed(self) -> Callable[[], None]:
        """What learns from the chosen rows."""
        if self.recorder is None:
            return self._learn_from_chosen
        if self._recorded is None:
            self._recorded = self.recorder(self._learn_from_chosen)
        return self._recorded

    def _learn_from_chosen(self) -> None:
        storage, rows = self.storage, self.chosen

        def of(table: Any) -> Any:
            return table.flatten(0, 1)[rows]

        self.learn_from(
            RolloutStorage.Batch(
                observations=of(storage.observations),
                actions=of(storage.actions),
                values=of(storage.values),
                advantages=of(storage.advantages),
                returns=of(storage.returns),
                old_actions_log_prob=of(storage.actions_log_prob),
                old_distribution_params=tuple(map(of, storage.distribution_params)),
            )
        )

    def learn_from(self, batch: Any) -> None:
        """One step of the optimiser, as in rsl-rl's ``update``."""
        advantages = batch.advantages
        with torch.no_grad():
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        of_actor, of_critic = batch.hidden_states
        self.actor(batch.observations, masks=batch.masks, hidden_state=of_actor, stochastic_output=True)
        likely = self.actor.get_output_log_prob(batch.actions)
        values = self.critic(batch.observations, masks=batch.masks, hidden_state=of_critic)
        entropy = self.actor.output_entropy.mean()
        if self.desired_kl is not None and self.schedule == "adaptive":
            self._adapt(batch.old_distribution_params, self.actor.output_distribution_params)
        ratio = torch.exp(likely - torch.squeeze(batch.old_actions_log_prob))
        gain = -torch.squeeze(advantages)
        clipped = torch.clamp(ratio, 1.0 - self.clip_param, 1.0 + self.clip_param)
        surrogate = torch.max(gain * ratio, gain * clipped).mean()
        value = (batch.returns - values).pow(2).mean()
        loss = surrogate + self.value_loss_coef * value - self.entropy_coef * entropy
        self.optimizer.zero_grad()
        loss.backward()
        if self.is_multi_gpu:  # rsl-rl's word for several processes
            self.reduce_parameters()
        for model in (self.actor, self.critic):
            clip_grad_norm_(model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.sums += torch.stack([value.detach(), surrogate.detach(), entropy.detach()])

    @torch.no_grad()
    def _adapt(self, before: tuple[torch.Tensor, ...], now: tuple[torch.Tensor, ...]) -> None:
        """Change the learning rate so that the policy stays near the wished divergence."""
        divergence = self.actor.get_kl_divergence(before, now).mean()
        if self.is_multi_gpu:
            torch.distributed.all_reduce(divergence)
            divergence /= self.gpu_world_size
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].copy_(self._adapted(group["lr"], divergence))
                continue
            # The same with Python's numbers, where nothing is recorded.
            if divergence > self.desired_kl * 2.0:
                self.learning_rate = max(SLOWEST, self.learning_rate / PACE)
            elif 0.0 < divergence < self.desired_kl / 2.0:
                self.learning_rate = min(FASTEST, self.learning_rate * PACE)
            group["lr"] = self._of_the_first(self.learning_rate)

    def _of_the_first(self, rate: float) -> float:
        """The first process's learning rate, as rsl-rl hands it on: in single precision."""
        if self.is_multi_gpu:
            shared = torch.tensor(rate, dtype=torch.float32, device=self.device)
            torch.distributed.broadcast(shared, src=0)
            self.learning_rate = shared.item()
        return self.learning_rate

    def _adapted(self, rate: torch.Tensor, divergence: torch.Tensor) -> torch.Tensor:
        """The learning rate after a divergence."""
        slower, faster = (rate / PACE).clamp(min=SLOWEST), (rate * PACE).clamp(max=FASTEST)
        near = (divergence < self.desired_kl / 2.0) & (divergence > 0.0)
        return torch.where(divergence > self.desired_kl * 2.0, slower, torch.where(near, faster, rate))

    def set_learning_rate(self, rate: float) -> None:
        """For all parameters, from the next minibatch on."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def load(self, loaded_dict: dict[str, Any], load_cfg: dict[str, bool] | None, strict: bool) -> bool:
        """Take saved networks and the optimiser's memory; what was recorded is forgotten."""
        further = super().load(loaded_dict, load_cfg, strict)
        self.learning_rate = float(self.learning_rate)
        if self.recorder is not None:
            self._let_the_device_count()
        return further
