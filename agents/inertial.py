"""``inertial``: Resilience's plan with the altimeter for a start and inertial navigation for the end.

As published for NASA's Lunar Pallet Lander: ranges down to 30 m, below that the inertial unit alone [V2: LPL]. As
programmed: the filter's correction of the inertial altitude stands still from the first believed height below 30 m on.
"""

import torch

from agents.pilot import require_control
from lunar_env import Scenario
from lunar_env.altitude_filter import AltitudeFilter, FilterTuning
from lunar_env.autopilot import Autopilot
from lunar_env.missions.resilience import PLAN

LAST_FIX = 30.0  # [m] [V2: LPL]


class InertialAtTheEnd(AltitudeFilter):
    """A filter that takes no reading any more once it believes to be low."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.ended = torch.zeros_like(self.seen)

    def reset(self, mask):
        super().reset(mask)
        self.ended[mask] = False

    def update(self, reading):
        held = self.correction.clone()
        height = super().update(reading)
        self.correction = torch.where(self.ended, held, self.correction)
        height = reading["altitude"] + self.correction
        self.ended |= height <= LAST_FIX
        return height


def inertial(scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Autopilot:
    """A flight-like pilot that ends on its own."""
    require_control("inertial", scenario, "descent_rate")
    autopilot = Autopilot(PLAN, scenario, num_landers, device)
    tuning = FilterTuning(unevenness=PLAN.unevenness)
    autopilot.filter = InertialAtTheEnd(autopilot.table, num_landers, scenario.decision_period, tuning, device)
    return autopilot
