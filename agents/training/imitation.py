"""A beginning by imitation: the network flies, and another pilot says at each moment what it would do there.

As published (Ross et al. 2011, "A reduction of imitation learning and structured prediction to no-regret online
learning", DAgger): fly with what is being trained, ask the expert about all that was met, train on everything so far.
As programmed: a rollout is learned from ``ppo.epochs`` times and forgotten, for a simulator has always more of it.

The policy learns nothing from rewards here, the value function does: it learns what the policy's flights are worth, so
that what comes after is not led astray. What a pilot does rarely is learned last, and worst.
"""

from functools import reduce
from typing import Any

import torch

from agents.pilots import make_pilot, wishes_of
from agents.training.experiment import ConfigError, Experiment
from agents.training.pilot_memory import memory_of, remember
from lunar_env import Scenario

LONGEST_STEP = 1.0  # norm of a gradient
VALUE = 0.5  # weight of the value function's loss


class Imitator:
    """Teaches rsl-rl's actor what a pilot does, and its critic what comes of that.

    Args:
        algorithm: whose networks learn; the actor flies, without noise.
        experiment: of which ``imitation`` is set.
        practice: the scenario that the landers fly.
        device: of the landers.
    """

    def __init__(self, algorithm: Any, experiment: Experiment, practice: Scenario, device: torch.device) -> None:
        wanted: Any = experiment.imitation
        check_pilot(wanted.pilot, practice)
        self.algorithm = algorithm
        self.steps, self.learning_rate = wanted.steps, wanted.learning_rate
        self.pilot: Any = make_pilot(wanted.pilot, practice, experiment.num_envs, device)
        self.pilot.reset(torch.ones(experiment.num_envs, dtype=torch.bool, device=device))
        learning = [*algorithm.actor.parameters(), *algorithm.critic.parameters()]
        self.optimizer = torch.optim.Adam(learning, lr=wanted.learning_rate)
        self.answers: list[torch.Tensor] = []  # each (N, action size): what the pilot would have done in this rollout

    def ask(self, observation: torch.Tensor) -> None:
        """Ask the pilot for its actions (N, action size) on observations (N, size), and keep them for ``learn``."""
        self.answers.append(self.pilot.act(observation).clamp(-1.0, 1.0))

    def learn(self, done: int) -> dict[str, float]:
        """Learn from the rollout in rsl-rl's storage, after ``done`` decisions. Returns the losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * max(1.0 - done / self.steps, 0.03)
        algorithm, storage = self.algorithm, self.algorithm.storage
        storage.actions.copy_(torch.stack(self.answers))
        self.answers = []
        remembers = algorithm.actor.is_recurrent or algorithm.critic.is_recurrent
        batches = storage.recurrent_mini_batch_generator if remembers else storage.mini_batch_generator
        losses = []
        for batch in batches(algorithm.num_mini_batches, algorithm.num_learning_epochs):
            of_actor, of_critic = batch.hidden_states
            action = algorithm.actor(batch.observations, masks=batch.masks, hidden_state=of_actor)
            value = algorithm.critic(batch.observations, masks=batch.masks, hidden_state=of_critic)
            differs = (action - batch.actions).square().mean()
            misjudges = (value - batch.returns).square().mean()
            self.optimizer.zero_grad()
            (differs + VALUE * misjudges).backward()
            if algorithm.is_multi_gpu:  # rsl-rl's word for several processes
                algorithm.reduce_parameters()
            # One by one: the value function begins with errors beside which the policy's are nothing.
            for model in (algorithm.actor, algorithm.critic):
                torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST_STEP)
            self.optimizer.step()
            losses.append(torch.stack([differs.detach(), misjudges.detach()]))
        storage.clear()
        differs, misjudges = torch.stack(losses).mean(dim=0).tolist()
        return {"imitation": differs, "value": misjudges}

    def snapshot(self) -> dict[str, Any]:
        """What decides how it goes on, between two rollouts."""
        return {"optimizer": self.optimizer.state_dict(), "pilot": memory_of(self.pilot)}

    def restore(self, saved: dict[str, Any], device: torch.device) -> None:
        """Go on from a snapshot."""
        self.optimizer.load_state_dict(saved["optimizer"])
        remember(self.pilot, saved["pilot"], device)


def check_pilot(name: str, scenario: Scenario) -> None:
    """Raise ConfigError unless a pilot commands what the policy is to command, as often, and to the same loop.

    Or as ``make_pilot`` does. How many readings a pilot wants to see does not matter: all find the newest.
    """
    for path, wanted in wishes_of(name, scenario).items():
        own = reduce(getattr, path.split("."), scenario)
        if path != "history" and wanted != own:
            raise ConfigError(
                f"imitation.pilot {name!r} flies with {path} {wanted!r}, the policy with {own!r}; "
                "choose another pilot, or change the scenario under [changes]"
            )
    make_pilot(name, scenario, 1)
