"""Training on the device: PPO of rsl-rl, in a loop that survives a kill and writes its metrics.

rsl-rl's own runner keeps neither random counters nor the environment's state, unpickles whatever is in a checkpoint,
and knows no process group but NCCL; hence a loop of our own around its algorithm.
"""

import os
import time
from pathlib import Path
from typing import Any

import torch

from agents.policy.network import save_policy
from agents.run_folder import RunFolderError
from agents.training.checkpoint import load_checkpoint, random_state, save_checkpoint, set_random_state
from agents.training.curriculum import RunningCurriculum
from agents.training.experiment import Experiment
from agents.training.finite import NotFiniteError, finite_gradients, stop
from agents.training.imitation import Imitator
from agents.training.progress import Diary, Listener, Tally
from agents.training.rsl_rl.dialect import Descents, build, extract_policy, quieten
from agents.training.rsl_rl.processes import from_the_first, on_all, on_any, process_group, sums_of_all
from agents.training.stages import Stages
from agents.training.stopping import Stopping
from lunar_env import Scenario


class Learner:
    """The loop: rollouts, updates, their metrics, and checkpoints from which it goes on bit for bit."""

    def __init__(self, experiment: Experiment, practice: Scenario, scenario: Scenario, folder: Path) -> None:
        self.experiment, self.scenario, self.folder = experiment, scenario, folder
        self.rank, self.ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device(experiment.device)
        torch.manual_seed(experiment.seed)  # the same first weights in every process
        self.descents = Descents(experiment, practice, self.device, self.rank)
        self.curriculum = None
        if experiment.curriculum is not None:
            self.curriculum = RunningCurriculum(self.descents.descent, **experiment.curriculum.model_dump())
            self.descents.begin()  # anew, and mildly
        self.stages = Stages(self.descents.descent, experiment, scenario) if experiment.stages else None
        if self.stages is not None:
            self.descents.begin()  # anew, as the first stage has it
        self.algorithm = build(experiment, self.descents, self.ranks, self.rank)
        if experiment.ppo.last_deviation:
            quieten(self.algorithm.actor, experiment, 0.0)
        torch.manual_seed(experiment.seed + 1 + self.rank)  # but exploration of its own
        self.imitation = None
        if experiment.imitation is not None:
            self.imitation = Imitator(self.algorithm, experiment, practice, self.device)
            self.imitation.optimizer.register_step_pre_hook(self._require_finite_gradients)
        self.seen = self.descents.observe()
        self.tally = Tally(self.descents.descent)
        self.steps, self.steps_before, self.seconds = 0, 0, 0.0
        self.seconds_learning = 0.0
        self.algorithm.optimizer.register_step_pre_hook(self._require_finite_gradients)
        self.algorithm.optimizer.register_step_pre_hook(self._let_the_critic_learn_first)

    @property
    def steps_each_time(self) -> int:
        """Decisions of all landers of all processes between two updates."""
        return self.experiment.ppo.steps * self.experiment.num_envs * self.ranks

    @property
    def steps_imitating(self) -> int:
        """Decisions before rewards count: whole rollouts."""
        if self.experiment.imitation is None:
            return 0
        return -(-self.experiment.imitation.steps // self.steps_each_time) * self.steps_each_time

    @property
    def imitating(self) -> Imitator | None:
        """The imitator as long as the training imitates, then None."""
        return self.imitation if self.steps < self.steps_imitating else None

    def imitate(self, imitation: Imitator) -> dict[str, float]:
        """Fly, and learn what the pilot would have done. Returns the losses."""
        self.rollout(imitation)
        began = time.perf_counter()
        self._require_finite_rollout()
        losses = imitation.learn(self.steps)
        self.steps += self.steps_each_time
        self.seconds_learning += time.perf_counter() - began
        return losses

    def rollout(self, imitation: Imitator | None = None) -> None:
        """Fly, and store what happened; ask the pilot about all of it if there is one to imitate."""
        with torch.no_grad():  # not inference_mode: the physics updates its tables in place
            for _ in range(self.experiment.ppo.steps):
                action = self.algorithm.act(self.seen)
                if imitation is not None:
                    imitation.ask(self.descents.descent.state.observation)
                    action = self.algorithm.actor.output_mean  # noise would show it other descents than it will fly
                self.seen, transition, final = self.descents.step(action)
                extras = {"time_outs": transition.truncated, "final_obs": final}
                self.algorithm.process_env_step(self.seen, transition.reward, transition.done, extras)
                self.tally.add(transition)
                if imitation is not None:
                    imitation.pilot.reset(transition.done)
                elif self.curriculum is not None:
                    self.curriculum.add(transition)
            self.algorithm.compute_returns(self.seen)

    def update(self) -> dict[str, float]:
        """Learn from what is stored. Returns the losses."""
        began = time.perf_counter()
        if not self.experiment.ppo.desired_kl:
            left = max(1.0 - self.steps / self.experiment.total_steps, 0.03)
            for group in self.algorithm.optimizer.param_groups:
                group["lr"] = self.experiment.ppo.learning_rate * left
        self._require_finite_rollout()
        losses = self.algorithm.update()
        self.steps += self.steps_each_time
        if self.experiment.ppo.last_deviation:
            done = (self.steps - self.steps_imitating) / (self.experiment.total_steps - self.steps_imitating)
            quieten(self.algorithm.actor, self.experiment, min(done, 1.0))
        self.seconds_learning += time.perf_counter() - began
        return losses

    def learn(self, diary: Diary, stopping: Stopping) -> None:
        """Train from ``steps`` to the end of the experiment, with checkpoints on the way, or to where it is stopped."""
        saved = began = time.perf_counter()
        before = self.seconds
        while self.steps < self.experiment.total_steps:
            if self.imitating is not None:
                losses = self.imitate(self.imitating)
            else:
                self.rollout()
                losses = self.update()
            now = time.perf_counter()
            self.seconds = before + now - began
            diary.write(self.steps, self.metrics(losses, now - began))
            if self.curriculum is not None:
                self.curriculum.promotes(*sums_of_all(self.curriculum.counts))
            if self.stages is not None:
                self.stages.enter(self.steps)
            # The first process's clock decides for all: their checkpoints have to be of one moment.
            stops = on_any(stopping.asked, self.device)
            due = stops or now - saved > self.experiment.checkpoint_every
            if self.steps < self.experiment.total_steps and from_the_first(due):
                saved = now
                self.save()
                if stops:
                    stopping.end()
        self.save()

    def metrics(self, losses: dict[str, float], seconds: float) -> dict[str, float]:
        """The metrics of the newest rollout and update by their TensorBoard names.

        Speeds are of all processes since this one began. On a GPU the environment's seconds are those that it takes
        to ask for a step: the physics goes on while the learner asks for more.
        """
        flown = self.steps - self.steps_before
        speed = {
            "speed/seconds": self.seconds,
            "speed/steps_per_second": flown / seconds,
            "speed/environment_steps_per_second": flown / self.descents.seconds,
            "speed/learner_steps_per_second": flown / self.seconds_learning,
            "speed/environment_share": self.descents.seconds / seconds,
        }
        practice = {} if self.curriculum is None else {"curriculum/severity": self.curriculum.severity}
        if self.stages is not None:
            practice["practice/stage"] = self.stages.number
        return {**self.tally.close(), **practice, **speed, **{f"loss/{name}": loss for name, loss in losses.items()}}

    def save(self) -> None:
        """A checkpoint to go on from, and the policy as it is."""
        save_checkpoint(self.folder, self.experiment.model_dump(mode="json"), self.snapshot(), self.rank)
        if self.rank == 0:
            further = {"trained_steps": self.steps, **self.experiment.pilots_card}
            save_policy(self.folder, extract_policy(self.algorithm.get_policy()), self.scenario, further)

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
            "curriculum": None if self.curriculum is None else self.curriculum.snapshot(),
            "imitation": None if self.imitating is None else self.imitating.snapshot(),
            "processes": self.ranks,
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a snapshot whose tensors are on the CPU."""
        if saved["processes"] != self.ranks:
            raise RunFolderError(
                f"{self.folder} was trained by {saved['processes']} processes together, but here are {self.ranks}; "
                f"resume it with torchrun --nproc-per-node {saved['processes']}"
            )
        algorithm = self.algorithm
        try:
            algorithm.load(saved["networks"], None, strict=True)
            algorithm.learning_rate = algorithm.optimizer.param_groups[0]["lr"]
            for model, memory in ((algorithm.actor, "actor"), (algorithm.critic, "critic")):
                model.reset(hidden_state=moved(saved["memories"][memory], self.device))
            self.descents.descent.restore(saved["descents"])
            self.tally.restore(saved["tally"])
            if self.curriculum is not None:
                self.curriculum.restore(saved["curriculum"])
            if self.stages is not None:
                self.stages.enter(saved["steps"])
            self.steps = self.steps_before = saved["steps"]
            if self.imitating is not None:
                self.imitating.restore(saved["imitation"], self.device)
            self.seconds = saved["seconds"]
            set_random_state(saved["random"], self.device)
        except (KeyError, RuntimeError, ValueError) as error:  # the same numbers, but another version of this package
            raise RunFolderError(f"the checkpoint in {self.folder} does not fit ({error}); start anew") from None
        self.seen = self.descents.observe()

    def _require_finite_rollout(self) -> None:
        """Before anything is learned from it."""
        storage = self.algorithm.storage
        stored = [
            *(("an observation", table) for table in storage.observations.values()),
            *(("the newest observation", table[None]) for table in self.seen.values()),
            ("an action", storage.actions),
            ("a reward", storage.rewards),
            ("a return", storage.returns),
        ]
        wrong = torch.stack([~torch.isfinite(table).all(dim=-1).all(dim=0) for _, table in stored])  # (tables, N)
        if not on_any(bool(wrong.any()), self.device):
            return
        wrong = wrong.cpu()
        kinds = [kind for (kind, _), landers in zip(stored, wrong, strict=True) if bool(landers.any())]
        if not kinds:
            raise NotFiniteError(f"another process met what is not finite after {self.steps:,} decisions; see there")
        first = self.rank * self.experiment.num_envs
        landers = [first + row for row in wrong.any(dim=0).nonzero().flatten().tolist()]
        self._stop(kinds[0], landers)  # what is wrong first makes the rest wrong

    def _require_finite_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Before a step is taken with them, so that no weight is ever ruined."""
        if not finite_gradients(optimizer):  # the same in all processes: they have shared them
            self._stop("a gradient", [])

    def _let_the_critic_learn_first(self, *_: Any) -> None:
        """Keep a policy that begins well from following a value function that knows nothing yet."""
        if self.steps - self.steps_imitating < self.experiment.ppo.critic_first * self.steps_each_time:
            for parameter in self.algorithm.actor.parameters():
                parameter.grad = None

    def _stop(self, what: str, landers: list[int]) -> None:
        """Put the rollout on disk and say whose it was; the checkpoints stay as they are."""
        storage = self.algorithm.storage
        batch = {
            **{f"observations.{name}": table for name, table in storage.observations.items()},
            **{f"newest_observation.{name}": table for name, table in self.seen.items()},
            "actions": storage.actions,
            "rewards": storage.rewards,
            "dones": storage.dones,
            "returns": storage.returns,
        }
        batch = {name: table.cpu() for name, table in batch.items()}
        stop(self.folder, what, batch, landers, self.experiment.seed, self.steps)


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
        folder: of the run; of several processes that learn together, the first one's counts.
        resume: go on from the checkpoint in ``folder``.
        listener: hears what each round was like; what it raises ends the training, without another checkpoint.
    """
    if experiment.threads:
        torch.set_num_threads(experiment.threads)
    with process_group(experiment.device):
        folder = Path(from_the_first(str(folder)))
        learner = Learner(experiment, practice, scenario, folder)
        if resume:
            common = on_all if learner.ranks > 1 else None
            learner.restore(load_checkpoint(folder, experiment.model_dump(mode="json"), learner.rank, common))
        before, seconds_before = learner.steps, learner.seconds
        diary = Diary(folder, experiment.total_steps, before, learner.rank == 0, listener)
        with Stopping(folder) as stopping, diary:
            learner.learn(diary, stopping)
    seconds = max(learner.seconds - seconds_before, 1e-9)
    return {
        "steps": learner.steps,
        "seconds": learner.seconds,
        "steps_per_second": (learner.steps - before) / seconds,
        "environment_share": learner.descents.seconds / seconds,
        "landing_rate_while_exploring": learner.tally.landing_rate,
    }


def moved(memory: Any, device: torch.device) -> Any:
    """A memory on a device: none, a tensor, or a pair of them."""
    if isinstance(memory, tuple):
        return tuple(part.to(device) for part in memory)
    return None if memory is None else memory.to(device)
