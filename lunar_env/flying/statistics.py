"""Numbers one may quote: counts with intervals, and the tail beside the mean."""

import math
from typing import Any

import numpy as np

from lunar_env.task import TERMS, TOUCHED, Outcome

# The design box of Chandrayaan-3 [V2: ISROT].
STRICT = {"descent_rate": 2.0, "lateral_speed": 0.5, "tilt": math.radians(5.0)}
Z = 1.959963984540054  # of a normal distribution, 95 % lies within so many standard deviations


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a success rate, in closed form (Wilson 1927). Raises ValueError for no trials."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"a success rate needs 0 <= successes <= trials and a trial, got {successes} of {trials}")
    share, per_trial = successes / trials, Z * Z / trials
    middle = (share + 0.5 * per_trial) / (1.0 + per_trial)
    half = Z * math.sqrt(share * (1.0 - share) / trials + 0.25 * per_trial / trials) / (1.0 + per_trial)
    low = middle - half if successes > 0 else 0.0
    high = middle + half if successes < trials else 1.0
    return low, high


def spread(values: np.ndarray) -> dict[str, float] | None:
    """Mean, 99th percentile, mean of the worst 0.1 % (at least one) and the worst of a 1-D array; None if empty."""
    if values.size == 0:
        return None
    ordered = np.sort(values.astype(np.float64))
    tail = max(1, round(0.001 * ordered.size))
    return {
        "mean": float(ordered.mean()),
        "p99": float(np.quantile(ordered, 0.99)),
        "worst_0.1_percent": float(ordered[-tail:].mean()),
        "worst": float(ordered[-1]),
    }


def summary(scenario: str, pilot: str, outcome: np.ndarray, record: dict[str, np.ndarray]) -> dict[str, Any]:
    """One row of ``evaluation.json``: SI units, all episodes counted, each once.

    Args:
        scenario: its name.
        pilot: its name.
        outcome: (episodes,) codes of ``Outcome``.
        record: the episodes' records, each (episodes,).
    """
    landed = outcome == Outcome.LANDED
    touched = np.isin(outcome, TOUCHED)
    strict = landed.copy()
    for name, limit in STRICT.items():
        strict &= record[name] <= limit
    episodes, successes = int(outcome.size), int(landed.sum())
    return {
        "scenario": scenario,
        "pilot": pilot,
        "episodes": episodes,
        "landed": successes,
        "landed_strict": int(strict.sum()),
        "wilson": list(wilson(successes, episodes)),
        "wilson_strict": list(wilson(int(strict.sum()), episodes)),
        "outcomes": {o.name.lower(): int((outcome == o).sum()) for o in Outcome if o != Outcome.FLYING},
        "touchdown": {
            "vertical_speed": spread(record["descent_rate"][touched]),
            "lateral_speed": spread(record["lateral_speed"][touched]),
            "tilt": spread(record["tilt"][touched]),
            "rate": spread(record["rate"][touched]),
            "distance": spread(record["distance"][touched]),
        },
        "landing": {
            "vertical_speed": spread(record["descent_rate"][landed]),
            "lateral_speed": spread(record["lateral_speed"][landed]),
        },
        "propellant": spread(record["propellant_used"]),
        "duration": spread(record["duration"]),
        "reward": {name: float(record[name].mean()) for name in ("reward", *TERMS)},
    }
