"""Pilots of others are strangers: what they raise, return or wish for costs nobody else a descent."""

import numpy as np
import pytest
import torch

from lunar_env import Descent, Outcome, Pilot, PilotError, fly, load_scenario
from lunar_env.flying import episodes as flying
from lunar_env.flying.user_pilot import load_user_pilot
from lunar_env.flying.wishes import wished, wishes_in_words, with_wishes

SHORT = load_scenario("vertical", **{"start.altitude": [80.0, 100.0], "start.descent_rate": 10.0})
STARTS = Descent(SHORT, 24, seed=3).truth()["height"]
MARKED = [2, 11, 23]  # episodes that the pilots below fail in
LIMITS = [(float(STARTS[row]) - 1e-3, float(STARTS[row]) + 1e-3) for row in MARKED]


class Falling(Pilot):
    """Lets go, and does what its subclass does to the landers that began in the marked episodes."""

    control = "throttle"

    def __init__(self, scenario, num_landers, device="cpu"):
        self.scenario, self.count = scenario, num_landers

    def reset(self, mask):
        self.decision = -1

    def act(self, observation):
        if self.decision < 0:
            self.marked = marked(self.count)
        self.decision += 1
        return self.changed(torch.full((self.count, 1), -1.0), observation)

    def changed(self, action, observation):
        return action


CURRENT: list = []


def marked(count):
    """Which landers of the batch under way began as the marked episodes did."""
    heights = CURRENT[-1].truth()["height"] if CURRENT else torch.zeros(count)
    return torch.tensor([any(low < height < high for low, high in LIMITS) for height in heights.tolist()])


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    """The batch that is being flown, for pilots that are to fail in some of its landers."""
    batches = flying.batches

    def noted(*arguments, **more):
        for descent in batches(*arguments, **more):
            CURRENT.append(descent)
            yield descent

    monkeypatch.setattr(flying, "batches", noted)
    yield
    CURRENT.clear()


def raising(error, at=1):
    class Raising(Falling):
        def changed(self, action, observation):
            if self.decision == at and bool(self.marked.any()):
                raise error
            return action

    return Raising


class NotFinite(Falling):
    def changed(self, action, observation):
        if self.decision == 1:
            strange = torch.tensor([float("nan"), float("inf"), float("-inf")])
            action[self.marked] = strange[: int(self.marked.sum()), None]
        return action


class WrongShape(Falling):
    def changed(self, action, observation):
        return action[:, :0] if self.decision == 1 and bool(self.marked.any()) else action


FAILING = {
    "ValueError": raising(ValueError("silent gyros")),
    "SystemExit": raising(SystemExit(0)),
    "GeneratorExit": raising(GeneratorExit()),
    "StopIteration": raising(StopIteration()),
    "at the first decision": raising(KeyError("no such channel"), at=0),
    "not finite": NotFinite,
    "another shape": WrongShape,
}


@pytest.mark.parametrize("pilot", FAILING.values(), ids=FAILING)
def test_a_pilot_loses_the_episodes_that_it_fails_in_and_no_other(pilot) -> None:
    sound, found = fly(Falling, SHORT, 24, seed=3), fly(pilot, SHORT, 24, seed=3)
    others = np.array([row not in MARKED for row in range(24)])
    assert (found.outcome[MARKED] == Outcome.INVALID).all()
    assert np.array_equal(found.outcome[others], sound.outcome[others])
    assert all(np.array_equal(column[others], sound.record[name][others]) for name, column in found.record.items())
    assert [failure.first for failure in found.failures] == MARKED
    assert all(failure.episodes == 1 for failure in found.failures)
    assert f"the pilot failed in 3, first in episode 2, decision {found.failures[0].decision}" in str(found)


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def looked_up(self):
    raise SystemExit(0)


@pytest.mark.parametrize("method", ["reset", "act"])
def test_a_method_that_ends_the_program_when_it_is_looked_up_is_a_failure(method) -> None:
    kind = type("Looked", (Falling,), {method: property(looked_up)})
    with pytest.raises(PilotError, match=r"raised SystemExit: 0 \(test_failing_pilots.py, line"):
        fly(kind, SHORT, 4, seed=3)


