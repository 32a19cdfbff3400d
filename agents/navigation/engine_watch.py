"""How much of the commanded thrust arrives, from what the accelerometers felt: an engine may be weak, or fail in part.

As programmed: over a decision the inertial velocity changes by thrust and gravity, dv = (e f T / m) u dt - g dt, with
the share f of the nominal thrust T and the axis u of the vehicle. The share follows the command c with the throttle's
lag, f' = (c - f) / lag, and counts with its mean. The effect e is what dv + g dt along u is of (f T / m) dt; each
decision moves the estimate by a share of what is seen. A decision that says little is left out.
"""

from math import exp

import torch

from agents.guidance.vehicle import Vehicle
from lunar_env.observation import believed_velocity

SHARE = 0.5  # of the difference that a decision's effect moves the estimate by [P]
LEAST_COMMAND = 0.2  # of the nominal thrust: less tells nothing [P]
LOWEST = 0.25  # of the effect: with less the engine is off, which says nothing of what it gives when it is on [P]
HIGHEST = 1.3  # of the effect: with more the inertial unit is to blame [P]


class EngineWatch:
    """The effect (N,) of a batch of engines: thrust over what was commanded of the nominal one."""

    def __init__(self, vehicle: Vehicle, period: float, num_landers: int, device: torch.device | str = "cpu") -> None:
        self.vehicle, self.period = vehicle, period
        self.effect = torch.ones(num_landers, dtype=torch.float32, device=device)
        self.command = torch.zeros(num_landers, dtype=torch.float32, device=device)  # in force, of the nominal thrust
        self.flowing = torch.zeros(
            num_landers, dtype=torch.float32, device=device
        )  # of the nominal thrust, at the end of a decision
        self.mean = torch.zeros(num_landers, dtype=torch.float32, device=device)  # and on average over it
        self.left = exp(-period / vehicle.lag) if vehicle.lag > 0.0 else 0.0  # of a change of command, after a decision
        self.velocity = torch.full(
            (num_landers, 3), torch.nan, dtype=torch.float32, device=device
        )  # [m/s] at the last decision
        self.axis = torch.zeros(num_landers, 3, dtype=torch.float32, device=device)  # of the vehicle then

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.effect[mask] = 1.0
        self.command[mask] = 0.0
        self.flowing[mask] = 0.0
        self.mean[mask] = 0.0
        self.velocity[mask] = torch.nan

    def look(self, reading: dict[str, torch.Tensor]) -> None:
        """Take in one decision's observation (named SI columns)."""
        velocity = believed_velocity(reading)
        axis = local_axis(reading, self.vehicle.radius)
        mean = axis + self.axis
        mean = mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-6)
        fall = self.vehicle.gravity - (velocity[:, :2] ** 2).sum(dim=1) / self.vehicle.radius
        felt = (velocity - self.velocity) / self.period
        felt = (felt * mean).sum(dim=1) + fall * mean[:, 2]
        mass = self.vehicle.dry_mass + reading["propellant"]
        seen = felt * mass / (self.mean * self.vehicle.maximum_thrust).clamp(min=1e-6)
        telling = (self.command >= LEAST_COMMAND) & (seen >= LOWEST)  # never true of what is not a number
        moved = torch.lerp(self.effect, seen.clamp(max=HIGHEST), SHARE)
        self.effect = torch.where(telling, moved, self.effect)
        self.velocity, self.axis = velocity, axis

    def note(self, action: torch.Tensor) -> None:
        """The command (N, 3) that is in force from now on, in nominal thrusts."""
        self.command = action.norm(dim=1)
        change = self.flowing - self.command
        self.flowing = self.command + change * self.left
        self.mean = self.command + change * (1.0 - self.left) * self.vehicle.lag / self.period


def local_axis(reading: dict[str, torch.Tensor], radius: float) -> torch.Tensor:
    """The vehicle's axis (N, 3) in local axes, by the believed attitude and place."""
    x, y, z, w = (reading[f"attitude_{name}"] for name in "xyzw")
    site = torch.stack([2.0 * (x * z + y * w), 2.0 * (y * z - x * w), 1.0 - 2.0 * (x * x + y * y)], dim=1)
    # Near the pad the local vertical leans by place / radius: a small turn.
    leaning = torch.stack([reading["position_x"], reading["position_y"]], dim=1) / radius
    up = site[:, 2] + (site[:, :2] * leaning).sum(dim=1)
    return torch.cat([site[:, :2] - leaning * site[:, 2:], up[:, None]], dim=1)
