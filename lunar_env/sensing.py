"""The sensors of one lander in one tick: inertial drift, new samples where a clock says so, and what arrives now."""

from typing import Any

import warp as wp

from lunar_env import random
from lunar_env.dynamics import up_at
from lunar_env.fault_effects import blind, frozen
from lunar_env.navigation import drift
from lunar_env.sensors import measure, newer_reading, transport
from lunar_env.state import Episode, Lander, Sample
from lunar_env.world import PlainTables, Settings, Tables, WorldDrawn

wp.set_module_options({"enable_backward": False})


@wp.func
def key_of(episode: Episode) -> wp.uint64:
    """The key of the episode's randomness."""
    return random.episode_key(episode.seed_low, episode.seed_high, episode.lander, episode.episode)


@wp.func
def newest_arrived(
    delay_line: wp.array3d(dtype=Sample), slots: int, row: int, beam: int, newest: int, heard: int, tick: int
) -> int:
    """Number of the newest sample of a beam that has arrived by now; ``heard`` if there is none after that one."""
    number = int(newest)
    while number > heard and delay_line[number % slots, row, beam].delivery > tick:
        number = number - 1
    return wp.max(number, heard)


@wp.func
def sense_beam(
    tables: Any,
    settings: Settings,
    row: int,
    number: int,
    key: wp.uint64,
    lander: Lander,
    world: WorldDrawn,
    height: float,
) -> Lander:
    """A new sample of one beam if its clock says so, and whatever sample arrives now."""
    tick = lander.episode.tick
    beam = tables.beams[number]
    acting = lander.episode.acting & beam.faults
    finder_key = random.beam_key(key, beam.first)  # one clock and one delay for all beams of an instrument
    phase = 0
    newest = tick - 1
    if beam.period > 1:
        phase = int(random.uniform(random.draw(finder_key, 0, random.SAMPLE_PHASE)) * float(beam.period))
        newest = (tick + phase) / beam.period - 1
    if tick + phase == (newest + 1) * beam.period:
        sample = Sample()  # without a return
        sample.stamp = tick
        if not blind(tables.faults, row, acting, height):
            sample = measure(
                random.beam_key(key, number),
                tick,
                height,
                lander.motion,
                world.moon,
                tables.surfaces[row],
                tables.maps,
                world.terrain.albedo,
                world.gear,
                tables.finders[row, beam.finder],
                beam.direction,
                tables.faults,
                row,
                acting,
            )
        sample = transport(
            sample,
            finder_key,
            tick,
            settings.seconds,
            beam.jitter,
            tables.finders[row, beam.finder],
            tables.faults,
            row,
            acting,
        )
        tables.delay_line[newest % settings.slots, row, number] = sample

    heard = tables.readings[row, number].sample_number
    arrived = newest_arrived(tables.delay_line, settings.slots, row, number, newest, heard, tick)
    if arrived > heard:
        sample = tables.delay_line[arrived % settings.slots, row, number]
        reading = tables.readings[row, number]
        repeated = reading.range_tick > 0
        if repeated:
            repeated = frozen(random.beam_key(key, number), arrived, tables.faults, row, acting)
        tables.readings[row, number] = newer_reading(reading, sample, arrived, repeated)
        if sample.valid > 0.5 and lander.record.first_valid_altitude < 0.0:
            lander.record.first_valid_altitude = height
            up = up_at(lander.motion.position, world.moon.radius)
            lander.record.first_valid_descent_rate = -wp.dot(lander.motion.velocity, up)
    return lander


@wp.func
def sense_beams(
    tables: Tables, settings: Settings, row: int, key: wp.uint64, lander: Lander, world: WorldDrawn, height: float
) -> Lander:
    """The same for all beams of all range finders."""
    for number in range(settings.beams):
        lander = sense_beam(tables, settings, row, number, key, lander, world, height)
    return lander


@wp.func
def sense_beams(  # noqa: D103, F811
    tables: PlainTables, settings: Settings, row: int, key: wp.uint64, lander: Lander, world: WorldDrawn, height: float
) -> Lander:
    return sense_beam(tables, settings, row, 0, key, lander, world, height)


@wp.func
def sense(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn, height: float) -> Lander:
    """Inertial drift, and what the range finders' beams sample and deliver in this tick."""
    key = key_of(lander.episode)
    noise = random.noise3(random.draw(key, lander.episode.tick, random.INERTIAL_NOISE))
    lander.belief = drift(lander.belief, lander.motion, noise, world.navigation, world.moon, settings.seconds)
    return sense_beams(tables, settings, row, key, lander, world, height)
