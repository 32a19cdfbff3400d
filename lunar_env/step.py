"""One decision of one lander, from action to reward: the page that everything else serves.

One thread flies one lander through all physics ticks of a decision in registers. The stages run one way:
command, actuators, flight, ground, sensors, outcome, reward; then, for a lander that is done, respawn.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env import random
from lunar_env.actuators import Attitude, feed, forcing_of
from lunar_env.control import Guidance, steer
from lunar_env.dynamics import Engine, Forcing, Mass, Moon, accumulate, runge_kutta, up_at
from lunar_env.faults import Faults
from lunar_env.ground import Gear, fly_to_ground, height_above_ground, may_touch
from lunar_env.navigation import Navigation, drift, initial_belief
from lunar_env.observation import CORE, Scales, observe
from lunar_env.quantities import Number, mirrored, number
from lunar_env.sensors import Altimeter, measure, newer_reading, transport
from lunar_env.state import Episode, Lander, Motion, Record, Sample
from lunar_env.task import (
    FLYING,
    INVALID,
    LOST,
    OUT_OF_TIME,
    Limits,
    Reward,
    at_touchdown,
    judge_touchdown,
    potential,
    touchdown_reward,
)
from lunar_env.terrain import Terrain, surface_of

# Of the relaxed float rules only those that keep NaN, infinity and the order of sums: +8 % on CPU, and the compensated
# sums of dynamics.py stay what they are.
RELAXED = " -fno-signed-zeros -freciprocal-math -fapprox-func"
wp.set_module_options({"enable_backward": False, "cpu_compiler_flags": (wp.config.cpu_compiler_flags or "") + RELAXED})

NEXT_STEP, SAME_STEP, DISABLED = wp.constant(0), wp.constant(1), wp.constant(2)


@dataclass(frozen=True)
class Start:
    """Where an episode begins."""

    altitude: Number = number(1000.0, "m", "of the footpads above the pad's level", low=0.1, high=1e6)
    distance: Number = number(
        0.0, "m", "downrange distance still to go to the pad, along the surface", low=-2e6, high=2e6
    )
    cross_distance: Number = number(0.0, "m", "offset from the approach plane", low=-1e5, high=1e5)
    speed: Number = number(0.0, "m/s", "downrange, along the local horizontal", low=-1e4, high=1e4)
    cross_speed: Number = number(0.0, "m/s", "along y", low=-1e3, high=1e3)
    descent_rate: Number = number(30.0, "m/s", "along the local vertical", low=-1e4, high=1e4)
    tilt: Number = number(0.0, "rad", "of the thrust axis, leaning against the motion", low=-3.2, high=3.2)
    pitch_rate: Number = number(0.0, "rad/s", "about the body's y axis", low=-1.0, high=1.0)
    throttle: Number = number(0.0, "-", "thrust that flows at the start", low=0.0, high=1.0)
    propellant: Number = number(100.0, "kg", "in the tanks", low=0.0, high=1e6)
    progress: Number = number(
        0.0,
        "-",
        "0 starts here, 1 at 60 m; for training along the whole descent; below 0 counts as 0",
        low=-10.0,
        high=1.0,
    )


@dataclass(frozen=True)
class World:
    """Everything that an episode may draw."""

    moon: Moon = Moon()
    mass: Mass = Mass()
    engine: Engine = Engine()
    attitude: Attitude = Attitude()
    guidance: Guidance = Guidance()
    gear: Gear = Gear()
    start: Start = Start()
    navigation: Navigation = Navigation()
    altimeter: Altimeter = Altimeter()
    faults: Faults = Faults()
    terrain: Terrain = Terrain()
    limits: Limits = Limits()
    reward: Reward = Reward()


WorldDrawn = mirrored(World)


@wp.struct
class Settings:
    """Counts and choices that hold for the whole batch."""

    mode: int  # control mode
    truth: int  # 1 if the pilot sees the truth
    autoreset: int  # NEXT_STEP, SAME_STEP or DISABLED
    ticks: int  # physics ticks per decision
    substeps: int  # Runge-Kutta substeps per tick
    seconds: float  # [s] per tick
    tick_limit: int  # ticks after which an episode is out of time
    period: int  # ticks between altimeter samples
    jitter: int  # most extra ticks of delay
    slots: int  # length of the delay line
    history: int  # readings in an observation
    action_size: int
    numbers: int  # how many numbers an episode draws
    ceiling: float  # [m] above which a lander is lost
    extent: float  # [m] of downrange or cross-range beyond which a lander is lost
    scales: Scales


@wp.struct
class Tables:
    """The batch: what changes, and where results go. All first axes are landers but the delay line's."""

    landers: wp.array(dtype=Lander)
    worlds: wp.array(dtype=WorldDrawn)
    numbers: wp.array2d(dtype=float)  # the same memory as ``worlds``
    delay_line: wp.array2d(dtype=Sample)  # (slots, landers)
    lows: wp.array(dtype=float)  # lower end of each drawn number
    highs: wp.array(dtype=float)  # upper end
    kinds: wp.array(dtype=int)  # 0 uniform, 1 logarithmic, 2 chance
    actions: wp.array2d(dtype=float)
    observation: wp.array2d(dtype=float)
    final_observation: wp.array2d(dtype=float)
    reward: wp.array(dtype=float)
    outcome: wp.array(dtype=int)
    ended: wp.array(dtype=Record)


