"""What a GPU would be asked for: kernels and waits, counted on a machine without one."""

from collections import Counter
from contextlib import contextmanager

import torch
import warp as wp
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operations of torch after which nothing has run: memory that is not written yet, and what only names it.
# To copy a tensor onto itself is nothing either.
NO_KERNEL = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_"}
# Whose answer the processor needs before it goes on, or the shape of what follows.
# To make a tensor of Python's numbers is to copy them there, and to wait for that.
ANSWERS = {
    "lift_fresh",
    "lift",
    "nonzero",
    "masked_select",
    "equal",
    "unique",
    "unique_consecutive",
    "_unique2",
    "repeat_interleave",
}
# The same, as a program asks for them. On a CPU they are not all seen below.
ASKED = {"cpu", "tolist", "item", "__bool__", "__float__", "__int__", "__index__", "__array__"}


class Counts:
    """How many kernels are asked for, and how often an answer is waited for; both by name."""

    def __init__(self):
        self.kernels, self.waits = Counter(), Counter()

    def __repr__(self):
        return f"{self.kernels.total()} kernels {dict(self.kernels)}, {self.waits.total()} waits {dict(self.waits)}"


class _Kernels(TorchDispatchMode):
    """Sees what torch is asked for below its own composition."""

    def __init__(self, counter):
        super().__init__()
        self.counter = counter

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Count, and do it."""
        counts, name = self.counter.into, function.overloadpacket.__name__
        chosen_by_mask = name in ("index", "index_put_", "index_put") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        # To set one number where a mask says so is done by masked_fill.
        fills = name == "index_put_" and args[2].numel() == 1
        # Looks whether any of its deviations is negative.
        asks = name in ANSWERS or (name == "normal" and isinstance(args[1], torch.Tensor))
        if asks or (chosen_by_mask and not fills):
            counts.waits[name] += 1
        onto_itself = name == "copy_" and args[0].data_ptr() == args[1].data_ptr() and args[0].shape == args[1].shape
        if (
            name not in {*NO_KERNEL, "lift_fresh", "lift"}
            and not onto_itself
            and not function.is_view
            and name != "_local_scalar_dense"
        ):
            counts.kernels[name] += 1
        return function(*args, **(kwargs or {}))


class _Questions(TorchFunctionMode):
    """Sees what a program asks torch for."""

    def __init__(self, counter):
        super().__init__()
        self.counter = counter

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Count, and do it."""
        name = getattr(function, "__name__", "")
        if name in ASKED and not (args and id(args[0]) in self.counter.of_the_processor):
            self.counter.into.waits[name] += 1
        return function(*args, **(kwargs or {}))


class Counting:
    """Counts into ``outside``, but for what a stand-in of a recorder does: that goes into ``inside``.

    Attributes:
        of_the_processor: the ids of tensors that a GPU's training keeps in the processor's memory: to ask for them is
            no wait.
    """

    def __init__(self):
        self.outside, self.inside = Counts(), Counts()
        self.into = self.outside
        self.of_the_processor = set()

    @contextmanager
    def recorded(self):
        """What is done here would be one launch of a graph."""
        before, self.into = self.into, self.inside
        try:
            yield
        finally:
            self.into = before


@contextmanager
def counted():
    """Count everything that torch and Warp are asked for."""
    counter = Counting()
    launch, again = wp.launch, wp.Launch.launch

    def launches(kernel, *args, record_cmd=False, **kwargs):
        if not record_cmd:
            counter.into.kernels[f"warp {kernel.key}"] += 1
        return launch(kernel, *args, record_cmd=record_cmd, **kwargs)

    def launches_again(self, *args, **kwargs):
        counter.into.kernels[f"warp {self.kernel.key}"] += 1
        return again(self, *args, **kwargs)

    wp.launch, wp.Launch.launch = launches, launches_again
    try:
        with _Questions(counter), _Kernels(counter):
            yield counter
    finally:
        wp.launch, wp.Launch.launch = launch, again
