"""What the profiler counts of one step of a million landers, if Nsight Compute is there, beside what was derived.

The emulator of lunar_env.bench.machine_code says without a GPU what a warp touches; here the GPU says it.
"""

import csv
import shutil
import subprocess
import sys
from typing import Any

from agents.reading import CHECKOUT
from lunar_env import Descent, load_scenario
from lunar_env.bench.contestants import PERIOD, SCENARIO, spread
from lunar_env.vehicle.tiles import WARP

LANDERS, WARMING = 1_048_576, 4
PER_WARP = {  # sums over all warps
    "sectors loaded": "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum",
    "sectors stored": "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",
    "instructions": "sm__inst_executed.sum",
}
AS_IT_IS = {
    "duration": "gpu__time_duration.sum",
    "bytes read from memory": "dram__bytes_read.sum",
    "bytes written to memory": "dram__bytes_write.sum",
    "memory, % of its peak": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "second cache, % of its peak": "lts__throughput.avg.pct_of_peak_sustained_elapsed",
    "first cache, % of its peak": "l1tex__throughput.avg.pct_of_peak_sustained_elapsed",
    "issue slots used, %": "sm__issue_active.avg.pct_of_peak_sustained_active",
    "warps at a time, % of the most": "sm__warps_active.avg.pct_of_peak_sustained_active",
    "threads of an instruction": "smsp__thread_inst_executed_per_inst_executed.ratio",
}


def counters(device: str, quick: bool) -> dict[str, Any]:
    """What was counted, sums by warp; or why nothing was."""
    profiler = shutil.which("ncu")
    if device == "cpu" or profiler is None:
        return {
            "not counted": "needs a GPU" if device == "cpu" else "ncu, Nsight Compute's command, is not on the PATH"
        }
    metrics = ",".join((*PER_WARP.values(), *AS_IT_IS.values()))
    command = [profiler, "--clock-control", "none", "--csv", "--metrics", metrics]
    command += ["--kernel-name", "regex:advance", "--launch-skip", str(WARMING), "--launch-count", "1"]
    command += [sys.executable, "-c", "from agents.gpu.counters import step_often; step_often()"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return read(done.stdout) or {"not counted": " ".join((done.stdout + done.stderr).split())[-300:]}


def read(text: str) -> dict[str, float]:
    """The figures of the profiler's table; what it did not give is left out."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    values = {row["Metric Name"]: row for row in csv.DictReader(lines) if row.get("Metric Name")}
    found: dict[str, float] = {}
    for name, metric in (PER_WARP | AS_IT_IS).items():
        if metric in values:
            row = values[metric]
            warps = LANDERS / WARP if name in PER_WARP else 1.0
            label = f"{name} [{row['Metric Unit']}]" if name == "duration" or name.startswith("bytes") else name
            found[f"{name} of a warp" if name in PER_WARP else label] = (
                float(row["Metric Value"].replace(",", "")) / warps
            )
    return found


def step_often() -> None:
    """What is profiled."""
    descent = Descent(load_scenario(SCENARIO, decision_period=PERIOD), LANDERS, "cuda")
    spread(descent)
    descent.actions.uniform_(-1.0, 1.0)
    for _ in range(WARMING + 2):
        descent.advance()
    descent.rewards.sum().item()
