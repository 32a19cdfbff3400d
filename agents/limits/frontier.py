"""The limit of what any pilot could survive: at each height the fastest rate of descent that still allows a landing.

The frontier is that of the scenario's nominal vehicle, its thrust where it wants it at once, meeting the touchdown
limits: the cone program of optimum.py at a few heights. An episode's own vehicle moves it by as much as it moves the
closed form of a vertical burn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from agents.guidance.suicide_burn import thrust_distance
from lunar_env import Scenario
from lunar_env.quantities import Number, Range, middle
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

Vector = NDArray[np.float64]

POINTS = 25  # heights of the frontier, evenly spaced in their square root, where it is all but straight


@dataclass(frozen=True)
class Frontier:
    """The fastest survivable rate of descent [m/s] over height [m], each (points,); 0 where there is none."""

    height: Vector  # from 0 upwards
    physics: Vector  # of the nominal vehicle
    weak: Vector  # of the worst engine that an episode may draw
    strong: Vector  # of the best one
    sighted: Vector  # of the nominal vehicle after a free fall for ``wait``
    wait: float  # [s]

    def at(self, height: Vector) -> Vector:
        """The first frontier [m/s] at heights (N,) [m] of at least 0, between its points and level beyond the last."""
        return np.interp(np.sqrt(height), np.sqrt(self.height), self.physics)


@dataclass(frozen=True)
class Starts:
    """How episodes begin, each (episodes,): what decides whether a landing is possible."""

    height: Vector  # [m] of the footpads above the ground
    descent_rate: Vector  # [m/s]
    mass: Vector  # [kg] with propellant
    propellant: Vector  # [kg]
    thrust: Vector  # [N] at full throttle, as it truly is
    exhaust_speed: Vector  # [m/s] likewise
    gravity: Vector  # [m/s^2] at the start, where it is weakest
    touchdown_rate: Vector  # [m/s] at most
    wait: Vector  # [s] until the first reading can have arrived and the engine answered


def nominal(scenario: Scenario, height: Vector, thrust_scale: float = 1.0, impulse_scale: float = 1.0) -> Starts:
    """The scenario's nominal vehicle at heights (N,) [m], at rest; thrust and specific impulse may be scaled."""
    engine, propellant = scenario.engine, propellant_of(scenario)
    impulse = middle(engine.specific_impulse) * middle(engine.impulse_scale) * STANDARD_GRAVITY
    numbers = {
        "descent_rate": 0.0,
        "mass": middle(scenario.mass.dry) + propellant,
        "propellant": propellant,
        "thrust": middle(engine.maximum_thrust) * middle(engine.thrust_scale) * thrust_scale,
        "exhaust_speed": impulse * impulse_scale,
        "gravity": middle(scenario.moon.surface_gravity),
        "touchdown_rate": middle(scenario.limits.descent_rate),
        "wait": min(middle(finder.delay) for finder in scenario.sensors) + scenario.tick + middle(engine.lag),
    }
    return Starts(height, **{name: np.full_like(height, number) for name, number in numbers.items()})


def propellant_of(scenario: Scenario) -> float:
    """What is in the tanks [kg] when an episode of the nominal vehicle begins."""
    return middle(scenario.start.propellant) * (1.0 - middle(scenario.start.burnt))


def fastest_vertical(starts: Starts) -> Vector:
    """The fastest survivable rate of descent (N,) [m/s] straight down, 0 where there is none.

    Full thrust at once, from v to the touchdown rate: v is what the burn's time adds to that, and its height grows with
    the time, which is bisected. Where the tanks are dry sooner, a free fall comes before the longest burn.

    An engine that is weaker than the weight lets the rate grow until enough has been burnt. The longer such a burn, the
    slower its start must be, down to rest; more height than that needs a burn so long that its thrust, then more than
    the weight, makes good for the growth. From heights between those of these two burns nobody lands.
    """
    height, dry = starts.height, starts.propellant * starts.exhaust_speed / starts.thrust
    # By how much a longer burn starts faster: thrust over mass at its end less gravity. Zero at this time.
    even = np.clip((starts.mass / starts.thrust - 1.0 / starts.gravity) * starts.exhaust_speed, 0.0, dry)
    growing, _ = _bisected(lambda seconds: _burn(starts, seconds)[0] >= 0.0, np.zeros_like(height), even)
    _, falling = _bisected(lambda seconds: _burn(starts, seconds)[0] < 0.0, even, dry)
    low_enough = height <= _burn(starts, growing)[1]
    first, last = np.where(low_enough, 0.0, falling), np.where(low_enough, growing, dry)
    _, seconds = _bisected(lambda seconds: _burn(starts, seconds)[1] < height, first, last)
    rate, ignition = _burn(starts, seconds)
    between = ~low_enough & (height < _burn(starts, falling)[1])
    fall_first = rate**2 - 2.0 * starts.gravity * np.maximum(height - ignition, 0.0)
    return np.where(between | (rate < 0.0), 0.0, np.sqrt(np.maximum(fall_first, 0.0)))


