"""The fuel-optimal landing in uniform gravity as a second-order cone program: lossless convexification.

As published (Acikmese & Ploen 2007, "Convex programming approach to powered descent guidance for Mars landing", and
Blackmore, Acikmese & Scharf 2010, "Minimum-landing-error powered-descent guidance"): minimise the propellant subject
to r'' = g + T/m, m' = -alpha |T| and rho_1 <= |T| <= rho_2. With u = T/m, sigma = Gamma/m and z = ln m this becomes
r'' = g + u, z' = -alpha sigma, |u| <= sigma and rho_1 e^-z <= sigma <= rho_2 e^-z, where e^-z is expanded about
z_0(t) = ln(m_0 - alpha rho_2 t), the lightest that the vehicle can be: to second order below, to first above. Both
stay inside what the engine can do. At the optimum |u| = sigma, so that nothing is lost.

As programmed: alpha is one over the exhaust speed; u and sigma are linear between equally spaced nodes, and the double
integrator is integrated exactly for them; z_0 stops at the dry mass, which the end may not fall below. All
quantities are divided by the flight time and the largest length at hand, so that times and states are parameters of a
program that is compiled once for a number of nodes. The bounds of thrust, ground and tilt hold at the nodes.
"""

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lunar_env.extras import missing

try:
    import cvxpy as cp
except ImportError as error:
    raise ImportError(missing("the cone program", "cvxpy", "clarabel")) from error

Vector = NDArray[np.float64]

ORIGIN = (0.0, 0.0, 0.0)
DOWN = np.array([0.0, 0.0, -1.0])
NODES = 61


@dataclass(frozen=True)
class ConeVehicle:
    """The masses and the engine of a lander.

    Thrust is net: a canted engine counts with its cosine, in the exhaust speed as well.
    """

    mass: float  # [kg] now
    dry_mass: float  # [kg]
    maximum_thrust: float  # [N]
    exhaust_speed: float  # [m/s] thrust over mass flow, 1/alpha
    minimum_thrust: float = 0.0  # [N] 0: the engine may be off

    def __post_init__(self) -> None:
        if not 0.0 < self.dry_mass <= self.mass:
            raise ValueError(
                f"dry_mass = {self.dry_mass:g} kg must be above 0 and at most the mass of {self.mass:g} kg; "
                "mass counts the propellant"
            )
        if not 0.0 <= self.minimum_thrust < self.maximum_thrust:
            raise ValueError(
                f"minimum_thrust = {self.minimum_thrust:g} N must be from 0 to below maximum_thrust = "
                f"{self.maximum_thrust:g} N; use 0 for an engine that may be off"
            )
        if not self.exhaust_speed > 0.0:
            raise ValueError(f"exhaust_speed must be above 0 m/s, got {self.exhaust_speed:g}; it is Isp times 9.80665")

    @property
    def propellant(self) -> float:
        """What is in the tanks [kg]."""
        return self.mass - self.dry_mass


@dataclass(frozen=True)
class Problem:
    """From where to where. Vectors are (3,), z up; a free place leaves x and y of the end open."""

    vehicle: ConeVehicle
    position: tuple[float, float, float]  # [m]
    velocity: tuple[float, float, float]  # [m/s]
    gravity: tuple[float, float, float]  # [m/s^2]
    target_position: tuple[float, float, float] = ORIGIN  # [m]
    target_velocity: tuple[float, float, float] = ORIGIN  # [m/s]
    descent_rate_margin: float = 0.0  # [m/s] the end may be this much faster downwards
    lateral_speed_margin: float = 0.0  # [m/s] and off by this much sideways
    free_place: bool = False
    glide_slope: float | None = 0.0  # [rad] of the cone about the target; 0 keeps above its level, None allows below
    maximum_tilt: float = math.pi  # [rad] of the thrust from the vertical

    def __post_init__(self) -> None:
        for name in ("position", "velocity", "gravity", "target_position", "target_velocity"):
            value = getattr(self, name)
            if len(value) != 3 or not all(map(math.isfinite, value)):
                raise ValueError(f"{name} must be three finite numbers (x, y, up), got {value!r}")
        if self.glide_slope is not None and not 0.0 <= self.glide_slope < 0.5 * math.pi:
            raise ValueError(
                f"glide_slope = {self.glide_slope:g} rad must be from 0 to below pi/2; None for no ground at all"
            )
        if self.free_place and self.glide_slope:
            raise ValueError(
                f"glide_slope = {self.glide_slope:g} rad needs a place that is given; use 0 or None with free_place"
            )
        if not 0.0 < self.maximum_tilt <= math.pi:
            raise ValueError(f"maximum_tilt must be above 0 and at most pi rad, got {self.maximum_tilt:g}")
        if min(self.descent_rate_margin, self.lateral_speed_margin) < 0.0:
            raise ValueError(
                f"margins of the end's speed must be at least 0 m/s, got {self.descent_rate_margin:g} down and "
                f"{self.lateral_speed_margin:g} sideways; 0 asks for the target velocity exactly"
            )


