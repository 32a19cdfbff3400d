"""A curriculum makes faults milder, never others, and a batch draws from it without being made anew."""

from dataclasses import replace

import pytest
import torch

from agents.training.curriculum import RunningCurriculum, eased, narrowed
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.faults.kinds import KINDS, magnitude_of
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


def curriculum(start=0.0, step=0.25, promote_at=0.9, episodes=1, landers=4):
    """One on a fresh batch, whose first episodes are of its beginning."""
    made = RunningCurriculum(Descent("resilience", landers, seed=1), start, step, promote_at, episodes)
    made.descent.reset(seed=1)
    return made


def step_ending(made, *outcomes):
    """The transition of a step that ends with these outcomes."""
    codes = torch.tensor([int(Outcome[name]) for name in outcomes], dtype=torch.int32)
    out_of_time, flying = codes == int(Outcome.OUT_OF_TIME), codes == int(Outcome.FLYING)
    return replace(made.descent.transition(), outcome=codes, terminated=~(out_of_time | flying), truncated=out_of_time)


def lowest_altitude(made):
    """Of the first returns that the next episodes draw: 5,000 m are the mildest, 200 m the worst."""
    made.descent.reset()
    return float(made.descent.state["drawn.faults.late_acquisition.altitude"].min())


def test_it_promotes_when_enough_of_enough_episodes_landed_and_ends_at_the_scenario_itself():
    made = curriculum(start=0.8, step=0.15, episodes=100)
    assert not made.promotes(99, 99), "so few may be luck"
    assert not made.promotes(89, 100) and made.severity == 0.8
    assert made.promotes(90, 100) and made.promotes(500, 500)
    assert made.severity == 1.0 and made.now() == load_scenario("resilience")
    assert not made.promotes(100, 100)


def test_ten_steps_of_a_tenth_are_the_whole_severity():
    made = curriculum(step=0.1)
    assert [made.promotes(1, 1) for _ in range(11)] == [True] * 10 + [False]
    assert made.severity == 1.0


def test_the_batch_draws_worse_faults_after_a_promotion():
    made = curriculum(step=0.5, landers=256)
    assert lowest_altitude(made) == pytest.approx(5_000.0)
    assert not made.promotes(0, 1)
    assert lowest_altitude(made) == pytest.approx(5_000.0)
    for least in (1_000.0, 200.0):  # in logarithms, half of the way and all of it
        assert made.promotes(1, 1)
        assert least <= lowest_altitude(made) < 1.1 * least


def test_an_episode_that_began_before_the_faults_became_worse_counts_for_neither():
    made = curriculum()
    made.add(step_ending(made, "LANDED", "CRASHED", "FLYING", "OUT_OF_TIME"))
    made.add(step_ending(made, "LANDED", "FLYING", "FLYING", "FLYING"))
    assert made.counts.tolist() == [2, 4]
    assert made.promotes(1, 1)
    assert made.counts.tolist() == [0, 0]
    made.add(step_ending(made, "LANDED", "FLYING", "CRASHED", "FLYING"))
    assert made.counts.tolist() == [0, 0], "these began in milder days"
    made.add(step_ending(made, "LANDED", "LANDED", "CRASHED", "FLYING"))
    assert made.counts.tolist() == [1, 2]


def test_old_failures_are_not_held_against_a_pilot():
    made = curriculum(episodes=4)
    made.add(step_ending(made, *["CRASHED"] * 4))
    assert not made.promotes(*made.counts.tolist())
    made.add(step_ending(made, "LANDED", "LANDED", "FLYING", "FLYING"))
    assert not made.promotes(*made.counts.tolist())
    assert made.counts.tolist() == [2, 2], "it counts anew before there are enough"
    made.add(step_ending(made, "FLYING", "FLYING", "LANDED", "LANDED"))
    assert made.promotes(*made.counts.tolist())


def test_a_curriculum_put_back_counts_on_and_draws_as_it_did():
    made = curriculum(step=0.5)
    made.promotes(1, 1)
    made.add(step_ending(made, "CRASHED", "LANDED", "FLYING", "FLYING"))
    made.add(step_ending(made, "LANDED", "FLYING", "FLYING", "LANDED"))
    saved = made.snapshot()
    other = curriculum(step=0.5)
    other.restore(saved)
    for each in (made, other):  # whatever happens next
        each.add(step_ending(each, *["LANDED"] * 4))
    assert other.severity == made.severity == 0.5
    assert other.counts.tolist() == made.counts.tolist() == [4, 4]
    assert saved["counts"].tolist() == [1, 1], "the snapshot goes on counting"
    for each in (made, other):
        each.descent.reset(seed=9)
    assert torch.equal(other.descent.snapshot()["drawn"], made.descent.snapshot()["drawn"])


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
