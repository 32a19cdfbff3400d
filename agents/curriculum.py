"""A curriculum over the severity of faults: the mildest first, worse ones once those are landed.

Severity s narrows each fault's magnitude from [low, high] to what lies so far from its mildest value m, the one in the
range that is nearest to the neutral one: [m + s (low - m), m + s (high - m)], in logarithms where the range is drawn
so. A fault whose magnitude is fixed is eased by its duration. At 1 the scenario is itself; how often faults happen, and
everything else that is drawn, stays as it is.
"""

import math

from lunar_env import Scenario, load_scenario
from lunar_env.faults import KINDS, magnitude_of
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


class Curriculum:
    """How severe the faults are now, and when they become worse."""

    def __init__(self, scenario: Scenario, start: float, step: float, promote_at: float) -> None:
        self.scenario, self.severity, self.step, self.promote_at = scenario, start, step, promote_at

    def now(self) -> Scenario:
        """The scenario to practise on."""
        return eased(self.scenario, self.severity)

    def promotes(self, landing_rate: float) -> bool:
        """Make the faults worse if enough episodes landed. Returns whether they changed."""
        if self.severity >= 1.0 or landing_rate < self.promote_at:
            return False
        self.severity = min(self.severity + self.step, 1.0)
        return True
