"""One decision of one lander, from action to reward: the order of all stages.

The stages run one way: command, actuators, flight, ground, sensors, outcome, reward; then, for a lander that is done,
respawn. On a GPU one thread flies one lander through all physics ticks of a decision in registers (``advance``); on a
CPU one thread takes eight landers through the same stages and flies the eight side by side (step_in_lanes.py).
"""

from typing import Any

import warp as wp

from lunar_env.faults.effects import (
    ENGINE,
    INERTIAL,
    bounced,
    goes_unnoticed,
    hindered,
    hold_of,
    passed,
    rate_limit_left,
)
from lunar_env.faults.onset import struck
from lunar_env.kernel.access import body_of, episode_of, keep_lander, lander_of, rotation_of, surface_of_row, world_of
from lunar_env.kernel.looking import look
from lunar_env.kernel.sampling import mislead, sense
from lunar_env.kernel.spawn import respawn
from lunar_env.kernel.tables import NEXT_STEP, SAME_STEP, FullTables, Lander, Settings, WorldDrawn, whole
from lunar_env.task import (
    FLYING,
    INVALID,
    LANDED,
    LOST,
    OUT_OF_TIME,
    at_touchdown,
    earn,
    judge_touchdown,
    touchdown_reward,
)
from lunar_env.terrain.contact import fly_to_ground, height_above_ground, may_touch
from lunar_env.vehicle.actuators import feed, forcing_of
from lunar_env.vehicle.body import embodied
from lunar_env.vehicle.control import steer
from lunar_env.vehicle.dynamics import Forcing, substep
from lunar_env.vehicle.frames import up_at
from lunar_env.vehicle.rotation import spin_of

# Of the relaxed float rules only those that keep NaN, infinity, quotients and the order of sums: the compensated
# sums of dynamics.py stay what they are. (Reciprocals in place of quotients double the altitude's rounding.)
RELAXED = " -fno-signed-zeros -fapprox-func"
OPTIONS = {"enable_backward": False, "cpu_compiler_flags": (wp.config.cpu_compiler_flags or "") + RELAXED}
wp.set_module_options(OPTIONS)


@wp.func
def command(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn, action: wp.vec4) -> Forcing:
    """The action through steering and actuators: what acts on the lander during this tick."""
    acting = lander.episode.acting
    motion = lander.motion
    if whole(tables) and lander.belief.misled == 1:  # steering knows no better
        motion.attitude = lander.belief.attitude_error * motion.attitude
        motion.rates = motion.rates + lander.belief.rate_error
    if whole(tables) and acting & ENGINE != 0:
        world.attitude.rate_limit = rate_limit_left(world.attitude.rate_limit, tables.faults, row, acting)
    throttle, torque = steer(
        settings.mode, action, motion, lander.belief,
        world.moon, world.mass, world.engine, world.attitude, world.guidance,
    )  # fmt: skip
    forcing = forcing_of(world.moon, world.mass, world.engine, throttle, torque, world.attitude, Forcing())
    if whole(tables) and acting & ENGINE != 0:
        forcing = hindered(forcing, lander.motion, tables.faults, row, acting)
    if whole(tables) and lander.episode.contact_tick >= 0:
        # Contact went unnoticed: the engine burns on as it was, then it is cut.
        held = lander.episode.tick - lander.episode.contact_tick
        noticed = passed(held, hold_of(tables.faults, row, lander.episode.faults), settings.seconds)
        forcing.throttle = wp.where(noticed, 0.0, lander.motion.throttle)
    return forcing


