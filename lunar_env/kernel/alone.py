"""What befalls one lander among eight abreast, by the functions of step.py.

Each is compiled once, apart from what eight do together, for it is much and rarely needed.
"""

from typing import Any

import warp as wp

from lunar_env.kernel.access import (
    keep_lander,
    lander_of,
    load,
    surface_of_row,
    world_of,
)
from lunar_env.kernel.looking import look
from lunar_env.kernel.step import (
    OPTIONS,
    befallen,
    begin_next,
    command,
    finish,
    fly,
    make_room,
    read_action,
    touched_down,
)
from lunar_env.kernel.tables import Settings
from lunar_env.state import Motion
from lunar_env.task import INVALID
from lunar_env.terrain.contact import height_above_ground
from lunar_env.vehicle.dynamics import Forcing

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul.
from lunar_env.vehicle.lanes import WIDTH, Counts, Lanes, Mask, Vectors, abreast, add, mul, neg, sub  # noqa: F401

wp.set_module_options(OPTIONS)


@wp.func(inline=False)
def end_at_once(tables: Any, row: int):
    """Its action is not finite."""
    lander = lander_of(tables, row)
    lander.episode.outcome = INVALID
    keep_lander(tables, row, lander)


@wp.func(inline=False)
def command_alone(tables: Any, settings: Settings, row: int) -> Forcing:
    """See ``command``."""
    action = read_action(tables, settings, row)
    return command(tables, settings, row, lander_of(tables, row), world_of(tables, row), action)


@wp.func(inline=False)
def fly_alone(tables: Any, settings: Settings, row: int, forcing: Forcing) -> bool:
    """See ``fly_tick``. Returns whether it touched."""
    lander, touched = fly(tables, row, lander_of(tables, row), world_of(tables, row), forcing, settings)
    keep_lander(tables, row, lander)
    return touched


@wp.func(inline=False)
def height_alone(tables: Any, row: int) -> float:
    """Its height [m] above rough ground."""
    world, motion = world_of(tables, row), Motion()
    load(tables.landers, row, 0, motion)
    surface = surface_of_row(tables, row)
    return height_above_ground(motion.position, world.moon.radius, surface, tables.maps, world.gear)


@wp.func(inline=False)
def befall_alone(tables: Any, settings: Settings, row: int, height: float):
    """See ``befallen``."""
    lander = befallen(tables, settings, row, lander_of(tables, row), world_of(tables, row), height)
    keep_lander(tables, row, lander)


@wp.func(inline=False)
def touch_alone(tables: Any, settings: Settings, row: int):
    """See ``touched_down``."""
    lander = touched_down(tables, settings, row, lander_of(tables, row), world_of(tables, row))
    keep_lander(tables, row, lander)


@wp.func(inline=False)
def look_alone(tables: Any, settings: Settings, row: int):
    """See ``look``."""
    lander, action = lander_of(tables, row), read_action(tables, settings, row)
    newest = make_room(tables, settings, row)
    height = lander.record.height
    look(tables.observation, tables, settings, row, newest, lander, world_of(tables, row), height, action)


@wp.func(inline=False)
def finish_alone(tables: Any, settings: Settings, row: int):
    """See ``finish``."""
    finish(tables, settings, row, lander_of(tables, row))


@wp.func(inline=False)
def begin_alone(tables: Any, settings: Settings, row: int):
    """See ``begin_next``."""
    begin_next(tables, settings, row)
