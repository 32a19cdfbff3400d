"""A curriculum over the severity of faults: the mildest first, worse ones once those are landed.

Severity s narrows each fault's magnitude from [low, high] to what lies so far from its mildest value m, the one in the
range that is nearest to the neutral one: [m + s (low - m), m + s (high - m)], in logarithms where the range is drawn
so. A fault whose magnitude is fixed is eased by its duration. At 1 the scenario is itself; how often faults happen, and
everything else that is drawn, stays as it is.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch

from agents.training.ends import Step
from lunar_env import Descent, Outcome, Scenario, load_scenario
from lunar_env.faults.kinds import KINDS, magnitude_of
from lunar_env.quantities import Number, Range
from lunar_env.scenario import possible_faults


def eased(scenario: Scenario, severity: float) -> Scenario:
    """The scenario with its faults at a severity from 0 to 1.

    Raises ValueError for another severity, and for a scenario without a fault that can be eased.
    """
    if not 0.0 <= severity <= 1.0:
        raise ValueError(f"severity must lie in [0, 1], got {severity}")
    changes = {}
    for name in possible_faults(scenario):
        fault, kind = getattr(scenario.faults, name), KINDS[name]
        for number, neutral in ((magnitude_of(name), kind.neutral), ("duration", 0.0)):
            value = getattr(fault, number)
            if isinstance(value, Range):
                changes[f"faults.{name}.{number}"] = narrowed(value, neutral, severity)
                break
    if not changes:
        raise ValueError(
            f"no fault of {scenario.name!r} has a magnitude or a duration that is drawn from a range, so a curriculum "
            "has nothing to ease; give one a range, or leave [curriculum] out"
        )
    return scenario if severity == 1.0 else load_scenario(scenario, **changes)


def narrowed(value: Range, neutral: float, severity: float) -> Number:
    """The part of a range that lies within a severity of its mildest value."""
    mildest = min(max(neutral, value.low), value.high)
    if value.log:
        ends = [mildest * math.exp(severity * math.log(end / mildest)) for end in (value.low, value.high)]
    else:
        ends = [mildest + severity * (end - mildest) for end in (value.low, value.high)]
    # Rounding must not lead out of the range.
    low, high = (min(max(end, value.low), value.high) for end in ends)
    return low if low == high else Range(low, high, value.log)


class RunningCurriculum:
    """How severe the faults are now, and when they become worse.

    It judges by the newest episodes: when enough have ended, either enough of them landed, or the count begins anew, so
    that what a pilot could not do long ago is not held against it. An episode that began before the faults became worse
    counts for neither.

    Args:
        descent: whose landers practise; its own scenario has full severity.
        start: severity of the first episodes; begin them after this.
        step: by which it rises.
        promote_at: share of the episodes that must land, with the noise that explores.
        episodes: that must have ended before they are judged, of all processes that learn together.
    """

    def __init__(self, descent: Descent, start: float, step: float, promote_at: float, episodes: int) -> None:
        self.descent, self.severity = descent, start
        self.step, self.promote_at, self.episodes = step, promote_at, episodes
        self.counts = torch.zeros(2, dtype=torch.int64, device=descent.device)  # landed and ended
        # (N,) whether the lander's present episode began at the present severity
        self.counted = torch.ones(descent.num_envs, dtype=torch.bool, device=descent.device)
        descent.draw_from(self.now())

    def now(self) -> Scenario:
        """The scenario to practise on."""
        return eased(self.descent.scenario, self.severity)

    def add(self, step: Step) -> None:
        """Count the episodes that ended in a step, without waiting for the device."""
        landed, done = step.outcome == int(Outcome.LANDED), step.done
        self.counts += (torch.stack([landed, done]) & self.counted).sum(dim=1)
        self.counted |= done

    def promotes(self, landed: int, ended: int) -> bool:
        """Make the faults of later episodes worse if enough landed. Returns whether they changed.

        Args:
            landed: by ``counts``, of all processes that learn together: all have to decide alike.
            ended: the same.
        """
        if self.severity >= 1.0 or ended < self.episodes:
            return False
        self.counts.zero_()
        if landed / ended < self.promote_at:
            return False
        self.severity = min(round(self.severity + self.step, 9), 1.0)  # ten tenths are one
        self.counted.zero_()
        self.descent.draw_from(self.now())
        return True

    def snapshot(self) -> dict[str, Any]:
        """What ``restore`` needs at the end of a rollout."""
        return {"severity": self.severity, "counts": self.counts.clone(), "counted": self.counted.clone()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on counting, and let the descent draw as it did then."""
        self.severity = saved["severity"]
        self.counts.copy_(saved["counts"])
        self.counted.copy_(saved["counted"])
        self.descent.draw_from(self.now())
