"""Inertial navigation: what the flight computer believes of its motion when nobody tells it the altitude.

The belief starts with an error and drifts by the accelerometers' bias and random walk. A belief that is too high also
computes too little gravity, so a vertical error feeds itself (time constant sqrt(R/2g), 12 minutes on the Moon).
The gyros' bias and random walk turn the believed attitude away, and with it the thrust that the accelerometers feel.
Accelerometer biases are drawn along the site's axes, which an upright lander shares.
"""

from dataclasses import dataclass, fields
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number
from lunar_env.state import Belief, Motion
from lunar_env.vehicle.algebra import dot, part_by_part
from lunar_env.vehicle.compare import root, size
from lunar_env.vehicle.dynamics import MoonDrawn
from lunar_env.vehicle.frames import from_centre, thrust_axis, up_at

# Warp looks the operators up by these names: + is add, - is sub, * is mul, / is div.
from lunar_env.vehicle.lanes import add, div, mul, sub, vector  # noqa: F401
from lunar_env.vehicle.rotation import felt_beside_gravity

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Navigation:
    """Errors of the inertial solution: belief minus truth at the start, and what the instrument adds.

    Real inertial units stand in devices.py.
    """

    altitude_error: Number = number(0.0, "m", "belief minus truth at the start", low=-1e5, high=1e5)
    position_error_x: Number = number(0.0, "m", "along x at the start", low=-1e5, high=1e5)
    position_error_y: Number = number(0.0, "m", "along y at the start", low=-1e5, high=1e5)
    velocity_error_x: Number = number(0.0, "m/s", "along x at the start", low=-100.0, high=100.0)
    velocity_error_y: Number = number(0.0, "m/s", "along y at the start", low=-100.0, high=100.0)
    velocity_error_z: Number = number(0.0, "m/s", "along z at the start", low=-100.0, high=100.0)
    bias_x: Number = number(0.0, "m/s^2", "accelerometer bias along site x", low=-1.0, high=1.0)
    bias_y: Number = number(0.0, "m/s^2", "accelerometer bias along site y", low=-1.0, high=1.0)
    bias_z: Number = number(0.0, "m/s^2", "accelerometer bias along site z", low=-1.0, high=1.0)
    random_walk: Number = number(0.0, "m/s/sqrt(s)", "velocity random walk, each axis", low=0.0, high=1.0)
    scale_error: Number = number(
        0.0, "-", "measured thrust acceleration over the true one, minus one", low=-0.5, high=0.5
    )
    gyro_bias_x: Number = number(0.0, "rad/s", "about body x", low=-1.0, high=1.0)
    gyro_bias_y: Number = number(0.0, "rad/s", "about body y", low=-1.0, high=1.0)
    gyro_bias_z: Number = number(0.0, "rad/s", "about body z", low=-1.0, high=1.0)
    angle_random_walk: Number = number(0.0, "rad/sqrt(s)", "each axis", low=0.0, high=1.0)
    # Of the state that the pilot is shown, as in Gaudet's sets; the vehicle's own loops fly without these errors.
    position_share_x: Number = number(0.0, "-", "shown x is too high by this share of its size", low=-0.9, high=0.9)
    position_share_y: Number = number(0.0, "-", "shown y likewise", low=-0.9, high=0.9)
    position_share_z: Number = number(0.0, "-", "shown z likewise", low=-0.9, high=0.9)
    velocity_share_x: Number = number(0.0, "-", "shown velocity along x likewise", low=-0.9, high=0.9)
    velocity_share_y: Number = number(0.0, "-", "shown velocity along y likewise", low=-0.9, high=0.9)
    velocity_share_z: Number = number(0.0, "-", "shown velocity along z likewise", low=-0.9, high=0.9)


SHARES = tuple(item.name for item in fields(Navigation) if "_share_" in item.name)
NavigationDrawn = mirrored(Navigation)


@wp.func
def instrument_misleads(navigation: NavigationDrawn) -> bool:
    """Whether the unit's gyros or its accelerometers' scale are anything but perfect."""
    turns = wp.abs(navigation.gyro_bias_x) + wp.abs(navigation.gyro_bias_y) + wp.abs(navigation.gyro_bias_z)
    return turns + wp.abs(navigation.scale_error) + navigation.angle_random_walk > 0.0


