"""What is wrong is refused at the border, with its name, its value, what is allowed and the remedy."""

import pytest
import torch

from lunar_env import Descent, Range
from lunar_env.env import LanderEnv
from lunar_env.vector_env import LanderVectorEnv


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"scenario": "resiliense"}, KeyError, ["'resiliense'", "'resilience'", "vertical"]),
        ({"scenario": 7}, TypeError, ["scenario", "int"]),
        (
            {"altimetre.delay": 0.1},
            TypeError,
            ["unexpected keyword argument 'altimetre.delay'", "'altimetre'", "'altimeter'"],
        ),
        ({"altimeter.lag": 0.1}, TypeError, ["'altimeter.lag'", "delay"]),
        ({"altimeter.delay": 0.25}, ValueError, ["altimeter.delay", "0.25", "0.1"]),
        ({"decision_period": 0.15}, ValueError, ["decision_period", "0.15"]),
        ({"start.altitude": [2000.0, 1000.0]}, ValueError, ["start.altitude", "2000", "1000", "upwards"]),
        ({"start.altitude": [1000.0, 1000.0]}, ValueError, ["start.altitude", "plain number"]),
        ({"start.altitude": [1000.0]}, ValueError, ["start.altitude", "two ends"]),
        ({"start.altitude": "high"}, (TypeError, ValueError), ["start.altitude", "'high'"]),
        ({"start.altitude": float("nan")}, ValueError, ["start.altitude", "nan"]),
        ({"start.propellant": -1.0}, ValueError, ["start.propellant", "-1"]),
        ({"start.propellant": Range(-1.0, 5.0)}, ValueError, ["start.propellant", "-1"]),
        ({"control": "joystick"}, ValueError, ["control", "'joystick'", "descent_rate"]),
        ({"observation": "all"}, ValueError, ["observation", "'all'", "truth"]),
        ({"history": 0}, ValueError, ["history", "0"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("build", [LanderEnv, LanderVectorEnv], ids=lambda build: build.__name__)
def test_a_wrong_number_is_refused_with_its_name_and_the_remedy(build, changes, error, words):
    with pytest.raises(error) as caught:
        build(**changes)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_gpu_is_refused_with_the_remedy():
    with pytest.raises(RuntimeError, match=r"device='cuda' was asked for, but .*use device=\"cpu\""):
        LanderVectorEnv(1, device="cuda")


@pytest.mark.parametrize("device", ["tpu", "meta", "warp drive"])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(ValueError, match=f'device must be "cpu" or "cuda".*got {device!r}'):
        LanderVectorEnv(1, device=device)


@pytest.mark.parametrize("count", [0, -1, 2.5, True, "many"])
def test_a_wrong_number_of_landers_is_refused(count):
    with pytest.raises(ValueError, match="num_envs must be a whole number of at least 1, got"):
        LanderVectorEnv(count)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "one"])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0, got"):
        Descent("vertical", seed=seed)
