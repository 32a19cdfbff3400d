"""A beginning by imitation: the network flies, and a classical pilot says at each moment what it would do there.

As published (Ross et al. 2011, "A reduction of imitation learning and structured prediction to no-regret online
learning", DAgger): fly with what is being trained, ask the expert about all that was met, train on everything so far.
As programmed: what was flown is learned from once, and forgotten, for a simulator has always more of it.

Nothing is learned from rewards here. What comes after may be better than the pilot, and begins where it lands.
"""

from typing import Any

import torch

from agents.config import ConfigError, Experiment
from agents.pilots import as_shown_to, make_pilot
from lunar_env import Scenario
from lunar_env.descent import Transition

PIECE = 32  # decisions between two steps of the optimiser, and as far back as a memory is taught
LONGEST_STEP = 1.0  # norm of a gradient


class Imitation:
    """Teaches an actor of rsl-rl what a pilot does.

    Args:
        algorithm: whose actor learns; it flies with the noise that it would explore with.
        experiment: of which ``imitation`` is set.
        practice: the scenario that the landers fly.
        device: of the landers.
    """

    def __init__(self, algorithm: Any, experiment: Experiment, practice: Scenario, device: torch.device) -> None:
        wanted: Any = experiment.imitation
        check_pilot(wanted.pilot, practice)
        self.algorithm, self.actor = algorithm, algorithm.actor
        self.steps, self.learning_rate = wanted.steps, wanted.learning_rate
        self.pilot: Any = make_pilot(wanted.pilot, practice, experiment.num_envs, device)
        self.pilot.reset(torch.ones(experiment.num_envs, dtype=torch.bool, device=device))
        self.optimizer = torch.optim.Adam(self.actor.parameters(), lr=wanted.learning_rate)
        self.loss = torch.zeros((), device=device)

    def act(self, seen: Any, observation: torch.Tensor) -> torch.Tensor:
        """What the network does, shown what rsl-rl shows it; the loss grows by how much the pilot would differ."""
        action = self.actor(seen)
        self.loss = self.loss + (action - self.pilot.act(observation).clamp(-1.0, 1.0)).square().mean()
        noise = self.actor.distribution.log_std_param.exp() * torch.randn_like(action)
        return (action + noise).detach()

    def after(self, transition: Transition) -> None:
        """Forget the episodes that ended."""
        self.pilot.reset(transition.done)
        memory = self.actor.get_hidden_state()
        if memory is not None:
            goes_on = (~transition.done).float()[:, None]
            kept = tuple(part * goes_on for part in memory) if isinstance(memory, tuple) else memory * goes_on
            self.actor.reset(hidden_state=kept)

    def learn(self, done: int) -> float:
        """Learn from the piece that was flown, after ``done`` decisions. Returns the mean squared difference."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * max(1.0 - done / self.steps, 0.03)
        loss = self.loss / PIECE
        self.optimizer.zero_grad()
        loss.backward()
        if self.algorithm.is_multi_gpu:  # rsl-rl's word for several processes
            self.algorithm.reduce_parameters()
        torch.nn.utils.clip_grad_norm_(self.actor.parameters(), LONGEST_STEP)
        self.optimizer.step()
        self.actor.detach_hidden_state()
        self.loss = torch.zeros_like(self.loss)
        return float(loss.detach())


def check_pilot(name: str, scenario: Scenario) -> None:
    """Raise ConfigError unless a pilot commands what the policy is to command, as often; or as ``make_pilot``."""
    shown = as_shown_to(name, scenario)
    for what in ("control", "decision_period"):
        wanted, own = getattr(shown, what), getattr(scenario, what)
        if wanted != own:
            raise ConfigError(
                f"imitation.pilot {name!r} flies with {what} {wanted!r}, the policy with {own!r}; "
                "choose another pilot, or change the scenario under [changes]"
            )
    make_pilot(name, scenario, 1)
