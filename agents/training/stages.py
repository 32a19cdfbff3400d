"""Practice in stages: easier rewards and limits first, the wanted ones later.

A policy that cannot land yet learns from dear propellant to burn none. So a training may begin with cheap propellant
and wide limits, and go on with what is wanted: each stage begins at a share of the decisions, and changes numbers of
the practice before it. The batch of landers stays the same, and draws its later episodes from other ranges.
"""

from collections.abc import Sequence
from typing import Any

from agents.training.experiment import Experiment
from lunar_env import Descent, Scenario, load_scenario
from lunar_env.quantities import Range, leaves


def practices_of(experiment: Experiment, scenario: Scenario) -> list[Scenario]:
    """The practice of each stage, the first one's before any began.

    Raises KeyError, TypeError or ValueError for a change that is not allowed.
    """
    practices = [load_scenario(scenario, **experiment.practice)]
    for stage in experiment.stages:
        practices.append(load_scenario(practices[-1], **stage.practice))
    return practices


def widest(practices: Sequence[Scenario]) -> Scenario:
    """A scenario whose ranges hold those of all practices: the one to make the batch with.

    Raises ValueError if they differ in more than their numbers.
    """
    hull: dict[str, Any] = {}
    for same in zip(*(leaves(practice) for practice in practices), strict=False):
        low, high = min(leaf.low for leaf in same), max(leaf.high for leaf in same)
        hull[same[0].path] = low if low == high else Range(low, high, all(leaf.log for leaf in same))
    wide = [load_scenario(practice, **hull) for practice in practices]
    if any(one != wide[0] for one in wide):
        raise ValueError("a stage may change numbers of the practice only: it goes on with the same batch of landers")
    return wide[0]


class Stages:
    """Which stage a training is in.

    Args:
        descent: whose landers practise; made with the widest practice.
        experiment: says when stages begin.
        scenario: the scenario that the policy is for.
    """

    def __init__(self, descent: Descent, experiment: Experiment, scenario: Scenario) -> None:
        self.descent, self.practices = descent, practices_of(experiment, scenario)
        self.begins = [0.0, *(stage.after * experiment.total_steps for stage in experiment.stages)]
        self.number = -1
        self.enter(0)

    def enter(self, steps: int) -> None:
        """Let later episodes be those of the stage after so many decisions."""
        number = sum(steps >= begin for begin in self.begins) - 1
        if number != self.number:
            self.number = number
            self.descent.draw_from(self.practices[number])
