"""One decision of eight landers abreast: the stages of step.py, eight landers at a time wherever all do the same.

What most landers do in most ticks, steering, flight, drift, height, reward and observation, a CPU does for eight with
one instruction (lanes.py). What befalls a few, faults, rough ground, a beam's echo, touchdown and a new episode, each
does alone, by the functions of step.py. Either way the numbers are the same, so a descent does not depend on its
neighbours. Between stages all stands in the tables, whose tiles are read and written eight lanes at a time.
"""

from typing import Any

import warp as wp

from lunar_env.kernel.access import (
    BELIEF,
    EPISODE,
    READING,
    READINGS,
    RECORD,
    Beliefs,
    Episodes,
    Motions,
    Readings,
    Records,
    Worlds,
    lander_of,
    load,
    store_where,
    world_of,
)
from lunar_env.kernel.alone import (
    begin_alone,
    end_at_once,
    finish_alone,
    look_alone,
    touch_alone,
)
from lunar_env.kernel.flight_in_lanes import Actions, command_abreast, fly_abreast
from lunar_env.kernel.layout import words
from lunar_env.kernel.senses_in_lanes import befall_abreast, drift_abreast, heights_of, sense_abreast
from lunar_env.kernel.step import (
    OPTIONS,
    acts_finitely,
    make_room,
    read_action,
    rest,
)
from lunar_env.kernel.tables import SAME_STEP, Lander, Settings, WorldDrawn, whole
from lunar_env.observation import observe_beam, observe_core, put
from lunar_env.state import Reading, Surface
from lunar_env.task import FLYING, LOST, OUT_OF_TIME, earn, touchdown_reward
from lunar_env.vehicle.algebra import dot
from lunar_env.vehicle.compare import (
    anywhere,
    below,
    both,
    either,
    equal,
    first_lanes,
    never,
    real,
    select,
    size,
)

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul.
from lunar_env.vehicle.lanes import WIDTH, Counts, Lanes, Mask, Vectors, abreast, add, mul, neg, sub  # noqa: F401
from lunar_env.vehicle.tiles import fetch_lanes

wp.set_module_options(OPTIONS)


# What is fetched ahead: all of a lander with its first reading, all of its world and ground.
FETCHED_OF_LANDER = wp.constant(words(Lander) + words(Reading))
FETCHED_OF_WORLD, FETCHED_OF_SURFACE = wp.constant(words(WorldDrawn)), wp.constant(words(Surface))


@wp.func
def begin_decision(tables: Any, settings: Settings, start: int, number: int, flying: Mask):
    """Let those rest that do not fly, and end those whose action is not finite."""
    for lane in range(number):
        row = start + lane
        if flying[lane] == 0:
            if rest(tables, settings, row):
                begin_alone(tables, settings, row)
        elif not acts_finitely(tables, settings, row):
            end_at_once(tables, row)


@wp.func
def present(tables: Any, start: int, number: int) -> Mask:
    """The landers of the batch that fly, of the eight from ``start`` on."""
    episodes = Episodes()
    load(tables.landers, start, EPISODE, episodes)
    return both(equal(episodes.outcome, FLYING), first_lanes(number))


@wp.func
def read_actions(tables: Any, settings: Settings, start: int, number: int, taking_part: Mask) -> Actions:
    """The action of each lander that takes part."""
    actions = Actions()
    for lane in range(number):
        if taking_part[lane] != 0:
            action = read_action(tables, settings, start + lane)
            actions.x[lane] = action[0]
            actions.y[lane] = action[1]
            actions.z[lane] = action[2]
            actions.w[lane] = action[3]
    return actions


@wp.func
def flying_of(episodes: Episodes, taking_part: Mask) -> Mask:
    """The landers that take part and have not ended."""
    return both(taking_part, equal(episodes.outcome, FLYING))


@wp.func
def end_tick_abreast(tables: Any, settings: Settings, start: int, number: int, flying: Mask, touched: Mask):
    """What follows the flight of a tick: the height, the sensors and the outcome."""
    motions, episodes, records, worlds = Motions(), Episodes(), Records(), Worlds()
    load(tables.landers, start, 0, motions)
    load(tables.landers, start, EPISODE, episodes)
    load(tables.landers, start, RECORD, records)
    load(tables.worlds, start, 0, worlds)
    episodes.tick = episodes.tick + 1
    store_where(tables.landers, start, EPISODE, episodes, flying)
    heights = heights_of(tables, start, number, motions, worlds, flying)
    records.height = heights
    store_where(tables.landers, start, RECORD, records, flying)

    befall_abreast(tables, settings, start, number, heights, flying)
    drift_abreast(tables, settings, start, number, motions, worlds, flying)
    sense_abreast(tables, settings, start, number, motions, worlds, heights, flying)

    if anywhere(touched):
        for lane in range(number):
            if touched[lane] != 0:
                touch_alone(tables, settings, start + lane)
    position, rates = motions.position, motions.rates
    lost = either(below(settings.ceiling, heights), below(settings.extent, size(position.x)))
    lost = either(lost, below(settings.extent, size(position.y)))
    lost = either(lost, below(settings.spin * settings.spin, dot(rates, rates)))
    late = never(below(episodes.tick, settings.tick_limit))
    ended = both(both(flying, never(touched)), either(lost, late))
    if anywhere(ended):
        load(tables.landers, start, EPISODE, episodes)
        episodes.outcome = select(lost, LOST, OUT_OF_TIME)
        store_where(tables.landers, start, EPISODE, episodes, ended)


