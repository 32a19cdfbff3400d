"""The procedural ground against the laws it is drawn from: slopes, spectrum, number and shape of the craters."""

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from helpers import RARE
from scipy import stats
from scipy.special import j0

from lunar_env.terrain.relief import (
    KINDS,
    Array,
    CraterLaw,
    Map,
    crater_profile,
    draw_craters,
    fractal,
    ground_maps,
    mode_powers,
    rms_deviation,
    spectra,
    stamp_craters,
)

BASELINE = 17.0  # [m] of the published slopes
SLOPES = {"mare": 2.0, "highland": 7.5}  # [deg] [R: Rosenburg et al. 2011]
HURST = {"mare": 0.76, "highland": 0.95}  # [R: Rosenburg et al. 2011]
TILES = ((512, 1.0, 2.0, 512.0), (256, 128.0, 512.0, 32_768.0))  # nodes, spacing, shortest and longest wave [m]
LAGS = (4, 8, 16, 32, 64, 128)  # [m]

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@functools.cache
def powers_of(kind: str) -> tuple[Array, Array]:
    return spectra(KINDS[kind])


def fractals(kind: str, seed: int) -> tuple[Array, Array]:
    fine, coarse = powers_of(kind)
    return fractal(fine, np.random.default_rng([seed, 0])), fractal(coarse, np.random.default_rng([seed, 1]))


def differences(heights: Array, spacing: float, lag: float) -> Array:
    """h(x + lag) - h(x) of a periodic tile at all nodes, also for lags between nodes: exact for a sum of waves."""
    waves = np.fft.rfft(heights, axis=0)
    turn = np.exp(2j * np.pi * lag * np.fft.rfftfreq(len(heights), spacing)) - 1.0
    return np.fft.irfft(waves * turn[:, None], len(heights), axis=0)


def continuous_deviation(hurst: float, lag: float, shortest: float, longest: float) -> float:
    """RMS deviation of isotropic waves of all directions with density k^-(2 hurst + 2): a Bessel integral over k."""
    k = np.geomspace(1.0 / longest, 1.0 / shortest, 100_001)
    density = 4.0 * np.pi * k ** -(2.0 * hurst + 1.0) * (1.0 - j0(2.0 * np.pi * k * lag))
    return math.sqrt(np.trapezoid(density * k, np.log(k)))


# The fractal part --------------------------------------------------------------------------------------------------


@EVERY_KIND
def test_the_median_slope_over_17_m_is_the_published_one(kind: str) -> None:
    seeds = 6
    rises = [
        mode * (2.0 - 2.0 * np.cos(2.0 * np.pi * BASELINE * np.fft.fftfreq(count, spacing)))[:, None]
        for mode, (count, spacing, *_) in zip(powers_of(kind), TILES, strict=True)
    ]
    medians = []
    for seed in range(seeds):
        fine, coarse = (differences(h, d, BASELINE) for h, (_, d, *_) in zip(fractals(kind, seed), TILES, strict=True))
        # The ground repeats only after 32 km, and meanwhile each place of the fine tile meets all of the coarse one.
        mixed = np.random.default_rng(seed).permutation(fine.ravel()) + np.tile(coarse.ravel(), 4)
        medians.append(np.degrees(np.arctan(np.median(np.abs(mixed)) / BASELINE)))
    # Scatter of one tile's median. With c the correlation of differences at two places, the share of them below the
    # median has the variance sum_n a_n^2 <c^n> / n! over even n, a_n = -2 He_(n-1)(z) phi(z) at z = 0.6745. The term
    # n = 2 is zero, for the tiles' RMS is exact; <c^6> is under a third of <c^4>, and its factor a tenth.
    total = sum(rise.sum() for rise in rises)
    parts = [np.fft.ifft2(rise).real * rise.size / total for rise in rises]
    fourth = sum(math.comb(4, i) * (parts[0] ** i).mean() * (parts[1] ** (4 - i)).mean() for i in range(5))
    z = stats.norm.ppf(0.75)
    share = 2.0 * (z**3 - 3.0 * z) * stats.norm.pdf(z) * math.sqrt(fourth / 24.0)
    scatter = abs(share) / (2.0 * stats.norm.pdf(z)) / z / math.sqrt(seeds)
    assert scatter < 0.004
    assert np.mean(medians) == pytest.approx(SLOPES[kind], rel=4.0 * scatter)


