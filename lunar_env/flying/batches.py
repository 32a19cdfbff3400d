"""The descents of a seed in batches that fit into memory; episode i is lander i of the seed, whatever the batch."""

from collections.abc import Iterator

import torch

from lunar_env.descent import Descent
from lunar_env.scenario import Scenario


def batches(scenario: Scenario, episodes: int, seed: int, device: torch.device | str, size: int) -> Iterator[Descent]:
    """Episodes 0 to ``episodes`` - 1 of a seed at their starts, at most ``size`` at a time; none begins anew."""
    for first in range(0, episodes, size):
        descent = Descent(scenario, min(size, episodes - first), device, seed, autoreset="disabled")
        descent.reset(seed=seed, first_lander=first)
        yield descent
