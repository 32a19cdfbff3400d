"""What the network looks at: finite everywhere, in metres and seconds whatever the scenario's scales."""

import math

import pytest
import torch

pytest.importorskip("safetensors")

from agents.policy.features import Features, signed_log, truth_features
from lunar_env import Descent, load_scenario, scenarios
from lunar_env.vehicle.control import MODES


def observation_of(table, **si):
    """One observation (1, channels) with these SI readings; the others are zero."""
    row = torch.zeros(1, len(table.channels))
    for i, channel in enumerate(table.channels):
        row[0, i] = si.pop(channel.name, 0.0) / channel.scale
    assert not si, f"the observation has no {list(si)}"
    return row


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("control", MODES)
@pytest.mark.parametrize("name", scenarios())
def test_features_are_finite_over_the_whole_observation_space(name, control, differences):
    scenario = load_scenario(name, control=control, history=2)
    differences = differences and scenario.observation != "beams"  # which have no inertial unit to be compared with
    table = scenario.observation_table()
    low, high = map(torch.from_numpy, table.bounds())
    generator = torch.Generator().manual_seed(0)
    inside = low + (high - low) * torch.rand(500, table.size, generator=generator)
    corners = torch.where(torch.rand(500, table.size, generator=generator) < 0.5, low, high)
    features = Features(scenario, differences)
    for observations in (inside, corners, low[None], high[None], torch.zeros(1, table.size)):
        seen = features(observations)
        assert seen.shape == (len(observations), features.size)
        assert torch.isfinite(seen).all()


def test_the_same_reading_gives_the_same_features_whatever_the_scales_of_the_scenario():
    reading = {
        "altimeter_range": 1234.5,
        "altimeter_valid": 1.0,
        "altimeter_age": 0.7,
        "altitude": 2345.6,
        "velocity_x": 45.6,
        "velocity_y": -7.8,
        "velocity_up": -56.7,
        "attitude_x": 0.1,
        "attitude_y": -0.2,
        "rate_x": 0.03,
        "rate_y": -0.04,
        "propellant": 51.0,
        "last_descent_rate": 0.3,
        "last_lateral_speed_x": -0.4,
    }
    seen = []
    for changes in ({}, {"ceiling": 30_000.0, "extent": 70_000.0, "top_speed": 150.0, "time_limit": 900.0}):
        scenario = load_scenario("resilience", **changes)
        table, features = scenario.observation_table(), Features(scenario)
        seen.append(features(observation_of(table, **reading)))
        other = features(observation_of(table, **{**reading, "altitude": 2346.6}))
        assert not torch.equal(other, seen[-1]), "a metre is not seen"
    # Dividing by one scale and multiplying by it again costs a rounding each: a few parts in 10^7 of the numbers
    # that are subtracted, which are up to 2.3 features large.
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-6, atol=1e-6)


def test_the_measured_height_is_vertical_and_brought_forward_by_its_age():
    scenario = load_scenario("resilience")
    tilt, height, age, fall = 0.4, 900.0, 2.0, 50.0
    observation = observation_of(
        scenario.observation_table(),
        altimeter_range=(height + fall * age) / math.cos(tilt),
        altimeter_age=age,
        altitude=height + 300.0,
        velocity_up=-fall,
        attitude_x=math.sin(tilt / 2.0),
    )
    features = Features(scenario)(observation)[0]
    # Half a millimetre at 1,000 m: float32 keeps 24 bits.
    assert float(features[0]) * 2_000.0 == pytest.approx(height, abs=5e-4)
    assert float(features[6]) * 1_000.0 == pytest.approx(300.0, abs=5e-4), "belief minus measurement"


def test_the_signed_logarithm_is_odd_and_keeps_order_and_small_differences():
    values = torch.linspace(-3_000.0, 3_000.0, 1_001)
    seen = signed_log(values, 5.0)
    assert torch.equal(seen, -signed_log(-values, 5.0))
    assert (seen.diff() > 0.0).all()
    near, far = signed_log(torch.tensor([2.0, 3.0]), 5.0), signed_log(torch.tensor([2_000.0, 2_001.0]), 5.0)
    assert near.diff() > 100.0 * far.diff(), "a metre matters near the ground"
    # d/dx log(1 + x / u) = 1 / (u + x): at most a hundredth less than 1 / u when x is a hundredth of u.
    assert float(signed_log(torch.tensor(0.05), 5.0)) == pytest.approx(0.01, rel=0.01)


def test_with_history_the_features_of_the_readings_follow_each_other_oldest_first():
    alone, stacked = (load_scenario("resilience", history=count) for count in (1, 3))
    short, long = (Descent(scenario, 4, seed=1) for scenario in (alone, stacked))
    one, three = Features(alone), Features(stacked)
    assert three.size == 3 * one.size
    action = torch.zeros(4, short.action_size)
    past = []
    for _ in range(5):
        past.append(one(short.step(action).observation))
        newest = three(long.step(action).observation)
    assert not torch.equal(past[-1], past[-3]), "nothing moved"
    assert torch.equal(newest, torch.cat(past[-3:], dim=1))


def test_a_critic_tells_a_true_height_of_ten_metres_from_one_of_sixty():
    seen = []
    for altitude in (10.0, 60.0):
        still = {"start.altitude": altitude, "start.speed": 0.0, "start.descent_rate": 5.0, "terrain.relief": 0.0}
        seen.append(truth_features(Descent(load_scenario("resilience", **still), 1)))
    assert (seen[1] - seen[0]).max() > 0.3  # in proportion to the ceiling of 12 km it is 0.004
    assert seen[0].abs().max() < 3.0


def test_with_differences_the_newest_reading_comes_first_and_older_ones_only_as_differences():
    alone, stacked = (load_scenario("resilience", history=count) for count in (1, 3))
    one, both = Features(alone), Features(stacked, differences=True)
    assert both.size == one.size + 2 * 14
    descents = [Descent(scenario, 4, seed=1) for scenario in (alone, stacked)]
    for _ in range(5):
        short, long = (descent.step(torch.zeros(4, descent.action_size)).observation for descent in descents)
    assert torch.equal(both(long)[:, : one.size], one(short))