@wp.func
def fly_tick(tables: Any, row: int, lander: Lander, world: WorldDrawn, forcing: Any, settings: Settings):
    """Fly one tick in substeps, or until the ground. Returns the lander and whether it touched."""
    duration = settings.seconds / float(settings.substeps)
    touched = bool(False)
    flown = float(0.0)
    surface = surface_of_row(tables, row)
    near_ground = may_touch(lander.motion, forcing, settings.seconds, surface, tables.maps, world.gear)
    for _ in range(settings.substeps):
        if not touched:
            motion, fed = feed(lander.motion, forcing, duration)
            after, rest = substep(motion, lander.rest, fed, duration)
            fraction = float(1.0)
            if near_ground:
                height = height_above_ground(after.position, world.moon.radius, surface, tables.maps, world.gear)
                if height <= 0.0:
                    after, fraction = fly_to_ground(
                        motion, lander.rest, after, fed, duration, surface, tables.maps, world.gear
                    )
                    touched = True
            after.propellant = wp.max(after.propellant, 0.0)
            lander.motion = after
            lander.rest = rest
            flown = flown + fraction * duration
    if not touched:
        flown = settings.seconds
    lander.record.duration = float(lander.episode.tick) * settings.seconds + flown
    return lander, touched


@wp.func
def fly(tables: Any, row: int, lander: Lander, world: WorldDrawn, forcing: Forcing, settings: Settings):
    """The flight of a tick, of a vehicle as drawn or of one whose mass and thrust are elsewhere; see ``fly_tick``."""
    return fly_tick(tables, row, lander, world, forcing, settings)


@wp.func
def fly(  # noqa: D103, F811
    tables: FullTables, row: int, lander: Lander, world: WorldDrawn, forcing: Forcing, settings: Settings
):
    real = embodied(forcing, lander.episode.start_propellant, world.mass, body_of(tables, row))
    real.spin = spin_of(rotation_of(tables, row))
    return fly_tick(tables, row, lander, world, real, settings)


@wp.func
def read_action(tables: Any, settings: Settings, row: int) -> wp.vec4:
    """The action, clipped to [-1, 1]; a number that is not finite counts as 0."""
    action = wp.vec4()
    for j in range(settings.action_size):
        value = tables.actions[row, j]
        if wp.isfinite(value):
            action[j] = wp.clamp(value, -1.0, 1.0)
    return action


@wp.func
def acts_finitely(tables: Any, settings: Settings, row: int) -> bool:
    """Whether every number of the action is finite."""
    finite = bool(True)
    for j in range(settings.action_size):
        finite = finite and wp.isfinite(tables.actions[row, j])
    return finite


@wp.func
def rest(tables: Any, settings: Settings, row: int) -> bool:
    """Sit a step out, because the episode ended in an earlier one: NEXT_STEP begins a new one now, see ``begin_next``.

    Returns whether it does; DISABLED waits for reset.
    """
    tables.reward[row] = 0.0
    if settings.autoreset != NEXT_STEP:
        return False
    tables.outcome[row] = FLYING
    return True


@wp.func
def begin_next(tables: Any, settings: Settings, row: int):
    """Begin the lander's next episode."""
    episode = episode_of(tables, row)
    episode.episode = episode.episode + 1
    respawn(tables, settings, row, episode)


@wp.func
def befallen(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn, height: float) -> Lander:
    """What faults do to a lander at the end of a tick: a belief that is led astray, faults that begin and end."""
    if whole(tables) and (lander.episode.acting & INERTIAL != 0 or lander.belief.misled == 1):
        lander.belief = mislead(tables, row, lander, world, settings.seconds)
    if lander.episode.pending != 0:
        up = up_at(lander.motion.position, world.moon.radius)
        episode, belief = struck(tables, row, lander.episode, lander.belief, up, height, settings.seconds)
        lander.episode = episode
        lander.belief = belief
    return lander


@wp.func
def touched_down(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn) -> Lander:
    """A lander that has met the ground: how, and what comes of it."""
    lander.record = at_touchdown(
        lander.record, lander.motion, world.moon, surface_of_row(tables, row), tables.maps, world.gear
    )
    outcome = judge_touchdown(lander.record, lander.motion, world.mass, world.gear, world.limits)
    if whole(tables) and outcome == LANDED and goes_unnoticed(lander.episode, tables.faults, row, settings.seconds):
        up = up_at(lander.motion.position, world.moon.radius)
        lander.motion.velocity = bounced(lander.motion.velocity, up, tables.faults, row, lander.episode.acting)
        if lander.episode.contact_tick < 0:
            lander.episode.contact_tick = lander.episode.tick
        outcome = FLYING
    lander.episode.outcome = outcome
    return lander


