"""What several test files need: where the project is, a flat Moon, rare chances, equal bits, a command's exit code."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
FLAT = 1e12  # [m] a radius of the Moon at which its ground is a plane and gravity is the same everywhere
RARE = 1e-4  # chance that an honest draw breaks a statistical bound


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two 4-byte tables are equal; as bits, since an integer in one may look like a NaN."""
    return torch.equal(first.contiguous().view(torch.int32), second.contiguous().view(torch.int32))


def is_share(count: float, trials: int, chance: float | np.ndarray) -> bool:
    """Whether a count lies where a binomial of this chance puts all but ``RARE`` of its weight."""
    low, high = stats.binom.interval(1.0 - RARE, trials, chance)
    return bool(low <= count <= high)


def exit_code(main: Callable[[], int], *arguments: object) -> int:
    """The exit code of a command's ``main`` with these words on its command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["command", *map(str, arguments)])
        return main()
