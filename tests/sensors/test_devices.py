"""Range finders as devices: heads of several beams, lists of several instruments, and each told from the other.

Statistics are of fixed seeds; their bounds are those that one honest run in 10,000 would break.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from helpers import FLAT, RARE, is_share, same_bits
from scipy import stats
from scipy.spatial.transform import Rotation

from lunar_env import Descent, Range, Scenario, load_scenario
from lunar_env.changes import from_dict
from lunar_env.faults.kinds import with_fault
from lunar_env.sensors.devices import (
    APOLLO_LANDING_RADAR,
    NAVIGATION_DOPPLER_LIDAR,
    RANGE_FINDERS,
    SERIES_1_LASER,
    SLIM_PULSE_RADAR,
    TEAMINDUS_SHORT_RANGE_LASER,
    find_device,
)
from lunar_env.sensors.range_finder import RangeFinder

TICK = 0.1  # [s]
ROUNDING = 2.0**-24  # of one operation in float32, relative
READING = ("range", "speed", "valid", "sample_tick", "range_tick", "sample_number")

LASER = RangeFinder("laser", delay=0.0, maximum_range=1e6, detection_width=0.0)  # perfect and prompt
SEVERAL = (SERIES_1_LASER, NAVIGATION_DOPPLER_LIDAR, replace(TEAMINDUS_SHORT_RANGE_LASER, beams=2, half_angle=0.3))

HANGING = dict(moon__surface_gravity=0.0)  # without weight and thrust it stays where and how it is put


def flown_by(*finders: Any, **changes: Any) -> Scenario:
    """A vehicle under direct control with these instruments, on a flat Moon. Two underscores stand for a dot."""
    vehicle = {"control": "body", "engine.minimum_throttle": 0.0, "gear.centre_height": 1.0, "start.descent_rate": 0.0}
    place = {"moon.radius": FLAT, "ceiling": 1e6, "extent": 1e6, "time_limit": 1000.0, "decision_period": TICK}
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return load_scenario("vertical", sensors=finders, **vehicle | place | changed)


def column(descent: Descent, name: str) -> np.ndarray:
    return descent.state[name].double().numpy()


def advance(descent: Descent, ticks: int = 1) -> None:
    """Fly on without thrust or torque."""
    descent.actions.copy_(torch.tensor([-1.0, 0.0, 0.0, 0.0]).expand_as(descent.actions))
    for _ in range(ticks):
        descent.advance()


def watch(scenario: Scenario, landers: int, ticks: int, seed: int = 0) -> dict[str, np.ndarray]:
    """What each instrument shows after each tick, by names such as "laser.range": (ticks, landers[, beams])."""
    descent = Descent(scenario, landers, seed=seed)
    names = [f"{finder.name}.{quantity}" for finder in scenario.sensors for quantity in READING]
    shown: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for _ in range(ticks):
        advance(descent)
        for name in names:
            shown[name].append(column(descent, name))
    assert not descent.state["episode.episode"].any()  # or else a next one began
    return {name: np.array(values) for name, values in shown.items()}


def has_variance(noise: np.ndarray, spread: np.ndarray | float) -> bool:
    """Whether the sum of squares of normal noise lies where its chi-square puts all but ``RARE`` of its weight."""
    low, high = stats.chi2.interval(1.0 - RARE, noise.size)
    return bool(low < np.sum((noise / spread) ** 2) < high)


def independent(columns: Sequence[np.ndarray]) -> bool:
    """Whether neither the columns nor their squares about the mean go together, whichever two are taken."""
    centred = [one - one.mean() for one in columns]
    found = [stats.pearsonr(a**p, b**p).pvalue for a, b in combinations(centred, 2) for p in (1, 2)]
    return bool(min(found) > RARE / len(found))


# Beams ------------------------------------------------------------------------------------------------------------


def turn_about(axis: Sequence[float], angle: np.ndarray | float) -> Rotation:
    """Rotations by angles [rad], or one by an angle, about an axis."""
    return Rotation.from_rotvec(np.multiply.outer(angle, np.asarray(axis, dtype=float)))


def beams_of(descent: Descent, finder: RangeFinder) -> np.ndarray:
    """Directions (landers, beams, 3) of an instrument's beams in the site frame, by textbook rotations."""
    attitude = Rotation.from_quat(column(descent, "motion.attitude"))
    towards_x = turn_about([0.0, -1.0, 0.0], column(descent, f"drawn.{finder.name}.cant"))  # takes -z to +x
    tilted = turn_about([0.0, -1.0, 0.0], finder.half_angle).apply([0.0, 0.0, -1.0])
    found = []
    for beam in range(finder.beams):
        around = turn_about([0.0, 0.0, 1.0], finder.azimuth + 2.0 * np.pi * beam / finder.beams)
        found.append((attitude * towards_x).apply(around.apply(tilted)))
    return np.stack(found, axis=1)


def leaning(scenario: Scenario, landers: int, most: float) -> tuple[Descent, np.ndarray]:
    """Landers leaning by up to ``most`` [rad] any way and turned about their axis, after a look; their beams' origins.

    The origins are (landers, 1, 3), at the footpads' level below the centre of mass.
    """
    descent = Descent(scenario, landers)
    generator = np.random.default_rng(1)
    way, angle, turn = (generator.uniform(0.0, top, landers) for top in (2.0 * np.pi, most, 2.0 * np.pi))
    lean = Rotation.from_rotvec(np.stack([np.cos(way) * angle, np.sin(way) * angle, 0.0 * way], axis=1))
    attitude = lean * turn_about([0.0, 0.0, 1.0], turn)
    descent.state["motion.attitude"] = torch.tensor(attitude.as_quat())
    advance(descent)
    feet = Rotation.from_quat(column(descent, "motion.attitude")).apply([0.0, 0.0, -1.0])
    return descent, (column(descent, "motion.position") + feet)[:, None]


def of_all_beams(descent: Descent, name: str, quantity: str) -> np.ndarray:
    """A quantity of an instrument's beams (landers, beams), also where there is only one beam."""
    return column(descent, f"{name}.{quantity}").reshape(descent.num_envs, -1)


HEADS = [
    replace(LASER, cant=0.4),
    replace(LASER, beams=2, half_angle=0.5),
    replace(LASER, beams=3, half_angle=np.radians(22.5), doppler=True, azimuth=0.7),
    replace(LASER, beams=4, half_angle=np.radians(20.0), azimuth=np.pi / 4.0, cant=np.radians(-24.0), doppler=True),
    replace(LASER, beams=5, half_angle=0.2, azimuth=-2.0, cant=Range(-0.4, 0.4)),
]
EACH_HEAD = pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.beams} beams")


