"""Randomness as a pure function of (seed, lander, episode, tick, channel).

No generator has a state, so nothing depends on how many landers fly, on their order or on the number of threads.
The function is SplitMix64's finaliser (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"),
applied to a key per episode plus a counter per draw.
"""

import warp as wp

wp.set_module_options({"enable_backward": False})

# Channels: what a draw is for. Two draws that may happen in the same tick must differ here.
INERTIAL_NOISE = wp.constant(1000)
DETECTION = wp.constant(1001)
RANGE_NOISE = wp.constant(1002)
JITTER = wp.constant(1003)
SAMPLE_PHASE = wp.constant(1004)
LOSS = wp.constant(1005)
DUST = wp.constant(1006)
OUTLIERS = wp.constant(1007)
OUTLIER_RANGE = wp.constant(1008)
FLAG = wp.constant(1009)
FREEZE = wp.constant(1010)
SPEED_NOISE = wp.constant(1011)
GYRO_NOISE = wp.constant(1012)
CHANNELS = wp.constant(2048)  # channels per tick


@wp.func
def mix(word: wp.uint64) -> wp.uint64:
    """SplitMix64: one output for each input, every bit of the input changing about half of the output."""
    word = word + wp.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> wp.uint64(30))) * wp.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> wp.uint64(27))) * wp.uint64(0x94D049BB133111EB)
    return word ^ (word >> wp.uint64(31))


@wp.func
def episode_key(seed_low: int, seed_high: int, lander: int, episode: int) -> wp.uint64:
    """The key from which all draws of one episode of one lander are counted."""
    seed = (wp.uint64(wp.uint32(seed_high)) << wp.uint64(32)) | wp.uint64(wp.uint32(seed_low))
    stream = (wp.uint64(wp.uint32(lander)) << wp.uint64(32)) | wp.uint64(wp.uint32(episode))
    return mix(mix(seed) ^ stream)


@wp.func
def draw(key: wp.uint64, tick: int, channel: int) -> wp.uint64:
    """64 random bits for one use in one tick."""
    counter = wp.uint64(tick) * wp.uint64(CHANNELS) + wp.uint64(channel)
    return mix(key ^ (counter * wp.uint64(0xD1342543DE82EF95)))


@wp.func
def beam_key(key: wp.uint64, beam: int) -> wp.uint64:
    """The key of one beam's draws: the episode's own for the first beam, another one for each further beam."""
    if beam == 0:
        return key
    return mix(key ^ mix(wp.uint64(beam)))


@wp.func
def draw_number(key: wp.uint64, name: wp.uint64) -> wp.uint64:
    """64 random bits for a number of the scenario, drawn once per episode; ``name`` is from ``mixed``."""
    return mix(key ^ name)


def mixed(word: int) -> int:
    """What ``mix`` gives, for the host: a name is mixed once, not by each lander in each episode."""
    word = (word + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


@wp.func
def uniform(bits: wp.uint64) -> float:
    """A number in [0, 1), from the upper 24 bits."""
    return float(wp.uint32(bits >> wp.uint64(40))) * 5.9604644775390625e-08


@wp.func
def second_uniform(bits: wp.uint64) -> float:
    """A number in [0, 1) from the lower 24 bits: independent of ``uniform`` of the same draw."""
    return float(wp.uint32(bits & wp.uint64(0xFFFFFF))) * 5.9604644775390625e-08


@wp.func
def normal(bits: wp.uint64) -> float:
    """A standard normal number (Box and Muller 1958) from both uniforms of one draw."""
    radius = wp.sqrt(-2.0 * wp.log(1.0 - uniform(bits)))
    return radius * wp.cos(6.283185307179586 * second_uniform(bits))


@wp.func
def noise3(bits: wp.uint64) -> wp.vec3:
    """Three independent uniform numbers of mean 0 and variance 1, from 21 bits each.

    For noise that is summed over many ticks, where the sum is normal whatever the summand.
    """
    scale = 3.4641016 / 2097152.0  # sqrt(12) / 2^21
    shift = wp.vec3(1.7320508, 1.7320508, 1.7320508)
    x = float(wp.uint32(bits & wp.uint64(0x1FFFFF)))
    y = float(wp.uint32((bits >> wp.uint64(21)) & wp.uint64(0x1FFFFF)))
    z = float(wp.uint32((bits >> wp.uint64(42)) & wp.uint64(0x1FFFFF)))
    return wp.vec3(x, y, z) * scale - shift
