"""Seeds: any whole number of at least 0, as Gymnasium has them, in the 64 bits that a descent counts with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lunar_env.quantities import shown

WORD = 0xFFFF_FFFF_FFFF_FFFF


def checked_seed(seed: Any) -> int:
    """The seed as a plain number. Raises ValueError for what is none."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {shown(seed)}")
    return int(seed)


def checked_seeds(seed: Any, rows: int) -> int | list[int]:
    """One seed for a batch, or one for each of its rows. Raises ValueError."""
    if isinstance(seed, str) or not isinstance(seed, Sequence | np.ndarray):
        return checked_seed(seed)
    if len(seed) != rows:
        raise ValueError(f"seed must be one whole number, or a list of one for each of {rows} rows, got {len(seed)}")
    return [checked_seed(one) for one in seed]


def split_seed(seed: int) -> tuple[int, int]:
    """A seed's two 32-bit halves, as signed numbers for int32 storage.

    Below 2^64 no two seeds share them. The words of a larger one, such as the entropy that NumPy draws for a generator
    without a seed, are combined by exclusive or.
    """
    whole = checked_seed(seed)
    folded = 0
    while whole:
        folded, whole = folded ^ (whole & WORD), whole >> 64
    low, high = folded & 0xFFFF_FFFF, folded >> 32
    return low - (low >> 31 << 32), high - (high >> 31 << 32)
