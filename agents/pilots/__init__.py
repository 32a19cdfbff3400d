"""All pilots by name. A new classical pilot is one file here; a learned one is the folder of a run."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agents.policy.network import load_policy, read_card
from agents.policy.onnx_file import read_onnx
from agents.policy.onnx_pilot import OnnxPilot, is_onnx_pilot
from agents.reading import CHECKOUT, found, looked_in
from lunar_env import Scenario
from lunar_env.flying.failures import called
from lunar_env.flying.pilot import Flies, Pilot, PilotMaker, require_inertial_state
from lunar_env.flying.user_pilot import is_user_pilot, load_user_pilot
from lunar_env.flying.wishes import shown_to


def _classes_in(name: str) -> list[type[Pilot]]:
    module = importlib.import_module(f"{__name__}.{name}")
    classes = (value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Pilot))
    return [kind for kind in classes if kind.__module__ == module.__name__ and not inspect.isabstract(kind)]


# Every pilot that a file of this folder defines. Some are the baselines that the faults of kinds.py break.
CLASSICAL: dict[str, type[Pilot]] = {
    kind.name: kind for file in pkgutil.iter_modules(__path__) if not file.ispkg for kind in _classes_in(file.name)
}
SHIPPED = {"reference": CHECKOUT / "runs" / "reference"}


def pilot_class(name: str) -> type[Pilot] | PilotMaker | None:
    """The class of a classical pilot, or what makes a user's own; None for a learned one."""
    return load_user_pilot(name) if is_user_pilot(name) else CLASSICAL.get(name)


def pilot_folder(name: str) -> Path:
    """Where a learned pilot lives. Raises KeyError for an unknown name."""
    if name in SHIPPED:
        return SHIPPED[name]
    folder = found(Path(name))
    if folder.is_dir():
        return folder
    known = ", ".join([*CLASSICAL, *SHIPPED])
    raise KeyError(
        f"unknown pilot {name!r}; known: {known}, the folder of a run (looked for {looked_in(Path(name))}), FILE.onnx, "
        "or FILE.py:NAME"
    )


def maker_of(name: str) -> type[Pilot] | PilotMaker:
    """What makes pilots of a name. Raises KeyError or ValueError for a wrong one."""
    return pilot_class(name) or NamedPilot(name)


def wishes_of(name: str, scenario: Scenario) -> dict[str, Any]:
    """Changes to a scenario: how the pilot wants to fly it."""
    kind = pilot_class(name)
    if kind is not None:
        return kind.wishes(scenario)
    if is_onnx_pilot(name):
        metadata = read_onnx(Path(name))[1]
        return {"control": metadata.control, "history": metadata.history, **metadata.wishes}
    card = read_card(pilot_folder(name))
    return {"control": card["control"], "history": int(card["history"]), **card["wishes"]}


def as_shown_to(name: str, scenario: str | Scenario) -> Scenario:
    """The scenario as the pilot wants to fly it: its control mode, its memory, its period; the descents stay."""
    return shown_to(maker_of(name), scenario)


def make_pilot(name: str, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Flies:
    """A pilot for a batch of landers in a scenario as ``as_shown_to`` has it."""
    kind = pilot_class(name)
    if kind is not None:
        if name in CLASSICAL:
            require_inertial_state(name, scenario)
        if is_user_pilot(name):
            return called(kind, scenario, num_landers, device)
        return kind(scenario, num_landers, device)
    if is_onnx_pilot(name):
        return OnnxPilot(Path(name), scenario, device)
    return load_policy(pilot_folder(name), scenario, device)


@dataclass(frozen=True)
class NamedPilot(PilotMaker):
    """A pilot by its name, for ``lunar_env.fly``."""

    name: str

    @property
    def side_by_side(self) -> bool:
        """Whether it is a learned one of ours: a few large operations, and nothing that two of them change.

        A classical one is hundreds of small operations, which wait for Python's lock more than they compute. Of a
        user's own nobody knows, and an exported one has threads enough.
        """
        return self.name not in CLASSICAL and not is_user_pilot(self.name) and not is_onnx_pilot(self.name)

    def wishes(self, scenario: Scenario) -> dict[str, Any]:
        """Changes to a scenario: how it wants to fly it."""
        return wishes_of(self.name, scenario)

    def __call__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Flies:
        """A pilot for a batch of landers."""
        return make_pilot(self.name, scenario, num_landers, device)
