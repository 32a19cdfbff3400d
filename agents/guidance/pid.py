"""A cascade of loops: position to velocity to acceleration, with an integral that does not wind up.

As published, the textbook's (Astrom & Hagglund, "Advanced PID Control", 2006, chapters 3 and 13 [R]): an outer
proportional loop commands the inner proportional-integral one, and integration stops while the output is limited.

As programmed: v_w = limit(k_p d), d = r_f - r, a = limit(k_v (v_w - v) + i), di/dt = k_i (v_w - v). The limits scale
the vector and keep its direction; that of the speed is also what a share of the acceleration can stop within |d|. A
lander integrates only in periods in which its acceleration is not limited, and each axis of i is clipped. Gravity is
carried beside it, so that i holds only what is not known.
"""

import torch

from agents.guidance.apollo import against_gravity

POSITION_GAIN = 0.15  # [1/s] [P]
BRAKING_SHARE = 0.7  # of the acceleration limit, with which the outer loop plans to stop [P]
VELOCITY_GAIN = 0.6  # [1/s] four times the outer loop's, so that it hardly feels the inner one [P]
INTEGRAL_GAIN = 0.09  # [1/s^2] a quarter of the square of the velocity gain: no overshoot of the inner loop [P]
INTEGRAL_LIMIT = 0.5  # [m/s^2] of each axis [P]


class PositionCascade:
    """Flies a batch to a place and keeps it there. It holds integrals, so a new episode needs ``reset``."""

    def __init__(
        self,
        num_landers: int,
        speed_limit: float,
        acceleration_limit: float | torch.Tensor,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.speed_limit = speed_limit  # [m/s] of the wished velocity
        self.acceleration_limit = acceleration_limit  # [m/s^2] positive, beside the weight; or (N,)
        self.integral = torch.zeros(num_landers, 3, device=device, dtype=dtype)  # [m/s^2]

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.integral[mask] = 0.0

    def act(
        self,
        position: torch.Tensor,
        velocity: torch.Tensor,
        target: torch.Tensor,
        gravity: float | torch.Tensor,
        period: float,
    ) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] to hold for one period.

        Args:
            position: (N, 3) [m].
            velocity: (N, 3) [m/s].
            target: (N, 3) or (3,) [m].
            gravity: positive [m/s^2], a number or (N,).
            period: until the next call [s].
        """
        way = target - position
        wished, _ = limited(POSITION_GAIN * way, self.stoppable(way).clamp(max=self.speed_limit))
        error = wished - velocity
        command, is_limited = limited(VELOCITY_GAIN * error + self.integral, self.acceleration_limit)
        grown = self.integral + INTEGRAL_GAIN * period * error
        grown = grown.clamp(-INTEGRAL_LIMIT, INTEGRAL_LIMIT)
        self.integral = torch.where(is_limited[:, None], self.integral, grown)
        return against_gravity(command, gravity)

    def stoppable(self, way: torch.Tensor) -> torch.Tensor:
        """The speed (N,) [m/s] that a share of the acceleration stops within a way (N, 3) [m]."""
        return torch.sqrt(2.0 * BRAKING_SHARE * self.acceleration_limit * way.norm(dim=1))


def limited(vector: torch.Tensor, limit: float | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A vector (N, 3) scaled to at most a size, a number or (N,), and where (N,) that was needed."""
    size = vector.norm(dim=1)
    is_limited = size > limit
    return vector * torch.where(is_limited, limit / size.clamp(min=1e-12), 1.0)[:, None], is_limited
