"""From commands to force and torque: the throttle's stable range, the tanks' end, and the attitude autopilot."""

from dataclasses import dataclass
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number
from lunar_env.state import Motion
from lunar_env.vehicle.algebra import cross, length, part_by_part, turned_back
from lunar_env.vehicle.compare import alike, below, both, greatest, least, root, select, within
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY
from lunar_env.vehicle.frames import thrust_axis

# Warp looks the operators up by these names: - is sub and neg, * is mul, / is div.
from lunar_env.vehicle.lanes import div, mul, neg, sub, vector  # noqa: F401

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Attitude:
    """The reaction control system and the autopilot that drives it."""

    maximum_torque: Number = number(40.0, "N m", "per axis: two 20 N thrusters at 1 m [R, P]", low=0.0, high=1e6)
    rate_limit: Number = number(0.1745, "rad/s", "10 deg/s, as Apollo's autopilot [V2: KLU]", low=1e-3, high=10.0)
    bandwidth: Number = number(1.0, "1/s", "attitude error to commanded rate [P]", low=0.01, high=20.0)
    rate_bandwidth: Number = number(3.0, "1/s", "rate error to angular acceleration [P]", low=0.01, high=50.0)


AttitudeDrawn = mirrored(Attitude)


@wp.func
def stable_throttle(wished: Any, minimum: Any, shutdown: Any):
    """The nearest throttle at which the engine burns stably: off, or between the minimum and full."""
    return select(below(wished, shutdown * minimum), 0.0, least(greatest(minimum, wished), 1.0))


@wp.func
def forcing_of(moon: Any, mass: Any, engine: Any, throttle: Any, torque: Any, attitude: Any, forcing: Any):
    """The world's numbers and the commands as the equations of motion want them, put into an empty ``forcing``."""
    forcing.gravity = moon.surface_gravity
    forcing.radius = moon.radius
    forcing.dry_mass = mass.dry
    forcing.thrust = engine.maximum_thrust * engine.thrust_scale
    forcing.flow = forcing.thrust / (engine.specific_impulse * engine.impulse_scale * STANDARD_GRAVITY)
    across, along = 1.0 / mass.inertia_transverse, 1.0 / mass.inertia_axial
    forcing.inertia = vector(mass.inertia_transverse, mass.inertia_transverse, mass.inertia_axial)
    forcing.inverse_inertia = vector(across, across, along)
    limit = attitude.maximum_torque
    forcing.torque = vector(
        within(torque.x, -limit, limit), within(torque.y, -limit, limit), within(torque.z, -limit, limit)
    )
    forcing.throttle = stable_throttle(throttle, engine.minimum_throttle, engine.shutdown)
    forcing.inverse_lag = select(below(0.0, engine.lag), 1.0 / engine.lag, 0.0)
    return forcing


@wp.func
def feeds_steadily(motion: Any, forcing: Any, duration: float):
    """True where ``feed`` changes nothing for a duration [s]: the throttle has a lag and the tanks outlast it."""
    return both(below(forcing.flow * duration, motion.propellant), below(0.0, forcing.inverse_lag))


@wp.func
def feed(motion: Motion, forcing: Any, duration: float):
    """Motion and forcing as the tanks allow them for one substep.

    A throttle without lag follows at once. When less propellant is left than the substep would burn, the thrust is
    scaled so that exactly the rest is used: the impulse is right, its end is off by less than a substep.
    """
    if forcing.inverse_lag == 0.0:
        motion.throttle = forcing.throttle
    if motion.propellant <= 0.0:
        motion.throttle = 0.0
        forcing.throttle = 0.0
    else:
        most = wp.max(motion.throttle, forcing.throttle)
        if most * forcing.flow * duration > motion.propellant:
            left = motion.propellant / (forcing.flow * duration)
            motion.throttle = left
            forcing.throttle = left
    return motion, forcing


@wp.func
def rate_torque(motion: Any, wished: Any, mass: Any, attitude: Any):
    """Torque [N m] about the body axes that drives the body rates to the wished ones [rad/s]."""
    inertia = vector(mass.inertia_transverse, mass.inertia_transverse, mass.inertia_axial)
    return part_by_part(inertia, (wished - motion.rates) * attitude.rate_bandwidth)


@wp.func
def pointing_torque(motion: Any, direction: Any, mass: Any, attitude: Any):
    """Torque [N m] about the body axes that turns the thrust axis towards a direction in the site frame.

    The wished rate grows with the angle, and stays below the rate limit and below what the torque can still stop.
    Exactly upside down, any way round will do.
    """
    axis_now = thrust_axis(motion.attitude)
    turn = cross(axis_now, direction)  # site frame; its length is the sine of the angle
    sine = length(turn)
    angle = length(direction - axis_now)  # the chord: the angle itself when small, 2 when upside down
    stoppable = root(1.4 * angle * attitude.maximum_torque / mass.inertia_transverse)  # 70 % of the torque
    speed = least(attitude.bandwidth * angle, least(attitude.rate_limit, stoppable))
    still = alike(0.0, speed)
    over = vector(still, select(below(1.5, angle), speed, still), still)
    wished = select(below(1.0e-6, sine), turned_back(motion.attitude, turn) * (speed / sine), over)
    return rate_torque(motion, wished, mass, attitude)
