"""One decision of one lander, from action to reward: the page that everything else serves.

One thread flies one lander through all physics ticks of a decision in registers. The stages run one way:
command, actuators, flight, ground, sensors, outcome, reward; then, for a lander that is done, respawn.
"""

import warp as wp

from lunar_env import random
from lunar_env.actuators import feed, forcing_of
from lunar_env.control import steer
from lunar_env.dynamics import Forcing, accumulate, runge_kutta, up_at
from lunar_env.ground import fly_to_ground, height_above_ground, may_touch
from lunar_env.navigation import drift
from lunar_env.observation import CORE
from lunar_env.respawn import look, respawn
from lunar_env.sensors import measure, newer_reading, transport
from lunar_env.state import Lander
from lunar_env.task import (
    FLYING,
    INVALID,
    LOST,
    OUT_OF_TIME,
    at_touchdown,
    judge_touchdown,
    potential,
    touchdown_reward,
)
from lunar_env.world import NEXT_STEP, SAME_STEP, Settings, Tables, WorldDrawn

# Of the relaxed float rules only those that keep NaN, infinity, quotients and the order of sums: the compensated
# sums of dynamics.py stay what they are. (Reciprocals in place of quotients double the altitude's rounding.)
RELAXED = " -fno-signed-zeros -fapprox-func"
wp.set_module_options({"enable_backward": False, "cpu_compiler_flags": (wp.config.cpu_compiler_flags or "") + RELAXED})


@wp.func
def fly_tick(lander: Lander, world: WorldDrawn, forcing: Forcing, settings: Settings):
    """Fly one tick in substeps, or until the ground. Returns the lander and whether it touched."""
    duration = settings.seconds / float(settings.substeps)
    touched = bool(False)
    flown = float(0.0)
    near_ground = may_touch(lander.motion, forcing, settings.seconds, lander.surface, world.gear)
    for _ in range(settings.substeps):
        if not touched:
            motion, fed = feed(lander.motion, forcing, duration)
            change = runge_kutta(motion, fed, duration)
            after, rest = accumulate(motion, lander.rest, change)
            fraction = float(1.0)
            if near_ground:
                if height_above_ground(after.position, world.moon.radius, lander.surface, world.gear) <= 0.0:
                    after, fraction = fly_to_ground(
                        motion, lander.rest, after, fed, duration, lander.surface, world.gear
                    )
                    touched = True
            after.propellant = wp.max(after.propellant, 0.0)
            lander.motion = after
            lander.rest = rest
            flown = flown + fraction * duration
    lander.record.duration = float(lander.episode.tick) * settings.seconds + flown
    return lander, touched


@wp.func
def sense(
    tables: Tables, settings: Settings, row: int, key: wp.uint64, lander: Lander, world: WorldDrawn, height: float
) -> Lander:
    """Inertial drift, a new altimeter sample if its clock says so, and whatever sample arrives now."""
    tick = lander.episode.tick
    noise = random.noise3(random.draw(key, tick, random.INERTIAL_NOISE))
    lander.belief = drift(lander.belief, lander.motion, noise, world.navigation, world.moon, settings.seconds)

    phase = 0
    if settings.period > 1:
        phase = int(random.uniform(random.draw(key, 0, random.SAMPLE_PHASE)) * float(settings.period))
    newest = tick - 1
    if settings.period > 1:
        newest = (tick + phase) / settings.period - 1
    time = float(tick) * settings.seconds
    if tick + phase == (newest + 1) * settings.period:
        sample = measure(
            key,
            tick,
            time,
            height,
            lander.motion,
            world.moon,
            lander.surface,
            world.terrain.albedo,
            world.gear,
            world.altimeter,
            world.faults,
        )
        sample = transport(sample, key, tick, time, settings.seconds, settings.jitter, world.altimeter, world.faults)
        tables.delay_line[newest % settings.slots, row] = sample

    number = int(newest)
    while number > lander.reading.sample_number:
        arriving = tables.delay_line[number % settings.slots, row]
        if arriving.delivery <= tick:
            lander.reading = newer_reading(lander.reading, arriving, number)
            if arriving.valid > 0.5 and lander.record.first_valid_altitude < 0.0:
                lander.record.first_valid_altitude = height
                up = up_at(lander.motion.position, world.moon.radius)
                lander.record.first_valid_descent_rate = -wp.dot(lander.motion.velocity, up)
        number = number - 1
    return lander


@wp.func
def read_action(tables: Tables, settings: Settings, row: int):
    """The action, clipped to [-1, 1], and whether every number of it is finite; one that is not becomes 0."""
    action = wp.vec4()
    finite = bool(True)
    for j in range(settings.action_size):
        value = tables.actions[row, j]
        if wp.isfinite(value):
            action[j] = wp.clamp(value, -1.0, 1.0)
        else:
            finite = False
    return action, finite


