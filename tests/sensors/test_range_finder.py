"""The altimeter: beam, detection, noise, sample clock, delay and faults, each against what it is said to be.

Statistics are of fixed seeds; their bounds are those that one honest run in 10,000 would break.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FLAT, RARE, is_share, same_bits
from reference import altitude, from_centre
from scipy import stats
from scipy.optimize import brentq
from scipy.spatial.transform import Rotation

from lunar_env import Descent, Range, Scenario, load_scenario

TICK = 0.1  # [s]


def sounding(**changes: Any) -> Scenario:
    """A vehicle under direct control with a perfect altimeter, on a flat Moon. Two underscores stand for a dot."""
    vehicle = {"control": "body", "engine.minimum_throttle": 0.0, "gear.centre_height": 1.0, "start.descent_rate": 0.0}
    perfect = {"altimeter.delay": 0.0, "altimeter.noise": 0.0, "altimeter.noise_growth": 0.0}
    perfect |= {"altimeter.maximum_range": 1e6, "altimeter.detection_width": 0.0}
    place = {"moon.radius": FLAT, "ceiling": 1e6, "extent": 1e6, "time_limit": 1000.0, "decision_period": TICK}
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return load_scenario("vertical", **vehicle | perfect | place | changed)


HANGING = dict(moon__surface_gravity=0.0)  # without weight and thrust it stays where and how it is put


def column(descent: Descent, name: str) -> np.ndarray:
    return descent.state[name].double().numpy()


def advance(descent: Descent, ticks: int = 1) -> None:
    """Fly on without thrust or torque."""
    descent.actions.copy_(torch.tensor([-1.0, 0.0, 0.0, 0.0]).expand_as(descent.actions))
    for _ in range(ticks):
        descent.advance()


def watch(scenario: Scenario, landers: int, ticks: int, seed: int = 0) -> dict[str, np.ndarray]:
    """What the altimeter's interface shows after each tick, (ticks, landers)."""
    descent = Descent(scenario, landers, seed=seed)
    names = ("range", "valid", "sample_tick", "range_tick", "sample_number")
    shown: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for _ in range(ticks):
        advance(descent)
        for name in names:
            shown[name].append(column(descent, "altimeter." + name))
    assert not descent.state["episode.episode"].any()  # or else a next one began
    return {name: np.array(values) for name, values in shown.items()}


# Beam -------------------------------------------------------------------------------------------------------------


def leaning(scenario: Scenario, landers: int, most: float) -> tuple[Descent, np.ndarray, np.ndarray]:
    """Landers leaning by up to ``most`` [rad] any way, after a look; origins and directions (N, 3) of their beams."""
    descent = Descent(scenario, landers)
    generator = np.random.default_rng(1)
    way, angle = generator.uniform(0.0, 2.0 * np.pi, landers), generator.uniform(0.0, most, landers)
    turn = np.stack([np.cos(way) * angle, np.sin(way) * angle, 0.0 * way], axis=1)
    descent.state["motion.attitude"] = torch.tensor(Rotation.from_rotvec(turn).as_quat())
    advance(descent)
    attitude = Rotation.from_quat(column(descent, "motion.attitude"))
    cant = column(descent, "drawn.altimeter.cant")
    beam = attitude.apply(np.stack([np.sin(cant), 0.0 * cant, -np.cos(cant)], axis=1))
    feet = attitude.apply([0.0, 0.0, -1.0]) * column(descent, "drawn.gear.centre_height")[:, None]
    return descent, column(descent, "motion.position") + feet, beam


def test_over_a_plane_the_range_is_the_height_over_the_cosine() -> None:
    descent, origin, beam = leaning(sounding(**HANGING, start__altitude=Range(10.0, 9_000.0)), 500, 1.3)
    assert descent.state["altimeter.valid"].all()
    # A cosine of 0.27 or more is stored to 6e-8 of one, and multiplied by z three times: 1e-6 of the range.
    assert np.abs(column(descent, "altimeter.range") * -beam[:, 2] / origin[:, 2] - 1.0).max() < 1e-6


def test_over_the_sphere_the_range_ends_on_the_sphere() -> None:
    scenario = sounding(**HANGING, moon__radius=1_737_400.0, start__altitude=Range(10.0, 9_000.0), altimeter__cant=0.2)
    descent, origin, beam = leaning(scenario, 500, 0.9)
    centre = from_centre(origin, 1_737_400.0)
    along = np.sum(centre * beam, axis=1)
    wanted = -along - np.sqrt(along**2 - (np.sum(centre**2, axis=1) - 1_737_400.0**2))
    # As over the plane; float32 also holds no centre distance better than 0.06 m, which the core avoids needing.
    assert np.abs(column(descent, "altimeter.range") / wanted - 1.0).max() < 1e-6


