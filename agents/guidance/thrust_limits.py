"""From a wished thrust acceleration to what the vehicle can do.

As programmed, in this order: the vertical part is granted first, up to full thrust, for a lander that chases lateral
error before it carries its weight falls; lateral thrust takes what is left, within the tilt limit; last the throttle's
range. The same order as the loop of the ``descent_rate`` control mode.
"""

import math

import torch


def thrust_vector(
    acceleration: torch.Tensor,
    mass: torch.Tensor,
    maximum_thrust: float | torch.Tensor,
    minimum_throttle: float | torch.Tensor,
    tilt_limit: float = math.radians(60.0),
) -> torch.Tensor:
    """The action (N, 3) of the ``thrust_vector`` control mode: thrust over maximum thrust, up not negative.

    It is what an engine with the usual ``engine.shutdown`` will do: nothing where less than half of the minimum
    throttle is wished, or at least the minimum, or at most one. Raising it to the minimum keeps the direction. Down is
    not thrust: it turns the engine off.

    Args:
        acceleration: wished thrust acceleration (N, 3) [m/s^2], z up.
        mass: (N,) [kg].
        maximum_thrust: [N], a number or (N,).
        minimum_throttle: 0 to 1, a number or (N,).
        tilt_limit: of the thrust from the vertical [rad]; a right angle for none, as orbital speed carries weight too.
    """
    wished = acceleration * (mass / maximum_thrust)[:, None]  # in maximum thrusts
    vertical = wished[:, 2].clamp(0.0, 1.0)
    left = torch.sqrt((1.0 - vertical) * (1.0 + vertical))
    allowed = left if tilt_limit >= 0.5 * math.pi else torch.minimum(left, math.tan(tilt_limit) * vertical)
    across = wished[:, :2].norm(dim=1)
    smallest = torch.finfo(wished.dtype).tiny
    lateral = wished[:, :2] * torch.minimum(allowed / across.clamp(min=smallest), torch.ones_like(across))[:, None]

    thrust = torch.cat([lateral, vertical[:, None]], dim=1)
    throttle = thrust.norm(dim=1)
    burns = (throttle > 0.0) & (throttle >= 0.5 * minimum_throttle)
    stable = throttle.clamp(max=1.0)
    stable = torch.maximum(stable, minimum_throttle * torch.ones_like(stable))
    factor = torch.where(burns, stable / throttle.clamp(min=smallest), 0.0)
    return thrust * factor[:, None]
