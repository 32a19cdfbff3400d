"""Presets by name. A mission is one file with its numbers, their sources and marks; it joins the list below.

Marks: [V] verified in the primary source, [V2] verified in a secondary one, [R] recalled, [C] computed, [P] proposed
by us. Source keys are those of the missions reference, section 9.
"""

import difflib
from typing import Any

from lunar_env.changes import change
from lunar_env.missions import (
    any_fault,
    apollo,
    beresheet,
    blue_ghost_m1,
    chandrayaan_2,
    chandrayaan_3,
    chang_e,
    gaudet,
    hakuto_r,
    im_1,
    im_2,
    lessons,
    luna_25,
    mars,
    resilience,
    series2_apex,
    slim,
    surveyor,
)
from lunar_env.missions.mission import FlightPlan, Mission
from lunar_env.scenario import Scenario

# By date, the newest first.
MISSIONS: tuple[Mission, ...] = (
    series2_apex.SERIES2_APEX,
    hakuto_r.M2,
    hakuto_r.M2_FROM_ORBIT,
    im_2.IM_2,
    blue_ghost_m1.BLUE_GHOST_M1,
    im_1.IM_1,
    slim.SLIM,
    chandrayaan_3.CHANDRAYAAN_3,
    luna_25.LUNA_25,
    hakuto_r.M1,
    chang_e.CHANG_E_5,
    chandrayaan_2.CHANDRAYAAN_2,
    beresheet.BERESHEET,
    chang_e.CHANG_E_4,
    mars.SCHIAPARELLI,
    chang_e.CHANG_E_3,
    mars.MARS_POLAR_LANDER,
    apollo.APOLLO_15,
    apollo.APOLLO_12,
    apollo.APOLLO_11,
    surveyor.SURVEYOR_3,
    surveyor.SURVEYOR,
)

PRESETS: dict[str, Scenario] = {
    preset.name: preset
    for preset in (
        lessons.VERTICAL,
        lessons.PLANAR,
        resilience.AS_PLANNED,
        resilience.RESILIENCE,
        resilience.REPLAY,
        resilience.ENGINE_LOSS,
        any_fault.ANY_FAULT,
        gaudet.NOMINAL,
        gaudet.SENSOR_BIAS,
        gaudet.ENGINE_FAILURE,
        gaudet.BEAMS,
        *(scenario for mission in MISSIONS for scenario in mission.scenarios),
    )
}


def plan_of(scenario: Scenario) -> FlightPlan:
    """The flight plan of the mission whose scenario this is, by its name; Resilience's for any other."""
    flown = {mission.flown.name: mission.plan for mission in MISSIONS}
    planned = {mission.planned.name: mission.plan for mission in MISSIONS if mission.planned is not None}
    return (planned | flown).get(scenario.name, resilience.PLAN)


def gym_id(name: str) -> str:
    """The Gymnasium id of a preset: ``chang_e_5`` is ``Lunar/ChangE5-v0``."""
    return "Lunar/" + "".join(word.capitalize() for word in name.split("_")) + "-v0"


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
