"""How long it should still take: Klumpp's cubic for Apollo's law, D'Souza's quartic for the energy-optimal one.

As published:

- Klumpp (R-695, 1971 [V2: KLU]): along one axis the jerk at the target is prescribed, which fixes T < 0 by
  J T^3 + 6 A_t T^2 + (18 V_t + 6 V) T + 24 (R_t - R) = 0. Luminary solved it by Newton's method from the last pass's T,
  gave up after eight passes, and its output was then not to be trusted [V: Luminary 099, ROOTPSRS].
- D'Souza, "An optimal guidance law for planetary landing", AIAA 97-3709 [R; V2: a public program]: the time that
  minimises Gamma t_f + 1/2 integral |a|^2 for a landing at rest at the origin is a root of
  (Gamma + g^2/2) t^4 - 2 v.v t^2 - 12 v.r t - 18 r.r = 0.

As programmed: the cubic as flown. The quartic for any final state: with d = r_f - r the least cost of a given t is

    J(t) = (Gamma + g^2/2) t + 2 (v.v + v.v_f + v_f.v_f) / t - 6 d.(v + v_f) / t^2 + 6 d.d / t^3 + constant,

so that J' = 0 is (Gamma + g^2/2) t^4 - 2 (v.v + v.v_f + v_f.v_f) t^2 + 12 d.(v + v_f) t - 18 d.d = 0. It may have
three positive roots, of which the outer two are minima of J; the published choice among roots is not kept, the cheaper
is taken. The quartic's own turning points, a cubic solved by cosines, part the roots, which are then bisected.
"""

import math
from collections.abc import Callable

import torch

PASSES = 8  # of Newton's method, as flown [V2: KLU]
PRECISION = 1e-4  # [-] of the first guess, at which the root counts as found [P]
HALVINGS = 60  # of a bracket: a double's digits


def apollo_time(
    position: torch.Tensor,
    velocity: torch.Tensor,
    target_position: float | torch.Tensor,
    target_velocity: float | torch.Tensor,
    target_acceleration: float | torch.Tensor,
    target_jerk: float | torch.Tensor,
    guess: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Klumpp's T (N,) [s], negative, and where (N,) it converged; elsewhere it is not to be trusted.

    All are components along one axis, downrange in Apollo: ``position`` (N,) [m], ``velocity`` (N,) [m/s], the target's
    as numbers or (N,), its acceleration [m/s^2] and jerk [m/s^3] with gravity. ``guess`` (N,) [s] is the last T.
    """
    linear = 18.0 * target_velocity + 6.0 * velocity
    constant = 24.0 * (target_position - position)
    time, step = guess, torch.zeros_like(guess)
    for _ in range(PASSES):
        residual = ((target_jerk * time + 6.0 * target_acceleration) * time + linear) * time + constant
        step = residual / ((3.0 * target_jerk * time + 12.0 * target_acceleration) * time + linear)
        time = time - step
    return time, step.abs() <= PRECISION * guess.abs()


def energy_optimal_time(
    position: torch.Tensor,
    velocity: torch.Tensor,
    final_position: torch.Tensor,
    final_velocity: torch.Tensor,
    time_weight: float | torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The time to go (N,) [s] that minimises D'Souza's cost; next to zero for a lander that is there at rest.

    Args:
        position: (N, 3) [m].
        velocity: (N, 3) [m/s].
        final_position: (N, 3) or (3,) [m].
        final_velocity: (N, 3) or (3,) [m/s].
        time_weight: Gamma [m^2/s^4], not negative, a number or (N,).
        gravity: positive [m/s^2], a number or (N,).
    """
    way, speeds, closing = products(position, velocity, final_position, final_velocity)
    scale = time_weight + 0.5 * gravity**2
    quadratic, linear, constant = 2.0 * speeds / scale, 12.0 * closing / scale, 18.0 * way / scale

    third = (quadratic / 6.0).clamp(min=1e-12).sqrt()  # half of the cosine form's amplitude
    angle = torch.acos((-0.125 * linear / third**3).clamp(-1.0, 1.0)) / 3.0
    later = 2.0 * third * torch.cos(angle)
    earlier = (2.0 * third * torch.cos(angle - 2.0 * math.pi / 3.0)).clamp(min=0.0)
    earlier = torch.minimum(earlier, later)
    # Fujiwara's bound on the roots of a polynomial; a hair more, for rounding.
    highest = 2.0001 * torch.stack([quadratic.sqrt(), (-linear).clamp(min=0.0) ** (1.0 / 3.0), constant**0.25]).amax(0)

    def quartic(time: torch.Tensor) -> torch.Tensor:
        return ((time**2 - quadratic) * time + linear) * time - constant

    roots = _bisected(quartic, torch.stack([torch.zeros_like(later), later]), torch.stack([earlier, highest]))
    exists = torch.stack([quartic(earlier) > 0.0, quartic(later) <= 0.0])
    cost = (scale * roots) + (2.0 * speeds - (6.0 * closing - 6.0 * way / roots) / roots) / roots
    cheaper = exists[0] & (~exists[1] | (cost[0] < cost[1]))
    return torch.where(cheaper, roots[0], roots[1])


def products(
    position: torch.Tensor, velocity: torch.Tensor, final_position: torch.Tensor, final_velocity: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """d.d, v.v + v.v_f + v_f.v_f and d.(v + v_f), each (N,)."""
    away = final_position - position
    both = velocity + final_velocity
    speeds = (velocity * both).sum(1) + (final_velocity * final_velocity).sum(-1)
    return (away * away).sum(1), speeds, (away * both).sum(1)


def _bisected(function: Callable[[torch.Tensor], torch.Tensor], low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Where a function rises through zero between ``low`` and ``high``."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = function(middle) < 0.0
        lower, higher = torch.where(below, middle, low), torch.where(below, high, middle)
        # Where no digits are left, the rest would change nothing. Elsewhere than on a CPU it costs more to ask.
        if low.device.type == "cpu" and torch.equal(lower, low) and torch.equal(higher, high):
            break
        low, high = lower, higher
    return high