@EACH_HEAD
def test_over_a_plane_the_range_of_each_beam_is_the_height_over_its_cosine(head: RangeFinder) -> None:
    descent, origin = leaning(flown_by(head, **HANGING, start__altitude=Range(10.0, 9_000.0)), 500, 0.5)
    cosine = -beams_of(descent, head)[..., 2]
    assert cosine.min() > 0.15
    assert of_all_beams(descent, "laser", "valid").all()
    assert len({round(share, 9) for share in cosine[0]}) == head.beams  # no two of them the same
    # A cosine is a sum of products of numbers of size one, so known to a few roundings of one, not of itself.
    wrong = of_all_beams(descent, "laser", "range") * cosine / origin[..., 2] - 1.0
    assert np.abs(wrong * cosine).max() < 8 * ROUNDING


@EACH_HEAD
def test_over_a_slope_each_beam_ends_on_the_slope(head: RangeFinder) -> None:
    slope = dict(terrain__slope=Range(0.0, 0.2), terrain__slope_direction=Range(0.0, 6.28), terrain__levelling=1e6)
    descent, origin = leaning(flown_by(head, **HANGING, **slope, start__altitude=Range(50.0, 500.0)), 500, 0.3)
    rise, uphill = np.tan(column(descent, "drawn.terrain.slope")), column(descent, "drawn.terrain.slope_direction")
    normal = np.stack([-rise * np.cos(uphill), -rise * np.sin(uphill), np.ones_like(rise)], axis=1)[:, None]
    beam = beams_of(descent, head)
    closing_in = -np.sum(beam * normal, axis=-1)
    assert closing_in.min() > 0.15
    wanted = np.sum(origin * normal, axis=-1) / closing_in
    # As over the plane; and the plane levels off as (x / 10^6 m)^2: by 1e-6 of its height a kilometre from the pad.
    wrong = of_all_beams(descent, "laser", "range") / wanted - 1.0
    assert np.abs(wrong * closing_in).max() < 1e-6


@EACH_HEAD
def test_the_closing_speed_of_a_beam_is_the_velocity_along_it(head: RangeFinder) -> None:
    speeds = dict(start__speed=Range(-80.0, 300.0), start__cross_speed=Range(-50.0, 50.0))
    speeds |= dict(start__descent_rate=Range(-20.0, 100.0), start__altitude=5_000.0)
    descent, _ = leaning(flown_by(replace(head, doppler=True), **HANGING, **speeds), 500, 0.5)
    wanted = np.einsum("nbi,ni->nb", beams_of(descent, head), column(descent, "motion.velocity"))
    assert (wanted < 0.0).any() and (wanted > 0.0).any()  # some go away
    # Three products of up to 300 m/s with a direction that is known to a few roundings of one.
    assert np.abs(of_all_beams(descent, "laser", "speed") - wanted).max() < 8 * ROUNDING * 300.0


def test_three_doppler_beams_give_the_velocity_back() -> None:
    lidar = replace(NAVIGATION_DOPPLER_LIDAR, delay=0.0, speed_noise=0.0, maximum_range=1e6, detection_width=0.0)
    speeds = dict(start__speed=Range(-80.0, 100.0), start__cross_speed=Range(-50.0, 50.0))
    scenario = flown_by(lidar, **HANGING, **speeds, start__descent_rate=Range(-20.0, 100.0), start__altitude=3_000.0)
    descent, _ = leaning(scenario, 300, 0.7)
    beams, speeds_seen = beams_of(descent, lidar), column(descent, "doppler_lidar.speed")
    solved = np.array(
        [np.linalg.lstsq(beam, speed, rcond=None)[0] for beam, speed in zip(beams, speeds_seen, strict=True)]
    )
    # The beams stand 22.5 degrees about their axis: errors across it grow by 1 / sin(22.5 degrees) = 2.6.
    assert np.abs(solved - column(descent, "motion.velocity")).max() < 2.6 * 8 * ROUNDING * 100.0


def test_a_device_takes_no_closing_speed_unless_it_is_a_doppler_one_but_loses_returns_to_it_all_the_same() -> None:
    slow = replace(LASER, beams=2, half_angle=0.3, closing_speed=50.0)
    seen = watch(flown_by(slow, **HANGING, start__altitude=900.0, start__descent_rate=40.0), 5_000, 1)
    for beam in range(2):
        assert is_share(seen["laser.valid"][0, :, beam].sum(), 5_000, np.exp(-40.0 * np.cos(0.3) / 50.0))
    assert not any("speed" in channel.name for channel in flown_by(slow).observation_table().channels[:6])


def test_a_beam_that_misses_the_ground_returns_nothing_while_its_siblings_do() -> None:
    # Leaning by 0.9 rad towards +x the beams of a cone of 0.8 rad are 1.7 rad and 0.1 rad from straight down, and
    # the two across at acos(cos(0.8) cos(0.9)) = 1.12 rad.
    head = replace(LASER, beams=4, half_angle=0.8, doppler=True, maximum_range=10_000.0)
    scenario = flown_by(head, **HANGING, start__altitude=100.0, start__tilt=-0.9)
    descent = Descent(scenario, 1)
    advance(descent, 3)
    away = np.arccos(-beams_of(descent, head)[0, :, 2])
    assert sorted(np.round(away, 2)) == [0.1, 1.12, 1.12, 1.7]
    returned = away < 1.5
    assert np.array_equal(column(descent, "laser.valid")[0] > 0.5, returned)
    assert (column(descent, "laser.range")[0, ~returned] == 10_000.0).all()  # the gate's upper end, as before any
    assert np.array_equal(column(descent, "laser.range_tick")[0], np.where(returned, 3.0, 0.0))
    assert (column(descent, "laser.sample_tick")[0] == 3.0).all()


def test_a_beam_beyond_its_reach_returns_nothing_while_its_siblings_do() -> None:
    # A hard edge at 1000 m on reference ground, where the reach shrinks with the root of the incidence's cosine.
    head = replace(LASER, beams=4, half_angle=0.5, maximum_range=1_000.0)
    descent, origin = leaning(flown_by(head, **HANGING, start__altitude=Range(300.0, 900.0)), 1_000, 0.3)
    cosine = -beams_of(descent, head)[..., 2]
    margin = 1_000.0 * np.sqrt(cosine) - origin[..., 2] / cosine
    clear = np.abs(margin) > 0.01  # [m]
    assert clear.sum() > 3_990
    assert np.array_equal((column(descent, "laser.valid") > 0.5)[clear], (margin > 0.0)[clear])
    assert np.any((margin > 0.0).any(axis=1) & (margin < 0.0).any(axis=1))


