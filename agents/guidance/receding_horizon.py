"""A landing planned by convex programming for one lander at a time, as a receding-horizon pilot needs it.

The cone program of convex.py is solved for a few flight times: about the one that is left, or where there is none, over
a grid from what braking takes to what braking and falling take. Needs cvxpy: pip install -e '.[convex]'.
"""

import numpy as np

from agents.guidance.convex import Problem, Solution, infeasible, solve

NODES = 31
FIRST = 9  # flight times that a first plan tries, evenly spaced in their logarithm
ROUNDS = 3  # in which it tries one on either side of the best, each time half as far off
NEXT_TIMES = (0.97, 1.04)  # of the flight time that is left: what is between them costs little more
SHORTEST = 2.0  # [s] of a plan


def plan(problem: Problem, time_left: float) -> Solution:
    """The cheapest flight found; infeasible if none is. ``time_left`` [s] is that of the last plan, nan for none."""
    if time_left > SHORTEST:
        best = cheapest(problem, [share * time_left for share in NEXT_TIMES])
        if best.feasible:
            return best
    times = first_times(problem)
    best = cheapest(problem, times)
    if not best.feasible:
        return best
    step = (times[1] / times[0]) ** 0.5
    for _ in range(ROUNDS):
        beside = cheapest(problem, [best.flight_time / step, best.flight_time * step])
        best = min(best, beside, key=lambda solution: solution.propellant)
        step **= 0.5
    return best


def first_times(problem: Problem) -> list[float]:
    """Flight times [s] from the longer of braking at full thrust and falling freely to half as much again as both."""
    braking = float(np.linalg.norm(problem.velocity)) * problem.vehicle.mass / problem.vehicle.maximum_thrust
    height = max(problem.position[2] - problem.target_position[2], 0.0)
    rate, gravity = -problem.velocity[2], max(-problem.gravity[2], 0.1)
    fall = float(np.sqrt(rate**2 + 2.0 * gravity * height) - rate) / gravity
    return list(np.geomspace(max(braking, fall) + 1.0, 1.5 * (braking + fall) + 2.0, FIRST))


def cheapest(problem: Problem, times: list[float]) -> Solution:
    """The flight of least propellant among some flight times [s]; infeasible if none is feasible."""
    found = [solve(problem, time, NODES) for time in times]
    return min(found, key=lambda solution: solution.propellant, default=infeasible("no flight time to try"))