@wp.func
def end_tick(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn, touched: bool) -> Lander:
    """What follows the flight of a tick: the height, the sensors and the outcome."""
    lander.episode.tick = lander.episode.tick + 1
    surface = surface_of_row(tables, row)
    height = height_above_ground(lander.motion.position, world.moon.radius, surface, tables.maps, world.gear)
    lander.record.height = height
    lander = befallen(tables, settings, row, lander, world, height)
    lander = sense(tables, settings, row, lander, world, height)
    if touched:
        lander = touched_down(tables, settings, row, lander, world)
    elif height > settings.ceiling or wp.abs(lander.motion.position[0]) > settings.extent:
        lander.episode.outcome = LOST
    elif wp.abs(lander.motion.position[1]) > settings.extent:
        lander.episode.outcome = LOST
    elif wp.length_sq(lander.motion.rates) > settings.spin * settings.spin:
        lander.episode.outcome = LOST
    elif lander.episode.tick >= settings.tick_limit:
        lander.episode.outcome = OUT_OF_TIME
    return lander


@wp.func
def width_of(settings: Settings) -> int:
    """Numbers of one reading in an observation."""
    return settings.beam_columns + settings.core + settings.action_size


@wp.func
def make_room(tables: Any, settings: Settings, row: int) -> int:
    """Let the readings of an observation move up by one. Returns the newest one's first column."""
    width = width_of(settings)
    newest = (settings.history - 1) * width
    for j in range(newest):
        tables.observation[row, j] = tables.observation[row, j + width]
    return newest


@wp.func
def end_decision(tables: Any, settings: Settings, row: int, lander: Lander, world: WorldDrawn, action: wp.vec4) -> bool:
    """What follows the ticks of a decision: the reward and the observation. Returns whether the next episode begins."""
    lander.episode.decisions = lander.episode.decisions + 1
    touchdown = touchdown_reward(lander.episode.outcome, lander.record, world.limits, world.reward)
    record, episode, earned = earn(lander.record, lander.episode, lander.motion, world.moon, touchdown, world.reward)
    lander.record = record
    lander.episode = episode
    tables.reward[row] = earned
    tables.outcome[row] = lander.episode.outcome
    keep_lander(tables, row, lander)

    newest = make_room(tables, settings, row)
    look(tables.observation, tables, settings, row, newest, lander, world, lander.record.height, action)

    done = lander.episode.outcome != FLYING
    if done:
        finish(tables, settings, row, lander)
    return done and settings.autoreset == SAME_STEP


@wp.func
def finish(tables: Any, settings: Settings, row: int, lander: Lander):
    """What follows the end of an episode: its record and its last observation."""
    lander.record.acting_faults = lander.episode.acting
    tables.ended[row] = lander.record
    for j in range(settings.history * width_of(settings)):
        tables.final_observation[row, j] = tables.observation[row, j]


def advance_of(tables_type: Any) -> wp.Kernel:
    """The step for tables of a type: one decision for every lander, one per thread, the way of a GPU."""

    @wp.kernel(module="unique", module_options=OPTIONS)
    def advance(tables: tables_type, settings: Settings):
        row = wp.tid()
        lander = lander_of(tables, row)
        begins = bool(False)
        if lander.episode.outcome != FLYING:
            begins = rest(tables, settings, row)
        else:
            world = world_of(tables, row)
            action = read_action(tables, settings, row)
            if not acts_finitely(tables, settings, row):
                lander.episode.outcome = INVALID
            for _ in range(settings.ticks):
                if lander.episode.outcome == FLYING:
                    forcing = command(tables, settings, row, lander, world, action)
                    lander, touched = fly(tables, row, lander, world, forcing, settings)
                    lander = end_tick(tables, settings, row, lander, world, touched)
            begins = end_decision(tables, settings, row, lander, world, action)
        if begins:
            begin_next(tables, settings, row)

    return advance
