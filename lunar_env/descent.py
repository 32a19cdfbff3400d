"""``Descent``: the batch of landers, torch in and torch out. All environments are shells around it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lunar_env.kernel.launch import Launch, checked_device, split_seed
from lunar_env.kernel.layout import columns
from lunar_env.kernel.memory import State
from lunar_env.kernel.truth import Labels
from lunar_env.missions import load_scenario
from lunar_env.quantities import leaves
from lunar_env.scenario import Scenario
from lunar_env.task import Outcome, Record

AUTORESET = ("next_step", "same_step", "disabled")


@dataclass(frozen=True)
class Transition:
    """The result of one step. First axis: landers. Fresh tensors each step, on the batch's device."""

    observation: torch.Tensor  # (N, size) what the pilot sees next; of the new episode after a same-step reset
    reward: torch.Tensor  # (N,)
    terminated: torch.Tensor  # (N,) bool: the episode ended by its outcome
    truncated: torch.Tensor  # (N,) bool: the clock ran out
    final_observation: torch.Tensor  # (N, size) last reading of the episode that ended; else the observation
    outcome: torch.Tensor  # (N,) int32, see task.Outcome
    ended: dict[str, torch.Tensor]  # the record of each episode that ended in this step or before, by name, (N,)

    @property
    def done(self) -> torch.Tensor:
        """(N,) bool: terminated or truncated."""
        return self.terminated | self.truncated