@EVERY_KIND
def test_the_rms_slope_of_every_pair_of_tiles_is_exactly_that_of_the_law(kind: str) -> None:
    squares = [
        np.mean(differences(heights, spacing, BASELINE) ** 2)
        for heights, (_, spacing, *_) in zip(fractals(kind, 5), TILES, strict=True)
    ]
    # 0.6745 is the quartile of a normal variable.
    slope = stats.norm.ppf(0.75) * math.sqrt(sum(squares)) / BASELINE
    assert slope == pytest.approx(math.tan(math.radians(SLOPES[kind])), rel=1e-5)


@EVERY_KIND
@pytest.mark.parametrize("tile", [0, 1], ids=["fine", "coarse"])
def test_rms_deviations_are_those_of_the_spectrum_along_both_axes(kind: str, tile: int) -> None:
    powers, heights, spacing = powers_of(kind)[tile], fractals(kind, 3)[tile], TILES[tile][1]
    for lag in LAGS:
        wanted = rms_deviation(powers, spacing, lag * spacing)
        for axis in (0, 1):
            found = np.sqrt(np.mean((np.roll(heights, -lag, axis) - heights) ** 2))
            assert found == pytest.approx(wanted, rel=1e-9)


@EVERY_KIND
def test_the_modes_of_a_tile_stand_for_the_continuum_of_waves(kind: str) -> None:
    for count, spacing, shortest, longest in TILES:
        powers = mode_powers(count, spacing, HURST[kind], shortest, longest)
        for lag in (1.0, *LAGS):
            found = rms_deviation(powers, spacing, lag * spacing)
            wanted = continuous_deviation(HURST[kind], lag * spacing, shortest, longest)
            # 8 modes stand for the lowest octave of a tile, which lags of a quarter of its period feel most.
            assert found == pytest.approx(wanted, rel=0.01 if lag * spacing < longest / 4.0 else 0.015), lag
        waves = np.pi / HURST[kind] * (longest ** (2.0 * HURST[kind]) - shortest ** (2.0 * HURST[kind]))
        assert powers.sum() == pytest.approx(waves, rel=0.01)


@EVERY_KIND
def test_roughness_grows_with_the_hurst_exponent_as_far_as_the_band_of_waves_lets_it(kind: str) -> None:
    fine, coarse = fractals(kind, 7)

    def exponent(deviation: Callable[[float], float]) -> float:
        return float(np.polyfit(np.log(LAGS), np.log([deviation(lag) for lag in LAGS]), 1)[0])

    def found(lag: float) -> float:
        return math.sqrt(np.mean(differences(fine, 1.0, lag) ** 2))

    def both(lag: float) -> float:
        return math.hypot(found(lag), math.sqrt(np.mean(differences(coarse, 128.0, lag) ** 2)))

    # Errors of 1 % in the deviations, 1.5 % at the last lag (the test above), move this fit by 0.0084 at most.
    near = pytest.approx(exponent(lambda lag: continuous_deviation(HURST[kind], lag, 2.0, 512.0)), abs=0.0084)
    assert exponent(found) == near
    near = pytest.approx(exponent(lambda lag: continuous_deviation(HURST[kind], lag, 2.0, 32_768.0)), abs=0.0084)
    assert exponent(both) == near
    # With waves of any length the exponent would be Hurst's own; those beyond 32 km are missing.
    assert HURST[kind] - 0.06 < exponent(both) < HURST[kind]


@EVERY_KIND
def test_power_falls_with_the_wave_number_as_a_fractal_surface_demands(kind: str) -> None:
    for powers in powers_of(kind):
        falls = np.array(
            [powers[16, 0] / powers[32, 0], powers[0, 16] / powers[0, 32], powers[-15, 15] / powers[30, 30]]
        )
        # The mean over a square differs from the middle by p^2 / (24 m^2) for k^-p at mode m.
        exponent = 2.0 * HURST[kind] + 2.0
        assert np.log2(falls) == pytest.approx(exponent, abs=exponent**2 / (24.0 * 15.0**2) / math.log(2.0))


