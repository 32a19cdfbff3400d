"""The language of ``control="descent_rate"``: metres per second to actions."""

import torch

from lunar_env import Scenario
from lunar_env.quantities import Range


def descent_rate_action(scenario: Scenario, rate: torch.Tensor) -> torch.Tensor:
    """The action (N, 3) that commands a rate of descent [m/s], (N,), and no lateral speed."""
    fastest = scenario.guidance.maximum_descent_rate
    if isinstance(fastest, Range):
        raise ValueError("guidance.maximum_descent_rate must be a fixed number for classical pilots")
    share = torch.sqrt((rate / fastest).clamp(0.0, 1.0))
    still = torch.zeros_like(rate)
    return torch.stack([2.0 * share - 1.0, still, still], dim=1)
