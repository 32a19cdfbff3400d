"""Parts of a batch at once, each in a thread of its own with a pilot of its own: two cores are two.

Threads are enough, for Warp and torch let go of Python's lock while they compute. Torch's own threads are no help here:
its operations on a few thousand landers are too short for them.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from lunar_env.kernel.launch import checked_device

LEAST = 256  # landers that are worth a thread

Part = TypeVar("Part")
Flown = TypeVar("Flown")


def threads_for_flights(num_landers: int, device: str | torch.device, threads: int) -> int:
    """How many of so many CPU threads a batch of landers is worth; 1 on a GPU."""
    return 1 if checked_device(device).type == "cuda" else min(threads, max(num_landers // LEAST, 1))


def threads_are_alike() -> bool:
    """Whether a new thread computes as the caller's does: under ``autocast`` or another default device it would not."""
    return not torch.is_autocast_enabled("cpu") and torch.get_default_device().type == "cpu"


def side_by_side(fly: Callable[[Part, threading.Event], Flown], parts: Sequence[Part]) -> list[Flown]:
    """What ``fly`` gives for each part, all under way at once, in the modes for gradients that the caller is in.

    Args:
        fly: called with a part, and an event that tells it to end early, with whatever it has: nobody wants it any
            more.
        parts: of the work, one for each thread.

    Raises:
        BaseException: whatever ``fly`` raises for the first part that raises anything.
    """
    stop = threading.Event()
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def flown(part: Part) -> Flown:
        try:
            with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
                return fly(part, stop)
        except BaseException:
            stop.set()
            raise

    with torch_threads(1), ThreadPoolExecutor(len(parts)) as pool:
        try:
            return [one.result() for one in [pool.submit(flown, part) for part in parts]]
        finally:
            stop.set()


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch's operations have so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
