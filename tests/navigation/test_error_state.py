"""The error-state filter of the pilots: is its covariance honest, and what does it do with late and wrong readings.

Consistency is tested as Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation (2001),
section 5.4, do: squared errors over their covariance add up to chi-square, and so do squared innovations. There, all
that the filter assumes is made true: flat ground, the sheet's noise, initial errors from the assumed prior.
"""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.navigation import ErrorStateFilter, FinderTuning, Tuning
from agents.pilots import make_pilot
from lunar_env import Descent, Outcome, Range, load_scenario
from lunar_env.faults.kinds import Faults, with_fault
from lunar_env.flight_computer.filters import GatedFilter
from lunar_env.flight_computer.orbit import flight_computer
from lunar_env.missions import plan_of
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR
from lunar_env.sensors.inertial import Navigation
from lunar_env.sensors.range_finder import RangeFinder
from lunar_env.terrain.surface import Terrain

stats = pytest.importorskip("scipy.stats")

RARE = 1e-3  # chance that an honest filter fails a test of consistency
LANDERS = 300
WALK, ALTITUDE, VELOCITY = 1e-3, 200.0, 0.3  # assumed and true: [m/s/sqrt(s)], [m], [m/s]
IDEAL = Tuning(
    altitude=ALTITUDE, ground=0.0, velocity=VELOCITY, bias_lateral=0.0, bias_up=0.0, random_walk=WALK, attitude=0.0,
    unsteadiness=0.0, unevenness=0.0, dust_height=0.0,
)  # fmt: skip
ONE_BEAM = RangeFinder(noise=0.5, noise_growth=0.005, delay=0.2)
FOUR_BEAMS = RangeFinder(beams=4, half_angle=0.35, azimuth=0.8, noise=1.0, noise_growth=0.002, delay=0.3, period=0.5)
SCALED = RangeFinder(noise=0.5, noise_growth=0.002, delay=0.2, scale=Range(0.99, 1.01))
DOPPLER_LIDAR = replace(NAVIGATION_DOPPLER_LIDAR, speed_noise=0.1)  # of which the filter's own 1 cm/s is 1 %
CLOSE = {"start.altitude": 3_000.0, "start.distance": 0.0, "start.speed": 0.0, "start.descent_rate": 40.0}


def smooth(*finders, **changes):
    """A descent over flat ground without faults, whose only errors are those of the ranges and a random walk."""
    still = {"start.cross_distance": 0.0, "start.cross_speed": 0.0, "start.tilt": 0.0, "start.throttle": 0.3}
    parts = {"sensors": finders, "terrain": Terrain(), "navigation": Navigation(random_walk=WALK), "faults": Faults()}
    return load_scenario(load_scenario("resilience", **parts | CLOSE | still | {"time_limit": 120.0}), **changes)


def begin(scenario, landers=LANDERS, altitude=ALTITUDE, velocity=VELOCITY, scale=0.0):
    """Landers whose beliefs are off by normal numbers of these deviations, flown until the engine has settled."""
    descent = Descent(scenario, landers, seed=5, autoreset="disabled")
    noise = torch.Generator().manual_seed(7)
    state = descent.state
    position_error = state["belief.position_error"]
    position_error[:, 2] = altitude * torch.randn(landers, generator=noise)
    state["belief.position_error"] = position_error
    state["belief.velocity_error"] = state["belief.velocity_error"] + velocity * torch.randn(
        landers, 3, generator=noise
    )
    if scale > 0.0:
        descent.state["drawn.altimeter.scale"] = 1.0 + scale * torch.randn(landers, generator=noise)
    for _ in range(8):
        descent.step(rate(scenario, float(scenario.start.descent_rate)).expand(landers, -1))
    return descent


def rate(scenario, speed):
    """The action that asks for a rate of descent [m/s]."""
    share = (speed / float(scenario.guidance.maximum_descent_rate)) ** 0.5
    return torch.tensor([2.0 * share - 1.0, 0.0, 0.0])


def decisions(descent, pilot, count):
    """Readings as pilots see them, decision by decision; ``pilot`` gives the actions."""
    for _ in range(count):
        yield descent.observations.read(descent.state.observation.clone())
        descent.step(pilot(descent.state.observation.clone()).expand(descent.num_envs, -1))


