"""What each effect of the faults of kinds.py does to the stages of a tick.

``acting`` holds one bit per fault that acts at this instant; a stage asks for the bits that concern it, so a scenario
without faults pays for a comparison. Every effect leaves its numbers alone, bit for bit, at its neutral magnitude.

``faults`` holds the drawn numbers of all faults, in tiles (vehicle/tiles.py). Several faults may have one effect: a
function goes through them in a loop that the compiler unrolls, codes and columns written in. Their effects add up; what
befalls a sample by chance goes by one draw for all of them, so that of two chances the greater counts.
"""

import warp as wp

from lunar_env import random
from lunar_env.faults.kinds import NAMES, bits_of, with_effect
from lunar_env.state import Episode, Motion
from lunar_env.terrain.surface import TerrainDrawn
from lunar_env.vehicle.dynamics import Forcing
from lunar_env.vehicle.tiles import number_of

wp.set_module_options({"enable_backward": False})

COUNT = wp.constant(len(NAMES))

# Which stage has to ask.
ENGINE, INERTIAL, RANGING, DISTORTING = (
    wp.constant(bits_of(stage)) for stage in ("engine", "inertial", "return", "range")
)

# The faults that have an effect: of each its code and the columns of its numbers.
LATE_ACQUISITION = with_effect("late_acquisition")
DELAYED_READINGS = with_effect("delayed_readings")
DETECTION_LOSS = with_effect("detection_loss")
NOISE_BURST = with_effect("noise_burst")
RANGING_LOSS = with_effect("ranging_loss")
MISSING_FLAG = with_effect("missing_flag")
TERRAIN_STEP = with_effect("terrain_step")
RANGE_BIAS = with_effect("range_bias")
OUTLIERS = with_effect("outliers")
FROZEN_READING = with_effect("frozen_reading")
RANGE_AMBIGUITY = with_effect("range_ambiguity")
DUST = with_effect("dust")
ENGINE_CUT = with_effect("engine_cut")
GYRO_SATURATION = with_effect("gyro_saturation")
DEAD_ACCELEROMETER = with_effect("dead_accelerometer")
THRUST_DEVIATION = with_effect("thrust_deviation")
ENGINE_LOSS = with_effect("engine_loss")
STUCK_THROTTLE = with_effect("stuck_throttle")
SPURIOUS_TOUCHDOWN = with_effect("spurious_touchdown")
MISSED_TOUCHDOWN = with_effect("missed_touchdown")
PROPELLANT_SHORTAGE = with_effect("propellant_shortage")
UNSTEADY_SITE = with_effect("unsteady_site")
DROPOUT = with_effect("dropout")


@wp.func
def acts(acting: int, code: int) -> bool:
    """Whether one fault is among those that act."""
    return (acting >> code) & 1 == 1


# --- engine and attitude control -------------------------------------------------------------------


