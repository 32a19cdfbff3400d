"""Gaudet's sets are what the published code says: shares of the state, half of an engine, four clean beams."""

import math

import numpy as np
import pytest
import torch

from lunar_env import Descent, load_scenario
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

LANDERS = 400


def flown(name, decisions, thrust=(0.0, 0.0, 0.5), **changes):
    """A batch after some decisions with one thrust command."""
    descent = Descent(load_scenario(name, **changes), LANDERS, seed=1_000_000, autoreset="disabled")
    action = torch.tensor(thrust).expand(LANDERS, 3)
    for _ in range(decisions):
        descent.step(action)
    return descent


@pytest.mark.parametrize("name", ["gaudet_nominal", "gaudet_sensor_bias", "gaudet_engine_failure", "gaudet_beams"])
def test_descents_begin_where_the_published_code_has_them(name):
    state = Descent(name, LANDERS, seed=0).state
    position, velocity = state["motion.position"], state["motion.velocity"]
    ends = {  # as its own table of initial conditions of 10,000 tests shows them
        "downrange": (-position[:, 0], 0.0, 2_000.0),
        "cross-range": (position[:, 1], -1_000.0, 1_000.0),
        "altitude": (position[:, 2] - state["drawn.gear.centre_height"], 2_300.0, 2_400.0),
        "speed": (velocity[:, 0], 10.0, 70.0),
        "cross speed": (velocity[:, 1], -30.0, 30.0),
        "climb": (velocity[:, 2], -90.0, -70.0),
    }
    for what, (values, low, high) in ends.items():
        assert low - 0.01 <= float(values.min()) and float(values.max()) <= high + 0.01, what
        assert float(values.max() - values.min()) > 0.9 * (high - low), what
    assert torch.allclose(state["drawn.mass.dry"] + state["motion.propellant"], torch.tensor(2_000.0))


def test_sensor_bias_shows_each_axis_off_by_a_share_of_its_size_that_stays_for_the_descent():
    descent = flown("gaudet_sensor_bias", 0)
    table, shares = descent.scenario.observation_table(), []
    for _ in range(2):
        seen, state = table.read(descent.state.observation), descent.state
        shown = torch.stack(
            [seen["position_x"], seen["position_y"], seen["altitude"] + state["drawn.gear.centre_height"]], 1
        )
        moving = torch.stack([seen["velocity_x"], seen["velocity_y"], seen["velocity_up"]], 1)
        true = torch.cat([state["motion.position"], state["motion.velocity"]], 1)
        shares.append((torch.cat([shown, moving], 1) - true) / true.abs())
        assert float(seen["altimeter_valid"].max()) == 0.0  # nothing else tells the height
        for _ in range(30):
            descent.step(torch.tensor([0.1, -0.1, 0.4]).expand(LANDERS, 3))
    large = (shares[0].abs() < 1.0) & (true.abs() > 1.0)  # of a number near zero, rounding is all there is
    assert float((shares[1] - shares[0])[large].abs().max()) < 2e-3
    assert 0.09 < float(shares[0][:, 2].abs().max()) <= 0.1001
    assert all(float(a.corrcoef()[0, 1].abs()) < 0.2 for a in (shares[0][:, [2, 5]].T,))  # each axis its own


def test_the_errors_are_only_shown_the_flight_is_that_of_the_nominal_set():
    own, nominal = (flown(name, 20) for name in ("gaudet_sensor_bias", "gaudet_nominal"))
    assert torch.equal(own.state["motion.position"], nominal.state["motion.position"])


def test_engine_failure_halves_the_thrust_of_half_of_the_descents_from_the_start():
    descent = flown("gaudet_engine_failure", 0)
    before = descent.state["motion.propellant"].clone()
    lost = descent.faults()["present"][:, 0]
    speed = descent.state["motion.velocity"][:, 2].clone()
    descent.step(torch.tensor([0.0, 0.0, 1.0]).expand(LANDERS, 3))
    felt = (descent.state["motion.velocity"][:, 2] - speed) / 0.2 + 3.7114
    assert 0.42 < float(lost.float().mean()) < 0.58  # 3 standard deviations of 400
    assert float(felt[~lost].mean()) == pytest.approx(24_000.0 / 2_000.0, rel=2e-3)
    assert float(felt[lost].mean()) == pytest.approx(12_000.0 / 2_000.0, rel=2e-3)
    burnt = (before - descent.state["motion.propellant"])[~lost]
    assert float(burnt.mean()) == pytest.approx(24_000.0 / (210.0 * STANDARD_GRAVITY) * 0.2, rel=1e-4)


def test_the_engine_of_these_sets_cannot_be_shut_off_elsewhere_it_can():
    for name, least in (("gaudet_nominal", 2.0 / 15.0), ("gaudet_engine_failure", 4.0 / 24.0)):
        assert torch.allclose(flown(name, 1, (0.0, 0.0, 0.0)).state["motion.throttle"], torch.tensor(least))
    assert float(flown("resilience", 2, (0.0, 0.0, 0.0), control="thrust_vector").state["motion.throttle"].max()) < 1e-3


def test_its_beams_measure_range_to_the_metre_and_closing_speed_exactly():
    descent = flown("gaudet_beams", 30, (0.1, 0.05, 0.4), **{"terrain.roughness": 0.0, "altimeter.period": 0.05})
    seen = descent.scenario.observation_table().read(descent.state.observation)
    state = descent.state
    x, y, z, w = state["motion.attitude"].double().T
    rotation = torch.stack(
        [
            torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], 1),
            torch.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], 1),
            torch.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], 1),
        ],
        1,
    )
    for beam in range(4):
        turn = math.radians(90.0 * beam)
        cone = math.radians(22.5)
        body = torch.tensor([math.sin(cone) * math.cos(turn), math.sin(cone) * math.sin(turn), -math.cos(cone)])
        along = rotation @ body.double()
        slant = state["motion.position"][:, 2].double() / -along[:, 2]
        closing = (along * state["motion.velocity"].double()).sum(1)
        assert float((seen[f"altimeter_range_{beam + 1}"] - slant).abs().max()) <= 0.51
        assert float((seen[f"altimeter_speed_{beam + 1}"] - closing).abs().max()) < 0.01
        assert float(seen[f"altimeter_valid_{beam + 1}"].min()) == 1.0


def test_its_ground_has_the_published_relief_within_the_size_of_the_published_model():
    descent = Descent("gaudet_beams", 1)
    heights = descent._launch.heights[0].numpy()  # 256 x 256 at 128 m
    reliefs = [
        np.ptp(np.roll(heights, (-i, -j), (0, 1))[:82, :63]) * 0.34
        for i in range(0, 256, 16)
        for j in range(0, 256, 16)
    ]
    assert float(np.median(reliefs)) == pytest.approx(383.0, rel=0.03)  # [m] in 10.5 by 8 km
