"""Presets by name. A mission is one file with its numbers, their sources and marks; it joins the list below.

Marks: [V] verified in the primary source, [V2] verified in a secondary one, [R] recalled, [C] computed, [P] proposed
by us. Source keys are those of the missions reference, section 9.
"""

import difflib
from typing import Any

from lunar_env.missions import lessons, resilience
from lunar_env.scenario import Scenario, change

PRESETS: dict[str, Scenario] = {
    preset.name: preset
    for preset in (
        lessons.VERTICAL,
        lessons.PLANAR,
        resilience.AS_PLANNED,
        resilience.RESILIENCE,
        resilience.REPLAY,
    )
}


def scenarios() -> list[str]:
    """Names of all presets."""
    return list(PRESETS)


def load_scenario(scenario: str | Scenario, /, **changes: Any) -> Scenario:
    """A preset by name, or a scenario, with changes: ``load_scenario("resilience", decision_period=0.1)``.

    Raises KeyError for an unknown name or path, ValueError or TypeError for a value that is not allowed.
    """
    if isinstance(scenario, str):
        if scenario not in PRESETS:
            close = difflib.get_close_matches(scenario, PRESETS, n=1)
            hint = f"; perhaps you meant {close[0]!r}" if close else ""
            raise KeyError(f"unknown scenario {scenario!r}{hint}; known: {', '.join(PRESETS)}")
        scenario = PRESETS[scenario]
    if not isinstance(scenario, Scenario):
        raise TypeError(f"scenario must be a name or a Scenario, got {type(scenario).__name__}")
    return change(scenario, changes)
