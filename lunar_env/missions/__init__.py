"""Presets by name. Every scenario and every mission that a file of this folder defines at its top is known.

Marks: [V] verified in the primary source, [V2] verified in a secondary one, [R] recalled, [C] computed, [P] proposed
by us. Source keys are those of the missions reference, section 9.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from lunar_env.changes import change, from_dict
from lunar_env.missions.mission import Mission
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.resilience import PLAN
from lunar_env.scenario import Scenario

FIRST = ("lessons", "resilience")  # what a newcomer meets first; other files follow by name, then the missions

_names = sorted((file.name for file in pkgutil.iter_modules(__path__)), key=lambda name: (name not in FIRST, name))
_files = [vars(importlib.import_module(f"{__name__}.{name}")) for name in _names if not name.startswith("_")]


def _defined(kind: type, files: list[dict[str, Any]]) -> list[Any]:
    return [value for file in files for value in file.values() if isinstance(value, kind)]


# By date, the newest first.
MISSIONS: tuple[Mission, ...] = tuple(
    sorted(
        {mission.name: mission for mission in _defined(Mission, _files)}.values(),
        key=lambda mission: mission.date,
        reverse=True,
    )
)


def by_name(presets: list[Scenario]) -> dict[str, Scenario]:
    """Presets by their names, in order. Raises ValueError where two have one name."""
    named: dict[str, Scenario] = {}
    for preset in presets:
        if named.setdefault(preset.name, preset) != preset:
            raise ValueError(f"two different presets are called {preset.name!r}; give one of them another name")
    return named


PRESETS: dict[str, Scenario] = by_name(
    [
        *_defined(Scenario, [file for file in _files if not _defined(Mission, [file])]),
        *(scenario for mission in MISSIONS for scenario in mission.scenarios),
        *_defined(Scenario, _files),
    ]
)


def plan_of(scenario: Scenario) -> FlightPlan:
    """The flight plan of the mission whose scenario this is, by its name; Resilience's for any other."""
    flown = {mission.flown.name: mission.plan for mission in MISSIONS}
    planned = {mission.planned.name: mission.plan for mission in MISSIONS if mission.planned is not None}
    return (planned | flown).get(scenario.name, PLAN)


def gym_id(name: str) -> str:
    """The Gymnasium id of a preset: ``chang_e_5`` is ``Lunar/ChangE5-v0``."""
    return "Lunar/" + "".join(word.capitalize() for word in name.split("_")) + "-v0"


def scenarios() -> list[str]:
    """Names of all presets."""
    return list(PRESETS)


def load_scenario(scenario: str | Scenario | Mapping[str, Any], /, **changes: Any) -> Scenario:
    """A preset by name, or a scenario, with changes: ``load_scenario("resilience", decision_period=0.1)``.

    A scenario may also be given as the tables that its ``to_dict`` wrote.

    Raises KeyError for an unknown name or path, ValueError or TypeError for a value that is not allowed.
    """
    if isinstance(scenario, str):
        if scenario not in PRESETS:
            close = difflib.get_close_matches(scenario, PRESETS, n=1)
            hint = f"; perhaps you meant {close[0]!r}" if close else ""
            raise KeyError(f"unknown scenario {scenario!r}{hint}; known: {', '.join(PRESETS)}")
        scenario = PRESETS[scenario]
    if isinstance(scenario, Mapping):
        scenario = from_dict(scenario)
    if not isinstance(scenario, Scenario):
        raise TypeError(f"scenario must be a name or a Scenario, got {type(scenario).__name__}")
    return change(scenario, changes)