class Descent:
    """A batch of landers that share a scenario.

    Args:
        scenario: a preset's name or a Scenario.
        num_envs: landers in the batch.
        device: "cpu", "cuda" or a torch device; all tensors live there.
        seed: of all randomness. Lander i of episode k meets the same descent whatever the batch.
        autoreset: "same_step" (a lander that is done begins anew at once), "next_step" or "disabled".
        threads: CPU threads; by default one per 1,024 landers up to torch's number of threads.
    """

    def __init__(
        self,
        scenario: str | Scenario = "resilience",
        num_envs: int = 1,
        device: str | torch.device = "cpu",
        seed: int = 0,
        autoreset: str = "same_step",
        threads: int | None = None,
    ) -> None:
        if autoreset not in AUTORESET:
            raise ValueError(f"autoreset must be one of {', '.join(AUTORESET)}, got {autoreset!r}")
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise ValueError(f"num_envs must be a whole number of at least 1, got {num_envs!r}")
        self.scenario = load_scenario(scenario)
        self.num_envs = int(num_envs)
        self.device = checked_device(device)
        self.autoreset = autoreset
        self.observations = self.scenario.observation_table()
        self.action_size = len(self.scenario.action_names)

        self.state = State(self.scenario, self.num_envs, self.device)
        self._labels = Labels(self.scenario, self.device)
        self.possible_faults = self._labels.names
        self._launch = Launch(self.scenario, self.state, AUTORESET.index(autoreset), threads)
        # Live tables that ``advance`` reads and writes in place; ``step`` and ``transition`` give copies.
        self.actions, self.rewards, self.outcomes = self._launch.actions, self.state.rewards, self.state.outcomes
        self.threads = self._launch.threads
        self.reset(seed=seed)

    def advance(self) -> None:
        """Fly one decision on ``self.actions``, in place and without a copy: for loops that count microseconds."""
        self._launch.advance()

    def step(self, action: torch.Tensor) -> Transition:
        """Fly one decision period.

        Args:
            action: (N, action_size), clipped to [-1, 1]. A lander whose action is not finite ends as ``invalid``.
        """
        self.actions.copy_(self._checked(action))
        self.advance()
        return self.transition()

    def transition(self) -> Transition:
        """What the newest step gave, as fresh tensors."""
        outcome = self.outcomes.clone()
        truncated = outcome == int(Outcome.OUT_OF_TIME)
        done = outcome != int(Outcome.FLYING)
        observation = self.state.observation.clone()
        return Transition(
            observation=observation,
            reward=self.rewards.clone(),
            terminated=done & ~truncated,
            truncated=truncated,
            final_observation=torch.where(done[:, None], self.state.final_observation, observation),
            outcome=outcome,
            ended=columns(self.state.ended.clone(), Record),
        )

    def reset(
        self,
        seed: int | None = None,
        mask: torch.Tensor | np.ndarray | None = None,
        first_lander: int | None = None,
    ) -> torch.Tensor:
        """Begin new episodes and return the observation (N, size).

        Args:
            seed: start all counters afresh from this seed; without it each lander goes on to its next episode.
            mask: (N,) bool; only these landers are reset, the others stay as they are, bit for bit.
            first_lander: with ``seed``, the number of row 0's lander; row i flies the descents of lander first + i.
        """
        mask_tensor = self._checked_mask(mask)
        chosen = mask_tensor.bool()
        if seed is not None:
            low, high = split_seed(seed)
            numbers = torch.arange(self.num_envs, dtype=torch.int32, device=self.device) + (first_lander or 0)
            for name, value in (("seed_low", low), ("seed_high", high), ("lander", numbers), ("episode", 0)):
                column = self.state["episode." + name]
                column.copy_(torch.where(chosen, torch.as_tensor(value, dtype=torch.int32, device=self.device), column))
        else:
            self.state["episode.episode"].add_(mask_tensor.to(torch.int32))
        self._launch.reset(mask_tensor)
        return self.state.observation.clone()

    def draw_from(self, scenario: Scenario) -> None:
        """From each lander's next episode on, draw the numbers of another scenario: for a curriculum.

        It may differ from the batch's own in numbers only, each within the ends that the batch's own has. Raises
        ValueError that names the first one that does not.
        """
        own = {leaf.path: leaf.value for leaf in leaves(self.scenario)}
        if load_scenario(scenario, **own) != load_scenario(self.scenario, **own):
            raise ValueError("the scenario differs in more than its numbers from that of the batch; make another batch")
        for widest, wanted in zip(leaves(self.scenario), leaves(scenario), strict=False):
            if not widest.low <= wanted.low <= wanted.high <= widest.high:
                raise ValueError(
                    f"{wanted.path} may be drawn from [{widest.low:g}, {widest.high:g}] in this batch, got "
                    f"[{wanted.low:g}, {wanted.high:g}]; make the batch with the widest scenario"
                )
        self._launch.draw_from(scenario)

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of everything that changes; ``restore`` continues from it bit for bit."""
        return self.state.snapshot()

    def restore(self, snapshot: dict[str, torch.Tensor]) -> None:
        """Put a snapshot of this scenario and batch size back."""
        self.state.restore(snapshot)

    def truth(self) -> dict[str, torch.Tensor]:
        """The true state by name, each (N,); see ``kernel.truth.Truth``. Never for a pilot."""
        return self._launch.truth()

    def faults(self) -> dict[str, torch.Tensor]:
        """The faults of each episode, for critics and labels, never for a pilot. Columns: ``possible_faults``.

        ``present`` and ``acting``, (N, F) bool; ``onset`` [s] and ``magnitude`` (N, F), each in its own unit, zero
        where the fault is not present.
        """
        return self._labels.of(self.state)

    def privileged(self) -> torch.Tensor:
        """(N, 13 + 3 F) the truth for a critic, never for a pilot, scaled to about [-1, 1].

        Height above ground, position (3), velocity (3), position error of the belief (3), velocity error (3); then,
        for each of the F ``possible_faults``, whether it acts, its onset and its magnitude.
        """
        scenario, state = self.scenario, self.state
        parts = [
            self.truth()["height"][:, None] / scenario.ceiling,
            state["motion.position"] / scenario.ceiling,
            state["motion.velocity"] / scenario.top_speed,
            state["belief.position_error"] / 1_000.0,
            state["belief.velocity_error"],
            *self._labels.scaled(state, scenario.time_limit),
        ]
        return torch.cat(parts, dim=1)

    def _checked(self, action: Any) -> torch.Tensor:
        action = torch.as_tensor(action)
        expected = (self.num_envs, self.action_size)
        if tuple(action.shape) != expected or not (action.is_floating_point() or action.dtype == torch.int64):
            names = ", ".join(self.scenario.action_names)
            raise ValueError(
                f"action must be a float tensor of shape {expected} ({names}), got {action.dtype} {tuple(action.shape)}"
            )
        return action

    def _checked_mask(self, mask: Any) -> torch.Tensor:
        if mask is None:
            return torch.ones(self.num_envs, dtype=torch.uint8, device=self.device)
        mask = torch.as_tensor(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != torch.bool:
            raise ValueError(f"mask must be bool of shape ({self.num_envs},), got {mask.dtype} {tuple(mask.shape)}")
        return mask.to(self.device, torch.uint8)
