"""The parts of the check. Each runs in a process of its own, with a bound: what fails or hangs costs no other part."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.gpu.agreement import agreement
from agents.gpu.counters import counters
from agents.gpu.speed import bandwidth, core
from agents.gpu.suite import tests
from agents.gpu.training import training
from agents.reading import CHECKOUT
from lunar_env.bench.floors import CACHED
from lunar_env.bench.measure import first_step

BY_ITSELF = "from agents.gpu.parts import main; main()"


@dataclass(frozen=True)
class Part:
    """Something that is asked of the machine."""

    seconds: float  # after which it is given up
    ask: Callable[[str, bool, Path | None], dict[str, Any]]  # of a device, quickly or not, beside a reference or not


def fresh_process(device: str) -> dict[str, Any]:
    """Seconds from an import to the end of the first step."""
    return {"s": first_step(CACHED, device.partition(":")[0], 1, True).median}


PARTS = {  # in all 8 minutes at most
    "first step": Part(70.0, lambda device, quick, reference: fresh_process(device)),
    "agreement": Part(90.0, lambda device, quick, reference: agreement(device, reference)),
    "bandwidth": Part(20.0, lambda device, quick, reference: bandwidth(device, quick)),
    "core": Part(80.0, lambda device, quick, reference: core(device, quick)),
    "training": Part(100.0, lambda device, quick, reference: training(device, quick)),
    "tests": Part(70.0, lambda device, quick, reference: tests(device, quick)),
    "counters": Part(50.0, lambda device, quick, reference: counters(device, quick)),
}


def ask(name: str, device: str, quick: bool, reference: Path | None) -> dict[str, Any]:
    """What a part found, in a process of its own; or ``error``, and its last words. And how long it took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        answer, words = Path(folder) / "answer.json", Path(folder) / "words.txt"
        command = [sys.executable, "-c", BY_ITSELF, name, device, str(int(quick)), str(answer)]
        error = _run([*command, *([str(reference.resolve())] if reference else [])], words, PARTS[name].seconds)
        found: dict[str, Any]
        if answer.exists():
            found = json.loads(answer.read_text(encoding="utf-8"))
        else:
            said = words.read_text(encoding="utf-8", errors="replace").split("\n")
            found = {"error": error, "last words": [line for line in said if line.strip()][-12:]}
    return found | {"took [s]": round(time.perf_counter() - began, 1)}


def _run(command: list[str], words: Path, seconds: float) -> str:
    """Run a command and all that it starts for so long at most. Returns why it gave no answer, if it did not."""
    with words.open("wb") as file:
        child = subprocess.Popen(command, cwd=CHECKOUT, stdout=file, stderr=file, start_new_session=True)
        try:
            return f"ended with exit code {child.wait(seconds)}"
        except subprocess.TimeoutExpired:
            return f"not done within {seconds:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def main() -> None:
    """One part: its name, the device, 0 or 1 for quick, the file of the answer, perhaps one of reference flights."""
    name, device, quick, answer, *reference = sys.argv[1:]
    found = PARTS[name].ask(device, bool(int(quick)), Path(reference[0]) if reference else None)
    Path(answer).write_text(json.dumps(found), encoding="utf-8")