def filter_of(descent, tuning=IDEAL):
    return ErrorStateFilter(descent.observations, descent.num_envs, descent.scenario.decision_period, tuning)


def state_errors(descent, kept):
    """Errors (N, n) of the filter's errors, height first, and their covariances (N, n, n), over flat ground."""
    seen = descent.observations.read(descent.state.observation)
    truth = [seen["altitude"] - descent.truth()["height"], *descent.state["belief.velocity_error"].T]
    if len(kept.errors) == 6:
        truth.append(descent.state["drawn.altimeter.scale"] - 1.0)
    rows = torch.tensor([0, 2, 3, 4, 5][: len(truth)])  # without the ground's level, which is known to be 0
    off = kept.errors[rows] - torch.stack(truth)
    return off.T.double(), kept.covariance[rows][:, rows].permute(2, 0, 1).double()


def assert_chi_square(total, freedom):
    low, high = stats.chi2.interval(1.0 - RARE, freedom)
    assert low < total < high, (
        f"{total / freedom:.3f} per degree of freedom, {low / freedom:.3f} to {high / freedom:.3f}"
    )


# --- honest covariance -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "finders",
    [(ONE_BEAM,), (FOUR_BEAMS,), (SCALED,), (DOPPLER_LIDAR,), (ONE_BEAM, DOPPLER_LIDAR)],
    ids=["one beam", "four beams", "one beam with a scale error", "Doppler lidar", "both"],
)
def test_squared_errors_and_innovations_are_chi_square(finders):
    scenario = smooth(*finders)
    descent = begin(scenario, scale=FinderTuning.of(finders[0]).scale_deviation)
    kept, squares, freedom = filter_of(descent), 0.0, 0
    for number, reading in enumerate(decisions(descent, lambda _: rate(scenario, 40.0), 46)):
        kept.update(reading)
        if number % 5 == 0:
            used = kept.normalised[kept.normalised.isfinite()].double()
            squares, freedom = squares + float((used**2).sum()), freedom + len(used)
        if number in (0, 5, 15, 45):
            off, covariance = state_errors(descent, kept)
            whitened = (off * torch.linalg.solve(covariance, off[:, :, None])[:, :, 0]).sum()
            assert_chi_square(float(whitened), off.numel())
    assert freedom > 8 * LANDERS, "nearly every reading was to be used"
    assert_chi_square(squares, freedom)


def test_on_the_rough_ground_of_resilience_errors_are_as_large_as_the_filter_says():
    scenario = load_scenario("resilience")
    descent = Descent(scenario, LANDERS, seed=4, autoreset="disabled")
    pilot = make_pilot("cautious", scenario, LANDERS)
    kept, ratios, low = filter_of(descent, Tuning.from_scenario(scenario)), [], []
    for reading in decisions(descent, pilot.act, 230):
        estimate, flying = kept.update(reading), descent.outcomes == int(Outcome.FLYING)
        error = estimate.height - descent.truth()["height"]
        ratios.append((error / estimate.height_deviation)[flying & estimate.seen])
        low.append(error[flying & (descent.truth()["height"] < 20.0)])
    ratios, low = torch.cat(ratios), torch.cat(low)
    # Slopes and relief are no random walk, so that chi-square is not promised, but it is near.
    assert 0.6 < float((ratios**2).mean()) < 1.2
    assert float((ratios.abs() > 3.0).float().mean()) < 0.01
    assert float(low.abs().mean()) < 0.4 and abs(float(low.mean())) < 0.1


def test_a_braking_landers_velocity_is_as_well_known_as_the_filter_says():
    scenario = load_scenario("resilience_as_planned", sensors=("series_1_laser", "navigation_doppler_lidar"))
    descent = Descent(scenario, LANDERS, seed=4, autoreset="disabled")
    pilot = make_pilot("cautious", scenario, LANDERS)
    kept, ratios = filter_of(descent, Tuning.from_scenario(scenario)), []
    for reading in decisions(descent, pilot.act, 150):
        estimate, height = kept.update(reading), descent.truth()["height"]
        near = (height < 3_000.0) & (descent.outcomes == int(Outcome.FLYING))
        off = (estimate.velocity_error - descent.state["belief.velocity_error"]) / estimate.velocity_deviation
        ratios.append(off[near])
    squares = (torch.cat(ratios) ** 2).mean(dim=0)
    # What happens within a decision is no white noise, so that chi-square is not promised, but it is near.
    assert (squares < 1.6).all(), squares
    assert (estimate.velocity_deviation[near] < 0.05).all()


