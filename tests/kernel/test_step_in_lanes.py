"""Eight landers abreast on a CPU fly as one lander on a GPU's thread does: bit for bit."""

from typing import Any

import numpy as np
import pytest
import torch
import warp as wp

from lunar_env import Descent, load_scenario
from lunar_env.descent import AUTORESET
from lunar_env.faults.kinds import KINDS, NAMES
from lunar_env.quantities import Range
from lunar_env.vehicle.compare import (
    alike,
    anywhere,
    arc_cosine,
    below,
    both,
    either,
    equal,
    first_lanes,
    greatest,
    least,
    never,
    reaches,
    real,
    root,
    select,
    shares,
    sine,
    size,
    within,
)
from lunar_env.vehicle.control import MODES
from lunar_env.vehicle.lanes import Counts, Lanes, Mask, abreast, add, div, mul, neg, sub  # noqa: F401

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


EVERYTHING = {
    f"faults.{name}.{number}": value
    for name in NAMES
    for number, value in {**KINDS[name].training, "probability": 0.4}.items()
}
UNEVEN: dict[str, dict[str, Any]] = {
    "mare": {"terrain.map": "mare"},
    "rolling": {"terrain.relief": 40.0, "terrain.slope": 0.1},
    "every fault": EVERYTHING,
    "every fault on highland, a lidar": {
        **EVERYTHING,
        "terrain.map": "highland",
        "sensors": ["navigation_doppler_lidar", "series_1_laser"],
        "history": 2,
    },
    "the truth": {"observation": "truth", "sensors": ["navigation_doppler_lidar"]},
    "beams": {"observation": "beams", "history": 3},
    "a poor inertial unit": {"navigation.gyro_bias_x": 1e-3, "navigation.scale_error": 0.01},
    "shares": {"navigation.position_share_x": 0.1, "navigation.velocity_share_z": -0.1},
}


@pytest.mark.parametrize("changes", UNEVEN.values(), ids=UNEVEN.keys())
def test_so_they_do_whatever_else_there_is(changes: dict[str, Any]) -> None:
    starts = {"start.progress": Range(0.0, 1.0)}
    scenario = load_scenario("resilience", **starts, **changes)
    abreast, alone = (Descent(scenario, LANDERS, seed=5, autoreset="same_step") for _ in range(2))
    generator, ended = torch.Generator().manual_seed(1), 0
    for _ in range(40):
        abreast.actions.copy_(2.0 * torch.rand(LANDERS, abreast.action_size, generator=generator) - 1.0)
        alone.actions.copy_(abreast.actions)
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
    assert torch.equal(abreast.snapshot()["lander"].view(torch.int32), alone.snapshot()["lander"].view(torch.int32))
    assert (abreast.state["motion.throttle"] > 0.0).any()


@wp.struct
class Worked:
    """Results of every operation on numbers."""

    plus: float
    more: float
    less: float
    product: float
    scaled: float
    doubled: float
    quotient: float
    part: float
    inverse: float
    above: float
    lower: float
    opposite: float
    root: float
    sine: float
    angle: float
    size: float
    real: float
    least: float
    most: float
    capped: float
    floored: float
    inside: float
    smaller: float
    beyond: float
    chosen: float
    alike: float


Workeds = abreast(Worked)


@wp.func
def work(a: Any, b: Any, n: Any, result: Any):
    """Each operation once, on one lander's numbers or on those of eight."""
    result.plus = a + b
    result.more = a + 2.0
    result.less = a - b
    result.product = a * b
    result.scaled = a * 3.0
    result.doubled = 2.0 * a
    result.quotient = a / b
    result.part = a / 3.0
    result.inverse = 1.0 / a
    result.above = 1.0 - a
    result.lower = a - 1.0
    result.opposite = -a
    result.root = root(size(a))
    result.sine = sine(a)
    result.angle = arc_cosine(sine(a))
    result.size = size(a)
    result.real = real(n)
    result.least = least(a, b)
    result.most = greatest(a, b)
    result.capped = least(a, 1.0)
    result.floored = greatest(a, 1.0)
    result.inside = within(a, 0.5 * b, b)
    result.smaller = select(below(a, b), a, b)
    result.beyond = select(either(reaches(a, b), below(2.0, a)), 1.0 * a, -1.0 * a)
    result.chosen = select(both(below(a, 5.0), never(below(b, 1.0))), a, 0.0)
    result.alike = alike(4.0, a)
    return result


