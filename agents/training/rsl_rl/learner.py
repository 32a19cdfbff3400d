"""Training on the device: PPO of rsl-rl, in a loop that survives a kill and writes its metrics.

rsl-rl's own runner keeps neither random counters nor the environment's state, unpickles whatever is in a checkpoint,
and knows no process group but NCCL; hence a loop of our own around its algorithm.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agents.policy.network import save_policy
from agents.run_folder import RunFolderError
from agents.training.checkpoint import load_checkpoint, random_state, save_checkpoint, set_random_state
from agents.training.curriculum import RunningCurriculum
from agents.training.devices import device_of, processes
from agents.training.experiment import Experiment
from agents.training.finite import NotFiniteError, finite_gradients, stop
from agents.training.imitation import Imitator
from agents.training.progress import Diary, Listener, Tally
from agents.training.rsl_rl.cuda_graph import Recorded
from agents.training.rsl_rl.dialect import Descents, Quieter, build, extract_policy
from agents.training.rsl_rl.ppo import Recorder
from agents.training.rsl_rl.processes import (
    from_the_first,
    of_any,
    on_all,
    on_any,
    process_group,
    sums_of_all,
)
from agents.training.stages import Stages
from agents.training.stopping import Stopping
from lunar_env import Scenario


class Learner:
    """The loop: rollouts, updates, their metrics, and checkpoints from which it goes on bit for bit.

    Args:
        experiment: all numbers of the run.
        practice: the scenario trained on.
        scenario: the scenario the policy is for.
        folder: of the run.
        recorder: makes of work that is the same each time one that is recorded and replayed: a whole rollout, and a
            minibatch of an update. On a GPU that is ``Recorded``, on a CPU nothing.
    """

    def __init__(
        self,
        experiment: Experiment,
        practice: Scenario,
        scenario: Scenario,
        folder: Path,
        recorder: Recorder | None = None,
    ) -> None:
        self.experiment, self.scenario, self.folder = experiment, scenario, folder
        self.rank, self.ranks = int(os.environ.get("RANK", 0)), processes()
        self.device = device_of(experiment.device)
        if self.device.type == "cuda":
            recorder = partial(Recorded, device=self.device)
        self.recorder = recorder
        torch.manual_seed(experiment.seed)  # the same first weights in every process
        self.descents = Descents(experiment, practice, self.device, self.rank, at_once=recorder is not None)
        self.curriculum = None
        if experiment.curriculum is not None:
            self.curriculum = RunningCurriculum(self.descents.descent, **experiment.curriculum.model_dump())
            self.descents.begin()  # anew, and mildly
        self.stages = Stages(self.descents.descent, experiment, scenario) if experiment.stages else None
        if self.stages is not None:
            self.descents.begin()  # anew, as the first stage has it
        self.algorithm = build(experiment, self.descents, self.ranks, self.rank, recorder)
        self.quieter = Quieter(self.algorithm.actor, experiment) if experiment.ppo.last_deviation else None
        if self.quieter is not None:
            self.quieter.quieten(0.0)
        torch.manual_seed(experiment.seed + 1 + self.rank)  # but exploration of its own
        self.imitation = None
        if experiment.imitation is not None:
            self.imitation = Imitator(self.algorithm, experiment, practice, self.device)
            self.imitation.optimizer.register_step_pre_hook(self._note_gradients)
        self.seen = self.descents.observe()  # stays where it is: a recording reads it and leaves it
        self.ruined = torch.zeros((), dtype=torch.bool, device=self.device)  # a gradient was not finite
        self.tally = Tally(self.descents.descent)
        self._recorded: Callable[[], None] | None = None
        self.steps, self.steps_before, self.seconds = 0, 0, 0.0
        self.seconds_learning = 0.0
        self.algorithm.optimizer.register_step_pre_hook(self._note_gradients)
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
        wrong = self._what_is_wrong()
        losses = imitation.learn(self.steps)
        self._require_finite(wrong)
        self.steps += self.steps_each_time
        self.seconds_learning += time.perf_counter() - began
        return losses

    def rollout(self, imitation: Imitator | None = None) -> None:
        """Fly, and store what happened; ask the pilot about all of it if there is one to imitate.

        Without such a pilot, whose ways are its own, a GPU flies the whole rollout from a recording.
        """
        if self.recorder is None or imitation is not None:
            self._fly(imitation)
            return
        if self._recorded is None:
            self._recorded = self.recorder(self._fly)
        began = time.perf_counter()
        self.algorithm.storage.clear()
        self._recorded()
        self.algorithm.storage.step = self.experiment.ppo.steps  # which a recording does not count
        self.descents.seconds += time.perf_counter() - began

    @torch.no_grad()  # not inference_mode: the physics updates its tables in place
    def _fly(self, imitation: Imitator | None = None) -> None:
        algorithm, seen = self.algorithm, self.seen
        models = (algorithm.actor, algorithm.critic)
        memories = [model.get_hidden_state() for model in models]
        for _ in range(self.experiment.ppo.steps):
            action = algorithm.act(seen)
            if imitation is not None:
                imitation.ask(self.descents.descent.state.observation)
                action = algorithm.actor.output_mean  # noise would show it other descents than it will fly
            seen, flown, final = self.descents.step(action)
            # Before what follows: the next decision writes over it.
            self.tally.add(flown)
            extras = {"time_outs": flown.truncated, "final_obs": final}
            algorithm.process_env_step(seen, flown.reward, flown.done, extras)
            if imitation is not None:
                imitation.pilot.reset(flown.done)
            elif self.curriculum is not None:
                self.curriculum.add(flown)
        algorithm.compute_returns(seen)
        for name, table in self.seen.items():
            table.copy_(seen[name])
        for model, memory in zip(models, memories, strict=True):
            model.reset(hidden_state=kept(memory, model.get_hidden_state()))

    def update(self) -> dict[str, float]:
        """Learn from what is stored. Returns the losses, and waits for the device once: to read them.

        Whether all was finite is read with them. What was not has then been learned from, but the run ends before
        anything of it is kept.
        """
        began = time.perf_counter()
        if not self.experiment.ppo.desired_kl:
            left = max(1.0 - self.steps / self.experiment.total_steps, 0.03)
            self.algorithm.set_learning_rate(self.experiment.ppo.learning_rate * left)
        wrong = self._what_is_wrong()
        sums = self.algorithm.learn(recorded=not self._critic_learns_alone)
        losses = self.algorithm.losses(self._require_finite(wrong, sums))
        self.steps += self.steps_each_time
        if self.quieter is not None:
            done = (self.steps - self.steps_imitating) / (self.experiment.total_steps - self.steps_imitating)
            self.quieter.quieten(min(done, 1.0))
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
        self.seen, self._recorded = self.descents.observe(), None

    def _stored(self) -> list[tuple[str, torch.Tensor]]:
        """What is learned from, each (moments, N, numbers)."""
        storage = self.algorithm.storage
        return [
            *(("an observation", table) for table in storage.observations.values()),
            *(("the newest observation", table[None]) for table in self.seen.values()),
            ("an action", storage.actions),
            ("a reward", storage.rewards),
            ("a return", storage.returns),
        ]

    def _what_is_wrong(self) -> torch.Tensor:
        """(tables, N) of which landers what is stored is not finite; from here on gradients are watched."""
        self.ruined.zero_()
        return torch.stack([~torch.isfinite(table).all(dim=-1).all(dim=0) for _, table in self._stored()])

    def _require_finite(self, wrong: torch.Tensor, numbers: torch.Tensor | None = None) -> list[float]:
        """Stop if something was not finite here or in another process. Returns numbers, float64, read with it."""
        flags = of_any(torch.stack([wrong.any(), self.ruined]).double())
        *read, rollout, gradient = torch.cat([flags[:0] if numbers is None else numbers, flags]).tolist()
        if rollout:
            wrong = wrong.cpu()
            kinds = [kind for (kind, _), landers in zip(self._stored(), wrong, strict=True) if bool(landers.any())]
            if not kinds:
                raise NotFiniteError(
                    f"another process met what is not finite after {self.steps:,} decisions; see there"
                )
            first = self.rank * self.experiment.num_envs
            landers = [first + row for row in wrong.any(dim=0).nonzero().flatten().tolist()]
            self._stop(kinds[0], landers)  # what is wrong first makes the rest wrong
        if gradient:
            self._stop("a gradient", [])
        return read

    def _note_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Remember, without a wait, that a step was taken with what is not finite."""
        self.ruined |= ~finite_gradients(optimizer)

    @property
    def _critic_learns_alone(self) -> bool:
        return self.steps - self.steps_imitating < self.experiment.ppo.critic_first * self.steps_each_time

    def _let_the_critic_learn_first(self, *_: Any) -> None:
        """Keep a policy that begins well from following a value function that knows nothing yet."""
        if self._critic_learns_alone:
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
    with process_group(device_of(experiment.device)):
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


def kept(memory: Any, newer: Any) -> Any:
    """A memory with the numbers of a newer one, where it stood; the newer one itself if there was none."""
    if memory is None:
        return newer
    if isinstance(memory, tuple):
        return tuple(kept(*parts) for parts in zip(memory, newer, strict=True))
    return memory.copy_(newer)
