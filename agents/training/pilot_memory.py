"""What a pilot remembers of its landers, as tensors and plain numbers, to go on with in another process."""

import dataclasses
from typing import Any

import torch


def memory_of(pilot: Any) -> dict[str, Any]:
    """The tensors and numbers that a pilot and the parts of it hold, by name; of a part again such a dict.

    What it got when it was made, such as a vehicle's numbers, stands in frozen dataclasses and is no memory. What it
    keeps in lists, as ``socp_mpc`` does its plans, is not found.
    """
    found: dict[str, Any] = {}
    for name, value in vars(pilot).items():
        if isinstance(value, torch.Tensor):
            found[name] = value.clone()
        elif value is None or isinstance(value, (int, float)):
            found[name] = value
        elif is_part(value, type(pilot)):
            found[name] = memory_of(value)
    return found


def remember(pilot: Any, memory: dict[str, Any], device: torch.device) -> None:
    """Put a memory into a pilot of the same class, for as many landers.

    Raises:
        KeyError: the memory is that of another pilot.
    """
    for name, value in memory_of(pilot).items():
        kept = memory[name]
        if isinstance(value, dict):
            remember(getattr(pilot, name), kept, device)
        else:
            setattr(pilot, name, kept.to(device) if isinstance(kept, torch.Tensor) else kept)


def is_part(value: Any, owner: type) -> bool:
    """Whether a pilot made it for itself: an object of this package, or of the file of a user's pilot."""
    module = type(value).__module__
    ours = module == owner.__module__ or module.split(".")[0] in ("agents", "lunar_env")
    return ours and not dataclasses.is_dataclass(value) and not isinstance(value, (type, torch.nn.Module))
