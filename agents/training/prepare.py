"""What an experiment asks for, refused before a folder exists and hours are spent."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.policy.features import Features
from agents.policy.network import load_policy, read_card
from agents.reading import found as place_of
from agents.training.algorithms import ALGORITHMS, algorithm_of, names_of
from agents.training.curriculum import eased
from agents.training.devices import device_of, processes
from agents.training.experiment import ConfigError, Experiment
from agents.training.imitation import check_pilot
from agents.training.room import require_room_for
from agents.training.stages import practices_of, widest
from lunar_env import Scenario, load_scenario


def learner_of(algorithm: str) -> Callable[..., dict[str, Any]]:
    """What trains with an algorithm, in as many processes as there are. Raises ConfigError for more than it can."""
    row = algorithm_of(algorithm)
    if processes() > 1 and not row.several_processes:
        able = names_of([other for other in ALGORITHMS.values() if other.several_processes])
        raise ConfigError(f"{algorithm} trains in one process; start it without torchrun, or set algorithm={able}")
    return row.load_learner()


def first_process() -> bool:
    """Whether this process makes the folder, prints and evaluates. Those that torchrun starts beside it only learn."""
    return int(os.environ.get("RANK", 0)) == 0


def scenarios_of(wanted: Experiment) -> tuple[Scenario, Scenario]:
    """The scenario, and the one that training practises on: in stages, the one that holds them all."""
    device_of(wanted.device)  # refused now if it is not here
    scenario = load_scenario(wanted.scenario, **wanted.changes)
    practice = widest(practices_of(wanted, scenario))
    load_scenario(wanted.evaluation.flight or scenario)  # refused now if unknown
    if (practice.control, practice.history) != (scenario.control, scenario.history):
        raise ConfigError("practice may not change control or history: the pilot could not fly the scenario itself")
    Features(practice, wanted.network.differences)  # refused now if there is nothing to compare
    if wanted.imitation is not None:
        check_pilot(wanted.imitation.pilot, practice)  # refused now if it flies otherwise
    if wanted.curriculum is not None:
        eased(practice, wanted.curriculum.start)  # refused now if it has no fault to ease
    if wanted.network.start:
        check_start(wanted, practice)
    require_room_for(wanted, practice)
    return scenario, practice


def check_start(wanted: Experiment, practice: Scenario) -> None:
    """Refuse to begin with a policy of other layers, or of another task."""
    network, folder = wanted.network, place_of(Path(wanted.network.start))
    card = read_card(folder)
    own: dict[str, Any] = {"hidden": list(network.hidden), "memory": network.memory, "differences": network.differences}
    found = {"hidden": card["hidden"], "memory": card["memory"]["kind"], "differences": card["differences"]}
    if network.memory != "none":
        own["memory_size"], found["memory_size"] = network.memory_size, card["memory"]["size"]
    if own != found:
        raise ConfigError(
            f"network.start: the policy in {folder} has {found}, this experiment {own}; they must be equal"
        )
    load_policy(folder, practice)
