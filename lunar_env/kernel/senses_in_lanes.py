"""What eight landers abreast feel and see at the end of a tick: height, faults, inertial navigation and beams."""

from typing import Any

import warp as wp

from lunar_env import random
from lunar_env.faults.effects import INERTIAL
from lunar_env.kernel.access import (
    BELIEF,
    EPISODE,
    RECORD,
    Beliefs,
    Episodes,
    Motions,
    Records,
    Surfaces,
    Worlds,
    episode_of,
    load,
    store_where,
)
from lunar_env.kernel.alone import (
    befall_alone,
    height_alone,
)
from lunar_env.kernel.sampling import Seen, key_of, sense_beams
from lunar_env.kernel.step import (
    OPTIONS,
)
from lunar_env.kernel.tables import Settings, whole
from lunar_env.sensors.inertial import drift
from lunar_env.terrain.contact import height_above_smooth_ground
from lunar_env.vehicle.algebra import dot
from lunar_env.vehicle.compare import (
    anywhere,
    below,
    both,
    either,
    equal,
    never,
    shares,
)
from lunar_env.vehicle.frames import up_at

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul.
from lunar_env.vehicle.lanes import WIDTH, Counts, Lanes, Mask, Vectors, abreast, add, mul, neg, sub  # noqa: F401

wp.set_module_options(OPTIONS)


@wp.func
def heights_of(tables: Any, start: int, number: int, motions: Motions, worlds: Worlds, flying: Mask) -> Lanes:
    """The height [m] of each lander above the ground below."""
    surfaces = Surfaces()
    load(tables.surfaces, start, 0, surfaces)
    heights = height_above_smooth_ground(motions.position, worlds.moon.radius, surfaces, worlds.gear)
    if whole(tables):
        uneven = both(flying, either(below(0.0, surfaces.roughness), never(equal(surfaces.step_height, 0.0))))
        if anywhere(uneven):
            for lane in range(number):
                if uneven[lane] != 0:
                    heights[lane] = height_alone(tables, start + lane)
    return heights


@wp.func
def befall_abreast(tables: Any, settings: Settings, start: int, number: int, heights: Lanes, flying: Mask):
    """Faults that begin, end and lead a belief astray; see ``befallen``."""
    episodes = Episodes()
    load(tables.landers, start, EPISODE, episodes)
    concerned = never(equal(episodes.pending, 0))
    if whole(tables):
        beliefs = Beliefs()
        load(tables.landers, start, BELIEF, beliefs)
        concerned = either(concerned, either(shares(episodes.acting, INERTIAL), equal(beliefs.misled, 1)))
    concerned = both(flying, concerned)
    if anywhere(concerned):
        for lane in range(number):
            if concerned[lane] != 0:
                befall_alone(tables, settings, start + lane, heights[lane])


@wp.func
def drift_abreast(
    tables: Any, settings: Settings, start: int, number: int, motions: Motions, worlds: Worlds, flying: Mask
):
    """One more tick of inertial navigation."""
    noise = Vectors()
    for lane in range(number):
        if flying[lane] != 0:
            episode = episode_of(tables, start + lane)
            draw = random.noise3(random.draw(key_of(episode), episode.tick, random.INERTIAL_NOISE))
            noise.x[lane] = draw[0]
            noise.y[lane] = draw[1]
            noise.z[lane] = draw[2]
    beliefs = Beliefs()
    load(tables.landers, start, BELIEF, beliefs)
    beliefs = drift(beliefs, motions, noise, worlds.navigation, worlds.moon, settings.seconds)
    store_where(tables.landers, start, BELIEF, beliefs, flying)


@wp.func
def sense_abreast(
    tables: Any,
    settings: Settings,
    start: int,
    number: int,
    motions: Motions,
    worlds: Worlds,
    heights: Lanes,
    flying: Mask,
):
    """What the beams of each lander sample and deliver."""
    heard = Mask()
    for lane in range(number):
        if flying[lane] != 0:
            row = start + lane
            episode = episode_of(tables, row)
            seen = Seen()
            seen.tick = episode.tick
            seen.acting = episode.acting
            seen.height = heights[lane]
            load(tables.landers, row, 0, seen.motion)
            if sense_beams(tables, settings, row, key_of(episode), seen):
                heard[lane] = -1
    if anywhere(heard):
        records = Records()
        load(tables.landers, start, RECORD, records)
        first = both(heard, below(records.first_valid_altitude, 0.0))
        if anywhere(first):
            up = up_at(motions.position, worlds.moon.radius)
            records.first_valid_altitude = heights
            records.first_valid_descent_rate = -dot(motions.velocity, up)
            store_where(tables.landers, start, RECORD, records, first)
