"""A curriculum makes faults milder, never others, and a batch draws from it without being made anew."""

import pytest
import torch

from agents.curriculum import Curriculum, eased, narrowed
from lunar_env import Descent, load_scenario
from lunar_env.faults import KINDS, magnitude_of
from lunar_env.quantities import Range, leaves

MANY = [name for name, kind in KINDS.items() if any(isinstance(value, Range) for value in kind.training.values())]


def every_fault():
    changes = {
        f"faults.{name}.{number}": value
        for name in MANY
        for number, value in {**KINDS[name].training, "probability": 0.5}.items()
    }
    return load_scenario("resilience", **changes)


def test_at_full_severity_a_scenario_is_itself():
    assert eased(every_fault(), 1.0) == every_fault()


@pytest.mark.parametrize("severity", [0.0, 0.3, 0.9])
def test_easing_narrows_magnitudes_or_durations_of_faults_and_touches_nothing_else(severity):
    narrower = 0
    for own, other in zip(leaves(every_fault()), leaves(eased(every_fault(), severity)), strict=True):
        assert own.low <= other.low <= other.high <= own.high, own.path
        if other != own:
            narrower += 1
            _, name, number = own.path.split(".")
            assert number in (magnitude_of(name), "duration")
    assert narrower >= 18


@pytest.mark.parametrize(
    ("value", "neutral", "expected"),
    [
        (Range(-4.0, 2.0), 0.0, (-2.0, 1.0)),  # around the neutral value
        (Range(2.0, 6.0), 0.0, (2.0, 4.0)),  # above it: mildest is the low end
        (Range(200.0, 5_000.0, log=True), 1e7, (1_000.0, 5_000.0)),  # below it, in logarithms
    ],
)
def test_half_of_the_severity_is_half_of_the_way_from_the_mildest_value(value, neutral, expected):
    half = narrowed(value, neutral, 0.5)
    assert (half.low, half.high) == pytest.approx(expected)


def test_it_promotes_on_success_only_and_ends_at_the_scenario_itself():
    curriculum = Curriculum(every_fault(), start=0.8, step=0.15, promote_at=0.9)
    assert not curriculum.promotes(0.89) and curriculum.severity == 0.8
    assert curriculum.promotes(0.9) and curriculum.promotes(1.0)
    assert curriculum.severity == 1.0 and curriculum.now() == every_fault()
    assert not curriculum.promotes(1.0)


def test_a_scenario_without_ranges_of_faults_has_nothing_to_ease():
    with pytest.raises(ValueError, match="a curriculum has nothing to ease"):
        eased(load_scenario("vertical"), 0.5)


def test_a_batch_draws_from_the_eased_scenario_from_the_next_episode_on():
    descent = Descent("resilience", 512, seed=1)
    before = descent.state["drawn.faults.late_acquisition.altitude"].clone()
    descent.draw_from(eased(load_scenario("resilience"), 0.25))
    assert torch.equal(descent.state["drawn.faults.late_acquisition.altitude"], before), "the present episode goes on"
    descent.reset()
    altitude = descent.state["drawn.faults.late_acquisition.altitude"]
    assert altitude.min() >= 5_000.0 * (200.0 / 5_000.0) ** 0.25 - 1e-2
    assert altitude.max() <= 5_000.0 and altitude.std() > 500.0


def test_drawing_from_a_narrower_scenario_is_a_batch_made_with_it():
    mild = eased(load_scenario("resilience"), 0.5)
    drawn, made = Descent("resilience", 16, seed=1), Descent(mild, 16, seed=1)
    drawn.draw_from(mild)
    drawn.reset(seed=7)
    made.reset(seed=7)
    for name, table in made.snapshot().items():
        assert torch.equal(drawn.snapshot()[name].view(torch.int32), table.view(torch.int32)), name


def test_a_wider_scenario_is_refused_by_the_number_that_is_wider():
    descent = Descent("resilience", 2)
    with pytest.raises(ValueError, match=r"late_acquisition.altitude may be drawn from \[200, 5000\] in this batch"):
        descent.draw_from(load_scenario("resilience", **{"faults.late_acquisition.altitude": Range(100.0, 5_000.0)}))


@pytest.mark.parametrize("changes", [{"control": "body"}, {"decision_period": 0.5}, {"history": 2}])
def test_a_scenario_of_another_kind_is_refused(changes):
    with pytest.raises(ValueError, match="differs in more than its numbers"):
        Descent("resilience", 2).draw_from(load_scenario("resilience", **changes))
