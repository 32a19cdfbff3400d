"""``suicide_burn``: falls until full thrust would just stop it at the ground, then burns.

As published (missions reference, section 5.1): full thrust at h = v^2 / (2 (T/m - g)), and mass variation. As
programmed: the wished rate is v = sqrt(2 s (T/m - g) h), faster than the vehicle falls, so that the engine is off until
it falls as fast; s is a small margin, T the nominal thrust, m the mean mass of the burn, what is there now less half of
what a burn from v takes. h is the filtered height, where the vehicle will be when the rate is in force.
"""

import torch

from agents.descent_rate import DescentRatePilot
from lunar_env import Scenario
from lunar_env.dynamics import STANDARD_GRAVITY
from lunar_env.quantities import middle

SHARE = 0.9  # of the net deceleration of full thrust
LEAD = 2.0  # [s] half a decision and the loop's lag
BRAKING_RATE = 50.0  # [m/s]
BRAKED = 5.0  # [m/s] of lateral speed
CONTACT_RATE = 1.5  # [m/s]
FINAL_HEIGHT = 5.0  # [m] flown at the contact rate


class SuicideBurn(DescentRatePilot):
    """Knows one thrust, and brakes as late as that allows."""

    name = "suicide_burn"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.thrust = middle(scenario.engine.maximum_thrust)  # [N]
        self.flow = self.thrust / (middle(scenario.engine.specific_impulse) * STANDARD_GRAVITY)  # [kg/s]
        self.dry_mass = middle(scenario.mass.dry)  # [kg]
        self.gravity = middle(scenario.moon.surface_gravity)  # [m/s^2]

    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """What full thrust can still stop, less the margin."""
        mass = self.dry_mass + reading["propellant"]
        time = (-reading["velocity_up"]).clamp(min=0.0) / (self.thrust / mass - self.gravity)
        mean = mass - 0.5 * self.flow * time
        braking = SHARE * (self.thrust / mean - self.gravity)
        ahead = height + LEAD * reading["velocity_up"] - FINAL_HEIGHT
        rate = torch.sqrt(2.0 * braking * ahead.clamp(min=0.0)).clamp(min=CONTACT_RATE)
        sideways = torch.hypot(reading["velocity_x"], reading["velocity_y"])
        return torch.where(sideways > BRAKED, rate.clamp(max=BRAKING_RATE), rate)