def test_no_wave_is_on_both_tiles() -> None:
    fine, coarse = powers_of("mare")
    assert fine[0, 0] == coarse[0, 0] == 0.0
    numbers = np.fft.fftfreq(256, 128.0)
    steepness = np.hypot(numbers[:, None], numbers)
    # A mode stands for waves half a mode away, along the diagonal of its square.
    assert steepness[coarse > 0.0].max() <= 1.0 / 512.0 + math.sqrt(0.5) / 32_768.0
    numbers = np.fft.fftfreq(512, 1.0)
    steepness = np.hypot(numbers[:, None], numbers)
    assert steepness[fine > 0.0].min() == 1.0 / 512.0
    assert steepness[fine > 0.0].max() <= 1.0 / 2.0 + math.sqrt(0.5) / 512.0
    # Both have the same density: at the border a mode of the coarse tile is one of 64 x 64 in a mode of the fine one.
    assert coarse[60, 0] * 60.0**3.52 * 64.0**2 / 64.0**3.52 == pytest.approx(fine[20, 0] * 20.0**3.52, rel=2e-3)


# Craters -----------------------------------------------------------------------------------------------------------


def small_law(diameter: float) -> float:
    """Craters per square metre wider than this [m]: 10^-1.1 D^-2, which is 794 above 10 m on a square kilometre."""
    return 794.328e-6 * (10.0 / diameter) ** 2


def large_law(count: float) -> Callable[[float], float]:
    return lambda diameter: count / 1e12 * (1000.0 / diameter) ** 1.6


FIELDS = {
    "small, mare": (KINDS["mare"].small_craters, small_law, 512.0, (4.0, 5.0, 8.0, 16.0, 32.0, 64.0, 128.0)),
    "small, highland": (KINDS["highland"].small_craters, small_law, 512.0, (4.0, 5.0, 8.0, 16.0, 32.0, 64.0, 128.0)),
    "large, mare": (KINDS["mare"].large_craters, large_law(1_400.0), 32_768.0, (512.0, 1e3, 2e3, 4e3, 8e3)),
    "large, highland": (KINDS["highland"].large_craters, large_law(30_000.0), 32_768.0, (512.0, 1e3, 2e3, 4e3, 8e3)),
}
EVERY_FIELD = pytest.mark.parametrize(("law", "wanted", "side", "edges"), FIELDS.values(), ids=list(FIELDS))


def fields(law: CraterLaw, side: float, seeds: int = 100) -> list[Array]:
    return [draw_craters(law, side, np.random.default_rng([17, seed])) for seed in range(seeds)]


@EVERY_FIELD
def test_craters_are_as_many_as_the_law_says(law: CraterLaw, wanted: Callable, side: float, edges: tuple) -> None:
    drawn = fields(law, side)
    diameters = np.concatenate([craters[:, 2] for craters in drawn])
    assert edges[0] <= diameters.min() and diameters.max() <= edges[-1]
    for low, high in pairwise(edges):
        found = int(np.sum((diameters >= low) & (diameters < high)))
        expected = (wanted(low) - wanted(high)) * side**2 * len(drawn)
        assert min(stats.poisson.cdf(found, expected), stats.poisson.sf(found - 1, expected)) > RARE, (low, high)
    # The number itself is Poisson: over many draws its variance is its mean.
    counts = np.array([len(craters) for craters in drawn])
    mean = (wanted(edges[0]) - wanted(edges[-1])) * side**2
    spread = np.sum((counts - mean) ** 2) / mean
    assert RARE < stats.chi2.cdf(spread, len(counts)) < 1.0 - RARE


@EVERY_FIELD
def test_craters_lie_anywhere_and_are_as_deep_as_fresh_to_degraded_ones(
    law: CraterLaw, wanted: Callable, side: float, edges: tuple
) -> None:
    x, y, diameter, depth = np.concatenate(fields(law, side)).T
    for values, low, high in ((x, 0.0, side), (y, 0.0, side), (depth / diameter, 0.06, 0.2)):
        assert low <= values.min() and values.max() <= high * (1.0 + 1e-12)
        assert stats.kstest(values, "uniform", args=(low, high - low)).pvalue > RARE
    for one, other in ((x, y), (x, diameter), (diameter, depth / diameter)):
        assert stats.spearmanr(one, other).pvalue > RARE


def test_a_crater_has_its_bowl_rim_and_blanket() -> None:
    diameter, depth = 100.0, 20.0  # fresh: the rim is 0.036 diameters high
    distance = np.array([0.0, 0.5, 1.0 - 1e-12, 1.0, 1.5, 2.0, 3.0, 3.5, 50.0])
    rim = 0.036 * diameter
    wanted = [rim - 20.0, rim - 15.0, rim, rim, rim / 1.5**3, rim / 8.0, 0.0, 0.0, 0.0]
    assert crater_profile(distance, depth) == pytest.approx(wanted, abs=1e-9)
    # One as degraded as at Chang'e 4 is 0.3 times as deep, and so is its rim.
    assert crater_profile(distance, 6.0) == pytest.approx(0.3 * np.array(wanted), abs=1e-9)


