"""``gated_filter``: Resilience's plan on a filter that rejects what it does not expect, as HAKUTO-R M1 flew [V2: ISP1].

As published, a Kalman filter with an innovation gate: a reading farther from the estimate than so many of its own
deviations is thrown away. As programmed: ``GatedFilter``, which after a few such readings believes none any more.
"""

from dataclasses import replace

import torch

from agents.pilot import require_control
from lunar_env import Scenario
from lunar_env.autopilot import Autopilot
from lunar_env.missions.resilience import PLAN


def gated_filter(scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Autopilot:
    """A flight-like pilot that would rather doubt its altimeter than itself."""
    require_control("gated_filter", scenario, "descent_rate")
    return Autopilot(replace(PLAN, navigation="gated"), scenario, num_landers, device)
