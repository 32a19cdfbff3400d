"""Actions: what has not the form of one is refused; a lander whose numbers are not finite ends as ``invalid``.

The form (shape, kind of number) is a mistake in the caller's program. A number may be a pilot's own failure, in one
lander of thousands, and on a GPU nobody can look at it without waiting: so it ends that lander and no other. Finite
numbers beyond [-1, 1] are clipped.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

# (throttle, pitch rate) of each discrete action: engine off or full, times turning left, not at all, right. The last
# row answers a number that is no action.
DISCRETE_ACTIONS = np.array([(t, r) for t in (-1.0, 1.0) for r in (-1.0, 0.0, 1.0)] + [(np.nan, np.nan)], np.float32)
DISCRETE_ACTIONS.setflags(write=False)
CHOICES = len(DISCRETE_ACTIONS) - 1
WHOLE_NUMBERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_LARGEST = 1e30  # finite in every type of number that a device computes with


def as_tensor(action: Any, shape: tuple[int, ...], names: Sequence[str]) -> torch.Tensor:
    """An action of numbers for a batch.

    Args:
        action: real numbers of the shape, of any kind: a tensor on any device, an array, a list.
        shape: (landers, numbers of an action).
        names: of the numbers.

    Returns:
        The tensor, cut off from whatever computed it. Raises ValueError for another shape or kind.
    """
    if isinstance(action, torch.Tensor):
        tensor = action.detach()
        if tuple(tensor.shape) != shape or not _is_real(tensor):
            raise refusal(action, shape, names)
    else:
        array = as_array(action, shape, names)
        shared = array.dtype == np.float32 and array.flags.c_contiguous and array.flags.writeable
        tensor = torch.from_numpy(array if shared else array.astype(np.float64))
    if tensor.dtype == torch.float64:  # may hold what is finite here and not in float32
        tensor = torch.where(tensor.isfinite(), tensor.clamp(-_LARGEST, _LARGEST), tensor)
    return tensor


def as_array(action: Any, shape: tuple[int, ...], names: Sequence[str]) -> np.ndarray:
    """An action as an array of real numbers of the shape, any kind of number. Raises ValueError."""
    array = _array_of(action)
    if array is None or array.shape != shape or array.dtype.kind not in "fiu":
        raise refusal(action, shape, names)
    return array


def refusal(action: Any, shape: tuple[int, ...], names: Sequence[str]) -> ValueError:
    """What is said of an action that has not the form of one."""
    return ValueError(
        f"action must be real numbers of shape {shape} ({', '.join(names)}), got {form_of(action)}; "
        "action_space.sample() gives one"
    )


def discrete_numbers(action: Any, rows: int, device: torch.device) -> torch.Tensor:
    """Numbers of discrete actions, (rows,) int64 on a device; what is no number of one is ``CHOICES``.

    Raises ValueError for another shape or kind.
    """
    given = action if isinstance(action, torch.Tensor) else _array_of(action)
    whole = given is not None and (
        given.dtype in WHOLE_NUMBERS if isinstance(given, torch.Tensor) else given.dtype.kind in "iu"
    )
    if given is None or not whole or tuple(given.shape) != (rows,):
        raise discrete_refusal(action, f" of shape ({rows},)")
    numbers = given if isinstance(given, torch.Tensor) else torch.from_numpy(given.astype(np.int64))
    numbers = numbers.to(device, torch.int64)
    return torch.where((numbers >= 0) & (numbers < CHOICES), numbers, CHOICES)


def discrete_number(action: Any) -> int:
    """The number of one discrete action; what is no number of one is ``CHOICES``. Raises ValueError."""
    array = _array_of(action)
    if array is None or array.dtype.kind not in "iu" or array.shape != ():
        raise discrete_refusal(action, "")
    number = int(array)
    return number if 0 <= number < CHOICES else CHOICES


def discrete_refusal(action: Any, shape: str) -> ValueError:
    """What is said of a discrete action that has not the form of one."""
    return ValueError(f"action must be whole numbers from 0 to {CHOICES - 1}{shape}, got {form_of(action)}")


def form_of(value: Any) -> str:
    """Kind and shape of an array, or the value itself if it is short."""
    if isinstance(value, torch.Tensor | np.ndarray):
        place = f" on device {value.device}" if isinstance(value, torch.Tensor) and value.device.type == "meta" else ""
        return f"{value.dtype} of shape {tuple(value.shape)}{place}"
    words = repr(value)
    return words if len(words) <= 80 else type(value).__name__


def _is_real(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds real numbers that can be copied."""
    plain = tensor.layout is torch.strided and tensor.device.type != "meta"
    return plain and (tensor.is_floating_point() or tensor.dtype in WHOLE_NUMBERS)


def _array_of(value: Any) -> np.ndarray | None:
    """The value as an array, if it can be one."""
    if isinstance(value, torch.Tensor):
        if not _is_real(value):
            return None
        value = value.detach().cpu()
        return (value.double() if value.is_floating_point() else value.long()).numpy()
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
