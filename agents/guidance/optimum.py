"""What no pilot can beat: the least propellant over all flight times, the states that can be survived, and a bound.

``least_propellant`` and ``fastest_survivable`` search the flight time of the cone programs of convex.py. ``bound`` is
for thousands of states at once: for a free landing place, an engine that may be off and no ground but at the end,
Pontryagin's conditions leave three numbers to solve for.

As published (Lawden 1963, "Optimal trajectories for space navigation"; Leitmann 1959): thrust is either off or full
and points along the primer p, whose upward part is linear in time and whose horizontal part is constant here, for
nothing asks where the landing is. As programmed: a vehicle that descends coasts to a rate of descent d_1 and then
burns to the ground. With the flight time free the Hamiltonian vanishes, so that at a time s of the burn the primer's
upward part grows as d_1 + g s. Rate of descent, height and lateral speed at the end give d_1, the burn and the
primer's direction. Where d_1 would be less than the present rate, the burn begins at once, and the primer's slope is
free instead; a slope below zero, which asks for height, is taken as zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.guidance.convex import NODES, Problem, Solution, Vector, Vehicle, infeasible, solve
from lunar_env import Descent
from lunar_env.dynamics import STANDARD_GRAVITY
from lunar_env.quantities import middle
from lunar_env.task import Limits

GOLDEN = 0.5 * (3.0 - math.sqrt(5.0))
SCAN, SCAN_NODES = 20, 31  # flight times tried to bracket the best, and the nodes of each try
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(16)
TOUCHDOWN = (middle(Limits().descent_rate), middle(Limits().lateral_speed))  # [m/s]
LOWEST = np.array([[-14.0], [1e-6], [1e-6]])  # of the three numbers that ``_roots`` looks for
HIGHEST = np.array([[math.log(6.0)], [0.5 * math.pi], [0.5 * math.pi]])
ENGINE = ("maximum_thrust", "thrust_scale", "specific_impulse", "impulse_scale")
QUANTITIES = (
    *("motion.position", "motion.velocity", "motion.propellant", "surface.top"),
    *("drawn.mass.dry", "drawn.moon.radius", "drawn.moon.surface_gravity", "drawn.gear.centre_height"),
    *("drawn.limits.descent_rate", "drawn.limits.lateral_speed", *("drawn.engine." + name for name in ENGINE)),
)


# Over all flight times ---------------------------------------------------------------------------------------------


def least_propellant(
    problem: Problem, shortest: float | None = None, longest: float | None = None, nodes: int = NODES
) -> Solution:
    """The flight of least propellant with the flight time free, between two limits [s] that are guessed if not given.

    The propellant has one minimum over the flight time; a coarse scan brackets it and golden section narrows it to
    0.02 %. Infeasible with the reason, which tells the propellant that would be enough, if there is such a number.
    Raises ValueError for limits that are not in order.
    """
    times = _scan(problem, shortest, longest)
    best = _best(problem, times, lambda found: found.propellant, nodes)
    if best.feasible:
        return best
    vehicle = problem.vehicle
    tanks = replace(problem, vehicle=replace(vehicle, dry_mass=0.2 * vehicle.mass))  # as if all but a fifth would burn
    wished = _best(tanks, times, lambda found: found.propellant, nodes)
    if not wished.feasible:
        return infeasible(f"no flight of {times[0]:.3g} to {times[-1]:.3g} s stays within thrust, tilt and ground")
    if wished.propellant <= vehicle.propellant:
        return wished  # so short is the span of flight times that the scan had stepped over it
    return infeasible(f"needs {wished.propellant:.2f} kg of propellant, has {vehicle.propellant:.2f} kg")


def fastest_survivable(
    height: float,
    lateral_speed: float,
    vehicle: Vehicle,
    gravity: float,
    maximum_tilt: float = math.pi,
    limits: tuple[float, float] = TOUCHDOWN,
) -> float:
    """The highest rate of descent [m/s] from which the vehicle can still land, at a height [m]; -inf for none at all.

    Anywhere, above the ground all the way, with the thrust no farther than ``maximum_tilt`` [rad] from the vertical,
    and down to the rate of descent and the lateral speed [m/s] in ``limits``. Gravity is uniform [m/s^2].
    """
    start = Problem(
        vehicle,
        position=(0.0, 0.0, height),
        velocity=(lateral_speed, 0.0, 0.0),
        gravity=(0.0, 0.0, -gravity),
        descent_rate_margin=limits[0],
        lateral_speed_margin=limits[1],
        free_place=True,
        maximum_tilt=maximum_tilt,
    )
    best = _best(start, _scan(start, None, None), _climb_rate, SCAN_NODES, steepest=True)
    return float(-_climb_rate(best))


def survivable(
    height: Vector, descent_rate: Vector, lateral_speed: Vector, vehicle: Vehicle, gravity: float, **options: Any
) -> NDArray[np.bool_]:
    """Whether a landing is still possible from each state (N,); ``options`` are those of ``fastest_survivable``.

    A slower descent never asks for more than a faster one, so one search for each height and lateral speed tells all.
    """
    places = np.column_stack([np.atleast_1d(height), np.atleast_1d(lateral_speed)])
    unique, row = np.unique(places, axis=0, return_inverse=True)
    fastest = np.array([fastest_survivable(high, sideways, vehicle, gravity, **options) for high, sideways in unique])
    return np.atleast_1d(descent_rate) <= fastest[row.ravel()]


def _climb_rate(found: Solution) -> float:
    return float(found.velocities[0, 2]) if found.feasible else math.inf


def _scan(problem: Problem, shortest: float | None, longest: float | None) -> Vector:
    """Flight times [s] to try: up to three times what falling, stopping and crossing over take one after the other."""
    vehicle, (x, y, height) = problem.vehicle, np.subtract(problem.position, problem.target_position)
    gravity, thrust = max(-problem.gravity[2], 1e-3), vehicle.maximum_thrust / vehicle.mass
    if longest is None:
        climb, speed = problem.velocity[2], math.hypot(*problem.velocity)
        fall = (max(climb, 0.0) + math.sqrt(climb**2 + 2.0 * gravity * max(height, 0.0))) / gravity
        longest = 3.0 * (fall + speed / thrust + 2.0 * math.sqrt(math.hypot(x, y) / min(gravity, thrust))) + 1.0
        if vehicle.minimum_thrust > 0.0:
            longest = min(longest, 0.999 * vehicle.propellant * vehicle.exhaust_speed / vehicle.minimum_thrust)
    if shortest is None:
        shortest = longest / 40.0
    if not 0.0 < shortest < longest:
        raise ValueError(f"flight times from {shortest:g} to {longest:g} s are none; give 0 < shortest < longest")
    return np.geomspace(shortest, longest, SCAN)


def _best(
    problem: Problem, times: Vector, cost: Callable[[Solution], float], nodes: int, steepest: bool = False
) -> Solution:
    """The solution of least cost over the flight time; infeasible if every time of the scan is."""
    scanned = [cost(solve(problem, time, SCAN_NODES, steepest)) for time in times]
    middle = int(np.argmin(scanned))
    low, high = times[max(middle - 1, 0)], times[min(middle + 1, len(times) - 1)]
    time, best = times[middle], solve(problem, times[middle], nodes, steepest)
    while high - low > 2e-4 * high and math.isfinite(scanned[middle]):
        right = high - time > time - low  # the longer part is the one to look into
        tried = time + GOLDEN * ((high if right else low) - time)
        found = solve(problem, tried, nodes, steepest)
        if cost(found) < cost(best):
            low, high = (time, high) if right else (low, time)
            time, best = tried, found
        elif right:
            high = tried
        else:
            low = tried
    return best


# For many states at once -------------------------------------------------------------------------------------------


def bound_of(descent: Descent) -> Vector:
    """The least propellant [kg] (N,) with which each lander of a batch can still land, its true numbers known.

    For a flight that never climbs above the scenario's ceiling, nor moves faster sideways than it does now. Gravity is
    the weakest up to there, less the centrifugal relief v^2/r of the present angular momentum; what a climb would take
    from the lateral speed is given away too, and the ground counts as high as it ever gets. On ``resilience`` all this
    costs at most 1.7 % of the propellant. Not a number where the relief leaves no gravity, as in orbit. Faults that
    add thrust are not known here.
    """
    state = {name: descent.state[name].double().cpu().numpy() for name in QUANTITIES}
    radius, top = state["drawn.moon.radius"], state["surface.top"] + state["drawn.gear.centre_height"]
    centre = state["motion.position"] + radius[:, None] * np.array([0.0, 0.0, 1.0])
    distance = np.linalg.norm(centre, axis=1)
    climb = np.sum(state["motion.velocity"] * centre, axis=1) / distance
    momentum = np.linalg.norm(np.cross(centre, state["motion.velocity"]), axis=1)
    highest = radius + top + descent.scenario.ceiling
    # g(r) - L^2/r^3 rises, then falls with r: its least is at an end.
    ends = np.stack([radius + top, highest])
    gravity = np.min(state["drawn.moon.surface_gravity"] * (radius / ends) ** 2 - momentum**2 / ends**3, axis=0)
    engine = {name: state["drawn.engine." + name] for name in ENGINE}
    return bound(
        height=distance - radius - top,
        descent_rate=-climb,
        lateral_speed=momentum / highest,
        mass=state["drawn.mass.dry"] + state["motion.propellant"],
        maximum_thrust=engine["maximum_thrust"] * engine["thrust_scale"],
        exhaust_speed=engine["specific_impulse"] * engine["impulse_scale"] * STANDARD_GRAVITY,
        gravity=np.where(gravity > 0.0, gravity, np.nan),
        limits=(state["drawn.limits.descent_rate"], state["drawn.limits.lateral_speed"]),
    )


def bound(
    height: ArrayLike,
    descent_rate: ArrayLike,
    lateral_speed: ArrayLike,
    mass: ArrayLike,
    maximum_thrust: ArrayLike,
    exhaust_speed: ArrayLike,
    gravity: ArrayLike,
    limits: tuple[ArrayLike, ArrayLike] = TOUCHDOWN,
) -> Vector:
    """The least propellant [kg] (N,) that a landing anywhere takes, if there is one.

    Arguments are numbers or (N,): height [m] of the feet above the ground, rate of descent [m/s] of at least 0, lateral
    speed [m/s], mass [kg] with propellant, thrust [N] and exhaust speed [m/s] as they truly are, gravity [m/s^2], and
    in ``limits`` the rate of descent and the lateral speed [m/s] allowed at touchdown.

    No flight along which gravity is never weaker can do with less: the upward part of the primer is never negative, so
    that more gravity only costs. Attitude, minimum throttle, tanks and ground on the way are left out, which all cost.
    It is the optimum of what is left, but for a vehicle so low and fast that it would rather be higher: there it is
    what a landing at any depth takes, in which lower ground is allowed for as well. That is mostly some percent less,
    and more close to where no landing is possible; it does not say whether one is.
    Raises ValueError for a vehicle that climbs.
    """
    given = (height, descent_rate, lateral_speed, mass, maximum_thrust, exhaust_speed, gravity, *limits)
    rows = np.broadcast_arrays(*(np.atleast_1d(np.asarray(part, dtype=float)) for part in given))
    h, d, v, m, thrust, c, g, softest, slowest = rows
    if (d < 0.0).any():
        raise ValueError(f"descent_rate must be at least 0 m/s, got {d.min():g}; the bound is for a descent")
    states = _States(h, d, np.maximum(v - slowest, 0.0), softest, c, m * c / thrust, g)
    with np.errstate(all="ignore"):  # where there is no landing the search wanders off
        first = states.guess()
        coasting = _roots(states.after_coasting, first)
        at_once = _roots(states.at_once, np.stack([first[0], first[1], first[1]]))
        late = np.sqrt(2.0 * states.energy) * np.sin(coasting[2]) >= d
        burnt = np.where(at_once[2] >= at_once[1], np.exp(at_once[0]), states.anywhere_below())
    return m * -np.expm1(-np.where(late, np.exp(coasting[0]), burnt))


@dataclass(frozen=True)
class _States:
    """Descents (N,) to the ground, as the conditions of the optimum see them."""

    height: Vector  # [m]
    descent_rate: Vector  # [m/s]
    lateral_speed: Vector  # [m/s] to lose
    touchdown_rate: Vector  # [m/s] at most
    exhaust_speed: Vector  # [m/s]
    burnout: Vector  # [s] in which full thrust would burn the whole vehicle
    gravity: Vector  # [m/s^2]

    @property
    def energy(self) -> Vector:
        """[m^2/s^2] of the vertical motion, which a coast keeps."""
        return self.gravity * self.height + 0.5 * self.descent_rate**2

    @property
    def scale(self) -> Vector:
        """[m/s] of the speeds at hand."""
        return np.maximum(np.sqrt(2.0 * self.energy), self.lateral_speed)

    def guess(self) -> Vector:
        """(3, N) for ``after_coasting``: ignition at 0.7 of the speed of a free fall, at constant thrust."""
        thrust, g = self.exhaust_speed / self.burnout, self.gravity
        rate = 0.7 * np.sqrt(2.0 * self.energy)
        square = np.maximum(thrust**2 - g**2, 1e-3 * thrust**2)
        speed = np.hypot(rate, self.lateral_speed)
        time = (rate * g + np.sqrt((rate * g) ** 2 + square * speed**2)) / square
        delta_v = -np.log1p(-np.minimum(time / self.burnout, 0.8))
        angle = np.arctan2(rate + g * time, self.lateral_speed)
        return np.stack([np.log(delta_v), angle, np.full_like(angle, np.arcsin(0.7))])

    def after_coasting(self, x: Vector) -> Vector:
        """What (3, N) is left of height, rate and lateral speed: of a burn whose primer is d_1 + g s upwards.

        x: log of the burn's delta-v over the exhaust speed, the primer's angle at the end, arcsin of d_1 over the speed
        of a free fall.
        """
        time = self.burnout * -np.expm1(-np.exp(x[0]))
        rate = np.sqrt(2.0 * self.energy) * np.sin(x[2])
        at_end = rate + self.gravity * time
        height = (self.energy - 0.5 * rate**2) / self.gravity
        return self._left(time, height, rate, np.cos(x[1]), np.sin(x[1]) * rate / at_end, np.sin(x[1]))

    def at_once(self, x: Vector) -> Vector:
        """The same of a burn that begins now. x: as above, and the primer's angles at the start and at the end."""
        time = self.burnout * -np.expm1(-np.exp(x[0]))
        level = np.cos(x[1]) * np.cos(x[2])  # the primer's scale is free
        return self._left(
            time, self.height, self.descent_rate, level, np.sin(x[1]) * np.cos(x[2]), np.sin(x[2]) * np.cos(x[1])
        )

    def anywhere_below(self) -> Vector:
        """Delta-v over the exhaust speed (N,) of a burn that may end at any depth: in one direction from now on."""
        low, high = np.zeros_like(self.height), np.full_like(self.height, math.exp(HIGHEST[0, 0]))
        for _ in range(60):
            middle = 0.5 * (low + high)
            fallen = self.descent_rate - self.gravity * self.burnout * np.expm1(-middle)
            asked = np.hypot(self.lateral_speed, np.maximum(fallen - self.touchdown_rate, 0.0))
            enough = self.exhaust_speed * middle >= asked
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return low + 0.0 * self.gravity

    def _left(
        self, time: Vector, height: Vector, rate: Vector, level: Vector, up_first: Vector, up_last: Vector
    ) -> Vector:
        share = 0.5 * (1.0 + POINTS)[:, None]
        seconds, up = share * time, up_first + share * (up_last - up_first)
        thrust = self.exhaust_speed / (self.burnout - seconds) / np.hypot(level, up) * (0.5 * time * WEIGHTS[:, None])
        across, lift = np.sum(thrust * level, axis=0), np.sum(thrust * up, axis=0)
        risen = np.sum(thrust * up * (time - seconds), axis=0)
        scale = self.scale
        return np.stack(
            [
                (rate * time + 0.5 * self.gravity * time**2 - risen - height) / (scale * time),
                (rate + self.gravity * time - lift - self.touchdown_rate) / scale,
                (self.lateral_speed - across) / scale,
            ]
        )


def _roots(left: Callable[[Vector], Vector], x: Vector, passes: int = 40) -> Vector:
    """Where ``left`` (3, N) is zero: Newton from x (3, N) with steps that are halved until they help; else nan."""
    worst, nudge = np.abs(left(x)).max(axis=0), 1e-6
    for _ in range(passes):
        slopes = [(left(x + nudge * axis) - left(x - nudge * axis)) / (2.0 * nudge) for axis in np.eye(3)[:, :, None]]
        jacobian = np.stack(slopes, axis=-1).swapaxes(0, 1)  # (N, 3, 3)
        inverse = np.linalg.pinv(np.nan_to_num(jacobian))
        step = np.clip(-np.einsum("nij,jn->in", inverse, left(x)), -0.5, 0.5)
        for _ in range(8):
            tried = np.clip(x + step, LOWEST, HIGHEST)
            error = np.abs(left(tried)).max(axis=0)
            better = error < worst
            x, worst = np.where(better, tried, x), np.where(better, error, worst)
            step = np.where(better, 0.0, 0.5 * step)
            if better.all():
                break
        if (worst < 1e-12).all():
            break
    return np.where(worst < 1e-9, x, np.nan)
