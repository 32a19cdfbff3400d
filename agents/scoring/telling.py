"""Which episode to draw: one in which somebody crashed and, if there is one, somebody else landed."""

from collections.abc import Mapping

import numpy as np

from lunar_env.task import Outcome


def telling_episode(outcomes: Mapping[str, np.ndarray]) -> int:
    """The first episode of the most telling kind that there is.

    A crash beside a landing, then a crash, then any other end beside a landing, then any other end, then the first.

    Args:
        outcomes: of each pilot, codes of ``Outcome`` of the same episodes (episodes,).
    """
    if not outcomes:
        return 0
    table = np.stack(list(outcomes.values()))
    landed, crashed = (table == Outcome.LANDED).any(axis=0), (table == Outcome.CRASHED).any(axis=0)
    lost = (table != Outcome.LANDED).any(axis=0)
    for kind in (crashed & landed, crashed, lost & landed, lost):
        if kind.any():
            return int(kind.argmax())
    return 0