@wp.func
def tick_abreast(tables: Any, settings: Settings, start: int, number: int, actions: Actions, taking_part: Mask):
    """One tick: commands, flight, sensors and outcomes."""
    episodes = Episodes()
    load(tables.landers, start, EPISODE, episodes)
    flying = flying_of(episodes, taking_part)
    if anywhere(flying):
        forcings = command_abreast(tables, settings, start, number, actions, flying)
        touched = fly_abreast(tables, settings, start, number, forcings, flying)
        end_tick_abreast(tables, settings, start, number, flying, touched)


@wp.func
def look_abreast(tables: Any, settings: Settings, start: int, number: int, actions: Actions, taking_part: Mask):
    """What each pilot sees now; see ``look``."""
    motions, beliefs, episodes, worlds = Motions(), Beliefs(), Episodes(), Worlds()
    load(tables.landers, start, 0, motions)
    load(tables.landers, start, BELIEF, beliefs)
    load(tables.landers, start, EPISODE, episodes)
    load(tables.worlds, start, 0, worlds)
    rows, column = Counts(), int(0)
    rows = rows - 1  # for nobody
    for lane in range(number):
        if taking_part[lane] != 0:
            rows[lane] = start + lane
            column = make_room(tables, settings, start + lane)
    for number in range(settings.beams):
        readings = Readings()
        load(tables.landers, start, READINGS + number * READING, readings)
        age = real(episodes.tick - readings.range_tick) * settings.seconds
        doppler = int(0)
        if whole(tables):
            doppler = tables.beams[number].doppler
        observe_beam(tables.observation, rows, column, readings, age, doppler, settings.scales)
        column = column + 3 + doppler
    if settings.core > 0:
        observe_core(
            tables.observation, rows, column, settings.truth, settings.misjudges, episodes.tick, settings.seconds,
            motions, beliefs, worlds.navigation, worlds.moon, worlds.gear, settings.scales,
        )  # fmt: skip
        column = column + settings.core
    if settings.action_size > 0:
        put(tables.observation, rows, column, actions.x, -1.0, 1.0)
    if settings.action_size > 1:
        put(tables.observation, rows, column + 1, actions.y, -1.0, 1.0)
    if settings.action_size > 2:
        put(tables.observation, rows, column + 2, actions.z, -1.0, 1.0)
    if settings.action_size > 3:
        put(tables.observation, rows, column + 3, actions.w, -1.0, 1.0)


@wp.func
def end_decision_abreast(tables: Any, settings: Settings, start: int, number: int, actions: Actions, taking_part: Mask):
    """What follows the ticks of a decision: reward, observation and, for landers that are done, the end."""
    motions, beliefs, episodes, records, worlds = Motions(), Beliefs(), Episodes(), Records(), Worlds()
    load(tables.landers, start, 0, motions)
    load(tables.landers, start, BELIEF, beliefs)
    load(tables.landers, start, EPISODE, episodes)
    load(tables.landers, start, RECORD, records)
    load(tables.worlds, start, 0, worlds)
    done = both(taking_part, never(equal(episodes.outcome, FLYING)))
    touchdown = Lanes()
    if anywhere(done):
        for lane in range(number):
            if done[lane] != 0:
                lander, world = lander_of(tables, start + lane), world_of(tables, start + lane)
                touchdown[lane] = touchdown_reward(lander.episode.outcome, lander.record, world.limits, world.reward)
    episodes.decisions = episodes.decisions + 1
    records, episodes, earned = earn(records, episodes, motions, worlds.moon, touchdown, worlds.reward)
    store_where(tables.landers, start, EPISODE, episodes, taking_part)
    store_where(tables.landers, start, RECORD, records, taking_part)
    for lane in range(number):
        if taking_part[lane] != 0:
            tables.reward[start + lane] = earned[lane]
            tables.outcome[start + lane] = episodes.outcome[lane]

    # What is shown of a truth or of a misled belief is worked out one by one.
    if settings.truth == 1 or anywhere(both(taking_part, equal(beliefs.misled, 1))):
        for lane in range(number):
            if taking_part[lane] != 0:
                look_alone(tables, settings, start + lane)
    else:
        look_abreast(tables, settings, start, number, actions, taking_part)
    if anywhere(done):
        for lane in range(number):
            if done[lane] != 0:
                finish_alone(tables, settings, start + lane)
                if settings.autoreset == SAME_STEP:
                    begin_alone(tables, settings, start + lane)


@wp.func
def fetch(tables: Any, start: int):
    """Have the tables of the next eight landers fetched."""
    fetch_lanes(tables.landers, start, FETCHED_OF_LANDER)
    fetch_lanes(tables.worlds, start, FETCHED_OF_WORLD)
    fetch_lanes(tables.surfaces, start, FETCHED_OF_SURFACE)


def advance_abreast_of(tables_type: Any) -> wp.Kernel:
    """The step for tables of a type: for the landers of a part of the batch, eight per thread, the way of a CPU."""

    @wp.kernel(module="unique", module_options=OPTIONS)
    def advance_abreast(tables: tables_type, settings: Settings, first: int, end: int):
        start = first + wp.tid() * WIDTH
        if start + WIDTH < end:
            fetch(tables, start + WIDTH)
        number = wp.min(end - start, WIDTH)
        taking_part = present(tables, start, number)
        begin_decision(tables, settings, start, number, taking_part)
        actions = read_actions(tables, settings, start, number, taking_part)
        for _ in range(settings.ticks):
            tick_abreast(tables, settings, start, number, actions, taking_part)
        if anywhere(taking_part):
            end_decision_abreast(tables, settings, start, number, actions, taking_part)

    return advance_abreast