@wp.func
def rate_limit_left(rate_limit: float, faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """The attitude-rate limit [rad/s] that is left."""
    for i in range(wp.static(len(THRUST_DEVIATION))):
        if acts(acting, wp.static(THRUST_DEVIATION[i].code)):
            rate_limit = rate_limit * (1.0 - number_of(faults, row, wp.static(THRUST_DEVIATION[i].sluggish)))
    return rate_limit


@wp.func
def thrust_factor(faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """True thrust over the thrust without faults; the flow follows it."""
    factor = float(1.0)
    for i in range(wp.static(len(THRUST_DEVIATION))):
        if acts(acting, wp.static(THRUST_DEVIATION[i].code)):
            factor = factor * (1.0 + number_of(faults, row, wp.static(THRUST_DEVIATION[i].excess)))
    for i in range(wp.static(len(ENGINE_LOSS))):
        if acts(acting, wp.static(ENGINE_LOSS[i].code)):
            factor = factor * (1.0 - number_of(faults, row, wp.static(ENGINE_LOSS[i].loss)))
    return factor


@wp.func
def hindered(forcing: Forcing, motion: Motion, faults: wp.array3d(dtype=float), row: int, acting: int) -> Forcing:
    """What acts on a lander with faults in its engine."""
    factor = thrust_factor(faults, row, acting)
    forcing.thrust = forcing.thrust * factor
    forcing.flow = forcing.flow * factor
    for i in range(wp.static(len(ENGINE_LOSS))):
        if acts(acting, wp.static(ENGINE_LOSS[i].code)):
            # A thrust F along z at x = d turns with r x F = (0, -d F, 0).
            turn = number_of(faults, row, wp.static(ENGINE_LOSS[i].offset)) * motion.throttle * forcing.thrust
            forcing.torque = forcing.torque - wp.vec3(0.0, turn, 0.0)
    for i in range(wp.static(len(ENGINE_CUT))):
        if acts(acting, wp.static(ENGINE_CUT[i].code)):
            forcing.throttle = forcing.throttle * (1.0 - number_of(faults, row, wp.static(ENGINE_CUT[i].loss)))
    for i in range(wp.static(len(STUCK_THROTTLE))):
        if acts(acting, wp.static(STUCK_THROTTLE[i].code)):
            held = number_of(faults, row, wp.static(STUCK_THROTTLE[i].share))
            forcing.throttle = forcing.throttle + held * (motion.throttle - forcing.throttle)
    for i in range(wp.static(len(SPURIOUS_TOUCHDOWN))):
        if acts(acting, wp.static(SPURIOUS_TOUCHDOWN[i].code)):
            forcing.throttle = 0.0
    return forcing


# --- inertial navigation ---------------------------------------------------------------------------


@wp.func
def rate_error_of(faults: wp.array3d(dtype=float), row: int, acting: int) -> wp.vec3:
    """Gyro saturation: error of the measured rates [rad/s], body axes."""
    error = wp.vec3(0.0, 0.0, 0.0)
    for i in range(wp.static(len(GYRO_SATURATION))):
        if acts(acting, wp.static(GYRO_SATURATION[i].code)):
            error = error + wp.vec3(0.0, number_of(faults, row, wp.static(GYRO_SATURATION[i].rate)), 0.0)
    return error


@wp.func
def share_measured(faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """Dead accelerometer: the share of the specific force that is measured."""
    share = float(1.0)
    for i in range(wp.static(len(DEAD_ACCELEROMETER))):
        if acts(acting, wp.static(DEAD_ACCELEROMETER[i].code)):
            share = share * (1.0 - number_of(faults, row, wp.static(DEAD_ACCELEROMETER[i].loss)))
    return share


@wp.func
def belief_jump(code: int, faults: wp.array3d(dtype=float), row: int) -> float:
    """Ranging loss: by how much [m] the believed altitude jumps when the fault of a code begins."""
    jump = float(0.0)
    for i in range(wp.static(len(RANGING_LOSS))):
        if code == wp.static(RANGING_LOSS[i].code):
            jump = number_of(faults, row, wp.static(RANGING_LOSS[i].bias))
    return jump


# --- range finders ---------------------------------------------------------------------------------


@wp.func
def blind(faults: wp.array3d(dtype=float), row: int, acting: int, height: float) -> bool:
    """Late acquisition: no return at this true height [m] above the ground."""
    unseen = bool(False)
    for i in range(wp.static(len(LATE_ACQUISITION))):
        if acts(acting, wp.static(LATE_ACQUISITION[i].code)):
            unseen = unseen or height > number_of(faults, row, wp.static(LATE_ACQUISITION[i].altitude))
    return unseen


@wp.func
def slowness_added(slowness: float, faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """Detection loss: the loss of returns with closing speed [s/m] on top of the instrument's own."""
    for i in range(wp.static(len(DETECTION_LOSS))):
        if acts(acting, wp.static(DETECTION_LOSS[i].code)):
            slowness = slowness + number_of(faults, row, wp.static(DETECTION_LOSS[i].slowness))
    return slowness


@wp.func
def reach_left(reach: float, faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """Detection loss: the detection range [m] that is left."""
    for i in range(wp.static(len(DETECTION_LOSS))):
        if acts(acting, wp.static(DETECTION_LOSS[i].code)):
            reach = reach * (1.0 - number_of(faults, row, wp.static(DETECTION_LOSS[i].reach)))
    return reach


@wp.func
def lost(key: wp.uint64, tick: int, height: float, faults: wp.array3d(dtype=float), row: int, acting: int) -> bool:
    """Whether a return that was there is lost to ranging loss, dropout or dust."""
    chances = random.draw(key, tick, random.LOSS)
    gone = bool(False)
    for i in range(wp.static(len(DROPOUT))):
        if acts(acting, wp.static(DROPOUT[i].code)):
            gone = gone or random.uniform(chances) < number_of(faults, row, wp.static(DROPOUT[i].loss))
    for i in range(wp.static(len(RANGING_LOSS))):
        if acts(acting, wp.static(RANGING_LOSS[i].code)):
            gone = gone or random.second_uniform(chances) < number_of(faults, row, wp.static(RANGING_LOSS[i].loss))
    for i in range(wp.static(len(DUST))):
        if acts(acting, wp.static(DUST[i].code)):
            density = dust_density(number_of(faults, row, wp.static(DUST[i].height)), height)
            gone = gone or random.uniform(random.draw(key, tick, random.DUST)) < density
    return gone


@wp.func
def dust_density(top: float, height: float) -> float:
    """0 where the dust begins [m], 1 on the ground."""
    if top > 0.0 and height < top:
        return wp.min(1.0 - height / top, 1.0)
    return 0.0


@wp.func
def distorted(
    range_: float, key: wp.uint64, tick: int, height: float, faults: wp.array3d(dtype=float), row: int, acting: int
) -> float:
    """What a range [m] becomes on its way through the instrument."""
    for i in range(wp.static(len(RANGE_BIAS))):
        if acts(acting, wp.static(RANGE_BIAS[i].code)):
            share = number_of(faults, row, wp.static(RANGE_BIAS[i].share))
            range_ = range_ + (number_of(faults, row, wp.static(RANGE_BIAS[i].step)) + share * range_)
    for i in range(wp.static(len(DUST))):
        if acts(acting, wp.static(DUST[i].code)):
            chance = random.second_uniform(random.draw(key, tick, random.DUST))
            density = dust_density(number_of(faults, row, wp.static(DUST[i].height)), height)
            range_ = range_ * (1.0 - number_of(faults, row, wp.static(DUST[i].shortfall)) * chance * density)
    for i in range(wp.static(len(RANGE_AMBIGUITY))):
        if acts(acting, wp.static(RANGE_AMBIGUITY[i].code)):
            interval = number_of(faults, row, wp.static(RANGE_AMBIGUITY[i].interval))
            if interval > 0.0:
                range_ = range_ - wp.floor(range_ / interval) * interval
    for i in range(wp.static(len(OUTLIERS))):
        if acts(acting, wp.static(OUTLIERS[i].code)):
            chances = random.draw(key, tick, random.OUTLIERS)
            if random.uniform(chances) < number_of(faults, row, wp.static(OUTLIERS[i].share)):
                where = random.draw(key, tick, random.OUTLIER_RANGE)
                if random.second_uniform(chances) < number_of(faults, row, wp.static(OUTLIERS[i].structure)):
                    range_ = 1.0 + 2.0 * random.uniform(where)
                else:
                    range_ = range_ * random.uniform(where)
    return range_


@wp.func
def spread_factor(faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """Noise burst: the spread of the range noise over the normal one."""
    factor = float(1.0)
    for i in range(wp.static(len(NOISE_BURST))):
        if acts(acting, wp.static(NOISE_BURST[i].code)):
            factor = factor * (1.0 + number_of(faults, row, wp.static(NOISE_BURST[i].excess)))
    return factor


@wp.func
def flagged(key: wp.uint64, tick: int, faults: wp.array3d(dtype=float), row: int, acting: int) -> bool:
    """Whether a valid sample gets its flag."""
    there = bool(True)
    for i in range(wp.static(len(MISSING_FLAG))):
        if acts(acting, wp.static(MISSING_FLAG[i].code)):
            chance = random.uniform(random.draw(key, tick, random.FLAG))
            there = there and chance >= number_of(faults, row, wp.static(MISSING_FLAG[i].share))
    return there


@wp.func
def frozen(key: wp.uint64, tick: int, faults: wp.array3d(dtype=float), row: int, acting: int) -> bool:
    """Whether a sample that arrives repeats the range before it."""
    repeated = bool(False)
    for i in range(wp.static(len(FROZEN_READING))):
        if acts(acting, wp.static(FROZEN_READING[i].code)):
            chance = random.uniform(random.draw(key, tick, random.FREEZE))
            repeated = repeated or chance < number_of(faults, row, wp.static(FROZEN_READING[i].share))
    return repeated


@wp.func
def extra_delay(faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """Delayed readings: seconds on top of the normal delay."""
    delay = float(0.0)
    for i in range(wp.static(len(DELAYED_READINGS))):
        if acts(acting, wp.static(DELAYED_READINGS[i].code)):
            delay = delay + number_of(faults, row, wp.static(DELAYED_READINGS[i].delay))
    return delay


@wp.func
def hidden_delay(faults: wp.array3d(dtype=float), row: int, acting: int) -> float:
    """Delayed readings: how much of the extra delay [s] the time stamp hides."""
    delay = float(0.0)
    for i in range(wp.static(len(DELAYED_READINGS))):
        if acts(acting, wp.static(DELAYED_READINGS[i].code)):
            if number_of(faults, row, wp.static(DELAYED_READINGS[i].unstamped)) > 0.5:
                delay = delay + number_of(faults, row, wp.static(DELAYED_READINGS[i].delay))
    return delay


# --- the start -------------------------------------------------------------------------------------


@wp.func
def propellant_missing(load: float, faults: wp.array3d(dtype=float), row: int, present: int) -> float:
    """Propellant shortage: what is missing [kg] of a load."""
    missing = float(0.0)
    for i in range(wp.static(len(PROPELLANT_SHORTAGE))):
        if acts(present, wp.static(PROPELLANT_SHORTAGE[i].code)):
            missing = missing + (load - missing) * number_of(faults, row, wp.static(PROPELLANT_SHORTAGE[i].missing))
    return missing


@wp.func
def changed_terrain(terrain: TerrainDrawn, faults: wp.array3d(dtype=float), row: int, present: int) -> TerrainDrawn:
    """Terrain step and unsteady site: the ground of an episode that has them."""
    for i in range(wp.static(len(TERRAIN_STEP))):
        if acts(present, wp.static(TERRAIN_STEP[i].code)):
            terrain.step_height = number_of(faults, row, wp.static(TERRAIN_STEP[i].height))
            terrain.step_distance = number_of(faults, row, wp.static(TERRAIN_STEP[i].distance))
            terrain.step_width = number_of(faults, row, wp.static(TERRAIN_STEP[i].width))
    for i in range(wp.static(len(UNSTEADY_SITE))):
        if acts(present, wp.static(UNSTEADY_SITE[i].code)):
            terrain.slope = terrain.slope + number_of(faults, row, wp.static(UNSTEADY_SITE[i].slope))
    return terrain


@wp.func
def unseen_drift(faults: wp.array3d(dtype=float), row: int, present: int) -> float:
    """Unsteady site: lateral speed [m/s] along x that the belief does not show."""
    drift = float(0.0)
    for i in range(wp.static(len(UNSTEADY_SITE))):
        if acts(present, wp.static(UNSTEADY_SITE[i].code)):
            drift = drift + number_of(faults, row, wp.static(UNSTEADY_SITE[i].drift))
    return drift


# --- contact ---------------------------------------------------------------------------------------


@wp.func
def hold_of(faults: wp.array3d(dtype=float), row: int, concerned: int) -> float:
    """Missed touchdown: for how long [s] the engine burns on after first contact, by the faults concerned."""
    hold = float(0.0)
    for i in range(wp.static(len(MISSED_TOUCHDOWN))):
        if acts(concerned, wp.static(MISSED_TOUCHDOWN[i].code)):
            hold = wp.max(hold, number_of(faults, row, wp.static(MISSED_TOUCHDOWN[i].hold)))
    return hold


@wp.func
def goes_unnoticed(episode: Episode, faults: wp.array3d(dtype=float), row: int, seconds: float) -> bool:
    """Missed touchdown: whether the engine burns on through this contact."""
    hold = hold_of(faults, row, episode.acting)
    if hold <= 0.0:
        return False
    if episode.contact_tick < 0:
        return True
    return not passed(episode.tick - episode.contact_tick, hold, seconds)


@wp.func
def bounced(velocity: wp.vec3, up: wp.vec3, faults: wp.array3d(dtype=float), row: int, acting: int) -> wp.vec3:
    """The velocity [m/s] with which a lander leaves the ground again, a share of the vertical speed turned round."""
    bounce = float(0.0)
    for i in range(wp.static(len(MISSED_TOUCHDOWN))):
        if acts(acting, wp.static(MISSED_TOUCHDOWN[i].code)):
            bounce = wp.max(bounce, number_of(faults, row, wp.static(MISSED_TOUCHDOWN[i].bounce)))
    return velocity - up * (wp.dot(velocity, up) * (1.0 + bounce))


@wp.func
def passed(ticks: int, duration: float, seconds: float) -> bool:
    """Whether so many ticks are a duration [s]; a thousandth of a tick makes up for what float32 rounds."""
    return float(ticks) + 1.0e-3 >= duration / seconds
