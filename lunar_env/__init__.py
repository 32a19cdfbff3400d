"""lunar_env: landing on the Moon with an altimeter that is late, noisy and sometimes wrong."""

from lunar_env.descent import Descent, Transition
from lunar_env.missions import load_scenario, scenarios
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario
from lunar_env.task import Outcome

__version__ = "0.1.0"

__all__ = ["Descent", "Outcome", "Range", "Scenario", "Transition", "load_scenario", "scenarios"]