@wp.kernel(enable_backward=False)
def work_on_all(
    a: wp.array(dtype=float),
    b: wp.array(dtype=float),
    n: wp.array(dtype=int),
    alone: wp.array(dtype=Worked),
    together: wp.array(dtype=Workeds),
) -> None:
    """The work on eight landers one by one, and on all at once."""
    first, second, number = Lanes(), Lanes(), Counts()
    for lane in range(8):
        first[lane] = a[lane]
        second[lane] = b[lane]
        number[lane] = n[lane]
        alone[lane] = work(a[lane], b[lane], n[lane], Worked())
    together[0] = work(first, second, number, Workeds())


def test_an_operation_on_lanes_is_that_operation_on_each() -> None:
    """Bit for bit, NaN, infinities and zeros included."""
    rng = np.random.default_rng(0)
    for case in range(40):
        a, b = rng.uniform(-9.0, 9.0, (2, 8)).astype(np.float32)
        if case % 2:
            odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0], dtype=np.float32)
            a[rng.integers(8)], b[rng.integers(8)] = rng.choice(odd, 2)
        n = rng.integers(-5, 2**30, 8).astype(np.int32)
        alone, together = wp.zeros(8, dtype=Worked, device="cpu"), wp.zeros(1, dtype=Workeds, device="cpu")
        wp.launch(work_on_all, dim=1, inputs=[*(wp.array(x, device="cpu") for x in (a, b, n)), alone, together])
        one_by_one = np.stack([np.array(row.tolist(), dtype=np.float32) for row in alone.numpy()])
        at_once = np.array([np.array(column) for column in together.numpy()[0]], dtype=np.float32).T
        assert np.array_equal(one_by_one, at_once, equal_nan=True)


@wp.kernel(enable_backward=False)
def answer(n: wp.array(dtype=int), answers: wp.array2d(dtype=int)) -> None:
    """What holds of eight whole numbers."""
    number = Counts()
    for lane in range(8):
        number[lane] = n[lane]
    found, few = equal(number, 3), first_lanes(5)
    for lane in range(8):
        answers[0, lane] = found[lane]
        answers[1, lane] = shares(number, 6)[lane]
        answers[2, lane] = below(number, 4)[lane]
        answers[3, lane] = few[lane]
        answers[4, lane] = select(found, 10, 20)[lane]
        answers[5, lane] = (number + 2)[lane]
        answers[6, lane] = (number - 2)[lane]
        answers[7, lane] = (number - number)[lane]
    answers[8, 0] = wp.where(anywhere(found), 1, 0)
    answers[8, 1] = wp.where(anywhere(both(found, never(found))), 1, 0)


def test_what_is_asked_of_whole_numbers_is_answered_lane_by_lane() -> None:
    n = np.array([3, 1, 8, -4, 3, 6, 0, 2], dtype=np.int32)
    answers = wp.zeros((9, 8), dtype=int, device="cpu")
    wp.launch(answer, dim=1, inputs=[wp.array(n, device="cpu"), answers], device="cpu")
    found = answers.numpy()
    answered = [n == 3, (n & 6) != 0, n < 4, np.arange(8) < 5]
    expected = [*(-yes.astype(int) for yes in answered), np.where(n == 3, 10, 20), n + 2, n - 2, n - n]
    assert np.array_equal(found[:8], expected)
    assert found[8, :2].tolist() == [1, 0]