# Noise ------------------------------------------------------------------------------------------------------------


def test_no_beams_noise_tells_anothers_nor_its_own_a_tick_later_nor_a_speeds_a_ranges() -> None:
    noisy = replace(LASER, beams=3, half_angle=0.2, doppler=True, noise=0.5, speed_noise=0.1)
    finders = (noisy, replace(noisy, name="radar", beams=2), replace(noisy, name="lidar", beams=1))
    seen = watch(flown_by(*finders, **HANGING, start__altitude=500.0), 4_000, 2)
    tables = [seen[f"{finder.name}.{quantity}"] for finder in finders for quantity in ("range", "speed")]
    columns = [one for table in tables for tick in table for one in tick.reshape(4_000, -1).T]
    assert len(columns) == 2 * 2 * (3 + 2 + 1)
    assert independent(columns)


def test_each_beam_is_detected_or_not_by_a_chance_of_its_own() -> None:
    # At half detection, on ground so dark that the gate is twice as far as the reach R_max sqrt(A cos(i) / 0.12).
    cone = replace(LASER, beams=3, half_angle=0.3, maximum_range=2_000.0 / np.cos(0.3) ** 1.5, detection_width=0.1)
    radar = replace(cone, name="radar", beams=1, half_angle=0.0, cant=0.3)
    seen = watch(flown_by(cone, radar, **HANGING, terrain__albedo=0.03, start__altitude=1_000.0), 4_000, 1)
    valid = [*seen["laser.valid"][0].T, seen["radar.valid"][0]]
    assert all(is_share(one.sum(), 4_000, 0.5) for one in valid)
    assert all(is_share((one * other).sum(), 4_000, 0.25) for one, other in combinations(valid, 2))


def test_doppler_noise_is_normal_with_its_variance_and_leaves_the_range_alone() -> None:
    lidar = replace(LASER, beams=3, half_angle=np.radians(22.5), doppler=True, speed_noise=0.02)
    falling = dict(**HANGING, start__altitude=3_000.0, start__descent_rate=30.0)
    noisy, clean = (watch(flown_by(one, **falling), 4_000, 1) for one in (lidar, replace(lidar, speed_noise=0.0)))
    for beam in range(3):
        error = noisy["laser.speed"][0, :, beam] - 30.0 * np.cos(np.radians(22.5))
        assert has_variance(error, 0.02)
        assert stats.kstest(error / 0.02, "norm").pvalue > RARE
    assert np.array_equal(noisy["laser.range"], clean["laser.range"])


@pytest.mark.parametrize("device", [SERIES_1_LASER, APOLLO_LANDING_RADAR, SLIM_PULSE_RADAR], ids=lambda d: d.name)
def test_a_devices_noise_has_its_variance_at_every_range(device: RangeFinder) -> None:
    prompt = replace(device, period=TICK, delay=0.0, jitter=0.0, scale=1.0, resolution=0.0, minimum_range=0.0)
    alone = replace(prompt, maximum_range=1e6, detection_width=0.0, closing_speed=1e12)
    place = dict(**HANGING, start__altitude=Range(20.0, 9_000.0, log=True))
    descent, origin = leaning(flown_by(alone, **place), 6_000, 0.3)
    slant = origin[..., 2] / -beams_of(descent, alone)[..., 2]
    noise = of_all_beams(descent, device.name, "range") - slant
    spread = device.noise + device.noise_growth * slant
    edges = [30.0, 100.0, 300.0, 1_000.0, 3_000.0, 9_000.0]
    for near, far in pairwise(edges):
        here = (slant > near) & (slant <= far)
        assert here.sum() > 700
        assert has_variance(noise[here], spread[here])
        assert abs(noise[here].mean()) < stats.norm.isf(RARE / 2) * np.sqrt(np.mean(spread[here] ** 2) / here.sum())


# Clocks and delays ------------------------------------------------------------------------------------------------

FALL = dict(**HANGING, start__altitude=5_000.0, start__descent_rate=30.0)
CONE = replace(LASER, name="cone", beams=3, half_angle=0.3, doppler=True)


def test_two_instruments_keep_their_own_periods_and_delays_to_the_tick() -> None:
    late, slow = replace(LASER, name="late", delay=0.3), replace(CONE, name="slow", period=0.4, delay=0.2)
    seen = watch(flown_by(late, slow, LASER, CONE, **FALL), 800, 60)
    now = np.arange(1, 61)[:, None]
    assert np.array_equal(seen["late.sample_tick"][3:], np.broadcast_to(now[3:] - 3, (57, 800)))
    assert np.array_equal(seen["late.range"][3:], seen["laser.range"][:-3])
    assert (seen["late.sample_number"][:3] == -1).all()

    ticks = seen["slow.sample_tick"][8:, :, 0]
    taken = [np.unique(ticks[:, row]) for row in range(800)]
    assert all((np.diff(one) == 4).all() for one in taken)
    assert set((now[8:] - ticks).ravel()) == {2, 3, 4, 5}
    phases = np.array([one[0] % 4 for one in taken])
    assert all(is_share(np.sum(phases == phase), 800, 0.25) for phase in range(4))
    # What it shows is, beam for beam, the truth of the tick that it names.
    behind, rows = ticks.astype(int) - 1, np.arange(800)
    for quantity in ("range", "speed"):
        assert np.array_equal(seen[f"slow.{quantity}"][8:], seen[f"cone.{quantity}"][behind, rows])


def test_two_slow_instruments_sample_each_at_a_phase_of_its_own() -> None:
    slow = replace(CONE, period=0.4)
    seen = watch(flown_by(slow, replace(slow, name="other", beams=2), **FALL), 2_000, 8)
    phases = [seen[f"{name}.sample_tick"][-1, :, 0] % 4 for name in ("cone", "other")]
    assert all(is_share(np.sum(phases[0] - phases[1] == ahead), 2_000, 1.0 / 4.0 - abs(ahead) / 16.0)
               for ahead in range(-3, 4))  # fmt: skip


