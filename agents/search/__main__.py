"""Search for numbers: ``python -m agents.search configs/search/resilience.toml [--trials N] [--set key=value ...]``.

Each trial is a training run of its own, judged by descents that neither training nor the final evaluation flies. The
same command, after a kill or beside a running one, goes on with the same study.
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import optuna
import tyro
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState

from agents import train
from agents.command import answer, require_count
from agents.run_folder import make_folder, write_json
from agents.scoring.episodes import fly_episodes
from agents.search.plan import MOST_TRIALS, Plan, load_plan
from agents.search.result import sentence, write_result
from agents.search.study import counts, fail_the_killed, opened_study, repeat
from agents.training.experiment import ConfigError
from agents.training.finite import NotFiniteError
from agents.training.prepare import scenarios_of
from lunar_env.flying.pilot import PilotError
from lunar_env.flying.statistics import summary

FAILURES = (NotFiniteError, PilotError, ValueError)  # that a trial's numbers are to blame for: the search goes on
PAUSE = 1.0  # [s] between two looks at what other processes do


@dataclass(frozen=True)
class Arguments:
    """Search for the numbers of an experiment."""

    config: Annotated[Path, tyro.conf.Positional]
    """TOML file of the search."""
    trials: int | None = None
    """Of this process at most; by default it goes on until the study has as many as the file says."""
    storage: str = ""
    """Database of the study as an address of SQLAlchemy; by default study.db in the folder."""
    set: tuple[str, ...] = ()
    """Changes to the experiment, as key.path=value."""
    seed: int = 0
    """Of what draws the trials' numbers."""
    out: Path | None = None
    """Folder of the trials' runs; by default runs/search_<name>_s<seed>."""


