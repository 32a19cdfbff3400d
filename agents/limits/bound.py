"""The least propellant that a landing takes, for thousands of states at once: what no pilot can beat.

For a free landing place, an engine that may be off and no ground but at the end, Pontryagin's conditions leave three
numbers to solve for. What a pad, a minimum throttle or ground on the way cost besides is for optimum.py.

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
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_env import Descent, Scenario
from lunar_env.flying.batches import batches
from lunar_env.quantities import middle
from lunar_env.task import Limits
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

Vector = NDArray[np.float64]

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(16)
TOUCHDOWN = (middle(Limits().descent_rate), middle(Limits().lateral_speed))  # [m/s]
LOWEST = np.array([[-14.0], [1e-6], [1e-6]])  # of the three numbers that ``_roots`` looks for
HIGHEST = np.array([[math.log(6.0)], [0.5 * math.pi], [0.5 * math.pi]])
AXES = np.eye(3)[:, :, None]
ENGINE = ("maximum_thrust", "thrust_scale", "specific_impulse", "impulse_scale")
ROUNDING = 1e-3  # [m/s] of climb that may be an orbit's velocity in single precision
NO_BOUND = "the vehicle climbs at the start, or is so fast that the centrifugal relief leaves no gravity"
QUANTITIES = (
    *("motion.position", "motion.velocity", "motion.propellant", "surface.top"),
    *("drawn.mass.dry", "drawn.moon.radius", "drawn.moon.surface_gravity", "drawn.gear.centre_height"),
    *("drawn.limits.descent_rate", "drawn.limits.lateral_speed", *("drawn.engine." + name for name in ENGINE)),
)


def bound_of(descent: Descent) -> Vector:
    """The least propellant [kg] (N,) with which each lander of a batch can still land, its true numbers known.

    For a flight that never climbs above the scenario's ceiling, nor moves faster sideways than it does now. Gravity is
    the weakest up to there, less the centrifugal relief v^2/r of the present angular momentum; what a climb would take
    from the lateral speed is given away too, and the ground counts as high as it ever gets. On ``resilience`` all this
    costs at most 1.7 % of the propellant. A fault that adds thrust counts as if it acted from the start. Not a number
    where there is no bound, see ``NO_BOUND``.
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
        descent_rate=np.maximum(-climb, 0.0),
        lateral_speed=momentum / highest,
        mass=state["drawn.mass.dry"] + state["motion.propellant"],
        maximum_thrust=engine["maximum_thrust"] * engine["thrust_scale"] * (1.0 + _excess(descent)),
        exhaust_speed=engine["specific_impulse"] * engine["impulse_scale"] * STANDARD_GRAVITY,
        gravity=np.where((gravity > 0.0) & (climb <= ROUNDING), gravity, np.nan),
        limits=(state["drawn.limits.descent_rate"], state["drawn.limits.lateral_speed"]),
    )


def _excess(descent: Descent) -> Vector:
    """Share (N,) by which a fault of the episode makes the engine stronger than it is without."""
    if "thrust_deviation" not in descent.possible_faults:
        return np.zeros(descent.num_envs)
    column = descent.possible_faults.index("thrust_deviation")
    return np.maximum(descent.faults()["magnitude"][:, column].double().cpu().numpy(), 0.0)


def episode_bounds(scenario: Scenario, episodes: int, seed: int, device: str = "cpu", chunk: int = 2_000) -> Vector:
    """``bound_of`` [kg] (episodes,) at the starts of episodes 0 to ``episodes`` - 1 of a seed, a chunk at a time."""
    return np.concatenate([bound_of(descent) for descent in batches(scenario, episodes, seed, device, chunk)])


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
        coasting = _roots(states, _States.after_coasting, first)
        at_once = _roots(states, _States.at_once, np.stack([first[0], first[1], first[1]]))
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

    def of(self, rows: NDArray[np.intp]) -> "_States":
        """Some of them."""
        return _States(*(getattr(self, part.name)[rows] for part in fields(self)))

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


def _roots(states: _States, left: Callable[[_States, Vector], Vector], x: Vector, passes: int = 40) -> Vector:
    """Where ``left`` (3, N) of states is zero: Newton from x (3, N), with steps halved until they help; or nan.

    What a pass brings no nearer the next one would not either, for it begins at the same place. So each pass is about
    those only that the one before has moved: after a few these are a handful.
    """
    worst, x, moving = np.abs(left(states, x)).max(axis=0), x.copy(), np.arange(x.shape[1])
    for _ in range(passes):
        here, at, before = states.of(moving), x[:, moving], worst[moving]
        x[:, moving], worst[moving] = _nearer(here, left, at, before)
        moving = moving[worst[moving] < before]
        if not moving.size or (worst < 1e-12).all():
            break
    return np.where(worst < 1e-9, x, np.nan)


def _nearer(
    states: _States, left: Callable[[_States, Vector], Vector], x: Vector, worst: Vector, nudge: float = 1e-6
) -> tuple[Vector, Vector]:
    """One of Newton's steps from x (3, N), or the largest of eight halves of it that helps; and what is left then."""
    slopes = [(left(states, x + nudge * axis) - left(states, x - nudge * axis)) / (2.0 * nudge) for axis in AXES]
    jacobian = np.stack(slopes, axis=-1).swapaxes(0, 1)  # (N, 3, 3)
    inverse = np.linalg.pinv(np.nan_to_num(jacobian))
    step = np.clip(-np.einsum("nij,jn->in", inverse, left(states, x)), -0.5, 0.5)
    x, worst, trying = x.copy(), worst.copy(), np.arange(x.shape[1])
    for _ in range(8):
        tried = np.clip(x[:, trying] + step[:, trying], LOWEST, HIGHEST)
        error = np.abs(left(states.of(trying), tried)).max(axis=0)
        better = error < worst[trying]
        x[:, trying[better]], worst[trying[better]] = tried[:, better], error[better]
        trying = trying[~better]
        step[:, trying] *= 0.5
        if not trying.size:
            break
    return x, worst
