"""Kernels on a device: compiled once, recorded with the tables that they take, replayed at every decision."""

import os
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import torch
import warp as wp

from lunar_env.kernel.builds import PLAIN, build_of
from lunar_env.kernel.cache import ready, start_warp
from lunar_env.kernel.critic import TrueNumbers, tell_a_critic
from lunar_env.kernel.layout import columns, shared, structs, words
from lunar_env.kernel.memory import State
from lunar_env.kernel.next_episode import count_on
from lunar_env.kernel.room import MOST_THREADS, whole_number
from lunar_env.kernel.streams import current_stream, launch
from lunar_env.kernel.tables import Draw, packed, settings_of
from lunar_env.kernel.truth import Truth, tell
from lunar_env.quantities import shown
from lunar_env.scenario import Scenario
from lunar_env.sensors.range_finder import Beam
from lunar_env.terrain.maps import load_maps
from lunar_env.vehicle.lanes import WIDTH

MANY = 1024  # landers from which a CPU batch is worth a second thread


class Launch:
    """The kernels of one batch and the tables that they take.

    Args:
        scenario: what is flown.
        state: the batch's memory.
        autoreset: NEXT_STEP, SAME_STEP or DISABLED of kernel/tables.py.
        threads: CPU threads, as ``threads_for`` has them.
        max_decisions: at which an episode is cut off, if the scenario's time limit does not come first.
    """

    def __init__(
        self,
        scenario: Scenario,
        state: State,
        autoreset: int,
        threads: int,
        max_decisions: int | None = None,
    ) -> None:
        self.device, self.num_landers = state.lander.device, state.num_landers
        self.build, self.scenario = build_of(scenario), scenario
        self.settings = settings_of(scenario, autoreset, max_decisions)
        self.actions = torch.zeros(
            self.num_landers, len(scenario.action_names), device=self.device, dtype=torch.float32
        )
        self.drawing = {name: torch.from_numpy(array).to(self.device) for name, array in packed(scenario).items()}
        terrain = scenario.terrain
        self.maps, self.heights = load_maps(terrain.map, terrain.map_seed, terrain.map_spacing, self.device)
        self.tables = self._wired(state)
        self.for_a_critic = TrueNumbers(scenario, self.num_landers, self.device)
        self._mask = torch.zeros(self.num_landers, dtype=torch.uint8, device=self.device)
        self._recorded = self._record(threads)

    def _wired(self, state: State) -> Any:
        tables = self.build.tables()
        state.put_into(tables)
        tables.actions = shared(self.actions)
        tables.draws = structs(self.drawing["draws"], Draw)
        tables.fault_columns = shared(self.drawing["fault_columns"], torch.int32)
        tables.beams = structs(self.drawing["beams"], Beam)
        if self.build is not PLAIN:
            tables.maps = self.maps
        return tables

    def _record(self, threads: int) -> list[Any]:
        """Record the step's launches once: replaying one costs microseconds, a new one tens of them."""
        device = wp.device_from_torch(self.device)
        ready((self.build.advance if device.is_cuda else self.build.advance_abreast, self.build.reset), device)
        self.threads = threads
        self.make_pool()
        _living.add(self)
        groups = -(-self.num_landers // WIDTH)
        edges = [min(groups * part // self.threads * WIDTH, self.num_landers) for part in range(self.threads + 1)]
        inputs = [self.tables, self.settings]
        if device.is_cuda:
            return [launch(self.build.advance, self.num_landers, inputs, self.device, record_cmd=True)]
        step = self.build.advance_abreast
        return [
            launch(step, -(-(end - first) // WIDTH), [*inputs, first, end], self.device, record_cmd=True)
            for first, end in pairwise(edges)
            if first < end
        ]

    def make_pool(self) -> None:
        """The threads beside the caller's own, which begin when they are first needed."""
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None

    def advance(self) -> None:
        """Fly one decision on ``actions``, in place and without a copy."""
        if self.device.type == "cuda":
            self._recorded[0].launch(stream=current_stream(self.device))
            return
        others = [self._pool.submit(one.launch) for one in self._recorded[1:]] if self._pool else []
        self._recorded[0].launch()
        for other in others:
            other.result()

    def reset(self, mask: torch.Tensor) -> None:
        """Begin the episode that the counters of each lander in ``mask`` (N,) name."""
        self._mask.copy_(mask)
        self._launch(self.build.reset, self.tables, self.settings, shared(self._mask, torch.uint8))

    def begin_next(self, mask: torch.Tensor) -> None:
        """Begin the next episode of each lander in ``mask`` (N,)."""
        self._mask.copy_(mask)
        chosen = shared(self._mask, torch.uint8)
        self._launch(count_on, self.tables.landers, chosen)
        self._launch(self.build.reset, self.tables, self.settings, chosen)

    def true_numbers(self) -> torch.Tensor:
        """See ``critic.TrueNumbers``: a fresh table."""
        rows, inputs = self.for_a_critic.inputs(self.tables, self.maps)
        self._launch(tell_a_critic, *inputs)
        return rows

    def truth(self) -> dict[str, torch.Tensor]:
        """The true state by name, each (N,); see ``truth.Truth``."""
        table = torch.zeros(self.num_landers, words(Truth), device=self.device, dtype=torch.float32)
        tables = self.tables
        self._launch(
            tell, tables.landers, tables.worlds, tables.surfaces, self.maps, self.settings, structs(table, Truth)
        )
        return columns(table, Truth)

    def draw_from(self, scenario: Scenario) -> None:
        """From each lander's next episode on, draw the numbers of another scenario that differs in numbers only."""
        self.drawing["draws"].copy_(torch.from_numpy(packed(scenario, self.scenario)["draws"]))

    def _launch(self, kernel: wp.Kernel, *inputs: Any) -> None:
        launch(kernel, self.num_landers, inputs, self.device)


def threads_for(num_landers: int, device: torch.device, threads: int | None) -> int:
    """CPU threads for a batch: as many as asked for, at most one for each lander. Raises ValueError for no count.

    By default one per 1,024 landers up to torch's number of threads.
    """
    if threads is None:
        threads = min(torch.get_num_threads(), max(num_landers // MANY, 1))
    threads = whole_number("threads", threads, MOST_THREADS)
    return 1 if device.type == "cuda" else min(threads, num_landers)


def checked_device(device: str | torch.device) -> torch.device:
    """The torch device, if it is here."""
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError, ValueError, OverflowError):
        raise ValueError(f'device must be "cpu" or "cuda" (or "cuda:1", ...), got {shown(device)}') from None
    if chosen.type not in ("cpu", "cuda") or (chosen.type == "cpu" and chosen.index):
        raise ValueError(f'device must be "cpu" or "cuda", got {shown(device)}')
    start_warp()
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError(f'device={device!r} was asked for, but torch finds no CUDA GPU; use device="cpu"')
        if not wp.is_cuda_available():
            raise RuntimeError(f'device={device!r} was asked for, but Warp finds no CUDA driver; use device="cpu"')
        count = torch.cuda.device_count()
        if chosen.index is not None and chosen.index >= count:
            raise ValueError(f"device={device!r} was asked for, but there are {count} GPUs, numbered from 0")
        chosen = torch.device("cuda", torch.cuda.current_device() if chosen.index is None else chosen.index)
    return chosen


_living: weakref.WeakSet[Launch] = weakref.WeakSet()


def _begin_in_a_forked_child() -> None:
    """Give a forked child threads of its own: to wait for those of its parent, which are not in it, has no end."""
    for one in list(_living):
        one.make_pool()
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)  # torch's own are gone as well, and its next large operation would wait for them


if sys.platform != "win32":  # which has no forks
    os.register_at_fork(after_in_child=_begin_in_a_forked_child)