@wp.func
def misjudged(position: Any, velocity: Any, navigation: Any):
    """Position and velocity in the site frame with the errors that are shares of them: x + s |x| on each axis."""
    there = vector(navigation.position_share_x, navigation.position_share_y, navigation.position_share_z)
    moving = vector(navigation.velocity_share_x, navigation.velocity_share_y, navigation.velocity_share_z)
    return position + part_by_part(there, sizes(position)), velocity + part_by_part(moving, sizes(velocity))


@wp.func
def sizes(v: Any):
    """The vector of the parts' sizes."""
    return vector(size(v.x), size(v.y), size(v.z))


@wp.func
def initial_belief(motion: Motion, navigation: NavigationDrawn, moon: MoonDrawn) -> Belief:
    """The error with which a descent starts."""
    belief = Belief()
    belief.attitude_error = wp.quat(0.0, 0.0, 0.0, 1.0)
    if instrument_misleads(navigation):
        belief.misled = 1
        belief.rate_error = wp.vec3(navigation.gyro_bias_x, navigation.gyro_bias_y, navigation.gyro_bias_z)
    up = up_at(motion.position, moon.radius)
    belief.position_error = up * navigation.altitude_error + wp.vec3(
        navigation.position_error_x, navigation.position_error_y, 0.0
    )
    belief.velocity_error = wp.vec3(
        navigation.velocity_error_x, navigation.velocity_error_y, navigation.velocity_error_z
    )
    return belief


@wp.func
def felt_wrongly(
    belief: Belief, motion: Motion, specific_force: float, share: float, turn: wp.vec3, duration: float
) -> Belief:
    """The belief after a tick in which gyros made up a ``turn`` [rad] and a share of the thrust was measured.

    A gyro error d (body axes) turns the believed attitude s q by s' = s exp(q d q* dt); the believed acceleration is
    then that of the turned axis. ``specific_force`` [m/s^2] is along it.
    """
    angle = wp.length(turn)
    if angle > 0.0:
        site_turn = wp.quat_from_axis_angle(wp.quat_rotate(motion.attitude, turn) * (1.0 / angle), angle)
        belief.attitude_error = wp.normalize(belief.attitude_error * site_turn)
        belief.misled = 1
    axis = thrust_axis(motion.attitude)
    felt = axis
    if belief.misled == 1:
        felt = wp.quat_rotate(belief.attitude_error, axis)
    belief.velocity_error = belief.velocity_error + (felt * share - axis) * (specific_force * duration)
    return belief


@wp.func
def unaware(belief: Belief, motion: Motion, spin: wp.vec3, radius: float, duration: float) -> Belief:
    """The belief after a tick of a ``spin`` [rad/s] of the site's frame that is left out of account.

    What is felt beside gravity is not believed in; the believed attitude stays among the stars as the frame turns.
    """
    felt = felt_beside_gravity(spin, motion.velocity, from_centre(motion.position, radius))
    belief.velocity_error = belief.velocity_error - felt * duration
    angle = wp.length(spin) * duration
    if angle > 0.0:
        turn = wp.quat_from_axis_angle(wp.normalize(spin), angle)
        belief.attitude_error = wp.normalize(turn * belief.attitude_error)
        belief.misled = 1
    return belief


@wp.func
def drift(belief: Any, motion: Any, noise: Any, navigation: Any, moon: Any, duration: float):
    """The error after one more tick; ``noise`` holds three numbers of mean 0 and variance 1.

    As published: e'' = b + w + (g/R)(3 u (u.e) - e), the linearised gravity error (Schuler and vertical channel).
    As programmed: semi-implicit Euler, exact enough for a gravity error of 1e-6 of the position error per s^2.
    """
    up = up_at(motion.position, moon.radius)
    error = belief.position_error
    gradient = (up * (3.0 * dot(up, error)) - error) * (moon.surface_gravity / moon.radius)
    bias = vector(navigation.bias_x, navigation.bias_y, navigation.bias_z)
    walk = noise * (navigation.random_walk * root(duration))
    belief.velocity_error = belief.velocity_error + (bias + gradient) * duration + walk
    belief.position_error = error + belief.velocity_error * duration
    return belief