def test_over_a_slope_the_range_is_the_one_along_the_beam() -> None:
    slope = dict(terrain__slope=Range(0.0, 0.3), terrain__slope_direction=Range(0.0, 6.28), terrain__levelling=1e6)
    descent, origin, beam = leaning(sounding(**HANGING, **slope, start__altitude=Range(50.0, 500.0)), 500, 0.6)
    rise, uphill = np.tan(column(descent, "drawn.terrain.slope")), column(descent, "drawn.terrain.slope_direction")
    normal = np.stack([-rise * np.cos(uphill), -rise * np.sin(uphill), np.ones_like(rise)], axis=1)
    wanted = -np.sum(origin * normal, axis=1) / np.sum(beam * normal, axis=1)
    # The plane levels off as (x / 10^6 m)^2: by 1e-6 of its height a kilometre from the pad.
    assert np.abs(column(descent, "altimeter.range") / wanted - 1.0).max() < 2e-6


@pytest.mark.parametrize("tilt", [-0.3, 0.2])
def test_a_beam_that_leans_uphill_is_the_shorter_one(tilt: float) -> None:
    # Leaning backwards by the tilt points the beam downrange, and there the ground rises by 0.15.
    slope = dict(terrain__slope=0.15, terrain__levelling=1e6, gear__centre_height=0.0)
    descent = Descent(sounding(**HANGING, **slope, start__altitude=200.0, start__tilt=tilt), 1)
    advance(descent)
    wanted = 200.0 * np.cos(0.15) / np.cos(tilt - 0.15)
    assert abs(column(descent, "altimeter.range")[0] / wanted - 1.0) < 1e-6


def test_on_rough_ground_the_beam_ends_within_a_centimetre() -> None:
    # Slopes of up to 18 degrees, 11 of the plane and 7 of the relief, seen from up to 57 degrees off the vertical.
    where = dict(start__distance=Range(-5000.0, 5000.0), start__cross_distance=Range(-5000.0, 5000.0))
    rough = dict(
        terrain__slope=Range(0.0, 0.2), terrain__slope_direction=Range(0.0, 6.28), terrain__relief=Range(0.0, 40.0)
    )
    phases = dict(terrain__phase_x=Range(0.0, 6.28), terrain__phase_y=Range(0.0, 6.28))
    place = dict(
        moon__radius=1_737_400.0, start__altitude=Range(100.0, 9_000.0), terrain__wavelength=Range(2000.0, 3000.0)
    )
    descent, origin, beam = leaning(sounding(**HANGING, **where, **rough, **phases, **place), 100, 1.0)
    drawn = {n: column(descent, "drawn.terrain." + n) for n in ("slope", "slope_direction", "relief", "wavelength")}
    drawn |= {n: column(descent, "drawn.terrain." + n) for n in ("phase_x", "phase_y", "levelling")}
    for row in range(100):
        height = _height_along(origin[row], beam[row], {name: values[row] for name, values in drawn.items()})
        distances = np.linspace(0.0, 1.5 * origin[row, 2] / -beam[row, 2] + 500.0, 500)
        first = next(d for d in distances if height(d) < 0.0)  # where the beam first goes under, to a few metres
        wanted = brentq(height, first - distances[1], first, xtol=1e-9)
        # The claim of BEAM_STEPS. Seen: 2.5 mm, but for one beam in a hundred.
        assert abs(float(descent.state["altimeter.range"][row]) - wanted) < 0.01


def _height_along(origin: np.ndarray, beam: np.ndarray, drawn: dict[str, float]) -> Callable[[float], float]:
    """Height above rough ground on a sphere, along a beam."""
    rise, wave = np.tan(drawn["slope"]), 2.0 * np.pi / drawn["wavelength"]

    def height(distance: float) -> float:
        point = origin + beam * distance
        x, y = point[:2] * (1_737_400.0 / (1_737_400.0 + point[2]))
        plane = rise * (np.cos(drawn["slope_direction"]) * x + np.sin(drawn["slope_direction"]) * y)
        rolling = drawn["relief"] * np.sin(wave * x + drawn["phase_x"]) * np.sin(wave * y + drawn["phase_y"])
        near = 1.0 / (1.0 + (x**2 + y**2) / drawn["levelling"] ** 2)
        return float(altitude(point, 1_737_400.0) - near * plane - (1.0 - near) * rolling)

    return height


