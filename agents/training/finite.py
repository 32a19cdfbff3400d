"""What stops a run before a number that is not finite gets into its weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import torch

from agents.run_folder import write_atomic

BATCH = "not_finite.pt"


class NotFiniteError(FloatingPointError):
    """Raised when a reward, a loss or a gradient is not a number; the message says where the batch is."""


def finite_gradients(optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """Whether the step that an optimiser is about to take leaves its weights finite: one truth, on their device."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients).isfinite()


def stop(
    folder: Path, what: str, batch: Mapping[str, torch.Tensor], landers: Sequence[int], seed: int, steps: int
) -> NoReturn:
    """Put a batch on disk and raise NotFiniteError that says where; the checkpoints stay as they are.

    Args:
        folder: of the run.
        what: was not finite.
        batch: tensors by name.
        landers: whose numbers were not finite; none if the learner alone went astray.
        seed: of the descents that they flew.
        steps: decisions of all landers so far.
    """
    path = folder / BATCH
    saved = {**batch, "landers": list(landers), "seed": seed, "steps": steps}
    write_atomic(path, lambda temporary: torch.save(saved, temporary))
    if landers:
        which = f"landers {list(landers[:8])} of seed {seed}"
    else:
        which = f"all observations and rewards of the landers of seed {seed} were finite"
    raise NotFiniteError(
        f"{what} was not finite after {steps:,} decisions ({which}); the batch is in {path}. "
        "The newest checkpoint is from before; try a smaller learning rate"
    )
