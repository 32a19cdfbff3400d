"""One decision of eight landers abreast: the stages of step.py, with the flight of the eight side by side.

The flight is half of a step's work and the same for all landers, so a CPU does it eight at a time (lanes.py). Landers
that may meet the ground or run dry within a tick fly it alone: whether one does is its own matter, so a descent does
not depend on its neighbours.
"""

from typing import Any

import warp as wp

from lunar_env.kernel.step import OPTIONS, acts_finitely, command, end_decision, end_tick, fly_tick, read_action, rests
from lunar_env.kernel.tables import Settings
from lunar_env.state import Motion
from lunar_env.task import FLYING, INVALID
from lunar_env.terrain.contact import may_touch
from lunar_env.vehicle.actuators import feeds_steadily
from lunar_env.vehicle.dynamics import Forcing, substep
from lunar_env.vehicle.lanes import WIDTH, Lanes, Quaternions, Vectors

wp.set_module_options(OPTIONS)


@wp.struct
class Motions:
    """The ``Motion`` of each lander."""

    position: Vectors
    velocity: Vectors
    attitude: Quaternions
    rates: Vectors
    propellant: Lanes
    throttle: Lanes


@wp.struct
class Forcings:
    """The ``Forcing`` of each lander."""

    gravity: Lanes
    radius: Lanes
    dry_mass: Lanes
    thrust: Lanes
    flow: Lanes
    inertia: Vectors
    inverse_inertia: Vectors
    torque: Vectors
    throttle: Lanes
    inverse_lag: Lanes


@wp.func
def join_motion(motions: wp.array(dtype=Motions), place: int, lane: int, motion: Motion):
    """Put one lander's motion into its lane."""
    motions[place].position.x[lane] = motion.position[0]
    motions[place].position.y[lane] = motion.position[1]
    motions[place].position.z[lane] = motion.position[2]
    motions[place].velocity.x[lane] = motion.velocity[0]
    motions[place].velocity.y[lane] = motion.velocity[1]
    motions[place].velocity.z[lane] = motion.velocity[2]
    motions[place].attitude.x[lane] = motion.attitude[0]
    motions[place].attitude.y[lane] = motion.attitude[1]
    motions[place].attitude.z[lane] = motion.attitude[2]
    motions[place].attitude.w[lane] = motion.attitude[3]
    motions[place].rates.x[lane] = motion.rates[0]
    motions[place].rates.y[lane] = motion.rates[1]
    motions[place].rates.z[lane] = motion.rates[2]
    motions[place].propellant[lane] = motion.propellant
    motions[place].throttle[lane] = motion.throttle


@wp.func
def join_forcing(forcings: wp.array(dtype=Forcings), place: int, lane: int, forcing: Forcing):
    """Put what acts on one lander into its lane."""
    forcings[place].gravity[lane] = forcing.gravity
    forcings[place].radius[lane] = forcing.radius
    forcings[place].dry_mass[lane] = forcing.dry_mass
    forcings[place].thrust[lane] = forcing.thrust
    forcings[place].flow[lane] = forcing.flow
    forcings[place].inertia.x[lane] = forcing.inertia[0]
    forcings[place].inertia.y[lane] = forcing.inertia[1]
    forcings[place].inertia.z[lane] = forcing.inertia[2]
    forcings[place].inverse_inertia.x[lane] = forcing.inverse_inertia[0]
    forcings[place].inverse_inertia.y[lane] = forcing.inverse_inertia[1]
    forcings[place].inverse_inertia.z[lane] = forcing.inverse_inertia[2]
    forcings[place].torque.x[lane] = forcing.torque[0]
    forcings[place].torque.y[lane] = forcing.torque[1]
    forcings[place].torque.z[lane] = forcing.torque[2]
    forcings[place].throttle[lane] = forcing.throttle
    forcings[place].inverse_lag[lane] = forcing.inverse_lag


@wp.func
def leave(motions: Motions, lane: int) -> Motion:
    """One lander's motion, out of its lane."""
    position, velocity, attitude, rates = motions.position, motions.velocity, motions.attitude, motions.rates
    motion = Motion()
    motion.position = wp.vec3(position.x[lane], position.y[lane], position.z[lane])
    motion.velocity = wp.vec3(velocity.x[lane], velocity.y[lane], velocity.z[lane])
    motion.attitude = wp.quat(attitude.x[lane], attitude.y[lane], attitude.z[lane], attitude.w[lane])
    motion.rates = wp.vec3(rates.x[lane], rates.y[lane], rates.z[lane])
    motion.propellant = motions.propellant[lane]
    motion.throttle = motions.throttle[lane]
    return motion


