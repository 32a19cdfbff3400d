"""``dr_dv``: energy-optimal feedback to the pad, the classical baseline of Gaudet's papers (missions reference, 6.2).

As published, see agents/guidance/dr_dv.py: the time to go is solved for at each call. As programmed: a vehicle that
turns at once, as the papers' point mass, flies it to the ground. The law's thrust leans most at its end, so a vehicle
that takes time to stand up ends it higher and is let down.
"""

import torch

from agents.guidance.dr_dv import dr_dv
from agents.pilots.shared.approach import ApproachPilot
from agents.pilots.shared.thrust_vector import Situation
from lunar_env import Scenario
from lunar_env.quantities import middle

AGILE = 4.0  # [1/s] bandwidth of the attitude, from which on the law is flown to the ground [P]
UNDER = 0.35  # [m] below the ground: its target then, for a floor of the time to go would hold it above [P]
GROUND_RATE = 0.5  # [m/s] there, as the papers' mean touchdown
LAST = 3.0  # [s] to go, at which any other vehicle is let down [P]
STRETCH = 1.05  # of the time to go: the optimum asks for all thrust at its end, and leaves none to correct with [P]
FLOOR = 1.2  # [s] least time to go [P]


class DrDv(ApproachPilot):
    """Flies to its target with the least integral of the squared thrust acceleration."""

    name = "dr_dv"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        self.is_agile = middle(scenario.attitude.bandwidth) >= AGILE
        if self.is_agile:
            self.final_height, self.final_rate = -UNDER, GROUND_RATE
        super().__init__(scenario, num_landers, device)

    def guide(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] to the target."""
        if not self.is_agile:
            self.ends |= self.braked & (self.optimal_time(now, self.target) <= LAST)
        wished = dr_dv(now.position, now.velocity, self.target, self.final_velocity, now.gravity, 0.0, FLOOR, STRETCH)
        most = self.vehicle.maximum_thrust / now.mass
        return wished * (most / wished.norm(dim=1).clamp(min=1e-6)).clamp(max=1.0)[:, None]