@dataclass(frozen=True)
class Solution:
    """A flight, node by node; an infeasible one has no nodes and says why."""

    feasible: bool
    reason: str  # why not; empty for a feasible one
    times: Vector  # (nodes,) [s]
    positions: Vector  # (nodes, 3) [m]
    velocities: Vector  # (nodes, 3) [m/s]
    accelerations: Vector  # (nodes, 3) [m/s^2] of the thrust alone, linear between nodes
    limits: Vector  # (nodes,) [m/s^2] sigma, which the acceleration's length should equal
    masses: Vector  # (nodes,) [kg]
    propellant: float  # [kg] used; infinite for an infeasible one

    @property
    def flight_time(self) -> float:
        """[s]; not a number for an infeasible one."""
        return float(self.times[-1]) if self.feasible else math.nan


def infeasible(reason: str) -> Solution:
    """A solution that is none."""
    none, vectors = np.zeros(0), np.zeros((0, 3))
    return Solution(False, reason, none, vectors, vectors, vectors, none, none, math.inf)


class Program:
    """The cone program of a number of nodes, compiled once. Unit of time is the flight time, of length a given one.

    Positions are from the target. ``steepest`` asks for the highest rate of descent at the start instead of the least
    propellant.
    """

    def __init__(self, nodes: int, ground: bool, free_place: bool, throttled: bool, steepest: bool) -> None:
        self.r, self.v, self.u = (cp.Variable((nodes, 3)) for _ in range(3))
        self.sigma, self.y = cp.Variable(nodes), cp.Variable(nodes)  # y = z - z_0
        self.faster = cp.Variable()  # rate of descent at the start on top of the given one
        self.start_r, self.start_v, self.gravity, self.end_v = (cp.Parameter((1, 3)) for _ in range(4))
        self.mu_1, self.mu_2 = (cp.Parameter(nodes, nonneg=True) for _ in range(2))
        self.z_0, self.heaviest = cp.Parameter(nodes), cp.Parameter(nodes)
        self.flow, self.slope, self.down, self.sideways = (cp.Parameter(nonneg=True) for _ in range(4))
        self.lightest, self.upright = cp.Parameter(), cp.Parameter()

        rules = [*self._flight(nodes), *self._ends(free_place)]
        rules += [cp.norm(self.u, 2, axis=1) <= self.sigma, self.sigma <= cp.multiply(self.mu_2, 1.0 - self.y)]
        rules += [self.u[:, 2] >= self.upright * self.sigma]
        if throttled:
            rules.append(self.sigma >= cp.multiply(self.mu_1, 1.0 - self.y + 0.5 * cp.square(self.y)))
        if ground:
            step = 1.0 / (nodes - 1)
            for place in (self.r, self.r[:-1] + self.v[:-1] * (step / 3), self.r[1:] - self.v[1:] * (step / 3)):
                rules.append(place[:, 2] >= self.slope * cp.norm(place[:, :2], 2, axis=1))
        if not steepest:
            rules.append(self.faster == 0.0)
        spent = cp.sum(self.sigma) - 0.5 * (self.sigma[0] + self.sigma[-1])
        self.problem = cp.Problem(cp.Maximize(self.faster) if steepest else cp.Minimize(spent / (nodes - 1)), rules)

    def _flight(self, nodes: int) -> list[cp.Constraint]:
        """The double integrator under accelerations that are linear between nodes, and the mass."""
        step, every = 1.0 / (nodes - 1), np.ones((nodes - 1, 1))
        r, v, u, sigma, z = self.r, self.v, self.u, self.sigma, self.y + self.z_0
        falling = every @ self.gravity
        return [
            v[1:] == v[:-1] + (u[:-1] + u[1:]) * (step / 2) + falling * step,
            r[1:] == r[:-1] + v[:-1] * step + (2.0 * u[:-1] + u[1:]) * (step**2 / 6) + falling * (step**2 / 2),
            z[1:] == z[:-1] - self.flow * (sigma[:-1] + sigma[1:]) * (step / 2),
            self.y[0] == 0.0,
            self.y <= self.heaviest,
            self.y[-1] >= self.lightest,
        ]

    def _ends(self, free_place: bool) -> list[cp.Constraint]:
        """Where the flight begins, and where and how fast it may end."""
        missed = self.v[-1] - self.end_v[0]
        rules = [
            self.r[0] == self.start_r[0],
            self.v[0] == self.start_v[0] + self.faster * DOWN,
            self.r[-1, 2] == 0.0,
            missed[2] <= 0.0,
            missed[2] >= -self.down,
            cp.norm(missed[:2]) <= self.sideways,
        ]
        return rules if free_place else [*rules, self.r[-1, :2] == 0.0]

    def set(self, problem: Problem, time: float, length: float) -> None:
        """Put in a problem, a flight time [s] and a unit of length [m]."""
        vehicle, speed = problem.vehicle, length / time
        nodes = self.z_0.size
        self.start_r.value = (np.subtract(problem.position, problem.target_position) / length)[None]
        self.start_v.value = np.array(problem.velocity)[None] / speed
        self.end_v.value = np.array(problem.target_velocity)[None] / speed
        self.gravity.value = np.array(problem.gravity)[None] * (time / speed)
        self.down.value, self.sideways.value = problem.descent_rate_margin / speed, problem.lateral_speed_margin / speed
        self.slope.value, self.upright.value = math.tan(problem.glide_slope or 0.0), math.cos(problem.maximum_tilt)

        times = np.linspace(0.0, time, nodes)
        least, most = vehicle.minimum_thrust, vehicle.maximum_thrust
        lightest = np.maximum(vehicle.mass - most / vehicle.exhaust_speed * times, vehicle.dry_mass)
        heaviest = vehicle.mass - least / vehicle.exhaust_speed * times
        self.z_0.value, self.heaviest.value = np.log(lightest), np.log(heaviest / lightest)
        self.mu_1.value, self.mu_2.value = least / lightest * (time / speed), most / lightest * (time / speed)
        self.lightest.value = math.log(vehicle.dry_mass / lightest[-1])
        self.flow.value = speed / vehicle.exhaust_speed

    def solution(self, time: float, length: float) -> Solution:
        """What was found, in SI units."""
        r, v, u, sigma = (np.asarray(part.value, dtype=float) for part in (self.r, self.v, self.u, self.sigma))
        # Of the mass the solver knows the change to its tolerance only, which is much of a small one: summed anew.
        share = np.asarray(self.flow.value) / (2 * sigma.size - 2)
        burnt = np.concatenate([[0.0], np.cumsum(sigma[:-1] + sigma[1:])]) * share
        mass = math.exp(np.asarray(self.z_0.value)[0])
        speed = length / time
        return Solution(
            feasible=True,
            reason="",
            times=np.linspace(0.0, time, sigma.size),
            positions=r * length,
            velocities=v * speed,
            accelerations=u * (speed / time),
            limits=sigma * (speed / time),
            masses=mass * np.exp(-burnt),
            propellant=mass * -math.expm1(-burnt[-1]),
        )


