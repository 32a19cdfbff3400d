"""``gated_filter``: Resilience's plan on a filter that rejects what it does not expect, as HAKUTO-R M1 flew [V2: ISP1].

As published, an innovation gate: a Kalman filter discards a reading that is more than so many deviations away from what
it predicts. As programmed: ``GatedFilter``, which after a few such readings in a row discards all that follow.
"""

from dataclasses import replace

import torch

from lunar_env import Scenario
from lunar_env.flight_computer.autopilot import Autopilot
from lunar_env.flying.pilot import Pilot, require_control
from lunar_env.missions.resilience import PLAN


class GatedFilterPilot(Pilot):
    """The autopilot of a mission on a filter that may reject the altimeter for good."""

    name = "gated_filter"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control(self.name, scenario, self.control)
        self.autopilot = Autopilot(replace(PLAN, navigation="gated"), scenario, num_landers, device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.autopilot.reset(mask)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3) of the autopilot."""
        return self.autopilot.act(observation)
