"""The drift of the inertial solution, against closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import FLAT, RARE
from reference import from_centre
from scipy import stats

from lunar_env import Descent, Range, load_scenario


def drifting(landers: int = 1, seconds: int = 0, **changes: Any) -> Descent:
    """Landers that have fallen from a height for some seconds. Two underscores stand for a dot."""
    free = {"control": "body", "ceiling": 1e7, "start.altitude": 9e5, "time_limit": 1e4, "decision_period": 10.0}
    free |= {name.replace("__", "."): value for name, value in changes.items()}
    descent = Descent(load_scenario("vertical", **free), landers)
    fly(descent, seconds)
    return descent


def fly(descent: Descent, seconds: int) -> None:
    descent.actions.copy_(torch.tensor([-1.0, 0.0, 0.0, 0.0]).expand_as(descent.actions))
    for _ in range(round(seconds / descent.scenario.decision_period)):
        descent.advance()
    assert not descent.state["episode.episode"].any()  # or else a next one began


def error(descent: Descent, name: str) -> np.ndarray:
    return descent.state[f"belief.{name}_error"].double().numpy()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_bias_makes_half_its_square_of_time(axis: int) -> None:
    # 0.75 mg make 331 m in 300 s (missions reference, section 2.2).
    bias = 0.75e-3 * 9.80665
    descent = drifting(seconds=300, moon__radius=FLAT, **{f"navigation__bias_{'xyz'[axis]}": bias})
    wanted = np.zeros(3)
    wanted[axis] = 0.5 * bias * 300.0**2
    assert abs(wanted[axis] - 331.0) < 0.1
    # Semi-implicit Euler with a tick of 0.1 s is ahead by half a tick: bias t dt / 2 = 0.11 m. That taken off, the
    # sum of 3000 terms in float32 is right to 3000 roundings of 331 m at the very most, and they mostly cancel.
    wanted[axis] += 0.5 * bias * 300.0 * 0.1
    assert np.abs(error(descent, "position")[0] - wanted).max() < 1e-4 * 331.0
    wanted[axis] = bias * 300.0
    assert np.abs(error(descent, "velocity")[0] - wanted).max() < 1e-4 * 2.2


def test_the_variance_of_a_random_walk_grows_as_time() -> None:
    landers, walk, tick = 2000, 0.01, 0.5
    timing = dict(
        tick=tick, substeps=1, decision_period=4.0, altimeter__period=4.0, altimeter__delay=0.0, engine__lag=0.0
    )
    descent = drifting(landers, moon__radius=FLAT, navigation__random_walk=walk, **timing)
    low, high = stats.chi2.interval(1.0 - RARE, landers)
    variances, times = [], [8, 32, 128, 512]
    for time, more in zip(times, np.diff([0, *times]), strict=True):
        fly(descent, more)
        velocity, position = error(descent, "velocity"), error(descent, "position")
        ticks = round(time / tick)
        third_of_cube = tick**3 * ticks * (ticks + 1) * (2 * ticks + 1) / 6  # the sum of squares that tends to t^3/3
        for axis in range(3):
            assert low < np.sum(velocity[:, axis] ** 2) / (walk**2 * time) < high
            assert low < np.sum(position[:, axis] ** 2) / (walk**2 * third_of_cube) < high
        variances.append(np.mean(velocity**2))
    # Of 6,000 numbers each variance is known to 1.8 %, and the slope over a factor of 64 to 0.6 %.
    slope = np.polyfit(np.log(times), np.log(variances), 1)[0]
    assert abs(slope - 1.0) < 0.024
    # Three axes, three walks; normal by their many terms.
    assert all(stats.pearsonr(velocity[:, a], velocity[:, b]).pvalue > RARE for a, b in ((0, 1), (0, 2), (1, 2)))
    assert stats.kstest(velocity[:, 2] / (walk * np.sqrt(512.0)), "norm").pvalue > RARE


def test_an_error_of_height_grows_as_the_hyperbolic_cosine() -> None:
    descent = drifting(seconds=600, navigation__altitude_error=100.0)
    rate = np.sqrt(2.0 * 1.6242 / 1_737_400.0)  # 1/rate is 12.2 minutes
    # Semi-implicit Euler's height is half a tick ahead: 0.05 s * 1.4e-3 / s * tanh(0.82) = 5e-5. Its speed is not.
    assert abs(error(descent, "position")[0, 2] / (100.0 * np.cosh(600.0 * rate)) - 1.0) < 1e-4
    assert abs(error(descent, "velocity")[0, 2] / (100.0 * rate * np.sinh(600.0 * rate)) - 1.0) < 1e-5
    assert not error(descent, "position")[0, :2].any()


def test_an_error_of_climb_grows_as_the_hyperbolic_sine() -> None:
    descent = drifting(seconds=600, navigation__velocity_error_z=0.15)
    rate = np.sqrt(2.0 * 1.6242 / 1_737_400.0)
    # From no error of height the half tick makes none: 6000 roundings are left, which mostly cancel.
    assert abs(error(descent, "position")[0, 2] / (0.15 / rate * np.sinh(600.0 * rate)) - 1.0) < 1e-5


@pytest.mark.parametrize("axis", ["x", "y"])
def test_an_error_along_the_ground_swings_with_schulers_period(axis: str) -> None:
    descent = drifting(seconds=1200, start__descent_rate=-700.0, **{f"navigation__position_error_{axis}": 100.0})
    rate = np.sqrt(1.6242 / 1_737_400.0)  # 2 pi/rate is 108 minutes on the Moon
    swung = error(descent, "position")[0, "xy".index(axis)]
    # Half a tick of sine: 0.05 s * 9.7e-4 / s * 0.92 = 4e-5.
    assert abs(swung - 100.0 * np.cos(1200.0 * rate)) < 1e-4 * 100.0


def test_the_pilot_sees_truth_plus_error() -> None:
    errors = dict(navigation__altitude_error=Range(-500.0, 1500.0), navigation__position_error_x=Range(-300.0, 300.0))
    errors |= dict(navigation__velocity_error_x=Range(-0.5, 0.5), navigation__velocity_error_z=Range(-0.5, 0.5))
    start = dict(start__altitude=Range(500.0, 9000.0), start__distance=1000.0, start__speed=100.0, decision_period=0.1)
    descent = drifting(200, ceiling=15e3, **errors, **start)
    fly(descent, 2)
    seen = {
        name: value.double().numpy() for name, value in descent.observations.read(descent.state.observation).items()
    }
    state = descent.state
    position = state["motion.position"].double().numpy() + error(descent, "position")
    velocity = state["motion.velocity"].double().numpy() + error(descent, "velocity")
    centre = from_centre(position, 1_737_400.0)
    distance = np.linalg.norm(centre, axis=1)
    # Scaled by 15 km, 60 km and 400 m/s to float32 and back: a few units in the last place of those.
    assert np.abs(seen["altitude"] - (distance - 1_737_400.0 - 1.0)).max() < 5e-3
    assert np.abs(seen["position_x"] - position[:, 0]).max() < 1e-3
    climb = np.sum(velocity * centre, axis=1) / distance
    assert np.abs(seen["velocity_up"] - climb).max() < 1e-4