program = lru_cache(maxsize=None)(Program)


def solve(problem: Problem, flight_time: float, nodes: int = NODES, steepest: bool = False) -> Solution:
    """The flight of least propellant for a flight time [s], or with ``steepest`` the one that starts fastest downwards.

    Infeasible if there is none; ``reason`` says so. Positions are from the target. Raises ValueError for a flight time
    that is not above 0 or fewer than 3 nodes.
    """
    if not (flight_time > 0.0 and math.isfinite(flight_time)):
        raise ValueError(f"flight_time must be above 0 s and finite, got {flight_time!r}")
    if nodes < 3:
        raise ValueError(f"nodes must be at least 3, got {nodes}; {NODES} are the default")
    vehicle = problem.vehicle
    if vehicle.minimum_thrust * flight_time >= vehicle.propellant * vehicle.exhaust_speed:
        return infeasible(f"{vehicle.propellant:g} kg of propellant end before {flight_time:g} s at minimum thrust")
    length = math.dist(problem.position, problem.target_position) + math.hypot(*problem.velocity) * flight_time + 1.0
    compiled = program(
        nodes, problem.glide_slope is not None, problem.free_place, vehicle.minimum_thrust > 0.0, steepest
    )
    compiled.set(problem, flight_time, length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an inaccurate end is judged by its status
        try:
            compiled.problem.solve(solver=cp.CLARABEL, max_threads=1, warm_start=False)
        except cp.SolverError as error:
            return infeasible(f"the solver gave up at {flight_time:g} s: {error}")
    if compiled.problem.status != cp.OPTIMAL:
        return infeasible(f"no flight of {flight_time:g} s reaches the target within the limits")
    return compiled.solution(flight_time, length)
