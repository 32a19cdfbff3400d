"""Commands and flight of eight landers abreast; who may meet the ground or has a broken engine flies apart."""

from typing import Any

import warp as wp

from lunar_env.faults.effects import ENGINE
from lunar_env.kernel.access import (
    BELIEF,
    EPISODE,
    RECORD,
    REST,
    Beliefs,
    Episodes,
    Forcings,
    Motions,
    Records,
    Surfaces,
    Worlds,
    load,
    put_lane,
    store_where,
    surface_of_row,
    take_lane,
    world_of,
)
from lunar_env.kernel.alone import (
    command_alone,
    fly_alone,
)
from lunar_env.kernel.step import (
    OPTIONS,
)
from lunar_env.kernel.tables import FullTables, Settings, whole
from lunar_env.state import Motion
from lunar_env.terrain.contact import is_above_all, may_touch
from lunar_env.vehicle.actuators import feeds_steadily, forcing_of
from lunar_env.vehicle.compare import (
    anywhere,
    below,
    both,
    either,
    equal,
    never,
    real,
    shares,
)
from lunar_env.vehicle.control import steer
from lunar_env.vehicle.dynamics import Forcing, substep

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul.
from lunar_env.vehicle.lanes import WIDTH, Counts, Lanes, Mask, Vectors, abreast, add, mul, neg, sub  # noqa: F401

wp.set_module_options(OPTIONS)


@wp.struct
class Actions:
    """The action of each lander, as ``read_action`` has it."""

    x: Lanes
    y: Lanes
    z: Lanes
    w: Lanes


@wp.func
def command_abreast(
    tables: Any, settings: Settings, start: int, number: int, actions: Actions, flying: Mask
) -> Forcings:
    """What acts on each lander during a tick; see ``command``."""
    motions, beliefs, worlds, forcings = Motions(), Beliefs(), Worlds(), Forcings()
    load(tables.landers, start, 0, motions)
    load(tables.landers, start, BELIEF, beliefs)
    load(tables.worlds, start, 0, worlds)
    throttle, torque = steer(
        settings.mode, actions, motions, beliefs,
        worlds.moon, worlds.mass, worlds.engine, worlds.attitude, worlds.guidance,
    )  # fmt: skip
    forcings = forcing_of(worlds.moon, worlds.mass, worlds.engine, throttle, torque, worlds.attitude, forcings)
    if whole(tables):
        episodes = Episodes()
        load(tables.landers, start, EPISODE, episodes)
        apart = either(shares(episodes.acting, ENGINE), equal(beliefs.misled, 1))
        apart = both(flying, either(apart, never(below(episodes.contact_tick, 0))))
        if anywhere(apart):
            for lane in range(number):
                if apart[lane] != 0:
                    forcing = command_alone(tables, settings, start + lane)
                    put_lane(forcings, lane, forcing)
    return forcings


@wp.func
def clear_of_ground(
    tables: Any, settings: Settings, start: int, number: int, forcings: Forcings, low: Mask, clear: Mask
) -> Mask:
    """Add to those that are ``clear`` of the ground the low ones over rough ground that cannot meet it in a tick."""
    for lane in range(number):
        if low[lane] != 0:
            row = start + lane
            motion, forcing = Motion(), Forcing()
            load(tables.landers, row, 0, motion)
            take_lane(forcings, lane, forcing)
            gear, surface = world_of(tables, row).gear, surface_of_row(tables, row)
            if not may_touch(motion, forcing, settings.seconds, surface, tables.maps, gear):
                clear[lane] = -1
    return clear


@wp.func
def side_by_side(tables: Any, easy: Mask) -> Mask:
    """Of those whose flight is easy the ones that fly abreast."""
    return easy


@wp.func
def side_by_side(tables: FullTables, easy: Mask) -> Mask:  # noqa: D103, F811
    return Mask()  # none: their forcings are of another kind


@wp.func
def fly_abreast(tables: Any, settings: Settings, start: int, number: int, forcings: Forcings, flying: Mask) -> Mask:
    """The flight of a tick: of all that are far from the ground and from dry tanks side by side, of each other alone.

    Returns those that touched.
    """
    motions, remainders, surfaces, worlds = Motions(), Motions(), Surfaces(), Worlds()
    load(tables.landers, start, 0, motions)
    load(tables.landers, start, REST, remainders)
    load(tables.surfaces, start, 0, surfaces)
    load(tables.worlds, start, 0, worlds)
    easy = is_above_all(motions, forcings, settings.seconds, surfaces, worlds.gear)
    steady = feeds_steadily(motions, forcings, settings.seconds)
    if whole(tables) and anywhere(both(flying, never(easy))):
        easy = clear_of_ground(tables, settings, start, number, forcings, both(flying, never(easy)), easy)
    easy = side_by_side(tables, both(easy, steady))
    together, apart = both(flying, easy), both(flying, never(easy))
    touched = Mask()
    if anywhere(apart):
        for lane in range(number):
            if apart[lane] != 0:
                forcing = Forcing()
                take_lane(forcings, lane, forcing)
                if fly_alone(tables, settings, start + lane, forcing):
                    touched[lane] = -1
    if anywhere(together):
        duration = settings.seconds / float(settings.substeps)
        for _ in range(settings.substeps):
            motions, remainders = substep(motions, remainders, forcings, duration)
        store_where(tables.landers, start, 0, motions, together)
        store_where(tables.landers, start, REST, remainders, together)
        episodes, records = Episodes(), Records()
        load(tables.landers, start, EPISODE, episodes)
        load(tables.landers, start, RECORD, records)
        records.duration = real(episodes.tick) * settings.seconds + settings.seconds
        store_where(tables.landers, start, RECORD, records, together)
    return touched
