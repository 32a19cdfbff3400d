"""Training on the device: PPO of rsl-rl, in a loop that survives a kill and tells what it does.

rsl-rl's own runner keeps neither random counters nor the environment's state, unpickles whatever is in a checkpoint,
and knows no process group but NCCL; hence a loop of our own around its algorithm.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from agents.checkpoint import load_checkpoint, random_state, save_checkpoint, set_random_state
from agents.config import Experiment
from agents.policy import save_policy
from agents.rsl_rl_dialect import Descents, build, extract_policy
from agents.telling import Diary, Tally
from lunar_env import Scenario


class NotFiniteError(ArithmeticError):
    """Raised when a reward, a loss or a gradient is not a number; the message says where the batch is."""


class Learner:
    """The loop: rollouts, updates, what is told of them, and checkpoints from which it goes on bit for bit."""

    def __init__(self, experiment: Experiment, practice: Scenario, scenario: Scenario, folder: Path) -> None:
        self.experiment, self.scenario, self.folder = experiment, scenario, folder
        self.rank, self.ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device(experiment.device)
        torch.manual_seed(experiment.seed)  # the same first weights in every process
        self.descents = Descents(experiment, practice, self.device, self.rank)
        self.algorithm = build(experiment, self.descents, self.ranks, self.rank)
        torch.manual_seed(experiment.seed + 1 + self.rank)  # but exploration of its own
        self.seen = self.descents.observe()
        self.tally = Tally(self.descents.descent)
        self.steps, self.steps_before, self.seconds = 0, 0, 0.0
        self.algorithm.optimizer.register_step_pre_hook(self._require_finite_gradients)

    @property
    def steps_each_time(self) -> int:
        """Decisions of all landers of all processes between two updates."""
        return self.experiment.ppo.steps * self.experiment.num_envs * self.ranks

    def rollout(self) -> None:
        """Fly, and store what happened."""
        with torch.no_grad():  # not inference_mode: the physics updates its tables in place
            for _ in range(self.experiment.ppo.steps):
                action = self.algorithm.act(self.seen)
                self.seen, transition, final = self.descents.step(action)
                extras = {"time_outs": transition.truncated, "final_obs": final}
                self.algorithm.process_env_step(self.seen, transition.reward, transition.done, extras)
                self.tally.add(transition)
            self.algorithm.compute_returns(self.seen)

    def update(self) -> dict[str, float]:
        """Learn from what is stored. Returns the losses."""
        left = max(1.0 - self.steps / self.experiment.total_steps, 0.03)
        for group in self.algorithm.optimizer.param_groups:
            group["lr"] = self.experiment.ppo.learning_rate * left
        storage = self.algorithm.storage
        finite = torch.isfinite(storage.rewards) & torch.isfinite(storage.returns)
        if not bool(finite.all()):
            self._stop("a reward or a return", finite)
        losses = self.algorithm.update()
        self.steps += self.steps_each_time
        return losses

    def learn(self, diary: Diary) -> None:
        """All of it, from where the steps stand."""
        saved = began = time.perf_counter()
        before = self.seconds
        while self.steps < self.experiment.total_steps:
            self.rollout()
            losses = self.update()
            now = time.perf_counter()
            self.seconds = before + now - began
            diary.write(self.steps, self.told(losses, now - began))
            if now - saved > self.experiment.checkpoint_every:
                saved = now
                self.save()
        self.save()

    def told(self, losses: dict[str, float], seconds: float) -> dict[str, float]:
        """What the newest rollout and update were like, by the names of TensorBoard."""
        speed = {
            "speed/steps_per_second": (self.steps - self.steps_before) / seconds,
            "speed/environment_share": self.descents.seconds / seconds,
        }
        return {**self.tally.close(), **speed, **{f"loss/{name}": loss for name, loss in losses.items()}}

    def save(self) -> None:
        """A checkpoint to go on from, and the policy as it is."""
        save_checkpoint(self.folder, self.experiment.model_dump(mode="json"), self.snapshot(), self.rank)
        if self.rank == 0:
            told = {"trained_steps": self.steps, "seed": self.experiment.seed}
            save_policy(self.folder, extract_policy(self.algorithm.get_policy()), self.scenario, told)

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        algorithm = self.algorithm
        memories = {"actor": algorithm.actor.get_hidden_state(), "critic": algorithm.critic.get_hidden_state()}
        return {
            "networks": algorithm.save(),
            "memories": memories,
            "descents": self.descents.descent.snapshot(),
            "random": random_state(self.device),
            "tally": self.tally.snapshot(),
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        saved = moved(saved, self.device)
        self.algorithm.load(saved["networks"], None, strict=True)
        for name, memory in saved["memories"].items():
            getattr(self.algorithm, name).reset(hidden_state=memory)
        self.descents.descent.restore(saved["descents"])
        self.tally.restore(saved["tally"])
        self.steps = self.steps_before = saved["steps"]
        self.seconds = saved["seconds"]
        self.seen = self.descents.observe()
        set_random_state(saved["random"], self.device)

    def _require_finite_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Before a step is taken with them, so that no weight is ever ruined."""
        gradients = [p.grad.norm() for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not bool(torch.isfinite(torch.stack(gradients)).all()):
            self._stop("a loss or a gradient", torch.isfinite(self.algorithm.storage.returns))

    def _stop(self, what: str, finite: torch.Tensor) -> None:
        """Put the rollout on disk and say where; the checkpoints stay as they are."""
        storage, path = self.algorithm.storage, self.folder / "not_finite.pt"
        where = (~finite.squeeze(-1)).nonzero()
        landers = sorted({int(lander) for _, lander in where})
        batch = {
            "observations": dict(storage.observations.items()),
            "actions": storage.actions,
            "rewards": storage.rewards,
            "dones": storage.dones,
            "returns": storage.returns,
            "landers": landers,
            "seed": self.experiment.seed,
            "steps": self.steps,
        }
        torch.save(batch, path)
        which = f"landers {landers[:8]} of seed {self.experiment.seed}" if landers else "all rewards are finite"
        raise NotFiniteError(
            f"{what} was not finite after {self.steps:,} decisions ({which}); the rollout is in {path}. "
            "The newest checkpoint is from before; try a smaller learning rate"
        )


def learn(experiment: Experiment, practice: Scenario, scenario: Scenario, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, and leave the policy in ``folder``. Returns what the run's summary says about training.

    Args:
        experiment: all numbers of the run.
        practice: the scenario trained on.
        scenario: the scenario the policy is for; it differs from ``practice`` in what is drawn only.
        folder: of the run.
        resume: go on from the checkpoint in ``folder``.
    """
    if experiment.threads:
        torch.set_num_threads(experiment.threads)
    with process_group(experiment.device):
        learner = Learner(experiment, practice, scenario, folder)
        if resume:
            learner.restore(load_checkpoint(folder, experiment.model_dump(mode="json"), learner.rank))
        before, seconds_before = learner.steps, learner.seconds
        with Diary(folder, experiment.total_steps, before, shown=learner.rank == 0) as diary:
            learner.learn(diary)
    seconds = max(learner.seconds - seconds_before, 1e-9)
    return {
        "steps": learner.steps,
        "seconds": learner.seconds,
        "steps_per_second": (learner.steps - before) / seconds,
        "environment_share": learner.descents.seconds / seconds,
        "landing_rate_while_exploring": diary.landing_rate,
    }


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """What torchrun's processes share: NCCL between GPUs, gloo between CPUs. Nothing for a process on its own."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def moved(tree: Any, device: torch.device) -> Any:
    """The same tree with its tensors on a device; random counters stay on the CPU."""
    if isinstance(tree, torch.Tensor):
        return tree if tree.dtype == torch.uint8 else tree.to(device)
    if isinstance(tree, dict):
        return {key: moved(value, device) for key, value in tree.items()}
    return type(tree)(moved(value, device) for value in tree) if isinstance(tree, list | tuple) else tree
