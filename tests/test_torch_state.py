"""Torch's global state is the user's: under any of it every flight is the same, bit for bit."""

import ast
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ROOT

import lunar_env
from agents.pilots import CLASSICAL, as_shown_to, make_pilot
from lunar_env import Descent, Range, load_scenario
from lunar_env.checker import same
from lunar_env.differentiable import rollout
from lunar_env.env import LanderEnv
from lunar_env.faults import with_fault
from lunar_env.flying.pilot import Pilot
from lunar_env.flying.trace import moment
from lunar_env.kernel.layout import shared, structs
from lunar_env.missions import MISSIONS
from lunar_env.observation import row_of
from lunar_env.replays import replay
from lunar_env.scenario import Scenario
from lunar_env.state import Motion
from lunar_env.vector_env import LanderVectorEnv

F32: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Another default type of number."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms only."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


STATES: dict[str, Callable[[], Any]] = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another device": lambda: torch.device("meta"),  # where nothing can be computed
    "inference mode": lambda: torch.inference_mode(),
    "no gradients": lambda: torch.no_grad(),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
}
EACH_STATE = pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())


def actions(rows: int, size: int, steps: int) -> torch.Tensor:
    """(steps, rows, size) numbers in [-1, 1], the same every time."""
    return torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, (steps, rows, size)).astype(np.float32))


def batch() -> Any:
    """A batch with two instruments on rough ground, and all that may be asked of it."""
    faults = with_fault("dropout", onset=[0.0, 5.0], loss=0.5) | with_fault("gyro_saturation", onset=1.0)
    sensors = ["series_1_laser", "navigation_doppler_lidar"]
    scenario = load_scenario("resilience", sensors=sensors, history=2, **faults, **{"terrain.map": "mare"})
    descent = Descent(scenario, 3, seed=4)
    seen = [vars(descent.step(action)) for action in actions(3, descent.action_size, 4)]
    snapshot = descent.snapshot()
    moved = descent.reset(mask=torch.tensor([True, False, True], dtype=torch.bool, device="cpu"))
    asked = [descent.truth(), descent.faults(), descent.privileged(), moment(descent), moved, snapshot]
    descent.restore(snapshot)
    descent.draw_from(load_scenario(scenario, **{"start.descent_rate": scenario.start.descent_rate}))
    return seen, asked, vars(descent.step(actions(3, descent.action_size, 1)[0])), descent.reset(seed=[1, 2, 3])


def shells() -> Any:
    """The environments of Gymnasium and of Stable-Baselines3."""
    from lunar_env.sb3 import LanderVecEnv

    single, found = LanderEnv("planar", labels=True), []
    found += [single.reset(seed=1), [single.step(action[0])[:4] for action in actions(1, 2, 3).numpy()]]
    for mode, output in (("same_step", "torch"), ("next_step", "numpy")):
        many = LanderVectorEnv(3, "vertical", autoreset_mode=mode, output=output, time_limit=2.0)
        found += [many.reset(seed=1), [many.step(action) for action in actions(3, 1, 5).numpy()]]
    stable = LanderVecEnv("planar", 3, discrete=True)
    return [*found, stable.reset(), [stable.step(np.array([0, 3, 5]))[:3] for _ in range(3)]]


def pilots() -> Any:
    """Every classical pilot, the policy that ships and a plain function, for some decisions."""
    found = {}
    for name in [*CLASSICAL, str(ROOT / "runs" / "reference")]:
        if name == "socp_mpc":
            continue  # plans by a solver in float64; its own tests fly it
        shown = as_shown_to(name, load_scenario("resilience", **{"start.progress": Range(0.3, 0.99)}))
        descent = Descent(shown, 4, seed=6)
        pilot = make_pilot(name, shown, 4)
        pilot.reset(torch.ones(4, dtype=torch.bool, device="cpu"))
        observation = descent.reset(seed=6)
        for _ in range(8):
            action = pilot.act(observation)
            observation = descent.step(action).observation
        found[name] = action, observation
    endings = lunar_env.fly(lambda seen: 0.5 * seen[:, :1], "vertical", 3, traces=1)
    return found, endings.outcome, endings.record, endings.traces[0].columns


def elsewhere() -> Any:
    """A replay, the differentiable rollout and a picture."""
    from lunar_env.rendering.view import picture

    scenario = load_scenario("vertical", **{"engine.specific_impulse": 300.0, "engine.impulse_scale": 1.0})
    state = [torch.full((2, 3), 100.0, **F32), torch.full((2, 3), -3.0, **F32), torch.full((2,), 40.0, **F32)]
    flown = rollout(scenario, *state, torch.full((4, 2, 3), 900.0, **F32))
    mission = next(mission for mission in MISSIONS if mission.name == "hakuto_r_m1")
    flights = replay.fly(mission, load_scenario(mission.flown, time_limit=30.0), episodes=2)
    return list(flown), picture(Descent("resilience", 1, seed=2)), flights.trace, flights.record


PATHS = {"batch": batch, "shells": shells, "pilots": pilots, "elsewhere": elsewhere}


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What each path gives under torch's own state."""
    return {name: path() for name, path in PATHS.items()}


@EACH_STATE
@pytest.mark.parametrize("path", PATHS)
def test_a_flight_does_not_hang_on_torchs_global_state(path, state, expected) -> None:
    with state():
        found = PATHS[path]()
    assert same(found, expected[path])


