"""What a pilot knows of the loop below ``descent_rate``: the thrust it asks for, and how much of that arrives.

As in lunar_env/control.py: the vertical thrust acceleration is clamp(w + (v - v_wished) / t, 0, T/m), positive up, for
the weight w less what orbital speed carries and the loop's time constant t; the loop knows nothing of a weak engine.
As programmed: over a decision the inertial velocity changes by thrust and gravity; what that says of the thrust, over
the mean of what was asked for at the decision's begin and end, is the effect of the engine. A weak one is asked for
more, by asking for a lower rate.
"""

import torch

from agents.guidance.braking import weight
from agents.vehicle import Vehicle
from lunar_env import Scenario
from lunar_env.quantities import Range, middle

SHARE = 0.5  # of the difference that a decision's effect moves the estimate by [P]
LEAST_COMMAND = 0.25  # of the nominal thrust: less tells nothing [P]
STEADY = 0.25  # of the nominal thrust: a command that changes by more within a decision tells nothing [P]
LOWEST = 0.25  # of the effect: with less the engine is off, which says nothing of what it gives when it is on [P]
LEAN = 0.2  # [rad] of the thrust in a decision: with more, too much of it went against lateral speed
UPRIGHT = 5.0  # [m/s] of lateral speed: with more, some of the thrust goes against that


class RateLoop:
    """The loops of a batch of landers, and the effect of their engines: thrust over the nominal one, at most 1."""

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        if isinstance(scenario.guidance.maximum_descent_rate, Range):
            raise ValueError("guidance.maximum_descent_rate must be a fixed number for classical pilots")
        self.fastest = float(scenario.guidance.maximum_descent_rate)  # [m/s]
        self.vehicle, self.period = Vehicle.of(scenario), scenario.decision_period
        self.time = middle(scenario.guidance.vertical_time)  # [s]
        self.effect = torch.ones(num_landers, device=device)
        self.velocity = torch.full((num_landers, 3), torch.nan, device=device)  # [m/s] inertial, at the last decision
        self.mass = torch.full((num_landers,), torch.nan, device=device)  # [kg] then

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.effect[mask] = 1.0
        self.velocity[mask] = self.mass[mask] = torch.nan

    def look(self, reading: dict[str, torch.Tensor]) -> None:
        """Take in one decision's observation (named SI columns).

        It shows the action that was flown, which need not be this pilot's: somebody may learn from it.
        """
        vehicle, rate = self.vehicle, self.fastest * (0.5 * (reading["last_descent_rate"] + 1.0)) ** 2
        velocity = torch.stack([reading[f"velocity_{axis}"] for axis in ("x", "y", "up")], dim=1)
        mass = vehicle.dry_mass + reading["propellant"]
        begin, end = self.command(rate, self.velocity, self.mass), self.command(rate, velocity, mass)
        mean = 0.5 * (begin + end)
        felt = (velocity[:, 2] - self.velocity[:, 2]) / self.period
        felt = felt + weight(velocity, vehicle.gravity, vehicle.radius)
        seen = felt * mass / vehicle.maximum_thrust / mean.clamp(min=1e-6)
        steady = (end - begin).abs() < STEADY
        across = (velocity[:, :2] - self.velocity[:, :2]).norm(dim=1) / self.period
        vertical = across < LEAN * felt
        telling = (mean > LEAST_COMMAND) & steady & (seen > LOWEST) & vertical  # never true of nan
        self.effect = torch.where(telling, torch.lerp(self.effect, seen.clamp(max=1.0), SHARE), self.effect)
        self.velocity, self.mass = velocity, mass

    def action(self, rate: torch.Tensor, drift: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3) for a rate of descent (N,) [m/s] and no lateral speed.

        Args:
            rate: (N,) [m/s] true, as it is wanted.
            drift: (N,) [m/s] of the inertial vertical velocity, upwards: inertial less true.
        """
        vehicle, wanted = self.vehicle, self.command(rate, self.velocity, self.mass)
        more = (wanted / self.effect).clamp(max=1.0)
        net = more * vehicle.maximum_thrust / self.mass - weight(self.velocity, vehicle.gravity, vehicle.radius)
        lower = -self.velocity[:, 2] - self.time * net  # what makes the loop ask for that much
        asked = torch.where((more > wanted) & upright(self.velocity), torch.minimum(rate, lower), rate)
        asked = asked.clamp(min=0.0) - drift
        share = torch.sqrt((asked / self.fastest).clamp(0.0, 1.0))  # the scale of the action is quadratic
        still = torch.zeros_like(share)
        return torch.stack([2.0 * share - 1.0, still, still], dim=1)

    def command(self, rate: torch.Tensor, velocity: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
        """The vertical thrust (N,) over the nominal one that the loop asks for."""
        strongest = self.vehicle.maximum_thrust / mass
        carried = weight(velocity, self.vehicle.gravity, self.vehicle.radius)
        wished = (carried - (velocity[:, 2] + rate) / self.time).clamp(min=0.0)
        return torch.minimum(wished, strongest) / strongest


def upright(velocity: torch.Tensor) -> torch.Tensor:
    """Whether (N,) next to all thrust is vertical, by the velocity (N, 3) [m/s]."""
    return velocity[:, :2].norm(dim=1) < UPRIGHT