def test_each_instrument_draws_its_delay_for_the_episode() -> None:
    finders = [replace(CONE, delay=Range(0.1, 0.5)), replace(LASER, delay=Range(0.2, 0.7))]
    scenario = flown_by(*finders, **FALL)
    seen, drawn = watch(scenario, 1_000, 30), Descent(scenario, 1_000)
    delays = [np.rint(column(drawn, f"drawn.{name}.delay") / TICK) for name in ("cone", "laser")]
    assert [sorted(set(delay)) for delay in delays] == [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7]]
    assert stats.pearsonr(*delays).pvalue > RARE
    age = np.arange(1, 31)[:, None] - seen["laser.sample_tick"]
    assert np.array_equal(age[7:], np.broadcast_to(delays[1], (23, 1_000)))
    age = np.arange(1, 31)[:, None, None] - seen["cone.sample_tick"]
    assert np.array_equal(age[7:], np.broadcast_to(delays[0][:, None], (23, 1_000, 3)))


def test_the_beams_of_an_instrument_arrive_together_whatever_the_jitter_and_two_instruments_do_not() -> None:
    jittery = replace(CONE, delay=0.1, jitter=0.4)
    scenario = flown_by(replace(jittery, name="first"), replace(jittery, name="second", beams=2), LASER, **FALL)
    seen = watch(scenario, 2_000, 40)
    first, second = (seen[f"{name}.sample_tick"] for name in ("first", "second"))
    for ticks in (first, second):
        assert np.array_equal(ticks, np.broadcast_to(ticks[..., :1], ticks.shape))
        assert (np.diff(ticks, axis=0) >= 0).all()
    age = 40 - first[-1, :, 0]
    # The newest is k ticks later than it may be if those taken after it take longer, and it does not.
    share = [0.2, 0.8 * 0.4, 0.8 * 0.6 * 0.6, 0.8 * 0.6 * 0.4 * 0.8, 0.8 * 0.6 * 0.4 * 0.2]
    assert all(is_share(np.sum(age == 1 + k), 2_000, chance) for k, chance in enumerate(share))
    assert is_share(np.sum(first[-1, :, 0] == second[-1, :, 0]), 2_000, float(np.sum(np.square(share))))


# One beside the other ---------------------------------------------------------------------------------------------

FAULTS: dict[str, dict[str, Any]] = {  # of the altimeter, each made to show itself on the last 30 m
    "late_acquisition": {"altitude": 10.0}, "delayed_readings": {"delay": 1.0}, "detection_loss": {"slowness": 0.5},
    "noise_burst": {"excess": 9.0}, "ranging_loss": {"loss": 0.5}, "missing_flag": {"share": 0.5},
    "range_bias": {"step": 5.0}, "outliers": {"share": 0.1}, "frozen_reading": {"share": 0.5},
    "range_ambiguity": {"interval": 10.0}, "dust": {"height": 20.0}, "dropout": {"loss": 0.5},
}  # fmt: skip


def all_faults(**shared: Any) -> dict[str, Any]:
    faults = [with_fault(name, **numbers, **shared) for name, numbers in FAULTS.items()]
    return {path: value for fault in faults for path, value in fault.items()}


def low(*finders: Any, **changes: Any) -> Scenario:
    """The last 30 m with delay, drift, slope and tilt, and with these instruments. No fault."""
    start = {"start.altitude": Range(5.0, 30.0), "start.distance": Range(-50.0, 50.0), "start.cross_distance": 0.0}
    start |= {"start.speed": Range(0.0, 2.0), "start.cross_speed": 0.0, "start.descent_rate": Range(1.0, 3.0)}
    start |= {"start.tilt": Range(-0.1, 0.1), "start.throttle": 0.5, "decision_period": 0.2}
    no_fault = {"faults.late_acquisition.probability": 0.0}
    return load_scenario("resilience", sensors=finders, **{**start, **no_fault, **changes})


def actions_of(descent: Descent, step: int, first_lander: int = 0) -> torch.Tensor:
    """Actions that depend on the lander's number and the step only."""
    lander = first_lander + np.arange(descent.num_envs)[:, None]
    wave = np.sin(1.7 * lander + 0.9 * step + 2.1 * np.arange(descent.action_size))
    return torch.from_numpy(wave.astype(np.float32))


def recorded(scenario: Scenario, *names: str, landers: int = 64, decisions: int = 60) -> dict[str, torch.Tensor]:
    """Quantities over some decisions, bit for bit: names to (decisions + 1, landers, ...)."""
    descent = Descent(scenario, landers, seed=5, autoreset="disabled")
    shown = [[descent.state[name].clone()] for name in names]
    for step in range(decisions):
        descent.actions.copy_(actions_of(descent, step))
        descent.advance()
        for name, values in zip(names, shown, strict=True):
            values.append(descent.state[name].clone())
    return {name: torch.stack(values).view(torch.int32) for name, values in zip(names, shown, strict=True)}


@pytest.mark.parametrize("first", [SERIES_1_LASER, replace(NAVIGATION_DOPPLER_LIDAR, name="altimeter")])
@pytest.mark.parametrize(
    "others", [(NAVIGATION_DOPPLER_LIDAR,), (APOLLO_LANDING_RADAR, TEAMINDUS_SHORT_RANGE_LASER)], ids=len
)
def test_the_first_instruments_readings_are_the_same_whatever_comes_after_it(
    first: RangeFinder, others: tuple[RangeFinder, ...]
) -> None:
    busy = replace(first, period=0.2, jitter=0.3, delay=Range(0.1, 0.7), noise=Range(0.5, 1.0))
    names = [f"altimeter.{quantity}" for quantity in READING] + ["drawn.altimeter.noise", "drawn.altimeter.delay"]
    names += ["motion.position", "belief.velocity_error"]
    alone, among = (
        recorded(low(*finders, **all_faults(probability=0.5)), *names) for finders in ((busy,), (busy, *others))
    )
    for name, values in alone.items():
        assert torch.equal(values, among[name]), name
    assert alone["altimeter.sample_number"][-1].min() > 0


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("spared_first", [True, False])
def test_an_instrument_without_faults_is_spared_from_each_and_the_other_suffers(name: str, spared_first: bool) -> None:
    spared = replace(NAVIGATION_DOPPLER_LIDAR, name="spared", faulty=False, jitter=0.2)
    struck = replace(spared, name="struck", faulty=True)
    finders = (spared, struck) if spared_first else (struck, spared)
    names = [f"{finder.name}.{quantity}" for finder in finders for quantity in READING]
    sound, faulty = (recorded(low(*finders, **changes), *names) for changes in ({}, with_fault(name, **FAULTS[name])))
    changed = {path for path in names if not torch.equal(sound[path], faulty[path])}
    assert changed
    assert all(path.startswith("struck.") for path in changed)


