"""Suicide burn: nothing, then full thrust from the height at which it just stops.

As published: full thrust at h = v^2 / (2 (T/m - g)) (missions reference, section 5.1), for a constant mass. With mass
it is the rocket equation in uniform gravity, straight down: with exhaust speed c, flow q = T/c and mass m,

    v(t) = v + g t + c ln(1 - q t / m),    h(t) = v t + g t^2 / 2 - (m c / q) (x + (1 - x) ln(1 - x)),    x = q t / m.

As programmed: v(t) = 0 is solved for y = -ln(1 - x), the logarithm of the mass ratio, in which the burn cannot outlast
the mass: v + g (m/q) (1 - e^-y) - c y = 0. The left side is concave and falls beyond its root, so Newton's method from
y = (v + g m/q) / c, which is beyond it, comes down to it without a safeguard. For c to infinity h is the published one.
"""

from typing import NamedTuple

import torch

PASSES = 20  # of Newton's method: it doubles its digits with each, and the last few change nothing
SMALL = 0.1  # [-] share of the mass below which a series is more exact than the logarithm


class Burn(NamedTuple):
    """A full-thrust burn to rest, each (N,)."""

    time: torch.Tensor  # [s]
    height: torch.Tensor  # [m] that it takes
    propellant: torch.Tensor  # [kg] that it takes, whether or not the tanks hold it


def suicide_burn(
    height: torch.Tensor,
    velocity: torch.Tensor,
    mass: torch.Tensor,
    thrust: float | torch.Tensor,
    exhaust_speed: float | torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2]: full and upright at or below the ignition height, else none.

    Args:
        height: (N,) above where the stop is wanted [m].
        velocity: (N, 3) [m/s], z up; only its vertical part counts, and while it rises there is no thrust.
        mass: (N,) now [kg].
        thrust: at full throttle [N], a number or (N,).
        exhaust_speed: specific impulse times standard gravity [m/s], a number or (N,).
        gravity: positive [m/s^2], a number or (N,).
    """
    falling = velocity[:, 2] < 0.0
    needed = burn_to_rest((-velocity[:, 2]).clamp(min=0.0), mass, thrust, exhaust_speed, gravity).height
    command = torch.zeros_like(velocity)
    command[:, 2] = torch.where(falling & (height <= needed), thrust / mass, 0.0)
    return command


def burn_to_rest(
    speed: torch.Tensor,
    mass: torch.Tensor,
    thrust: float | torch.Tensor,
    exhaust_speed: float | torch.Tensor,
    gravity: float | torch.Tensor,
) -> Burn:
    """Time, height and propellant, each (N,), of a vertical full-thrust burn from a speed (N,) [m/s] down to rest.

    The height is the ignition height; the other arguments are those of ``suicide_burn``. An engine that cannot carry
    the weight at first is answered too: the burn speeds up before it slows down.
    """
    weight = gravity * mass / thrust  # in thrusts
    start = speed / exhaust_speed
    logarithm = start + weight
    for _ in range(PASSES):
        excess = start - weight * torch.expm1(-logarithm) - logarithm
        logarithm = logarithm - excess / (weight * torch.exp(-logarithm) - 1.0)
    share = -torch.expm1(-logarithm)
    emptying = mass * exhaust_speed / thrust  # [s] in which the engine would burn the whole mass
    time = share * emptying
    height = speed * time + 0.5 * gravity * time**2 - exhaust_speed * emptying * thrust_distance(share)
    return Burn(time, height, share * mass)


def thrust_distance(share: torch.Tensor) -> torch.Tensor:
    """x + (1 - x) ln(1 - x) of a burnt share x (N,), exact for small x too, where it is x^2/2 + x^3/6 + ..."""
    series = torch.zeros_like(share)
    for power in range(10, 1, -1):
        series = share * series + 1.0 / (power * (power - 1))
    return torch.where(share < SMALL, series * share**2, share + (1.0 - share) * torch.log1p(-share))
