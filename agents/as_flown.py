"""``as_flown``: on inertial altitude until the first valid range, as Resilience did, then on the altimeter.

The plan is the only one that was published for this vehicle, the webcast of the first flight (M1, [V2: ASTV]):
300 km/h at 3 km, 120 km/h at 1 km, 17 km/h at 20 m, with constant deceleration in between.
"""

import torch

from agents.descent_rate import DescentRatePilot

PLAN_HEIGHT = (0.0, 5.0, 20.0, 1_000.0, 3_000.0)  # [m]
PLAN_RATE = (1.2, 1.2, 17 / 3.6, 120 / 3.6, 300 / 3.6)  # [m/s]; below 5 m: contact speed [P]
LEAD = 2.0  # [s] the plan is read where the vehicle will be when it has answered: half a decision and the loop's lag
BRAKING_RATE = 50.0  # [m/s] of descent until most of the lateral speed is gone [C, missions/resilience.py]
BRAKED = 60.0  # [m/s] of lateral speed below which the plan is followed [P]


def planned_rate(height: torch.Tensor) -> torch.Tensor:
    """Rate of descent [m/s] that the plan wants at a height [m]: linear in the square between its points."""
    heights = torch.tensor(PLAN_HEIGHT, device=height.device)
    squares = torch.tensor(PLAN_RATE, device=height.device) ** 2
    clamped = height.clamp(0.0, PLAN_HEIGHT[-1])
    upper = torch.bucketize(clamped, heights).clamp(1, len(PLAN_HEIGHT) - 1)
    share = (clamped - heights[upper - 1]) / (heights[upper] - heights[upper - 1])
    return torch.sqrt(squares[upper - 1] + share * (squares[upper] - squares[upper - 1]))


class AsFlown(DescentRatePilot):
    """A flight-like pilot: trusts its belief completely."""

    name = "as_flown"

    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """Follow the plan at the believed height."""
        rate = planned_rate(height + LEAD * reading["velocity_up"])
        sideways = torch.hypot(reading["velocity_x"], reading["velocity_y"])
        braking = (sideways > BRAKED) & ~self.filter.seen
        return torch.where(braking, rate.clamp(max=BRAKING_RATE), rate)
