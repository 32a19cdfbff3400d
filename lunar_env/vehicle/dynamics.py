"""Flight: a rigid body of falling mass over a spherical Moon, in float32 without losing the altitude.

Fourth-order Runge-Kutta advances the state; what each addition rounds away is kept in a second number and given back
in the next step (Kahan 1965). A 600 s descent of 24,000 substeps so keeps its altitude to millimetres in float32.
The equations are written with ``Any`` for their types: they fly one lander, or eight side by side (lanes.py).
Neglected: the Moon's oblateness and mascons, and propellant slosh. A Moon that turns and a vehicle that is not as
drawn are numbers of a scenario (rotation.py, body.py).
"""

from dataclasses import dataclass
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number, twin
from lunar_env.state import Motion
from lunar_env.vehicle.algebra import cross, length, part_by_part, turning
from lunar_env.vehicle.frames import thrust_axis

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul, / is div.
from lunar_env.vehicle.lanes import add, div, mul, neg, sub, vector  # noqa: F401
from lunar_env.vehicle.rotation import felt_beside_gravity

wp.set_module_options({"enable_backward": False})

STANDARD_GRAVITY = wp.constant(9.80665)  # [m/s^2] by definition; turns specific impulse into exhaust speed


@dataclass(frozen=True)
class Moon:
    """The body below; any sphere will do."""

    surface_gravity: Number = number(1.6242, "m/s^2", "GM/R^2 [C], from GM and R of JPL [V2]", low=0.0, high=100.0)
    radius: Number = number(1_737_400.0, "m", "mean radius [V2: JPL]", low=1_000.0, high=1e12)


@dataclass(frozen=True)
class Mass:
    """Mass and inertia of the vehicle."""

    dry: Number = number(340.0, "kg", "without propellant [V: CDR]", low=1.0, high=1e6)
    inertia_transverse: Number = number(190.0, "kg m^2", "about x and y [C, assumed cylinder]", low=0.1, high=1e8)
    inertia_axial: Number = number(160.0, "kg m^2", "about z, the thrust axis [C, same]", low=0.1, high=1e8)


@dataclass(frozen=True)
class Engine:
    """The main propulsion as one throttled engine on the body's z axis."""

    maximum_thrust: Number = number(1600.0, "N", "400 N main + 6 x 200 N assist [V2: MYN; count R]", high=1e8, low=0.0)
    specific_impulse: Number = number(290.0, "s", "blend of 318-321 s and 270 s [C]", low=1.0, high=1e9)
    minimum_throttle: Number = number(0.25, "-", "lowest stable throttle [P]", low=0.0, high=1.0)
    shutdown: Number = number(
        0.5, "-", "commands below this share of the minimum shut the engine off; 0: nothing does", low=0.0, high=1.0
    )
    lag: Number = number(
        0.05, "s", "first-order valve lag, 20-50 ms [P]; 0 or at least half a substep", low=0.0, high=10.0
    )
    thrust_scale: Number = number(1.0, "-", "true thrust over the nominal one", low=0.0, high=10.0)
    impulse_scale: Number = number(1.0, "-", "true specific impulse over the nominal one", low=0.1, high=10.0)


MoonDrawn = mirrored(Moon)
MassDrawn = mirrored(Mass)
EngineDrawn = mirrored(Engine)


@wp.struct
class Forcing:
    """What holds still during one substep: the world's numbers and the commands, ready to use."""

    gravity: float  # [m/s^2] at the surface
    radius: float  # [m]
    dry_mass: float  # [kg]
    thrust: float  # [N] at full throttle
    flow: float  # [kg/s] at full throttle
    inertia: wp.vec3  # [kg m^2]
    inverse_inertia: wp.vec3  # [1/(kg m^2)]
    torque: wp.vec3  # [N m] about the body axes
    throttle: float  # commanded fraction
    inverse_lag: float  # [1/s]; 0 where the throttle follows at once


# The same for a vehicle whose mass and thrust are not where they are drawn, over a Moon that turns: see body.py and
# rotation.py.
FullForcing = twin(
    "FullForcing",
    Forcing,
    push=wp.vec3,  # [-] direction of the thrust, body axes
    turn=wp.vec3,  # [m] torque of each newton of it
    further_turn=wp.vec3,  # [m] added to that as the load is burnt
    per_load=float,  # [1/kg] one over the propellant at the start
    inertia_loss=float,  # [-] share of the inertia that goes with it
    spin=wp.vec3,  # [rad/s] of the site's frame
)


@wp.func
def push_along(attitude: Any, forcing: Any):
    """The direction of the thrust in the site frame."""
    return thrust_axis(attitude)


@wp.func
def push_along(attitude: wp.quat, forcing: FullForcing):  # noqa: D103, F811
    return wp.quat_rotate(attitude, forcing.push)


