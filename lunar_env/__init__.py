"""lunar_env: landing on the Moon with an altimeter that is late, noisy and sometimes wrong."""

from typing import Any

from gymnasium.envs.registration import register

from lunar_env.descent import Descent, Transition
from lunar_env.flying.episodes import Endings, fly
from lunar_env.flying.pilot import Pilot, PilotError
from lunar_env.missions import gym_id, load_scenario, scenarios
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario
from lunar_env.task import Outcome

__version__ = "0.1.0"

__all__ = [
    "Descent",
    "Endings",
    "Outcome",
    "Pilot",
    "PilotError",
    "Range",
    "Scenario",
    "Transition",
    "fly",
    "load_scenario",
    "scenarios",
]

# Each id is a scenario with a control mode. A change of dynamics, spaces or reward gives it a new version.
_IDS: dict[str, dict[str, Any]] = {
    "Lunar/PlanarDiscrete-v0": {"scenario": "planar", "discrete": True},
    "Lunar/Descent-v0": {"scenario": "resilience_as_planned"},
    "Lunar/Descent6-v0": {"scenario": "resilience_as_planned", "control": "body"},
    **{gym_id(name): {"scenario": name} for name in scenarios()},
}

# No max_episode_steps: the scenario's time limit truncates, in every shell at the same moment.
for _id, _arguments in _IDS.items():
    register(
        id=_id,
        entry_point="lunar_env.env:LanderEnv",
        vector_entry_point="lunar_env.vector_env:LanderVectorEnv",
        kwargs=_arguments,
    )