def test_a_beam_towards_the_sky_returns_nothing() -> None:
    descent = Descent(sounding(**HANGING, start__altitude=100.0, start__tilt=1.7), 1)
    advance(descent, 3)
    assert not descent.state["altimeter.valid"].any()
    assert float(descent.state["altimeter.range"][0]) == 1e6  # the gate's upper end, as before any reading


# Detection --------------------------------------------------------------------------------------------------------


def test_detection_falls_off_as_the_logistic_of_the_range() -> None:
    altimeter = dict(altimeter__maximum_range=5_000.0, altimeter__detection_width=0.1, terrain__albedo=0.06)
    reach = 5_000.0 * np.sqrt(0.06 / 0.12)  # of half detection, on ground of half the reference's albedo
    for share in (0.7, 0.9, 1.0, 1.1, 1.3):
        scenario = sounding(**HANGING, **altimeter, start__altitude=float(reach * share))
        seen = watch(scenario, 20_000, 1)["valid"].sum()
        assert is_share(seen, 20_000, 1.0 / (1.0 + np.exp((share - 1.0) / 0.1)))


def test_reach_shrinks_with_albedo_and_incidence() -> None:
    # A hard edge: the range of each beam is beyond it or not. Upright over a slope the incidence is the slope's.
    hard = dict(altimeter__maximum_range=5_000.0, terrain__slope=Range(0.0, 0.6), terrain__levelling=1e6)
    scenario = sounding(**HANGING, **hard, terrain__albedo=Range(0.02, 0.12), start__altitude=Range(500.0, 5_000.0))
    descent = Descent(scenario, 4000)
    advance(descent)
    albedo, slope = column(descent, "drawn.terrain.albedo"), column(descent, "drawn.terrain.slope")
    margin = 5_000.0 * np.sqrt(albedo * np.cos(slope) / 0.12) - (column(descent, "motion.position")[:, 2] - 1.0)
    clear = np.abs(margin) > 0.01  # [m]
    assert clear.sum() > 3990
    assert np.array_equal(column(descent, "altimeter.valid")[clear] > 0.5, margin[clear] > 0.0)


@pytest.mark.parametrize(
    ("tilt", "speed", "descent_rate"),
    [(0.0, 100.0, 0.0), (0.1745, 100.0, 0.0), (-0.1745, 100.0, -20.0), (0.3, 50.0, 66.0)],
)
def test_speed_along_the_beam_costs_returns(tilt: float, speed: float, descent_rate: float) -> None:
    # Leaning backwards points the beam ahead: 10 degrees at 100 m/s close in at 17 m/s, upright at none. Going away
    # costs as much.
    closing = speed * np.sin(tilt) + descent_rate * np.cos(tilt)
    start = dict(start__altitude=2_000.0, start__tilt=tilt, start__speed=speed, start__descent_rate=descent_rate)
    seen = watch(sounding(**HANGING, **start, altimeter__closing_speed=50.0), 20_000, 1)["valid"].sum()
    assert is_share(seen, 20_000, np.exp(-abs(closing) / 50.0))


# Bias, noise, quantisation, gate ----------------------------------------------------------------------------------


def test_bias_and_scale_act_on_the_true_range() -> None:
    scenario = sounding(**HANGING, start__altitude=1_000.0, altimeter__bias=-12.5, altimeter__scale=1.02)
    assert abs(watch(scenario, 1, 1)["range"][0, 0] - (1_020.0 - 12.5)) < 1e-3  # stored to 6e-5 m


def test_noise_grows_with_range_as_its_variance_says() -> None:
    for distance in (20.0, 500.0, 4_000.0):
        still = dict(**HANGING, start__altitude=distance, altimeter__noise=0.5, altimeter__noise_growth=0.005)
        noise = watch(sounding(**still), 4000, 2)["range"] - distance
        spread = 0.5 + 0.005 * distance
        low, high = stats.chi2.interval(1.0 - RARE, 4000)
        assert low < np.sum(noise[0] ** 2) / spread**2 < high
        assert stats.kstest(noise[0] / spread, "norm").pvalue > RARE
        # One tick's noise says nothing about the next one's.
        assert stats.pearsonr(noise[0], noise[1]).pvalue > RARE