def test_faults_hit_the_beams_of_an_instrument_one_by_one() -> None:
    # A lost or a frozen sample is one beam's; a window and a height count for all of them alike.
    losing = low(CONE, **with_fault("dropout", loss=0.5))
    valid = recorded(losing, "cone.valid", decisions=1)["cone.valid"][1].view(torch.float32)
    assert is_share(float(valid.sum()), 3 * 64, 0.5)
    assert {int(count) for count in valid.sum(dim=1)} == {0, 1, 2, 3}
    freezing = low(CONE, **with_fault("frozen_reading", share=0.5), decision_period=TICK)
    ranges = recorded(freezing, "cone.range", decisions=2)["cone.range"]
    same = (ranges[2] == ranges[1]).float()
    assert is_share(float(same.sum()), 3 * 64, 0.5)
    assert {int(count) for count in same.sum(dim=1)} == {0, 1, 2, 3}
    blind = low(CONE, **with_fault("late_acquisition", altitude=10.0))
    columns = recorded(blind, "cone.valid", "record.height", decisions=1)
    below = columns["record.height"][1].view(torch.float32) <= 10.0
    assert 0 < below.sum() < 64
    assert torch.equal(columns["cone.valid"][1].view(torch.float32) > 0.5, below[:, None].expand(64, 3))


def test_the_drawn_numbers_of_each_instrument_stand_under_its_name_and_act_on_it_alone() -> None:
    one = replace(LASER, bias=Range(-9.0, -3.0), scale=Range(0.95, 1.05))
    two = replace(CONE, bias=Range(3.0, 9.0), scale=Range(0.8, 1.2), cant=Range(-0.2, 0.2))
    descent, origin = leaning(flown_by(one, two, **HANGING, start__altitude=Range(100.0, 900.0)), 500, 0.3)
    drawn = {f"{finder.name}.{key}": column(descent, f"drawn.{finder.name}.{key}")
             for finder in (one, two) for key in ("bias", "scale", "cant")}  # fmt: skip
    for path, values in drawn.items():
        name, key = path.split(".")
        number = getattr(descent.scenario.sensor(name), key)
        ends = (number.low, number.high) if isinstance(number, Range) else (number, number)
        assert np.float32(ends[0]) <= values.min() and values.max() <= np.float32(ends[1])
        if isinstance(number, Range):
            assert stats.kstest(values, "uniform", (ends[0], ends[1] - ends[0])).pvalue > RARE
    assert independent([values for values in drawn.values() if values.std() > 0.0])
    for finder in (one, two):
        slant = origin[..., 2] / -beams_of(descent, finder)[..., 2]
        wanted = slant * drawn[f"{finder.name}.scale"][:, None] + drawn[f"{finder.name}.bias"][:, None]
        ranges = of_all_beams(descent, finder.name, "range")
        assert (
            np.abs(ranges / wanted - 1.0).max() < 2e-6
        )  # 8 roundings over a cosine of 0.7, and over a share lost to bias


def test_each_beam_and_each_instrument_has_a_gate_of_its_own() -> None:
    near, far = replace(LASER, maximum_range=500.0), replace(CONE, minimum_range=400.0)
    bright = dict(terrain__albedo=1.0)  # all are detected, and the gates alone decide
    descent = Descent(flown_by(near, far, **HANGING, **bright, start__altitude=Range(100.0, 900.0)), 1_000)
    advance(descent)
    height = column(descent, "motion.position")[:, 2] - 1.0
    slant = height / np.cos(0.3)
    assert np.array_equal(column(descent, "laser.valid") > 0.5, height <= 500.0)
    assert np.array_equal(column(descent, "cone.valid") > 0.5, np.repeat(slant[:, None] >= 400.0, 3, axis=1))
    assert (
        np.abs(np.concatenate([height - 500.0, slant - 400.0])).min() > 1e-3
    )  # no lander so near that rounding decides
    # Before the first range each shows its own gate's upper end.
    assert (column(descent, "laser.range")[height > 500.0] == 500.0).all()
    assert (column(descent, "cone.range")[slant < 400.0] == 1e6).all()


# What the pilot sees ----------------------------------------------------------------------------------------------


def test_the_channels_follow_from_the_list_of_instruments() -> None:
    scenario = load_scenario("resilience", sensors=SEVERAL)
    table, core = scenario.observation_table(), load_scenario("resilience").observation_table().channels[3:]
    beams = ["altimeter_range", "altimeter_valid", "altimeter_age"]
    for beam in "123":
        beams += [f"doppler_lidar_{quantity}_{beam}" for quantity in ("range", "valid", "age", "speed")]
    for beam in "12":
        beams += [f"short_range_laser_{quantity}_{beam}" for quantity in ("range", "valid", "age")]
    assert [channel.name for channel in table.channels] == beams + [channel.name for channel in core]
    assert table.channels[21:] == core
    assert table.finders == scenario.sensors == SEVERAL
    assert table.size == Descent(scenario).state.observation.shape[1] == 21 + 18
    # A range to twice the ceiling, a flag, an age to ten times 10 s, and a speed to twice the top one either way.
    low, high = table.bounds()
    ends = {"range": (0.0, 2.0), "valid": (0.0, 1.0), "age": (0.0, 10.0), "speed": (-2.0, 2.0)}
    wanted = [ends[next(part for part in name.split("_")[::-1] if part in ends)] for name in beams]
    assert list(zip(low[:21].tolist(), high[:21].tolist(), strict=True)) == wanted
    reordered = load_scenario("resilience", sensors=SEVERAL[::-1]).observation_table()
    assert {channel.name for channel in reordered.channels} == {channel.name for channel in table.channels}
    assert reordered.channels[0].name == "short_range_laser_range_1"


def test_the_row_shows_each_beams_state_over_its_scale() -> None:
    sight = {"start.altitude": Range(4_000.0, 6_000.0), "faults.late_acquisition.altitude": 5_000.0}
    scenario = load_scenario("resilience", sensors=SEVERAL, **sight)
    descent = Descent(scenario, 32, seed=1, autoreset="disabled")
    scales = {"range": scenario.ceiling, "valid": 1.0, "speed": scenario.top_speed}
    fresh = set()
    for step in range(60):
        transition = descent.step(actions_of(descent, step))
        shown, at = descent.observations.read(transition.observation), 0
        for finder in SEVERAL:
            tick, stamped = column(descent, "episode.tick"), of_all_beams(descent, finder.name, "range_tick")
            for beam in range(finder.beams):
                for quantity in ("range", "valid", "age", "speed")[: 4 if finder.doppler else 3]:
                    if quantity == "age":
                        value, scale = (tick - stamped[:, beam]) * TICK, 10.0
                    else:
                        value, scale = of_all_beams(descent, finder.name, quantity)[:, beam], scales[quantity]
                    wrong = transition.observation[:, at].double().numpy() * scale - value
                    assert np.abs(wrong).max() <= 4 * ROUNDING * np.abs(value).max()  # times a scale's reciprocal
                    assert torch.equal(shown[finder.labels(quantity)[beam]], transition.observation[:, at] * scale)
                    at += 1
            if (tick[:, None] - stamped).min() < 10.0:
                fresh.add(finder.name)
        assert at == 21
    assert fresh >= {"altimeter", "doppler_lidar"}