def test_the_covariance_stays_positive_and_symmetric_in_single_precision():
    scenario = smooth(SCALED, NAVIGATION_DOPPLER_LIDAR)
    descent = begin(scenario, 50)
    kept = filter_of(descent, Tuning(altitude=1e4))
    for reading in decisions(descent, lambda _: rate(scenario, 30.0), 80):
        kept.update(reading)
        assert torch.equal(kept.covariance, kept.covariance.transpose(0, 1))
        covariance = kept.covariance.permute(2, 0, 1).double()
        size = torch.sqrt(torch.diagonal(covariance, dim1=1, dim2=2))
        correlation = covariance / (size[:, :, None] * size[:, None])
        # What float32 knows of a correlation is 1e-7 or so; altitude and ground below are correlated to 1 - 1e-8.
        assert float(torch.linalg.eigvalsh(correlation).min()) > -1e-6


# --- late readings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.5, 1.7])
def test_a_late_reading_is_compared_with_the_past_so_that_braking_leaves_no_bias(delay):
    scenario = smooth(RangeFinder(noise=0.3, delay=delay), **{"start.descent_rate": 70.0})
    descent = begin(scenario)
    aware, unaware = filter_of(descent), filter_of(descent)
    errors = []
    for reading in decisions(descent, lambda seen: braking(descent), 30):
        truth = descent.truth()["height"]
        naive = reading | {"altimeter_age": torch.zeros(LANDERS)}
        errors.append([one.height - truth for one in (aware.update(reading), unaware.update(naive))])
    compensated, not_compensated = (torch.stack(column[10:]).mean(dim=0) for column in zip(*errors, strict=True))
    standard_error = float(compensated.std()) / LANDERS**0.5
    assert abs(float(compensated.mean())) < 4.0 * standard_error + 0.02
    # It reads too high by speed times delay at the least.
    assert float(not_compensated.mean()) > 20.0 * delay


def braking(descent):
    """The action that asks for ever less speed: about 2 m/s less in each second."""
    return rate(descent.scenario, max(70.0 - 2.0 * float(descent.truth()["time"][0]), 5.0))


def test_a_sample_is_used_once():
    slow = RangeFinder(name="slow", noise=1.0, period=3.0, delay=0.1)
    scenario = smooth(RangeFinder(noise=1.0, period=0.5, delay=0.2), slow)
    descent = begin(scenario, 40)
    kept, used = filter_of(descent), []
    for reading in decisions(descent, lambda _: rate(scenario, 40.0), 30):
        before = kept.stamps.clone()
        kept.update(reading)
        used.append(kept.stamps != before)
    fast, slow = torch.stack(used)[4:].float().mean(dim=0).mean(dim=1).tolist()
    assert fast == 1.0 and slow == pytest.approx(1.0 / 3.0, abs=0.03)
    held = kept.errors.clone()
    kept.update(reading)
    assert torch.equal(kept.errors, held), "the same observation once more tells nothing new"


# --- healthy or not --------------------------------------------------------------------------------


def test_after_the_rim_of_hakuto_r_m1_the_height_is_right_again_and_the_gated_filter_stays_wrong():
    scenario, landers = load_scenario("hakuto_r_m1"), 20
    descent = Descent(scenario, landers, seed=1, autoreset="disabled")
    pilot = flight_computer(plan_of(scenario), scenario, landers)
    kept = filter_of(descent, Tuning.from_scenario(scenario))
    gated = GatedFilter(descent.observations, landers, scenario.decision_period)
    rows = []
    for reading in decisions(descent, pilot.act, 170):
        height, level = descent.truth()["height"], descent.state["motion.position"][:, 0].clone()
        estimate = kept.update(reading)
        rows.append((level, estimate.height - height, gated.update(reading) - height, estimate.trusted.float()))
    place, error, flown, trusted = (torch.stack(column) for column in zip(*rows, strict=True))
    edge = -30_000.0 + 2_000.0  # where the ground is level again
    for lander in range(landers):
        over = int((place[:, lander] > edge).float().argmax())
        assert 0 < over < 150
        assert trusted[over - 15 : over, lander].min() == 0.0, "while the ground drops the range finder is in doubt"
        assert (error[over + 6 : over + 40, lander].abs() < 250.0).all(), "2 % of the height, in six seconds"
        assert (trusted[over + 6 : over + 40, lander] == 1.0).all()
        assert (flown[over + 6 : over + 40, lander].abs() > 1_500.0).all()


