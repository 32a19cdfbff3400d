"""What is walked: a step and a respawn of both builds, on landers that are spread along their flights."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import warp as wp

from lunar_env.bench.contestants import MARE, PERIOD, SCENARIO, every_fault, spread
from lunar_env.bench.machine_code.cubin import Cubin, compiled
from lunar_env.bench.machine_code.launch import Argument
from lunar_env.bench.machine_code.machine import LANES
from lunar_env.bench.machine_code.walk import Walk, walked
from lunar_env.descent import AUTORESET, Descent
from lunar_env.kernel.launch import Launch
from lunar_env.kernel.layout import columns, shared
from lunar_env.kernel.memory import State
from lunar_env.kernel.tables import Settings
from lunar_env.missions import load_scenario
from lunar_env.task import Outcome, Record
from lunar_env.vehicle.tiles import WARP

LANDERS = 256  # each somewhere else along its flight
SEED = 0  # of the random actions
RESULTS = ("observation", "final", "reward", "outcome")  # tables of which each column is a quantity of its own


@dataclass(frozen=True)
class Subject:
    """A kernel and what it is launched on."""

    name: str
    changes: dict[str, Any]  # of the scenario
    respawns: bool = False  # the kernel that begins episodes, for one lander of the warp; else the step


SUBJECTS = (
    Subject("plain step", {}),
    Subject("whole step", {**every_fault(), **MARE}),
    Subject("plain respawn", {}, respawns=True),
    Subject("whole respawn", {**every_fault(), **MARE}, respawns=True),
)


def batch(subject: Subject) -> Descent:
    """The landers: one tick a decision, random actions, the same at every call."""
    scenario = load_scenario(SCENARIO, **{"decision_period": PERIOD} | subject.changes)
    descent = Descent(scenario, LANDERS)
    spread(descent)
    random = torch.Generator(device="cpu").manual_seed(SEED)
    descent.actions.uniform_(-1.0, 1.0, generator=random)
    return descent


def walks(subject: Subject, cubin: Cubin, descent: Descent) -> Iterator[tuple[Walk, float]]:
    """Each warp's walk, and how far what it left in the tables is from what the CPU's own kernel leaves there.

    Of a step those warps are walked whose landers all fly and go on flying; of a respawn one, with one lander.
    """
    before, twin = descent.snapshot(), as_on_a_gpu(descent)
    mask = one_of(descent.num_envs) if subject.respawns else None
    if mask is None:
        descent.advance()
    else:
        descent._launch.reset(mask)
    after = quantities(descent.state)
    flying = descent.outcomes == int(Outcome.FLYING)
    for first in (0,) if subject.respawns else range(0, descent.num_envs, LANES):
        rows = slice(first, first + (1 if subject.respawns else LANES))
        if flying[rows].all():
            state, launch = twin
            state.restore(before)
            walk = walked(cubin, arguments(launch, mask), descent.num_envs, first)
            yield walk, disagreement(quantities(state), after, rows)


def as_on_a_gpu(descent: Descent) -> tuple[State, Launch]:
    """Tables that lie in this machine's memory as they lie in a GPU's, and what its kernels are launched on."""
    state = State(descent.scenario, descent.num_envs, descent.device, WARP)
    launch = Launch(descent.scenario, state, AUTORESET.index(descent.autoreset), threads=1)
    launch.actions.copy_(descent.actions)
    return state, launch


def quantities(state: State) -> dict[str, torch.Tensor]:
    """A copy of what a step or a reset leaves, by name, without what rounding left over: that is no quantity."""
    named = {name: state[name] for name in state.names() if not name.startswith("rest.")}
    ended = {f"ended.{name}": column.clone() for name, column in columns(state.ended, Record).items()}
    tables = {name: table.clone() for name, table in state.tables().items() if name in RESULTS}
    return {**named, **ended, **tables}


def disagreement(got: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], rows: slice) -> float:
    """The largest difference of these rows, each quantity in parts of its largest size; of whole numbers, none."""
    worst = 0.0
    for name, table in wanted.items():
        apart = (got[name][rows].double() - table[rows].double()).abs().max().item()
        if table.dtype == torch.int32:
            worst = max(worst, math.inf if apart else 0.0)
            continue
        summed = wanted["record.reward"] if name == "reward" else table  # the reward is a difference of such sums
        least = 1.0 if name.startswith("ended.") else 1e-6  # at the ground the height is nothing but rounding
        worst = max(worst, apart / max(summed.abs().max().item(), least))
    return worst


def arguments(launch: Launch, mask: torch.Tensor | None = None) -> list[Argument]:
    """What a batch's kernels take: the step, or with a mask the reset."""
    given: list[Argument] = [(launch.build.tables, launch.tables), (Settings, launch.settings)]
    return given if mask is None else [*given, (wp.array(dtype=wp.uint8), shared(mask, torch.uint8))]


def one_of(landers: int) -> torch.Tensor:
    """A mask with the first lander alone."""
    return (torch.arange(landers, dtype=torch.int64, device="cpu") == 0).to(torch.uint8)


def kernel_of(subject: Subject, descent: Descent) -> wp.Kernel:
    """The kernel that a GPU would run."""
    build = descent._launch.build
    return build.reset if subject.respawns else build.advance


def machine_code(subject: Subject, descent: Descent, architecture: int) -> Cubin:
    """The subject's kernel for an architecture. Raises what ``compiled`` raises."""
    return compiled(kernel_of(subject, descent), architecture)
