"""What a step's ended episodes add to the sums of a rollout: one launch, a thread a lander, each with sums of its own.

So the order of adding does not depend on the machine, and a step asks a GPU for one kernel.
"""

from typing import Any, Protocol

import torch
import warp as wp

from lunar_env.kernel.layout import shared
from lunar_env.kernel.streams import launch

wp.set_module_options({"enable_backward": False})


class Step(Protocol):
    """What a decision gave, as far as it is counted."""

    @property
    def outcome(self) -> torch.Tensor:
        """(N,) int32, see task.Outcome."""

    @property
    def done(self) -> torch.Tensor:
        """(N,) bool: the episode ended."""

    @property
    def ended(self) -> dict[str, torch.Tensor]:
        """The record of each episode that ended in this step or before, by name, (N,)."""


@wp.kernel
def add_ends(
    outcomes: wp.array(dtype=int),
    records: wp.array2d(dtype=float),
    codes: wp.array(dtype=int),
    touching: wp.array(dtype=int),
    whole: int,
    sums: wp.array2d(dtype=float),
):
    """Add the end of a lander's episode, if it ended: to the count of its outcome, and to the sums of its record.

    The first ``whole`` rows of the records count for every end, the others for those that touched the ground.
    """
    row = wp.tid()
    count = codes.shape[0]
    outcome = outcomes[row]
    ended = int(0)
    touched = int(0)
    for i in range(count):
        if outcome == codes[i]:
            sums[row, i] = sums[row, i] + 1.0
            ended = 1
            touched = touching[i]
    if ended == 1:
        for i in range(records.shape[0]):
            if i < whole or touched == 1:
                sums[row, count + i] = sums[row, count + i] + records[i, row]


class Ends:
    """Sums (N, outcomes + records) over ended episodes.

    Args:
        codes: of the outcomes that end an episode.
        touching: those of them at which the ground was met.
        whole: records that count for every end; of the others, ``at_touchdown``, only those at the ground count.
        at_touchdown: how many these are.
        num_landers: of the batch.
        device: of the batch.
    """

    def __init__(
        self,
        codes: list[int],
        touching: tuple[int, ...],
        whole: int,
        at_touchdown: int,
        num_landers: int,
        device: torch.device,
    ) -> None:
        self.whole, self.device = whole, device
        self.codes = torch.tensor(codes, dtype=torch.int32, device=device)
        self.touching = torch.tensor([code in touching for code in codes], dtype=torch.int32, device=device)
        self.sums = torch.zeros(num_landers, len(codes) + whole + at_touchdown, dtype=torch.float32, device=device)

    def add(self, outcomes: torch.Tensor, records: torch.Tensor) -> None:
        """Outcomes (N,) int32 of a step, and records (K, N) of the episodes that ended in it."""
        whole_numbers: list[Any] = [shared(table, torch.int32) for table in (outcomes, self.codes, self.touching)]
        inputs = [whole_numbers[0], shared(records), *whole_numbers[1:], self.whole, shared(self.sums)]
        launch(add_ends, len(outcomes), inputs, self.device)