def by_hand(count, landers=1, sink=50.0, top=4_000.0, noise=0.5, belief=300.0):
    """Readings of landers that sink steadily over flat ground and believe to be too high; ranges are right but noisy.

    Yields the true height [m] with each.
    """
    table = load_scenario("resilience", sensors=(RangeFinder(noise=noise),)).observation_table()
    random = torch.Generator().manual_seed(3)
    for second in range(count):
        reading = {channel.name: torch.zeros(landers) for channel in table.channels}
        height = top - sink * second
        measured = height + noise * torch.randn(landers, generator=random)
        values = {
            "altitude": height + belief, "velocity_up": -sink, "attitude_w": 1.0, "time": float(second),
            "altimeter_valid": 1.0,
        }  # fmt: skip
        for name, value in values.items():
            reading[name] += value
        yield reading | {"altimeter_range": measured}, height


def hand_filter(landers=1, noise=0.5):
    table = load_scenario("resilience", sensors=(RangeFinder(noise=noise),)).observation_table()
    return ErrorStateFilter(table, landers, 1.0, Tuning(dust_height=0.0))


def test_a_jump_that_lasts_is_believed_after_four_readings_and_the_deviation_tells_of_it():
    kept = hand_filter(50)
    for second, (reading, height) in enumerate(by_hand(40, 50)):
        ground = 800.0 if second >= 20 else 0.0
        estimate = kept.update(reading | {"altimeter_range": reading["altimeter_range"] + ground})
        wrong = (estimate.height - height - ground).abs()
        if 20 <= second < 23:
            assert (wrong > 700.0).all()
        elif second > 0:
            assert (wrong < 5.0 * estimate.height_deviation).all() and (wrong < 3.0).all(), second


def test_a_frozen_reading_is_not_readmitted_however_long_it_lasts():
    kept, frozen = hand_filter(20), None
    for second, (reading, height) in enumerate(by_hand(70, 20)):
        if second == 20:
            frozen = reading["altimeter_range"]
        stuck = 20 <= second < 60
        estimate = kept.update(reading | {"altimeter_range": frozen} if stuck else reading)
        assert ((estimate.height - height).abs() < 5.0 * estimate.height_deviation).all()
        assert (estimate.trusted == (not 24 <= second < 60)).all(), second


@pytest.mark.parametrize("sink", [50.0, 2.0])
def test_a_lock_on_the_vehicles_structure_is_not_readmitted(sink):
    kept = hand_filter(200)
    random = torch.Generator().manual_seed(8)
    for second, (reading, height) in enumerate(by_hand(60, 200, sink)):
        legs = 1.0 + 2.0 * torch.rand(200, generator=random)
        estimate = kept.update(reading | {"altimeter_range": legs} if second >= 20 else reading)
        assert ((estimate.height - height).abs() < 10.0).float().mean() > 0.99


def test_echoes_that_do_not_agree_are_not_readmitted():
    kept = hand_filter(200)
    random = torch.Generator().manual_seed(8)
    for second, (reading, height) in enumerate(by_hand(60, 200)):
        short = reading["altimeter_range"] * torch.rand(200, generator=random)
        estimate = kept.update(reading | {"altimeter_range": short} if second >= 20 else reading)
        assert ((estimate.height - height).abs() < 20.0).float().mean() > 0.95


def test_outliers_of_two_per_cent_do_not_move_the_height():
    scenario = smooth(ONE_BEAM, **with_fault("outliers", share=0.02, structure=0.3))
    descent = begin(scenario)
    kept, used, ratios = filter_of(descent), torch.zeros(LANDERS), []
    for reading in decisions(descent, lambda _: rate(scenario, 40.0), 60):
        estimate = kept.update(reading)
        used += kept.normalised[0].isfinite()
        ratios.append(((estimate.height - descent.truth()["height"]) / estimate.height_deviation)[used >= 5])
    ratios = torch.cat(ratios)
    assert len(ratios) > 15_000
    assert float(ratios.abs().max()) < 5.5
    assert 0.8 < float((ratios**2).mean()) < 1.2


