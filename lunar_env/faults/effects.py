"""What each fault of kinds.py does to the stages of a tick.

``acting`` holds one bit per fault that acts at this instant; a stage asks for the bits that concern it, so a scenario
without faults pays for a comparison. Every effect leaves its numbers alone, bit for bit, at its neutral magnitude.
"""

from typing import Any

import warp as wp

from lunar_env import random
from lunar_env.faults.kinds import NAMES, FaultsDrawn
from lunar_env.state import Episode, Motion
from lunar_env.vehicle.dynamics import Forcing

wp.set_module_options({"enable_backward": False})

COUNT = wp.constant(len(NAMES))
# Codes, in the order of ``Faults``.
LATE_ACQUISITION, DELAYED_READINGS, DETECTION_LOSS, NOISE_BURST = map(wp.constant, range(4))
RANGING_LOSS, MISSING_FLAG, TERRAIN_STEP, RANGE_BIAS, OUTLIERS = map(wp.constant, range(4, 9))
FROZEN_READING, RANGE_AMBIGUITY, DUST, ENGINE_CUT, GYRO_SATURATION = map(wp.constant, range(9, 14))
DEAD_ACCELEROMETER, THRUST_DEVIATION, ENGINE_LOSS, STUCK_THROTTLE = map(wp.constant, range(14, 18))
SPURIOUS_TOUCHDOWN, MISSED_TOUCHDOWN, PROPELLANT_SHORTAGE = map(wp.constant, range(18, 21))
UNSTEADY_SITE, DROPOUT = map(wp.constant, range(21, 23))

# Which stage has to ask.
ENGINE = wp.constant(
    sum(1 << code for code in (ENGINE_CUT, THRUST_DEVIATION, ENGINE_LOSS, STUCK_THROTTLE, SPURIOUS_TOUCHDOWN))
)
RANGING = wp.constant(sum(1 << code for code in (DROPOUT, RANGING_LOSS, DUST)))
DISTORTING = wp.constant(sum(1 << code for code in (RANGE_BIAS, DUST, RANGE_AMBIGUITY, OUTLIERS)))
INERTIAL = wp.constant(sum(1 << code for code in (GYRO_SATURATION, DEAD_ACCELEROMETER)))


@wp.func
def acts(acting: int, code: int) -> bool:
    """Whether one fault is among those that act."""
    return (acting >> code) & 1 == 1


# --- engine and attitude control -------------------------------------------------------------------


