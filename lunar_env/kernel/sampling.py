"""The sensors of one lander in one tick: inertial drift, new samples where a clock says so, and what arrives now."""

from typing import Any

import warp as wp

from lunar_env import random
from lunar_env.faults.effects import blind, frozen, rate_error_of, share_measured, thrust_factor
from lunar_env.kernel.access import (
    finder_of,
    keep_reading,
    keep_sample,
    reading_of,
    rotation_of,
    sample_of,
    surface_of_row,
    world_of,
)
from lunar_env.kernel.tables import FullTables, Lander, PlainTables, Settings, WorldDrawn
from lunar_env.sensors.inertial import drift, felt_wrongly, unaware
from lunar_env.sensors.range_finder import measure, newer_reading, transport
from lunar_env.state import Belief, Episode, Motion, Sample
from lunar_env.vehicle.frames import up_at
from lunar_env.vehicle.rotation import spin_of

wp.set_module_options({"enable_backward": False})


@wp.struct
class Seen:
    """What range finders look at in a tick."""

    tick: int
    acting: int  # one bit for each fault that acts
    height: float  # [m] above the ground below
    motion: Motion


@wp.func
def key_of(episode: Episode) -> wp.uint64:
    """The key of the episode's randomness."""
    return random.episode_key(episode.seed_low, episode.seed_high, episode.lander, episode.episode)


@wp.func
def newest_arrived(tables: Any, slots: int, row: int, beam: int, newest: int, heard: int, tick: int) -> int:
    """Number of the newest sample of a beam that has arrived by now; ``heard`` if there is none after that one."""
    number = int(newest)
    while number > heard and sample_of(tables, row, number % slots, beam).delivery > tick:
        number = number - 1
    return wp.max(number, heard)


@wp.func
def new_sample(
    tables: Any, settings: Settings, row: int, number: int, key: wp.uint64, finder_key: wp.uint64, seen: Seen
) -> Sample:
    """What one beam measures now, and when that arrives."""
    tick = seen.tick
    beam = tables.beams[number]
    acting = seen.acting & beam.faults
    finder = finder_of(tables, row, beam.finder)
    sample = Sample()  # without a return
    sample.stamp = tick
    if not blind(tables.faults, row, acting, seen.height):
        world = world_of(tables, row)
        surface = surface_of_row(tables, row)
        sample = measure(
            random.beam_key(key, number), tick, seen.height, seen.motion, world.moon, surface, tables.maps,
            world.terrain.albedo, world.gear, finder, beam.direction, tables.faults, row, acting,
        )  # fmt: skip
    return transport(sample, finder_key, tick, settings.seconds, beam.jitter, finder, tables.faults, row, acting)


@wp.func
def sense_beam(tables: Any, settings: Settings, row: int, number: int, key: wp.uint64, seen: Seen) -> bool:
    """A new sample of one beam if its clock says so, and whatever sample arrives now. True for a valid arrival."""
    tick = seen.tick
    beam = tables.beams[number]
    finder_key = random.beam_key(key, beam.first)  # one clock and one delay for all beams of an instrument
    phase = 0
    newest = tick - 1
    if beam.period > 1:
        phase = int(random.uniform(random.draw(finder_key, 0, random.SAMPLE_PHASE)) * float(beam.period))
        newest = (tick + phase) / beam.period - 1
    if tick + phase == (newest + 1) * beam.period:
        sample = new_sample(tables, settings, row, number, key, finder_key, seen)
        keep_sample(tables, row, newest % settings.slots, number, sample)

    reading = reading_of(tables, row, number)
    heard = reading.sample_number
    arrived = newest_arrived(tables, settings.slots, row, number, newest, heard, tick)
    if arrived == heard:
        return False
    sample = sample_of(tables, row, arrived % settings.slots, number)
    repeated = reading.range_tick > 0
    if repeated:
        repeated = frozen(random.beam_key(key, number), arrived, tables.faults, row, seen.acting & beam.faults)
    reading = newer_reading(reading, sample, arrived, repeated)
    keep_reading(tables, row, number, reading)
    return sample.valid > 0.5


@wp.func
def sense_beams(tables: Any, settings: Settings, row: int, key: wp.uint64, seen: Seen) -> bool:
    """The same for all beams of all range finders."""
    heard = bool(False)
    for number in range(settings.beams):
        heard = sense_beam(tables, settings, row, number, key, seen) or heard
    return heard


@wp.func
def sense_beams(  # noqa: D103, F811
    tables: PlainTables, settings: Settings, row: int, key: wp.uint64, seen: Seen
) -> bool:
    return sense_beam(tables, settings, row, 0, key, seen)


@wp.func
def sense(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn, height: float) -> Lander:
    """Inertial drift, and what the range finders' beams sample and deliver in this tick."""
    key = key_of(lander.episode)
    noise = random.noise3(random.draw(key, lander.episode.tick, random.INERTIAL_NOISE))
    lander.belief = drift(lander.belief, lander.motion, noise, world.navigation, world.moon, settings.seconds)
    seen = Seen()
    seen.tick = lander.episode.tick
    seen.acting = lander.episode.acting
    seen.height = height
    seen.motion = lander.motion
    if sense_beams(tables, settings, row, key, seen) and lander.record.first_valid_altitude < 0.0:
        lander.record.first_valid_altitude = height
        up = up_at(lander.motion.position, world.moon.radius)
        lander.record.first_valid_descent_rate = -wp.dot(lander.motion.velocity, up)
    return lander


@wp.func
def left_behind(tables: Any, row: int, belief: Belief, motion: Motion, radius: float, seconds: float) -> Belief:
    """The belief of a navigation that leaves the turning of the body below out of account."""
    return belief


@wp.func
def left_behind(  # noqa: D103, F811
    tables: FullTables, row: int, belief: Belief, motion: Motion, radius: float, seconds: float
) -> Belief:
    rotation = rotation_of(tables, row)
    return unaware(belief, motion, spin_of(rotation) * rotation.unknown, radius, seconds)


@wp.func
def mislead(tables: Any, row: int, lander: Lander, world: WorldDrawn, seconds: float) -> Belief:
    """The belief after a tick in which accelerometers or gyros measured wrongly."""
    motion = lander.motion
    belief = lander.belief
    acting = lander.episode.acting
    navigation = world.navigation
    thrust = world.engine.maximum_thrust * world.engine.thrust_scale * thrust_factor(tables.faults, row, acting)
    specific_force = motion.throttle * thrust / (world.mass.dry + motion.propellant)
    bias = wp.vec3(navigation.gyro_bias_x, navigation.gyro_bias_y, navigation.gyro_bias_z)
    belief.rate_error = bias + rate_error_of(tables.faults, row, acting)
    share = (1.0 + navigation.scale_error) * share_measured(tables.faults, row, acting)
    turn = belief.rate_error * seconds
    if navigation.angle_random_walk > 0.0:
        noise = random.noise3(random.draw(key_of(lander.episode), lander.episode.tick, random.GYRO_NOISE))
        turn = turn + noise * (navigation.angle_random_walk * wp.sqrt(seconds))
    belief = felt_wrongly(belief, motion, specific_force, share, turn, seconds)
    return left_behind(tables, row, belief, motion, world.moon.radius, seconds)
