"""A landing planned by convex programming for one lander at a time, as a receding-horizon pilot needs it.

The cone program of convex.py is solved for a few flight times: about the one that is left, or where there is none, over
a grid from the shortest imaginable. Needs cvxpy: pip install "lunar-env[convex]".
"""

import numpy as np

from agents.guidance.convex import Problem, Solution, infeasible, solve

NODES = 31
FIRST_TIMES = np.geomspace(1.0, 3.0, 9)  # of the shortest imaginable flight time
STEP = 1.07  # half of a step between them: two more beside the best
NEXT_TIMES = (0.97, 1.04)  # of the flight time that is left: what is between them costs little more
SHORTEST = 2.0  # [s] of a plan


def plan(problem: Problem, time_left: float) -> Solution:
    """The cheapest flight found; infeasible if none is. ``time_left`` [s] is that of the last plan, nan for none."""
    if time_left > SHORTEST:
        best = cheapest(problem, [share * time_left for share in NEXT_TIMES])
        if best.feasible:
            return best
    strongest = problem.vehicle.maximum_thrust / problem.vehicle.mass
    shortest = float(np.linalg.norm(problem.velocity)) / strongest + 1.0
    best = cheapest(problem, list(FIRST_TIMES * shortest))
    if not best.feasible:
        return best
    return cheapest(problem, [best.flight_time, best.flight_time / STEP, best.flight_time * STEP])


def cheapest(problem: Problem, times: list[float]) -> Solution:
    """The flight of least propellant among some flight times [s]; infeasible if none is feasible."""
    found = [solve(problem, time, NODES) for time in times]
    return min(found, key=lambda solution: solution.propellant, default=infeasible("no flight time to try"))