@wp.func
def draw_world(tables: Tables, settings: Settings, row: int, key: wp.uint64):
    """Draw every number of the scenario for one episode; a fixed one has equal ends."""
    for j in range(settings.numbers):
        low = tables.lows[j]
        high = tables.highs[j]
        value = low
        if high > low or tables.kinds[j] == 2:
            chance = random.uniform(random.draw(key, 0, random.EPISODE + j))
            value = low + (high - low) * chance
            if tables.kinds[j] == 1:
                value = low * wp.pow(high / low, chance)
            elif tables.kinds[j] == 2:
                # A chance that is itself a range counts with its mean: one draw decides.
                value = wp.where(chance < 0.5 * (low + high), 1.0, 0.0)
        tables.numbers[row, j] = value


@wp.func
def start_motion(world: WorldDrawn) -> Motion:
    """The motion with which an episode begins; see ``Start.progress`` for episodes that begin on the way."""
    start = world.start
    progress = wp.clamp(start.progress, 0.0, 1.0)
    left = 1.0 - progress
    braking = wp.max(1.0 - 2.0 * progress, 0.0)
    altitude = wp.where(progress > 0.0, 60.0 + (start.altitude - 60.0) * left * left, start.altitude)
    descent_rate = start.descent_rate
    if progress > 0.0:
        descent_rate = wp.min(descent_rate, wp.sqrt(2.0 * altitude))

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
        distance - radius - 2.0 * distance * wp.sin(0.5 * arc) * wp.sin(0.5 * arc),
    )
    motion.velocity = (
        forward * (start.speed * braking) - up * descent_rate + wp.vec3(0.0, start.cross_speed * braking, 0.0)
    )
    motion.attitude = wp.quat(0.0, wp.sin(half), 0.0, wp.cos(half))
    motion.rates = wp.vec3(0.0, start.pitch_rate, 0.0)
    motion.propellant = start.propellant * (1.0 - 0.7 * progress)
    motion.throttle = start.throttle
    return motion


@wp.func
def respawn(tables: Tables, settings: Settings, row: int, past: Episode):
    """Begin the lander's next episode: draw its world, place it, and look."""
    key = random.episode_key(past.seed_low, past.seed_high, past.lander, past.episode)
    draw_world(tables, settings, row, key)
    world = tables.worlds[row]

    lander = Lander()
    lander.motion = start_motion(world)
    lander.belief = initial_belief(lander.motion, world.navigation, world.moon)
    lander.reading.range = world.altimeter.maximum_range
    lander.reading.sample_number = -1
    lander.surface = surface_of(world.terrain)
    height = height_above_ground(lander.motion.position, world.moon.radius, lander.surface, world.gear)
    lander.episode.seed_low = past.seed_low
    lander.episode.seed_high = past.seed_high
    lander.episode.lander = past.lander
    lander.episode.episode = past.episode
    lander.episode.potential = potential(height, lander.motion, world.moon, world.reward)
    lander.episode.start_propellant = lander.motion.propellant
    lander.record.first_valid_altitude = -1.0
    tables.landers[row] = lander

    width = CORE + settings.action_size
    for k in range(settings.history):
        look(tables.observation, tables, settings, row, k * width, lander, world, height, wp.vec4())


@wp.func
def look(
    target: wp.array2d(dtype=float),
    tables: Tables,
    settings: Settings,
    row: int,
    column: int,
    lander: Lander,
    world: WorldDrawn,
    height: float,
    action: wp.vec4,
):
    """Write what the pilot sees now."""
    observe(
        target, row, column, settings.truth, height, lander.episode.tick, settings.seconds, lander.motion,
        lander.belief, lander.reading, action, settings.action_size, world.moon, world.gear, settings.scales,
    )  # fmt: skip


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
    """The action, clipped to [-1, 1], and whether every number of it is finite."""
    action = wp.vec4()
    finite = bool(True)
    for j in range(settings.action_size):
        value = tables.actions[row, j]
        finite = finite and wp.isfinite(value)
        action[j] = wp.clamp(value, -1.0, 1.0)
    return action, finite


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
    if not finite:
        height = height_above_ground(lander.motion.position, world.moon.radius, lander.surface, world.gear)

    # Reward: every term by name, summed here and nowhere else.
    worth = potential(height, lander.motion, world.moon, world.reward)
    approach = worth - lander.episode.potential
    propellant_cost = world.reward.propellant * (lander.motion.propellant - propellant_before)
    touchdown = touchdown_reward(outcome, lander.record, world.limits, world.reward)
    tables.reward[row] = approach + propellant_cost + touchdown

    lander.record.approach = lander.record.approach + approach
    lander.record.propellant_cost = lander.record.propellant_cost + propellant_cost
    lander.record.touchdown = lander.record.touchdown + touchdown
    lander.record.reward = lander.record.reward + tables.reward[row]
    lander.record.propellant_used = lander.episode.start_propellant - lander.motion.propellant
    lander.episode.potential = worth
    lander.episode.decisions = lander.episode.decisions + 1
    lander.episode.outcome = outcome
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