@wp.func
def earn(lander: Lander, world: WorldDrawn, height: float, propellant_before: float):
    """The reward of a decision: every term by name, summed here and nowhere else. Returns the lander and the sum."""
    worth = potential(height, lander.motion, world.moon, world.reward)
    approach = worth - lander.episode.potential
    propellant_cost = world.reward.propellant * (lander.motion.propellant - propellant_before)
    touchdown = touchdown_reward(lander.episode.outcome, lander.record, world.limits, world.reward)
    earned = approach + propellant_cost + touchdown

    lander.record.approach = lander.record.approach + approach
    lander.record.propellant_cost = lander.record.propellant_cost + propellant_cost
    lander.record.touchdown = lander.record.touchdown + touchdown
    lander.record.reward = lander.record.reward + earned
    lander.episode.potential = worth
    return lander, earned


@wp.func
def decide(tables: Tables, settings: Settings, row: int, lander: Lander, world: WorldDrawn):
    """One decision of a flying lander. Returns the lander, its height [m] and the action as flown."""
    action, finite = read_action(tables, settings, row)
    episode = lander.episode
    key = random.episode_key(episode.seed_low, episode.seed_high, episode.lander, episode.episode)
    propellant_before = lander.motion.propellant
    height = float(0.0)
    outcome = int(FLYING)
    if not finite:
        outcome = INVALID
        height = height_above_ground(lander.motion.position, world.moon.radius, lander.surface, world.gear)
    for _ in range(settings.ticks):
        if outcome == FLYING:
            throttle, torque = steer(
                settings.mode, action, lander.motion, lander.belief,
                world.moon, world.mass, world.engine, world.attitude, world.guidance,
            )  # fmt: skip
            forcing = forcing_of(world.moon, world.mass, world.engine, throttle, torque, world.attitude)
            lander, touched = fly_tick(lander, world, forcing, settings)
            lander.episode.tick = lander.episode.tick + 1
            height = height_above_ground(lander.motion.position, world.moon.radius, lander.surface, world.gear)
            lander = sense(tables, settings, row, key, lander, world, height)
            if touched:
                lander.record = at_touchdown(lander.record, lander.motion, world.moon, lander.surface)
                outcome = judge_touchdown(lander.record, lander.motion, world.mass, world.gear, world.limits)
            elif height > settings.ceiling or wp.abs(lander.motion.position[0]) > settings.extent:
                outcome = LOST
            elif wp.abs(lander.motion.position[1]) > settings.extent:
                outcome = LOST
            elif lander.episode.tick >= settings.tick_limit:
                outcome = OUT_OF_TIME
    lander.episode.decisions = lander.episode.decisions + 1
    lander.episode.outcome = outcome
    lander.record.propellant_used = lander.episode.start_propellant - lander.motion.propellant
    lander, earned = earn(lander, world, height, propellant_before)
    tables.reward[row] = earned
    return lander, height, action


@wp.kernel
def advance(tables: Tables, settings: Settings, first: int):
    """One decision for the landers from ``first`` on, one per thread."""
    row = first + wp.tid()
    lander = tables.landers[row]
    width = CORE + settings.action_size
    if lander.episode.outcome != FLYING:
        # The episode ended in an earlier step: NEXT_STEP begins a new one now, DISABLED waits for reset.
        tables.reward[row] = 0.0
        if settings.autoreset == NEXT_STEP:
            episode = lander.episode
            episode.episode = episode.episode + 1
            tables.outcome[row] = FLYING
            respawn(tables, settings, row, episode)
        return

    world = tables.worlds[row]
    lander, height, action = decide(tables, settings, row, lander, world)
    for j in range((settings.history - 1) * width):
        tables.observation[row, j] = tables.observation[row, j + width]
    look(tables.observation, tables, settings, row, (settings.history - 1) * width, lander, world, height, action)
    tables.landers[row] = lander
    tables.outcome[row] = lander.episode.outcome

    if lander.episode.outcome != FLYING:
        tables.ended[row] = lander.record
        for j in range(settings.history * width):
            tables.final_observation[row, j] = tables.observation[row, j]
        if settings.autoreset == SAME_STEP:
            episode = lander.episode
            episode.episode = episode.episode + 1
            respawn(tables, settings, row, episode)


@wp.kernel
def reset(tables: Tables, settings: Settings, mask: wp.array(dtype=wp.uint8)):
    """Begin the episode that each masked lander's counters name."""
    row = wp.tid()
    if mask[row] != wp.uint8(0):
        tables.outcome[row] = FLYING
        tables.reward[row] = 0.0
        respawn(tables, settings, row, tables.landers[row].episode)
