"""Several processes that learn together: the group, and what they agree on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from agents.training.devices import processes


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """What torchrun's processes share: NCCL between GPUs, gloo between CPUs. Nothing for a process on its own."""
    if processes() == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl", device_id=device)
    else:
        torch.distributed.init_process_group("gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def from_the_first(value: Any) -> Any:
    """The first process's value, in every process; without others the own one."""
    if not torch.distributed.is_initialized():
        return value
    shared = [value]
    torch.distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def on_all(steps: set[int]) -> set[int]:
    """The intersection of the sets of all processes."""
    of_each: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(of_each, steps)
    return set.intersection(*of_each)


def on_any(wrong: bool, device: torch.device) -> bool:
    """Whether something is wrong in any process, so that all stop together and none waits for one that has ended."""
    if not torch.distributed.is_initialized():
        return wrong
    flag = torch.tensor(float(wrong), dtype=torch.float32, device=device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag)


def of_any(flags: torch.Tensor) -> torch.Tensor:
    """Flags, 0 or 1, that are set in any process; nothing is read."""
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
    return flags


def sums_of_all(counts: torch.Tensor) -> list[int]:
    """The counts of all processes together."""
    if torch.distributed.is_initialized():
        counts = counts.clone()
        torch.distributed.all_reduce(counts)
    return counts.tolist()