def test_an_error_that_cannot_be_put_into_words_costs_its_own_episodes_only() -> None:
    found = fly(raising(WordlessError()), SHORT, 24, seed=3)
    assert [failure.first for failure in found.failures] == MARKED
    assert "raised WordlessError" in str(found)


def test_after_the_first_failure_the_largest_parts_are_flown(monkeypatch) -> None:
    """Sixteen episodes of 1,024 fail, far from each other: under the cap nearly all others are flown."""
    flown = []

    def pretended(maker, descent, first, traces):
        size = descent.num_envs
        error = PilotError("no") if any(first <= bad < first + size for bad in range(32, 1_024, 64)) else None
        flown.append(size)
        code = Outcome.INVALID if error else Outcome.LANDED
        return flying.Endings(np.full(size, code), {}), error

    monkeypatch.setattr(flying, "_flown", pretended)
    monkeypatch.setattr(flying, "batches", lambda scenario, size, *more, **other: iter([Batch(size)]))
    parts, used = flying.narrowed(Falling, Batch(1_024), 3, 0, 0, 100)
    outcome = np.concatenate([part.outcome for part in parts])
    assert used == 100 == len(flown) - 1 and outcome.size == 1_024
    assert outcome[32] == Outcome.INVALID and (outcome[:32] == Outcome.LANDED).all() and outcome[33] == Outcome.LANDED
    assert (outcome == Outcome.LANDED).mean() > 0.6


class Batch:
    scenario = device = None

    def __init__(self, num_envs):
        self.num_envs = num_envs


def test_a_failure_keeps_its_traceback() -> None:
    first = fly(FAILING["ValueError"], SHORT, 24, seed=3).failures[0]
    assert "raised ValueError: silent gyros (test_failing_pilots.py, line" in str(first)
    assert "Traceback" in first.traceback and "raise error" in first.traceback


def test_the_extra_flights_are_capped_and_what_is_left_has_failed(monkeypatch) -> None:
    flights, made = [], Falling.__init__

    def counted(self, *given, **more):
        flights.append(1)
        made(self, *given, **more)

    monkeypatch.setattr(Falling, "__init__", counted)
    monkeypatch.setattr(flying, "EXTRA_FLIGHTS", 8)
    found = fly(FAILING["ValueError"], SHORT, 24, seed=3)
    assert len(flights) == 9
    assert sum(failure.episodes for failure in found.failures) == (found.outcome == Outcome.INVALID).sum() > 3
    assert (found.outcome[MARKED] == Outcome.INVALID).all() and len(found.outcome) == 24


@pytest.mark.parametrize("broken", ["__init__", "reset", "act"])
@pytest.mark.parametrize("error", [ZeroDivisionError("no gain"), SystemExit(3)], ids=["error", "exit"])
def test_a_pilot_that_fails_in_every_episode_is_an_error_in_a_line(broken, error, monkeypatch) -> None:
    def wrong(*given, **more):
        raise error

    kind = type("Broken", (Falling,), {broken: wrong})
    with pytest.raises(PilotError, match=f"raised {type(error).__name__}: ") as caught:
        fly(kind, SHORT, 6, seed=3)
    assert sum(failure.episodes for failure in caught.value.failures) == 6


def test_a_pilot_that_can_be_built_for_one_lander_only_is_flown_one_by_one() -> None:
    class Single(Falling):
        def __init__(self, scenario, num_landers, device="cpu"):
            assert num_landers == 1, "one lander, please"
            super().__init__(scenario, num_landers, device)

    alone, together = fly(Single, SHORT, 24, seed=3), fly(Falling, SHORT, 24, seed=3)
    assert np.array_equal(alone.outcome, together.outcome) and not alone.failures


