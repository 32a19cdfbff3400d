"""Take turns and time them: rounds of contestants, and the first step of a fresh process."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

HOME = Path(__file__).parents[2]  # where a fresh process finds this package
FIRST_STEP = """import time; start = time.perf_counter()
import gymnasium, lunar_env
{step}
print(time.perf_counter() - start)"""
STEP = {
    "cpu": 'env = gymnasium.make("Lunar/Resilience-v0"); env.reset(seed=0); env.step(env.action_space.sample())',
    "cuda": 'batch = lunar_env.Descent(device="cuda"); batch.step(batch.actions).reward.cpu()',
}


@dataclass(frozen=True)
class Measurement:
    """What the rounds of one contestant gave, and under which conditions."""

    name: str
    rounds: list[float]
    conditions: dict[str, Any]
    unit: str = "steps/s"

    @property
    def median(self) -> float:
        """The figure to quote."""
        return median(self.rounds)

    @property
    def best(self) -> float:
        """The round that was disturbed least."""
        return min(self.rounds) if self.unit == "s" else max(self.rounds)


@dataclass(frozen=True)
class Contestant:
    """Something that takes steps: so many of them in each ``call``."""

    name: str
    call: Callable[[], object]
    steps: int
    conditions: dict[str, Any]
    before: Callable[[], object] = dict  # runs before each round, not timed
    after: Callable[[], dict[str, Any]] = dict  # what was seen in all rounds together


def compete(contestants: Sequence[Contestant], rounds: int, seconds: float) -> list[Measurement]:
    """Let all take turns, round by round."""
    progress("warming up")
    turns = [(one, calls_for(one.call, seconds), list[float]()) for one in contestants]
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for one, count, rates in turns:
            one.before()
            rates.append(one.steps * count / timed(one.call, count))
    return [Measurement(one.name, rates, one.conditions | one.after()) for one, _, rates in turns]


def calls_for(call: Callable[[], object], seconds: float) -> int:
    """How many calls take about so long. Finding out warms up."""
    call()
    count, spent = 1, timed(call, 1)
    while spent < seconds / 4:
        count *= 2
        spent = timed(call, count)
    return max(1, round(count * seconds / spent))


def timed(call: Callable[[], object], count: int) -> float:
    """Seconds that so many calls take, with all that they left to the GPU."""
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(count):
        call()
    wait()
    return time.perf_counter() - start


def first_step(name: str, device: str, rounds: int, cached: bool) -> Measurement:
    """Seconds from ``import lunar_env`` to the end of the first step, in a fresh process."""
    seconds = []
    for number in range(rounds):
        progress(f"{name} on {device}, {number + 1} of {rounds}")
        with tempfile.TemporaryDirectory() as empty:
            command = [sys.executable, "-c", FIRST_STEP.format(step=STEP[device])]
            environment = {**os.environ, **({} if cached else {"WARP_CACHE_PATH": empty})}
            done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout.split()[-1]))
    return Measurement(name if device == "cpu" else f"{name}, cuda", seconds, {"on": device}, unit="s")


def progress(text: str) -> None:
    """Print on stderr what is being measured."""
    print(f"bench: {text} ...", file=sys.stderr, flush=True)
