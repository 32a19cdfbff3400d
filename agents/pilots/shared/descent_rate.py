"""What pilots of ``control="descent_rate"`` share: an altitude filter, and metres per second turned into actions."""

from abc import abstractmethod

import torch

from lunar_env import Scenario
from lunar_env.flight_computer.filters import AltitudeFilter
from lunar_env.flying.pilot import Pilot, require_control
from lunar_env.observation import believed_lateral_speed
from lunar_env.quantities import Range


class DescentRatePilot(Pilot):
    """A pilot that decides on a rate of descent from what it sees and from the filtered height."""

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control(self.name, scenario, self.control)
        if isinstance(scenario.guidance.maximum_descent_rate, Range):
            raise ValueError("guidance.maximum_descent_rate must be a fixed number for classical pilots")
        self.fastest = float(scenario.guidance.maximum_descent_rate)  # [m/s]
        self.table = scenario.observation_table()
        self.filter = AltitudeFilter(self.table, num_landers, scenario.decision_period, device=device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.filter.reset(mask)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3): the wished rate of descent and no lateral speed."""
        reading = self.table.read(observation)
        rate = self.rate(reading, self.filter.update(reading))
        share = torch.sqrt((rate / self.fastest).clamp(0.0, 1.0))  # the scale of the action is quadratic
        still = torch.zeros_like(share)
        return torch.stack([2.0 * share - 1.0, still, still], dim=1)

    @abstractmethod
    def rate(self, reading: dict[str, torch.Tensor], height: torch.Tensor) -> torch.Tensor:
        """The wished rate of descent (N,) [m/s], from named SI columns and the filtered height (N,) [m]."""


def held_while_braking(
    rate: torch.Tensor, reading: dict[str, torch.Tensor], braked: float, fastest: float
) -> torch.Tensor:
    """The rate of descent (N,) [m/s], at most ``fastest`` while more lateral speed than ``braked`` is to be lost."""
    return torch.where(believed_lateral_speed(reading) > braked, rate.clamp(max=fastest), rate)