@pytest.mark.parametrize(
    "answer",
    [
        lambda action: action.numpy(),
        lambda action: action.double(),
        lambda action: action.to(torch.int64),
        lambda action: action.clone().requires_grad_(),
        lambda action: action.tolist(),
    ],
    ids=["numpy", "float64", "whole numbers", "gradients", "lists"],
)
def test_real_numbers_of_any_kind_are_an_action(answer) -> None:
    kind = type("Answering", (Falling,), {"changed": lambda self, action, observation: answer(action)})
    assert np.array_equal(fly(kind, SHORT, 8, seed=3).outcome, fly(Falling, SHORT, 8, seed=3).outcome)


def test_what_a_pilot_writes_into_does_not_change_its_flight() -> None:
    class Spoiling(Falling):
        def changed(self, action, observation):
            observation.fill_(5.0)
            object.__setattr__(self.scenario.limits, "descent_rate", 1e3)
            object.__setattr__(self.scenario, "time_limit", 1.0)
            return action

    spoilt, sound = fly(Spoiling, SHORT, 8, seed=3, traces=2), fly(Falling, SHORT, 8, seed=3, traces=2)
    assert np.array_equal(spoilt.outcome, sound.outcome) and not spoilt.landed.any()
    assert np.array_equal(spoilt.traces[1].columns["believed_altitude"], sound.traces[1].columns["believed_altitude"])
    assert SHORT.limits.descent_rate == 3.0 and SHORT.time_limit == 120.0


def test_an_interruption_is_the_users() -> None:
    with pytest.raises(KeyboardInterrupt):
        fly(raising(KeyboardInterrupt()), SHORT, 24, seed=3)


# Wishes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wishes",
    [
        {"limits.descent_rate": 1000.0},
        {"limits": {"descent_rate": 1000.0}},
        {"start.altitude": 1.0},
        {"time_limit": 1e4},
        {"tick": 0.05},
        {"observation": "truth"},
        {"altimeter.delay": 0.0},
        {"sensors": ["series_1_laser"]},
        {"engine.maximum_thrust": 1e5},
        {"reward.landed": 1e3},
        {"name": "easy"},
        {"control.x": 1},
        {5: 1},
    ],
    ids=str,
)
def test_a_pilot_may_not_wish_for_another_descent(wishes) -> None:
    cheat = type("Cheat", (Falling,), {"wishes": classmethod(lambda cls, scenario: wishes)})
    with pytest.raises((KeyError, ValueError, TypeError)) as caught:
        fly(cheat, SHORT, 4)
    if wishes != {"control.x": 1}:
        assert "a pilot may not wish for" in str(caught.value) and "guidance.*" in str(caught.value)


def test_a_pilot_may_wish_for_how_it_is_shown_and_that_is_said() -> None:
    wishes = {"control": "body", "history": 2, "decision_period": 0.2, "guidance.vertical_time": 2.0}
    assert wished(SHORT, with_wishes(SHORT, wishes)) == wishes
    assert wishes_in_words({"control": "body", "decision_period": 0.5}) == "control=body, decision_period=0.5"
    assert wished(SHORT, with_wishes(SHORT, {"control": SHORT.control})) == {}


@pytest.mark.parametrize("wishes", [None, 3, ["control"]])
def test_wishes_are_a_table(wishes) -> None:
    kind = type("Odd", (Falling,), {"wishes": classmethod(lambda cls, scenario: wishes)})
    with pytest.raises(TypeError, match="wishes are a table"):
        fly(kind, SHORT, 4)


def test_a_class_that_fails_to_say_what_it_wishes_has_failed() -> None:
    kind = type("Odd", (Falling,), {"wishes": classmethod(lambda cls, scenario: 1 / 0)})
    with pytest.raises(PilotError, match="ZeroDivisionError"):
        fly(kind, SHORT, 4)


@pytest.mark.parametrize("line", ["import sys; sys.exit(0)", "raise GeneratorExit", "1/0"])
def test_a_file_that_ends_the_program_when_it_is_read_is_refused(line, tmp_path) -> None:
    (tmp_path / "mine.py").write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be imported"):
        load_user_pilot(f"{tmp_path / 'mine.py'}:Mine")
