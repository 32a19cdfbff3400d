"""Generalised advantage estimation (Schulman et al. 2015) of a whole rollout in one launch, a thread a lander."""

import torch
import warp as wp

from lunar_env.kernel.cache import start_warp
from lunar_env.kernel.layout import shared
from lunar_env.kernel.streams import launch

wp.set_module_options({"enable_backward": False})


@wp.kernel
def estimate(
    rewards: wp.array2d(dtype=float),
    dones: wp.array2d(dtype=wp.uint8),
    values: wp.array2d(dtype=float),
    last: wp.array(dtype=float),
    discount: float,
    decay: float,
    returns: wp.array2d(dtype=float),
):
    """The returns of a lander, from the last decision to the first."""
    row = wp.tid()
    steps = rewards.shape[0]
    following = last[row]
    advantage = float(0.0)
    for k in range(steps):
        step = steps - 1 - k
        going_on = 1.0 - float(dones[step, row])
        value = values[step, row]
        error = rewards[step, row] + going_on * discount * following - value
        advantage = error + going_on * discount * decay * advantage
        returns[step, row] = advantage + value
        following = value


def returns_of(
    rewards: torch.Tensor,
    dones: torch.Tensor,
    values: torch.Tensor,
    last: torch.Tensor,
    discount: float,
    decay: float,
    returns: torch.Tensor,
) -> None:
    """Write the returns (T, N, 1) of rewards, ends (uint8) and values, each (T, N, 1), and of the last values (N, 1).

    Without rounding in between in another order than rsl-rl's: to the bit on a CPU.
    """
    start_warp()
    known = [shared(rewards.squeeze(-1)), shared(dones.squeeze(-1), torch.uint8), shared(values.squeeze(-1))]
    inputs = [*known, shared(last.squeeze(-1)), discount, decay, shared(returns.squeeze(-1))]
    launch(estimate, rewards.shape[1], inputs, rewards.device)