def test_quantised_ranges_are_the_nearest_steps() -> None:
    ranges = watch(sounding(**HANGING, start__altitude=Range(1.0, 500.0), altimeter__resolution=0.5), 1000, 1)["range"][
        0
    ]
    exact = watch(sounding(**HANGING, start__altitude=Range(1.0, 500.0)), 1000, 1)["range"][0]
    assert np.array_equal(ranges / 0.5, np.round(ranges / 0.5))
    assert np.abs(ranges - exact).max() <= 0.25
    assert np.abs(ranges - exact).max() > 0.24


def test_the_gate_refuses_ranges_outside_it() -> None:
    # Bright ground, so that all are detected and the gate alone decides, on what the instrument reads.
    gate = dict(
        altimeter__minimum_range=100.0, altimeter__maximum_range=900.0, altimeter__bias=50.0, terrain__albedo=1.0
    )
    descent = Descent(sounding(**HANGING, **gate, start__altitude=Range(0.5, 1000.0)), 2000)
    advance(descent)
    reads = column(descent, "motion.position")[:, 2] - 1.0 + 50.0
    inside = (reads >= 100.0) & (reads <= 900.0)
    clear = np.minimum(np.abs(reads - 100.0), np.abs(reads - 900.0)) > 1e-3
    assert clear.sum() > 1990
    assert np.array_equal((column(descent, "altimeter.valid") > 0.5)[clear], inside[clear])
    assert not inside.all()
    # A refused range is not shown either.
    assert (column(descent, "altimeter.range")[~inside & clear] == 900.0).all()


# Clock and delay --------------------------------------------------------------------------------------------------

FALL = dict(start__altitude=5_000.0, start__descent_rate=30.0)


def test_a_reading_is_the_truth_of_exactly_so_many_ticks_ago() -> None:
    truth = watch(sounding(**FALL), 1, 40)["range"]
    assert (np.diff(truth[:, 0]) < 0.0).all()
    for ticks in (1, 3, 10):
        late = watch(sounding(**FALL, altimeter__delay=ticks * TICK), 1, 40)
        assert np.array_equal(late["range"][ticks:], truth[:-ticks])
        assert np.array_equal(late["sample_tick"][ticks:, 0], np.arange(1, 41 - ticks))
        assert (late["sample_number"][:ticks] == -1).all()
        assert not late["valid"][:ticks].any()
        assert (late["range"][:ticks] == 1e6).all()


def test_a_drawn_delay_holds_for_the_episode() -> None:
    scenario = sounding(**FALL, altimeter__delay=Range(0.1, 0.5))
    age = np.arange(1, 31)[:, None] - watch(scenario, 3000, 30)["sample_tick"]
    delay = np.rint(column(Descent(scenario, 3000), "drawn.altimeter.delay") / TICK)
    assert set(delay) == {1, 2, 3, 4, 5}
    assert np.array_equal(age[5:], np.broadcast_to(delay, (25, 3000)))


def test_the_observed_age_is_the_delay() -> None:
    descent = Descent(sounding(**FALL, altimeter__delay=0.3), 1)
    advance(descent, 20)
    age = descent.observations.read(descent.state.observation)["altimeter_age"]
    assert abs(float(age[0]) - 0.3) < 1e-6  # a float32


def test_jitter_stays_inside_its_bounds_and_never_goes_back_in_time() -> None:
    truth = watch(sounding(**FALL), 1, 200)["range"][:, 0]
    seen = watch(sounding(**FALL, altimeter__delay=0.2, altimeter__jitter=0.3), 100, 200)
    tick = seen["sample_tick"][5:]  # by tick 6 the slowest first sample has come
    age = np.arange(6, 201)[:, None] - tick
    assert age.min() == 2
    assert age.max() == 5
    assert (np.diff(tick, axis=0) >= 0).all()
    assert np.array_equal(seen["range"][5:], truth[tick.astype(int) - 1])
    # A new sample is the newest if it came with the shortest of four equally likely delays.
    for row in (5, 50, 190):
        assert is_share(np.sum(age[row] == 2), 100, 0.25)
    assert is_share(np.sum(age[::5] == 2), age[::5].size, 0.25)  # five ticks apart, so that no sample counts twice


def test_a_period_of_three_ticks_samples_every_third_tick_at_a_phase_of_its_own() -> None:
    seen = watch(sounding(**FALL, altimeter__period=0.3, altimeter__delay=0.2), 900, 60)
    ticks = seen["sample_tick"]
    taken = [np.unique(ticks[6:, row]) for row in range(900)]
    assert all((np.diff(one) == 3).all() for one in taken)
    age = np.arange(1, 61)[:, None] - ticks
    assert set(age[6:].ravel()) == {2, 3, 4}
    phases = np.array([one[0] % 3 for one in taken])
    for phase in range(3):
        assert is_share(np.sum(phases == phase), 900, 1.0 / 3.0)
    # Between samples the reading is held.
    same = np.diff(ticks[6:], axis=0) == 0
    assert (np.diff(seen["range"][6:], axis=0)[same] == 0.0).all()


