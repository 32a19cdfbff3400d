"""A flight computer that begins in orbit: a burn that lowers it, a coast of half an hour or more, then the descent.

The burn ends when the accelerometers have counted the speed that it was to take away. If they count nothing, only the
timer ends it: Luna-25.
"""

import math

import torch

from lunar_env.flight_computer.autopilot import Autopilot
from lunar_env.missions.plan import FlightPlan, OrbitPlan
from lunar_env.quantities import middle
from lunar_env.scenario import Scenario


class OrbitAutopilot(Autopilot):
    """Flies an ``OrbitPlan``. Its lateral commands need a ``guidance.maximum_lateral_speed`` above orbital speed."""

    def __init__(
        self, plan: OrbitPlan, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(plan, scenario, num_landers, device)
        self.orbit = plan
        self.response = middle(scenario.guidance.lateral_time)  # [s] of the loop
        self.orbital_speed = torch.full(
            (num_landers,), torch.nan, dtype=torch.float32, device=device
        )  # [m/s] believed, before the burn
        self.is_over = torch.zeros(num_landers, dtype=torch.bool, device=device)  # the burn
        self.descends = torch.zeros_like(self.is_over)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.orbital_speed[mask] = torch.nan
        self.is_over[mask] = False
        self.descends[mask] = False

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3)."""
        plan = self.orbit
        descent = super().act(observation)
        reading = self.table.read(observation)
        speed = reading["velocity_x"]
        self.orbital_speed = torch.where(self.orbital_speed.isnan(), speed, self.orbital_speed)
        self.is_over |= self.orbital_speed - speed >= plan.burn_speed
        self.is_over |= reading["time"] >= plan.burn_limit
        self.descends |= self.is_over & (-reading["position_x"] <= plan.ignition) & (reading["altitude"] < 60_000.0)

        # The loop answers a wish that is off by d with d / its time, ever less while the wish is held for a decision:
        # a mean acceleration a takes d = a T / (1 - exp(-T / time)). Falling freely asks for no thrust up.
        period = self.filter.period
        held = period / (1.0 - math.exp(-period / self.response))
        slower = torch.where(self.is_over, 0.0, plan.burn_speed / plan.burn_time * held)
        wish = torch.sqrt(((speed - slower) / self.sideways).clamp(0.0, 1.0))
        orbit = torch.stack([torch.ones_like(wish), wish, torch.zeros_like(wish)], dim=1)
        return torch.where(self.descends[:, None], descent, orbit)


def flight_computer(
    plan: FlightPlan, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu"
) -> Autopilot:
    """The autopilot that flies a plan."""
    if isinstance(plan, OrbitPlan):
        return OrbitAutopilot(plan, scenario, num_landers, device)
    return Autopilot(plan, scenario, num_landers, device)
