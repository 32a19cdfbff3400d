"""``cautious``: a pilot that slows down while the altimeter is silent.

While no reading has come, the ground may be as near as the worst altitude error allows. The pilot keeps the speed from
which it could still stop if the range finder woke up only ``LATEST_LOCK`` above that ground, and no less: hovering
burns the propellant that the landing needs. From the first reading on it follows the stopping curve with a margin.
"""

import torch

from agents.guidance.stopping import blind_rate, stopping_rate
from agents.guidance.vehicle import Vehicle
from agents.pilots.shared.descent_rate import DescentRatePilot, held_while_braking
from lunar_env import Scenario

WORST_ERROR = 1_500.0  # [m] belief above truth, the navigation's specification
LATEST_LOCK = 200.0  # [m] lowest first range that the pilot plans for
BRAKING_SHARE = 0.8  # of the deceleration that full thrust gives
LEAST_BRAKING = 0.1  # [m/s^2] where full tanks outweigh the engine
REACTION = 2.2  # [s] decision period, delay and throttle lag
BRAKING_RATE = 50.0  # [m/s]
BRAKED = 60.0  # [m/s] of lateral speed
CONTACT_RATE = 1.2  # [m/s]
FINAL_HEIGHT = 10.0  # [m] flown at the contact rate


class Cautious(DescentRatePilot):
    """Descends slowly until the first valid range, then follows the stopping curve."""

    name = "cautious"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.vehicle = Vehicle.of(scenario)

    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """What the height allows, or, while blind, what the worst case allows."""
        strongest = self.vehicle.maximum_thrust / (self.vehicle.dry_mass + reading["propellant"])
        braking = BRAKING_SHARE * (strongest - self.vehicle.gravity).clamp(min=LEAST_BRAKING)

        surely = height - 2.0 * self.filter.deviation() - FINAL_HEIGHT
        sighted = stopping_rate(surely, braking, REACTION, CONTACT_RATE)
        spare = reading["altitude"] - WORST_ERROR - LATEST_LOCK
        blind = blind_rate(spare, braking, LATEST_LOCK - FINAL_HEIGHT, REACTION, CONTACT_RATE, BRAKING_SHARE)
        rate = torch.where(self.filter.seen, sighted, blind)
        return held_while_braking(rate, reading, BRAKED, BRAKING_RATE)
