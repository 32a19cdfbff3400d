"""``altimeter_braking``: fixed-gain braking on the altimeter's word alone.

As published, the law of constant deceleration: v = sqrt(2 a h). As programmed: a is one fixed number and h the newest
valid reading above the height of the last phase, range times cosine of the tilt: not filtered, not brought forward by
its age, not checked, and held while there is none. Before the first valid reading it is the inertial altitude. The last
phase is flown at the contact rate; once begun it is not left, as is common where phases follow each other.
"""

import torch

from agents.pilots.shared.descent_rate import DescentRatePilot, held_while_braking
from lunar_env import Scenario
from lunar_env.observation import pointing_down

DECELERATION = 1.2  # [m/s^2] about 60 % of what full thrust leaves Resilience at the start [P]
BRAKING_RATE = 50.0  # [m/s]
BRAKED = 60.0  # [m/s] of lateral speed
CONTACT_RATE = 1.5  # [m/s]
FINAL_HEIGHT = 15.0  # [m] of the last phase: little more than the loop's lag of two seconds needs [P]


class AltimeterBraking(DescentRatePilot):
    """Brakes by the newest valid reading, unfiltered, and holds it while there is no other."""

    name = "altimeter_braking"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.beam = self.table.beams()[0]
        self.held = torch.full(
            (num_landers,), torch.nan, dtype=torch.float32, device=device
        )  # [m] height of the newest valid reading
        self.ending = torch.zeros(num_landers, dtype=torch.bool, device=device)  # in the last phase

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.held[mask] = torch.nan
        self.ending[mask] = False

    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """What the raw height allows; the filtered one is not used."""
        seen = reading[self.beam.range] * pointing_down(reading.__getitem__, self.beam.direction)
        self.held = torch.where(reading[self.beam.valid] > 0.5, seen, self.held)
        raw = torch.where(self.held.isnan(), reading["altitude"], self.held)
        self.ending |= raw <= FINAL_HEIGHT

        rate = torch.sqrt(2.0 * DECELERATION * (raw - FINAL_HEIGHT).clamp(min=0.0)).clamp(min=CONTACT_RATE)
        rate = torch.where(self.ending, CONTACT_RATE, rate)
        return held_while_braking(rate, reading, BRAKED, BRAKING_RATE)