def test_a_blanket_falls_to_nothing_without_a_step_or_a_bend() -> None:
    distance = np.linspace(1.0, 3.5, 25_001)
    heights = crater_profile(distance, 20.0)
    slopes = np.diff(heights) / np.diff(distance)
    assert (slopes <= 0.0).all()
    # Steps of 10^-4 radii; the steepest place is the crest, 3 rim heights per radius.
    assert np.abs(np.diff(heights)).max() == pytest.approx(3.0 * 3.6e-4, rel=1e-3)
    assert np.abs(np.diff(slopes)).max() < 12.0 * 3.6 * 1.01e-4  # the second derivative of d^-3 at the crest is 12


def test_a_stamped_crater_has_its_profile_at_every_node() -> None:
    heights = stamp_craters(np.array([[30.25, 33.5, 16.0, 2.0]]), 64, 1.0)
    x, y = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    assert heights == pytest.approx(crater_profile(np.hypot(x - 30.25, y - 33.5) / 8.0, 2.0), abs=1e-12)
    assert heights.min() < -1.6 and heights.max() > 0.3


def test_a_crater_at_the_edge_goes_on_at_the_other_side() -> None:
    inside = np.array([[64.0, 70.5, 40.0, 5.0], [80.0, 20.0, 9.0, 1.0]])
    moved = inside + np.array([70.0, -90.0, 0.0, 0.0])
    moved[:, :2] %= 256.0
    wanted = np.roll(stamp_craters(inside, 128, 2.0), (35, -45), (0, 1))
    assert stamp_craters(moved, 128, 2.0) == pytest.approx(wanted, abs=1e-9)


# Tiles -------------------------------------------------------------------------------------------------------------


@EVERY_KIND
def test_tiles_are_what_they_promise_to_be(kind: str) -> None:
    for tile, (count, spacing, *_) in zip(ground_maps(kind), TILES, strict=True):
        assert tile.heights.shape == (count, count) and tile.spacing == spacing
        assert tile.heights.dtype == np.float32 and np.isfinite(tile.heights).all()
        # Rounding to float32 leaves each height wrong by 2^-24 of itself at most.
        assert abs(tile.heights.mean(dtype=np.float64)) < 2.0**-24 * np.abs(tile.heights).max()
        with pytest.raises(ValueError, match="read-only"):
            tile.heights[0, 0] = 0.0


@EVERY_KIND
def test_craters_make_the_tiles_rougher_than_their_waves(kind: str) -> None:
    for tile, powers in zip(ground_maps(kind), powers_of(kind), strict=True):
        found = np.sqrt(np.mean(np.diff(tile.heights.astype(float), axis=0) ** 2))
        assert found > 1.1 * rms_deviation(powers, tile.spacing, tile.spacing)


@EVERY_KIND
def test_tiles_join_themselves_without_a_seam(kind: str) -> None:
    for tile in ground_maps(kind):
        for heights in (tile.heights, tile.heights.T):
            inside = np.abs(np.diff(heights, axis=0))
            seam = np.abs(heights[0] - heights[-1])
            assert seam.max() <= inside.max()
            assert np.sqrt(np.mean(seam**2)) <= np.sqrt(np.mean(inside**2, axis=1)).max()


def same(one: Map, other: Map) -> bool:
    return np.array_equal(one.heights, other.heights)


def test_a_seed_makes_one_ground_and_another_seed_or_kind_another() -> None:
    first = ground_maps("mare", 1)
    again = ground_maps.__wrapped__("mare", 1)
    assert first is ground_maps("mare", 1)
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    for others in (ground_maps("mare", 2), ground_maps("highland", 1)):
        for one, other in zip(first, others, strict=True):
            # A few long waves carry most of the height, so that tiles of other seeds may agree by some tenths.
            correlation = np.corrcoef(one.heights.ravel(), other.heights.ravel())[0, 1]
            assert abs(correlation) < 0.5


@pytest.mark.parametrize(
    ("kind", "seed", "words"),
    [
        ("maria", 0, ["kind", "'maria'", "mare, highland"]),
        ("mare", -1, ["seed", "-1", "from 0 on"]),
        ("mare", 0.5, ["seed", "0.5", "whole number"]),
    ],
)
def test_an_unknown_ground_is_refused(kind: str, seed: int, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        ground_maps(kind, seed)
    for word in words:
        assert word in str(caught.value)
