"""``LanderVecEnv``: a batch of descents for Stable-Baselines3, with one copy from the device per step."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.error import ResetNeeded

from lunar_env.descent import Descent, Transition
from lunar_env.env import FLYING, LABELS, LANDED, OUT_OF_TIME, RECORD, single_spaces
from lunar_env.extras import missing
from lunar_env.inputs.actions import DISCRETE_ACTIONS, as_tensor, discrete_numbers
from lunar_env.inputs.keywords import checked_options, checked_render_mode, checked_switches, chosen_scenario
from lunar_env.inputs.seeds import checked_seed
from lunar_env.scenario import Scenario

try:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ImportError(missing("LanderVecEnv", "stable_baselines3")) from error

PICTURES = 4  # landers that render() shows


class LanderVecEnv(VecEnv):
    """Many landers that share a scenario, as in ``PPO("MlpPolicy", LanderVecEnv("vertical", 256))``.

    Row i flies lander i of the seed. A lander that is done begins anew in the same step; only then has its
    info entries: ``terminal_observation``, ``TimeLimit.truncated``, ``episode`` (r, l, t, as ``Monitor``
    writes it, so none is needed), ``is_success``, ``outcome`` and the record that ``LanderEnv`` describes.
    Observations are scaled for networks already, so no ``VecNormalize`` is needed; on ``vertical`` it does harm, for
    most of its columns stand still. All landers share their attributes: ``set_attr`` for some of them only is
    refused, and ``env_method`` calls once.

    Args:
        scenario: a name from ``lunar_env.scenarios()`` or a ``Scenario``.
        num_envs: landers in the batch.
        seed: of the first reset; ``seed()`` sets another for the next one. Later resets go on to new
        episodes.
        device: "cpu" or "cuda", of the physics.
        render_mode: "rgb_array": pictures of the first four landers.
        control: another control mode.
        discrete: six actions instead of a box, as in ``LanderEnv``.
        labels: whether the infos of ends say which faults there were, ``faults`` and ``acting_faults``.
        threads: CPU threads of the physics, as ``Descent`` has them.
        **changes: of the scenario, such as ``decision_period=0.1``.
    """

    def __init__(
        self,
        scenario: str | Scenario | Mapping[str, Any] = "resilience",
        num_envs: int = 1,
        seed: int = 0,
        device: str | torch.device = "cpu",
        render_mode: str | None = None,
        control: str | None = None,
        discrete: bool = False,
        labels: bool = False,
        threads: int | None = None,
        **changes: Any,
    ) -> None:
        checked_render_mode(render_mode, ("rgb_array",))
        checked_switches(discrete=discrete, labels=labels)
        own = ("scenario", "num_envs", "seed", "device", "render_mode", "control", "discrete", "labels", "threads")
        if control is not None:
            changes["control"] = control
        self.scenario = chosen_scenario("LanderVecEnv", own, scenario, changes)
        self.descent = Descent(self.scenario, num_envs, device, seed, autoreset="same_step", threads=threads)
        self.render_mode = render_mode
        self.discrete = discrete
        self._record = (*RECORD, *(LABELS if labels else ()))
        self._at_once = self.descent.device.type != "cpu"  # what ends is copied unasked: to ask would be to wait
        super().__init__(self.descent.num_envs, *single_spaces(self.scenario, discrete))
        self._next_seed: int | None = checked_seed(seed)
        self._over = True
        self._actions: Any = None
        self._lengths = np.zeros(num_envs, dtype=np.int64)  # decisions taken in each lander's episode
        self._starts = np.zeros(num_envs)  # [s] on the clock of the machine

    def reset(self) -> np.ndarray:
        """Begin all episodes: the first ones of a new seed, or each lander's next. (num_envs, size)."""
        for options in self._options:
            checked_options(options)
        observation = self.descent.reset(seed=self._next_seed)
        self._next_seed, self._over = None, False
        self._lengths[:] = 0
        self._starts[:] = time.perf_counter()
        return observation.cpu().numpy()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Set the seed of the next reset; row i flies lander i of it. None draws one."""
        self._next_seed = int(np.random.randint(2**32, dtype=np.uint32)) if seed is None else checked_seed(seed)
        return [self._next_seed] * self.num_envs

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions for ``step_wait``, (num_envs, action size), or (num_envs,) if discrete; keeps a copy."""
        if self._over:
            raise ResetNeeded("there is no episode under way: call reset() before the first step")
        if self.discrete:
            numbers = discrete_numbers(actions, self.num_envs, torch.device("cpu"))
            self._actions = torch.from_numpy(DISCRETE_ACTIONS[numbers.numpy()])
        else:
            shape = (self.num_envs, self.descent.action_size)
            self._actions = as_tensor(actions, shape, self.scenario.action_names).clone()

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Fly one decision period: observation, reward, done and info of each lander."""
        transition = self.descent.step(self._actions)
        numbers = torch.stack([transition.reward, transition.outcome], dim=1)  # codes are small, so exact
        parts = [transition.observation, numbers]
        if self._at_once:
            parts += self._ends(transition, slice(None))
        table = torch.cat(parts, dim=1).cpu().numpy()  # one copy from the device
        width = transition.observation.shape[1]
        observation, reward, outcome = table[:, :width], table[:, width], table[:, width + 1]
        done = outcome != FLYING
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done.any():
            rows = np.flatnonzero(done)
            if self._at_once:
                ends = table[rows, width + 2 :]
            else:
                ends = torch.cat(self._ends(transition, torch.from_numpy(rows)), dim=1).numpy()
            self._report(rows, ends, infos)
        return np.ascontiguousarray(observation), reward.copy(), done, infos

    def _ends(self, transition: Transition, rows: slice | torch.Tensor) -> list[torch.Tensor]:
        """Of the episodes in some rows that ended: what they saw last, and their outcome, reward and record."""
        ended = transition.ended
        columns = [transition.outcome, ended["reward"], *(ended[name] for name in self._record)]
        return [transition.final_observation[rows], torch.stack([column[rows] for column in columns], dim=1)]

    def _report(self, rows: np.ndarray, ends: np.ndarray, infos: list[dict[str, Any]]) -> None:
        """Put what SB3 wants to know of the episodes that ended, and our record, into the infos of their rows."""
        width = self.descent.observations.size
        now = time.perf_counter()
        for row, final, numbers in zip(rows.tolist(), ends[:, :width], ends[:, width:].tolist(), strict=True):
            outcome, total, *record = numbers
            infos[row] = {
                "terminal_observation": final.copy(),
                "TimeLimit.truncated": outcome == OUT_OF_TIME,
                "episode": {"r": total, "l": int(self._lengths[row]), "t": round(now - self._starts[row], 6)},
                "is_success": outcome == LANDED,
                "outcome": int(outcome),
                **dict(zip(self._record, record, strict=True)),
            }
        self._lengths[rows] = 0
        self._starts[rows] = now

    def snapshot(self) -> dict[str, Any]:
        """A copy of everything that changes; ``restore`` continues from it bit for bit."""
        return {
            "descent": self.descent.snapshot(),
            "lengths": torch.from_numpy(self._lengths.copy()),
            "next_seed": self._next_seed,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Put a snapshot of this scenario and batch size back. The clock of ``episode``'s t starts anew."""
        self.descent.restore(snapshot["descent"])
        self._lengths[:] = snapshot["lengths"].numpy()
        self._next_seed, self._over = snapshot["next_seed"], False
        self._starts[:] = time.perf_counter()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy goes on from where the original stands; the clock of ``episode``'s t starts anew."""
        self.__dict__.update(state)
        self._starts[:] = time.perf_counter()

    def close(self) -> None:
        """There is nothing to close."""

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Pictures of the first landers, uint8 (height, width, 3)."""
        from lunar_env.rendering.view import picture

        return [picture(self.descent, row) for row in range(min(self.num_envs, PICTURES))]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute, of this object or its ``descent``, once for each lander asked for."""
        owner = self if hasattr(self, attr_name) else self.descent
        return [getattr(owner, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all landers."""
        if set(self._rows(indices)) != set(range(self.num_envs)):
            raise ValueError(
                f"all landers share {attr_name!r}, so it cannot be set for {indices} alone; leave indices out"
            )
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of this object or its ``descent`` once; its result, for each lander asked for."""
        owner = self if hasattr(self, method_name) else self.descent
        return [getattr(owner, method_name)(*method_args, **method_kwargs)] * len(self._rows(indices))

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """True for ``Monitor``, whose statistics are here already."""
        return [issubclass(wrapper_class, Monitor)] * len(self._rows(indices))

    def _rows(self, indices: Any) -> list[int]:
        rows = [int(row) for row in self._get_indices(indices)]
        if any(not -self.num_envs <= row < self.num_envs for row in rows):
            raise IndexError(f"indices must be below {self.num_envs}, got {indices}")
        return rows
