"""An independent flight in float64, from the textbook: what the core is measured against. It imports nothing of it.

Translation: r'' = -mu r/|r|^3 + F/m about the centre of the Moon. Rotation: Euler's equations, and the direction cosine
matrix by Poisson's equation, A' = A [omega]x (Goldstein, "Classical Mechanics", chapters 4 and 5). Mass: m' = -F/v_e.
Throttle: first-order lag. Integrator: DOP853 (Hairer, Norsett & Wanner) with a relative tolerance of 1e-12.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.spatial.transform import Rotation

Vector = NDArray[np.float64]

STANDARD_GRAVITY = 9.80665  # [m/s^2] by definition


@dataclass(frozen=True)
class World:
    """The constants of one flight."""

    surface_gravity: float  # [m/s^2]
    radius: float  # [m]
    dry_mass: float  # [kg]
    thrust: float  # [N] at full throttle
    exhaust_speed: float  # [m/s]
    inertia: tuple[float, float, float]  # [kg m^2] principal
    lag: float = 0.0  # [s] time constant of the throttle; 0 follows at once
    load: float = 0.0  # [kg] of propellant at the start, by which the next three go
    centre: tuple[float, float] = (0.0, 0.0)  # [m] of mass beside the thrust line, along the body's x and y
    further: tuple[float, float] = (0.0, 0.0)  # [m] that it has moved when all is burnt
    inertia_loss: float = 0.0  # [-] share of the inertia that is gone then
    lean: tuple[float, float] = (0.0, 0.0)  # [rad] of the thrust about the body's x, then about y
    arm: float = 0.0  # [m] of the engine below the centre of mass
    spin: tuple[float, float, float] = (0.0, 0.0, 0.0)  # [rad/s] of the site's frame among the stars


@dataclass(frozen=True)
class Motion:
    """Where a flight is. The frame is the site's: origin at the pad on the sphere, z up."""

    position: Vector  # [m] (3,)
    velocity: Vector  # [m/s] (3,)
    attitude: Vector  # (3, 3) columns are the body's axes
    rates: Vector  # [rad/s] (3,) about the body's axes
    propellant: float  # [kg]
    throttle: float  # [-]


@dataclass(frozen=True)
class Command:
    """What the engine and the thrusters are told for a while."""

    duration: float  # [s]
    throttle: float = 0.0  # [-]
    torque: tuple[float, float, float] = (0.0, 0.0, 0.0)  # [N m] about the body's axes


def from_centre(position: Vector, radius: float) -> Vector:
    """Positions (..., 3) as seen from the centre of the Moon [m]."""
    return position + np.array([0.0, 0.0, radius])


def altitude(position: Vector, radius: float) -> Vector:
    """Height (...) of positions (..., 3) above the sphere [m]."""
    return np.linalg.norm(from_centre(position, radius), axis=-1) - radius


def fly(
    world: World,
    start: Motion,
    commands: Sequence[Command],
    ground: Callable[[Vector], float] | None = None,
) -> tuple[list[Motion], float]:
    """The motion at the start and after each command, and the time flown.

    ``ground`` gives the height [m] above it of a position; the flight ends where it reaches zero.
    """
    motions, time = [start], 0.0
    for command in commands:
        # Flown among the stars, and looked at from the site's frame, which has turned meanwhile.
        motion, flown, touched = _fly_one(world, _seen(world, motions[-1], 1.0, 0.0), command, ground)
        motions.append(_seen(world, motion, -1.0, flown))
        time += flown
        if touched:
            break
    return motions, time


def _seen(world: World, motion: Motion, sign: float, time: float) -> Motion:
    """A motion seen from the stars (sign 1), at the time at which both frames agree, or from the site's (sign -1)."""
    if not any(world.spin):
        return motion
    spin = np.array(world.spin)
    turn = Rotation.from_rotvec(-spin * time).as_matrix()
    position = turn @ from_centre(motion.position, world.radius)
    velocity = turn @ motion.velocity + sign * np.cross(spin, position)
    place = position - np.array([0.0, 0.0, world.radius])
    return Motion(place, velocity, turn @ motion.attitude, motion.rates, motion.propellant, motion.throttle)


def _fly_one(
    world: World, motion: Motion, command: Command, ground: Callable[[Vector], float] | None
) -> tuple[Motion, float, bool]:
    left, burning = command.duration, motion.propellant > 0.0
    while True:
        throttle = command.throttle if burning else 0.0
        if world.lag == 0.0 or not burning:
            motion = Motion(**{**vars(motion), "throttle": throttle})

        def rate(_: float, y: Vector, throttle: float = throttle) -> Vector:
            return _derivative(world, y, throttle, command.torque)

        events = [_terminal(lambda _, y: y[18])] if burning else []
        if ground is not None:
            events.insert(0, _terminal(lambda _, y: ground(y[:3])))
        found = solve_ivp(rate, (0.0, left), _packed(motion), "DOP853", rtol=1e-12, atol=1e-12, events=events or None)
        motion = _unpacked(found.y[:, -1])
        left -= found.t[-1]
        flown = command.duration - left
        if found.status == 0:
            return motion, flown, False
        if ground is not None and found.t_events[0].size:
            return motion, flown, True
        motion, burning = Motion(**{**vars(motion), "propellant": 0.0}), False


