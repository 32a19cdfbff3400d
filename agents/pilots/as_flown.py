"""``as_flown``: the mission's own flight computer, its plan and the way it knew its altitude.

On Resilience that is: on inertial altitude until the first valid range, then on the altimeter, down the only plan that
was published for the vehicle, the webcast of the first flight (M1, [V2: ASTV]). A scenario that is no mission's is
flown with that plan as well.
"""

import torch

from lunar_env import Scenario
from lunar_env.flight_computer.orbit import flight_computer
from lunar_env.flying.pilot import Pilot, require_control
from lunar_env.missions import plan_of


class AsFlown(Pilot):
    """The autopilot of a mission: flies its plan at the height that it believes, which it never questions."""

    name = "as_flown"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control(self.name, scenario, self.control)
        self.autopilot = flight_computer(plan_of(scenario), scenario, num_landers, device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.autopilot.reset(mask)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3) of the autopilot."""
        return self.autopilot.act(observation)
