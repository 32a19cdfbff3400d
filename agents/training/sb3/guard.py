"""``FiniteGuard``: stops an SB3 run at the first number that is not finite, before it reaches a weight that is kept."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.training.finite import finite_gradients, stop
from agents.training.sb3.state import optimizers_of

ROLLOUT = ("observations", "actions", "rewards", "returns", "values", "episode_starts")


class FiniteGuard(BaseCallback):
    """Checks observations, rewards, returns, losses, and the gradients of every step of every optimiser.

    Args:
        folder: of the run; the offending batch goes there.
        seed: of the descents.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__()
        self.folder, self.seed = folder, seed

    def _init_callback(self) -> None:
        for optimizer in optimizers_of(self.model).values():
            optimizer.register_step_pre_hook(self._require_finite_gradients)

    def _on_step(self) -> bool:
        rewards, seen, infos = (self.locals[name] for name in ("rewards", "new_obs", "infos"))
        finite_reward, finite_observation = np.isfinite(rewards), np.isfinite(seen).all(axis=1)
        for row in np.flatnonzero(self.locals["dones"]):
            finite_observation[row] &= np.isfinite(infos[row]["terminal_observation"]).all()
        if not (finite_reward & finite_observation).all():
            whole: Any = self.model
            batch = {"observations": whole._last_obs, "actions": self.locals["actions"], "rewards": rewards}
            what = "an observation" if finite_reward.all() else "a reward"
            self._stop(what, {**batch, "next_observations": seen}, ~(finite_reward & finite_observation))
        return True

    def _on_rollout_end(self) -> None:
        """A value may be infinite, and with it the return of an episode that the clock cut off."""
        if isinstance(self.model, OffPolicyAlgorithm):
            return
        buffer = self._learnt_from()
        finite = torch.isfinite(buffer["rewards"]) & torch.isfinite(buffer["returns"])
        if not bool(finite.all()):
            self._stop("a reward or a return", buffer, (~finite).any(dim=0).numpy())

    def _on_rollout_start(self) -> None:
        losses = {name: value for name, value in self.logger.name_to_value.items() if name.endswith("loss")}
        wrong = [name for name, value in losses.items() if not np.isfinite(value)]
        if wrong:
            self._stop(wrong[0], self._learnt_from())

    def _on_training_end(self) -> None:
        self._on_rollout_start()

    def _require_finite_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if not finite_gradients(optimizer):
            name = next(name for name, known in optimizers_of(self.model).items() if known is optimizer)
            self._stop(f"a loss or a gradient of the {name}", self._learnt_from())

    def _learnt_from(self) -> dict[str, Any]:
        """The newest minibatch from the replay buffer, or the rollout."""
        whole: Any = self.model
        if isinstance(self.model, OffPolicyAlgorithm):
            batch = whole.replay_buffer.newest._asdict()
            return {name: table for name, table in batch.items() if isinstance(table, torch.Tensor)}
        return {name: torch.from_numpy(getattr(whole.rollout_buffer, name)) for name in ROLLOUT}

    def _stop(self, what: str, batch: dict[str, Any], landers: np.ndarray | None = None) -> None:
        """Raise, naming the landers in a mask (N,) bool."""
        rows = [] if landers is None else np.flatnonzero(landers).tolist()
        tensors = {
            name: table if isinstance(table, torch.Tensor) else torch.from_numpy(table) for name, table in batch.items()
        }
        stop(self.folder, what, tensors, rows, self.seed, self.model.num_timesteps)
