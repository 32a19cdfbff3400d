"""``LanderVectorEnv``: a batch of descents as a Gymnasium vector environment, NumPy or torch out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lunar_env.descent import Descent, Transition
from lunar_env.env import FLYING, LABELS, LANDED, OUT_OF_TIME, RECORD, RENDER_FPS, drawn_seed, single_spaces
from lunar_env.inputs.actions import DISCRETE_ACTIONS, discrete_numbers
from lunar_env.inputs.keywords import checked_options, checked_render_mode, checked_switches, chosen_scenario, readable
from lunar_env.inputs.seeds import checked_seeds
from lunar_env.kernel.host import on_host
from lunar_env.scenario import Scenario

MODES = {
    AutoresetMode.NEXT_STEP: "next_step",
    AutoresetMode.SAME_STEP: "same_step",
    AutoresetMode.DISABLED: "disabled",
}


class LanderVectorEnv(VectorEnv[Any, Any, Any]):
    """Many landers that share a scenario, flown in one launch.

    Observation, action, reward and the ends of an episode are those of ``LanderEnv``, with landers as first
    axis. Row i flies lander i of the seed, whatever the number of rows; row 0 flies what ``LanderEnv`` flies. Of a
    list of seeds, one for each row, row i flies what ``LanderEnv`` flies with its own.

    Arrays are NumPy's, and a lander that is done begins anew with the next step, as in Gymnasium's own vector
    environments. ``output="torch"`` gives tensors on the device instead, ``autoreset_mode`` another way to begin
    anew; neither depends on the other. Actions may be of either kind.

    - NEXT_STEP: the observation is the last of the episode. The next step ignores the lander's action, earns
      0 and returns the first observation of its next episode.
    - SAME_STEP: a lander that is done begins anew at once. The observation is the new episode's;
      ``info["final_obs"]`` and ``info["final_info"]``, there when somebody is done, are of the one that ended.
    - DISABLED: a lander that is done stays as it is, with its flags, and earns 0, until
      ``reset(options={"reset_mask": mask})``. The mask is bool of shape (num_envs,), and works in all modes.

    Infos hold arrays, each with a mask ``_key`` that says which rows it holds for: ``outcome`` (of this step, for
    every row; see ``lunar_env.Outcome``), and for rows that are done ``is_success`` and the record that
    ``LanderEnv`` describes, with SAME_STEP inside ``final_info``. Fault labels come with ``labels=True``. Nothing
    that was given out changes later. From a GPU all arrays come in one copy a step. With torch output, whether somebody
    is done is asked of the device in every step of SAME_STEP; who cannot wait for that takes ``Descent``.

    A copy (``copy.deepcopy``, ``pickle``) goes on from where the original stands, bit for bit.

    Args:
        num_envs: landers in the batch.
        scenario: a name from ``lunar_env.scenarios()`` or a ``Scenario``.
        device: "cpu" or "cuda"; where the physics runs and torch output lives.
        autoreset_mode: an ``AutoresetMode``, or "next_step", "same_step" or "disabled".
        max_episode_steps: cut episodes off after so many decisions, as ``gym.make`` does: they are truncated while
            their outcome is ``FLYING``, and have no record; -1 for no limit. ``time_limit=`` is one that the scenario
            knows.
        output: "numpy" or "torch".
        render_mode: "rgb_array": ``render()`` gives one picture per lander.
        control: another control mode.
        discrete: six actions instead of a box, as in ``LanderEnv``.
        labels: whether infos say which faults there are.
        **changes: of the scenario, such as ``decision_period=0.1``.
    """

    _spec: EnvSpec | None = None

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario | Mapping[str, Any] = "resilience",
        device: str | torch.device = "cpu",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        output: str = "numpy",
        render_mode: str | None = None,
        control: str | None = None,
        discrete: bool = False,
        labels: bool = False,
        **changes: Any,
    ) -> None:
        if output not in ("torch", "numpy"):
            raise ValueError(f'output must be "numpy" or "torch", got {output!r}')
        checked_render_mode(render_mode, ("rgb_array",), "; a window shows one LanderEnv")
        checked_switches(discrete=discrete, labels=labels)
        mode = checked_mode(autoreset_mode)
        if control is not None:
            changes["control"] = control
        self.scenario = chosen_scenario("LanderVectorEnv", OWN, scenario, changes)
        self.single_observation_space, self.single_action_space = single_spaces(self.scenario, discrete)
        self._cut = checked_limit(max_episode_steps, self.scenario.steps)
        self.descent = Descent(self.scenario, num_envs, device, autoreset=MODES[mode], max_decisions=self._cut)
        self.num_envs = self.descent.num_envs
        self.device = self.descent.device
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {"autoreset_mode": mode, "render_modes": ["rgb_array"], "render_fps": RENDER_FPS}
        self.output = output
        self.render_mode = render_mode
        self.discrete = discrete
        self.labels = labels
        self._seeded = False
        self._packed = output == "numpy" and self.device.type != "cpu"
        self._table = torch.tensor(DISCRETE_ACTIONS, device=self.device, dtype=torch.float32)

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made this from; its ``to_json`` can write every keyword."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = readable(spec)

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """How a lander that is done begins anew."""
        return self.metadata["autoreset_mode"]

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes: with a seed the first of each lander, without one the next of each.

        The only option is ``reset_mask``, (num_envs,) bool, numpy or torch: other rows stay as they are, bit
          for bit.
        """
        mask = self._reset_mask(checked_options(options, ("reset_mask",)))
        seed = None if seed is None else checked_seeds(seed, self.num_envs)
        super().reset(seed=seed if isinstance(seed, int) else None)
        if seed is None and not self._seeded:
            seed = drawn_seed(self)
        observation = self.descent.reset(seed=seed, mask=mask)
        self._seeded = True
        return self._out((observation, self._info(self.descent.transition(), begins=True)))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Fly one decision period on actions (num_envs, ...), numpy or torch."""
        if not self._seeded:
            raise ResetNeeded("there is no episode under way: call reset() before the first step")
        if self.discrete:
            actions = self._table[discrete_numbers(actions, self.num_envs, self.device)]
        transition = self.descent.step(actions)
        flags = transition.reward, transition.terminated, transition.truncated
        return self._out((transition.observation, *flags, self._info(transition)))

    def _info(self, transition: Transition, begins: bool = False) -> dict[str, Any]:
        """The infos of a step, or of a reset."""
        done, ended = transition.done, self._ended(transition)
        info = self._at_present(ended["outcome"])
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            del ended["outcome"]
            return info | masked(ended, done)
        if begins or (not self._packed and not bool(done.any())):
            return info
        final = {"final_obs": transition.final_observation, "final_info": masked(ended, done)}
        return info | masked(final, done)

    def _ended(self, transition: Transition) -> dict[str, torch.Tensor]:
        """How the episodes ended that did, (num_envs,) each: outcome and record, 0 for all others."""
        outcome = transition.outcome
        if self._cut is not None:  # from outside: the scenario's own limit comes later
            outcome = outcome * (outcome != OUT_OF_TIME)
        known = outcome != FLYING
        names = (*RECORD, *(LABELS if self.labels else ()))
        record = {name: transition.ended[name] * known for name in names}
        return {"outcome": outcome, "is_success": outcome == LANDED, **record}

    def _at_present(self, outcome: torch.Tensor) -> dict[str, Any]:
        """What holds for every row: its outcome and, if asked for, the faults of its episode."""
        values = {"outcome": outcome.clone()}
        if self.labels:
            values["acting_faults"] = self.descent.state["episode.acting"].clone()
            if self.descent.possible_faults:
                label = self.descent.faults()
                values |= {f"fault_{name}": label[name] for name in ("present", "onset", "magnitude")}
        return masked(values, outcome >= FLYING)

    def _reset_mask(self, options: dict[str, Any]) -> torch.Tensor | None:
        if "reset_mask" not in options:
            return None
        given = options["reset_mask"]
        mask = given if isinstance(given, torch.Tensor) else torch.from_numpy(np.array(given))
        if mask.dtype != torch.bool or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask must be bool of shape ({self.num_envs},) with at least one True, got {given!r}"
            )
        if not self._seeded:
            raise ResetNeeded("the first reset begins every episode: call reset() without reset_mask first")
        return mask

    def _out(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """As the caller wants them, torch or numpy, the infos last; from a GPU in one copy."""
        if self.output == "torch":
            return values
        *others, info = on_host(values, self._packed)
        if "final_obs" in info and not info["_final_obs"].any():  # which was not asked before the copy
            info = {name: value for name, value in info.items() if "final_" not in name}
        return *others, info

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """An attribute of this object or its ``descent``, or what a method returns, once for each row.

        All landers share both, so a method is called once.
        """
        owner = self if name in dir(self) else self.descent
        found = getattr(owner, name)
        answer = found(*args, **kwargs) if callable(found) else found
        each = isinstance(answer, tuple) and len(answer) == self.num_envs
        return answer if each else (answer,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of this object or its ``descent``, once for each row."""
        return (getattr(self if name in dir(self) else self.descent, name),) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of all landers: one value, or a list of equal ones. Raises ValueError for different ones."""
        if isinstance(values, list | tuple):
            if len(values) != self.num_envs or any(value != values[0] for value in values):
                raise ValueError(f"all {self.num_envs} landers share {name!r}: give one value, got {values!r}")
            values = values[0]
        setattr(self, name, values)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """One picture per lander, uint8 (height, width, 3); None without a render mode."""
        if self.render_mode is None:
            return None
        from lunar_env.rendering.view import picture

        return tuple(picture(self.descent, row) for row in range(self.num_envs))


OWN = (
    "num_envs",
    "scenario",
    "device",
    "autoreset_mode",
    "max_episode_steps",
    "output",
    "render_mode",
    "control",
    "discrete",
    "labels",
)


def masked(values: dict[str, Any], mask: torch.Tensor) -> dict[str, Any]:
    """Infos with, for each key, the rows for which it holds; each has a mask of its own."""
    masks = mask.expand(len(values), -1).clone()
    return {**values, **{f"_{name}": one for name, one in zip(values, masks, strict=True)}}


def checked_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """The mode, given as Gymnasium's enum or by our name of it."""
    for known, name in MODES.items():
        if mode is known or mode == name or mode == known.value:
            return known
    raise ValueError(f"autoreset_mode must be an AutoresetMode or one of {', '.join(MODES.values())}, got {mode!r}")


def checked_limit(max_episode_steps: Any, steps: int) -> int | None:
    """The decisions after which an episode is cut off, if the scenario's own ``steps`` do not come first."""
    if max_episode_steps is None or max_episode_steps == -1:
        return None
    if isinstance(max_episode_steps, bool) or not isinstance(max_episode_steps, int) or max_episode_steps < 1:
        raise ValueError(f"max_episode_steps must be a whole number of at least 1, got {max_episode_steps!r}")
    return max_episode_steps if max_episode_steps < steps else None


__all__ = ["LanderVectorEnv"]
