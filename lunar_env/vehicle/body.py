"""Where a vehicle's mass and thrust really are: beside the axes that its autopilot has in its drawings.

Position is the centre of mass. The thrust line passes it at a distance, and the thrust turns the vehicle; so does a
thrust that leans, whose engine sits below the centre of mass. The sums of Newton and Euler for a rigid body; what a
changing inertia and the expelled propellant do to the rates beside that (jet damping) is neglected.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env.quantities import Number, ends, mirrored, number
from lunar_env.vehicle.dynamics import Forcing, FullForcing, MassDrawn

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Body:
    """Mass and thrust beside the nominal ones. All are zero for a vehicle as drawn; ranges [P] but where said."""

    offset_x: Number = number(0.0, "m", "centre of mass beside the thrust line, along body x", low=-5.0, high=5.0)
    offset_y: Number = number(0.0, "m", "along body y", low=-5.0, high=5.0)
    shift_x: Number = number(0.0, "m", "how far it has moved along x when all propellant is burnt", low=-5.0, high=5.0)
    shift_y: Number = number(0.0, "m", "along y", low=-5.0, high=5.0)
    lean_x: Number = number(0.0, "rad", "of the thrust, turned about body x", low=-0.5, high=0.5)
    lean_y: Number = number(0.0, "rad", "about body y", low=-0.5, high=0.5)
    arm: Number = number(0.0, "m", "of the engine below the centre of mass", low=0.0, high=50.0)
    inertia_excess: Number = number(
        0.0, "-", "moment of inertia about y over that about x, less one", low=-0.9, high=10.0
    )
    inertia_loss: Number = number(
        0.0, "-", "share of the moments of inertia that is gone when all propellant is burnt", low=0.0, high=0.95
    )


BodyDrawn = mirrored(Body)


def is_as_drawn(body: Body) -> bool:
    """Whether mass and thrust are where the nominal vehicle has them."""
    shape = (body.offset_x, body.offset_y, body.shift_x, body.shift_y, body.lean_x, body.lean_y)
    return all(ends(value) == (0.0, 0.0) for value in (*shape, body.inertia_excess, body.inertia_loss))


@wp.func
def push_of(body: BodyDrawn) -> wp.vec3:
    """The direction of the thrust, body axes: z turned about x, then about y."""
    ahead = wp.cos(body.lean_x)
    return wp.vec3(wp.sin(body.lean_y) * ahead, -wp.sin(body.lean_x), wp.cos(body.lean_y) * ahead)


@wp.func
def embodied(forcing: Forcing, load: float, mass: MassDrawn, body: BodyDrawn) -> FullForcing:
    """What acts on a vehicle whose mass and thrust are not where they are drawn.

    Args:
        forcing: as it acts on the nominal vehicle.
        load: [kg] of propellant at the start.
        mass: nominal.
        body: where they are.
    """
    across = mass.inertia_transverse * (1.0 + body.inertia_excess)
    push = push_of(body)
    real = FullForcing()
    real.gravity = forcing.gravity
    real.radius = forcing.radius
    real.dry_mass = forcing.dry_mass
    real.thrust = forcing.thrust
    real.flow = forcing.flow
    real.inertia = wp.vec3(mass.inertia_transverse, across, mass.inertia_axial)
    real.inverse_inertia = wp.vec3(1.0 / mass.inertia_transverse, 1.0 / across, 1.0 / mass.inertia_axial)
    real.torque = forcing.torque
    real.throttle = forcing.throttle
    real.inverse_lag = forcing.inverse_lag
    real.push = push
    # The lever goes from the centre of mass to where the thrust acts.
    real.turn = wp.cross(wp.vec3(-body.offset_x, -body.offset_y, -body.arm), push)
    real.further_turn = wp.cross(wp.vec3(-body.shift_x, -body.shift_y, 0.0), push)
    real.per_load = wp.where(load > 0.0, 1.0 / load, 0.0)
    real.inertia_loss = body.inertia_loss
    return real
