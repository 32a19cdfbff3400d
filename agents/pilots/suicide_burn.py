"""``suicide_burn``: falls until full thrust would just stop it at the ground, then burns.

As published (missions reference, section 5.1): full thrust at h = v^2 / (2 (T/m - g)), and mass variation. As
programmed: the wished rate of descent is that law solved for v, with a share of the deceleration as the only margin.
It is more than the vehicle falls with at first, which turns the engine off, until the fall has met the curve. T is the
nominal thrust; m is the mass now, less half of what a burn from the present speed takes; h is the filtered height at
which the vehicle will be when the loop has followed.
"""

import torch

from agents.guidance.vehicle import Vehicle
from agents.pilots.shared.descent_rate import DescentRatePilot, held_while_braking
from lunar_env import Scenario

SHARE = 0.9  # of the net deceleration; thrust that is 2 % low takes 4 % of it [P]
LEAD = 2.0  # [s] half a decision and the loop's lag
BRAKING_RATE = 50.0  # [m/s]
BRAKED = 5.0  # [m/s] of lateral speed: the burn is upright and removes none
CONTACT_RATE = 1.5  # [m/s]
FINAL_HEIGHT = 6.0  # [m] flown at the contact rate


class SuicideBurn(DescentRatePilot):
    """Falls, then brakes at full nominal thrust, as late as that allows."""

    name = "suicide_burn"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.vehicle = Vehicle.of(scenario)

    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """The rate that full thrust can just stop; a fixed one while there is lateral speed to lose."""
        mass = self.vehicle.dry_mass + reading["propellant"]
        time = (-reading["velocity_up"]).clamp(min=0.0) / self.stopping(mass)  # [s] of the burn
        burnt = torch.minimum(self.vehicle.maximum_thrust / self.vehicle.exhaust_speed * time, reading["propellant"])
        braking = SHARE * self.stopping(mass - 0.5 * burnt)
        ahead = height + LEAD * reading["velocity_up"] - FINAL_HEIGHT
        rate = torch.sqrt(2.0 * braking * ahead.clamp(min=0.0)).clamp(min=CONTACT_RATE)
        return held_while_braking(rate, reading, BRAKED, BRAKING_RATE)

    def stopping(self, mass: torch.Tensor) -> torch.Tensor:
        """The deceleration (N,) [m/s^2] that full thrust leaves; a little where it does not carry the weight."""
        return (self.vehicle.maximum_thrust / mass - self.vehicle.gravity).clamp(min=0.1)
