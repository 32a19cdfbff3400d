"""``gravity_turn``: coasts until a turn at most of the thrust would just stop it, then thrusts against its velocity.

As published, see agents/guidance/gravity_turn.py; Surveyor's and Luna's way down. It knows no pad. As programmed: the
turn begins when it needs ``SHARE`` of the full thrust, and each call solves it anew; the last metres are flown at
the contact rate.
"""

import torch

from agents.guidance.gravity_turn import against, height_lost, thrust_acceleration
from agents.pilots.shared.thrust_vector import Situation, ThrustVectorPilot, touch_down
from lunar_env import Scenario

SHARE = 0.8  # of full thrust: what is left is the margin [P]
FINAL_HEIGHT = 15.0  # [m] flown at the contact rate
CONTACT_RATE = 1.5  # [m/s] as Surveyor


class GravityTurn(ThrustVectorPilot):
    """Trusts its height, and loses vertical and lateral speed in one burn."""

    name = "gravity_turn"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.burns = torch.zeros(num_landers, dtype=torch.bool, device=device)
        self.ends = torch.zeros_like(self.burns)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.burns[mask] = False
        self.ends[mask] = False

    def is_braked(self, now: Situation) -> torch.Tensor:
        """Whether (N,) a turn can still stop above the ground; from orbital speed it cannot.

        Its equations know a flat Moon, so the weight counts whole: what orbital speed carries of it is soon lost.
        """
        thrust, gravity = SHARE * self.strongest(now), self.vehicle.gravity
        return (thrust > gravity) & (height_lost(now.velocity, thrust, gravity) <= now.height - FINAL_HEIGHT)

    def strongest(self, now: Situation) -> torch.Tensor:
        """Acceleration (N,) [m/s^2] of full thrust."""
        return self.vehicle.maximum_thrust / now.mass

    def law(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2]."""
        left = now.height - FINAL_HEIGHT
        ahead = left + now.velocity[:, 2] * self.period
        needed = thrust_acceleration(ahead, now.velocity, now.gravity)
        self.burns |= needed >= SHARE * self.strongest(now)
        self.ends |= (left <= 0.0) | (self.burns & (now.velocity[:, 2] > -CONTACT_RATE))
        turn = against(now.velocity) * (needed * self.burns)[:, None]
        # The ground is nearer than was thought: sink no faster than can be helped, until a turn will do again.
        turn = torch.where((needed > self.strongest(now))[:, None], self.brake(now), turn)
        return torch.where(self.ends[:, None], touch_down(now, CONTACT_RATE), turn)
