"""The descents of a seed in batches that fit into memory; episode i is lander i of the seed, whatever the batch."""

from collections.abc import Iterator

import torch

from lunar_env.descent import Descent
from lunar_env.scenario import Scenario


def batches(
    scenario: Scenario, episodes: int, seed: int, device: torch.device | str, size: int, first: int = 0
) -> Iterator[Descent]:
    """Episodes ``first`` to ``first + episodes - 1`` of a seed at their starts, at most ``size`` at a time.

    None of their landers begins anew.
    """
    for lander in range(first, first + episodes, size):
        descent = Descent(scenario, min(size, first + episodes - lander), device, seed, autoreset="disabled")
        descent.reset(seed=seed, first_lander=lander)
        yield descent