@wp.func
def begin_decision(tables: Any, settings: Settings, start: int, number: int) -> int:
    """The landers that take part in this step, one bit each. One whose action is not finite ends here."""
    taking_part = int(0)
    for lane in range(number):
        row = start + lane
        if not rests(tables, settings, row):
            taking_part = taking_part | (1 << lane)
            if not acts_finitely(tables, settings, row):
                lander = tables.landers[row]
                lander.episode.outcome = INVALID
                tables.landers[row] = lander
    return taking_part


@wp.func
def flies(tables: Any, row: int, lane: int, taking_part: int) -> bool:
    """Whether the lander takes part and has not ended."""
    return (taking_part >> lane) & 1 == 1 and tables.landers[row].episode.outcome == FLYING


@wp.func
def fly_abreast(motions: Motions, rests_of: Motions, forcings: Forcings, settings: Settings):
    """One tick far from the ground, in substeps."""
    duration = settings.seconds / float(settings.substeps)
    for _ in range(settings.substeps):
        motions, rests_of = substep(motions, rests_of, forcings, duration)
    return motions, rests_of


@wp.func
def tick_abreast(tables: Any, settings: Settings, start: int, number: int, taking_part: int):
    """One tick: commands and lanes, the flight of all lanes, sensors and outcomes."""
    # Arrays of one or two, because a Warp function can write into an array of its caller, but not into a struct.
    motion_and_rest = wp.zeros(shape=(2,), dtype=Motions)
    forcing_of_each = wp.zeros(shape=(1,), dtype=Forcings)
    alone, touched = int(0), int(0)
    for lane in range(number):
        row = start + lane
        if flies(tables, row, lane, taking_part):
            lander = tables.landers[row]
            world = tables.worlds[row]
            forcing = command(tables, settings, row, lander, world, read_action(tables, settings, row))
            near = may_touch(lander.motion, forcing, settings.seconds, tables.surfaces[row], tables.maps, world.gear)
            if near or not feeds_steadily(lander.motion, forcing, settings.seconds):
                lander, touch = fly_tick(tables, row, lander, world, forcing, settings)
                tables.landers[row] = lander
                alone = alone | (1 << lane)
                touched = touched | (int(touch) << lane)
            else:
                join_motion(motion_and_rest, 0, lane, lander.motion)
                join_motion(motion_and_rest, 1, lane, lander.rest)
                join_forcing(forcing_of_each, 0, lane, forcing)

    motions, rests_of = fly_abreast(motion_and_rest[0], motion_and_rest[1], forcing_of_each[0], settings)
    for lane in range(number):
        row = start + lane
        if flies(tables, row, lane, taking_part):
            lander = tables.landers[row]
            world = tables.worlds[row]
            if (alone >> lane) & 1 == 0:
                lander.motion = leave(motions, lane)
                lander.rest = leave(rests_of, lane)
                lander.record.duration = float(lander.episode.tick) * settings.seconds + settings.seconds
            lander = end_tick(tables, settings, row, lander, world, (touched >> lane) & 1 == 1)
            tables.landers[row] = lander


def advance_abreast_of(tables_type: Any) -> wp.Kernel:
    """The step for tables of a type: for the landers of a part of the batch, eight per thread, the way of a CPU."""

    @wp.kernel(module="unique", module_options=OPTIONS)
    def advance_abreast(tables: tables_type, settings: Settings, first: int, end: int):
        start = first + wp.tid() * WIDTH
        number = wp.min(end - start, WIDTH)
        taking_part = begin_decision(tables, settings, start, number)
        for _ in range(settings.ticks):
            tick_abreast(tables, settings, start, number, taking_part)
        for lane in range(number):
            if (taking_part >> lane) & 1 == 1:
                row = start + lane
                action = read_action(tables, settings, row)
                end_decision(tables, settings, row, tables.landers[row], tables.worlds[row], action)

    return advance_abreast
