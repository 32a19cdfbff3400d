"""``socp_mpc``: the fuel-optimal landing by convex programming, solved anew on the way and followed in between.

As published, see agents/guidance/convex.py. As a receding-horizon pilot it takes the navigator's estimate for the
truth, and burns as late as that allows. As programmed: whenever a quarter of the time left has passed, or the height
turns out to be another, a plan is made to ``FINAL_HEIGHT``, for an optimal one leans to its end. Thrust is what the
plan says, and two gains for what the vehicle is off by. While the plan coasts, the vehicle already turns to where it
will burn. Where no plan is found it brakes level.

It needs cvxpy: pip install -e '.[convex]'.
"""

from math import pi, radians
from typing import TYPE_CHECKING

import torch

from agents.guidance.braking import settling
from agents.guidance.pid import limited
from agents.guidance.thrust_limits import thrust_vector
from agents.pilots.shared.thrust_vector import Situation, ThrustVectorPilot
from lunar_env import Scenario

if TYPE_CHECKING:
    from agents.guidance.convex import Problem

SHARE_LEFT = 0.25  # of the flight time that is left, after which a plan is made anew [P]
OFTEN, SELDOM = 2.0, 15.0  # [s] but not sooner nor later
SURPRISE = 0.05  # of the height: a plan that is off by more is void [P]
THRUST_SHARE = 0.9  # of the nominal thrust that plans use: the rest is to correct with [P]
PLAN_TILT = radians(85.0)  # [rad] of the thrust from the vertical in plans
LAST = 2.0  # [s] of a plan that are not flown
POSITION_GAIN = 0.03  # [1/s^2] [P]
VELOCITY_GAIN = 0.35  # [1/s] [P]
LEAD = 6.0  # [s] before a burn that the vehicle begins to turn
IDLE = 0.4  # of the minimum throttle: an order to turn that leaves the engine off
FINAL_HEIGHT = 60.0  # [m] where plans end
FINAL_DECELERATION = 0.4  # [m/s^2] from there on [P]
FINAL_TILT = radians(35.0)  # [rad] there
LOW = 5.0  # [m] flown at the contact rate
CONTACT_RATE = 1.5  # [m/s]
VERTICAL_TIME, LATERAL_TIME = 1.5, 2.5  # [s] of the loops that let the vehicle down [P]


