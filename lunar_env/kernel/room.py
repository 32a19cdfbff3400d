"""Whether a machine has room for a batch, and patience for one decision of it: asked before anything is made."""

import contextlib
import os
from pathlib import Path

import numpy as np
import torch

from lunar_env.kernel.layout import words
from lunar_env.kernel.memory import bytes_of
from lunar_env.quantities import shown, whole_ticks
from lunar_env.scenario import Scenario
from lunar_env.state import Sample

MOST_LANDERS = 2**24  # of a batch
MOST_THREADS = 1_024  # of a process
LONGEST_DECISION = 60.0  # [s] deaf to an interruption

# One tick of one lander on one thread of a CPU of 2020, measured [ns]; a GPU is taken for a hundred of these threads.
TICK, SUBSTEP, BEAM, SLOT = 500.0, 20.0, 50.0, 2.0
THREADS_OF_A_GPU = 100

CGROUPS = (  # the memory that a container may use, and what it uses
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def whole_number(name: str, value: object, most: int) -> int:
    """A count from 1 to ``most``. Raises ValueError for anything else, in words."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {shown(value)}")
    if value > most:
        raise ValueError(f"{name} must be a whole number of at most {most:,}, got {shown(value)}")
    return int(value)


def require_room(scenario: Scenario, num_landers: int, device: torch.device, threads: int) -> None:
    """Refuse a batch that the device's memory cannot hold, or one decision of which would take minutes.

    Raises ValueError that names the size and what would make it smaller. The memory is what the tables need, and what
    a step copies of them; the time is an estimate, right within a factor of a few.
    """
    require_memory(f"{num_landers:,} landers of {scenario.name!r}", bytes_of(scenario, num_landers), device)
    every_beam = sum(scenario.beams().values())
    if num_landers * every_beam * words(Sample) * 4 >= 2**31:  # a kernel steps through the delay line in 32 bits
        raise ValueError(f"{num_landers:,} landers with {every_beam} beams each are too many; use fewer landers")
    seconds = seconds_of(scenario, num_landers, device, threads)
    if seconds > LONGEST_DECISION:
        raise ValueError(
            f"one decision of {num_landers:,} landers of {scenario.name!r} would take about {seconds:,.0f} s, at most "
            f"{LONGEST_DECISION:.0f} s may pass without a pause; use fewer landers, a shorter decision_period, fewer "
            "substeps or fewer beams"
        )


def seconds_of(scenario: Scenario, num_landers: int, device: torch.device, threads: int) -> float:
    """About how long one decision of a batch takes [s]."""
    every_beam = sum(scenario.beams().values())
    tick = TICK + SUBSTEP * scenario.substeps + (BEAM + SLOT * scenario.delay_slots) * every_beam
    ticks = whole_ticks("decision_period", scenario.decision_period, scenario.tick)
    if device.type == "cuda":
        return max(num_landers / THREADS_OF_A_GPU, 1.0) * ticks * tick * 1e-9
    return num_landers / threads * ticks * tick * 1e-9


def require_memory(what: str, needed: float, device: torch.device, remedy: str = "") -> None:
    """Refuse what needs more memory than a device has free. Raises ValueError that names both sizes."""
    free = free_memory(device)
    if free is not None and needed > free:
        where = "this machine" if device.type == "cpu" else str(device)
        remedy = remedy or "use fewer landers, a shorter history or shorter delays"
        raise ValueError(f"{what} need about {size(needed)}, {where} has {size(free)} free; {remedy}")


def size(number: float) -> str:
    """A number of bytes in words."""
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if number >= one:
            return f"{number / one:,.0f} {unit}" if number >= 10 * one else f"{number / one:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be had on a device; None where the system does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + reserved  # torch has the rest already, and gives it to whoever asks next
    found = [_of_the_machine(), *(_of_a_group(Path(limit), Path(used)) for limit, used in CGROUPS)]
    return min((free for free in found if free is not None), default=None)


def _of_the_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on Windows, not by this name on a Mac
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_a_group(limit: Path, used: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
        return max(int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii")), 0)
    return None
