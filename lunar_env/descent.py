"""``Descent``: the batch of landers, torch in and torch out. All environments are shells around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lunar_env.inputs.actions import as_tensor
from lunar_env.inputs.seeds import checked_seeds, split_seed
from lunar_env.kernel.launch import Launch, checked_device, threads_for
from lunar_env.kernel.layout import columns
from lunar_env.kernel.memory import State
from lunar_env.kernel.room import MOST_LANDERS, require_room, whole_number
from lunar_env.kernel.truth import Labels
from lunar_env.missions import load_scenario
from lunar_env.quantities import leaves, shown
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
        num_envs: landers in the batch, up to 2^24 of them, as memory and a minute for each decision allow.
        device: "cpu", "cuda" or a torch device; all tensors live there.
        seed: of all randomness, any whole number of at least 0. Lander i of episode k meets the same descent whatever
            the batch.
        autoreset: "same_step" (a lander that is done begins anew at once), "next_step" or "disabled".
        threads: CPU threads, up to 1,024; by default one per 1,024 landers up to torch's number of threads.
        max_decisions: an episode is cut off after so many, if the scenario's time limit does not come first; the clock
            that a pilot sees stays the scenario's.

    A copy (``copy.deepcopy``, ``pickle``) goes on from where the original stands, bit for bit.
    """

    @torch.inference_mode(False)  # its tables are written in place later, inside or outside of that mode
    def __init__(
        self,
        scenario: str | Scenario = "resilience",
        num_envs: int = 1,
        device: str | torch.device = "cpu",
        seed: int = 0,
        autoreset: str = "same_step",
        threads: int | None = None,
        max_decisions: int | None = None,
    ) -> None:
        if autoreset not in AUTORESET:
            raise ValueError(f"autoreset must be one of {', '.join(AUTORESET)}, got {autoreset!r}")
        self.num_envs = whole_number("num_envs", num_envs, MOST_LANDERS)
        if max_decisions is not None:
            max_decisions = whole_number("max_decisions", max_decisions, 2**31 - 1)
        self.scenario = load_scenario(scenario)
        self.device = checked_device(device)
        threads = threads_for(self.num_envs, self.device, threads)
        require_room(self.scenario, self.num_envs, self.device, threads)
        self.autoreset = autoreset
        self.max_decisions = max_decisions
        self.observations = self.scenario.observation_table()
        self.action_size = len(self.scenario.action_names)

        self.state = State(self.scenario, self.num_envs, self.device)
        self._labels = Labels(self.scenario, self.device)
        self.possible_faults = self._labels.names
        self._launch = Launch(self.scenario, self.state, AUTORESET.index(autoreset), threads, max_decisions)
        self._drawn_from = self.scenario
        # Live tables that ``advance`` reads and writes in place; ``step`` and ``transition`` give copies.
        self.actions, self.rewards, self.outcomes = self._launch.actions, self.state.rewards, self.state.outcomes
        self.ended = columns(self.state.ended[: self.num_envs], Record)
        self.threads, self.true_scales = self._launch.threads, self._launch.for_a_critic.scales
        self.reset(seed=seed)

    def advance(self) -> None:
        """Fly one decision on ``self.actions``, in place and without a copy: for loops that count microseconds."""
        self.actions.detach_()  # whoever computed them with gradients keeps the graph, this table does not
        self._launch.advance()

    def begin_next(self, mask: torch.Tensor) -> None:
        """Begin the next episode of the landers in ``mask`` (N,) bool: ``reset`` in place, as ``advance`` is."""
        self._launch.begin_next(mask)

    def step(self, action: torch.Tensor) -> Transition:
        """Fly one decision period.

        Args:
            action: (N, action_size) real numbers, clipped to [-1, 1]. A lander whose action is not finite ends as
                ``invalid``.

        Raises:
            ValueError: the action has another shape, or holds no real numbers.
        """
        self.actions.copy_(as_tensor(action, tuple(self.actions.shape), self.scenario.action_names))
        self._launch.advance()
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
        seed: int | Sequence[int] | None = None,
        mask: torch.Tensor | np.ndarray | None = None,
        first_lander: int | None = None,
    ) -> torch.Tensor:
        """Begin new episodes and return the observation (N, size).

        Args:
            seed: start all counters afresh from this seed; without it each lander goes on to its next episode. Of a
                list of N, row i flies lander 0 of its own.
            mask: (N,) bool; only these landers are reset, the others stay as they are, bit for bit.
            first_lander: with ``seed``, the number of row 0's lander; row i flies the descents of lander first + i.
        """
        mask_tensor = self._checked_mask(mask)
        if seed is None:
            self._launch.begin_next(mask_tensor)
        else:
            chosen = mask_tensor.bool()
            first = first_lander or 0
            if not 0 <= first <= 2**31 - self.num_envs:  # a lander's number is an int32
                raise ValueError(f"first_lander must be from 0 to 2^31 - {self.num_envs:,}, got {shown(first)}")
            for name, value in self._counters(seed, first).items():
                column = "episode." + name
                self.state[column] = torch.where(chosen, value, self.state[column])
            self._launch.reset(mask_tensor)
        return self.state.observation.clone()

    def _counters(self, seed: int | Sequence[int], first_lander: int) -> dict[str, torch.Tensor]:
        """What each lander's random numbers are counted from, (N,) int32 or of one number."""
        chosen = checked_seeds(seed, self.num_envs)
        landers = torch.arange(self.num_envs, dtype=torch.int32, device=self.device) + first_lander
        halves = [split_seed(one) for one in (chosen if isinstance(chosen, list) else [chosen])]
        low, high = torch.tensor(halves, dtype=torch.int32, device=self.device).T
        return {
            "seed_low": low,
            "seed_high": high,
            "lander": torch.zeros_like(landers) if isinstance(chosen, list) else landers,
            "episode": torch.zeros_like(landers),
        }

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
        self._drawn_from = scenario

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
        return self.true_numbers() / self.true_scales

    def true_numbers(self) -> torch.Tensor:
        """The numbers of ``privileged`` as they are, in SI units; ``true_scales`` is what it divides them by."""
        return self._launch.true_numbers()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "arguments": {
                "scenario": self.scenario,
                "num_envs": self.num_envs,
                "device": str(self.device),
                "autoreset": self.autoreset,
                "threads": self.threads,
                "max_decisions": self.max_decisions,
            },
            "drawn_from": self._drawn_from,
            # In NumPy, for torch hands tensors to another process as open files, which one that is spawned cannot have.
            "snapshot": {name: table.cpu().numpy() for name, table in self.snapshot().items()},
            "actions": self.actions.detach().cpu().numpy().copy(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        Descent.__init__(self, **state["arguments"])
        if state["drawn_from"] is not self.scenario:
            self.draw_from(state["drawn_from"])
        self.restore({name: torch.from_numpy(table) for name, table in state["snapshot"].items()})
        self.actions.copy_(torch.from_numpy(state["actions"]))

    def _checked_mask(self, mask: Any) -> torch.Tensor:
        if mask is None:
            return torch.ones(self.num_envs, dtype=torch.uint8, device=self.device)
        mask = mask if isinstance(mask, torch.Tensor) else torch.from_numpy(np.array(mask))
        if mask.shape != (self.num_envs,) or mask.dtype != torch.bool:
            raise ValueError(f"mask must be bool of shape ({self.num_envs},), got {mask.dtype} {tuple(mask.shape)}")
        return mask.to(self.device, torch.uint8)
