"""Our checker of vector environments: it passes what is right, and finds what is wrong."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lunar_env.checker import check_vector_env
from lunar_env.vector_env import LanderVectorEnv

MODES = list(AutoresetMode)
EACH_MODE = pytest.mark.parametrize("mode", MODES, ids=[mode.value for mode in MODES])
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def short(mode, **changes):
    """Vertical descents that end within 40 decisions."""
    return LanderVectorEnv(5, "vertical", autoreset_mode=mode, time_limit=20.0, **changes)


@EACH_MODE
@pytest.mark.parametrize("output", ["torch", "numpy"])
@pytest.mark.parametrize("device", DEVICES)
def test_our_checker_finds_nothing_in_any_mode(mode, output, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    check_vector_env(
        lambda: short(mode, output=output, device=device),
        without_autoreset=lambda: short(AutoresetMode.DISABLED, device=device),
    )


@EACH_MODE
def test_our_checker_finds_nothing_with_discrete_actions(mode):
    check_vector_env(lambda: LanderVectorEnv(3, "planar", autoreset_mode=mode, discrete=True, time_limit=20.0))


@EACH_MODE
def test_our_checker_finds_nothing_in_gymnasiums_own(mode):
    check_vector_env(lambda: SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3, autoreset_mode=mode))


class Broken(LanderVectorEnv):
    """Breaks one promise at a time."""

    def __init__(self, fault, mode):
        super().__init__(4, "vertical", autoreset_mode=mode, output="numpy", time_limit=20.0)
        self.fault = fault
        self.buffer = np.zeros(self.observation_space.shape, np.float32)

    def reset(self, *, seed=None, options=None):
        seed = None if self.fault == "seed" else seed
        if self.fault == "mask":
            options = None
        return super().reset(seed=seed, options=options)

    def step(self, actions):
        observation, reward, terminated, truncated, info = super().step(actions)
        if self.fault == "buffer":
            self.buffer[:] = observation
            observation = self.buffer
        if self.fault == "dtype":
            terminated = terminated.astype(int)
        if self.fault == "final" and "final_obs" in info:
            info["final_obs"] = observation
        if self.fault == "outside":
            observation = observation + 5.0
        if self.fault == "key":
            del info["_outcome"]
        if self.fault == "garbage" and (terminated | truncated).any():
            self.late = True
        elif self.fault == "garbage" and getattr(self, "late", False):
            self.late, reward = False, reward + 1.0
        return observation, reward, terminated, truncated, info


@pytest.mark.parametrize(
    "fault, mode, complaint",
    [
        ("seed", AutoresetMode.SAME_STEP, "seed=3"),
        ("buffer", AutoresetMode.SAME_STEP, "return copies"),
        ("dtype", AutoresetMode.SAME_STEP, "terminated is int"),
        ("final", AutoresetMode.SAME_STEP, "new episode"),
        ("outside", AutoresetMode.SAME_STEP, "outside the space"),
        ("key", AutoresetMode.SAME_STEP, "no mask _outcome"),
        ("garbage", AutoresetMode.NEXT_STEP, "earns a reward"),
        ("mask", AutoresetMode.DISABLED, "outside the mask|outside it"),
    ],
)
def test_our_checker_finds_broken_promises(fault, mode, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_vector_env(lambda: Broken(fault, mode))
