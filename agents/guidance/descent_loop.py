"""The loop below ``descent_rate``: the vertical thrust that it asks for, and what of it is felt.

As in lunar_env/vehicle/control.py: the vertical thrust acceleration is clamp(w + (v - v_wished) / t, 0, T / m),
positive up, for the weight w less what orbital speed carries and the loop's time constant t; the loop knows nothing of
a weak engine. As programmed: over a decision the inertial velocity changes by thrust and gravity; what gravity does not
explain was thrust. Next to upright, over the mean of what was asked for at the decision's begin and end, that is the
effect of the engine. All thrusts are shares of the nominal one.
"""

from dataclasses import dataclass

import torch

from agents.guidance.braking import weight
from agents.guidance.vehicle import Vehicle
from lunar_env import Scenario
from lunar_env.quantities import middle

LEAST_COMMAND = 0.25  # of the nominal thrust: less tells nothing [P]
STEADY = 0.25  # of the nominal thrust: a command that changes by more within a decision tells nothing [P]
LOWEST = 0.25  # of the effect: with less the engine is off, which says nothing of what it gives when it is on [P]
LEAN = 0.2  # [rad] of the thrust in a decision: with more, too much of it went against lateral speed [P]


@dataclass(frozen=True)
class DescentLoop:
    """What is known of it. Rates (...) [m/s] are positive down; velocities (..., 3) [m/s] inertial, z up."""

    vehicle: Vehicle
    period: float  # [s] between decisions
    time: float  # [s] in which it brings the rate to the wished one
    fastest: float  # [m/s] rate of descent that can be asked for

    @classmethod
    def of(cls, scenario: Scenario) -> "DescentLoop":
        """The loop of a scenario, as its designer knows it."""
        guidance = scenario.guidance
        return cls(
            vehicle=Vehicle.of(scenario),
            period=float(scenario.decision_period),
            time=middle(guidance.vertical_time),
            fastest=middle(guidance.maximum_descent_rate),
        )

    def rate(self, action: torch.Tensor) -> torch.Tensor:
        """The rate that a first action (...) asks for; its scale is quadratic."""
        return self.fastest * (0.5 * (action + 1.0)) ** 2

    def mass(self, propellant: torch.Tensor) -> torch.Tensor:
        """Of the vehicle (...) [kg], with so much propellant [kg]."""
        return self.vehicle.dry_mass + propellant

    def carried(self, velocity: torch.Tensor) -> torch.Tensor:
        """The acceleration (...) [m/s^2] that the vertical thrust has to give to hover."""
        return weight(velocity, self.vehicle.gravity, self.vehicle.radius)

    def asked(self, rate: torch.Tensor, velocity: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
        """The vertical thrust (...) for a wished rate."""
        strongest = self.vehicle.maximum_thrust / mass
        wished = (self.carried(velocity) - (velocity[..., 2] + rate) / self.time).clamp(min=0.0)
        return torch.minimum(wished, strongest) / strongest

    def felt(self, before: torch.Tensor, now: torch.Tensor, mass: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The thrust (...) upwards and across, by the velocities at the begin and the end of a decision."""
        change, strongest = (now - before) / self.period, self.vehicle.maximum_thrust / mass
        return (change[..., 2] + self.carried(now)) / strongest, change[..., :2].norm(dim=-1) / strongest


def effect(
    begin: torch.Tensor, end: torch.Tensor, up: torch.Tensor, across: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The engine's effect (...) in a decision, and whether (...) it tells anything; never of what is no number.

    ``begin`` and ``end``: what was asked for then; ``up`` and ``across``: what was felt.
    """
    mean = 0.5 * (begin + end)
    seen = up / mean.clamp(min=LEAST_COMMAND)
    steady, upright = (end - begin).abs() < STEADY, across < LEAN * up
    return seen, (mean > LEAST_COMMAND) & steady & upright & (seen > LOWEST)
