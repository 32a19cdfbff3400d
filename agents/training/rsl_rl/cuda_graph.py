"""Work on a GPU, recorded once as a CUDA graph and replayed with one call: for loops of many small launches."""

from collections.abc import Callable
from typing import Any

import torch
import warp as wp


class Recorded:
    """A function of one tensor on a GPU: done as it is the first time, from a CUDA graph after that.

    It must do the same each time: bring no number to the CPU, make no tensor of Python's numbers, and have no shape
    that depends on what was computed. What it returned is overwritten by the next call; copy what has to last.

    Args:
        work: takes a tensor, and launches all it does on torch's current stream.
    """

    def __init__(self, work: Callable[[torch.Tensor], Any]) -> None:
        self.work = work
        self.graph: torch.cuda.CUDAGraph | None = None
        self.ran = False

    def __call__(self, given: torch.Tensor) -> Any:
        """What ``work`` makes of a tensor, whose shape and type are those of the first call."""
        if not self.ran:  # what is loaded on first use cannot be recorded
            self.ran = True
            return self.work(given)
        if self.graph is None:
            self.graph = self._record(given)
        self.given.copy_(given)
        self.graph.replay()
        return self.result

    def _record(self, given: torch.Tensor) -> torch.cuda.CUDAGraph:
        """A graph of the work, which is not done yet. Warp joins the capture, for its launches are part of it."""
        self.given = given.clone()
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(given.device)
        with wp.ScopedStream(wp.stream_from_torch(stream)), torch.cuda.graph(graph, stream=stream):
            wp.capture_begin(device=wp.device_from_torch(given.device), force_module_load=False, external=True)
            try:
                self.result = self.work(self.given)
            finally:
                wp.capture_end(device=wp.device_from_torch(given.device))
        return graph
