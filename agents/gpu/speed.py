"""How fast memory is, and how fast the core flies on it, from thousands of landers to a million."""

import time
from collections.abc import Callable
from typing import Any

import torch

from lunar_env import Descent, load_scenario
from lunar_env.bench.contestants import PERIOD, SCENARIO, spread
from lunar_env.bench.measure import timed

SIZES = (4_096, 16_384, 65_536, 262_144, 1_048_576)
CONTROLS = ("descent_rate", "body")
RECORDED = 20  # steps in one graph


def pace(call: Callable[[], object], seconds: float) -> float:
    """Seconds of one call, in a round of about so long after others have warmed up."""
    count, spent = 4, timed(call, 4)
    while spent < seconds / 4:
        count *= 2
        spent = timed(call, count)
    return timed(call, count) / count


def bandwidth(device: str, quick: bool) -> dict[str, float]:
    """A copy of a table of 4 GiB: bytes per second, read and written."""
    source = torch.rand((1 << 24) if quick else (1 << 30), dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    return {"bytes/s": 2 * source.nbytes / pace(lambda: target.copy_(source), 0.1 if quick else 1.0)}


def core(device: str, quick: bool) -> dict[str, dict[str, Any]]:
    """The core at the benchmark setting in all sizes, by name of the row; what does not fit says so."""
    rows: dict[str, dict[str, Any]] = {}
    for landers in SIZES[:1] if quick else SIZES:
        for control in CONTROLS:
            name = f"{control}, N={landers:,}"
            try:
                rows[name] = row(control, landers, device, 0.1 if quick else 0.4)
            except (RuntimeError, MemoryError) as error:
                rows[name] = {"error": " ".join(str(error).split())[:300]}
            print(name, rows[name], flush=True)
    return rows


def row(control: str, landers: int, device: str, seconds: float) -> dict[str, float]:
    """Steps per second of one size: launched one by one, recorded in a graph, through ``Descent.step``; and a copy."""
    descent = Descent(load_scenario(SCENARIO, control=control, decision_period=PERIOD), landers, device)
    spread(descent)
    descent.actions.uniform_(-1.0, 1.0)
    actions = descent.actions.clone()
    began = time.perf_counter()
    found = {"core": landers / pace(descent.advance, seconds)}
    found["core, recorded"] = (
        landers * RECORDED / pace(recorded(descent), seconds) if device != "cpu" else found["core"]
    )
    found["Descent.step"] = landers / pace(lambda: descent.step(actions), seconds)
    tables = torch.cat([table.flatten() for table in descent.state.tables().values()])
    copy = torch.empty_like(tables)
    found["copy of the tables"] = landers / pace(lambda: copy.copy_(tables), seconds)
    found["core over copy"] = found["core, recorded"] / found["copy of the tables"]
    found["bytes of a lander"] = tables.nbytes / landers
    found["seconds"] = time.perf_counter() - began
    return found


def recorded(descent: Descent) -> Callable[[], None]:
    """Some steps of the core as one launch."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(RECORDED):
            descent.advance()
    return graph.replay
