"""From commands to force and torque: the throttle's stable range, the tanks' end, and the attitude autopilot."""

from dataclasses import dataclass

import warp as wp

from lunar_env.quantities import Number, mirrored, number
from lunar_env.state import Motion
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY, EngineDrawn, Forcing, MassDrawn, MoonDrawn
from lunar_env.vehicle.frames import thrust_axis

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
def stable_throttle(wished: float, minimum: float, shutdown: float) -> float:
    """The nearest throttle at which the engine burns stably: off, or between the minimum and full."""
    if wished < shutdown * minimum:
        return 0.0
    return wp.clamp(wished, minimum, 1.0)


@wp.func
def forcing_of(
    moon: MoonDrawn, mass: MassDrawn, engine: EngineDrawn, throttle: float, torque: wp.vec3, attitude: AttitudeDrawn
) -> Forcing:
    """The world's numbers and the commands as the equations of motion want them."""
    forcing = Forcing()
    forcing.gravity = moon.surface_gravity
    forcing.radius = moon.radius
    forcing.dry_mass = mass.dry
    forcing.thrust = engine.maximum_thrust * engine.thrust_scale
    forcing.flow = forcing.thrust / (engine.specific_impulse * engine.impulse_scale * STANDARD_GRAVITY)
    forcing.inertia = wp.vec3(mass.inertia_transverse, mass.inertia_transverse, mass.inertia_axial)
    forcing.inverse_inertia = wp.cw_div(wp.vec3(1.0, 1.0, 1.0), forcing.inertia)
    limit = attitude.maximum_torque
    forcing.torque = wp.vec3(
        wp.clamp(torque[0], -limit, limit), wp.clamp(torque[1], -limit, limit), wp.clamp(torque[2], -limit, limit)
    )
    forcing.throttle = stable_throttle(throttle, engine.minimum_throttle, engine.shutdown)
    forcing.inverse_lag = 0.0
    if engine.lag > 0.0:
        forcing.inverse_lag = 1.0 / engine.lag
    return forcing


@wp.func
def feeds_steadily(motion: Motion, forcing: Forcing, duration: float) -> bool:
    """True where ``feed`` changes nothing for a duration [s]: the throttle has a lag and the tanks outlast it."""
    return motion.propellant > forcing.flow * duration and forcing.inverse_lag > 0.0


@wp.func
def feed(motion: Motion, forcing: Forcing, duration: float):
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
def rate_torque(motion: Motion, wished_rates: wp.vec3, mass: MassDrawn, attitude: AttitudeDrawn) -> wp.vec3:
    """Torque [N m] about the body axes that drives the body rates to the wished ones."""
    inertia = wp.vec3(mass.inertia_transverse, mass.inertia_transverse, mass.inertia_axial)
    return wp.cw_mul(inertia, (wished_rates - motion.rates) * attitude.rate_bandwidth)


@wp.func
def pointing_torque(motion: Motion, direction: wp.vec3, mass: MassDrawn, attitude: AttitudeDrawn) -> wp.vec3:
    """Torque [N m] about the body axes that turns the thrust axis towards a direction in the site frame.

    The wished rate grows with the angle, and stays below the rate limit and below what the torque can still stop.
    """
    axis_now = thrust_axis(motion.attitude)
    turn = wp.cross(axis_now, direction)  # site frame; its length is the sine of the angle
    sine = wp.length(turn)
    angle = wp.length(direction - axis_now)  # the chord: the angle itself when small, 2 when upside down
    stoppable = wp.sqrt(1.4 * angle * attitude.maximum_torque / mass.inertia_transverse)  # 70 % of the torque
    speed = wp.min(attitude.bandwidth * angle, wp.min(attitude.rate_limit, stoppable))
    wished = wp.vec3(0.0, 0.0, 0.0)
    if sine > 1.0e-6:
        wished = wp.quat_rotate_inv(motion.attitude, turn) * (speed / sine)
    elif angle > 1.5:
        wished = wp.vec3(0.0, speed, 0.0)  # exactly upside down: any way round will do
    return rate_torque(motion, wished, mass, attitude)
