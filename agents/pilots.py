"""All pilots by name. A new classical pilot is one file and one line here; a learned one is a folder."""

from collections.abc import Callable
from pathlib import Path

import torch

from agents.altimeter_braking import AltimeterBraking
from agents.as_flown import as_flown
from agents.cautious import Cautious
from agents.gated_filter import gated_filter
from agents.inertial import Inertial
from agents.pilot import Pilot
from agents.policy import load_policy, read_card
from agents.suicide_burn import SuicideBurn
from lunar_env import Scenario

CLASSICAL: dict[str, Callable[[Scenario, int, torch.device | str], Pilot]] = {
    "as_flown": as_flown,
    "cautious": Cautious,
    # The baselines that the faults of lunar_env/faults.py break.
    "altimeter_braking": AltimeterBraking,
    "gated_filter": gated_filter,
    "inertial": Inertial,
    "suicide_burn": SuicideBurn,
}
SHIPPED = {"reference": Path("runs/reference")}


def pilot_folder(name: str) -> Path | None:
    """Where a learned pilot lives; None for a classical one. Raises KeyError for an unknown name."""
    if name in CLASSICAL:
        return None
    if name in SHIPPED:
        return SHIPPED[name]
    if Path(name).is_dir():
        return Path(name)
    raise KeyError(f"unknown pilot {name!r}; known: {', '.join([*CLASSICAL, *SHIPPED])}, or the folder of a run")


def history_of(name: str) -> int:
    """How many readings the pilot wants to see at once."""
    folder = pilot_folder(name)
    return 1 if folder is None else int(read_card(folder)["history"])


def make_pilot(name: str, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Pilot:
    """A pilot for a batch of landers in a scenario that shows ``history_of(name)`` readings."""
    folder = pilot_folder(name)
    if folder is None:
        return CLASSICAL[name](scenario, num_landers, device)
    return load_policy(folder, scenario, device)
