"""A report as plain data, which goes into JSON, and as Markdown tables."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lunar_env.bench.contestants import PERIOD, PPO, SCENARIO, THREADS, threads_of
from lunar_env.bench.floors import Claim
from lunar_env.bench.measure import Measurement
from lunar_env.missions import load_scenario


def report(measured: Sequence[Measurement], setting: dict[str, Any], asked: Sequence[Claim]) -> dict[str, Any]:
    """Conditions, measurements and claims, as plain data."""
    medians = {one.name: one.median for one in measured}
    rows = [{**asdict(one), "median": one.median, "best": one.best} for one in measured]
    return {"conditions": setting, "measurements": rows, "claims": [claim.row(medians) for claim in asked]}


def conditions(device: str) -> dict[str, Any]:
    """What holds for all rows."""
    scenario = load_scenario(SCENARIO)
    packages = ("lunar-env", "warp-lang", "torch", "numpy", "gymnasium", "stable-baselines3", "envpool", "box2d")
    found = {d.name.lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "processor": f"{processor()}, {os.cpu_count()} cores; the bench uses {THREADS} threads",
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {found[name]}" for name in packages if name in found),
        "benchmark setting": f"scenario {SCENARIO}, 6-DoF, all instruments and faults, float32, a decision every "
        f"{PERIOD:g} s, physics ticks of {scenario.tick:g} s with {scenario.substeps} Runge-Kutta substeps",
        "actions": "random, drawn beforehand; core: one set for each round; others: sets in turn",
        "included": "resets, and all copies that the interface makes",
        "excluded": "compilation and warm-up, but in the rows that say otherwise",
        "PPO": f"rollouts of {PPO['n_steps']} steps, batches of {PPO['batch_size']}, {PPO['n_epochs']} epochs, "
        f"MlpPolicy {PPO['policy_kwargs']['net_arch']} on the CPU, {threads_of(THREADS)}",
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
    }


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def load_average() -> str:
    """Processes that wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def markdown(figures: Mapping[str, Any]) -> str:
    """A report for people: on the screen and in a page."""
    rows = [("what", "median", "best", "conditions")]
    for one in figures["measurements"]:
        unit = " s" if one["unit"] == "s" else ""
        setting = "; ".join(f"{key} {value}" for key, value in one["conditions"].items())
        rows.append((one["name"], figure(one["median"]) + unit, figure(one["best"]) + unit, setting))
    floors = [("ratio of medians, or median", "value", "floor", "verdict")]
    floors += [(one["label"], figure(one["value"]), one["bound"], one["verdict"]) for one in figures["claims"]]
    general = "\n".join(f"- {name}: {value}" for name, value in figures["conditions"].items())
    return f"{general}\n\nSteps of one lander per second, or seconds:\n\n{table(rows)}\n\n{table(floors)}\n"


def figure(value: float | None) -> str:
    """Three digits, or all before the point."""
    return "-" if value is None else f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns in line, the middle ones on the right; the first row is its head."""
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in rows:
        numbers = [f"{cell:>{size}}" for cell, size in zip(middle, width[1:], strict=False)]
        lines.append(f"| {' | '.join([f'{first:<{width[0]}}', *numbers, last])} |")
    return "\n".join([lines[0], f"|---|{'---:|' * (len(width) - 2)}---|", *lines[1:]])
