"""The random numbers: which they are, that they look random, and that they belong to nobody's batch.

Statistics are of fixed keys; a bound is one that good randomness breaks once in 10,000.
"""

import numpy as np
import pytest
import torch
import warp as wp
from helpers import RARE, same_bits
from scipy import stats

from lunar_env import Descent, random
from lunar_env.inputs.seeds import split_seed

ALL = 2**64


@wp.kernel
def splitmix(words: wp.array(dtype=wp.uint64), mixed: wp.array(dtype=wp.uint64)):
    i = wp.tid()
    mixed[i] = random.mix(words[i])


@wp.kernel
def draws(
    numbers: wp.array2d(dtype=int),  # seed low, seed high, lander, episode, tick, channel
    bits: wp.array(dtype=wp.uint64),
    values: wp.array2d(dtype=float),  # uniform, second uniform, normal, three noises
):
    i = wp.tid()
    key = random.episode_key(numbers[i, 0], numbers[i, 1], numbers[i, 2], numbers[i, 3])
    drawn = random.draw(key, numbers[i, 4], numbers[i, 5])
    noise = random.noise3(drawn)
    bits[i] = drawn
    values[i, 0] = random.uniform(drawn)
    values[i, 1] = random.second_uniform(drawn)
    values[i, 2] = random.normal(drawn)
    for axis in range(3):
        values[i, 3 + axis] = noise[axis]


def mixed_by_warp(words: list[int]) -> list[int]:
    source = wp.array(np.array(words, dtype=np.uint64), dtype=wp.uint64, device="cpu")
    target = wp.empty_like(source)
    wp.launch(splitmix, dim=len(words), inputs=[source, target], device="cpu")
    return [int(word) for word in target.numpy()]


