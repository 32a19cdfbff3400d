"""Which faults an episode has, and when each begins and ends."""

from typing import Any

import warp as wp

from lunar_env.faults.effects import COUNT, belief_jump, passed
from lunar_env.faults.kinds import FOREVER
from lunar_env.state import Belief, Episode
from lunar_env.vehicle.tiles import number_of

wp.set_module_options({"enable_backward": False})

LASTING = wp.constant(FOREVER)  # [s] a fault that lasts so long has no end


@wp.func
def present_faults(tables: Any, row: int) -> int:
    """One bit for each fault that was drawn; none of them has begun."""
    present = int(0)
    for code in range(COUNT):
        if number_of(tables.numbers, row, tables.fault_columns[code]) > 0.5:
            present = present | (1 << code)
        tables.begun[row, code] = -1
    return present


@wp.func
def struck(tables: Any, row: int, episode: Episode, belief: Belief, up: wp.vec3, height: float, seconds: float):
    """Begin and end the faults whose time has come. Returns the episode and the belief."""
    tick = episode.tick
    left = int(episode.pending)
    code = int(0)
    while left > 0:
        if left & 1 == 1:
            column = tables.fault_columns[code]  # probability, onset, below, duration
            bit = 1 << code
            begun = tables.begun[row, code]
            late_enough = passed(tick, number_of(tables.numbers, row, column + 1), seconds)
            duration = number_of(tables.numbers, row, column + 3)
            if begun < 0 and late_enough and height <= number_of(tables.numbers, row, column + 2):
                begun = tick
                tables.begun[row, code] = tick
                episode.acting = episode.acting | bit
                jump = belief_jump(code, tables.faults, row)
                if jump != 0.0 and duration > 0.0:
                    belief.position_error = belief.position_error + up * jump
            if begun >= 0:
                if duration >= LASTING:
                    episode.pending = episode.pending & ~bit
                elif passed(tick - begun, duration, seconds):
                    episode.acting = episode.acting & ~bit
                    episode.pending = episode.pending & ~bit
        left = left >> 1
        code = code + 1
    return episode, belief
