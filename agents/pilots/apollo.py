"""``apollo``: the quadratic guidance of the lunar module's approach, with its time to go from Klumpp's cubic.

As published, see agents/guidance/apollo.py and time_to_go.py: acceleration quadratic in time to a target position,
velocity and acceleration; the time to go follows from a prescribed jerk at the target, solved for at each pass from
the last pass's. Apollo prescribed the downrange jerk; this vehicle comes down steeply, so here it is the vertical one.
Below ``final_height`` P66 lets the vehicle down, as from P64.
"""

import torch

from agents.guidance.apollo import augmented_apollo
from agents.guidance.time_to_go import apollo_time
from agents.pilots.shared.approach import ApproachPilot
from agents.pilots.shared.thrust_vector import Situation
from lunar_env import Scenario

GAIN = 12.0  # k of Apollo's law
FINAL_SHARE = 0.25  # of the deceleration that full thrust leaves, at the target [P]
FINAL_JERK = 0.0  # [m/s^3] at the target [P]
LAST = 5.0  # [s] before the target at which the law is left
LONGEST = 400.0  # [s]


class Apollo(ApproachPilot):
    """Shapes its way to the target, and is let down from there."""

    name = "apollo"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.time = torch.zeros(num_landers, dtype=torch.float32, device=device)  # [s] Klumpp's T, negative

    def guide(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] to the target."""
        slowing = FINAL_SHARE * (self.vehicle.maximum_thrust / now.mass - now.gravity)
        guess = torch.where(begins, -self.optimal_time(now, self.target), self.time + self.period).clamp(max=-LAST)
        time, converged = apollo_time(
            now.height, now.velocity[:, 2], self.final_height, -self.final_rate,
            slowing, FINAL_JERK, guess,
        )  # fmt: skip
        usable = converged & (time < 0.0) & (time > -LONGEST)
        self.time = torch.where(usable, time, guess)
        self.ends |= self.braked & (self.time > -LAST)
        final = torch.zeros_like(now.velocity)
        final[:, 2] = now.gravity + slowing
        return augmented_apollo(
            now.position, now.velocity, (-self.time).clamp(min=LAST), self.target, self.final_velocity, final,
            GAIN, now.gravity,
        )  # fmt: skip
