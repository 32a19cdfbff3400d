"""What is promised of a GPU."""

from collections.abc import Mapping
from typing import Any

from agents.gpu.agreement import CASES
from lunar_env.bench.floors import Claim

MILLION, BATCH = "core, descent_rate, N=1,048,576", "core, descent_rate, N=4,096"


def claims() -> list[Claim]:
    """The floors, on figures named as ``named`` names them: the part, the row, the figure."""
    # Both round differently. Two flights part by centimetres in 50 s; an event of one may fall to the next decision.
    agree = [
        Claim(f"agreement, {case}, {what}", f"agreement, {case}, {what}", extra="", **bound)
        for case in CASES
        for what, bound in (
            ("same outcomes", {"low": 0.95}),
            ("height", {"high": 0.1, "unit": " m"}),
            ("descent rate", {"high": 0.01, "unit": " m/s"}),
        )
    ]
    return [
        *agree,
        Claim("core N=1,048,576, steps/s", f"{MILLION}, core, recorded", low=1e9, extra=""),
        Claim("core N=1,048,576 / copy of its tables", f"{MILLION}, core over copy", low=0.6, extra=""),
        Claim("core N=4,096, steps/s", f"{BATCH}, core, recorded", low=3e8, extra=""),
        Claim("PPO N=4,096, decisions/s", "training, MLP, N=4,096, decisions/s", low=3e6, extra=""),
        Claim("GPU tests that passed", "tests, passed", low=1.0, extra=""),
        Claim("GPU tests that failed", "tests, failed", high=0.0, extra=""),
        Claim("GPU tests that could not run", "tests, error", high=0.0, extra=""),
    ]


def named(found: Mapping[str, Any], before: str = "") -> dict[str, float]:
    """All numbers of a tree in one table, their names joined by commas."""
    table: dict[str, float] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            table |= named(value, f"{before}{name}, ")
        elif isinstance(value, (int, float)):
            table[before + name] = float(value)
    return table