def main() -> int:
    """The command line. Returns the exit code: 0 if any trial is complete, 1 if none is, 2 for a wrong request."""
    stays = "the same command goes on, and tries the numbers of the last trial again"
    return answer("agents.search", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> int:
    """Open the study, add trials, print the best. Returns the exit code, 0 or 1."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a line for each trial is ours
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise ConfigError("a search is one process; start it without torchrun, several times with the same --storage")
    if arguments.trials is not None:
        require_count("trials", arguments.trials, 1, MOST_TRIALS)
    if not 0 <= arguments.seed < 2**32:
        raise ConfigError(f"--seed must be 0 to {2**32 - 1}, got {arguments.seed}")
    plan = load_plan(arguments.config, arguments.set, arguments.seed)
    out = arguments.out or Path("runs") / f"search_{plan.name}"
    make_folder(out)
    try:
        with opened_study(plan, arguments.storage or f"sqlite:///{out / 'study.db'}") as study:
            print(f"study {plan.name!r} searches for {', '.join(plan.search.space)}; trials in {out}")
            add_trials(study, Objective(plan, out), plan.search.trials, arguments.trials)
            return 0 if write_result(plan, study, out) else 1
    except StorageInternalError as error:
        raise ConfigError(f"the study's database failed ({error}); the same command goes on once it is back") from None


def add_trials(study: optuna.Study, objective: "Objective", total: int, most: int | None) -> None:
    """Add trials until the study has ``total`` of all processes, or this one has added ``most``.

    Waits for the trials of other processes in the end: one of them may be killed, and its numbers tried again.
    """
    added, waits = 0, False
    while added != most:
        fail_the_killed(study)
        trials = study.get_trials(deepcopy=False)
        # Without a folder, one was killed before its first sign of life: Optuna would wait for another for ever.
        running = sum(trial.state == TrialState.RUNNING and "folder" in trial.user_attrs for trial in trials)
        counted = sum(counts(trial) for trial in trials)
        if counted >= total:
            return
        if counted + running < total:
            add_trial(study, objective)
            added, waits = added + 1, False
            continue
        if not waits:
            print(f"{counted} of {total} trials are done; waiting for {running} of other processes")
        waits = True
        time.sleep(PAUSE)


def add_trial(study: optuna.Study, objective: "Objective") -> None:
    """Add one trial, and record how it ended."""
    objective.number = -1
    try:
        study.optimize(objective, n_trials=1, catch=FAILURES, gc_after_trial=True)
    except ValueError:  # Optuna's, if another process took this one for dead, and has its numbers tried again
        if objective.number < 0 or study.get_trials(deepcopy=False)[objective.number].state != TrialState.FAIL:
            raise
    print(sentence(study.get_trials(deepcopy=False)[objective.number]))


class Objective:
    """What a trial is worth: it trains in a folder of its own, then flies the validation's episodes.

    A trial that its own numbers ruin is marked with the error; numbers that something else stopped are tried again.
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan, self.out = plan, out
        self.number = -1  # of the trial that has begun

    def __call__(self, trial: optuna.Trial) -> float:
        """The share of episodes that meet the objective."""
        self.number = trial.number
        try:
            return self.worth(trial)
        except (optuna.TrialPruned, UpdateFinishedTrialError):
            raise
        except FAILURES as error:
            trial.set_user_attr("error", str(error))
            raise
        except BaseException:
            repeat(trial.study, trial)
            raise

    def worth(self, trial: optuna.Trial) -> float:
        """Train and judge."""
        search = self.plan.search
        folder = self.out / f"trial_{trial.number:04d}"
        trial.set_user_attr("folder", str(folder))
        chosen = [f"{path}={entry.suggest(trial, path)}" for path, entry in search.space.items()]
        trial.set_user_attr("set", chosen)
        print(f"trial {trial.number}: {' '.join(chosen)}")
        request = train.Arguments(self.plan.base, (*self.plan.overrides, *chosen), folder)
        reports = Reports(trial, search.pruning.reports, self.plan.experiment(*chosen).total_steps)
        wanted, _, _ = train.trained(request, reports)

        scenario, _ = scenarios_of(wanted)
        episodes, seed = search.validation.episodes, search.validation.seed
        flights = fly_episodes(str(folder), scenario, episodes, seed, wanted.device)
        row = {**summary(scenario.name, folder.name, flights.outcome, flights.record), "seed": seed}
        write_json(folder / "validation.json", row)
        speed = row["touchdown"]["vertical_speed"]
        validation = {name: row[name] for name in ("episodes", "landed", "landed_strict", "wilson")}
        validation["touchdown_speed"] = None if speed is None else speed["mean"]  # none if no lander met the ground
        trial.set_user_attr("validation", validation)
        return float(row[search.objective] / episodes)


class Reports:
    """Reports a training's landing rates to its study, at the same moments of each, and stops it if others were better.

    Args:
        trial: whose training it is.
        moments: evenly spread over the training.
        total: decisions of all landers in the whole training.
    """

    def __init__(self, trial: optuna.Trial, moments: int, total: int) -> None:
        self.trial, self.moments, self.total = trial, moments, total
        self.reported = 0  # moments
        self.landed, self.ended = 0.0, 0.0  # episodes since the newest of them

    def __call__(self, steps: int, metrics: Mapping[str, Any]) -> None:
        """Hear what the newest round was like: a listener of the training.

        The landing rate is of the flights that ended since the moment before, noise that explores included; the one on
        the bar looks back too far for trainings of a few dozen updates.
        """
        self.ended += metrics["episodes"]
        self.landed += metrics["episodes"] * metrics.get("outcome/landed", 0.0)
        reached = min(self.moments * steps // self.total, self.moments)
        if reached == self.reported:
            return
        for moment in range(self.reported + 1, reached + 1):
            self.trial.report(self.landed / max(self.ended, 1.0), moment)
        self.reported, self.landed, self.ended = reached, 0.0, 0.0
        # What is trained to the end is judged as well: that costs little.
        if reached < self.moments and self.trial.should_prune():
            raise optuna.TrialPruned


if __name__ == "__main__":
    sys.exit(main())
