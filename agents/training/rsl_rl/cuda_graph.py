"""Work on a GPU, recorded once as a CUDA graph and replayed with one call: for loops of many small launches."""

from collections.abc import Callable

import torch
import warp as wp

from lunar_env.kernel.streams import kept_stream


class Recorded:
    """Work on a GPU: done as it is the first time, from a CUDA graph after that.

    It must do the same each time: bring no number to the CPU, make no tensor of Python's numbers, and have no shape
    that depends on what was computed. What it reads and what it leaves stands in tensors that stay where they are.

    Args:
        work: launches all it does on torch's current stream.
        device: the GPU.
    """

    def __init__(self, work: Callable[[], None], device: torch.device) -> None:
        self.work = work
        self.graph: torch.cuda.CUDAGraph | None = None
        self.stream = torch.cuda.Stream(device)
        self.ran = False

    def __call__(self) -> None:
        """Do the work, after what torch's current stream does, and before what it will do."""
        if not self.ran:  # what is loaded on first use cannot be recorded
            self.ran = True
            self._beside()
            return
        if self.graph is None:
            self.graph = self._record()
        self.graph.replay()

    def _beside(self) -> None:
        """Do it on the stream of the recording: what autograd remembers of a stream must not lead out of that one."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            self.work()
        current.wait_stream(self.stream)

    def _record(self) -> torch.cuda.CUDAGraph:
        """A graph of the work, which is not done yet. Warp is told, so that it frees and unloads nothing meanwhile."""
        graph, beside = torch.cuda.CUDAGraph(), kept_stream(self.stream)
        # Other threads go on meanwhile: that of NCCL asks the GPU how far it is.
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            mode = wp.CaptureMode.THREAD_LOCAL
            wp.capture_begin(stream=beside, force_module_load=False, external=True, capture_mode=mode)
            try:
                self.work()
            finally:
                self.kernels = wp.capture_end(stream=beside)  # holds them loaded as long as the graph may run
        return graph