# Faults -----------------------------------------------------------------------------------------------------------


def test_late_acquisition_is_silent_above_its_altitude_and_sighted_below() -> None:
    fault = dict(faults__late_acquisition__probability=1.0, faults__late_acquisition__altitude=Range(1_000.0, 1_800.0))
    scenario = sounding(start__altitude=2_000.0, start__descent_rate=66.0, gear__centre_height=0.0, **fault)
    descent = Descent(scenario, 50)
    latch = column(descent, "drawn.faults.late_acquisition.altitude")
    above, rate = column(descent, "motion.position")[:, 2], 0.0 * latch
    first, first_rate = np.full(50, -1.0), np.full(50, -1.0)
    for _ in range(150):
        advance(descent)
        above, rate = column(descent, "motion.position")[:, 2], -column(descent, "motion.velocity")[:, 2]
        valid = column(descent, "altimeter.valid") > 0.5
        assert np.array_equal(valid, above <= latch)
        first_rate = np.where((first < 0.0) & valid, rate, first_rate)
        first = np.where((first < 0.0) & valid, above, first)
    assert (first > 0.0).all()
    # The record tells where and how fast sight began; both are stored float32.
    assert np.abs(column(descent, "record.first_valid_altitude") - first).max() < 1e-3
    assert np.abs(column(descent, "record.first_valid_descent_rate") - first_rate).max() < 1e-4


def test_a_dropout_loses_its_share_in_its_window_and_nothing_else() -> None:
    fault = dict(faults__dropout__probability=1.0, faults__dropout__onset=2.0, faults__dropout__duration=3.0)
    valid = watch(sounding(**FALL, **fault, faults__dropout__loss=0.3), 3000, 80)["valid"]
    # 2.0 s is tick 20, in the window's beginning; 5.0 s is tick 50, just after its end.
    assert valid[:19].all()
    assert valid[49:].all()
    assert is_share(np.sum(valid[19:49]), 30 * 3000, 0.7)
    assert is_share(np.sum(valid[19]), 3000, 0.7)
    assert is_share(np.sum(valid[48]), 3000, 0.7)


def test_a_lost_sample_leaves_the_range_before_it_standing() -> None:
    truth = watch(sounding(**FALL), 1, 80)["range"][:, 0]
    fault = dict(faults__dropout__probability=1.0, faults__dropout__onset=2.0, faults__dropout__loss=0.5)
    seen = watch(sounding(**FALL, **fault), 100, 80)
    assert np.array_equal(seen["sample_tick"], np.broadcast_to(np.arange(1, 81)[:, None], (80, 100)))
    assert np.array_equal(seen["range"], truth[seen["range_tick"].astype(int) - 1])
    fresh = seen["range_tick"] == seen["sample_tick"]
    assert np.array_equal(fresh, seen["valid"] > 0.5)
    assert not fresh.all()


@pytest.mark.parametrize("unstamped", [0.0, 1.0])
def test_delayed_readings_are_late_and_say_so_only_if_stamped(unstamped: float) -> None:
    fault = dict(faults__delayed_readings__probability=1.0, faults__delayed_readings__onset=3.0)
    fault |= dict(faults__delayed_readings__duration=4.0, faults__delayed_readings__delay=0.5)
    scenario = sounding(**FALL, **fault, faults__delayed_readings__unstamped=unstamped, altimeter__delay=0.2)
    truth, seen = watch(sounding(**FALL), 1, 120)["range"][:, 0], watch(scenario, 1, 120)
    now = np.arange(1, 121)
    # Taken in [3 s, 7 s), ticks 30 to 69, a sample comes after 7 ticks instead of 2. So tick 31's is the last that
    # comes in time (tick 29's), then there is nothing new until tick 37, and at tick 72 a prompt one overtakes.
    taken = np.where(now <= 31, now - 2, np.where(now < 37, 29, np.where(now < 72, now - 7, now - 2)))
    stamp = seen["sample_tick"][2:, 0]
    assert np.array_equal(seen["range"][2:, 0], truth[taken[2:] - 1])
    late = (taken >= 30) & (taken < 70)
    assert np.array_equal(stamp, (taken + np.where(late, 5 * unstamped, 0.0))[2:])
    assert (np.diff(stamp) >= 0).all()


