"""What a pilot may wish for of a scenario: how it is shown to it, and never the descent itself.

The control mode, the readings in an observation, the time between decisions and the loop below its actions are choices
of a flight computer. Everything else is the vehicle, the Moon and the rules; a pilot that could change those would land
by changing them. This is the only place where wishes are taken in, whoever makes them: a class, a maker, a policy's
card or an exported file.
"""

import copy
from collections.abc import Mapping
from typing import Any

from lunar_env.flying.failures import called
from lunar_env.flying.pilot import PILOTS_OWN, Pilot, PilotMaker
from lunar_env.missions import load_scenario
from lunar_env.scenario import Scenario

ALLOWED = ("control", "history", *PILOTS_OWN)
IN_WORDS = "control, history, decision_period and guidance.*"


def own_copy(scenario: str | Scenario) -> Scenario:
    """The scenario for an evaluation's own use: it shares no part with a preset, which a pilot can reach and change."""
    return copy.deepcopy(load_scenario(scenario))


def shown_to(maker: type[Pilot] | PilotMaker, scenario: str | Scenario) -> Scenario:
    """The scenario as a pilot wants to fly it, which shares nothing with what the pilot was handed.

    Raises:
        KeyError, ValueError, TypeError: a wish that is none, or whose value is not allowed; the message names it.
        PilotError: a class failed to say what it wishes.
    """
    scenario = load_scenario(scenario)
    # What makes pilots of a name or a folder refuses wrong ones with errors of its own.
    passing = (Exception,) if isinstance(maker, PilotMaker) else ()
    return with_wishes(scenario, called(lambda: maker.wishes(copy.deepcopy(scenario)), passing=passing))


def with_wishes(scenario: Scenario, wishes: Any) -> Scenario:
    """A copy of the scenario with a pilot's wishes.

    Raises:
        KeyError: a wish for something that is not the pilot's to choose.
        TypeError, ValueError: a value that is not allowed, or wishes that are no table.
    """
    if not isinstance(wishes, Mapping):
        raise TypeError(f"a pilot's wishes are a table of changes to a scenario, got {type(wishes).__name__}")
    for path in wishes:
        if not isinstance(path, str) or path.split(".")[0] not in ALLOWED:
            raise KeyError(f"a pilot may not wish for {path!r}; allowed are {IN_WORDS}")
    return load_scenario(copy.deepcopy(scenario), **copy.deepcopy(dict(wishes)))


def wished(scenario: Scenario, shown: Scenario) -> dict[str, Any]:
    """What of a scenario is another one as it is shown to a pilot: its wishes that change something, by their paths."""
    before, after = _flat(scenario), _flat(shown)
    return {path: value for path, value in after.items() if value != before[path]}


def wishes_in_words(wishes: Mapping[str, Any]) -> str:
    """For instance "control=thrust_vector, decision_period=0.5"; empty without wishes."""
    return ", ".join(f"{path}={_value(value)}" for path, value in wishes.items())


def _flat(scenario: Scenario) -> dict[str, Any]:
    tree = scenario.to_dict()
    parts = {name: value if isinstance(value, dict) else {"": value} for name, value in tree.items() if name in ALLOWED}
    return {f"{name}.{key}" if key else name: value for name, part in parts.items() for key, value in part.items()}


def _value(value: Any) -> str:
    if isinstance(value, Mapping):  # a range
        return f"[{value['low']:g}, {value['high']:g}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
