"""Inertial units: what a wrong scale and wrong gyros make of a descent, against closed forms and data sheets.

Statistics are of fixed seeds; their bounds are those that one honest run in 10,000 would break. What a biased
accelerometer alone does stands in test_drift.py.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FLAT, RARE, same_bits
from reference import STANDARD_GRAVITY
from scipy import stats
from scipy.spatial.transform import Rotation

from lunar_env import Descent, Range, Scenario, load_scenario
from lunar_env.faults.kinds import with_fault
from lunar_env.sensors.devices import CONSUMER_IMU, INERTIAL_UNITS, STIM300, InertialUnit
from lunar_env.sensors.inertial import Navigation

TICK = 0.1  # [s]
ROUNDING = 2.0**-24  # of one operation in float32, relative
ACCELERATION = 4.0  # [m/s^2] of the rig at full thrust
HANGING = dict(moon__surface_gravity=0.0)
WORDS = (
    "motion.position",
    "motion.velocity",
    "motion.attitude",
    "motion.rates",
    "motion.throttle",
    "motion.propellant",
)


def rig(landers: int = 1, **changes: Any) -> Descent:
    """500 kg under direct control with 2000 N of thrust that cost nothing, on a flat Moon. Two underscores: a dot."""
    vehicle = {"control": "body", "mass.dry": 400.0, "start.propellant": 100.0, "engine.maximum_thrust": 2_000.0}
    engine = {"engine.specific_impulse": 1e9, "engine.lag": 0.0, "engine.minimum_throttle": 0.0}
    start = {"start.altitude": 9e5, "start.descent_rate": 0.0, "decision_period": 1.0, "time_limit": 1e4}
    place = {"moon.radius": FLAT, "moon.surface_gravity": 2.0, "ceiling": 1e7, "extent": 6e5, "top_speed": 1e4}
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    scenario = load_scenario("vertical", **vehicle | engine | start | place | changed)
    return Descent(scenario, landers, autoreset="disabled")


def fly(descent: Descent, seconds: float, throttle: float = 0.0) -> Descent:
    """Fly on with so much thrust and no torque."""
    idle = torch.zeros_like(descent.actions)
    idle[:, 0] = 2.0 * throttle - 1.0
    descent.actions.copy_(idle)
    for _ in range(round(seconds / descent.scenario.decision_period)):
        descent.advance()
    assert not descent.outcomes.any()
    return descent


def column(descent: Descent, name: str) -> np.ndarray:
    return descent.state[name].double().numpy()


def rotation(descent: Descent, name: str) -> Rotation:
    return Rotation.from_quat(column(descent, name))


def believed(descent: Descent) -> Rotation:
    return rotation(descent, "belief.attitude_error") * rotation(descent, "motion.attitude")


def gyro_bias(bias: np.ndarray) -> dict[str, float]:
    return {f"navigation__gyro_bias_{axis}": float(value) for axis, value in zip("xyz", bias, strict=True)}


# Scale ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2.0**-10, -(2.0**-7)])  # powers of two, so that float32 holds one plus it
def test_a_scale_error_adds_its_share_of_the_velocity_gained_along_a_steady_thrust(scale: float) -> None:
    descent = fly(rig(navigation__scale_error=scale), 100.0, throttle=0.75)
    gained = 0.75 * ACCELERATION * 100.0
    wrong = column(descent, "belief.velocity_error")[0]
    assert not wrong[:2].any()
    # A thousand sums, each of which rounds what it has got so far: at worst all the same way.
    assert abs(wrong[2] / (scale * gained) - 1.0) < 1000 * ROUNDING
    # Semi-implicit Euler is ahead by half a tick of 1000.
    position = column(descent, "belief.position_error")[0, 2]
    assert abs(position / (0.5 * scale * gained * 100.0) - (1.0 + TICK / 100.0)) < 1000 * ROUNDING
    assert (column(descent, "belief.attitude_error") == [0.0, 0.0, 0.0, 1.0]).all()


def test_a_scale_error_of_a_tilted_thrust_lies_along_it() -> None:
    landers, scales = 200, Range(-0.01, 0.01)
    descent = rig(landers, start__tilt=Range(-1.2, 1.2), navigation__scale_error=scales)
    spin = Rotation.from_rotvec(np.multiply.outer(np.linspace(0.0, 6.0, landers), [0.0, 0.0, 1.0]))
    attitude = spin * rotation(descent, "motion.attitude")
    descent.state["motion.attitude"] = torch.tensor(attitude.as_quat())
    fly(descent, 50.0, throttle=1.0)
    scale = column(descent, "drawn.navigation.scale_error")
    assert scale.min() < -0.009 and scale.max() > 0.009
    wanted = attitude.apply([0.0, 0.0, 1.0]) * (scale * ACCELERATION * 50.0)[:, None]
    # The measured share of an axis less the axis is right to a rounding of one, in each of the 50 s of 4 m/s^2.
    assert np.abs(column(descent, "belief.velocity_error") - wanted).max() < 3 * ROUNDING * ACCELERATION * 50.0


def test_a_scale_error_counts_thrust_by_the_rocket_equation_and_no_weight() -> None:
    fuel = dict(engine__specific_impulse=290.0, engine__lag=0.05, start__propellant=300.0, start__throttle=1.0)
    descent = fly(rig(**fuel, navigation__scale_error=2.0**-10), 200.0, throttle=1.0)
    mass = 400.0 + column(descent, "motion.propellant")[0]
    gained = 290.0 * STANDARD_GRAVITY * np.log(700.0 / mass)
    assert mass < 565.0
    # It is told at the end of a tick, when the lander is lighter by half a tick's flow of 0.7 kg/s than in its mean.
    ahead = 0.5 * TICK * (2_000.0 / (290.0 * STANDARD_GRAVITY)) / mass
    assert 0.0 < column(descent, "belief.velocity_error")[0, 2] / (2.0**-10 * gained) - 1.0 < ahead
    falling = fly(rig(navigation__scale_error=2.0**-10), 200.0)
    assert not column(falling, "belief.velocity_error").any()


def test_a_dead_accelerometer_and_a_wrong_scale_multiply() -> None:
    fault = {f"{path.replace('.', '__')}": value for path, value in with_fault("dead_accelerometer", loss=0.25).items()}
    descent = fly(rig(**fault, navigation__scale_error=2.0**-7), 100.0, throttle=1.0)
    wanted = ((1.0 + 2.0**-7) * 0.75 - 1.0) * ACCELERATION * 100.0
    assert abs(column(descent, "belief.velocity_error")[0, 2] / wanted - 1.0) < 1000 * ROUNDING


# Gyros ------------------------------------------------------------------------------------------------------------

BIAS = np.array([2.0e-3, -1.0e-3, 0.5e-3])  # [rad/s]


def test_a_gyro_bias_turns_the_believed_attitude_by_bias_times_time_about_the_bodys_axes() -> None:
    descent = rig(**HANGING, **gyro_bias(BIAS), start__tilt=0.7)
    true = rotation(descent, "motion.attitude")
    for seconds in (10.0, 90.0, 400.0):
        fly(descent, seconds)
        time = column(descent, "episode.tick")[0] * TICK
        wanted = true * Rotation.from_rotvec(BIAS * time)
        # 1.1 rad at last. Each of 5000 ticks rounds a quaternion of length one, at worst all the same way.
        assert (wanted.inv() * believed(descent)).magnitude()[0] < 10 * time * ROUNDING
    assert time == 500.0
    assert np.allclose(true.as_matrix(), rotation(descent, "motion.attitude").as_matrix())  # the truth has not turned


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turning_vehicle_adds_its_gyro_bias_about_the_axes_that_turn_with_it(axis: int) -> None:
    # About z it spins steadily, at 0.3 rad/s: 4.8 turns in 100 s, in which a bias across comes back to where it was.
    bias = 2e-3 * np.eye(3)[axis]
    descent = rig(**HANGING, **gyro_bias(bias), start__tilt=0.7, decision_period=TICK)
    descent.state["motion.rates"] = torch.tensor([[0.0, 0.0, 0.3]])
    start = rotation(descent, "motion.attitude")
    most = 0.0
    for seconds in range(5, 101, 5):
        fly(descent, 5.0)
        wanted = start * Rotation.from_rotvec((np.array([0.0, 0.0, 0.3]) + bias) * seconds)
        # Told at the end of each tick, not in its middle: half a tick of bias, turned by up to two right angles.
        assert (wanted.inv() * believed(descent)).magnitude()[0] < 2e-3 * TICK + 5e-5
        most = max(most, rotation(descent, "belief.attitude_error").magnitude()[0])
    # Across, the error goes round a circle of 2e-3 / 0.3 rad; along, it grows.
    assert abs(most - (2e-3 * 100.0 if axis == 2 else 2.0 * 2e-3 / 0.3)) < 4e-4


def test_the_pilot_sees_the_believed_attitude_and_rates_that_are_off_by_the_bias() -> None:
    landers = 100
    biases = {f"navigation__gyro_bias_{axis}": Range(-5e-3, 5e-3) for axis in "xyz"}
    descent = rig(landers, **HANGING, **biases, start__tilt=Range(-3.0, 3.0))
    bias = np.stack([column(descent, f"drawn.navigation.gyro_bias_{axis}") for axis in "xyz"], axis=1)
    descent.state["motion.rates"] = 0.02 * torch.randn(landers, 3, generator=torch.Generator().manual_seed(1))
    assert np.array_equal(column(descent, "belief.rate_error"), bias)  # from the first look on
    fly(descent, 300.0)
    assert np.array_equal(column(descent, "belief.rate_error"), bias)
    shown = descent.observations.read(descent.state.observation)
    seen = {name: value.double().numpy() for name, value in shown.items()}
    rates = np.stack([seen[f"rate_{axis}"] for axis in "xyz"], axis=1)
    # Scaled by 0.2 rad/s and back: a few roundings of rates below 0.1 rad/s.
    assert np.abs(rates - column(descent, "motion.rates") - bias).max() < 4 * ROUNDING * 0.1
    attitude = Rotation.from_quat(np.stack([seen[f"attitude_{part}"] for part in "xyzw"], axis=1))
    assert (attitude.inv() * believed(descent)).magnitude().max() < 1e-6  # products of float32 quaternions
    assert (seen["attitude_w"] >= 0.0).all()
    assert (rotation(descent, "motion.attitude").inv() * attitude).magnitude().min() > 0.02  # and not the truth


def test_the_first_look_already_shows_the_bias() -> None:
    seen = rig(**gyro_bias(BIAS))
    shown = seen.observations.read(seen.state.observation)
    rates = np.array([shown[f"rate_{axis}"].item() for axis in "xyz"])
    assert np.abs(rates - BIAS).max() < 4 * ROUNDING * 2e-3


def test_the_autopilot_holds_upright_what_the_gyros_believe_so_the_vehicle_leans_over_with_them() -> None:
    bias = np.array([0.0, 2e-3, 0.0])
    descent = rig(**HANGING, **gyro_bias(bias), control="throttle")
    fly(descent, 100.0)
    assert believed(descent).magnitude()[0] < 1e-4
    assert np.abs(rotation(descent, "motion.attitude").as_rotvec()[0] + bias * 100.0).max() < 1e-4
    assert np.abs(column(descent, "motion.rates")[0] + bias).max() < 1e-6


def test_a_saturated_gyro_comes_on_top_of_its_bias_and_leaves_it_again() -> None:
    fault = with_fault("gyro_saturation", rate=0.25, onset=2.0, duration=1.0)
    fault = {path.replace(".", "__"): value for path, value in fault.items()}
    descent = rig(**HANGING, **fault, **gyro_bias(BIAS), decision_period=TICK)
    bias, turned = np.float32(BIAS), Rotation.identity()
    for tick in range(1, 61):
        fly(descent, TICK)
        wanted = bias + (np.float32([0.0, 0.25, 0.0]) if 21 <= tick <= 30 else 0.0)
        assert np.array_equal(column(descent, "belief.rate_error")[0], np.float32(wanted).astype(float)), tick
        turned = turned * Rotation.from_rotvec(np.float64(wanted) * TICK)
    assert (turned.inv() * rotation(descent, "belief.attitude_error")).magnitude()[0] < 60 * 4 * ROUNDING


def test_the_variance_of_an_angle_random_walk_grows_as_time() -> None:
    landers, walk, tick = 2_000, 1e-3, 0.5
    timing = dict(tick=tick, substeps=1, decision_period=4.0, altimeter__period=4.0, altimeter__delay=0.0)
    descent = rig(landers, **HANGING, **timing, navigation__angle_random_walk=walk, navigation__random_walk=0.01)
    low, high = stats.chi2.interval(1.0 - RARE, landers)
    variances, times, before = [], [8, 32, 128, 512], np.zeros((landers, 3))
    for time, more in zip(times, np.diff([0, *times]), strict=True):
        fly(descent, float(more))
        # Turns of 0.02 rad hardly disturb each other: products of them are a thousandth of the variance.
        turn = rotation(descent, "belief.attitude_error").as_rotvec()
        for axis in range(3):
            assert low < np.sum(turn[:, axis] ** 2) / (walk**2 * time) < high
            # What is added is new.
            assert (
                stats.pearsonr(turn[:, axis] - before[:, axis], before[:, axis]).pvalue > RARE if before.any() else True
            )
        variances.append(np.mean(turn**2))
        before = turn
    # Of 6,000 numbers each variance is known to 1.8 %, and the slope over a factor of 64 to 0.6 %.
    assert abs(np.polyfit(np.log(times), np.log(variances), 1)[0] - 1.0) < 0.024
    assert all(stats.pearsonr(turn[:, a], turn[:, b]).pvalue > RARE for a, b in ((0, 1), (0, 2), (1, 2)))
    assert stats.kstest(turn[:, 2] / (walk * np.sqrt(512.0)), "norm").pvalue > RARE
    # The gyros' walk is not the accelerometers'.
    velocity = column(descent, "belief.velocity_error")
    assert all(stats.pearsonr(turn[:, a], velocity[:, b]).pvalue > RARE for a in range(3) for b in range(3))


def test_an_angle_random_walk_does_not_depend_on_the_tick() -> None:
    low, high = stats.chi2.interval(1.0 - RARE, 6_000)
    for tick in (0.1, 0.5):
        timing = dict(tick=tick, decision_period=1.0, altimeter__period=tick, altimeter__delay=0.0)
        descent = fly(rig(2_000, **HANGING, **timing, navigation__angle_random_walk=1e-3), 20.0)
        turn = rotation(descent, "belief.attitude_error").as_rotvec()
        assert low < np.sum(turn**2) / (1e-3**2 * 20.0) < high


def test_the_walk_of_the_gyros_does_not_show_in_the_rates() -> None:
    descent = fly(rig(8, navigation__angle_random_walk=1e-3), 5.0)
    assert not column(descent, "belief.rate_error").any()
    assert rotation(descent, "belief.attitude_error").magnitude().min() > 0.0


# Attitude into velocity -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tilt", [0.0, -0.6])
@pytest.mark.parametrize("angle", [0.01, 0.3])
def test_a_turned_belief_puts_the_sine_of_its_angle_of_the_thrust_into_the_velocity(angle: float, tilt: float) -> None:
    never = {"faults__gyro_saturation__probability": 1.0, "faults__gyro_saturation__onset": 1e5}
    descent = rig(start__tilt=tilt, **never)  # so that a belief may be misled
    turn = Rotation.from_rotvec([0.0, angle, 0.0])
    descent.state["belief.attitude_error"] = torch.tensor(turn.as_quat()[None])
    descent.state["belief.misled"] = 1
    fly(descent, 60.0, throttle=0.5)
    axis = rotation(descent, "motion.attitude").apply([0.0, 0.0, 1.0])[0]
    gained = 0.5 * ACCELERATION * 60.0
    across = np.cross([0.0, 1.0, 0.0], axis)
    wrong = column(descent, "belief.velocity_error")[0]
    # Each tick's difference of two axes is right to three roundings of one, and 600 sums round what they have got.
    assert abs(wrong @ across - gained * np.sin(angle)) < 600 * ROUNDING * gained * angle + 3 * ROUNDING * gained
    assert abs(wrong @ axis + gained * (1.0 - np.cos(angle))) < 600 * ROUNDING * gained * angle + 3 * ROUNDING * gained
    assert wrong[1] == 0.0


def test_under_a_gyro_bias_the_velocity_error_grows_as_the_integral_of_the_sine() -> None:
    rate = 1e-3
    descent = fly(rig(**gyro_bias(np.array([0.0, rate, 0.0]))), 300.0, throttle=1.0)
    wrong = column(descent, "belief.velocity_error")[0]
    across, along = (1.0 - np.cos(rate * 300.0)) / rate, np.sin(rate * 300.0) / rate - 300.0
    # The sum over ticks is ahead of the integral by half a tick of the last sine, and of the last cosine less one.
    across += 0.5 * TICK * np.sin(rate * 300.0)
    along += 0.5 * TICK * (np.cos(rate * 300.0) - 1.0)
    assert abs(wrong[0] / (ACCELERATION * across) - 1.0) < 3000 * ROUNDING
    assert abs(wrong[2] / (ACCELERATION * along) - 1.0) < 3000 * ROUNDING
    assert abs(wrong[0] - 178.7) < 0.2 and wrong[1] == 0.0


# Perfect units ----------------------------------------------------------------------------------------------------

PERFECT = InertialUnit("without errors", 0.0, 0.0, 0.0, 0.0, 0.0)
INITIAL: dict[str, Any] = {"altitude_error": Range(-500.0, 1_500.0), "velocity_error_x": Range(-0.15, 0.15)}


def lived(navigation: Navigation, control: str = "descent_rate", misled: bool = False) -> dict[str, torch.Tensor]:
    """All that 64 descents of Resilience come to, bit for bit."""
    scenario = load_scenario("resilience", navigation=navigation, control=control)
    descent = Descent(scenario, 64, seed=5, autoreset="disabled")
    if misled:
        descent.state["belief.misled"] = 1
    generator = torch.Generator().manual_seed(2)
    for _ in range(80):
        descent.actions.copy_(torch.rand(64, descent.action_size, generator=generator) * 2.0 - 1.0)
        descent.advance()
    kept = {name: descent.state[name] for name in descent.state.names() if name.split(".")[0] != "drawn"}
    return {**kept, "observation": descent.state.observation, "reward": descent.rewards}


@pytest.mark.parametrize(
    ("unit", "navigation"),
    [
        (PERFECT, Navigation(**INITIAL)),
        (
            replace(PERFECT, accelerometer_bias=5e-4, velocity_random_walk=1e-3),
            Navigation(
                **INITIAL, **dict.fromkeys(("bias_x", "bias_y", "bias_z"), Range(-5e-4, 5e-4)), random_walk=1e-3
            ),
        ),
    ],
    ids=["no errors", "accelerometers that drift"],
)
def test_a_unit_with_perfect_gyros_and_scale_is_the_plain_drift_bit_for_bit(
    unit: InertialUnit, navigation: Navigation
) -> None:
    with_unit, plain = lived(unit.navigation(**INITIAL)), lived(navigation)
    for name, values in plain.items():
        assert same_bits(values, with_unit[name]), name


def test_a_belief_that_is_looked_after_but_not_wrong_changes_not_a_bit() -> None:
    # As ``misled`` marks it: the way of a wrong unit, with nothing wrong about it.
    drift = Navigation(**INITIAL, bias_z=Range(-5e-4, 5e-4), random_walk=1e-3)
    plain, looked_after = lived(drift), lived(drift, misled=True)
    for name, values in plain.items():
        assert same_bits(values, looked_after[name]) or name == "belief.misled", name


def test_what_a_unit_gets_wrong_is_wrong_in_the_belief_alone() -> None:
    # Under direct control nobody acts on the belief.
    plain, wrong = (lived(navigation, "body") for navigation in (Navigation(), CONSUMER_IMU.navigation()))
    differing = {name for name, values in plain.items() if not same_bits(values, wrong[name])}
    errors = {f"belief.{part}_error" for part in ("position", "velocity", "attitude", "rate")}
    assert differing == errors | {"belief.misled", "observation"}


# Data sheets ------------------------------------------------------------------------------------------------------

MILLI_G, DEGREE_PER_HOUR = 9.80665e-3, np.pi / 180.0 / 3600.0
SHEETS = {  # accelerometer bias, velocity walk, scale, gyro bias, angle walk: as the sheets say, each in SI
    "stim300": (0.05 * MILLI_G, 0.06 / np.sqrt(3600.0), 400e-6, 0.5 * DEGREE_PER_HOUR, np.radians(0.15) / 60.0),
    "ln_200s": (0.3 * MILLI_G, 0.03 / np.sqrt(3600.0), 300e-6, 1.0 * DEGREE_PER_HOUR, np.radians(0.07) / 60.0),
    "consumer_imu": (0.03 * MILLI_G, 0.12 * MILLI_G, 2e-3, 10.0 * DEGREE_PER_HOUR, np.radians(0.007)),
}
EACH_UNIT = pytest.mark.parametrize("name", INERTIAL_UNITS)


def test_every_unit_has_a_sheet_here_and_says_what_it_is() -> None:
    assert SHEETS.keys() == INERTIAL_UNITS.keys()
    assert all(unit.summary for unit in INERTIAL_UNITS.values())


@EACH_UNIT
def test_the_navigation_of_a_unit_has_the_ranges_of_its_data_sheet(name: str) -> None:
    bias, walk, scale, gyro, angle_walk = SHEETS[name]
    navigation = INERTIAL_UNITS[name].navigation(altitude_error=Range(-100.0, 100.0), velocity_error_z=0.5)
    ranges = {f"bias_{axis}": bias for axis in "xyz"} | {f"gyro_bias_{axis}": gyro for axis in "xyz"}
    for key, largest in (ranges | {"scale_error": scale}).items():
        number = getattr(navigation, key)
        assert (number.low, number.high) == pytest.approx((-largest, largest), rel=1e-9)
        assert not number.log
    assert (navigation.random_walk, navigation.angle_random_walk) == pytest.approx((walk, angle_walk), rel=1e-9)
    # The initial errors are the caller's, and none where he gives none.
    assert navigation.altitude_error == Range(-100.0, 100.0)
    assert (navigation.velocity_error_z, navigation.velocity_error_x, navigation.position_error_x) == (0.5, 0.0, 0.0)


@EACH_UNIT
def test_each_lander_draws_its_own_unit_evenly_from_the_sheet(name: str) -> None:
    bias, _, scale, gyro, _ = SHEETS[name]
    descent = Descent(load_scenario("resilience", navigation=INERTIAL_UNITS[name].navigation()), 2_000)
    largest = {f"bias_{axis}": bias for axis in "xyz"} | {f"gyro_bias_{axis}": gyro for axis in "xyz"}
    drawn = {
        key: column(descent, f"drawn.navigation.{key}") / top for key, top in (largest | {"scale_error": scale}).items()
    }
    for values in drawn.values():
        assert stats.kstest(values, "uniform", (-1.0, 2.0)).pvalue > RARE
    pairs = [(a, b) for a in drawn for b in drawn if a < b]
    assert min(stats.pearsonr(drawn[a], drawn[b]).pvalue for a, b in pairs) > RARE / len(pairs)
    assert descent.state["belief.misled"].all()


def test_a_unit_of_three_quarters_of_a_milli_g_is_off_by_331_metres_after_five_minutes() -> None:
    # Missions reference, section 2.2: half of 0.75 mg times the square of 300 s.
    unit = replace(STIM300, accelerometer_bias=0.75 * MILLI_G, velocity_random_walk=0.0)
    descent = fly(rig(200, navigation=unit.navigation()), 300.0)  # in free fall, where gyros and scale do nothing
    bias = np.stack([column(descent, f"drawn.navigation.bias_{axis}") for axis in "xyz"], axis=1)
    wrong = column(descent, "belief.position_error")
    # Semi-implicit Euler is ahead by half a tick, 0.05 s of 150 s. That taken off, 3000 sums round what they have got.
    wanted = 0.5 * bias * 300.0**2 * (1.0 + TICK / 300.0)
    assert np.abs(wrong - wanted).max() < 1e-4 * 331.0
    assert abs(0.5 * 0.75 * MILLI_G * 300.0**2 - 331.0) < 0.1
    assert 0.97 * 331.0 < np.abs(wrong).max() < 331.2


# Units compared ---------------------------------------------------------------------------------------------------


def braked(unit: InertialUnit, landers: int = 1_000, seconds: float = 100.0) -> dict[str, np.ndarray]:
    """The errors after so many seconds of upright braking at full thrust on the real Moon, from no error."""
    real = dict(moon__radius=1_737_400.0, moon__surface_gravity=1.6242, start__altitude=2e4, start__descent_rate=200.0)
    descent = fly(rig(landers, navigation=unit.navigation(), **real), seconds, throttle=1.0)
    turn = rotation(descent, "belief.attitude_error").as_rotvec()
    return {"attitude": turn} | {part: column(descent, f"belief.{part}_error") for part in ("velocity", "position")}


@EACH_UNIT
def test_after_braking_the_errors_are_as_large_as_the_sheet_makes_them(name: str) -> None:
    bias, walk, scale, gyro, angle_walk = SHEETS[name]
    time, landers = 100.0, 1_000
    errors = braked(INERTIAL_UNITS[name], landers, time)
    # An even number up to b has the variance b^2/3. A bias g leans by g t, a walk w by an angle of variance w^2 t.
    lean = (gyro * time) ** 2 / 3.0 + angle_walk**2 * time
    # Thrust a along z puts a (g t^2/2) into x and y, and the integral of the walk, of variance w^2 t^3/3.
    across = (bias * time) ** 2 / 3.0 + walk**2 * time
    along = across + (scale * ACCELERATION * time) ** 2 / 3.0
    across += ACCELERATION**2 * ((0.5 * gyro * time**2) ** 2 / 3.0 + angle_walk**2 * time**3 / 3.0)
    # No part has heavier tails than a normal number, so the mean square of 1,000 is known to sqrt(2/1000) = 4.5 %, and
    # to 17 % but for one in 10,000. Half a percent more for the Moon's gradient and half ticks.
    bound = stats.norm.isf(RARE / 2) * np.sqrt(2.0 / landers) + 0.005
    for axis, wanted in enumerate((lean, lean, lean)):
        assert abs(np.mean(errors["attitude"][:, axis] ** 2) / wanted - 1.0) < bound
    for axis, wanted in enumerate((across, across, along)):
        assert abs(np.mean(errors["velocity"][:, axis] ** 2) / wanted - 1.0) < bound


def test_after_a_descent_a_consumer_units_errors_are_larger_than_a_tactical_ones() -> None:
    tactical, consumer = ({name: np.sqrt(np.mean(values**2)) for name, values in braked(unit).items()}
                          for unit in (STIM300, CONSUMER_IMU))  # fmt: skip
    # As the sheets' numbers above make them, 4.6e-4 and 3.1e-3 rad, 0.10 and 0.57 m/s, 4.5 and 22 m, to a few per cent.
    assert consumer["attitude"] > 5.0 * tactical["attitude"]
    assert consumer["velocity"] > 3.0 * tactical["velocity"]
    assert consumer["position"] > 3.0 * tactical["position"]


# Contract ---------------------------------------------------------------------------------------------------------


def landing(navigation: Navigation) -> Scenario:
    """The last hundred metres, so that episodes end soon."""
    start = {"start.altitude": Range(30.0, 200.0), "start.descent_rate": Range(10.0, 30.0), "start.distance": 100.0}
    start |= {"start.speed": 3.0, "start.tilt": 0.1, "decision_period": 0.5, "time_limit": 40.0}
    return load_scenario("resilience", navigation=navigation, **start)


WRONG = replace(CONSUMER_IMU, gyro_bias=5e-3, angle_random_walk=5e-3, scale_error=0.05)


def frames(descent: Descent, decisions: int) -> torch.Tensor:
    """All words of the landers and their observations before each decision, as bits."""
    seen = []
    for _ in range(decisions):
        seen.append(torch.cat([descent.snapshot()["lander"], descent.state.observation], dim=1).view(torch.int32))
        descent.actions.copy_(torch.tensor([-0.3, 0.1, -0.1]).expand_as(descent.actions))
        descent.advance()
    return torch.stack(seen)


def test_a_new_episode_begins_with_a_true_attitude_and_its_own_gyros() -> None:
    flown, fresh = (Descent(landing(WRONG.navigation()), 64, seed=3) for _ in range(2))
    fresh.reset()  # episode 1 without a flight before
    begins, first = torch.full((64,), -1), []
    for step in range(120):
        first.append(frames(flown, 1)[0])
        begins = torch.where((begins < 0) & (flown.state["episode.episode"] == 1), step + 1, begins)
    assert (begins > 0).all() and begins.max() < 90
    assert (column(fresh, "belief.attitude_error") == [0.0, 0.0, 0.0, 1.0]).all()
    lived_on, second = torch.stack(first), frames(fresh, 30)
    for row, begin in enumerate(begins.tolist()):
        assert torch.equal(lived_on[begin : begin + 30, row], second[:, row])


def test_a_descent_on_a_real_unit_is_the_same_whatever_the_batch_and_the_threads() -> None:
    scenario = landing(WRONG.navigation())
    wide = frames(Descent(scenario, 100, seed=4), 60)
    for count, threads in ((1, 1), (7, 1), (100, 3)):
        assert torch.equal(frames(Descent(scenario, count, seed=4, threads=threads), 60), wide[:, :count])


def test_snapshot_and_restore_continue_bit_for_bit() -> None:
    scenario = landing(WRONG.navigation())
    descent, other = Descent(scenario, 16, seed=5), Descent(scenario, 16, seed=99)
    frames(descent, 5)
    snapshot = descent.snapshot()
    first = frames(descent, 40)
    for continued in (descent, other):
        continued.restore(snapshot)
        assert torch.equal(frames(continued, 40), first)