def test_a_history_stacks_the_rows_of_all_instruments() -> None:
    scenario = load_scenario("resilience", sensors=SEVERAL, history=3, time_limit=400.0)
    single = load_scenario(scenario, history=1)
    long, short = Descent(scenario, 16, seed=2), Descent(single, 16, seed=2)
    rows = [short.state.observation.clone()] * 3
    assert same_bits(long.state.observation, torch.cat(rows, dim=1))
    for step in range(80):
        transition, plain = long.step(actions_of(long, step)), short.step(actions_of(short, step))
        assert not transition.done.any()
        rows = [*rows[1:], plain.observation]
        assert same_bits(transition.observation, torch.cat(rows, dim=1))


def test_the_truth_is_the_height_and_the_closing_speed_in_every_beam() -> None:
    scenario = load_scenario("resilience", sensors=(APOLLO_LANDING_RADAR, *SEVERAL), observation="truth")
    descent = Descent(scenario, 32, seed=3)
    for step in range(30):
        shown = descent.observations.read(descent.step(actions_of(descent, step)).observation)
        height, velocity = column(descent, "record.height"), column(descent, "motion.velocity")
        for finder in scenario.sensors:
            speeds = np.einsum("nbi,ni->nb", beams_of(descent, finder), velocity)
            for beam in range(finder.beams):
                sample = {quantity: shown[finder.labels(quantity)[beam]].double().numpy()
                        for quantity in ("range", "valid", "age")}  # fmt: skip
                assert np.abs(sample["range"] / height - 1.0).max() < 4 * ROUNDING
                assert (sample["valid"] == 1.0).all() and (sample["age"] == 0.0).all()
                if finder.doppler:
                    fast = shown[finder.labels("speed")[beam]].double().numpy()
                    assert np.abs(fast - speeds[:, beam]).max() < 8 * ROUNDING * 400.0
    assert not column(descent, "landing_radar.valid").all()  # which the instruments would not show


