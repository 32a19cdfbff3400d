"""Gravity turn: thrust opposite to the velocity, of the constant size that stops at the wanted height.

As published: Cheng, "Lunar terminal guidance", in Leondes & Vance (eds.), "Lunar Missions and Exploration", Wiley 1964
[R]; solved for the thrust by McInnes, "Gravity-turn descent from low circular orbit conditions", J. Guidance 26(1),
2003 [R], and in that form in Lu, "Augmented Apollo Powered Descent Guidance", J. Guidance 42(3), 2019 [V2: two public
programs after it]. With speed v, sine s of the flight-path angle (negative in descent), thrust acceleration a against
the velocity and uniform gravity g on flat ground:

    dv/dt = -a - g s,    v ds/dt = -g (1 - s^2),    dh/dt = v s.

The height that is lost until the stop is h = v^2 (g (1 + s^2) - 2 a s) / (4 (a^2 - g^2)), for its rate of change along
these equations is v s, and it is zero at v = 0. Solved for a, it is the quadratic

    a^2 + (v^2 s / 2 h) a - v^2 g (1 + s^2) / (4 h) - g^2 = 0,

whose positive root exceeds g. Straight down, s = -1, it is a = g + v^2 / 2 h. The time to the stop follows in the same
way: t = v (a - g s) / (a^2 - g^2).

As programmed: that root at each call, so that errors are taken up as they come. The vehicle ends upright.
"""

import torch

LOWEST = 1e-3  # [m] over which the stop is planned at least
SLOWEST = 1e-6  # [m/s] below which a velocity has no direction, and thrust points up


def gravity_turn(height: torch.Tensor, velocity: torch.Tensor, gravity: float | torch.Tensor) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] of a gravity turn.

    Args:
        height: (N,) above where the stop is wanted [m]; taken as at least 1 mm.
        velocity: (N, 3) over the ground [m/s], z up.
        gravity: positive [m/s^2], a number or (N,).
    """
    return thrust_acceleration(height, velocity, gravity)[:, None] * against(velocity)


def thrust_acceleration(height: torch.Tensor, velocity: torch.Tensor, gravity: float | torch.Tensor) -> torch.Tensor:
    """The size (N,) [m/s^2] of the thrust acceleration that stops at the wanted height; arguments as above."""
    speed, sine = speed_and_sine(velocity)
    share = speed**2 / height.clamp(min=LOWEST)
    linear = 0.5 * share * sine
    constant = 0.25 * share * gravity * (1.0 + sine**2) + gravity**2
    return 0.5 * (torch.sqrt(linear**2 + 4.0 * constant) - linear)


def height_lost(velocity: torch.Tensor, acceleration: torch.Tensor, gravity: float | torch.Tensor) -> torch.Tensor:
    """The height (N,) [m] that a turn under an acceleration (N,) [m/s^2] greater than gravity takes until it stops."""
    speed, sine = speed_and_sine(velocity)
    return speed**2 * (gravity * (1.0 + sine**2) - 2.0 * acceleration * sine) / (4.0 * (acceleration**2 - gravity**2))


def speed_and_sine(velocity: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Speed (N,) [m/s] and sine (N,) of the flight-path angle, -1 straight down; at rest it is -1."""
    return velocity.norm(dim=1), -against(velocity)[:, 2]


def against(velocity: torch.Tensor) -> torch.Tensor:
    """The direction (N, 3) opposite to a velocity (N, 3) [m/s]; up at rest."""
    speed = velocity.norm(dim=1, keepdim=True)
    up = torch.zeros_like(velocity)
    up[:, 2] = 1.0
    return torch.where(speed > SLOWEST, -velocity / speed.clamp(min=SLOWEST), up)
