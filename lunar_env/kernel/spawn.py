"""How an episode begins: draw its world, place the lander, and look."""

from typing import Any

import warp as wp

from lunar_env import random
from lunar_env.faults.effects import changed_terrain, propellant_missing, unseen_drift
from lunar_env.faults.onset import present_faults, struck
from lunar_env.kernel.access import (
    episode_of,
    finder_of,
    keep_lander,
    keep_reading,
    keep_surface,
    rotation_of,
    start_of,
    world_of,
)
from lunar_env.kernel.looking import look
from lunar_env.kernel.tables import FullTables, Lander, Settings, StartDrawn, WorldDrawn
from lunar_env.sensors.inertial import initial_belief
from lunar_env.state import Belief, Episode, Motion, Reading
from lunar_env.task import FLYING, potential
from lunar_env.terrain.contact import height_above_ground
from lunar_env.terrain.surface import surface_of
from lunar_env.vehicle.frames import up_at
from lunar_env.vehicle.tiles import put_number

wp.set_module_options({"enable_backward": False})


@wp.func
def draw_world(tables: Any, settings: Settings, row: int, key: wp.uint64):
    """Draw for one episode the numbers of the scenario that are drawn; the fixed ones stand in the row for good."""
    for k in range(settings.numbers):
        drawn = tables.draws[k]
        low = drawn.low
        high = drawn.high
        chance = random.uniform(random.draw_number(key, drawn.name))
        value = low + (high - low) * chance
        if drawn.kind == 1:
            value = low * wp.pow(high / low, chance)
        elif drawn.kind == 2:
            # A chance that is itself a range counts with its mean: one draw decides.
            value = wp.where(chance < 0.5 * (low + high), 1.0, 0.0)
        put_number(tables.numbers, row, drawn.place, value)


@wp.func
def start_motion(start: StartDrawn, world: WorldDrawn) -> Motion:
    """The motion with which an episode begins; see ``Start.progress`` for episodes that begin on the way."""
    progress = wp.clamp(start.progress, 0.0, 1.0)
    left = 1.0 - progress
    braking = wp.max(1.0 - 2.0 * progress, 0.0)
    altitude = wp.where(progress > 0.0, 60.0 + (start.altitude - 60.0) * left * left, start.altitude)
    descent_rate = start.descent_rate
    if progress > 0.0:
        descent_rate = wp.min(descent_rate, wp.sqrt(2.0 * start.deceleration * altitude))

    radius = world.moon.radius
    distance = radius + altitude + world.gear.centre_height
    arc = -start.distance * left * left / radius
    forward = wp.vec3(wp.cos(arc), 0.0, -wp.sin(arc))
    up = wp.vec3(wp.sin(arc), 0.0, wp.cos(arc))
    half = 0.5 * (arc - start.tilt * braking)

    motion = Motion()
    motion.position = wp.vec3(
        distance * wp.sin(arc),
        start.cross_distance * left,
        # (R + h) cos(arc) - R without the cancellation: 1 - cos(arc) = 2 sin(arc/2)^2
        altitude + world.gear.centre_height - 2.0 * distance * wp.sin(0.5 * arc) * wp.sin(0.5 * arc),
    )
    motion.velocity = (
        forward * (start.speed * braking) - up * descent_rate + wp.vec3(0.0, start.cross_speed * braking, 0.0)
    )
    motion.attitude = wp.quat(0.0, wp.sin(half), 0.0, wp.cos(half))
    motion.rates = wp.vec3(0.0, start.pitch_rate, 0.0)
    motion.propellant = start.propellant * (1.0 - start.burnt) * (1.0 - 0.7 * progress)
    motion.throttle = start.throttle
    return motion


@wp.func
def unaware_at_first(tables: Any, row: int, belief: Belief) -> Belief:
    """The belief at the start of an episode, marked if the turning of the body below will lead it astray."""
    return belief


@wp.func
def unaware_at_first(tables: FullTables, row: int, belief: Belief) -> Belief:  # noqa: D103, F811
    rotation = rotation_of(tables, row)
    if rotation.rate * rotation.unknown != 0.0:
        belief.misled = 1
    return belief


@wp.func
def respawn(tables: Any, settings: Settings, row: int, past: Episode):
    """Begin the lander's next episode: draw its world, place it, and look."""
    key = random.episode_key(past.seed_low, past.seed_high, past.lander, past.episode)
    draw_world(tables, settings, row, key)
    world = world_of(tables, row)
    faults = present_faults(tables, row)

    lander = Lander()
    lander.motion = start_motion(start_of(tables, row), world)
    lander.belief = initial_belief(lander.motion, world.navigation, world.moon)
    lander.belief = unaware_at_first(tables, row, lander.belief)
    missing = propellant_missing(lander.motion.propellant, tables.faults, row, faults)
    lander.motion.propellant = lander.motion.propellant - missing
    lander.belief.propellant_error = missing
    world.terrain = changed_terrain(world.terrain, tables.faults, row, faults)
    drift = wp.vec3(unseen_drift(tables.faults, row, faults), 0.0, 0.0)
    lander.belief.velocity_error = lander.belief.velocity_error - drift
    for number in range(settings.beams):
        reading = Reading()
        reading.range = finder_of(tables, row, tables.beams[number].finder).maximum_range
        reading.sample_number = -1
        keep_reading(tables, row, number, reading)
    surface = surface_of(world.terrain, tables.maps)
    keep_surface(tables, row, surface)
    height = height_above_ground(lander.motion.position, world.moon.radius, surface, tables.maps, world.gear)
    lander.record.height = height
    lander.episode.seed_low = past.seed_low
    lander.episode.seed_high = past.seed_high
    lander.episode.lander = past.lander
    lander.episode.episode = past.episode
    lander.episode.faults = faults
    lander.record.faults = faults
    lander.episode.pending = faults
    lander.episode.contact_tick = -1
    up = up_at(lander.motion.position, world.moon.radius)
    episode, belief = struck(tables, row, lander.episode, lander.belief, up, height, settings.seconds)
    lander.episode = episode
    lander.belief = belief
    lander.episode.potential = potential(height, lander.motion, world.moon, world.reward)
    lander.episode.start_propellant = lander.motion.propellant
    lander.record.first_valid_altitude = -1.0
    keep_lander(tables, row, lander)

    width = settings.beam_columns + settings.core + settings.action_size
    for k in range(settings.history):
        look(tables.observation, tables, settings, row, k * width, lander, world, height, wp.vec4())


def reset_of(tables_type: Any) -> wp.Kernel:
    """For tables of a type: begin the episode that each masked lander's counters name."""

    @wp.kernel(module="unique", module_options={"enable_backward": False})
    def reset(tables: tables_type, settings: Settings, mask: wp.array(dtype=wp.uint8)):
        row = wp.tid()
        if mask[row] != wp.uint8(0):
            tables.outcome[row] = FLYING
            tables.reward[row] = 0.0
            respawn(tables, settings, row, episode_of(tables, row))

    return reset