def drawn_by_warp(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bits (N,) and values (N, 6) for rows of (seed low, seed high, lander, episode, tick, channel)."""
    source = wp.array(numbers.astype(np.int32), dtype=int, device="cpu")
    bits = wp.empty(len(numbers), dtype=wp.uint64, device="cpu")
    values = wp.empty((len(numbers), 6), dtype=float, device="cpu")
    wp.launch(draws, dim=len(numbers), inputs=[source, bits, values], device="cpu")
    return bits.numpy(), values.numpy().astype(np.float64)


def mix(word: int) -> int:
    """SplitMix64 in Python's own whole numbers (Steele, Lea & Flood 2014; Vigna's splitmix64.c)."""
    word = (word + 0x9E3779B97F4A7C15) % ALL
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % ALL
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % ALL
    return word ^ (word >> 31)


def draw(seed: int, lander: int, episode: int, tick: int, channel: int) -> int:
    """What random.py promises: a key per episode, a counter per draw."""
    key = mix(mix(seed) ^ (lander << 32 | episode))
    return mix(key ^ ((tick * 2048 + channel) * 0xD1342543DE82EF95 % ALL))


def numbers(size: int, **columns: int | np.ndarray) -> np.ndarray:
    """Rows for ``drawn_by_warp``: zero but for the columns named."""
    rows = np.zeros((size, 6), dtype=np.int64)
    for name, values in columns.items():
        rows[:, ("seed", "seed_high", "lander", "episode", "tick", "channel").index(name)] = values
    return rows


# Known answers ----------------------------------------------------------------------------------------------------


def test_mix_gives_the_published_splitmix64_sequence() -> None:
    # The first five outputs for the seed 1234567, as in Rosetta Code's task "Pseudo-random numbers/Splitmix64".
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    states = [(1234567 + i * 0x9E3779B97F4A7C15) % ALL for i in range(5)]
    assert mixed_by_warp(states) == published
    assert [mix(state) for state in states] == [random.mixed(state) for state in states] == published


def test_draws_are_those_of_plain_python() -> None:
    generator = np.random.default_rng(0)
    rows, wanted = [], []
    for _ in range(500):
        seed = int(generator.integers(0, ALL, dtype=np.uint64))
        lander, episode = (int(generator.integers(0, 2**31)) for _ in range(2))
        tick, channel = int(generator.integers(0, 2**20)), int(generator.integers(0, 2048))
        rows.append([*split_seed(seed), lander, episode, tick, channel])
        wanted.append(draw(seed, lander, episode, tick, channel))
    bits, values = drawn_by_warp(np.array(rows))
    assert [int(word) for word in bits] == wanted
    words = np.array(wanted, dtype=object)
    assert np.array_equal(values[:, 0], np.array([(word >> 40) / 2**24 for word in words]))
    assert np.array_equal(values[:, 1], np.array([word % 2**24 / 2**24 for word in words]))
    for axis in range(3):
        noise = np.array([(word >> 21 * axis) % 2**21 / 2**21 for word in words], dtype=np.float64)
        # Scaled by sqrt(12) and shifted by sqrt(3) in float32: a unit in the last place of each.
        assert np.abs(values[:, 3 + axis] - np.sqrt(12.0) * (noise - 0.5)).max() < 1e-6


def test_draws_do_not_repeat_in_the_longest_episode() -> None:
    # Ten minutes in the shortest ticks, of 0.1 ms, are 6 million ticks.
    ticks = np.array([0, 2**20 - 1, 2**20, 2**21, 2**21 + 1, 6_000_000, 2**31 - 1])
    bits, _ = drawn_by_warp(numbers(len(ticks), tick=ticks))
    assert [int(word) for word in bits] == [draw(0, 0, 0, int(tick), 0) for tick in ticks]


def test_every_bit_of_the_input_changes_half_of_the_output() -> None:
    words = [mix(i) for i in range(200)]
    for bit in range(64):
        flipped = mixed_by_warp([word ^ (1 << bit) for word in words])
        changed = sum((a ^ b).bit_count() for a, b in zip(mixed_by_warp(words), flipped, strict=True))
        low, high = stats.binom.interval(1.0 - RARE, 200 * 64, 0.5)
        assert low <= changed <= high


# Distributions ----------------------------------------------------------------------------------------------------

SIZE = 200_000
AXES = ("seed", "seed_high", "lander", "episode", "tick", "channel")


def in_turn(axis: str) -> np.ndarray:
    """One draw for each of SIZE neighbours along an axis; a tick has no more than 2048 channels."""
    if axis == "channel":
        return numbers(SIZE, channel=np.arange(SIZE) % 2048, tick=np.arange(SIZE) // 2048)
    return numbers(SIZE, **{axis: np.arange(SIZE)})


@pytest.mark.parametrize("axis", AXES)
def test_draws_along_every_axis_are_uniform_normal_and_uncorrelated(axis: str) -> None:
    bits, values = drawn_by_warp(in_turn(axis))
    assert len(np.unique(bits)) == SIZE
    one, two, normal = values[:, 0], values[:, 1], values[:, 2]
    assert one.min() >= 0.0 and one.max() < 1.0  # a chance of 1 always comes true, one of 0 never
    assert stats.kstest(one, "uniform").pvalue > RARE
    assert stats.kstest(two, "uniform").pvalue > RARE
    assert stats.kstest(normal, "norm").pvalue > RARE
    for lag in (1, 2, 64):
        for column in (one, two, normal):
            assert stats.pearsonr(column[lag:], column[:-lag]).pvalue > RARE
    assert stats.pearsonr(one, two).pvalue > RARE


@pytest.mark.parametrize("axis", AXES)
def test_neighbours_differ_in_half_of_their_bits(axis: str) -> None:
    bits, _ = drawn_by_warp(in_turn(axis))
    low, high = stats.binom.interval(1.0 - RARE / 64, SIZE - 1, 0.5)  # for each of the 64 bits
    changed = bits[1:] ^ bits[:-1]
    for bit in range(64):
        assert low <= int(np.sum(changed >> np.uint64(bit) & np.uint64(1))) <= high


def test_the_same_numbers_in_other_places_are_other_draws() -> None:
    # A key mixes its parts, so that swapping lander and episode, or tick and channel, is no return of the same draw.
    side = np.arange(1, 301)
    first, second = (grid.ravel() for grid in np.meshgrid(side, side))
    for one, other in (("lander", "episode"), ("seed", "lander"), ("seed", "seed_high"), ("episode", "tick")):
        bits, _ = drawn_by_warp(numbers(len(first), **{one: first, other: second}))
        assert len(np.unique(bits)) == len(first)
    bits, _ = drawn_by_warp(numbers(len(first), tick=first, channel=second))
    assert len(np.unique(bits)) == len(first)


def test_three_noises_have_mean_zero_and_variance_one_and_no_correlation() -> None:
    _, values = drawn_by_warp(in_turn("tick"))
    noise = values[:, 3:]
    for axis in range(3):
        assert stats.kstest(noise[:, axis], "uniform", args=(-np.sqrt(3.0), 2.0 * np.sqrt(3.0))).pvalue > RARE
        # The mean of SIZE numbers of variance 1, and of their squares, of variance 4/5: four standard deviations.
        assert abs(noise[:, axis].mean()) < 4.0 / np.sqrt(SIZE)
        assert abs(np.mean(noise[:, axis] ** 2) - 1.0) < 4.0 * np.sqrt(0.8 / SIZE)
        assert stats.pearsonr(noise[:, axis], noise[:, axis - 1]).pvalue > RARE


def test_channels_of_one_tick_do_not_overlap() -> None:
    used = [random.INERTIAL_NOISE, random.DETECTION, random.RANGE_NOISE, random.JITTER, random.SAMPLE_PHASE]
    used += [random.LOSS, random.DUST, random.OUTLIERS, random.OUTLIER_RANGE, random.FLAG, random.FREEZE]
    assert len({int(channel) for channel in used}) == len(used)
    assert max(int(channel) for channel in used) < int(random.CHANNELS)


# Whose they are ---------------------------------------------------------------------------------------------------


def flown(landers: int, first: int = 0, **choices: int) -> Descent:
    """Two minutes of noise and faults, with resets in."""
    descent = Descent("resilience", landers, seed=11, **choices)
    descent.reset(seed=11, first_lander=first)
    descent.actions.fill_(0.9)
    for _ in range(120):
        descent.advance()
    return descent


@pytest.mark.parametrize("pick", [0, 7, 39])
def test_a_lander_meets_the_same_descent_in_any_batch(pick: int) -> None:
    together, alone = flown(40), flown(1, first=pick)
    assert int(together.state["episode.episode"].max()) > 0
    for name, table in together.snapshot().items():
        assert same_bits(table[pick], alone.snapshot()[name][0]), name


def test_nor_does_it_depend_on_the_number_of_threads() -> None:
    one, three = flown(40, threads=1), flown(40, threads=3)
    for name, table in one.snapshot().items():
        assert same_bits(table, three.snapshot()[name]), name


@pytest.mark.parametrize("change", ["seed", "seed_high", "lander", "episode"])
def test_another_seed_lander_or_episode_is_another_descent(change: str) -> None:
    seed = {"seed": 1, "seed_high": 1 << 32}.get(change, 0)
    one, other = Descent("resilience", 8, seed=0), Descent("resilience", 8, seed=seed)
    if change == "lander":
        other.reset(seed=0, first_lander=8)
    if change == "episode":
        other.reset()
    altitudes = one.state["drawn.start.altitude"], other.state["drawn.start.altitude"]
    assert not torch.isin(*altitudes).any()
