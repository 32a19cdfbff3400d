"""The descents of a seed in batches that fit into memory; episode i is lander i of the seed, whatever the batch."""

from collections.abc import Iterator

import torch

from lunar_env.descent import Descent
from lunar_env.scenario import Scenario


def batches(
    scenario: Scenario,
    episodes: int,
    seed: int,
    device: torch.device | str,
    size: int,
    first: int = 0,
    threads: int | None = None,
) -> Iterator[Descent]:
    """Episodes ``first`` to ``first + episodes - 1`` of a seed at their starts, at most ``size`` at a time.

    None of their landers begins anew. ``threads`` of each as ``Descent`` has them.
    """
    for lander in range(first, first + episodes, size):
        count = min(size, first + episodes - lander)
        descent = Descent(scenario, count, device, seed, autoreset="disabled", threads=threads)
        descent.reset(seed=seed, first_lander=lander)
        yield descent
