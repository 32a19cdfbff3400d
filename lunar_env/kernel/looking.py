"""What the pilot of a lander sees now, written into its row of the observation."""

from typing import Any

import warp as wp

from lunar_env.kernel.access import finder_of, reading_of
from lunar_env.kernel.tables import Lander, PlainTables, Settings, WorldDrawn, whole
from lunar_env.observation import observe_beam, observe_core, shown
from lunar_env.sensors.echo import beam_direction

wp.set_module_options({"enable_backward": False})


@wp.func
def look_along(
    target: wp.array2d(dtype=float),
    tables: Any,
    settings: Settings,
    row: int,
    column: int,
    number: int,
    lander: Lander,
    height: float,
) -> int:
    """Write what the pilot sees of one beam. Returns the column after it."""
    reading = reading_of(tables, row, number)
    if settings.truth == 1:
        cant = finder_of(tables, row, tables.beams[number].finder).cant
        pointing = beam_direction(lander.motion.attitude, tables.beams[number].direction, cant)
        reading = shown(reading, wp.dot(lander.motion.velocity, pointing), height, lander.episode.tick)
    age = float(lander.episode.tick - reading.range_tick) * settings.seconds
    doppler = int(0)
    if whole(tables):
        doppler = tables.beams[number].doppler
    observe_beam(target, row, column, reading, age, doppler, settings.scales)
    return column + 3 + doppler


@wp.func
def look_along_beams(
    target: wp.array2d(dtype=float),
    tables: Any,
    settings: Settings,
    row: int,
    column: int,
    lander: Lander,
    height: float,
) -> int:
    """The same for all beams of all range finders."""
    start = int(column)
    for number in range(settings.beams):
        start = look_along(target, tables, settings, row, start, number, lander, height)
    return start


@wp.func
def look_along_beams(  # noqa: D103, F811
    target: wp.array2d(dtype=float),
    tables: PlainTables,
    settings: Settings,
    row: int,
    column: int,
    lander: Lander,
    height: float,
) -> int:
    return look_along(target, tables, settings, row, column, 0, lander, height)


@wp.func
def look(
    target: wp.array2d(dtype=float),
    tables: Any,
    settings: Settings,
    row: int,
    column: int,
    lander: Lander,
    world: WorldDrawn,
    height: float,
    action: wp.vec4,
):
    """Write what the pilot sees now."""
    start = look_along_beams(target, tables, settings, row, column, lander, height)
    if settings.core > 0:
        observe_core(
            target, row, start, settings.truth, settings.misjudges, lander.episode.tick, settings.seconds,
            lander.motion, lander.belief, world.navigation, world.moon, world.gear, settings.scales,
        )  # fmt: skip
        start = start + settings.core
    for j in range(settings.action_size):
        target[row, start + j] = action[j]