def test_a_first_reading_that_was_wrong_is_outvoted_by_two():
    kept = hand_filter(20)
    for second, (reading, height) in enumerate(by_hand(8, 20)):
        share = 0.5 if second == 0 else 1.0
        estimate = kept.update(reading | {"altimeter_range": reading["altimeter_range"] * share})
        if second >= 2:
            assert ((estimate.height - height).abs() < 3.0).all()


def test_noise_thirty_times_the_sheets_is_noticed():
    scenario = smooth(ONE_BEAM, **with_fault("noise_burst", excess=29.0, onset=20.0))
    descent = begin(scenario)
    kept, ratios = filter_of(descent), []
    for number, reading in enumerate(decisions(descent, lambda _: rate(scenario, 30.0), 70)):
        estimate = kept.update(reading)
        if number >= 30:
            ratios.append((estimate.height - descent.truth()["height"]) / estimate.height_deviation)
    assert float((torch.cat(ratios).abs() < 5.0).float().mean()) > 0.95


def test_dust_does_not_pull_the_height_down():
    low = {"start.altitude": 200.0, "start.descent_rate": 5.0}
    scenario = smooth(ONE_BEAM, **with_fault("dust", height=40.0, shortfall=0.5) | low)
    descent = begin(scenario, altitude=20.0, velocity=0.05)
    tuning = Tuning(altitude=20.0, ground=0.0, velocity=0.05, unevenness=0.0)
    kept, errors = filter_of(descent, tuning), []
    for reading in decisions(descent, lambda seen: rate(scenario, 5.0), 45):
        height = descent.truth()["height"]
        estimate = kept.update(reading)
        low = (height < 20.0) & (descent.outcomes == int(Outcome.FLYING))
        errors.append((estimate.height - height)[low])
    errors = torch.cat(errors)
    assert len(errors) > LANDERS
    assert float(errors.mean()) > -0.5 and float(errors.abs().max()) < 4.0


def test_a_reading_without_its_valid_flag_is_not_used():
    scenario = smooth(NAVIGATION_DOPPLER_LIDAR, **with_fault("missing_flag", share=1.0))
    descent = begin(scenario, 20)
    kept = filter_of(descent)
    for reading in decisions(descent, lambda _: rate(scenario, 40.0), 20):
        estimate = kept.update(reading)
        assert not estimate.seen.any() and not estimate.trusted.any()
        assert torch.equal(estimate.height, reading["altitude"])
        assert not estimate.velocity_error.any()
    assert (estimate.height_deviation > ALTITUDE).all()


def test_a_drift_that_no_accelerometer_felt_is_seen_by_doppler_beams():
    scenario = smooth(NAVIGATION_DOPPLER_LIDAR, **with_fault("unsteady_site", slope=0.0, drift=2.0))
    descent = begin(scenario, 100, velocity=0.05)
    kept = filter_of(descent, Tuning(velocity=0.05))
    for reading in decisions(descent, lambda _: rate(scenario, 40.0), 12):
        estimate = kept.update(reading)
        true = descent.state["belief.velocity_error"].clone()
    off = (estimate.velocity_error - true) / estimate.velocity_deviation
    assert (true[:, 0].abs() > 1.5).all()
    assert float((off.abs() < 4.0).float().mean()) > 0.98
    assert (estimate.velocity_deviation < 0.1).all()


# --- contract --------------------------------------------------------------------------------------


def flown(landers, seed=2, count=40, **changes):
    """What a batch of ``resilience`` sees with a Doppler lidar besides."""
    scenario = load_scenario("resilience_as_planned", sensors=("series_1_laser", "navigation_doppler_lidar"), **changes)
    descent = Descent(scenario, landers, seed=seed, autoreset="disabled")
    pilot = make_pilot("cautious", scenario, landers)
    return descent, list(decisions(descent, pilot.act, count))


