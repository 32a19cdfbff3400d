"""A batch flown in parts side by side, one for each core, ends as it does flown whole."""

import threading

import numpy as np
import pytest
import torch

from agents.scoring.episodes import fly_episodes
from lunar_env import Outcome, Pilot, fly, load_scenario
from lunar_env.flying.batches import batches
from lunar_env.flying.episodes import _flown
from lunar_env.flying.pilot import PilotMaker
from lunar_env.flying.side_by_side import LEAST, side_by_side, threads_are_alike

SHORT = load_scenario("vertical", **{"start.altitude": [80.0, 100.0], "start.descent_rate": 10.0})
LOW = load_scenario("resilience", **{"start.progress": [0.97, 1.0]})
EPISODES = 2 * LEAST + 77  # no multiple of the eight landers that a vector register holds
WORKING: set[int] = set()  # threads that have asked a pilot
TOGETHER: set[int] = set()  # how many landers a pilot has flown


def same(one, other):
    """Whether two lists of flights are the same, bit for bit."""
    assert one.outcome.tobytes() == other.outcome.tobytes()
    assert {name: column.tobytes() for name, column in one.record.items()} == {
        name: column.tobytes() for name, column in other.record.items()
    }
    assert one.failures == other.failures
    for trace, twin in zip(one.traces, other.traces, strict=True):
        assert all(np.array_equal(column, twin.columns[name], equal_nan=True) for name, column in trace.columns.items())


@pytest.mark.parametrize("pilot", ["reference", "runs/any_fault", "cautious", "gated_filter"])
def test_our_pilots_fly_the_same_on_one_thread_and_on_several(pilot):
    alone = fly_episodes(pilot, LOW, EPISODES, seed=11)
    torch.set_num_threads(2)
    same(alone, fly_episodes(pilot, LOW, EPISODES, seed=11))
    assert torch.get_num_threads() == 2


class Falling(Pilot):
    """Lets go, and fails in the third decision in the batch of a marked number of landers."""

    control = "throttle"

    def __init__(self, scenario, num_landers, device="cpu"):
        self.count, self.decision = num_landers, 0

    def reset(self, mask):
        self.decision = 0

    def act(self, observation):
        WORKING.add(threading.get_ident())
        TOGETHER.add(self.count)
        self.decision += 1
        if self.count == Making.fails_with and self.decision == 3:
            raise ValueError("silent gyros")
        action = torch.full((self.count, 1), -1.0)
        if self.decision == Making.strange_at:
            action[-1] = torch.nan
        return action


class Making(PilotMaker):
    """Makes pilots that may fly side by side."""

    fails_with = strange_at = 0
    side_by_side = True

    def wishes(self, scenario):
        return Falling.wishes(scenario)

    def __call__(self, scenario, num_landers, device="cpu"):
        return Falling(scenario, num_landers, device)


@pytest.fixture(autouse=True)
def nobody_yet():
    WORKING.clear()
    TOGETHER.clear()


def test_traces_are_those_of_the_first_episodes_in_however_many_parts():
    alone = fly(Making(), SHORT, EPISODES, seed=3, traces=EPISODES // 2 + 3)
    torch.set_num_threads(2)
    same(alone, fly(Making(), SHORT, EPISODES, seed=3, traces=EPISODES // 2 + 3))
    assert {EPISODES, EPISODES // 2, EPISODES - EPISODES // 2} == TOGETHER


def test_a_strangers_pilot_is_asked_by_the_callers_thread_alone():
    torch.set_num_threads(2)
    fly(Falling, SHORT, EPISODES, seed=3)
    assert {threading.get_ident()} == WORKING


def test_a_few_landers_are_no_work_for_a_second_thread():
    torch.set_num_threads(2)
    fly(Making(), SHORT, 2 * LEAST - 1, seed=3)
    assert {threading.get_ident()} == WORKING


@pytest.mark.parametrize("mode", [torch.autocast("cpu"), torch.device("meta")], ids=["autocast", "another device"])
def test_what_a_new_thread_would_not_know_keeps_a_flight_in_its_own(mode):
    torch.set_num_threads(2)
    if isinstance(mode, torch.device):
        torch.set_default_device(mode)
    try:
        with mode if isinstance(mode, torch.autocast) else torch.enable_grad():
            assert not threads_are_alike()
    finally:
        torch.set_default_device("cpu")
    assert threads_are_alike()


@pytest.mark.parametrize("kind", ["fails_with", "strange_at"])
def test_what_is_told_of_a_failing_pilot_does_not_depend_on_the_threads(kind, monkeypatch):
    # In one part of two; flown whole it does not fail, or as often.
    monkeypatch.setattr(Making, kind, EPISODES // 2 if kind == "fails_with" else 2)
    alone = fly(Making(), SHORT, EPISODES, seed=3)
    torch.set_num_threads(2)
    same(alone, fly(Making(), SHORT, EPISODES, seed=3))
    assert (alone.outcome == Outcome.INVALID).sum() == (kind == "strange_at")


@pytest.mark.parametrize("inference", [False, True])
def test_each_part_is_in_the_callers_mode_and_has_one_of_torchs_threads(inference):
    torch.set_num_threads(3)
    with torch.inference_mode(inference), torch.set_grad_enabled(False):
        found = side_by_side(lambda part, stop: (part, *modes()), [0, 1])
    assert found == [(0, inference, False, 1), (1, inference, False, 1)]
    assert torch.get_num_threads() == 3


def modes():
    return torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.get_num_threads()


@pytest.mark.parametrize("raising", [0, 1])
def test_when_one_part_raises_the_others_are_told_to_end(raising):
    torch.set_num_threads(2)
    told = []

    def work(part, stop):
        if part == raising:
            raise KeyboardInterrupt
        told.append(stop.wait(60.0))

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, [0, 1])
    assert told == [True]
    assert torch.get_num_threads() == 2


def test_a_flight_that_is_told_to_end_ends_with_its_decision():
    stop, (descent,) = threading.Event(), batches(SHORT, 3, 3, "cpu", 3)
    stop.set()
    endings, error = _flown(Making(), descent, 0, 1, stop)
    assert error is None
    assert endings.traces[0].columns["time"].size == 2


@pytest.mark.parametrize("threads", [0, True, 2.5, 100_000])
def test_a_number_of_threads_that_is_none_is_refused(threads):
    with pytest.raises(ValueError, match="threads must be"):
        fly(Making(), SHORT, 4, threads=threads)


def test_the_caller_says_how_many_threads_fly():
    torch.set_num_threads(2)
    fly(Making(), SHORT, EPISODES, seed=3, threads=1)
    assert {EPISODES} == TOGETHER
    torch.set_num_threads(1)
    fly(Making(), SHORT, EPISODES, seed=3, threads=2)
    assert {EPISODES, EPISODES // 2, EPISODES - EPISODES // 2} == TOGETHER
