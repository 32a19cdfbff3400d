"""What pilots with a target share: when their law may begin, and where it goes.

The pad is the target if the law can reach it with ``SHARE`` of the thrust; else the vehicle diverts to where it comes
to a stop anyway.
"""

import math
from abc import abstractmethod
from dataclasses import replace

import torch

from agents.guidance.apollo import against_gravity
from agents.guidance.time_to_go import energy_optimal_time
from agents.pilots.shared.thrust_vector import BRAKED, Situation, ThrustVectorPilot, touch_down
from lunar_env import Scenario

SHARE = 1.1  # of full thrust that the law may ask for with the mass at its beginning, which falls on the way [P]
REACH = 0.8  # [-] of the height, by which a pad may lie aside [P]


class ApproachPilot(ThrustVectorPilot):
    """Brakes, chooses a target, and follows its law there."""

    final_height = 15.0  # [m] of the law's end; below it the vehicle is let down
    final_rate = 1.5  # [m/s] of descent there

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        self.target = torch.zeros(num_landers, 3, dtype=torch.float32, device=device)  # [m]
        self.target[:, 2] = self.final_height
        self.pad = self.target.clone()
        self.final_velocity = torch.tensor([0.0, 0.0, -self.final_rate], dtype=torch.float32, device=device)  # [m/s]
        self.ends = torch.zeros(num_landers, dtype=torch.bool, device=device)  # the law, and stays so

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.target[mask] = self.pad[mask]
        self.ends[mask] = False

    def is_braked(self, now: Situation) -> torch.Tensor:
        """Whether (N,) the lateral speed is gone, or the pad can be reached as it is."""
        return (now.velocity[:, :2].norm(dim=1) <= BRAKED) | self.reaches_pad(now)

    def reaches_pad(self, now: Situation) -> torch.Tensor:
        """Whether (N,) energy-optimal guidance to the pad keeps its share of the thrust, now and at its end.

        Its acceleration is linear in time, so what both ends keep is kept between them.
        """
        time = self.optimal_time(now, self.pad)[:, None].clamp(min=1.0)
        change = self.final_velocity - now.velocity
        miss = self.pad - now.position - now.velocity * time
        aside = (miss + 0.5 * now.velocity * time)[:, :2].norm(dim=1)  # from where it comes to a stop anyway
        within = aside <= REACH * now.height
        for total in (6.0 * miss / time**2 - 2.0 * change / time, -6.0 * miss / time**2 + 4.0 * change / time):
            wished = against_gravity(total, now.gravity)
            size = wished.norm(dim=1)
            within &= size <= SHARE * self.vehicle.maximum_thrust / now.mass
            within &= wished[:, 2] >= math.cos(self.tilt_limit) * size
        return within

    def choose_target(self, now: Situation, begins: torch.Tensor) -> None:
        """Set the target of the landers whose law begins: the pad, or where half of the present speed leads."""
        upright = torch.tensor([0.0, 0.0, 1.0], device=now.position.device, dtype=torch.float32)
        vertical = replace(now, position=now.position * upright, velocity=now.velocity * upright)
        time = self.optimal_time(vertical, self.pad * upright)
        ahead = now.position[:, :2] + 0.5 * now.velocity[:, :2] * time[:, None]
        diverted = torch.cat([ahead, self.pad[:, 2:]], dim=1)
        chosen = torch.where(self.reaches_pad(now)[:, None], self.pad, diverted)
        self.target = torch.where(begins[:, None], chosen, self.target)

    def optimal_time(self, now: Situation, target: torch.Tensor) -> torch.Tensor:
        """Energy-optimal time (N,) [s] to a target (N, 3) [m]."""
        return energy_optimal_time(now.position, now.velocity, target, self.final_velocity, 0.0, now.gravity)

    def law(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2]: the guidance, and in the end P66."""
        if bool(begins.any()):
            self.choose_target(now, begins)
        self.ends |= self.braked & (now.height <= self.final_height)
        return torch.where(self.ends[:, None], touch_down(now, self.final_rate), self.guide(now, begins))

    @abstractmethod
    def guide(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] to the target."""
