"""A recording is ended by the stream that began it: Warp's own code, on a table of streams as its library keeps it."""

import gc
import itertools
from contextlib import contextmanager

import pytest
import torch
import warp as wp
from warp._src import context

pytest.importorskip("rsl_rl")

from agents.training.rsl_rl.cuda_graph import Recorded
from lunar_env.kernel import streams
from lunar_env.kernel.launch import Launch

GPUS = (0, 1)


class Library:
    """What warp.cu does with streams and captures (``g_streams``, ``g_captures``), without a GPU.

    Functions have the names that Warp calls; of contexts and events nothing is kept.
    """

    def __init__(self, others):
        self.others = others
        self.streams = {}  # handle -> the id of the capture begun on it, or None
        self.captures = {}  # id -> handle
        self.capturing = {}  # handle -> id, while torch records on it
        self.said = []  # what happened, in order
        self.error = ""

    def __getattr__(self, name):
        return getattr(self.others, name)  # of the CPU

    def wp_cuda_stream_register(self, context, stream):
        """A handle becomes known, or known anew: its entry is made once, its event at every call."""
        if stream:
            self.streams.setdefault(stream, None)
            self.said.append(("register", context, stream))

    def wp_cuda_stream_unregister(self, context, stream):
        """A handle is forgotten with all that was kept of it, whoever asked for it to be known."""
        if self.streams.pop(stream, "unknown") != "unknown":
            self.said.append(("unregister", context, stream))

    def wp_cuda_stream_is_capturing(self, stream):
        """Whether torch records on the stream."""
        return int(stream in self.capturing)

    def wp_cuda_stream_get_capture_id(self, stream):
        """Of the recording, 0 without one."""
        return self.capturing.get(stream, 0)

    def wp_cuda_graph_begin_capture(self, context, stream, external, mode):
        """Join a recording that torch has begun."""
        if stream not in self.streams:
            self.error = "unknown stream"
            return False
        assert external and stream in self.capturing
        assert mode == wp.CaptureMode.THREAD_LOCAL, "not as torch records"
        self.streams[stream] = self.capturing[stream]
        self.captures[self.capturing[stream]] = stream
        self.said.append(("begin", context, stream))
        return True

    def wp_cuda_graph_end_capture(self, context, stream, graph):
        """Leave a recording, if the stream is still known to have joined it."""
        if self.streams.get(stream) is None:
            self.error = "unknown capture stream" if stream not in self.streams else "stream has no capture started"
            return False
        del self.captures[self.streams[stream]]
        self.streams[stream] = None
        self.said.append(("end", context, stream))
        return True

    def wp_cuda_context_set_stream(self, context, stream, wait):
        """Warp's own current stream: nothing of ours runs on it."""

    def wp_cuda_context_push_current(self, context):
        """Of the driver."""

    def wp_cuda_context_pop_current(self):
        """Of the driver."""


class Stream:
    """A stream of torch: a handle on a GPU. Without one it is a new stream."""

    newest = itertools.count(17)

    def __init__(self, device, handle=None):
        self.device, self.cuda_stream = device, next(self.newest) if handle is None else handle

    def wait_stream(self, other):
        """On the device; nobody waits here."""


class Graph:
    """A graph that counts how often it was replayed."""

    replays = 0

    def replay(self):
        """Count."""
        self.replays += 1


@pytest.fixture
def machine(monkeypatch):
    """Two GPUs, of which torch's current streams and Warp's table of streams are all there is."""
    wp.init()
    runtime = context.runtime
    library = Library(runtime.core)
    current = {gpu: Stream(torch.device("cuda", gpu), 0) for gpu in GPUS}
    monkeypatch.setattr(runtime, "core", library)

    def gpu_of(number):
        device = context.Device.__new__(context.Device)
        device.__dict__ |= {"runtime": runtime, "alias": f"cuda:{number}", "ordinal": number, "captures": {}}
        device.__dict__ |= {"is_primary": True, "_context": 1000 + number}
        device.context_guard = context.ContextGuard(device)
        device._stream = wp.Stream(device, cuda_stream=0)
        return device

    @contextmanager
    def on(stream):
        before, current[stream.device.index] = current[stream.device.index], stream
        yield
        current[stream.device.index] = before

    @contextmanager
    def recording(graph, stream, capture_error_mode):
        assert capture_error_mode == "thread_local"
        library.capturing[stream.cuda_stream] = 1000 * stream.cuda_stream
        with on(stream):
            yield
        del library.capturing[stream.cuda_stream]

    monkeypatch.setattr(runtime, "cuda_devices", [gpu_of(gpu) for gpu in GPUS])
    monkeypatch.setattr(runtime, "get_error_string", lambda: library.error)
    monkeypatch.setattr(streams, "_kept", {})
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current[device.index])
    yield library
    streams._kept.clear()
    gc.collect()  # what has a handle gives it back to this library


class Flying(Launch):
    """A batch on a GPU whose one command notes the streams that it is launched on, and keeps none of them."""

    def __init__(self, gpu):
        self.device, self._recorded = torch.device("cuda", gpu), [self]
        self.handles = []

    def launch(self, stream):
        """As Warp's recorded command is asked."""
        assert stream.device.ordinal == self.device.index
        self.handles.append(stream.cuda_stream)


@pytest.mark.parametrize("gpu", GPUS)
def test_work_that_asks_for_its_stream_can_be_recorded(machine, gpu):
    batch = Flying(gpu)

    def work():
        for _ in range(3):
            batch.advance()

    recorded = Recorded(work, batch.device)
    for _ in range(3):
        recorded()
    assert recorded.graph.replays == 2
    beside = recorded.stream.cuda_stream
    assert batch.handles == [beside] * 6 and beside != 0, "done once as it is, and recorded once"
    own = [what for what, at, handle in machine.said if (at, handle) == (1000 + gpu, beside)]
    assert own == ["register", "begin", "end"], "nothing may forget the stream while it is recorded on"
    assert not machine.captures


def test_a_batch_flies_on_torchs_stream_without_making_another_object_for_it(machine, monkeypatch):
    batches = [Flying(gpu) for gpu in GPUS]
    for batch in [*batches, *batches]:
        batch.advance()
    assert [batch.handles for batch in batches] == [[0, 0], [0, 0]], "the first stream of each GPU has the same handle"
    aside = Stream(torch.device("cuda", 1))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: aside)
    batches[1].advance()
    batches[1].advance()
    assert batches[1].handles[2:] == [aside.cuda_stream] * 2
    assert [what for what, *_ in machine.said] == ["register"]


def test_two_recordings_of_two_gpus_one_within_the_other_end_each_on_its_own_stream(machine):
    first, second = Flying(0), Flying(1)
    inner = Recorded(second.advance, second.device)
    inner()

    def work():
        first.advance()
        inner()
        first.advance()

    outer = Recorded(work, first.device)
    outer()  # which records the inner one
    outer()
    assert [what for what, *_ in machine.said].count("end") == 2
    assert not machine.captures


def test_the_library_of_this_test_forgets_a_stream_as_warps_own_does(machine):
    stream = Stream(torch.device("cuda", 0))
    kept = wp.stream_from_torch(stream)
    machine.capturing[stream.cuda_stream] = 5
    wp.capture_begin(stream=kept, external=True, force_module_load=False)
    wp.stream_from_torch(stream)  # made and dropped
    with pytest.raises(RuntimeError, match="unknown capture stream"):
        wp.capture_end(stream=kept)
    with pytest.raises(RuntimeError, match="unknown stream"):
        wp.capture_begin(stream=kept, external=True, force_module_load=False)
