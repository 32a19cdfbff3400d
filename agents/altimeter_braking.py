"""``altimeter_braking``: fixed-gain braking on the altimeter's word, and nothing else.

As published, the law of constant deceleration: v = sqrt(2 a h). As programmed: a is one fixed number, h the newest
valid reading, range times cosine of the tilt, as it comes: not filtered, not compensated for its age, not checked, and
held while there is none. Near the ground the rate is that of contact, and stays so. Before the first valid reading h is
the inertial altitude.
"""

import torch

from agents.descent_rate import DescentRatePilot
from lunar_env import Scenario

DECELERATION = 1.2  # [m/s^2]
BRAKING_RATE = 50.0  # [m/s]
BRAKED = 60.0  # [m/s] of lateral speed
CONTACT_RATE = 1.5  # [m/s]
FINAL_HEIGHT = 15.0  # [m] flown at the contact rate


class AltimeterBraking(DescentRatePilot):
    """Believes each reading, and the last one for as long as there is no other."""

    name = "altimeter_braking"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.held = torch.full((num_landers,), torch.nan, device=device)  # [m] the newest valid reading
        self.final = torch.zeros(num_landers, dtype=torch.bool, device=device)  # whether it has begun to end

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.held[mask] = torch.nan
        self.final[mask] = False

    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """sqrt(2 a h) on the raw height; the filtered one is left alone."""
        [distance], [valid] = (self.table.finders[0].labels(name) for name in ("range", "valid"))
        cosine = 1.0 - 2.0 * (reading["attitude_x"] ** 2 + reading["attitude_y"] ** 2)
        self.held = torch.where(reading[valid] > 0.5, reading[distance] * cosine, self.held)
        raw = torch.where(self.held.isnan(), reading["altitude"], self.held)
        if LATCH:
            self.final |= raw <= FINAL_HEIGHT
        rate = torch.sqrt(2.0 * DECELERATION * (raw - FINAL_HEIGHT).clamp(min=0.0)).clamp(min=CONTACT_RATE)
        rate = torch.where(self.final, CONTACT_RATE, rate)
        sideways = torch.hypot(reading["velocity_x"], reading["velocity_y"])
        return torch.where(sideways > BRAKED, rate.clamp(max=BRAKING_RATE), rate)


LATCH = True
