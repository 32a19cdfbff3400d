"""The least propellant over all flight times, and the states that can be survived.

``least_propellant`` and ``fastest_survivable`` search the flight time of the cone programs of convex.py, one state at a
time; what no pilot can beat from thousands of states is in bound.py.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.guidance.convex import NODES, ConeVehicle, Problem, Solution, Vector, infeasible, solve
from agents.limits.bound import ENGINE, QUANTITIES, TOUCHDOWN
from lunar_env import Descent
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

GOLDEN = 0.5 * (3.0 - math.sqrt(5.0))
SCAN, SCAN_NODES = 20, 31  # flight times tried to bracket the best, and the nodes of each try
FLAT = 1e-3  # [rad] between the verticals of start and pad, below which the ground counts as flat [P]


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


def pinpoint_optimum(descent: Descent, count: int, at_rest: bool = False) -> Vector:
    """The least propellant [kg] (count,) with which the first landers of a batch land at the pad; nan where none can.

    For flat ground and uniform gravity, as on a Mars of radius 1e12 m, above the pad's level all the way, with the
    throttle between its least and full thrust; down to the limits of a touchdown, or ``at_rest``. The true optimum is
    up to 0.5 % lower, for nodes and expansions keep inside what the engine can do. Takes some 0.4 s a lander.
    Raises ValueError for a count beyond the batch, or for a Moon on which the vertical turns on the way.
    """
    if not 1 <= count <= descent.num_envs:
        raise ValueError(f"count must be from 1 to the {descent.num_envs} landers of the batch, got {count}")
    names = (*QUANTITIES, "drawn.engine.minimum_throttle")
    state = {name: descent.state[name][:count].double().cpu().numpy() for name in names}
    turning = (np.linalg.norm(state["motion.position"], axis=1) / state["drawn.moon.radius"]).max()
    if turning > FLAT:
        raise ValueError(
            f"the vertical turns by {turning:.1g} rad on the way, and may by {FLAT:g}; choose a larger moon.radius"
        )
    lowest = state["drawn.gear.centre_height"] + state["surface.top"]
    engine = {name: state["drawn.engine." + name] for name in ENGINE}
    thrust = engine["maximum_thrust"] * engine["thrust_scale"]
    exhaust_speed = engine["specific_impulse"] * engine["impulse_scale"] * STANDARD_GRAVITY
    used = []
    for i, dry_mass in enumerate(state["drawn.mass.dry"]):
        start = Problem(
            ConeVehicle(
                mass=dry_mass + state["motion.propellant"][i],
                dry_mass=dry_mass,
                maximum_thrust=thrust[i],
                exhaust_speed=exhaust_speed[i],
                minimum_thrust=thrust[i] * state["drawn.engine.minimum_throttle"][i],
            ),
            position=tuple(state["motion.position"][i] - lowest[i] * np.array([0.0, 0.0, 1.0])),
            velocity=tuple(state["motion.velocity"][i]),
            gravity=(0.0, 0.0, -state["drawn.moon.surface_gravity"][i]),
            descent_rate_margin=0.0 if at_rest else state["drawn.limits.descent_rate"][i],
            lateral_speed_margin=0.0 if at_rest else state["drawn.limits.lateral_speed"][i],
        )
        found = least_propellant(start)
        used.append(found.propellant if found.feasible else math.nan)
    return np.array(used)


def fastest_survivable(
    height: float,
    lateral_speed: float,
    vehicle: ConeVehicle,
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
    height: Vector, descent_rate: Vector, lateral_speed: Vector, vehicle: ConeVehicle, gravity: float, **options: Any
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