@wp.func
def rate_limit_left(rate_limit: float, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> float:
    """The attitude-rate limit [rad/s] that is left."""
    if acts(acting, THRUST_DEVIATION):
        return rate_limit * (1.0 - faults[row].thrust_deviation.sluggish)
    return rate_limit


@wp.func
def thrust_factor(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> float:
    """True thrust over the thrust without faults; the flow follows it."""
    factor = float(1.0)
    if acts(acting, THRUST_DEVIATION):
        factor = factor * (1.0 + faults[row].thrust_deviation.excess)
    if acts(acting, ENGINE_LOSS):
        factor = factor * (1.0 - faults[row].engine_loss.loss)
    return factor


@wp.func
def hindered(forcing: Forcing, motion: Motion, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> Forcing:
    """What acts on a lander with faults in its engine."""
    factor = thrust_factor(faults, row, acting)
    forcing.thrust = forcing.thrust * factor
    forcing.flow = forcing.flow * factor
    if acts(acting, ENGINE_LOSS):
        # A thrust F along z at x = d turns with r x F = (0, -d F, 0).
        turn = faults[row].engine_loss.offset * motion.throttle * forcing.thrust
        forcing.torque = forcing.torque - wp.vec3(0.0, turn, 0.0)
    if acts(acting, ENGINE_CUT):
        forcing.throttle = forcing.throttle * (1.0 - faults[row].engine_cut.loss)
    if acts(acting, STUCK_THROTTLE):
        forcing.throttle = forcing.throttle + faults[row].stuck_throttle.share * (motion.throttle - forcing.throttle)
    if acts(acting, SPURIOUS_TOUCHDOWN):
        forcing.throttle = 0.0
    return forcing


# --- inertial navigation ---------------------------------------------------------------------------


@wp.func
def rate_error_of(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> wp.vec3:
    """Gyro saturation: error of the measured rates [rad/s], body axes."""
    if acts(acting, GYRO_SATURATION):
        return wp.vec3(0.0, faults[row].gyro_saturation.rate, 0.0)
    return wp.vec3(0.0, 0.0, 0.0)


@wp.func
def share_measured(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> float:
    """Dead accelerometer: the share of the specific force that is measured."""
    if acts(acting, DEAD_ACCELEROMETER):
        return 1.0 - faults[row].dead_accelerometer.loss
    return 1.0


# --- range finders ---------------------------------------------------------------------------------


@wp.func
def blind(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int, height: float) -> bool:
    """Late acquisition: no return at this true height [m] above the ground."""
    return acts(acting, LATE_ACQUISITION) and height > faults[row].late_acquisition.altitude


@wp.func
def lost(key: wp.uint64, tick: int, height: float, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> bool:
    """Whether a return that was there is lost to ranging loss, dropout or dust."""
    chances = random.draw(key, tick, random.LOSS)
    gone = bool(False)
    if acts(acting, DROPOUT):
        gone = random.uniform(chances) < faults[row].dropout.loss
    if acts(acting, RANGING_LOSS):
        gone = gone or random.second_uniform(chances) < faults[row].ranging_loss.loss
    if acts(acting, DUST):
        gone = gone or random.uniform(random.draw(key, tick, random.DUST)) < dust_density(faults, row, height)
    return gone


@wp.func
def dust_density(faults: wp.array(dtype=FaultsDrawn), row: int, height: float) -> float:
    """0 where the dust begins, 1 on the ground."""
    if faults[row].dust.height > 0.0 and height < faults[row].dust.height:
        return wp.min(1.0 - height / faults[row].dust.height, 1.0)
    return 0.0


@wp.func
def distorted(
    range: float, key: wp.uint64, tick: int, height: float, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int
) -> float:
    """What a range [m] becomes on its way through the instrument."""
    if acts(acting, RANGE_BIAS):
        range = range + (faults[row].range_bias.step + faults[row].range_bias.share * range)
    if acts(acting, DUST):
        chance = random.second_uniform(random.draw(key, tick, random.DUST))
        range = range * (1.0 - faults[row].dust.shortfall * chance * dust_density(faults, row, height))
    if acts(acting, RANGE_AMBIGUITY):
        if faults[row].range_ambiguity.interval > 0.0:
            range = (
                range - wp.floor(range / faults[row].range_ambiguity.interval) * faults[row].range_ambiguity.interval
            )
    if acts(acting, OUTLIERS):
        chances = random.draw(key, tick, random.OUTLIERS)
        if random.uniform(chances) < faults[row].outliers.share:
            where = random.draw(key, tick, random.OUTLIER_RANGE)
            if random.second_uniform(chances) < faults[row].outliers.structure:
                range = 1.0 + 2.0 * random.uniform(where)
            else:
                range = range * random.uniform(where)
    return range


@wp.func
def spread_factor(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> float:
    """Noise burst: the spread of the range noise over the normal one."""
    if acts(acting, NOISE_BURST):
        return 1.0 + faults[row].noise_burst.excess
    return 1.0


@wp.func
def flagged(key: wp.uint64, tick: int, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> bool:
    """Whether a valid sample gets its flag."""
    if acts(acting, MISSING_FLAG):
        return random.uniform(random.draw(key, tick, random.FLAG)) >= faults[row].missing_flag.share
    return True


@wp.func
def frozen(key: wp.uint64, tick: int, faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> bool:
    """Whether a sample that arrives repeats the range before it."""
    if acts(acting, FROZEN_READING):
        return random.uniform(random.draw(key, tick, random.FREEZE)) < faults[row].frozen_reading.share
    return False


@wp.func
def extra_delay(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> float:
    """Delayed readings: seconds on top of the normal delay."""
    if acts(acting, DELAYED_READINGS):
        return faults[row].delayed_readings.delay
    return 0.0


@wp.func
def hides_delay(faults: wp.array(dtype=FaultsDrawn), row: int, acting: int) -> bool:
    """Delayed readings: whether the time stamp hides the extra delay."""
    return acts(acting, DELAYED_READINGS) and faults[row].delayed_readings.unstamped > 0.5


@wp.func
def goes_unnoticed(tables: Any, row: int, episode: Episode, seconds: float) -> bool:
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
def passed(ticks: int, duration: float, seconds: float) -> bool:
    """Whether so many ticks are a duration [s]; a thousandth of a tick makes up for what float32 rounds."""
    return float(ticks) + 1.0e-3 >= duration / seconds