def test_reset_forgets_the_masked_landers_and_leaves_the_others_bit_for_bit():
    descent, readings = flown(30, count=120)
    kept, reset, newborn = filters = [filter_of(descent, Tuning()) for _ in range(3)]
    for reading, one in itertools.product(readings[:110], filters):
        one.update(reading)
    mask = torch.arange(30) % 3 == 0
    reset.reset(torch.zeros(30, dtype=torch.bool))
    reset.reset(mask)
    newborn.reset(torch.ones(30, dtype=torch.bool))
    for reading in readings[110:]:
        remembering, forgetful, fresh = (one.update(reading) for one in (kept, reset, newborn))
        for name, value in vars(forgetful).items():
            assert torch.equal(value[~mask], getattr(remembering, name)[~mask]), name
            assert torch.equal(value[mask], getattr(fresh, name)[mask]), name
        assert not torch.equal(fresh.height_deviation, remembering.height_deviation), "there was nothing to forget"


def test_a_landers_estimate_does_not_depend_on_its_neighbours():
    descent, readings = flown(37, count=120)
    together = filter_of(descent, Tuning())
    rows = torch.tensor([0, 5, 36, 11, 20])
    apart = ErrorStateFilter(descent.observations, len(rows), 1.0, Tuning())
    for reading in readings:
        all_of_them = together.update(reading)
        some = apart.update({name: column[rows] for name, column in reading.items()})
        for name, value in vars(some).items():
            # Vectorised sines and scalar ones may differ in their last bit.
            torch.testing.assert_close(value, getattr(all_of_them, name)[rows], rtol=1e-5, atol=1e-3, msg=name)


def test_estimates_are_named_tensors_of_the_promised_shapes():
    descent, readings = flown(4, count=3)
    estimate = filter_of(descent).update(readings[0])
    for name, shape in {"height": (4,), "velocity": (4, 3), "velocity_error": (4, 3), "position": (4, 2)}.items():
        assert getattr(estimate, name).shape == shape
    assert estimate.seen.dtype == estimate.trusted.dtype == torch.bool
    inertial = torch.stack([readings[0][f"velocity_{axis}"] for axis in ("x", "y", "up")], dim=1)
    assert torch.equal(estimate.velocity, inertial - estimate.velocity_error)


def test_the_defaults_are_what_the_designer_of_resilience_would_assume():
    designed, defaults = Tuning.from_scenario(load_scenario("resilience")), Tuning()
    for name, value in vars(designed).items():
        assert value == pytest.approx(getattr(defaults, name), rel=0.01), name
    replay = Tuning.from_scenario(load_scenario("resilience_replay"))
    assert replay.altitude == pytest.approx(1_400.0), "a fixed error counts by its size"


def test_a_data_sheet_gives_the_noise_with_its_quantisation():
    sheet = FinderTuning.of(RangeFinder(noise=0.3, resolution=1.2, scale=Range(0.97, 1.03), bias=2.0))
    assert sheet.noise == pytest.approx(np.sqrt(0.3**2 + 1.2**2 / 12.0 + 0.05**2))
    assert sheet.scale_deviation == pytest.approx(0.06 / np.sqrt(12.0)) and sheet.bias == 2.0


@pytest.mark.parametrize(("name", "value"), [("altitude", -1.0), ("gate", float("nan")), ("radius", float("inf"))])
def test_a_tuning_that_is_no_deviation_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"tuning\.{name} must be finite and at least 0"):
        Tuning(**{name: value})


@pytest.mark.slow
def test_ten_thousand_landers_take_less_than_fifteen_seconds():
    descent, readings = flown(10_000, count=25)  # all of them: five times 2,000 would pay for each call five times
    kept = filter_of(descent, Tuning())
    before = time.process_time()
    for reading in itertools.islice(itertools.cycle(readings), 250):
        kept.update(reading)
    assert time.process_time() - before < 15.0


def test_a_reading_older_than_what_is_kept_is_not_extrapolated():
    scenario = load_scenario("resilience", decision_period=0.2, **{"faults.late_acquisition.altitude": 1.0})
    descent = Descent(scenario, 8, seed=0)
    navigator = ErrorStateFilter(descent.observations, 8, scenario.decision_period)
    reading = descent.observations.read(descent.reset(seed=0))
    for _ in range(30):  # the age of what never came grows, and cubes of it would leave the Moon
        navigator.update(reading)
        reading = descent.observations.read(descent.step(torch.zeros(8, 3)).observation)
    reading["altimeter_age"].fill_(100.0)
    passage = navigator.past.recall(reading)
    assert (passage.altitude - reading["altitude"]).abs().max() < 1_000.0
    assert not passage.usable.any()
