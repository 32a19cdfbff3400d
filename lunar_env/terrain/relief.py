"""Procedural ground: two periodic maps for each kind of ground, whose sum is its surface.

The recipe is [P] of the missions reference, section 3: a fractional-Brownian base plus craters drawn from cumulative
laws. One spectrum, cut at a wavelength of 512 m, is shared out between a fine tile and a coarse one, so that memory
grows with the range of scales and not with its square. The tiles are periodic: the ground repeats.

What the measured laws do not fix, and what the tiles leave out:

- The spectrum ends at wavelengths of 2 m and 32.8 km. Without the longer ones the RMS deviation grows more slowly than
  the Hurst exponent says: over 4 to 128 m as L^0.75 for the mare's 0.76, as L^0.89 for the highlands' 0.95.
- Amplitudes are exact and only phases are random: every tile has the RMS deviation of the law, not just their mean.
- Between points that are a multiple of 512 m apart along an axis the fine tile adds no difference, for it repeats.
- The measured slopes contain craters. Here craters come on top, which makes the sum steeper than the fractal part.
- No craters of 128 m to 512 m: neither law holds there.
- Craters add up. A real one wipes out what it falls on, so steep walls are overstated where craters overlap.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BASELINE = 17.0  # [m] of the median slopes
MEDIAN_OVER_RMS = 0.67449  # median |z| of a standard normal z

FINE_NODES, FINE_SPACING = 512, 1.0  # [-], [m]
COARSE_NODES, COARSE_SPACING = 256, 128.0
SHORTEST = 2.0  # [m] wavelength: two nodes of the fine tile
BORDER = FINE_NODES * FINE_SPACING  # [m] wavelength that parts the tiles: the longest that the fine one holds
LONGEST = COARSE_NODES * COARSE_SPACING  # [m] wavelength

FRESH_DEPTH = 0.2  # [-] depth over diameter [R]
DEGRADED_DEPTH = 0.06  # [-] as at the landing site of Chang'e 4 [V2: WU21]
RIM_OVER_DEPTH = 0.036 / FRESH_DEPTH  # [-] rim height 0.036 D when fresh [R]; sinks with the depth (assumed)
BLANKET = 3.0  # [-] crater radii at which the ejecta blanket ends


@dataclass(frozen=True, eq=False)
class Map:
    """Heights on a square grid.

    Attributes:
        heights: (n, m) float32 [m]. Node (i, j) stands at x = i * spacing, y = j * spacing. In a tile n = m is a power
            of two and node n is node 0 again, in both directions.
        spacing: [m] between neighbouring nodes.
    """

    heights: NDArray[np.float32]
    spacing: float


@dataclass(frozen=True)
class CraterLaw:
    """How many craters lie on a square metre: N(>D) = coefficient * D^-exponent, D in metres."""

    coefficient: float
    exponent: float
    smallest: float  # [m] diameter
    largest: float  # [m] diameter

    def density(self, diameter: float) -> float:
        """Craters per square metre that are wider than this diameter [m], as if the law had no upper end."""
        return self.coefficient * diameter**-self.exponent


@dataclass(frozen=True)
class Ground:
    """A kind of ground, by its statistics."""

    slope: float  # [rad] median absolute slope of a profile over BASELINE
    hurst: float  # [-] RMS deviation grows as baseline^hurst
    small_craters: CraterLaw  # on the fine tile
    large_craters: CraterLaw  # on the coarse tile


def _large_craters(count: float) -> CraterLaw:
    """N = count * D^-1.6 per 10^6 km^2 with D in km [V2, old statistic], in metres."""
    return CraterLaw(count * 1e-12 * 1e3**1.6, 1.6, 512.0, 8_000.0)


TRASK = CraterLaw(10**-1.1, 2.0, 4.0, 128.0)  # [R] small craters in equilibrium, on old ground of any kind

KINDS = {  # slopes and Hurst exponents [R: Rosenburg et al. 2011]
    "mare": Ground(math.radians(2.0), 0.76, TRASK, _large_craters(1_400.0)),
    "highland": Ground(math.radians(7.5), 0.95, TRASK, _large_craters(30_000.0)),
}


@functools.cache
def ground_maps(kind: str, seed: int = 0) -> tuple[Map, Map]:
    """The fine and the coarse tile of a kind of ground; the ground's height is the sum of both.

    A pure function of its arguments; kept, so a second call costs nothing. The heights are read-only.

    Args:
        kind: a name in KINDS.
        seed: a whole number from 0 on.

    Returns:
        Fine tile, 512 x 512 at 1 m, and coarse tile, 256 x 256 at 128 m; each with a mean of zero.

    Raises:
        ValueError: the kind is unknown, or the seed no whole number from 0 on.
    """
    if kind not in KINDS:
        raise ValueError(f"the kind of ground must be one of {', '.join(KINDS)}, got {kind!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"the seed of the ground must be a whole number from 0 on, got {seed!r}")
    ground = KINDS[kind]
    fine, coarse = spectra(ground)
    key = [seed, list(KINDS).index(kind)]
    return (
        _tile(fine, FINE_SPACING, ground.small_craters, np.random.default_rng([*key, 0])),
        _tile(coarse, COARSE_SPACING, ground.large_craters, np.random.default_rng([*key, 1])),
    )


def _tile(powers: Array, spacing: float, law: CraterLaw, generator: np.random.Generator) -> Map:
    count = len(powers)
    heights = fractal(powers, generator)
    heights += stamp_craters(draw_craters(law, count * spacing, generator), count, spacing)
    heights -= heights.mean()
    flat = heights.astype(np.float32)
    flat.flags.writeable = False  # it is shared by all who ask
    return Map(flat, spacing)


def spectra(ground: Ground) -> tuple[Array, Array]:
    """Powers of the modes of the fractal part, on the fine tile (512, 512) and on the coarse one (256, 256).

    Both have one density in proportion to k^-(2 hurst + 2). Its size makes the median |slope| over BASELINE, which is
    MEDIAN_OVER_RMS times the RMS slope of a Gaussian surface, that of the ground.

    Returns:
        Two arrays [m^2] in the order of a discrete Fourier transform; their sums are the variances of the heights.
    """
    fine = mode_powers(FINE_NODES, FINE_SPACING, ground.hurst, SHORTEST, BORDER)
    coarse = mode_powers(COARSE_NODES, COARSE_SPACING, ground.hurst, BORDER, LONGEST)
    found = rms_deviation(fine, FINE_SPACING, BASELINE) ** 2 + rms_deviation(coarse, COARSE_SPACING, BASELINE) ** 2
    wanted = (BASELINE * math.tan(ground.slope) / MEDIAN_OVER_RMS) ** 2
    return fine * (wanted / found), coarse * (wanted / found)


def mode_powers(count: int, spacing: float, hurst: float, shortest: float, longest: float) -> Array:
    """Powers (count, count) of the modes of a tile whose density is k^-(2 hurst + 2), k in cycles per metre.

    A mode stands for the square of wave vectors nearest to it, cut where the wavelength leaves [shortest, longest] [m].
    Its power is the mean over 10 x 10 points of the square, for the density falls by a factor of many across the
    squares of the longest waves, and the cut runs through them. Against a continuum of waves, the variance is right
    to 1 % and so is the RMS deviation over less than a quarter of the tile; up to half of it, to 1.5 %. A mode whose
    square the cut divides may itself lie just outside the band.
    """
    points = (np.arange(10) + 0.5) / 10 - 0.5
    line = (np.arange(count // 2 + 1)[:, None] + points).ravel() / (count * spacing)
    squared = line[:, None] ** 2 + line**2
    inside = (squared >= longest**-2) & (squared <= shortest**-2)
    density = np.where(inside, squared, np.inf) ** -(hurst + 1.0)
    quadrant = density.reshape(count // 2 + 1, 10, count // 2 + 1, 10).mean((1, 3))
    order = np.abs(np.fft.fftfreq(count, 1.0 / count)).astype(int)
    return quadrant[np.ix_(order, order)] / (count * spacing) ** 2


def rms_deviation(powers: Array, spacing: float, baseline: float) -> float:
    """Exact sqrt(mean (h(x + baseline) - h(x))^2) [m] of a tile with these mode powers, along either axis."""
    frequencies = np.fft.fftfreq(len(powers), spacing)
    return math.sqrt(2.0 * powers.sum(1) @ (1.0 - np.cos(2.0 * np.pi * baseline * frequencies)))


def fractal(powers: Array, generator: np.random.Generator) -> Array:
    """Heights (n, n) [m] of a periodic tile whose modes have exactly these powers (n, n) [m^2] and random phases."""
    waves = np.fft.rfft2(generator.standard_normal(powers.shape))
    waves *= np.sqrt(powers[:, : waves.shape[1]]) / np.abs(waves)
    return np.fft.irfft2(waves, powers.shape) * powers.size


def draw_craters(law: CraterLaw, side: float, generator: np.random.Generator) -> Array:
    """Craters on a square of this side [m], as rows (x, y, diameter, depth) [m].

    Their number is Poisson with the law's expectation, the places are uniform, the diameters follow the law between
    its ends, and depth over diameter is uniform between DEGRADED_DEPTH and FRESH_DEPTH (assumed).
    """
    most, least = law.density(law.smallest), law.density(law.largest)
    count = generator.poisson((most - least) * side**2)
    x, y = generator.uniform(0.0, side, (2, count))
    diameter = (generator.uniform(least, most, count) / law.coefficient) ** (-1.0 / law.exponent)
    depth = diameter * generator.uniform(DEGRADED_DEPTH, FRESH_DEPTH, count)
    return np.stack([x, y, diameter, depth], 1)


def crater_profile(distance: Array, depth: float) -> Array:
    """Height [m] of a crater over the ground around it, at distances in radii of its rim.

    A parabolic bowl, this deep [m] below the rim's crest. Outside, ejecta that fall as distance^-3 and fade out between
    two radii and BLANKET. Height is continuous everywhere, slope everywhere but at the crest.
    """
    rim = RIM_OVER_DEPTH * depth
    fade = np.clip(BLANKET - distance, 0.0, 1.0)
    ejecta = rim * np.maximum(distance, 1.0) ** -3 * fade * fade * (3.0 - 2.0 * fade)
    return np.where(distance < 1.0, rim + depth * (distance * distance - 1.0), ejecta)


def stamp_craters(craters: Array, count: int, spacing: float) -> Array:
    """Heights (count, count) [m] of craters (x, y, diameter, depth) on a flat periodic tile; overlapping ones add up.

    A blanket, three diameters wide, must be narrower than the tile, or part of it is lost.
    """
    heights = np.zeros((count, count))
    for x, y, diameter, depth in craters:
        radius = 0.5 * diameter
        i, j = (
            np.arange(math.ceil((at - BLANKET * radius) / spacing), math.floor((at + BLANKET * radius) / spacing) + 1)
            for at in (x, y)
        )
        distance = np.sqrt((i[:, None] * spacing - x) ** 2 + (j * spacing - y) ** 2) / radius
        heights[np.ix_(i % count, j % count)] += crater_profile(distance, depth)
    return heights
