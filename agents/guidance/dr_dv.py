"""DR/DV: energy-optimal feedback with its own time to go, the classical baseline of Gaudet's papers.

As published (D'Souza, "An optimal guidance law for planetary landing", AIAA 97-3709 [R; V2: a public program]): to the
origin at rest, a = -6 r / t^2 - 4 v / t - g, with g the vector of gravity and t the root of a quartic, see
``time_to_go``. The paper's tables (missions reference, section 6.2): 255.2 kg of fuel against an optimum of 224.4 kg.

As programmed: to any final state, a = -6 (r - r_f) / t^2 - (4 v + 2 v_f) / t - g, which is E-guidance at that time.
Near the end t is held at a floor, below which the gains would grow without bound.
"""

import torch

from agents.guidance.apollo import against_gravity
from agents.guidance.time_to_go import energy_optimal_time

FLOOR = 0.5  # [s] least time to go: two or three decisions [P]


def dr_dv(
    position: torch.Tensor,
    velocity: torch.Tensor,
    final_position: torch.Tensor,
    final_velocity: torch.Tensor,
    gravity: float | torch.Tensor,
    time_weight: float | torch.Tensor = 0.0,
    floor: float = FLOOR,
    stretch: float = 1.0,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] to a final state; it knows no ground, no limits and no mass.

    Args:
        position: (N, 3) [m].
        velocity: (N, 3) [m/s].
        final_position: (N, 3) or (3,) [m].
        final_velocity: (N, 3) or (3,) [m/s].
        gravity: positive [m/s^2], a number or (N,).
        time_weight: Gamma [m^2/s^4], a number or (N,): what a second costs; more of it arrives sooner.
        floor: least time to go [s].
        stretch: of the time to go; above 1 it keeps thrust in hand where the engine is near its limit.
    """
    time = energy_optimal_time(position, velocity, final_position, final_velocity, time_weight, gravity)
    time = (stretch * time).clamp(min=floor)[:, None]
    total = 6.0 * (final_position - position) / time**2 - (4.0 * velocity + 2.0 * final_velocity) / time
    return against_gravity(total, gravity)