def _derivative(world: World, y: Vector, commanded: float, torque: Sequence[float]) -> Vector:
    motion = _unpacked(y)
    burnt = 1.0 - motion.propellant / world.load if world.load else 0.0
    inertia = np.array(world.inertia) * (1.0 - world.inertia_loss * burnt)
    direction = Rotation.from_euler("xy", world.lean).apply([0.0, 0.0, 1.0])  # about fixed axes, x first
    beside = np.array(world.centre) + burnt * np.array(world.further)
    engine = np.array([-beside[0], -beside[1], -world.arm])  # seen from the centre of mass
    centre = from_centre(motion.position, world.radius)
    force = motion.throttle * world.thrust
    w1, w2, w3 = motion.rates
    cross = np.array([[0.0, -w3, w2], [w3, 0.0, -w1], [-w2, w1, 0.0]])
    gravity = -world.surface_gravity * world.radius**2 * centre / np.linalg.norm(centre) ** 3
    return np.concatenate(
        [
            motion.velocity,
            gravity + motion.attitude @ direction * force / (world.dry_mass + motion.propellant),
            (motion.attitude @ cross).ravel(),
            (np.asarray(torque) + np.cross(engine, direction * force) - cross @ (inertia * motion.rates)) / inertia,
            [-force / world.exhaust_speed, (commanded - motion.throttle) / world.lag if world.lag else 0.0],
        ]
    )


def _packed(motion: Motion) -> Vector:
    ends = [motion.propellant, motion.throttle]
    return np.concatenate([motion.position, motion.velocity, motion.attitude.ravel(), motion.rates, ends])


def _unpacked(y: Vector) -> Motion:
    return Motion(y[:3], y[3:6], y[6:15].reshape(3, 3), y[15:18], float(y[18]), float(y[19]))


def _terminal(function: Callable[[float, Vector], float]) -> Any:
    function.terminal, function.direction = True, -1  # type: ignore[attr-defined]
    return function


def world_of(state: Mapping[str, Any], row: int = 0) -> World:
    """The constants that one lander of a batch drew, as float32 holds them."""

    def drawn(name: str) -> float:
        return float(state["drawn." + name][row])

    across, along = drawn("mass.inertia_transverse"), drawn("mass.inertia_axial")
    impulse = drawn("engine.specific_impulse") * drawn("engine.impulse_scale")
    return World(
        surface_gravity=drawn("moon.surface_gravity"),
        radius=drawn("moon.radius"),
        dry_mass=drawn("mass.dry"),
        thrust=drawn("engine.maximum_thrust") * drawn("engine.thrust_scale"),
        exhaust_speed=impulse * STANDARD_GRAVITY,
        inertia=(across, across * (1.0 + drawn("body.inertia_excess")), along),
        lag=drawn("engine.lag"),
        load=float(state["motion.propellant"][row]),
        centre=(drawn("body.offset_x"), drawn("body.offset_y")),
        further=(drawn("body.shift_x"), drawn("body.shift_y")),
        inertia_loss=drawn("body.inertia_loss"),
        lean=(drawn("body.lean_x"), drawn("body.lean_y")),
        arm=drawn("body.arm"),
        spin=_spin(drawn("rotation.rate"), drawn("rotation.latitude"), drawn("rotation.heading")),
    )


def _spin(rate: float, latitude: float, heading: float) -> tuple[float, float, float]:
    """Of the site's frame: x along a heading clockwise from north, z up. From east, north and up turned about z."""
    axis = rate * np.array([0.0, np.cos(latitude), np.sin(latitude)])
    x, y, z = Rotation.from_euler("z", heading - np.pi / 2).apply(axis)  # x is east at a quarter turn
    return float(x), float(y), float(z)


def motion_of(state: Mapping[str, Any], row: int = 0) -> Motion:
    """The motion of one lander of a batch, as float32 holds it."""

    def column(name: str) -> Vector:
        return np.asarray(state["motion." + name][row].tolist(), dtype=np.float64)

    return Motion(
        position=column("position"),
        velocity=column("velocity"),
        attitude=Rotation.from_quat(column("attitude")).as_matrix(),
        rates=column("rates"),
        propellant=float(column("propellant")),
        throttle=float(column("throttle")),
    )