def _bisected(holds: Callable[[Vector], NDArray[np.bool_]], low: Vector, high: Vector) -> tuple[Vector, Vector]:
    """The last (N,) that a condition still holds for and the first that it does not; an end where it never changes."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        held = holds(middle)
        low, high = np.where(held, middle, low), np.where(held, high, middle)
    return low, high


def _burn(starts: Starts, seconds: Vector) -> tuple[Vector, Vector]:
    """Rate of descent [m/s] and height [m] (N,) from which a full burn for a time (N,) [s] ends as is allowed."""
    emptying = starts.mass * starts.exhaust_speed / starts.thrust  # [s] in which the engine would burn the whole mass
    burnt = seconds / emptying
    rate = starts.touchdown_rate - starts.gravity * seconds - starts.exhaust_speed * np.log1p(-burnt)
    braked = starts.exhaust_speed * emptying * thrust_distance(torch.from_numpy(np.asarray(burnt))).numpy()
    return rate, rate * seconds + 0.5 * starts.gravity * seconds**2 - braked


def frontier_of(scenario: Scenario, top: float, lateral_speed: float = 0.0, points: int = POINTS) -> Frontier:
    """The frontier of a scenario as ``acquisition`` has it, from the ground to a height ``top`` [m]."""
    from agents.guidance.convex import ConeVehicle  # cvxpy: not before it is needed
    from agents.limits.optimum import fastest_survivable

    height = np.linspace(0.0, np.sqrt(top), points) ** 2
    one = nominal(scenario, height)
    mass, thrust, exhaust_speed, gravity = (
        float(column[0]) for column in (one.mass, one.thrust, one.exhaust_speed, one.gravity)
    )
    vehicle = ConeVehicle(mass, mass - float(one.propellant[0]), thrust, exhaust_speed)
    limits = (middle(scenario.limits.descent_rate), middle(scenario.limits.lateral_speed))
    found = [fastest_survivable(high, lateral_speed, vehicle, gravity, limits=limits) for high in height[1:]]
    on_ground = limits[0] if lateral_speed <= limits[1] else 0.0
    physics = np.maximum([on_ground, *found], 0.0)

    middles = middle(scenario.engine.thrust_scale), middle(scenario.engine.impulse_scale)
    scales = [
        (thrust_end / middles[0], impulse_end / middles[1])
        for thrust_end in ends_of(scenario.engine.thrust_scale)
        for impulse_end in ends_of(scenario.engine.impulse_scale)
    ]
    vertical = fastest_vertical(one)
    others = [physics + fastest_vertical(nominal(scenario, height, *scale)) - vertical for scale in scales]
    # Fall for ``wait`` and arrive on the first frontier: its points, moved back along the fall.
    wait = float(one.wait[0])
    earlier = physics - gravity * wait
    higher = height + earlier * wait + 0.5 * gravity * wait**2
    sighted = np.minimum(np.interp(height, higher, np.maximum(earlier, 0.0), left=0.0), physics)
    return Frontier(height, physics, np.minimum.reduce(others), np.maximum.reduce(others), sighted, wait)


def after(starts: Starts) -> Starts:
    """The episodes after a free fall for ``wait``."""
    fallen = starts.descent_rate * starts.wait + 0.5 * starts.gravity * starts.wait**2
    rate = starts.descent_rate + starts.gravity * starts.wait
    return replace(starts, height=starts.height - fallen, descent_rate=rate)


def survivable_rate(starts: Starts, frontier: Frontier, scenario: Scenario) -> Vector:
    """The fastest survivable rate of descent (episodes,) [m/s] at each episode's height, with its own vehicle.

    The nominal frontier, moved by as much as the drawn thrust, exhaust speed, mass and gravity move that of a vertical
    burn. Too high rather than too low: gravity is the weakest on the way. Below ground it is minus infinity.
    """
    height, above = starts.height, np.maximum(starts.height, 0.0)
    moved = fastest_vertical(replace(starts, height=above)) - fastest_vertical(nominal(scenario, above))
    return np.where(height < 0.0, -np.inf, np.maximum(frontier.at(above) + moved, 0.0))


def ends_of(value: Number) -> tuple[float, float]:
    """Lowest and highest value of a number or range."""
    return (value.low, value.high) if isinstance(value, Range) else (value, value)
