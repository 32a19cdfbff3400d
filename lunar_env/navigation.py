"""Inertial navigation: what the flight computer believes of its motion when nobody tells it the altitude.

The belief starts with an error and drifts by the accelerometers' bias and random walk. A belief that is too high also
computes too little gravity, so a vertical error feeds itself (time constant sqrt(R/2g), 12 minutes on the Moon).
Attitude is taken as known: star trackers leave an error whose effect is far below the ones modelled.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env.dynamics import MoonDrawn, up_at
from lunar_env.quantities import Number, mirrored, number
from lunar_env.state import Belief, Motion

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Navigation:
    """Errors of the inertial solution: belief minus truth at the start, and what the instrument adds.

    Instrument-grade residuals after calibration; STIM300 class is 0.05 mg and 0.06 m/s/sqrt(h) [V2: NAVT].
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


NavigationDrawn = mirrored(Navigation)


@wp.func
def initial_belief(motion: Motion, navigation: NavigationDrawn, moon: MoonDrawn) -> Belief:
    """The error with which a descent starts."""
    belief = Belief()
    belief.attitude_error = wp.quat(0.0, 0.0, 0.0, 1.0)
    up = up_at(motion.position, moon.radius)
    belief.position_error = up * navigation.altitude_error + wp.vec3(
        navigation.position_error_x, navigation.position_error_y, 0.0
    )
    belief.velocity_error = wp.vec3(
        navigation.velocity_error_x, navigation.velocity_error_y, navigation.velocity_error_z
    )
    return belief


@wp.func
def misoriented(belief: Belief) -> bool:
    """Whether the believed attitude or its rate is off; the vector part of a quaternion knows smaller angles than w."""
    error = belief.attitude_error
    return error[0] != 0.0 or error[1] != 0.0 or error[2] != 0.0 or belief.rate_error != 0.0


@wp.func
def drift(
    belief: Belief, motion: Motion, noise: wp.vec3, navigation: NavigationDrawn, moon: MoonDrawn, duration: float
) -> Belief:
    """The error after one more tick; ``noise`` holds three numbers of mean 0 and variance 1.

    As published: e'' = b + w + (g/R)(3 u (u.e) - e), the linearised gravity error (Schuler and vertical channel).
    As programmed: semi-implicit Euler, exact enough for a gravity error of 1e-6 of the position error per s^2.
    """
    up = up_at(motion.position, moon.radius)
    error = belief.position_error
    gradient = (up * (3.0 * wp.dot(up, error)) - error) * (moon.surface_gravity / moon.radius)
    bias = wp.vec3(navigation.bias_x, navigation.bias_y, navigation.bias_z)
    walk = noise * (navigation.random_walk * wp.sqrt(duration))
    belief.velocity_error = belief.velocity_error + (bias + gradient) * duration + walk
    belief.position_error = error + belief.velocity_error * duration
    return belief
