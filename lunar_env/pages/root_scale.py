"""A square-root scale for axes: a stop at constant deceleration is a straight line on it, and both ends can be read."""

import numpy as np


def root(values: np.ndarray | float) -> np.ndarray:
    """The square root, continued below zero as an odd function."""
    return np.sign(values) * np.sqrt(np.abs(values))


def square(values: np.ndarray | float) -> np.ndarray:
    """The inverse of ``root``."""
    return np.sign(values) * np.square(values)


def round_ticks(top: float, apart: float) -> list[float]:
    """Round numbers from 0 to ``top`` that stand at least this share of the axis apart on the scale."""
    ticks = [0.0]
    for tick in (m * 10.0**e for e in range(-2, 7) for m in (1, 2, 5)):
        if tick <= top and root(tick) - root(ticks[-1]) > apart * root(top):
            ticks.append(tick)
    return ticks
