"""Every figure of the machine code, as plain data."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

from lunar_env.bench.contestants import PERIOD, SCENARIO
from lunar_env.bench.machine_code.cubin import Cubin
from lunar_env.bench.machine_code.floors import claims
from lunar_env.bench.machine_code.machine import LANES, SECTOR
from lunar_env.bench.machine_code.subjects import LANDERS, SUBJECTS, Subject, batch, machine_code, walks
from lunar_env.bench.measure import progress
from lunar_env.missions import load_scenario

L2 = 5.5e12  # [bytes/s] of the second cache of an H100 or H200, for the limit that follows from the sectors


def measure(architecture: int) -> dict[str, Any]:
    """Compile and walk all subjects.

    Args:
        architecture: as the compiler names it, 90 for sm_90.

    Returns:
        ``conditions``, ``subjects`` and ``claims``, as JSON takes them.

    Raises:
        ImportError: the disassembler is not installed.
        ValueError: the compiler knows no such architecture.
        EmulationError: the emulator does not know an instruction of it.
    """
    subjects = {}
    for subject in SUBJECTS:
        progress(f"{subject.name}, compiling for sm_{architecture} and walking")
        subjects[subject.name] = figures_of(subject, architecture)
    values = named(subjects)
    return {
        "conditions": conditions(architecture),
        "subjects": subjects,
        "claims": [claim.row(values) for claim in claims()],
    }


def figures_of(subject: Subject, architecture: int) -> dict[str, Any]:
    """What the compiler says of a subject's kernel, and what its warps did."""
    descent = batch(subject)
    cubin = machine_code(subject, descent, architecture)
    found = list(walks(subject, cubin, descent))
    figures = combined([walk.figures() for walk, _ in found])
    return {**static(cubin), "warps": len(found), **figures, "disagreement": max(apart for _, apart in found)}


def static(cubin: Cubin) -> dict[str, int]:
    """What stands in the machine code, whether or not it is run."""
    code = cubin.listing.instructions
    return {
        "registers": cubin.registers,
        "stack": cubin.stack,
        "code": len(code),
        "spills in the code": sum(one.spill for one in code),
        "double precision in the code": sum(one.is_double for one in code),
    }


def combined(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The largest figure of all warps, and the mean of their instructions and sectors."""
    most = {name: max(one[name] for one in found) for name in found[0] if name != "widths"}
    mean = {f"{name}, mean": sum(one[name] for one in found) / len(found) for name in ("instructions", "sectors")}
    return {**most, **mean, "widths": sorted({width for one in found for width in one["widths"]})}


def named(subjects: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """All numbers in one table: "plain step, sectors" and so on."""
    return {
        f"{subject}, {name}": value
        for subject, figures in subjects.items()
        for name, value in figures.items()
        if not isinstance(value, list)
    }


def limit(figures: Mapping[str, Any]) -> float:
    """Steps per second that the second cache lets through, if the first keeps what a warp reads twice.

    A store goes through to the second cache each time.
    """
    return L2 / ((figures["sectors read at all"] + figures["store sectors"]) * SECTOR / LANES)


def conditions(architecture: int) -> dict[str, str]:
    """What holds for all figures."""
    scenario = load_scenario(SCENARIO)
    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("warp-lang", "nvidia-cuda-nvdisasm"))
    return {
        "architecture": f"sm_{architecture}, compiled and walked without a device",
        "versions": ", ".join(versions),
        "plain step": f"scenario {SCENARIO}, one decision of one tick, {PERIOD:g} s, with {scenario.substeps} "
        "substeps, random actions, the build for plain descents",
        "whole step": "the same with every fault and the ground of a mare map, the build with all parts",
        "respawn": "the kernel that begins episodes, for one lander of a warp",
        "landers": f"{LANDERS}, spread along their flights; of a step the warps in which none ends, the largest figure",
    }