@wp.func
def acceleration_felt(gravity: Any, velocity: Any, centre: Any, forcing: Any):
    """The acceleration [m/s^2] of a vehicle without thrust in the site's frame."""
    return gravity


@wp.func
def acceleration_felt(  # noqa: D103, F811
    gravity: wp.vec3, velocity: wp.vec3, centre: wp.vec3, forcing: FullForcing
):
    return gravity + felt_beside_gravity(forcing.spin, velocity, centre)


@wp.func
def turning_seen(attitude: Any, rates: Any, forcing: Any):
    """Twice the rate of change [1/s] of the attitude in the site's frame, of body rates [rad/s] among the stars."""
    return turning(attitude, rates)


@wp.func
def turning_seen(attitude: wp.quat, rates: wp.vec3, forcing: FullForcing):  # noqa: D103, F811
    # Not of the difference of the rates: what float32 rounds off that is the same for a whole descent.
    return turning(attitude, rates) - wp.quat(forcing.spin, 0.0) * attitude


@wp.func
def torque_of(motion: Any, forcing: Any):
    """The torque [N m] about the body axes, for the inertia of a full load."""
    return forcing.torque


@wp.func
def torque_of(motion: Motion, forcing: FullForcing):  # noqa: D103, F811
    burnt = wp.clamp(1.0 - motion.propellant * forcing.per_load, 0.0, 1.0)
    turn = forcing.turn + forcing.further_turn * burnt
    # The inertia that is left divides torques, not what gyrates: that is in proportion to it.
    return (forcing.torque + turn * (motion.throttle * forcing.thrust)) / (1.0 - forcing.inertia_loss * burnt)


@wp.func
def derivative(motion: Any, forcing: Any):
    """Time derivative of the motion.

    r' = v;  v' = -g0 R^2 r/|r|^3 + T/m;  q' = q (omega, 0)/2;  J omega' = tau - omega x J omega;  m' = -T/(Isp g_e).
    The quaternion's derivative also pulls its norm back to one.
    """
    r = motion.position
    centre = vector(r.x, r.y, r.z + forcing.radius)
    inverse_distance = 1.0 / length(centre)
    ratio = forcing.radius * inverse_distance
    gravity = centre * (-(forcing.gravity * ratio * ratio * inverse_distance))
    specific_force = motion.throttle * forcing.thrust / (forcing.dry_mass + motion.propellant)

    q = motion.attitude
    w = motion.rates
    pull = 1.0 - (q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    momentum = part_by_part(forcing.inertia, w)

    change = motion
    change.position = motion.velocity
    falling = acceleration_felt(gravity, motion.velocity, centre, forcing)
    change.velocity = falling + push_along(q, forcing) * specific_force
    change.attitude = (turning_seen(q, w, forcing) + q * pull) * 0.5
    change.rates = part_by_part(torque_of(motion, forcing) - cross(w, momentum), forcing.inverse_inertia)
    change.propellant = -(motion.throttle * forcing.flow)
    change.throttle = (forcing.throttle - motion.throttle) * forcing.inverse_lag
    return change


@wp.func
def plus(motion: Any, change: Any, factor: float):
    """motion + factor * change, part by part."""
    motion.position = motion.position + change.position * factor
    motion.velocity = motion.velocity + change.velocity * factor
    motion.attitude = motion.attitude + change.attitude * factor
    motion.rates = motion.rates + change.rates * factor
    motion.propellant = motion.propellant + change.propellant * factor
    motion.throttle = motion.throttle + change.throttle * factor
    return motion


@wp.func
def runge_kutta(motion: Any, forcing: Any, duration: float):
    """Six times the mean rate of change over one substep of classical fourth-order Runge-Kutta."""
    half = 0.5 * duration
    k1 = derivative(motion, forcing)
    k2 = derivative(plus(motion, k1, half), forcing)
    k3 = derivative(plus(motion, k2, half), forcing)
    k4 = derivative(plus(motion, k3, duration), forcing)
    return plus(plus(plus(k1, k2, 2.0), k3, 2.0), k4, 1.0)


@wp.func
def substep(motion: Any, rest: Any, forcing: Any, duration: float):
    """The motion after one substep, and what the rounding of its last sum dropped (compensated summation)."""
    step = plus(rest, runge_kutta(motion, forcing, duration), duration / 6.0)
    total = plus(motion, step, 1.0)
    rest.position = step.position - (total.position - motion.position)
    rest.velocity = step.velocity - (total.velocity - motion.velocity)
    rest.attitude = step.attitude - (total.attitude - motion.attitude)
    rest.rates = step.rates - (total.rates - motion.rates)
    rest.propellant = step.propellant - (total.propellant - motion.propellant)
    return total, rest