class SocpMpc(ThrustVectorPilot):
    """Flies what would be optimal if its estimate were the truth."""

    name = "socp_mpc"
    decision_period = 0.5

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        from agents.guidance import convex, receding_horizon  # cvxpy: not before it is needed

        super().__init__(scenario, num_landers, device)
        self.convex, self.horizon, self.nodes = convex, receding_horizon, receding_horizon.NODES
        self.plans = torch.zeros(
            3, num_landers, self.nodes, 3, dtype=torch.float32, device=device
        )  # position, velocity, thrust acceleration
        self.began = torch.zeros(num_landers, dtype=torch.float32, device=device)  # [s] when the plan was made
        self.flight_time = torch.full(
            (num_landers,), torch.nan, dtype=torch.float32, device=device
        )  # [s] of the plan; nan for none
        self.tried = torch.full(
            (num_landers,), -torch.inf, dtype=torch.float32, device=device
        )  # [s] when a plan was last asked for
        self.to_pad = torch.zeros(num_landers, dtype=torch.bool, device=device)  # else wherever it is cheapest
        self.ends = torch.zeros_like(self.to_pad)  # the plan; the vehicle is let down

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.flight_time[mask] = torch.nan
        self.tried[mask] = -torch.inf
        self.ends[mask] = False

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3): thrust over the maximum, downrange, cross-range and up."""
        now = self.situation(self.table.read(observation))
        for lander in self.in_need(now).nonzero().flatten().tolist():
            self.replan(lander, now)
        planned = ~self.flight_time.isnan()
        self.ends |= (now.height <= FINAL_HEIGHT) | (self.time_left(now) <= LAST)
        wished = torch.where(planned[:, None], self.law(now, planned), self.brake(now))
        vehicle = self.vehicle
        numbers = now.mass, vehicle.maximum_thrust, vehicle.minimum_throttle
        action = thrust_vector(wished, *numbers, 0.5 * pi)
        coasts = planned & (action.norm(dim=1) == 0.0)
        action = torch.where(coasts[:, None], self.turn_order(now), action)
        down = settling(now.velocity, final_rate(now.height), now.gravity, VERTICAL_TIME, LATERAL_TIME)
        return torch.where(self.ends[:, None], thrust_vector(down, *numbers, FINAL_TILT), action)

    def time_left(self, now: Situation) -> torch.Tensor:
        """Time (N,) [s] that is left of the plans; nan without one."""
        return self.began + self.flight_time - now.time

    def in_need(self, now: Situation) -> torch.Tensor:
        """Which landers (N,) want a new plan: it is time, or the height is not what it was thought to be."""
        position, _, _ = self.planned(now.time)
        surprised = (position[:, 2] - now.height).abs() > SURPRISE * now.height + 10.0
        surprised |= self.flight_time.isnan()  # without a plan there is none to be right
        pause = (SHARE_LEFT * self.time_left(now)).nan_to_num(SELDOM).clamp(OFTEN, SELDOM)
        since = now.time - self.tried
        return ~self.ends & ((since >= pause) | (surprised & (since >= 1.0)))

    def replan(self, lander: int, now: Situation) -> None:
        """Make a plan for one lander; without one the old one, if there is any, is flown on."""
        if torch.isinf(self.tried[lander]):  # its first: the pad is only for who is near
            self.to_pad[lander] = now.position[lander, :2].norm() <= now.height[lander]
        self.tried[lander] = now.time[lander]
        left = float(self.time_left(now)[lander])
        problem = self.problem(lander, now)
        found = self.horizon.plan(problem, left)
        if not found.feasible and self.to_pad[lander]:
            self.to_pad[lander] = False
            problem = self.problem(lander, now)
            found = self.horizon.plan(problem, left)
        if found.feasible:
            parts = found.positions + problem.target_position, found.velocities, found.accelerations
            for table, part in zip(self.plans, parts, strict=True):
                table[lander] = torch.from_numpy(part).to(table)
            self.began[lander] = now.time[lander]
            self.flight_time[lander] = found.flight_time

    def problem(self, lander: int, now: Situation) -> "Problem":
        """The landing of one lander as its estimate has it."""
        vehicle = self.vehicle
        mass = max(float(now.mass[lander]), vehicle.dry_mass + 0.01)
        x, y, height = now.position[lander].tolist()
        to_pad = bool(self.to_pad[lander])
        thrust = THRUST_SHARE * vehicle.maximum_thrust
        return self.convex.Problem(
            self.convex.ConeVehicle(mass, vehicle.dry_mass, thrust, vehicle.exhaust_speed),
            position=(x, y, max(height, FINAL_HEIGHT)),
            velocity=tuple(now.velocity[lander].tolist()),
            gravity=(0.0, 0.0, -float(now.gravity[lander])),
            target_position=(0.0, 0.0, FINAL_HEIGHT) if to_pad else (x, y, FINAL_HEIGHT),
            target_velocity=(
                0.0,
                0.0,
                -float(final_rate(torch.tensor(FINAL_HEIGHT, dtype=torch.float32, device="cpu"))),
            ),
            free_place=not to_pad,
            maximum_tilt=PLAN_TILT,
        )

    def planned(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Position [m], velocity [m/s] and thrust acceleration [m/s^2], each (N, 3), of the plans at times (N,) [s]."""
        share = ((time - self.began) / self.flight_time).nan_to_num(0.0).clamp(0.0, 1.0) * (self.nodes - 1)
        lower = share.long().clamp(max=self.nodes - 2)
        part = (share - lower)[:, None]
        row = torch.arange(len(lower), device=lower.device, dtype=torch.int64)
        position, velocity, thrust = (
            torch.lerp(table[row, lower], table[row, lower + 1], part) for table in self.plans
        )
        return position, velocity, thrust

    def law(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] of the plan, and towards it."""
        position, velocity, _ = self.planned(now.time)
        _, _, thrust = self.planned(now.time + 0.5 * self.period)
        off = POSITION_GAIN * (position - now.position) + VELOCITY_GAIN * (velocity - now.velocity)
        strongest = (self.vehicle.maximum_thrust / now.mass)[:, None]
        coasting = thrust.norm(dim=1, keepdim=True) < 0.05 * strongest
        wished = torch.where(coasting, 0.0, thrust + off)
        return limited(wished, strongest.squeeze(1))[0]  # not bent: it keeps the direction that the plan needs

    def turn_order(self, now: Situation) -> torch.Tensor:
        """The action (N, 3) that turns the vehicle to its next burn and leaves the engine off."""
        _, _, ahead = self.planned(now.time + LEAD)
        direction = ahead / ahead.norm(dim=1, keepdim=True).clamp(min=1e-3)
        return IDLE * self.vehicle.minimum_throttle * direction


def final_rate(height: torch.Tensor) -> torch.Tensor:
    """Rate of descent (N,) [m/s] below the plans' end, at a height (N,) [m]."""
    return torch.sqrt(CONTACT_RATE**2 + 2.0 * FINAL_DECELERATION * (height - LOW).clamp(min=0.0))
