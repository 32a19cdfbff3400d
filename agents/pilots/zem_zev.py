"""``zem_zev``: zero-effort miss and velocity to a target that is reached at a fixed time.

As published, see agents/guidance/apollo.py. As programmed: the time is a little more than the energy-optimal one when
the law begins, and runs down from there; when ``LAST`` seconds are left, or the target's height is reached, the vehicle
is let down.
"""

import torch

from agents.guidance.apollo import zem_zev
from agents.pilots.shared.approach import ApproachPilot
from agents.pilots.shared.thrust_vector import Situation
from lunar_env import Scenario

STRETCH = 1.15  # of the energy-optimal time: the thrust at the end, which is the strongest, keeps a margin [P]
LAST = 3.0  # [s] before the end at which the law is left: its gains grow without bound [P]


class ZemZev(ApproachPilot):
    """Corrects by how much it would miss its target, in place and velocity, at a time of arrival that it has fixed."""

    name = "zem_zev"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.arrival = torch.zeros(num_landers, dtype=torch.float32, device=device)  # [s] since the start

    def guide(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] to the target."""
        self.arrival = torch.where(begins, now.time + STRETCH * self.optimal_time(now, self.target), self.arrival)
        left = self.arrival - now.time
        self.ends |= self.braked & (left <= LAST)
        return zem_zev(now.position, now.velocity, left.clamp(min=LAST), self.target, self.final_velocity, now.gravity)
