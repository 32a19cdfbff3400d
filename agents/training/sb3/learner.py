"""Training with Stable-Baselines3 on ``LanderVecEnv``: the familiar way, in a run that survives a kill."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.policy.network import save_policy
from agents.run_folder import RunFolderError
from agents.training.checkpoint import load_checkpoint, save_checkpoint
from agents.training.experiment import Experiment
from agents.training.progress import Diary, Listener, Tally
from agents.training.sb3.dialect import build, extract_policy, networks_at_once
from agents.training.sb3.guard import FiniteGuard
from agents.training.sb3.state import restore, snapshot
from agents.training.stopping import Stopping
from lunar_env import Scenario
from lunar_env.flying.side_by_side import threads_for_flights, torch_threads
from lunar_env.sb3 import LanderVecEnv

# Decisions of every lander, about, between two metrics of an off-policy run, which updates after each decision.
ROUND = 32


class Stopwatch:
    """Adds up the seconds spent inside a function."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added up."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            result = function(*arguments, **named)
            self.seconds += time.perf_counter() - began
            return result

        return wrapped


class ProgressCallback(BaseCallback):
    """Writes the metrics of each round, and leaves checkpoints from which the run goes on bit for bit.

    Both happen between an update and the next rollout, where nothing is half done.
    """

    def __init__(self, experiment: Experiment, scenario: Scenario, folder: Path, environment: LanderVecEnv) -> None:
        super().__init__()
        self.experiment, self.scenario, self.folder, self.environment = experiment, scenario, folder, environment
        self.diary: Diary  # opened when it is known how far the run has come
        self.stopping = Stopping(folder)
        self.tally = Tally(environment.descent)
        self.physics, self.learning = Stopwatch(), Stopwatch()
        environment.step_wait = self.physics.timed(environment.step_wait)  # type: ignore[method-assign]
        self.seconds_before = 0.0  # [s] of training before this run was resumed

    @property
    def seconds(self) -> float:
        """[s] of training in this process."""
        return time.perf_counter() - self.began

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up the landing rate and the training time of a checkpoint."""
        self.tally.restore(saved["tally"])
        self.seconds_before = saved["seconds"]

    def _init_callback(self) -> None:
        whole: Any = self.model
        whole.train = self.learning.timed(whole.train)

    def _on_training_start(self) -> None:
        self.began = self.saved_at = time.perf_counter()
        self.first = self.logged_at = self.num_timesteps
        off_policy = isinstance(self.model, OffPolicyAlgorithm)
        decisions = max(self.experiment.off_policy.steps, ROUND) if off_policy else self.experiment.ppo.steps
        self.round = decisions * self.experiment.num_envs

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            self.tally.add(self.environment.descent.transition())
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps - self.logged_at >= self.round:
            self.log()
            if self.stopping.asked or time.perf_counter() - self.saved_at > self.experiment.checkpoint_every:
                self.save()
            if self.stopping.asked:
                self.stopping.end()

    def _on_training_end(self) -> None:
        if self.num_timesteps > self.logged_at:
            self.log()
        self.save()

    def log(self) -> None:
        """Write the metrics of the newest round by their TensorBoard names; the losses have the names of SB3."""
        self.logged_at = self.num_timesteps
        steps, seconds = self.num_timesteps - self.first, self.seconds
        speed = {
            "speed/seconds": self.seconds_before + seconds,
            "speed/steps_per_second": steps / seconds,
            "speed/environment_steps_per_second": steps / self.physics.seconds,
            "speed/environment_share": self.physics.seconds / seconds,
        }
        if self.learning.seconds:  # not before the first update
            speed["speed/learner_steps_per_second"] = steps / self.learning.seconds
        self.diary.write(self.num_timesteps, {**self.tally.close(), **speed, **self.logger.name_to_value})
        self.logger.dump(self.num_timesteps)  # it has no output: this clears its values

    def save(self) -> None:
        """A checkpoint to go on from, and the policy as it is."""
        self.saved_at = time.perf_counter()
        state = snapshot(self.model, self.environment)
        progress = {"tally": self.tally.snapshot(), "seconds": self.seconds_before + self.seconds}
        save_checkpoint(self.folder, self.experiment.model_dump(mode="json"), {**state, **progress})
        card = {"trained_steps": self.num_timesteps, **self.experiment.pilots_card}
        save_policy(self.folder, extract_policy(self.model), self.scenario, card)


def learn(
    experiment: Experiment,
    practice: Scenario,
    scenario: Scenario,
    folder: Path,
    resume: bool,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Train, and leave the policy in ``folder``. Returns what the run's summary says about training.

    Args:
        experiment: all numbers of the run.
        practice: the scenario trained on.
        scenario: the scenario the policy is for; it differs from ``practice`` in what is drawn only.
        folder: of the run.
        resume: go on from the checkpoint in ``folder``.
        listener: hears what each round was like; what it raises ends the training, without another checkpoint.
    """
    threads = experiment.threads or torch.get_num_threads()
    with torch_threads(max(threads // networks_at_once(experiment), 1)):
        return learned(experiment, practice, scenario, folder, resume, listener, threads)


def learned(
    experiment: Experiment,
    practice: Scenario,
    scenario: Scenario,
    folder: Path,
    resume: bool,
    listener: Listener | None,
    threads: int,
) -> dict[str, Any]:
    """The same, with so many threads for the physics."""
    flying = threads_for_flights(experiment.num_envs, "cpu", threads)
    environment = LanderVecEnv(practice, experiment.num_envs, seed=experiment.seed, threads=flying)
    model = build(experiment, practice, environment)
    model.set_logger(Logger(folder=None, output_formats=[]))  # it gathers the losses; the diary writes them
    progress = ProgressCallback(experiment, scenario, folder, environment)
    if resume:
        saved = load_checkpoint(folder, experiment.model_dump(mode="json"))
        try:
            restore(model, environment, saved)
            progress.restore(saved)
        except (KeyError, RuntimeError, ValueError) as error:  # the same numbers, but another version of this package
            raise RunFolderError(f"the checkpoint in {folder} does not fit ({error}); start the run anew") from None
        del saved  # a replay buffer is large
    before = model.num_timesteps
    diary = Diary(folder, experiment.total_steps, before, listener=listener)
    with progress.stopping, diary as progress.diary:
        # The guard stands first, so that what it stops is not kept.
        callbacks: list[BaseCallback] = [FiniteGuard(folder, experiment.seed), progress]
        steps = max(experiment.total_steps - before, 0)
        model.learn(steps, callback=callbacks, log_interval=None, reset_num_timesteps=not resume)  # type: ignore[arg-type]
    return {
        "steps": model.num_timesteps,
        "seconds": progress.seconds_before + progress.seconds,
        "steps_per_second": (model.num_timesteps - before) / progress.seconds,
        "environment_share": progress.physics.seconds / progress.seconds,
        "landing_rate_while_exploring": progress.tally.landing_rate,
    }
