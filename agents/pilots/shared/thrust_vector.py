"""What pilots of ``control="thrust_vector"`` share: one navigator, one vehicle with its limits, one way to brake.

A pilot adds its law: the thrust acceleration once the lateral speed of the approach is gone.
"""

from abc import abstractmethod
from dataclasses import dataclass
from math import radians

import torch

from agents.guidance.braking import braking, braking_time, rate_to_gate, weight
from agents.guidance.rate_of_descent import landing
from agents.guidance.thrust_limits import thrust_vector
from agents.guidance.vehicle import Vehicle
from agents.navigation.error_state import ErrorStateFilter, Estimate
from agents.navigation.tuning import Tuning
from lunar_env import Scenario
from lunar_env.flying.pilot import Pilot, require_control
from lunar_env.observation import believed_velocity

BRAKED = 60.0  # [m/s] of lateral speed: the law begins
GATE_HEIGHT = 2_500.0  # [m] where braking is to end [P]
GATE_RATE = 50.0  # [m/s] there [P]
FASTEST = 80.0  # [m/s] of descent while braking [P]
BRAKING_TILT = radians(90.0)  # [rad] none


@dataclass(frozen=True)
class Situation:
    """What a law knows: the navigator's estimate and the mass. Local axes: x downrange, y, up."""

    position: torch.Tensor  # (N, 3) [m] from the pad; up is the height above the ground below
    velocity: torch.Tensor  # (N, 3) [m/s]
    mass: torch.Tensor  # (N,) [kg]
    gravity: torch.Tensor  # (N,) [m/s^2] less what orbital speed carries
    deviation: torch.Tensor  # (N,) [m] of the height
    seen: torch.Tensor  # (N,) bool: a range was accepted in this descent
    time: torch.Tensor  # (N,) [s] since the start

    @property
    def height(self) -> torch.Tensor:
        """(N,) [m] above the ground below."""
        return self.position[:, 2]


class ThrustVectorPilot(Pilot):
    """Brakes, then follows its law."""

    control = "thrust_vector"
    decision_period = 0.2
    tilt_limit = radians(60.0)  # [rad] of the law's thrust from the vertical

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control(self.name, scenario, self.control)
        self.vehicle = Vehicle.of(scenario)
        self.period = scenario.decision_period
        self.table = scenario.observation_table()
        tuning = Tuning.from_scenario(scenario)
        self.is_shown_truth = scenario.observation == "truth"
        self.height = self.table.beams()[0].range  # the channel that shows it then
        self.navigator = ErrorStateFilter(self.table, num_landers, self.period, tuning, device)
        self.braked = torch.zeros(num_landers, dtype=torch.bool, device=device)  # and stays so

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.navigator.reset(mask)
        self.braked[mask] = False

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3): thrust over the maximum, downrange, cross-range and up."""
        now = self.situation(self.table.read(observation))
        begins = ~self.braked & self.is_braked(now)
        self.braked |= begins
        wished = torch.where(self.braked[:, None], self.law(now, begins), self.brake(now))
        vehicle = self.vehicle
        numbers = now.mass, vehicle.maximum_thrust, vehicle.minimum_throttle
        return torch.where(
            self.braked[:, None],
            thrust_vector(wished, *numbers, self.tilt_limit),
            thrust_vector(wished, *numbers, BRAKING_TILT),
        )

    def situation(self, reading: dict[str, torch.Tensor]) -> Situation:
        """What the navigator makes of one decision's observation (named SI columns)."""
        estimate = exact(reading, self.height) if self.is_shown_truth else self.navigator.update(reading)
        return Situation(
            position=torch.cat([estimate.position, estimate.height[:, None]], dim=1),
            velocity=estimate.velocity,
            mass=self.vehicle.dry_mass + reading["propellant"],
            gravity=weight(estimate.velocity, self.vehicle.gravity, self.vehicle.radius),
            deviation=estimate.height_deviation,
            seen=estimate.seen,
            time=reading["time"],
        )

    def is_braked(self, now: Situation) -> torch.Tensor:
        """Whether (N,) the law may begin."""
        return now.velocity[:, :2].norm(dim=1) <= BRAKED

    def brake(self, now: Situation) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] while there is lateral speed to lose."""
        rate = self.rate_to(now, GATE_HEIGHT)
        return braking(now.height, now.velocity, rate, self.vehicle.gravity, self.vehicle.radius)

    def rate_to(self, now: Situation, gate: float | torch.Tensor) -> torch.Tensor:
        """The rate of descent (N,) [m/s] that ends the braking at a height [m], a number or (N,)."""
        vehicle = self.vehicle
        time = braking_time(
            now.velocity, now.mass, BRAKED,
            vehicle.maximum_thrust, vehicle.exhaust_speed, vehicle.gravity, vehicle.radius,
        )  # fmt: skip
        return rate_to_gate(now.height, time, gate, GATE_RATE, FASTEST)

    @abstractmethod
    def law(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2]; ``begins`` (N,) bool says for whom the law begins now."""


def exact(reading: dict[str, torch.Tensor], height: str) -> Estimate:
    """The estimate of a pilot that is shown the truth, whose range finders show the ``height`` itself."""
    velocity = believed_velocity(reading)
    sure = torch.ones_like(reading[height], dtype=torch.bool)
    return Estimate(
        height=reading[height],
        height_deviation=torch.zeros_like(reading[height]),
        velocity=velocity,
        velocity_error=torch.zeros_like(velocity),
        velocity_deviation=torch.zeros_like(velocity),
        position=torch.stack([reading["position_x"], reading["position_y"]], dim=1),
        seen=sure,
        trusted=sure,
    )


def touch_down(now: Situation, rate: float) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] of the last metres: P66's channels at the contact rate [m/s].

    Its terms for the engine's lag and for the last command stay at rest: these engines follow within a tenth of a
    second, Luminary's did not.
    """
    still = torch.zeros_like(now.velocity[:, :2])
    wished = torch.full_like(now.height, rate)
    return landing(wished, still, now.velocity, now.gravity, still, now.gravity)
