"""What the shells give in NumPy comes from a GPU in one copy a step, and is what comes from a CPU without one.

Counted on a CPU, with the shells told that they stand on a GPU.
"""

import numpy as np
import pytest
import torch
from counting import counted
from gymnasium.vector import AutoresetMode

from lunar_env.checker import same
from lunar_env.kernel.host import on_host
from lunar_env.vector_env import LanderVectorEnv


def vector(mode, **changes):
    return LanderVectorEnv(6, "resilience", autoreset_mode=mode, time_limit=20.0, labels=True, **changes)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_the_vector_environment_waits_once_a_step(mode):
    here, there = (vector(mode, **{"start.progress": (0.7, 1.0)}) for _ in range(2))
    there._packed = True
    assert same(here.reset(seed=3), there.reset(seed=3))
    here.action_space.seed(0)
    ends = 0
    for _ in range(60):
        actions = here.action_space.sample()
        expected = here.step(actions)
        with counted() as counting:
            found = there.step(actions)
        assert counting.outside.waits == {"lift_fresh": 1, "cpu": 1}, (
            "not the actions up, and all that came of them down"
        )
        assert same(found, expected)
        assert all(array.flags.aligned and array.flags.writeable for array in found[:4])
        done = expected[2] | expected[3]
        ends += done.sum()
        assert ("final_obs" in found[4]) == (mode is AutoresetMode.SAME_STEP and bool(done.any()))
        if mode is AutoresetMode.DISABLED and done.any():
            options = {"reset_mask": done}
            assert same(here.reset(options=options), there.reset(options=options))
    assert ends > 6


def test_value_by_value_it_would_wait_some_thirty_times():
    env = vector(AutoresetMode.NEXT_STEP)
    env.reset(seed=3)
    with counted() as counting:
        env.step(env.action_space.sample())
    assert counting.outside.waits["cpu"] > 30


def test_the_environment_for_stable_baselines3_waits_once_a_step():
    pytest.importorskip("stable_baselines3")
    from lunar_env.sb3 import LanderVecEnv

    here, there = (LanderVecEnv("planar", 6, time_limit=15.0, labels=True) for _ in range(2))
    there._at_once = True
    assert np.array_equal(here.reset(), there.reset())
    generator, ends = np.random.default_rng(0), 0
    for _ in range(120):
        actions = generator.uniform(-1.0, 1.0, (6, 2)).astype(np.float32)
        expected = here.step(actions)
        with counted() as counting:
            found = there.step(actions)
        assert counting.outside.waits == {"lift_fresh": 1, "cpu": 1}
        for array, other in zip(found[:3], expected[:3], strict=True):
            assert array.dtype == other.dtype and np.array_equal(array, other)
        for info, other in zip(found[3], expected[3], strict=True):
            ends += bool(other)
            for one in (info, other):
                one.pop("episode", {}).pop("t", None)  # of the machine's clock
            assert same(info, other)
    assert ends > 6


def test_a_tree_of_tensors_in_one_copy_keeps_shapes_types_and_numbers():
    tree = (
        torch.tensor([True, False, True]),
        {
            "a": torch.arange(6, dtype=torch.float32).view(2, 3),
            "b": {"c": torch.tensor([7, -(2**31)], dtype=torch.int32)},
        },
        torch.tensor([[0.1]], dtype=torch.float64),
        torch.zeros(0, 4),
        torch.arange(12, dtype=torch.int64).view(3, 4).T[1:3],
    )
    with counted() as counting:
        packed = on_host(tree, at_once=True)
    assert counting.outside.waits == {"cpu": 1}
    assert same(packed, on_host(tree, at_once=False))
    assert packed[1]["b"]["c"].dtype == np.int32 and packed[0].dtype == np.bool_
    packed[1]["a"][:] = 9.0
    assert tree[1]["a"][0, 0] == 0.0 and packed[2] == 0.1
