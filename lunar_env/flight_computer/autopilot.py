"""A flight computer that flies a plan: rate of descent against believed height, as the missions of the Moon did.

The plan and the way the altitude is known are a mission's own (``FlightPlan``, in each file of missions/). While there
is lateral speed to lose, the loop of ``control="descent_rate"`` brakes with all thrust that the vertical leaves, and
the autopilot chooses the rate of descent that brings it to the plan's gate when that is done.
"""

import torch

from lunar_env.flight_computer.filters import AltitudeFilter, FilterTuning, GatedFilter, SlantOnly, VelocityFilter
from lunar_env.missions.plan import FlightPlan
from lunar_env.observation import believed_lateral_speed
from lunar_env.quantities import middle
from lunar_env.scenario import Scenario
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

FILTERS = {"fused": AltitudeFilter, "gated": GatedFilter, "slant": SlantOnly}


class Autopilot:
    """Flies a plan for a batch of landers. A pilot as agents know it: ``reset`` and ``act``."""

    def __init__(
        self, plan: FlightPlan, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu"
    ) -> None:
        if scenario.control != "descent_rate":
            raise ValueError(
                f'a plan is flown with control="descent_rate", scenario {scenario.name!r} has {scenario.control!r}; '
                'load it with control="descent_rate"'
            )
        self.plan = plan
        self.fastest = middle(scenario.guidance.maximum_descent_rate)  # [m/s]
        self.sideways = middle(scenario.guidance.maximum_lateral_speed)  # [m/s]
        self.table = scenario.observation_table()
        tuning = FilterTuning(unevenness=plan.unevenness)
        self.filter = FILTERS[plan.navigation](self.table, num_landers, scenario.decision_period, tuning, device)
        self.velocity = VelocityFilter(self.table, num_landers, device)
        self.height = torch.zeros(num_landers, dtype=torch.float32, device=device)  # [m] believed, at the last decision
        self.is_cut = torch.zeros(num_landers, dtype=torch.bool, device=device)
        self.trimmed = torch.zeros(num_landers, dtype=torch.float32, device=device)  # [m/s] on top of the wished rate
        self.thrust = middle(scenario.engine.maximum_thrust)  # [N]
        self.dry_mass = middle(scenario.mass.dry)  # [kg]
        self.exhaust_speed = middle(scenario.engine.specific_impulse) * STANDARD_GRAVITY  # [m/s]
        self.gravity = middle(scenario.moon.surface_gravity)  # [m/s^2]
        self.radius = middle(scenario.moon.radius)  # [m]

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.filter.reset(mask)
        self.velocity.reset(mask)
        self.is_cut[mask] = False
        self.trimmed[mask] = 0.0

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3): the wished rate of descent and no lateral speed."""
        reading = self.table.read(observation)
        error = self.velocity.update(reading)
        self.filter.correction += self.filter.period * error[:, 2]
        for axis, name in enumerate(("velocity_x", "velocity_y", "velocity_up")):
            reading[name] = reading[name] + error[:, axis]
        self.height = self.filter.update(reading)
        rate = self.wished_rate(reading, self.height)
        plan = self.plan
        if plan.cut > 0.0:
            self.is_cut |= self.height <= plan.cut
            rate = torch.where(self.is_cut, self.fastest, rate)  # faster than it falls, so the engine is off
        slower = rate + reading["velocity_up"]  # [m/s] than wished
        self.trimmed = (self.trimmed + plan.trim * self.filter.period * slower).clamp(-5.0, 5.0)
        rate = rate + self.trimmed
        # The loop flies on inertial velocity, so what that is off by is asked for on top.
        descent = torch.sqrt(((rate + error[:, 2]) / self.fastest).clamp(0.0, 1.0))  # the actions' scales are quadratic
        lateral = -torch.sign(error[:, :2]) * torch.sqrt((error[:, :2].abs() / self.sideways).clamp(0.0, 1.0))
        return torch.cat([2.0 * descent[:, None] - 1.0, lateral], dim=1)

    def wished_rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """Rate of descent (N,) [m/s] from named SI columns and the believed height (N,) [m]."""
        plan = self.plan
        rate = plan.rate(height + plan.lead * reading["velocity_up"])
        sideways = believed_lateral_speed(reading)
        if plan.braking_rate > 0.0:
            braking = (sideways > plan.braked) & ~self.filter.seen
            return torch.where(braking, rate.clamp(max=plan.braking_rate), rate)
        rate = torch.where(sideways > plan.braked, self.rate_to_gate(reading, height, sideways), rate)
        return torch.where(height > plan.diving_until, plan.diving_rate, rate)

    def rate_to_gate(
        self, reading: dict[str, torch.Tensor], height: torch.Tensor, sideways: torch.Tensor
    ) -> torch.Tensor:
        """Rate of descent (N,) [m/s] now, if it is to change steadily to the gate's, reached when braking is done.

        Braking takes the time t in which thrust, less what carries the weight, removes the lateral speed; a rate that
        goes from r to r_gate in that time covers (r + r_gate) t / 2.
        """
        plan = self.plan
        strongest = self.thrust / (self.dry_mass + reading["propellant"])
        # Half of the centrifugal relief that orbital speed gives, for it is lost on the way.
        weight = self.gravity - 0.5 * sideways**2 / self.radius
        along = torch.sqrt((strongest**2 - weight.clamp(min=0.0) ** 2).clamp(min=(0.2 * self.gravity) ** 2))
        time = (sideways - plan.braked) / along * (1.0 - 0.5 * sideways / self.exhaust_speed) + 1.0
        rate = 2.0 * (height - plan.heights[-1]) / time - plan.rates[-1]
        return rate.clamp(0.0, plan.fastest_braking)
