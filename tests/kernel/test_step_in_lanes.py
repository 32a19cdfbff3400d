"""Eight landers abreast on a CPU fly as one lander on a GPU's thread does: bit for bit."""

import numpy as np
import pytest
import torch
import warp as wp

from lunar_env import Descent, load_scenario
from lunar_env.descent import AUTORESET
from lunar_env.kernel.layout import columns
from lunar_env.quantities import Range
from lunar_env.vehicle.control import MODES
from lunar_env.vehicle.lanes import Lanes, Quaternions, Vectors, add, div, length, mul, neg, root, sub, turning  # noqa: F401

LANDERS, STEPS = 37, 150  # not a multiple of eight; enough for touchdowns, dry tanks and new episodes


def advance_one_by_one(descent: Descent) -> None:
    """The GPU's kernel, on this device."""
    kernels = descent._launch
    wp.launch(kernels.build.advance, dim=descent.num_envs, inputs=[kernels.tables, kernels.settings], device="cpu")


@pytest.mark.parametrize("autoreset", AUTORESET)
@pytest.mark.parametrize("control", MODES)
def test_landers_abreast_fly_as_landers_alone(control: str, autoreset: str) -> None:
    """From starts along the whole descent, with some tanks nearly empty and some actions broken."""
    changes = {"start.progress": Range(-0.2, 1.0), "start.propellant": Range(2.0, 90.0), "altimeter.jitter": 0.2}
    scenario = load_scenario("resilience", control=control, decision_period=0.4, **changes)
    abreast, alone = (Descent(scenario, LANDERS, seed=5, autoreset=autoreset) for _ in range(2))
    generator = torch.Generator().manual_seed(1)
    ended = 0
    for _ in range(STEPS):
        action = 2.4 * torch.rand(LANDERS, abreast.action_size, generator=generator) - 1.2
        action[torch.rand(LANDERS, generator=generator) < 0.001] = torch.nan
        abreast.actions.copy_(action)
        alone.actions.copy_(action)
        abreast.advance()
        advance_one_by_one(alone)
        ended += int((abreast.outcomes != 0).sum())
    assert ended >= 8
    expected = alone.snapshot()
    for name, table in abreast.snapshot().items():
        same = table.view(torch.int32) == expected[name].view(torch.int32)
        assert same.all(), f"{name}: {int((~same).sum())} words differ"


def test_a_throttle_without_lag_flies_alone_and_the_same() -> None:
    """No lag means that the throttle follows at once, which lanes leave to ``feed``."""
    scenario = load_scenario("resilience", **{"engine.lag": 0.0})
    abreast, alone = (Descent(scenario, 9, seed=1) for _ in range(2))
    for descent in (abreast, alone):
        descent.actions.fill_(0.3)
    abreast.advance()
    advance_one_by_one(alone)
    assert torch.equal(abreast.state.lander.view(torch.int32), alone.state.lander.view(torch.int32))
    assert (abreast.state["motion.throttle"] > 0.0).any()


@wp.struct
class Worked:
    """Results of every operation on lanes."""

    add: Lanes
    sub: Lanes
    mul: Lanes
    div: Lanes
    neg: Lanes
    root: Lanes
    above: Lanes
    scaled: Lanes
    doubled: Lanes
    inverse: Lanes


@wp.kernel
def work(a: Lanes, b: Lanes, worked: wp.array(dtype=Worked)) -> None:
    """Each operation once."""
    result = Worked()
    result.add = a + b
    result.sub = a - b
    result.mul = a * b
    result.div = a / b
    result.neg = -a
    result.root = root(a)
    result.above = 1.0 - a
    result.scaled = a * 3.0
    result.doubled = 2.0 * a
    result.inverse = 1.0 / a
    worked[0] = result


def test_an_operation_on_lanes_is_that_operation_on_each() -> None:
    """Correctly rounded, as float32 is everywhere."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 9.0, (2, 8)).astype(np.float32)
    worked = wp.zeros(1, dtype=Worked, device="cpu")
    wp.launch(work, dim=1, inputs=[Lanes(*a), Lanes(*b), worked], device="cpu")
    found = columns(wp.to_torch(wp.array(ptr=worked.ptr, shape=(1, 80), dtype=float, device="cpu")), Worked)
    one, two, three = np.float32([1.0, 2.0, 3.0])
    expected = {
        "add": a + b,
        "sub": a - b,
        "mul": a * b,
        "div": a / b,
        "neg": -a,
        "root": np.sqrt(a),
        "above": one - a,
        "scaled": a * three,
        "doubled": two * a,
        "inverse": one / a,
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(found[name].numpy()[0], value), name
