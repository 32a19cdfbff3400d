"""Polynomial guidance of the Apollo family: Cherry's, Klumpp's, and the one law that holds both.

Gravity is a positive number g [m/s^2], the vector (0, 0, -g) in the formulas; all laws return thrust acceleration.

As published, with t the time to go, to a final position r_f and velocity v_f:

- E-guidance (Cherry, "A general, explicit, optimizing guidance law for rocket-propelled spaceflight", AIAA 64-638 [R]):
  acceleration linear in time, a = c_1 + c_2 t, from (c_1, c_2) = E (v_f - v, r_f - r - v t), less gravity.
- ZEM/ZEV (Guo, Hawkins & Wie, J. Guidance 36(3), 2013 [R]): a = 6 ZEM/t^2 - 2 ZEV/t, ZEM = r_f - (r + v t + g t^2/2),
  ZEV = v_f - (v + g t). It is E-guidance; both minimise the integral of |a|^2.
- Klumpp's quadratic (R-695, 1971 [V2: KLU]), with T = -t < 0: a = a_t + 12 (r_t - r)/T^2 + 6 (v_t + v)/T, total
  acceleration, to which a_t is the total final one; thrust is what gravity does not do.
- Augmented Apollo (Lu, J. Guidance 42(3), 2019 [V2: KLU]): a_T = (2/t)(1 - k/3)(v_f - v) + (k/t^2)(r_f - r - v t)
  + (k/6 - 1) a_f + (k/6 - 2) g, where a_f is the final THRUST acceleration. k = 6 is E-guidance, k = 12 Klumpp's.

In between, what is off at t goes as t^3 and t^(k/3); so above k = 6 the thrust acceleration ends at a_f.

As programmed: as published. The time to go is the caller's, who keeps it above zero: Apollo never flew to T = 0.
"""

import torch


def augmented_apollo(
    position: torch.Tensor,
    velocity: torch.Tensor,
    time_to_go: torch.Tensor,
    final_position: torch.Tensor,
    final_velocity: torch.Tensor,
    final_thrust: torch.Tensor,
    gain: float,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] of augmented Apollo guidance.

    Args:
        position: (N, 3) [m].
        velocity: (N, 3) [m/s].
        time_to_go: (N,) [s], positive.
        final_position: (N, 3) or (3,) [m].
        final_velocity: (N, 3) or (3,) [m/s].
        final_thrust: thrust acceleration at the end (N, 3) or (3,) [m/s^2]; without effect at gain 6.
        gain: k, 6 or more.
        gravity: positive [m/s^2], a number or (N,).
    """
    time = time_to_go[:, None]
    change = final_velocity - velocity
    miss = final_position - position - velocity * time
    shaped = 2.0 * (1.0 - gain / 3.0) * change / time + gain * miss / time**2 + (gain / 6.0 - 1.0) * final_thrust
    return against_gravity(shaped, (2.0 - gain / 6.0) * gravity)


def zem_zev(
    position: torch.Tensor,
    velocity: torch.Tensor,
    time_to_go: torch.Tensor,
    final_position: torch.Tensor,
    final_velocity: torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] from what coasting would miss by; arguments as above."""
    time = time_to_go[:, None]
    effort_miss = against_gravity(final_position - position - velocity * time, 0.5 * gravity * time_to_go**2)
    effort_velocity = against_gravity(final_velocity - velocity, gravity * time_to_go)
    return 6.0 * effort_miss / time**2 - 2.0 * effort_velocity / time


def against_gravity(vector: torch.Tensor, gravity: float | torch.Tensor) -> torch.Tensor:
    """A vector (N, 3) with ``gravity``, a number or (N,), added along z."""
    return torch.cat([vector[:, :2], (vector[:, 2] + gravity)[:, None]], dim=1)
