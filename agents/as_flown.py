"""``as_flown``: the mission's own flight computer, its plan and the way it knew its altitude.

On Resilience that is: on inertial altitude until the first valid range, then on the altimeter, down the only plan that
was published for the vehicle, the webcast of the first flight (M1, [V2: ASTV]). A scenario that is no mission's is
flown with that plan as well.
"""

import torch

from agents.pilot import require_control
from lunar_env import Scenario
from lunar_env.autopilot import Autopilot
from lunar_env.missions import plan_of
from lunar_env.orbit_autopilot import flight_computer


def as_flown(scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Autopilot:
    """A flight-like pilot: trusts its belief completely."""
    require_control("as_flown", scenario, "descent_rate")
    return flight_computer(plan_of(scenario), scenario, num_landers, device)
