"""Laws of the textbooks that no pilot here flies: independent references for those that are flown.

Cherry's E-guidance, Klumpp's quadratic, D'Souza's cost and the time of a gravity turn are as published in
agents/guidance/apollo.py, time_to_go.py and gravity_turn.py, whose words and arguments they share.

Surveyor's terminal descent: down a contour of speed over height that constant thrust can hold.

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

from agents.guidance.apollo import against_gravity
from agents.guidance.gravity_turn import against, speed_and_sine
from agents.guidance.time_to_go import products

CONTACT_RATE = 1.5  # [m/s] 5 ft/s
FINAL_HEIGHT = 13.0  # [m] below which the rate is constant [R]
CUT_HEIGHT = 4.3  # [m] 14 ft: engines off [V2]
TIME_CONSTANT = 1.0  # [s] of the speed loop [P]


def e_guidance(
    position: torch.Tensor,
    velocity: torch.Tensor,
    time_to_go: torch.Tensor,
    final_position: torch.Tensor,
    final_velocity: torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] of Cherry's law; arguments as those of ``augmented_apollo``."""
    time = time_to_go[:, None]
    change = final_velocity - velocity
    miss = final_position - position - velocity * time
    first = 4.0 / time * change - 6.0 / time**2 * miss
    second = -6.0 / time**2 * change + 12.0 / time**3 * miss
    return against_gravity(first + second * time, gravity)


def apollo_quadratic(
    position: torch.Tensor,
    velocity: torch.Tensor,
    time: torch.Tensor,
    target_position: torch.Tensor,
    target_velocity: torch.Tensor,
    target_acceleration: torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] of Klumpp's law.

    ``time`` (N,) [s] is Klumpp's T, negative: zero at the target. ``target_acceleration`` (N, 3) or (3,) [m/s^2] is the
    total one there, gravity included. The other arguments are those of ``augmented_apollo``.
    """
    T = time[:, None]
    total = target_acceleration + 12.0 * (target_position - position) / T**2 + 6.0 * (target_velocity + velocity) / T
    return against_gravity(total, gravity)


def time_to_stop(velocity: torch.Tensor, acceleration: torch.Tensor, gravity: float | torch.Tensor) -> torch.Tensor:
    """The time (N,) [s] until a turn under an acceleration (N,) [m/s^2] greater than gravity stops."""
    speed, sine = speed_and_sine(velocity)
    return speed * (acceleration - gravity * sine) / (acceleration**2 - gravity**2)


def energy_cost(
    time: torch.Tensor,
    position: torch.Tensor,
    velocity: torch.Tensor,
    final_position: torch.Tensor,
    final_velocity: torch.Tensor,
    time_weight: float | torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """D'Souza's cost (N,) [m^2/s^3] of arriving after a time (N,) [s] by the energy-optimal way.

    Gamma t + 1/2 integral |a|^2 of the thrust acceleration a; arguments as those of ``energy_optimal_time``.
    """
    way, speeds, closing = products(position, velocity, final_position, final_velocity)
    climb = gravity * (final_velocity - velocity)[:, 2]
    effort = (2.0 * speeds - (6.0 * closing - 6.0 * way / time) / time) / time
    return (time_weight + 0.5 * gravity**2) * time + effort + climb


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
