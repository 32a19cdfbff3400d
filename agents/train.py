"""Train a pilot: ``python -m agents.train configs/resilience.toml [--set key=value ...] [--out runs/DIR]``.

Ends by flying the trained pilot and the classical ones on descents that training never met.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from agents.command import answer
from agents.evaluate import Campaign, check, evaluate
from agents.policy.network import read_card
from agents.reading import read_json
from agents.run_folder import (
    RunFolderError,
    emptied_if_nothing_came,
    lock_folder,
    new_run_folder,
    provenance,
    write_json,
)
from agents.training.experiment import ConfigError, Experiment, experiment, load_experiment
from agents.training.prepare import first_process, learner_of, scenarios_of


@dataclass(frozen=True)
class Arguments:
    """Train a pilot, then evaluate it beside the classical ones."""

    config: Annotated[Path | None, tyro.conf.Positional] = None
    """TOML file of the experiment; not needed with --resume."""
    set: tuple[str, ...] = ()
    """Changes to it, as key.path=value."""
    out: Path | None = None
    """Folder of the run; by default runs/<time>_<name>_s<seed>."""
    resume: Path | None = None
    """Go on with the run in this folder."""


def main() -> int:
    """The command line. Returns the exit code."""
    stays = (
        "what a checkpoint has is kept in the run's folder, go on with --resume; without one the folder is free again"
    )
    return answer("agents.train", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> None:
    """Prepare the folder, train, evaluate. The folder is this process's alone until all is done."""
    with contextlib.ExitStack() as locks:
        wanted, folder, record = trained_in(arguments, locks)
        if first_process():
            evaluate_run(wanted, folder, record)


def evaluate_run(wanted: Experiment, folder: Path, record: dict[str, Any]) -> None:
    """Fly what was trained beside the classical pilots."""
    training = record["training"]
    facts = [
        ("command", record["command"]),
        ("commit", record["commit"]),
        ("training", f"{training['steps']:,} decisions in {training['seconds'] / 60:.1f} minutes, seed {wanted.seed}"),
        ("machine", f"{record['system']}, device {record['device']}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in record["packages"].items())),
    ]
    began = time.perf_counter()
    evaluate(campaign_of(wanted, folder, (*wanted.evaluation.pilots, str(folder)), facts))
    print(f"evaluated in {time.perf_counter() - began:.0f} s")


def trained(
    arguments: Arguments, listener: Callable[..., None] | None = None
) -> tuple[Experiment, Path, dict[str, Any]]:
    """Prepare the folder and train, without the final evaluation. Returns what ``run.json`` holds as well."""
    with contextlib.ExitStack() as locks:
        return trained_in(arguments, locks, listener)


def trained_in(
    arguments: Arguments, locks: contextlib.ExitStack, listener: Callable[..., None] | None = None
) -> tuple[Experiment, Path, dict[str, Any]]:
    """The same, in a folder that stays locked until ``locks`` are let go."""
    wanted, folder = open_run(arguments, locks)
    if arguments.resume is not None or listener is not None:
        return wanted, folder, train_on(wanted, folder, arguments.resume is not None, listener)
    with emptied_if_nothing_came(folder):
        return wanted, folder, train_on(wanted, folder, False, None)


def train_on(wanted: Experiment, folder: Path, resume: bool, listener: Callable[..., None] | None) -> dict[str, Any]:
    """Train in a folder that is ready. Returns what ``run.json`` holds."""
    scenario, practice = scenarios_of(wanted)
    record = {"seed": wanted.seed, **provenance(wanted.device)}
    if first_process():
        write_json(folder / "run.json", record)
        print(
            f"training on {scenario.name!r}: {wanted.total_steps:,} decisions of {wanted.num_envs} landers, "
            f"into {folder}"
        )

    training = learner_of(wanted.algorithm)(wanted, practice, scenario, folder, resume, listener)
    if not first_process():
        return record
    record["training"] = training
    write_json(folder / "policy.json", {**read_card(folder), "commit": record["commit"], "training": training})
    write_json(folder / "run.json", record)  # the last: a run whose training stands in it is finished
    print(
        f"trained {training['steps']:,} decisions in {training['seconds'] / 60:.1f} min, "
        f"{training['steps_per_second']:,.0f} per s, "
        f"{100 * training['environment_share']:.0f} % of the time in the environment"
    )
    return record


def open_run(arguments: Arguments, locks: contextlib.ExitStack) -> tuple[Experiment, Path]:
    """The experiment and its folder, locked by the first process: fresh, or the one to resume."""
    if arguments.resume is not None:
        path = arguments.resume / "config.json"
        if arguments.config is not None or arguments.set or arguments.out is not None:
            raise ConfigError(
                "--resume takes everything from the run's folder; give no configuration, --set or --out with it"
            )
        try:
            wanted = experiment(read_json(path)["experiment"], str(path))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"cannot resume {arguments.resume}: {path} is missing or broken ({error})") from None
        if first_process():
            lock_folder(arguments.resume, locks)
        return wanted, arguments.resume
    if arguments.config is None:
        raise ConfigError("name a configuration, such as configs/resilience.toml, or --resume a run")
    wanted = load_experiment(arguments.config, arguments.set)
    scenario, practice = scenarios_of(wanted)  # refuse before a folder exists and hours are spent
    check(campaign_of(wanted, Path(), wanted.evaluation.pilots, []))
    learner_of(wanted.algorithm)
    if not first_process():
        return wanted, Path()  # the learner says which folder the first process has made
    folder = new_run_folder(arguments.out, arguments.config.stem, wanted.seed, locks)
    resolved = {
        "experiment": wanted.model_dump(mode="json"),
        "scenario": scenario.to_dict(),
        "practice": practice.to_dict(),
    }
    write_json(folder / "config.json", resolved)
    return wanted, folder


def campaign_of(wanted: Experiment, folder: Path, pilots: tuple[str, ...], facts: list[tuple[str, str]]) -> Campaign:
    """The evaluation that the run ends with."""
    scenario, _ = scenarios_of(wanted)
    final = wanted.evaluation
    return Campaign((scenario,), pilots, final.episodes, final.seed, folder, final.flight or scenario.name, facts)


if __name__ == "__main__":
    sys.exit(main())