def test_a_fault_is_in_its_share_of_the_episodes() -> None:
    fault = dict(faults__dropout__probability=0.3, faults__late_acquisition__probability=0.6)
    state = Descent(sounding(**FALL, **fault), 20_000).state
    for name, chance in (("dropout", 0.3), ("late_acquisition", 0.6), ("delayed_readings", 0.0)):
        present = state[f"drawn.faults.{name}.probability"]
        assert ((present == 0.0) | (present == 1.0)).all()
        assert is_share(float(present.sum()), 20_000, chance)


def test_a_fault_of_probability_zero_changes_not_a_bit() -> None:
    def whole(**changes: Any) -> dict[str, torch.Tensor]:
        descent = Descent(load_scenario("resilience", **changes), 64, seed=5)
        generator = torch.Generator().manual_seed(2)
        for _ in range(60):
            descent.actions.copy_(torch.rand(64, 3, generator=generator) * 2.0 - 1.0)
            descent.advance()
        return {name: table for name, table in descent.snapshot().items() if name != "drawn"}

    faults = {
        "late_acquisition.altitude": 700.0,
        "dropout.onset": 3.0,
        "dropout.loss": 0.5,
        "delayed_readings.onset": 2.0,
    }
    faults |= {"delayed_readings.delay": 0.7, "delayed_readings.unstamped": 0.5, "delayed_readings.duration": 5.0}
    none = {"faults.late_acquisition.probability": 0.0}
    plain, tuned = whole(**none), whole(**none, **{"faults." + name: value for name, value in faults.items()})
    for name, table in plain.items():
        assert same_bits(table, tuned[name]), name


# No leaks ---------------------------------------------------------------------------------------------------------

LEAKY = dict(  # everything that waits under way: delay, jitter, a slow clock, faults; and a ground that is soon reached
    start__altitude=Range(30.0, 200.0),
    start__descent_rate=Range(10.0, 30.0),
    altimeter__period=0.2,
    altimeter__delay=Range(0.1, 1.5),
    altimeter__jitter=0.4,
    altimeter__noise=1.0,
    faults__delayed_readings__probability=0.5,
    faults__delayed_readings__delay=Range(0.1, 2.0),
    faults__delayed_readings__duration=Range(0.5, 3.0),
    faults__dropout__probability=0.5,
    faults__dropout__loss=0.5,
    faults__late_acquisition__probability=0.5,
    faults__late_acquisition__altitude=100.0,
)


def life(descent: Descent, row: int, ticks: int) -> list[torch.Tensor]:
    """One lander's observations over some ticks."""
    seen = []
    for _ in range(ticks):
        advance(descent)
        seen.append(descent.state.observation[row].clone())
    return seen


def test_nothing_of_an_episode_leaks_into_the_next() -> None:
    scenario = sounding(**LEAKY)
    for row in range(20):
        flown = Descent(scenario, 20, seed=3)
        while flown.state["episode.episode"][row] == 0:  # until it has crashed and begun anew
            advance(flown)
        fresh = Descent(scenario, 20, seed=3)
        fresh.reset()  # episode 1 without a flight before
        for after, without in zip(life(flown, row, 12), life(fresh, row, 12), strict=True):
            assert torch.equal(after, without)


def test_nothing_in_the_delay_line_outlives_a_reset() -> None:
    scenario = sounding(**LEAKY)
    clean, dirty = Descent(scenario, 20, seed=3), Descent(scenario, 20, seed=3)
    dirty.state.delay_line.fill_(1.0)  # as samples: range 1, valid, stamped and due at tick 1065353216
    dirty.state.delay_line.view(torch.int32)[..., 3] = 0  # or rather due at once
    dirty.reset(seed=3)
    for _ in range(12):
        advance(clean)
        advance(dirty)
        assert same_bits(clean.snapshot()["lander"], dirty.snapshot()["lander"])


def test_no_neighbour_hears_a_landers_echo() -> None:
    scenario = sounding(**LEAKY)
    together = Descent(scenario, 20, seed=3)
    alone = [Descent(scenario, 1, seed=3) for _ in range(20)]
    for row, descent in enumerate(alone):
        descent.reset(seed=3, first_lander=row)
    for _ in range(100):
        advance(together)
        for row, descent in enumerate(alone):
            advance(descent)
            assert same_bits(together.snapshot()["lander"][row], descent.snapshot()["lander"][0])
