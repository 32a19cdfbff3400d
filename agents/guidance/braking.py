"""Braking: the rate of descent is held first, all other thrust goes against the lateral speed.

As programmed: the vertical part carries the weight, less what orbital speed carries, and brings the rate of descent to
the wished one; the lateral part asks for more than there is, and ``limits`` grants what is left. ``rate_to_gate`` is
the rate that changes steadily and has brought the vehicle to a height when the braking is done.
"""

import torch

VERTICAL_TIME = 4.0  # [s] of the rate of descent: the vehicle has to turn for it [P]
MOST_WEIGHTS = 1.3  # of the vertical thrust acceleration, over what carries the weight [P]
LATERAL_TIME = 2.0  # [s] of the lateral speed: above a few m/s it asks for more than there is [P]


def braking(
    height: torch.Tensor,
    velocity: torch.Tensor,
    wished_rate: torch.Tensor,
    gravity: float | torch.Tensor,
    radius: float,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] that brakes at a wished rate of descent (N,) [m/s], positive down.

    ``height`` (N,) [m] above the ground; ``velocity`` (N, 3) [m/s], z up; ``gravity`` positive [m/s^2], a number or
    (N,); ``radius`` [m] of the Moon.
    """
    carrying = weight(velocity, gravity, radius)
    vertical = carrying - (velocity[:, 2] + wished_rate) / VERTICAL_TIME
    # A rate that is missed shall not starve the braking, unless the ground is near.
    urgent = velocity[:, 2] ** 2 / (2.0 * height.clamp(min=1.0))
    vertical = torch.minimum(vertical, MOST_WEIGHTS * carrying + urgent).clamp(min=0.0)
    return torch.cat([-velocity[:, :2] / LATERAL_TIME, vertical[:, None]], dim=1)


def weight(velocity: torch.Tensor, gravity: float | torch.Tensor, radius: float) -> torch.Tensor:
    """Gravity (...) [m/s^2] less what the lateral speed of (..., 3) carries on a sphere, v^2 / R; not below zero."""
    return (gravity - (velocity[..., 0] ** 2 + velocity[..., 1] ** 2) / radius).clamp(min=0.0)


def braking_time(
    velocity: torch.Tensor,
    mass: torch.Tensor,
    final_speed: float,
    thrust: float,
    exhaust_speed: float,
    gravity: float,
    radius: float,
) -> torch.Tensor:
    """Time (N,) [s] in which full thrust, less what carries the weight, brings the lateral speed to a final one."""
    sideways = velocity[:, :2].norm(dim=1)
    strongest = thrust / mass
    # Half of the relief that orbital speed gives, for it is lost on the way; the mass is that of half the burn.
    carried = (gravity - 0.5 * sideways**2 / radius).clamp(min=0.0)
    along = torch.sqrt((strongest**2 - carried**2).clamp(min=(0.2 * gravity) ** 2))
    lost = (sideways - final_speed).clamp(min=0.0)
    return lost / along * (1.0 - 0.5 * lost / exhaust_speed)


def rate_to_gate(
    height: torch.Tensor, time: torch.Tensor, gate_height: float | torch.Tensor, gate_rate: float, fastest: float
) -> torch.Tensor:
    """Rate of descent (N,) [m/s] now: r and r_gate over a time t cover (r + r_gate) t / 2, from height to gate."""
    return (2.0 * (height - gate_height) / (time + 1.0) - gate_rate).clamp(0.0, fastest)


def settling(
    velocity: torch.Tensor,
    wished_rate: torch.Tensor,
    gravity: float | torch.Tensor,
    vertical_time: float,
    lateral_time: float,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] towards a rate of descent (N,) [m/s] and no lateral speed.

    ``velocity`` (N, 3) [m/s], z up; ``gravity`` positive [m/s^2], a number or (N,); the times [s] are those of two
    first-order loops.
    """
    vertical = gravity - (velocity[:, 2] + wished_rate) / vertical_time
    return torch.cat([-velocity[:, :2] / lateral_time, vertical.clamp(min=0.0)[:, None]], dim=1)
