"""What a pilot knows of the loop below ``descent_rate``: how much of the thrust that it asks for arrives.

A weak engine is asked for more, by asking for a lower rate. See agents/guidance/descent_loop.py for the loop itself.
"""

import torch

from agents.guidance.descent_loop import DescentLoop, effect
from lunar_env import Scenario
from lunar_env.quantities import Range

SHARE = 0.5  # of the difference that a decision's effect moves the estimate by [P]
UPRIGHT = 5.0  # [m/s] of lateral speed: with more, some of the thrust goes against that


class RateLoop:
    """The loops of a batch of landers, and the effect of their engines: thrust over the nominal one, at most 1."""

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        if isinstance(scenario.guidance.maximum_descent_rate, Range):
            raise ValueError("guidance.maximum_descent_rate must be a fixed number for classical pilots")
        self.known = DescentLoop.of(scenario)
        self.effect = torch.ones(num_landers, dtype=torch.float32, device=device)
        self.velocity = torch.full(
            (num_landers, 3), torch.nan, dtype=torch.float32, device=device
        )  # [m/s] inertial, at the last decision
        self.mass = torch.full((num_landers,), torch.nan, dtype=torch.float32, device=device)  # [kg] then

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.effect[mask] = 1.0
        self.velocity[mask] = self.mass[mask] = torch.nan

    def look(self, reading: dict[str, torch.Tensor]) -> None:
        """Take in one decision's observation (named SI columns).

        It shows the action that was flown, which need not be this pilot's: somebody may learn from it.
        """
        loop, rate = self.known, self.known.rate(reading["last_descent_rate"])
        velocity = torch.stack([reading[f"velocity_{axis}"] for axis in ("x", "y", "up")], dim=1)
        mass = loop.mass(reading["propellant"])
        begin, end = loop.asked(rate, self.velocity, self.mass), loop.asked(rate, velocity, mass)
        seen, telling = effect(begin, end, *loop.felt(self.velocity, velocity, mass))
        self.effect = torch.where(telling, torch.lerp(self.effect, seen.clamp(max=1.0), SHARE), self.effect)
        self.velocity, self.mass = velocity, mass

    def action(self, rate: torch.Tensor, drift: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3) for a rate of descent (N,) [m/s] and no lateral speed.

        Args:
            rate: (N,) [m/s] true, as it is wanted.
            drift: (N,) [m/s] of the inertial vertical velocity, upwards: inertial less true.
        """
        loop, wanted = self.known, self.known.asked(rate, self.velocity, self.mass)
        more = (wanted / self.effect).clamp(max=1.0)
        net = more * loop.vehicle.maximum_thrust / self.mass - loop.carried(self.velocity)
        lower = -self.velocity[:, 2] - loop.time * net  # what makes the loop ask for that much
        asked = torch.where((more > wanted) & upright(self.velocity), torch.minimum(rate, lower), rate)
        asked = asked.clamp(min=0.0) - drift
        share = torch.sqrt((asked / loop.fastest).clamp(0.0, 1.0))  # the scale of the action is quadratic
        still = torch.zeros_like(share)
        return torch.stack([2.0 * share - 1.0, still, still], dim=1)


def upright(velocity: torch.Tensor) -> torch.Tensor:
    """Whether (N,) next to all thrust is vertical, by the velocity (N, 3) [m/s]."""
    return velocity[:, :2].norm(dim=1) < UPRIGHT
