"""From an action to a throttle and a torque, in one of five control modes.

An action is a row of numbers in [-1, 1], held for one decision period. Each mode says what they mean:

- ``throttle``: (throttle). The autopilot keeps the thrust axis vertical.
- ``planar``: (throttle, pitch rate). The rate is tracked within the torque limit.
- ``descent_rate``: (rate of descent, lateral speed along x, along y), as Apollo's P66. A loop tracks them on inertial
  velocity, the vertical first; lateral speed takes the thrust that is left.
- ``thrust_vector``: thrust along (x, y, up) as a fraction of the maximum; the autopilot turns the vehicle there.
- ``body``: (throttle, three torques).
"""

from dataclasses import dataclass
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number
from lunar_env.vehicle.actuators import pointing_torque, rate_torque
from lunar_env.vehicle.algebra import length
from lunar_env.vehicle.compare import alike, below, greatest, least, root, select, size
from lunar_env.vehicle.frames import to_local, to_site, up_at

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul, / is div.
from lunar_env.vehicle.lanes import add, div, mul, neg, sub, vector  # noqa: F401

wp.set_module_options({"enable_backward": False})

MODES = ("throttle", "planar", "descent_rate", "thrust_vector", "body")
ACTION_NAMES = {
    "throttle": ("throttle",),
    "planar": ("throttle", "pitch_rate"),
    "descent_rate": ("descent_rate", "lateral_speed_x", "lateral_speed_y"),
    "thrust_vector": ("thrust_x", "thrust_y", "thrust_up"),
    "body": ("throttle", "torque_x", "torque_y", "torque_z"),
}
THROTTLE = wp.constant(0)
PLANAR = wp.constant(1)
DESCENT_RATE = wp.constant(2)
THRUST_VECTOR = wp.constant(3)


@dataclass(frozen=True)
class Guidance:
    """The loop of the ``descent_rate`` mode, and what an action of one means."""

    maximum_descent_rate: Number = number(
        100.0, "m/s", "an action of 1; the scale is quadratic, 0 at -1", low=0.1, high=1e4
    )
    maximum_lateral_speed: Number = number(
        10.0, "m/s", "an action of 1; the scale is quadratic, 0 at 0", low=0.0, high=1e4
    )
    vertical_time: Number = number(1.5, "s", "time constant of the rate of descent [P]", low=0.1, high=100.0)
    lateral_time: Number = number(3.0, "s", "time constant of the lateral speed [P]", low=0.1, high=100.0)
    lateral_limit: Number = number(
        2.14, "-", "lateral thrust over what carries the weight at most, tan 65 deg [P]", low=0.0, high=100.0
    )


GuidanceDrawn = mirrored(Guidance)


@wp.func
def wished_velocity(action: Any, guidance: Any):
    """The velocity [m/s] that a ``descent_rate`` action asks for, in the local-vertical frame.

    Both scales are quadratic, so that an action of given size moves the command least where softness counts.
    """
    fall = 0.5 * (action.x + 1.0)
    return vector(
        guidance.maximum_lateral_speed * action.y * size(action.y),
        guidance.maximum_lateral_speed * action.z * size(action.z),
        -guidance.maximum_descent_rate * fall * fall,
    )


@wp.func
def tracking_thrust(motion: Any, belief: Any, up: Any, wish: Any, moon: Any, mass: Any, engine: Any, guidance: Any):
    """Thrust as a fraction of the nominal maximum, local frame, that tracks a wished velocity on inertial velocity.

    The loop knows the mass and the nominal thrust, not their dispersion.
    """
    velocity = to_local(motion.velocity + belief.velocity_error, up)
    strongest = engine.maximum_thrust / (mass.dry + motion.propellant)

    across = velocity.x * velocity.x + velocity.y * velocity.y
    weight = (
        moon.surface_gravity - across / moon.radius
    )  # at the surface: 1 % too much at 10 km, which the loop absorbs
    vertical = least(greatest(weight + (wish.z - velocity.z) / guidance.vertical_time, 0.0), strongest)

    gain = 1.0 / guidance.lateral_time
    lateral_x = (wish.x - velocity.x) * gain
    lateral_y = (wish.y - velocity.y) * gain
    lateral = root(lateral_x * lateral_x + lateral_y * lateral_y)
    # At full thrust nothing is left; where a GPU fuses products, the difference may then be a hair below 0.
    left = select(below(vertical, strongest), root(strongest * strongest - vertical * vertical), 0.0)
    # Orbital speed carries weight as well, so that braking from orbit may be as level as it needs to.
    allowed = least(left, (vertical + across / moon.radius) * guidance.lateral_limit)
    share = select(below(allowed, lateral), allowed / lateral, 1.0)
    return vector(lateral_x * share, lateral_y * share, vertical) * (1.0 / strongest)


@wp.func
def steer(
    mode: int, action: Any, motion: Any, belief: Any, moon: Any, mass: Any, engine: Any, attitude: Any, guidance: Any
):
    """Throttle [0, 1] and torque [N m, body axes] that this tick asks of the actuators."""
    throttle = 0.5 * (action.x + 1.0)
    torque = vector(action.y, action.z, action.w) * attitude.maximum_torque  # mode "body"
    still = alike(0.0, throttle)
    if mode == PLANAR:
        torque = rate_torque(motion, vector(still, action.y * attitude.rate_limit, still), mass, attitude)
    elif mode == THROTTLE:
        torque = pointing_torque(motion, up_at(motion.position, moon.radius), mass, attitude)
    elif mode == DESCENT_RATE or mode == THRUST_VECTOR:
        up = up_at(motion.position + belief.position_error, moon.radius)
        thrust = vector(action.x, action.y, greatest(action.z, 0.0))
        if mode == DESCENT_RATE:
            wish = wished_velocity(action, guidance)
            thrust = tracking_thrust(motion, belief, up, wish, moon, mass, engine, guidance)
        throttle = least(length(thrust), 1.0)
        # A weak command says little about direction: what it leaves open is filled with "up".
        wanted = vector(thrust.x, thrust.y, thrust.z + 0.01)
        direction = to_site(wanted * (1.0 / length(wanted)), up)
        torque = pointing_torque(motion, direction, mass, attitude)
    return throttle, torque
