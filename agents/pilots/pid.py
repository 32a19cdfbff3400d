"""``pid``: a cascade of loops, position to velocity to acceleration: what a control engineer tries first.

As published, see agents/guidance/pid.py. As programmed: it flies to the target with its speed limited, so it comes down
at that speed and slows down exponentially; it knows neither a stopping curve nor propellant.
"""

import torch

from agents.guidance.pid import PositionCascade
from agents.pilots.shared.approach import ApproachPilot
from agents.pilots.shared.thrust_vector import Situation
from lunar_env import Scenario

SPEED_LIMIT = 40.0  # [m/s] [P]
SLOW = 40.0  # [m/s] of lateral speed, for the loops know nothing of what the vertical needs [P]
BELOW = 5.0  # [m] the target itself is approached for ever, so the loops aim lower [P]
SHARE = 0.7  # of the acceleration that full thrust leaves [P]
LEAST_SPARE = 0.1  # [m/s^2] where full tanks outweigh the engine


class Pid(ApproachPilot):
    """Keeps a velocity in proportion to the way that is left."""

    name = "pid"
    final_height = 10.0

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.cascade = PositionCascade(num_landers, SPEED_LIMIT, LEAST_SPARE, device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.cascade.reset(mask)

    def is_braked(self, now: Situation) -> torch.Tensor:
        """Whether (N,) nearly all lateral speed is gone, or the way to the pad is short."""
        spare = self.vehicle.maximum_thrust / now.mass - self.vehicle.gravity
        self.cascade.acceleration_limit = (SHARE * spare).clamp(min=LEAST_SPARE)
        slow = now.velocity[:, :2].norm(dim=1) <= SLOW
        near = now.position[:, :2].norm(dim=1) <= now.height
        return slow | (near & (now.velocity.norm(dim=1) <= self.cascade.stoppable(now.position - self.pad)))

    def guide(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] to the target."""
        # What it integrated while braking is not its own.
        self.cascade.reset(begins)
        below = self.target - torch.tensor([0.0, 0.0, BELOW], device=self.target.device, dtype=torch.float32)
        return self.cascade.act(now.position, now.velocity, below, now.gravity, self.period)
