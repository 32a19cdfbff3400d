"""What a flight computer is told before it flies: the plan of a mission."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class FlightPlan:
    """Heights [m], rising from the ground, and the rate of descent [m/s] that a flight computer was to have at each.

    Between two heights the deceleration is constant. The last height is the gate at which braking should end.
    """

    heights: tuple[float, ...]
    rates: tuple[float, ...]
    source: str = ""
    navigation: str = "fused"  # how the height is known, a key of FILTERS
    unevenness: float = 20.0  # [m] see FilterTuning [P]
    lead: float = 2.0  # [s] the plan is read where the vehicle will be: half a decision and the loop's lag
    braked: float = 60.0  # [m/s] of lateral speed below which the plan is followed [P]
    braking_rate: float = 0.0  # [m/s] of descent while braking blind; 0: steer to the gate
    diving_rate: float = 0.0  # [m/s] of descent before that, down to a believed height of ``diving_until``
    diving_until: float = 1e9  # [m]
    trim: float = 0.0  # [1/s] gain with which a lasting error of the rate is taken out
    cut: float = 0.0  # [m] believed height at which the engine is cut for good
    fastest_braking: float = 150.0  # [m/s] rate of descent while braking, at most [P]

    def rate(self, height: torch.Tensor) -> torch.Tensor:
        """Rate of descent [m/s] that the plan wants at a height [m]: linear in the square between its points."""
        heights = torch.tensor(self.heights, device=height.device, dtype=torch.float32)
        squares = torch.tensor(self.rates, device=height.device, dtype=torch.float32) ** 2
        clamped = height.clamp(0.0, self.heights[-1])
        upper = torch.bucketize(clamped, heights).clamp(1, len(self.heights) - 1)
        share = (clamped - heights[upper - 1]) / (heights[upper] - heights[upper - 1])
        return torch.sqrt(squares[upper - 1] + share * (squares[upper] - squares[upper - 1]))


@dataclass(frozen=True)
class OrbitPlan(FlightPlan):
    """A flight plan with what comes before the descent."""

    burn_speed: float = 0.0  # [m/s] that the burn takes away
    burn_time: float = 1.0  # [s] that it should need
    burn_limit: float = 0.0  # [s] after which the timer ends it
    ignition: float = 0.0  # [m] believed distance to the pad at which the descent begins