def test_gymnasiums_checker_passes_with_two_instruments(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make("Lunar/Descent-v0", sensors=["series_1_laser", "navigation_doppler_lidar"]).unwrapped
    check_env(env)
    low, high = env.observations.bounds()
    assert env.observation_space.shape == (3 + 12 + 18,)
    assert np.array_equal(env.observation_space.low, low) and np.array_equal(env.observation_space.high, high)


def test_the_environment_equals_row_0_of_the_vector_environment() -> None:
    changes = dict(sensors=["series_1_laser", APOLLO_LANDING_RADAR], history=2, time_limit=60.0)
    env, many = (
        gym.make("Lunar/Descent-v0", **changes),
        gym.make_vec("Lunar/Descent-v0", num_envs=3, output="numpy", **changes),
    )
    assert env.observation_space == many.single_observation_space
    seen, batch = env.reset(seed=11)[0], many.reset(seed=11)[0]
    assert np.array_equal(seen, batch[0])
    for step in range(50):
        action = np.sin(0.9 * step + np.arange(9)).reshape(3, 3).astype(np.float32)
        seen, batch = env.step(action[0])[0], many.step(action)[0]
        assert np.array_equal(seen, batch[0])
        assert env.observation_space.contains(seen)


# The list ---------------------------------------------------------------------------------------------------------


def test_a_device_is_listed_by_name_by_its_numbers_or_as_itself() -> None:
    by_name = load_scenario("resilience", sensors=["series_1_laser", "navigation_doppler_lidar"])
    itself = load_scenario("resilience", sensors=(SERIES_1_LASER, NAVIGATION_DOPPLER_LIDAR))
    numbers = {item.name: getattr(NAVIGATION_DOPPLER_LIDAR, item.name) for item in dataclasses.fields(RangeFinder)}
    mixed = load_scenario("resilience", sensors=["series_1_laser", numbers])
    assert by_name == itself == mixed
    assert by_name.beams() == {"altimeter": 1, "doppler_lidar": 3}
    table = {"name": "radar", "beams": 4, "half_angle": 0.3, "delay": [0.1, 0.3]}
    table |= {"noise": {"low": 0.1, "high": 1.0, "log": True}}
    written = RangeFinder("radar", beams=4, half_angle=0.3, delay=Range(0.1, 0.3), noise=Range(0.1, 1.0, log=True))
    assert load_scenario("resilience", sensors=[table]).sensors == (written,)


@pytest.mark.parametrize("name", RANGE_FINDERS)
def test_every_device_is_found_by_its_name(name: str) -> None:
    assert load_scenario("vertical", sensors=[name]).sensors == (find_device(name),) == (RANGE_FINDERS[name],)


def test_a_sensors_numbers_change_by_its_name_nested_or_dotted_and_the_rest_stays() -> None:
    two = load_scenario("resilience", sensors=SEVERAL)
    dotted = load_scenario(
        two, **{"doppler_lidar.noise": 0.5, "doppler_lidar.delay": [0.1, 0.4], "altimeter.bias": 3.0}
    )
    nested = load_scenario(two, doppler_lidar={"noise": 0.5, "delay": [0.1, 0.4]}, altimeter={"bias": 3.0})
    mixed = load_scenario(
        two, doppler_lidar={"noise": 0.5}, **{"doppler_lidar.delay": [0.1, 0.4], "altimeter.bias": 3.0}
    )
    lidar = replace(NAVIGATION_DOPPLER_LIDAR, noise=0.5, delay=Range(0.1, 0.4))
    assert dotted == nested == mixed == replace(two, sensors=(replace(SERIES_1_LASER, bias=3.0), lidar, SEVERAL[2]))
    assert two.sensors == SEVERAL
    at_once = load_scenario("resilience", sensors=["navigation_doppler_lidar"], **{"doppler_lidar.noise": 0.5})
    assert at_once.sensors == (replace(NAVIGATION_DOPPLER_LIDAR, noise=0.5),)


def test_a_new_list_replaces_the_old_one_and_a_new_device_the_one_of_its_name() -> None:
    two = load_scenario("resilience", sensors=SEVERAL)
    assert load_scenario(two, sensors=[SLIM_PULSE_RADAR]).sensors == (SLIM_PULSE_RADAR,)
    assert load_scenario(two, altimeter=SLIM_PULSE_RADAR).sensors == (SLIM_PULSE_RADAR, *SEVERAL[1:])


@pytest.mark.parametrize("changes", [{"altimeter.name": "laser"}, {"altimeter": replace(SERIES_1_LASER, name="laser")}])
def test_a_sensor_can_be_given_another_name(changes: dict[str, Any]) -> None:
    renamed = load_scenario("resilience", **changes)
    assert renamed.sensors == (replace(SERIES_1_LASER, name="laser"),)


def test_a_scenario_with_several_instruments_comes_back_from_plain_numbers() -> None:
    sensors = (*SEVERAL, replace(APOLLO_LANDING_RADAR, faulty=False, noise=Range(0.1, 1.0, log=True)))
    scenario = load_scenario("resilience", sensors=sensors, history=2)
    assert from_dict(scenario.to_dict()) == scenario
    again = from_dict(json.loads(json.dumps(scenario.to_dict())))
    assert again == scenario
    assert again.sensors == sensors


def test_a_scenario_gives_its_sensors_by_name() -> None:
    scenario = load_scenario("resilience", sensors=SEVERAL)
    assert [scenario.sensor(finder.name) for finder in SEVERAL] == list(SEVERAL)
    with pytest.raises(KeyError, match="unknown sensor 'nothing'; this scenario has: altimeter, doppler_lidar, short"):
        scenario.sensor("nothing")


# No leaks ---------------------------------------------------------------------------------------------------------

LEAKY = (  # all that waits under way: delays, jitter, slow clocks; over a ground that is soon reached
    replace(SERIES_1_LASER, period=0.2, delay=Range(0.1, 1.5), jitter=0.4),
    replace(APOLLO_LANDING_RADAR, delay=Range(0.1, 0.9), maximum_range=300.0, cant=Range(-0.4, 0.4)),
    replace(NAVIGATION_DOPPLER_LIDAR, delay=0.3, jitter=0.2, maximum_range=60.0, faulty=False),
)
SOON = {"start.altitude": Range(30.0, 200.0), "start.descent_rate": Range(10.0, 30.0), "decision_period": 0.5}


def frames(descent: Descent, decisions: int) -> torch.Tensor:
    """All words of the landers, readings included, and their observations before each decision, as bits."""
    seen = []
    for _ in range(decisions):
        seen.append(torch.cat([descent.snapshot()["lander"], descent.state.observation], dim=1).view(torch.int32))
        descent.actions.copy_(torch.tensor([-0.3, 0.1, -0.1]).expand_as(descent.actions))
        descent.advance()
    return torch.stack(seen)


def test_nothing_of_an_episode_leaks_into_the_next() -> None:
    scenario = low(*LEAKY, **SOON, **all_faults(probability=0.4), history=2, time_limit=40.0)
    flown, fresh = Descent(scenario, 64, seed=3), Descent(scenario, 64, seed=3)
    fresh.reset()  # episode 1 without a flight before
    begins = torch.full((64,), -1)
    first = []
    for step in range(140):
        first.append(frames(flown, 1)[0])
        begins = torch.where((begins < 0) & (flown.state["episode.episode"] == 1), step + 1, begins)
    assert (begins > 0).all() and begins.max() < 110
    lived, second = torch.stack(first), frames(fresh, 30)
    for row, begin in enumerate(begins.tolist()):
        assert torch.equal(lived[begin : begin + 30, row], second[:, row])


def test_nothing_in_the_delay_line_outlives_a_reset() -> None:
    scenario = low(*LEAKY, **SOON)
    clean, dirty = Descent(scenario, 20, seed=3), Descent(scenario, 20, seed=3)
    dirty.state.delay_line.fill_(1.0)  # as samples: range 1, valid, stamped and due at tick 1065353216
    dirty.state.delay_line.view(torch.int32)[..., 5] = 0  # or rather due at once
    dirty.reset(seed=3)
    assert torch.equal(frames(clean, 12), frames(dirty, 12))


def test_a_descent_is_the_same_whatever_the_batch_and_the_threads() -> None:
    scenario = low(*LEAKY, **SOON, **all_faults(probability=0.4))
    wide = frames(Descent(scenario, 300, seed=4), 60)
    assert wide.shape[0] == 60
    for count, threads in ((1, 1), (7, 1), (300, 1), (300, 3)):
        assert torch.equal(frames(Descent(scenario, count, seed=4, threads=threads), 60), wide[:, :count])
    part = Descent(scenario, 3, seed=4)
    part.reset(seed=4, first_lander=11)
    assert torch.equal(frames(part, 60), wide[:, 11:14])


def test_snapshot_and_restore_continue_bit_for_bit() -> None:
    scenario = low(*LEAKY, **SOON, **all_faults(probability=0.4))
    descent, other = Descent(scenario, 16, seed=5), Descent(scenario, 16, seed=99)
    frames(descent, 5)  # with samples under way
    snapshot = descent.snapshot()
    first = frames(descent, 40)
    for continued in (descent, other):
        continued.restore(snapshot)
        assert torch.equal(frames(continued, 40), first)


# Refusing ---------------------------------------------------------------------------------------------------------

LIDAR = NAVIGATION_DOPPLER_LIDAR
REFUSED = [
    # what is asked for beside SEVERAL, the error, what it has to say
    ({"altimeter.cant": 1.6}, ValueError, ["altimeter: beam 1 points up", "cant = 1.6 rad", "within 85"]),
    ({"altimeter.cant": -1.6}, ValueError, ["altimeter: beam 1 points up", "cant = -1.6 rad", "within 85"]),
    ({"altimeter.cant": [0.0, 1.6]}, ValueError, ["altimeter: beam 1 points up", "cant = 1.6 rad", "within 85"]),
    ({"altimeter.cant": [-1.6, 0.0]}, ValueError, ["altimeter: beam 1 points up", "cant = -1.6 rad", "within 85"]),
    ({"doppler_lidar.half_angle": 1.7}, ValueError, ["doppler_lidar: beam 1", "half_angle = 1.7 rad", "97 degrees"]),
    ({"doppler_lidar.cant": 1.2}, ValueError, ["doppler_lidar: beam 1", "cant = 1.2 rad", "91 degrees", "within 85"]),
    ({"doppler_lidar": {"cant": [0.0, 1.2], "azimuth": np.radians(120.0)}}, ValueError, ["doppler_lidar: beam 3"]),
    ({"doppler_lidar": {"half_angle": np.pi, "cant": [-np.pi, np.pi]}}, ValueError, ["doppler_lidar", "points up"]),
    ({"sensors": ["series_1_laser", "slim_pulse_radar"]}, ValueError, ["sensors", "['altimeter', 'altimeter']", "own"]),
    ({"doppler_lidar.name": "altimeter"}, ValueError, ["sensors", "'altimeter', 'altimeter'", "a name of its own"]),
    ({"sensors": [replace(LIDAR, name="terrain")]}, ValueError, ["sensors", "'terrain'", "choose another"]),
    ({"sensors": [{"name": "sensors"}]}, ValueError, ["sensors", "'sensors'", "choose another"]),
    ({"sensors": [{"name": "start"}], "start.speed": 3.0}, ValueError, ["sensors", "'start'", "choose another"]),
    ({"sensors": [{"name": "tick"}]}, ValueError, ["sensors", "'tick'", "choose another"]),
    ({"sensors": [LIDAR, {"name": "my radar"}]}, ValueError, ["sensors", "'my radar'", "letters and underscores"]),
    ({"sensors": [{"name": ""}]}, ValueError, ["sensors", "''", "letters and underscores"]),
    ({"sensors": [{"name": 3}]}, TypeError, ["name", "of type str", "3"]),
    ({"sensors": []}, TypeError, ["sensors", "at least one RangeFinder"]),
    ({"sensors": [LIDAR, 3.0]}, TypeError, ["sensors", "RangeFinder", "3.0"]),
    ({"sensors": [None]}, TypeError, ["sensors", "RangeFinder", "None"]),
    ({"sensors": "series_1_laser"}, TypeError, ["sensors must be a list of devices", "'series_1_laser'"]),
    ({"sensors": LIDAR}, TypeError, ["sensors must be a list of devices", "doppler_lidar"]),
    ({"sensors": {"name": "radar"}}, TypeError, ["sensors must be a list of devices", "{'name': 'radar'}"]),
    ({"sensors": ["series_1_lazer"]}, KeyError, ["'series_1_lazer'", "perhaps you meant 'series_1_laser'"]),
    ({"sensors": ["zzz"]}, KeyError, ["unknown range finder 'zzz'", "known: series_1_laser, apollo_landing_radar"]),
    ({"doppler_lidar.nois": 0.5}, KeyError, ["'doppler_lidar.nois'", "perhaps you meant 'noise'"]),
    ({"sensors": [LIDAR, {"nois": 0.5}]}, KeyError, ["'sensors[1].nois'", "perhaps you meant 'noise'"]),
    ({"doppler_ldar.noise": 0.5}, KeyError, ["'doppler_ldar'", "perhaps you meant 'doppler_lidar'"]),
    ({"doppler_lidar.noise": -1.0}, ValueError, ["doppler_lidar.noise must lie in [0, 1000] m", "-1.0"]),
    ({"doppler_lidar.period": 0.15}, ValueError, ["doppler_lidar.period = 0.15 s", "ticks of 0.1 s", "use 0.1 or 0.2"]),
    ({"doppler_lidar.period": 0.0}, ValueError, ["doppler_lidar.period must be at least one tick of 0.1 s", "0 s"]),
    ({"doppler_lidar.jitter": 0.25}, ValueError, ["doppler_lidar.jitter = 0.25 s", "use 0.2 or 0.3 s"]),
    ({"doppler_lidar.delay": 0.25}, ValueError, ["doppler_lidar.delay = 0.25 s", "use 0.2 or 0.3 s"]),
    ({"doppler_lidar.delay": [0.1, 0.25]}, ValueError, ["doppler_lidar.delay = 0.25 s", "use 0.2 or 0.3 s"]),
    ({"doppler_lidar.beams": 0}, ValueError, ["doppler_lidar.beams must be from 1 to 64", "0"]),
    ({"doppler_lidar.beams": 2.5}, TypeError, ["doppler_lidar.beams must be of type int", "2.5"]),
    ({"doppler_lidar.doppler": 1}, TypeError, ["doppler_lidar.doppler must be of type bool", "1"]),
    ({"doppler_lidar.azimuth": -np.inf}, ValueError, ["doppler_lidar.azimuth must be from -7 to 7 rad", "-inf"]),
    ({"doppler_lidar.half_angle": -0.1}, ValueError, ["doppler_lidar.half_angle must be from 0 to 3.2 rad", "-0.1"]),
    ({"doppler_lidar": 3.0}, TypeError, ["doppler_lidar", "RangeFinder", "3.0"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "error", "words"), REFUSED, ids=lambda value: str(value)[:70])
def test_a_mistake_is_refused_by_name_value_and_remedy(
    changes: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    two = load_scenario("vertical", sensors=SEVERAL)
    with pytest.raises(error) as caught:
        load_scenario(two, **changes)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_beams_that_only_graze_are_allowed_up_to_85_degrees() -> None:
    assert load_scenario("vertical", **{"altimeter.cant": np.radians(84.9)}).sensors
    with pytest.raises(ValueError, match="within 85"):
        load_scenario("vertical", **{"altimeter.cant": np.radians(85.1)})


# Real ones --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RANGE_FINDERS)
def test_every_device_flies_in_resilience_and_sees_the_ground_from_within_its_range(name: str) -> None:
    finder = find_device(name)
    upright = {"start.distance": 0.0, "start.speed": 0.0, "start.tilt": 0.0, "faults.late_acquisition.probability": 0.0}
    within = {"start.altitude": min(0.5 * finder.maximum_range, 6_000.0)}  # the scenario's ceiling is 12 km
    for changes, sees in (({}, False), (upright | within, True)):
        descent = Descent(load_scenario("resilience", sensors=[name], **changes), 32, seed=6)
        least, most = (torch.from_numpy(bound) for bound in descent.observations.bounds())
        seen = torch.zeros(finder.beams, dtype=torch.bool)
        for step in range(50):
            transition = descent.step(actions_of(descent, step))
            assert ((transition.observation >= least) & (transition.observation <= most)).all()  # no NaN either
            assert transition.reward.isfinite().all()
            seen |= (descent.state[f"{finder.name}.valid"].reshape(32, -1) > 0.5).any(dim=0)
        assert seen.all() or not sees
