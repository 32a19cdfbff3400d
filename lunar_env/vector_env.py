"""``LanderVectorEnv``: a batch of descents as a Gymnasium vector environment, torch (or numpy) in and out."""

from typing import Any

import numpy as np
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lunar_env.descent import Descent, Transition
from lunar_env.env import (
    DISCRETE_ACTIONS,
    FLYING,
    LANDED,
    RECORD,
    RENDER_FPS,
    chosen_scenario,
    single_spaces,
)
from lunar_env.missions import load_scenario
from lunar_env.scenario import Scenario

MODES = {
    AutoresetMode.NEXT_STEP: "next_step",
    AutoresetMode.SAME_STEP: "same_step",
    AutoresetMode.DISABLED: "disabled",
}


class LanderVectorEnv(VectorEnv[Any, Any, Any]):
    """Many landers that share a scenario, flown in one launch.

    Observation, action, reward and the ends of an episode are those of ``LanderEnv``, with landers as first
    axis. Row i flies lander i of the seed, whatever the number of rows; row 0 flies what ``LanderEnv`` flies.
    A lander whose action is not finite (or, with ``discrete``, no number from 0 to 5) ends as ``invalid``;
    the others are not touched.

    Autoreset. The default is SAME_STEP, which Stable-Baselines3, rsl_rl and most GPU trainers expect and
    which wastes no step; stock Gymnasium observation wrappers want NEXT_STEP.

    - SAME_STEP: a lander that is done begins anew at once. The observation is the new episode's;
      ``info["final_obs"]`` and ``info["final_info"]`` tell of the one that ended.
    - NEXT_STEP: the observation is the last of the episode. The next step ignores the lander's action, earns
      0 and returns the first observation of its next episode.
    - DISABLED: a lander that is done stays as it is, with its flags, and earns 0, until
      ``reset(options={"reset_mask": mask})``. The mask is bool of shape (num_envs,), and works in all modes.

    Infos hold arrays of the same kind as the observation, each with a mask ``_key`` that says which rows it
    holds for: ``outcome`` (of this step, for every row; see ``lunar_env.Outcome``), and for rows that are
    done ``is_success`` and the record that ``LanderEnv`` describes (with SAME_STEP inside ``final_info``).
    All keys are there in every step, so that nothing waits for the device; where a mask is False the number
    means nothing.

    A copy (``copy.deepcopy``, ``pickle``) goes on from where the original stands, bit for bit.

    Args:
        num_envs: landers in the batch.
        scenario: a name from ``lunar_env.scenarios()`` or a ``Scenario``.
        device: "cpu" or "cuda"; where the physics runs and torch output lives.
        autoreset_mode: an ``AutoresetMode``, or "next_step", "same_step" or "disabled".
        max_episode_steps: cut episodes off after so many decisions, by the scenario's own ``time_limit``,
            which also scales the observation's clock; a longer limit than the scenario's has no effect.
        output: "torch", or "numpy" for wrappers that know nothing else. Actions may be either.
        render_mode: "rgb_array": ``render()`` gives one picture per lander.
        control: another control mode.
        discrete: six actions instead of a box, as in ``LanderEnv``.
        **changes: of the scenario, such as ``decision_period=0.1``.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario = "resilience",
        device: str | torch.device = "cpu",
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        output: str = "torch",
        render_mode: str | None = None,
        control: str | None = None,
        discrete: bool = False,
        **changes: Any,
    ) -> None:
        if output not in ("torch", "numpy"):
            raise ValueError(f'output must be "torch" or "numpy", got {output!r}')
        if render_mode not in (None, "rgb_array"):
            raise ValueError(
                f'render_mode must be None or "rgb_array", got {render_mode!r}; a window shows one LanderEnv'
            )
        mode = checked_mode(autoreset_mode)
        self.scenario = limited(chosen_scenario(scenario, control, changes), max_episode_steps)
        self.single_observation_space, self.single_action_space = single_spaces(self.scenario, discrete)
        self.descent = Descent(self.scenario, num_envs, device, autoreset=MODES[mode])
        self.num_envs = self.descent.num_envs
        self.device = self.descent.device
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {"autoreset_mode": mode, "render_modes": ["rgb_array"], "render_fps": RENDER_FPS}
        self.output = output
        self.render_mode = render_mode
        self.discrete = discrete
        self._seeded = False
        # The last row answers an action that does not exist.
        table = np.vstack([DISCRETE_ACTIONS, np.full((1, 2), np.nan, np.float32)])
        self._table = torch.from_numpy(table).to(self.device)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes: with a seed the first of each lander, without one the next of each.

        The only option is ``reset_mask``, (num_envs,) bool, numpy or torch: other rows stay as they are, bit
          for bit.
        """
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise TypeError(
                f"seed must be one whole number, got {seed!r}; row i flies lander i of that seed, "
                "so a list is not needed"
            )
        seed = None if seed is None else int(seed)
        mask = self._reset_mask(options)
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        observation = self.descent.reset(seed=seed, mask=mask)
        self._seeded = True
        outcome = self._out(self.descent.state["episode.outcome"].clone())
        return self._out(observation), {"outcome": outcome, "_outcome": outcome >= FLYING, **self._faults(outcome)}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Fly one decision period on actions (num_envs, ...), numpy or torch."""
        if not self._seeded:
            raise ResetNeeded("there is no episode under way: call reset() before the first step")
        transition = self.descent.step(self._command(actions))
        reward, terminated, truncated = map(self._out, (transition.reward, transition.terminated, transition.truncated))
        return self._out(transition.observation), reward, terminated, truncated, self._info(transition)

    def _info(self, transition: Transition) -> dict[str, Any]:
        done, outcome = self._out(transition.outcome != FLYING), self._out(transition.outcome)
        ended = {"is_success": outcome == LANDED, **{name: self._out(transition.ended[name]) for name in RECORD}}
        info = {"outcome": outcome, "_outcome": outcome >= FLYING}
        faults = self._faults(outcome)
        if self.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            return {**info, **faults, **masked(ended, done)}
        final = {
            "final_obs": self._out(transition.final_observation),
            "final_info": masked(
                {**info, **ended, "acting_faults": self._out(transition.ended["acting_faults"])}, done
            ),
        }
        return {**info, **faults, **masked(final, done)}

    def _faults(self, outcome: Any) -> dict[str, Any]:
        """The faults of the episodes under way."""
        faults = {"acting_faults": self._out(self.descent.state["episode.acting"].clone())}
        if self.descent.possible_faults:
            label = self.descent.faults()
            faults |= {f"fault_{name}": self._out(label[name]) for name in ("present", "onset", "magnitude")}
        return masked(faults, outcome >= FLYING)

    def _command(self, actions: Any) -> Any:
        if not self.discrete:
            return actions
        numbers = torch.as_tensor(actions, device=self.device)
        if numbers.shape != (self.num_envs,) or numbers.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                f"action must be whole numbers from 0 to {len(DISCRETE_ACTIONS) - 1} "
                f"of shape ({self.num_envs},), got {numbers.dtype} {tuple(numbers.shape)}"
            )
        known = (numbers >= 0) & (numbers < len(DISCRETE_ACTIONS))
        return self._table[torch.where(known, numbers, len(DISCRETE_ACTIONS)).long()]

    def _reset_mask(self, options: dict[str, Any] | None) -> torch.Tensor | None:
        if not options:
            return None
        if set(options) != {"reset_mask"}:
            raise ValueError(f"reset knows the option reset_mask, got {sorted(options)}")
        mask = torch.as_tensor(options["reset_mask"])
        if mask.dtype != torch.bool or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask must be bool of shape ({self.num_envs},) with at least one True, "
                f"got {options['reset_mask']!r}"
            )
        if not self._seeded:
            raise ResetNeeded("the first reset begins every episode: call reset() without reset_mask first")
        return mask

    def _out(self, value: torch.Tensor) -> Any:
        """As the caller wants it: torch, or numpy."""
        return value.cpu().numpy() if self.output == "numpy" else value

    def render(self) -> tuple[np.ndarray, ...] | None:
        """One picture per lander, uint8 (height, width, 3); None without a render mode."""
        if self.render_mode is None:
            return None
        from lunar_env.rendering.view import picture

        return tuple(picture(self.descent, row) for row in range(self.num_envs))

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name != "descent"}
        return {**kept, "snapshot": self.descent.snapshot()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        snapshot = state.pop("snapshot")
        self.__dict__.update(state)
        mode = MODES[self.metadata["autoreset_mode"]]
        self.descent = Descent(self.scenario, self.num_envs, self.device, autoreset=mode)
        self.descent.restore(snapshot)


def masked(values: dict[str, Any], mask: Any) -> dict[str, Any]:
    """Infos with, for each key, the rows for which it holds."""
    known = {name: value for name, value in values.items() if not name.startswith("_")}
    return {**known, **{f"_{name}": mask for name in known}}


def checked_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """The mode, given as Gymnasium's enum or by our name of it."""
    for known, name in MODES.items():
        if mode is known or mode == name or mode == known.value:
            return known
    raise ValueError(f"autoreset_mode must be an AutoresetMode or one of {', '.join(MODES.values())}, got {mode!r}")


def limited(scenario: Scenario, max_episode_steps: int | None) -> Scenario:
    """The scenario, cut off after so many decisions at the latest."""
    if max_episode_steps is None or max_episode_steps >= scenario.steps:
        return scenario
    if max_episode_steps < 1:
        raise ValueError(f"max_episode_steps must be at least 1, got {max_episode_steps}")
    return load_scenario(scenario, time_limit=round(max_episode_steps * scenario.decision_period, 9))


__all__ = ["LanderVectorEnv"]
