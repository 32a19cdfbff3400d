"""Terminal descent as Surveyor's: down a contour of speed over height that constant thrust can hold.

As published: after its solid retro Surveyor steered its thrust against the velocity, fell until its speed met a stored
contour of straight segments near the parabola v^2 = v_f^2 + 2 a (h - h_f) of constant deceleration, held it, then a
constant 1.5 m/s, and cut its engines at 4.3 m [V2: solarsystem.nasa.gov, Surveyor 1: 5 km/h at 14 ft], or 3.4 m [V2:
WIKI]; the constant rate began at about 13 m [R].

As programmed: the speed is held by its own feed-forward and one gain. With speed v on the contour c(h) and s = v_z / v,

    a = -g s + c'(h) (-v_z) + (v - c(h)) / tau,    against the velocity, and not below zero.

The first term carries the weight along the path, the second is the contour's own deceleration. Vertically it is
a = g + deceleration, constant on the parabola. Surveyor's contour was over slant range; this one is over height, the
same in a vertical descent.
"""

import torch

from agents.guidance.gravity_turn import against

CONTACT_RATE = 1.5  # [m/s] 5 ft/s
FINAL_HEIGHT = 13.0  # [m] below which the rate is constant [R]
CUT_HEIGHT = 4.3  # [m] 14 ft: engines off [V2]
TIME_CONSTANT = 1.0  # [s] of the speed loop [P]


def constant_thrust(
    height: torch.Tensor,
    velocity: torch.Tensor,
    contour: tuple[torch.Tensor, torch.Tensor],
    gravity: float | torch.Tensor,
    cut_height: float = CUT_HEIGHT,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] that holds a contour; none at or below the cut-off height.

    Args:
        height: (N,) above the ground [m].
        velocity: (N, 3) over the ground [m/s], z up.
        contour: wished speed (N,) [m/s] and its slope over height (N,) [1/s], from ``parabola`` or ``segments``.
        gravity: positive [m/s^2], a number or (N,).
        cut_height: [m].
    """
    wished, slope = contour
    direction = against(velocity)
    size = gravity * direction[:, 2] - slope * velocity[:, 2] + (velocity.norm(dim=1) - wished) / TIME_CONSTANT
    burning = (height > cut_height) & (size > 0.0)
    return torch.where(burning, size, 0.0)[:, None] * direction


def parabola(
    height: torch.Tensor,
    deceleration: float | torch.Tensor,
    final_height: float = FINAL_HEIGHT,
    contact_rate: float = CONTACT_RATE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Speed (N,) [m/s] and slope (N,) [1/s] of v^2 = v_f^2 + 2 a (h - h_f) at a height (N,) [m]; constant below h_f.

    ``deceleration`` is what the contour takes off the speed, net of gravity [m/s^2], a number or (N,).
    """
    above = height - final_height
    speed = torch.sqrt(contact_rate**2 + 2.0 * deceleration * above.clamp(min=0.0))
    return speed, torch.where(above > 0.0, deceleration / speed, 0.0)


def segments(height: torch.Tensor, heights: torch.Tensor, speeds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Speed (N,) [m/s] and slope (N,) [1/s] at a height (N,) [m] of a contour of straight segments.

    ``heights`` (K,) [m] rise, ``speeds`` (K,) [m/s] belong to them; outside, the nearest speed holds.
    """
    upper = torch.searchsorted(heights, height.contiguous()).clamp(1, len(heights) - 1)
    lower = upper - 1
    slope = (speeds[upper] - speeds[lower]) / (heights[upper] - heights[lower])
    within = height.clamp(heights[0], heights[-1])
    inside = (height >= heights[0]) & (height <= heights[-1])
    return speeds[lower] + slope * (within - heights[lower]), torch.where(inside, slope, 0.0)
