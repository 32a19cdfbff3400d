"""Rates of descent from which a vehicle can still stop: with the ground in sight, and while the altimeter is silent.

As programmed: v^2 / 2a + v t = h, a constant deceleration a after a reaction time t, solved for v.
"""

import torch


def stopping_rate(
    height: torch.Tensor, deceleration: torch.Tensor, reaction: float, least: float = 0.0
) -> torch.Tensor:
    """The rate of descent (N,) [m/s] from which a lander stops within a height.

    Args:
        height: (N,) [m]; below zero counts as zero.
        deceleration: (N,) [m/s^2], positive.
        reaction: [s] before it decelerates.
        least: [m/s] that is always allowed.
    """
    delay = deceleration * reaction
    return (torch.sqrt(delay**2 + 2.0 * deceleration * height.clamp(min=0.0)) - delay).clamp(min=least)


def guarded_rate(
    height: torch.Tensor,
    deceleration: torch.Tensor,
    guarded: float,
    least_deceleration: torch.Tensor,
    reaction: float,
    least: float,
) -> torch.Tensor:
    """The rate of descent (N,) [m/s] that a part of the thrust can still stop in the last metres, all of it above.

    Args:
        height: (N,) [m]; below zero counts as zero.
        deceleration: (N,) [m/s^2] of all the thrust, positive.
        guarded: [m] of height in which a part has to suffice.
        least_deceleration: (N,) [m/s^2] of that part, positive.
        reaction: [s] before it decelerates.
        least: [m/s] that is always allowed.
    """
    slow = stopping_rate(height.clamp(max=guarded), least_deceleration, reaction, least)
    return torch.sqrt(slow**2 + stopping_rate(height - guarded, deceleration, reaction) ** 2)


def blind_rate(
    spare: torch.Tensor, deceleration: torch.Tensor, lock: float, reaction: float, least: float, share: float
) -> torch.Tensor:
    """The rate of descent (N,) [m/s] of a lander that sees no ground, and may see it very late.

    Hovering burns the propellant that the landing needs, so it keeps the rate from which it could still stop if the
    first range came where the ground may be next, and adds what can be lost by then.

    Args:
        spare: (N,) [m] of height until the first range has to come.
        deceleration: (N,) [m/s^2], positive.
        lock: [m] above the ground where that range comes at the latest, less what is flown slowly.
        reaction: [s] before it decelerates.
        least: [m/s] that is always allowed.
        share: of the deceleration that is counted on meanwhile: nothing will correct an optimist.
    """
    creep = stopping_rate(torch.full_like(spare, lock), deceleration, reaction, least)
    return torch.sqrt(creep**2 + 2.0 * share * deceleration * spare.clamp(min=0.0))