def test_a_batch_made_in_inference_mode_is_flown_outside_of_it_and_the_other_way_round() -> None:
    with torch.inference_mode():
        inside = Descent("vertical", 2, seed=3)
    outside = Descent("vertical", 2, seed=3)
    for action in actions(2, 1, 3):
        with torch.inference_mode():
            seen = outside.step(action).observation.clone()
        assert same(inside.step(action).observation, seen)
    inside.reset(seed=3)


@pytest.mark.parametrize("name", [*CLASSICAL, str(ROOT / "runs" / "reference")])
@pytest.mark.parametrize("made_inside", [True, False])
def test_a_pilot_flies_in_inference_mode_and_outside_of_it_by_turns(name, made_inside) -> None:
    shown = as_shown_to(name, load_scenario("resilience"))
    everybody = torch.ones(2, dtype=torch.bool, device="cpu")
    steady = make_pilot(name, shown, 2)
    with torch.inference_mode(made_inside):
        pilot = make_pilot(name, shown, 2)
        pilot.reset(everybody)
    steady.reset(everybody)
    observation = Descent(shown, 2, seed=6).reset(seed=6).clone()
    for inside in (True, False, True, False):
        with torch.inference_mode(inside):
            found = pilot.act(observation.clone()).clone()
        assert same(found, steady.act(observation))
        with torch.inference_mode(not inside):
            pilot.reset(everybody)
        steady.reset(everybody)


def test_a_pilot_of_ones_own_may_write_what_it_remembers_in_place() -> None:
    class Counting(Pilot):
        name = "counting"

        def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
            self.decisions = torch.zeros(num_landers, dtype=torch.int32, device=device)

        def reset(self, mask: torch.Tensor) -> None:
            self.decisions[mask] = 0

        def act(self, observation: torch.Tensor) -> torch.Tensor:
            self.decisions = self.decisions + 1
            return torch.zeros(len(observation), 3, dtype=torch.float32, device=observation.device)

    with torch.inference_mode():
        pilot = Counting(load_scenario("resilience"), 2)
        pilot.act(torch.zeros(2, 9, **F32))
    pilot.reset(torch.tensor([True, False], dtype=torch.bool, device="cpu"))
    assert pilot.decisions.tolist() == [0, 1]


@EACH_STATE
def test_a_velocity_from_doppler_beams_does_not_hang_on_torchs_global_state(state) -> None:
    scenario = as_shown_to("as_flown", "chang_e_3")
    rows = torch.from_numpy(np.random.default_rng(7).uniform(0.5, 1.0, (4, 2, scenario.observation_table().size)))
    observations = rows.to(torch.float32)  # with every beam valid, which at the start none is

    def flown() -> list[torch.Tensor]:
        pilot = make_pilot("as_flown", scenario, 2)
        return [pilot.act(observation) for observation in observations]

    expected = flown()
    with state():
        found = flown()
    assert same(found, expected)


def test_an_observation_first_read_in_inference_mode_has_gradients_afterwards() -> None:
    descent = Descent("vertical", 2, seed=3)
    row_of.cache_clear()
    with torch.inference_mode():
        descent.observations.read(descent.state.observation)
    observation = descent.state.observation.clone().requires_grad_()
    descent.observations.read(observation)["altitude"].sum().backward()
    assert observation.grad is not None and observation.grad.any()


# Creations ---------------------------------------------------------------------------------------------------------

CREATIONS = (
    *("zeros", "ones", "empty", "full", "arange", "linspace", "logspace", "tensor", "as_tensor", "scalar_tensor"),
    *("rand", "randn", "randint", "randperm", "normal", "eye", "asarray", "complex", "empty_strided"),
)


def unnamed(source: str) -> Iterator[str]:
    """Calls that make a tensor without saying of which kind and where."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner = node.func.attr, node.func.value
        if not isinstance(owner, ast.Name) or owner.id != "torch" or name not in CREATIONS:
            continue
        keywords = {keyword.arg for keyword in node.keywords}
        missing = {"dtype", "device"} - keywords if None not in keywords else set()
        if missing:
            yield f"{node.lineno}: {ast.unparse(node)} lacks {', '.join(sorted(missing))}"


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "lunar_env").rglob("*.py"), *(ROOT / "agents").rglob("*.py")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_tensor_that_is_made_says_of_which_kind_and_where(path: Path) -> None:
    assert not list(unnamed(path.read_text(encoding="utf-8")))


def test_the_search_finds_what_it_looks_for() -> None:
    assert len(list(unnamed("torch.zeros(3)\ntorch.full((1,), 2.0, dtype=x)\ntorch.arange(3, dtype=a, device=b)"))) == 2


# At the kernel's door ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        torch.zeros(2, 99, dtype=torch.float64, device="cpu"),
        torch.zeros(2, 99, dtype=torch.float16, device="cpu"),
        torch.zeros(2, 3, **F32),
        torch.zeros(99, 2, **F32).T,
    ],
    ids=["float64", "float16", "length", "strides"],
)
def test_a_kernel_is_handed_no_table_that_it_would_misread(table: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="float32 words side by side"):
        structs(table, Motion)


def test_a_kernel_is_handed_no_numbers_of_another_kind() -> None:
    with pytest.raises(ValueError, match=r"a kernel expects torch\.float32, got torch\.float64"):
        shared(torch.zeros(3, dtype=torch.float64, device="cpu"))
