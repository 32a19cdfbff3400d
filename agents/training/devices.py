"""Which device a process of a training has: of several that torchrun starts, each the GPU of its own number."""

import os

import torch

from agents.training.experiment import ConfigError
from lunar_env.kernel.launch import checked_device


def processes() -> int:
    """How many learn together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def device_of(wanted: str) -> torch.device:
    """The device of this process, if it is here.

    Raises ConfigError for a GPU with a number although there are several processes, and for more processes than GPUs;
    as ``checked_device`` for a device that is none, or not here.
    """
    kind, _, number = wanted.partition(":")
    if kind != "cuda" or processes() == 1:
        return checked_device(wanted)
    if number:
        raise ConfigError(
            f'device = "{wanted}" would put all {processes()} processes on one GPU; set device = "cuda", and each '
            "takes the GPU of its own number, or start it without torchrun"
        )
    own, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if own >= there > 0:
        raise ConfigError(
            f"this machine has {there} GPUs, numbered from 0, and none for its process {own}; start at most {there} "
            f"with torchrun --nproc-per-node {there}"
        )
    return checked_device(f"cuda:{own}")
