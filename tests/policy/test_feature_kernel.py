"""The features of a policy as one kernel are those of the formulas, to the last few bits."""

import pytest
import torch

pytest.importorskip("safetensors")

from agents.policy.feature_kernel import FeatureKernel, truth_features_at_once
from agents.policy.features import Features, truth_features
from lunar_env import Descent, load_scenario, scenarios
from lunar_env.vehicle.control import MODES

CPU = torch.device("cpu")
# Kernel and formulas do the same in the same order in single precision; their logarithms differ in the last bit, and a
# direction that is turned about nearly half a turn loses some: parts of 10^6 of a feature, which are about one large.
BOUND = {"rtol": 2e-6, "atol": 1e-5}
# A velocity that four Doppler beams of 150 m/s leave over is a matrix product of torch, with fused additions on some
# processors: 150 m/s x 2^-23 apart, of which the logarithm makes as much of a feature, 1 / (0.3 x 3), for its ends.
OF_DOPPLER = {"rtol": 2e-6, "atol": 2e-5}


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("control", MODES)
@pytest.mark.parametrize("name", scenarios())
def test_the_kernel_shows_what_the_formulas_show_over_the_whole_observation_space(name, control, differences):
    scenario = load_scenario(name, control=control, history=3)
    differences = differences and scenario.observation != "beams"
    table = scenario.observation_table()
    low, high = map(torch.from_numpy, table.bounds())
    generator = torch.Generator().manual_seed(0)
    inside = low + (high - low) * torch.rand(200, table.size, generator=generator)
    corners = torch.where(torch.rand(50, table.size, generator=generator) < 0.5, low, high)
    observations = torch.cat([inside, corners, 1e-3 * inside, torch.zeros(1, table.size)])
    features = Features(scenario, differences)
    expected, shown = features(observations), FeatureKernel(features, CPU)(observations)
    assert expected.abs().max() > 0.5
    summed = scenario.observation == "beams" and any(finder.doppler for finder in scenario.sensors)
    torch.testing.assert_close(shown, expected, **(OF_DOPPLER if summed else BOUND))
    assert (shown == expected).float().mean() > (0.8 if summed else 0.9), "most are the same bits"


def test_a_number_that_is_none_is_shown_as_none():
    scenario = load_scenario("resilience")
    features = Features(scenario)
    observation = torch.zeros(2, scenario.observation_table().size)
    observation[1] = torch.nan
    shown, expected = FeatureKernel(features, CPU)(observation), features(observation)
    assert torch.equal(shown.isfinite(), expected.isfinite())


@pytest.mark.parametrize("name", ["any_fault", "planar", "gaudet_beams", "resilience"])
def test_the_truth_for_a_critic_is_the_same_in_two_launches(name):
    descent = Descent(name, 40, seed=3)
    for k in range(30):
        descent.step(torch.full((40, descent.action_size), 0.02 * k - 0.3))
    expected = truth_features(descent)
    assert expected.shape[1] == 23 + 3 * len(descent.possible_faults)
    torch.testing.assert_close(truth_features_at_once(descent), expected, rtol=1e-6, atol=1e-6)
