"""One decision of one lander, from action to reward: the page that everything else serves.

The stages run one way: command, actuators, flight, ground, sensors, outcome, reward; then, for a lander that is done,
respawn. On a GPU one thread flies one lander through all physics ticks of a decision in registers (``advance``); on a
CPU one thread takes eight landers through the same stages and flies the eight side by side (abreast.py).
"""

import warp as wp

from lunar_env import random
from lunar_env.actuators import feed, forcing_of
from lunar_env.control import steer
from lunar_env.dynamics import Forcing, substep, up_at
from lunar_env.fault_effects import (
    ENGINE,
    INERTIAL,
    MISSED_TOUCHDOWN,
    acts,
    frozen,
    hindered,
    misled,
    rate_limit_left,
    thrust_factor,
)
from lunar_env.ground import fly_to_ground, height_above_ground, may_touch
from lunar_env.navigation import drift, misoriented
from lunar_env.observation import CORE
from lunar_env.onset import passed, struck
from lunar_env.respawn import look, respawn
from lunar_env.sensors import measure, newer_reading, transport
from lunar_env.state import Belief, Episode, Lander, Motion
from lunar_env.task import (
    FLYING,
    INVALID,
    LANDED,
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
def command(
    tables: Tables, settings: Settings, row: int, lander: Lander, world: WorldDrawn, action: wp.vec4
) -> Forcing:
    """The action through steering and actuators: what acts on the lander during this tick."""
    acting = lander.episode.acting
    motion = lander.motion
    if misoriented(lander.belief):  # steering knows no better
        motion.attitude = lander.belief.attitude_error * motion.attitude
        motion.rates = motion.rates + wp.vec3(0.0, lander.belief.rate_error, 0.0)
    if acting & ENGINE != 0:
        world.attitude.rate_limit = rate_limit_left(world.attitude.rate_limit, tables.faults, row, acting)
    throttle, torque = steer(
        settings.mode, action, motion, lander.belief,
        world.moon, world.mass, world.engine, world.attitude, world.guidance,
    )  # fmt: skip
    forcing = forcing_of(world.moon, world.mass, world.engine, throttle, torque, world.attitude)
    if acting & ENGINE != 0:
        forcing = hindered(forcing, lander.motion, tables.faults, row, acting)
    if lander.episode.contact_tick >= 0:
        # Contact went unnoticed: the engine burns on as it was, then it is cut.
        held = lander.episode.tick - lander.episode.contact_tick
        noticed = passed(held, tables.faults[row].missed_touchdown.hold, settings.seconds)
        forcing.throttle = wp.where(noticed, 0.0, lander.motion.throttle)
    return forcing


@wp.func
def fly_tick(tables: Tables, row: int, lander: Lander, world: WorldDrawn, forcing: Forcing, settings: Settings):
    """Fly one tick in substeps, or until the ground. Returns the lander and whether it touched."""
    duration = settings.seconds / float(settings.substeps)
    touched = bool(False)
    flown = float(0.0)
    surface = tables.surfaces[row]
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
def sense(tables: Tables, settings: Settings, row: int, lander: Lander, world: WorldDrawn, height: float) -> Lander:
    """Inertial drift, a new altimeter sample if its clock says so, and whatever sample arrives now."""
    episode = lander.episode
    key = random.episode_key(episode.seed_low, episode.seed_high, episode.lander, episode.episode)
    tick = episode.tick
    noise = random.noise3(random.draw(key, tick, random.INERTIAL_NOISE))
    lander.belief = drift(lander.belief, lander.motion, noise, world.navigation, world.moon, settings.seconds)
    acting = episode.acting

    phase = 0
    if settings.period > 1:
        phase = int(random.uniform(random.draw(key, 0, random.SAMPLE_PHASE)) * float(settings.period))
    newest = tick - 1
    if settings.period > 1:
        newest = (tick + phase) / settings.period - 1
    if tick + phase == (newest + 1) * settings.period:
        sample = measure(
            key,
            tick,
            height,
            lander.motion,
            world.moon,
            tables.surfaces[row],
            tables.maps,
            world.terrain.albedo,
            world.gear,
            world.altimeter,
            tables.faults,
            row,
            acting,
        )
        sample = transport(
            sample, key, tick, settings.seconds, settings.jitter, world.altimeter, tables.faults, row, acting
        )
        tables.delay_line[newest % settings.slots, row] = sample

    number = int(newest)
    while number > lander.reading.sample_number:
        arriving = tables.delay_line[number % settings.slots, row]
        if arriving.delivery <= tick:
            stays = frozen(key, number, tables.faults, row, acting) and lander.record.first_valid_altitude >= 0.0
            lander.reading = newer_reading(lander.reading, arriving, number, stays)
            if arriving.valid > 0.5 and lander.record.first_valid_altitude < 0.0:
                lander.record.first_valid_altitude = height
                up = up_at(lander.motion.position, world.moon.radius)
                lander.record.first_valid_descent_rate = -wp.dot(lander.motion.velocity, up)
        number = number - 1
    return lander


@wp.func
def read_action(tables: Tables, settings: Settings, row: int) -> wp.vec4:
    """The action, clipped to [-1, 1]; a number that is not finite counts as 0."""
    action = wp.vec4()
    for j in range(settings.action_size):
        value = tables.actions[row, j]
        if wp.isfinite(value):
            action[j] = wp.clamp(value, -1.0, 1.0)
    return action


@wp.func
def acts_finitely(tables: Tables, settings: Settings, row: int) -> bool:
    """Whether every number of the action is finite."""
    finite = bool(True)
    for j in range(settings.action_size):
        finite = finite and wp.isfinite(tables.actions[row, j])
    return finite


@wp.func
def earn(lander: Lander, world: WorldDrawn):
    """The reward of a decision: every term by name, summed here and nowhere else. Returns the lander and the sum."""
    worth = potential(lander.record.height, lander.motion, world.moon, world.reward)
    approach = worth - lander.episode.potential
    used = lander.episode.start_propellant - lander.motion.propellant
    propellant_cost = world.reward.propellant * (lander.record.propellant_used - used)
    touchdown = touchdown_reward(lander.episode.outcome, lander.record, world.limits, world.reward)
    earned = approach + propellant_cost + touchdown

    lander.record.approach = lander.record.approach + approach
    lander.record.propellant_cost = lander.record.propellant_cost + propellant_cost
    lander.record.touchdown = lander.record.touchdown + touchdown
    lander.record.reward = lander.record.reward + earned
    lander.record.propellant_used = used
    lander.episode.potential = worth
    return lander, earned


@wp.func
def rests(tables: Tables, settings: Settings, row: int) -> bool:
    """Whether the lander sits this step out, because its episode ended in an earlier one.

    NEXT_STEP begins its new episode now, DISABLED waits for reset.
    """
    episode = tables.landers[row].episode
    if episode.outcome == FLYING:
        return False
    tables.reward[row] = 0.0
    if settings.autoreset == NEXT_STEP:
        episode.episode = episode.episode + 1
        tables.outcome[row] = FLYING
        respawn(tables, settings, row, episode)
    return True


@wp.func
def mislead(tables: Tables, row: int, belief: Belief, motion: Motion, world: WorldDrawn, acting: int, seconds: float):
    """Inertial faults: what accelerometers and gyros made of the tick that was flown."""
    thrust = world.engine.maximum_thrust * world.engine.thrust_scale * thrust_factor(tables.faults, row, acting)
    specific_force = motion.throttle * thrust / (world.mass.dry + motion.propellant)
    return misled(belief, motion, specific_force, tables.faults, row, acting, seconds)


@wp.func
def goes_unnoticed(tables: Tables, row: int, episode: Episode, seconds: float) -> bool:
    """Missed touchdown: whether the engine burns on through this contact."""
    if not acts(episode.acting, MISSED_TOUCHDOWN) or tables.faults[row].missed_touchdown.hold <= 0.0:
        return False
    if episode.contact_tick < 0:
        return True
    return not passed(episode.tick - episode.contact_tick, tables.faults[row].missed_touchdown.hold, seconds)


@wp.func
def bounced(velocity: wp.vec3, up: wp.vec3, bounce: float) -> wp.vec3:
    """The velocity [m/s] with which a lander leaves the ground again, a share of the vertical speed turned round."""
    return velocity - up * (wp.dot(velocity, up) * (1.0 + bounce))


@wp.func
def end_tick(tables: Tables, settings: Settings, row: int, lander: Lander, world: WorldDrawn, touched: bool) -> Lander:
    """What follows the flight of a tick: the height, the sensors and the outcome."""
    lander.episode.tick = lander.episode.tick + 1
    height = height_above_ground(
        lander.motion.position, world.moon.radius, tables.surfaces[row], tables.maps, world.gear
    )
    lander.record.height = height
    acting = lander.episode.acting
    if acting & INERTIAL != 0 or misoriented(lander.belief):
        lander.belief = mislead(tables, row, lander.belief, lander.motion, world, acting, settings.seconds)
    if lander.episode.pending != 0:
        up = up_at(lander.motion.position, world.moon.radius)
        episode, belief = struck(tables, row, lander.episode, lander.belief, up, height, settings.seconds)
        lander.episode = episode
        lander.belief = belief
    lander = sense(tables, settings, row, lander, world, height)
    if touched:
        lander.record = at_touchdown(lander.record, lander.motion, world.moon, tables.surfaces[row], tables.maps)
        outcome = judge_touchdown(lander.record, lander.motion, world.mass, world.gear, world.limits)
        if outcome == LANDED and goes_unnoticed(tables, row, lander.episode, settings.seconds):
            up = up_at(lander.motion.position, world.moon.radius)
            bounce = tables.faults[row].missed_touchdown.bounce
            lander.motion.velocity = bounced(lander.motion.velocity, up, bounce)
            if lander.episode.contact_tick < 0:
                lander.episode.contact_tick = lander.episode.tick
            outcome = FLYING
        lander.episode.outcome = outcome
    elif height > settings.ceiling or wp.abs(lander.motion.position[0]) > settings.extent:
        lander.episode.outcome = LOST
    elif wp.abs(lander.motion.position[1]) > settings.extent:
        lander.episode.outcome = LOST
    elif lander.episode.tick >= settings.tick_limit:
        lander.episode.outcome = OUT_OF_TIME
    return lander


@wp.func
def end_decision(tables: Tables, settings: Settings, row: int, lander: Lander, world: WorldDrawn, action: wp.vec4):
    """What follows the ticks of a decision: the reward, the observation and, for a lander that is done, respawn."""
    lander.episode.decisions = lander.episode.decisions + 1
    lander, earned = earn(lander, world)
    tables.reward[row] = earned
    tables.outcome[row] = lander.episode.outcome
    tables.landers[row] = lander

    width = CORE + settings.action_size
    for j in range((settings.history - 1) * width):
        tables.observation[row, j] = tables.observation[row, j + width]
    newest = (settings.history - 1) * width
    look(tables.observation, tables, settings, row, newest, lander, world, lander.record.height, action)

    if lander.episode.outcome != FLYING:
        lander.record.acting_faults = lander.episode.acting
        tables.ended[row] = lander.record
        for j in range(settings.history * width):
            tables.final_observation[row, j] = tables.observation[row, j]
        if settings.autoreset == SAME_STEP:
            episode = lander.episode
            episode.episode = episode.episode + 1
            respawn(tables, settings, row, episode)


@wp.kernel
def advance(tables: Tables, settings: Settings):
    """One decision for every lander, one per thread: the way of a GPU."""
    row = wp.tid()
    if rests(tables, settings, row):
        return
    lander = tables.landers[row]
    world = tables.worlds[row]
    action = read_action(tables, settings, row)
    if not acts_finitely(tables, settings, row):
        lander.episode.outcome = INVALID
    for _ in range(settings.ticks):
        if lander.episode.outcome == FLYING:
            forcing = command(tables, settings, row, lander, world, action)
            lander, touched = fly_tick(tables, row, lander, world, forcing, settings)
            lander = end_tick(tables, settings, row, lander, world, touched)
    end_decision(tables, settings, row, lander, world, action)
