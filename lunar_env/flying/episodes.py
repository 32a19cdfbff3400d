"""Every episode flown once to its end: a fixed list of descents, the same for every pilot.

Counting the first episodes that finish would favour the short ones, which are the crashes. So the landers do not
begin anew: a batch flies until its last lander is down. Episode i is lander i of the seed, whatever the batch.

A pilot that fails does not land. An action that is not finite is that lander's end, as ``invalid``. What a pilot raises
says nothing of the lander that it is about, so the batch is flown again in halves, as often as a cap allows; the
episodes that are left over end as ``invalid`` where the pilot failed.
"""

import copy
import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch

from lunar_env.descent import Descent
from lunar_env.flying.batches import batches
from lunar_env.flying.failures import NOT_FINITE, Failure, called, checked, traceback_of
from lunar_env.flying.function_pilot import FunctionPilot
from lunar_env.flying.pilot import CannotFlyError, Pilot, PilotError, PilotMaker
from lunar_env.flying.side_by_side import side_by_side, threads_are_alike, threads_for_flights
from lunar_env.flying.statistics import wilson
from lunar_env.flying.trace import Recorder, Trace
from lunar_env.flying.user_pilot import checked_class, is_user_pilot, load_user_pilot
from lunar_env.flying.wishes import own_copy, shown_to
from lunar_env.kernel.room import MOST_THREADS, whole_number
from lunar_env.quantities import shown
from lunar_env.scenario import Scenario
from lunar_env.task import Outcome

MOST_EPISODES = 10_000_000  # of one flight: a day on two cores
EXTRA_FLIGHTS = 100  # of halves of batches, for one pilot in one scenario
CHUNK = 2_000  # episodes per batch


class Progress(Protocol):
    """A progress bar, such as tqdm's: it is called with the number of episodes that have ended since the last call."""

    def update(self, n: int) -> object:
        """Count ``n`` more episodes."""
        ...


@dataclass(frozen=True, eq=False)
class Endings:
    """How a list of episodes ended."""

    outcome: np.ndarray  # (episodes,) codes of Outcome
    record: dict[str, np.ndarray]  # each (episodes,), see task.Record
    traces: tuple[Trace, ...] = ()  # of the first episodes, as many as were asked for
    failures: tuple[Failure, ...] = ()  # of the pilot, by episode; theirs ended as ``invalid``

    @property
    def landed(self) -> np.ndarray:
        """(episodes,) bool: which ones landed."""
        return self.outcome == Outcome.LANDED

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the landing rate."""
        return wilson(int(self.landed.sum()), self.outcome.size)

    def __str__(self) -> str:
        low, high = self.interval
        landed, episodes = int(self.landed.sum()), self.outcome.size
        text = f"{landed:,} of {episodes:,} landed, {100.0 * landed / episodes:.1f} % [{low:.3f}, {high:.3f}]"
        failed = sum(failure.episodes for failure in self.failures)
        return f"{text}; the pilot failed in {failed:,}, first in {self.failures[0]}" if failed else text


def fly(
    pilot: str | type[Pilot] | PilotMaker | Callable[[Any], Any],
    scenario: str | Scenario = "resilience",
    episodes: int = 1_000,
    seed: int = 1_000_000,
    *,
    device: str | torch.device = "cpu",
    traces: int = 0,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Endings:
    """Fly episodes 0 to ``episodes`` - 1 of a seed, each once to its end: the same descents for every pilot.

    Args:
        pilot: a class of ``Pilot``; ``"FILE.py:NAME"``, a class or a function in a file; or a function from a batch of
            observations (N, size) to actions (N, k) in [-1, 1], NumPy or torch, that remembers nothing.
        scenario: a preset's name or a Scenario; the pilot's wishes (``Pilot.wishes``) say how it is shown to it.
        episodes: how many.
        seed: of the episodes.
        device: where landers and pilot compute.
        traces: how many of the first episodes to record, decision by decision.
        progress: hears how many episodes were flown.
        threads: CPU threads of the physics, and of pilots that may fly side by side; by default torch's number. An
            episode does not depend on it.

    Raises:
        KeyError, ValueError, TypeError: the request is wrong; the message says what is allowed.
        CannotFlyError: the pilot is not for this scenario, which is a ValueError, too.
        PilotError: the pilot failed in every episode. Of some, ``Endings.failures`` tells.
    """
    for name, value, least in (("episodes", episodes, 1), ("traces", traces, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= MOST_EPISODES:
            limits = f"at least {least} and at most {MOST_EPISODES:,}"
            raise ValueError(f"{name} must be a whole number of {limits}, got {shown(value)}")
    threads = whole_number("threads", torch.get_num_threads() if threads is None else threads, MOST_THREADS)
    scenario = own_copy(scenario)  # before a stranger\'s file is read
    maker = maker_of(pilot)
    flown = shown_to(maker, scenario)
    parts: list[Endings] = []
    left = EXTRA_FLIGHTS
    for first in range(0, episodes, CHUNK):
        count = min(CHUNK, episodes - first)
        worth = threads_for_flights(count, device, threads)
        found = in_parts(maker, flown, count, seed, device, first, traces, worth)
        if not found:
            descent = next(batches(flown, count, seed, device, count, first, worth))
            found, used = narrowed(maker, descent, seed, first, traces, left)
            left -= used
        parts += found
        if progress is not None:
            progress.update(count)
    endings = joined(parts)
    if sum(failure.episodes for failure in endings.failures) == episodes:
        raise PilotError(endings.failures[0].what, endings.failures)
    return endings


def joined(parts: list[Endings]) -> Endings:
    """Episodes that were flown in parts, in their order."""
    return Endings(
        np.concatenate([part.outcome for part in parts]),
        {name: np.concatenate([part.record[name] for part in parts]) for name in parts[0].record},
        tuple(trace for part in parts for trace in part.traces),
        tuple(failure for part in parts for failure in part.failures),
    )


def in_parts(
    maker: type[Pilot] | PilotMaker,
    scenario: Scenario,
    count: int,
    seed: int,
    device: str | torch.device,
    first: int,
    traces: int,
    threads: int,
) -> list[Endings]:
    """Fly episodes ``first`` to ``first + count - 1`` of a seed in parts side by side, one for each thread.

    Returns the parts in order; none if these pilots fly alone, or if one failed: whoever fails flies again alone, so
    that what is told of it does not depend on the machine.
    """
    if threads == 1 or not isinstance(maker, PilotMaker) or not maker.side_by_side or not threads_are_alike():
        return []
    edges = [first + count * part // threads for part in range(threads + 1)]
    parts = [
        (begin, next(batches(scenario, end - begin, seed, device, end - begin, begin, threads=1)))
        for begin, end in pairwise(edges)
    ]
    flown = side_by_side(lambda part, stop: _flown(maker, part[1], part[0], traces, stop)[0], parts)
    return [] if any(part.failures for part in flown) else flown


def narrowed(
    maker: type[Pilot] | PilotMaker, descent: Descent, seed: int, first: int, traces: int, extra: int
) -> tuple[list[Endings], int]:
    """Fly a batch, and again in halves whatever an error of the pilot came out of.

    Args:
        maker: makes the pilot.
        descent: the batch at its start.
        seed: of its episodes.
        first: number of its first episode.
        traces: how many of the first episodes to record.
        extra: how many flights of halves are allowed.

    Returns:
        The parts in the order of their episodes, and the extra flights that they took.
    """
    used, found = 0, False
    waiting, kept = [(first, *_flown(maker, descent, first, traces))], []
    while waiting:
        # Whole parts need nothing more. Then the first episode that fails is run down, for its author has to see it;
        # after that the largest part is next, for most is to be had there.
        start, flown, error = min(waiting, key=lambda one: (bool(one[2]), -one[1].outcome.size * found, one[0]))
        waiting = [one for one in waiting if one[0] != start]
        count = flown.outcome.size
        if error is None or count == 1 or used + 2 > extra:
            found |= error is not None and count == 1
            kept.append((start, flown))
            continue
        used += 2
        for begin, size in ((start, count // 2), (start + count // 2, count - count // 2)):
            again = next(batches(descent.scenario, size, seed, descent.device, size, first=begin))
            waiting.append((begin, *_flown(maker, again, begin, traces)))
    return [flown for _, flown in sorted(kept, key=lambda one: one[0])], used


def maker_of(pilot: str | type[Pilot] | PilotMaker | Callable[[Any], Any]) -> type[Pilot] | PilotMaker:
    """What makes pilots of the kind that ``fly`` was given."""
    if isinstance(pilot, PilotMaker):
        return pilot
    if isinstance(pilot, str):
        if is_user_pilot(pilot):
            return load_user_pilot(pilot)
        raise ValueError(
            f"no pilot is called {pilot!r} here; give FILE.py:NAME, a class of lunar_env.Pilot or a function. The "
            "pilots that go by names need the checkout: git clone it, pip install -e '.[train,report]', then "
            "python -m agents.evaluate --pilots NAME"
        )
    if inspect.isclass(pilot):
        return checked_class(pilot, pilot.__name__)
    if callable(pilot):
        return FunctionPilot(pilot)
    raise TypeError(f"a pilot is a class of lunar_env.Pilot, FILE.py:NAME or a function, got {type(pilot).__name__}")


def fly_batch(maker: type[Pilot] | PilotMaker, descent: Descent, traces: int = 0) -> Endings:
    """Fly a batch that stands at its start to the end of its last lander, in a scenario as the pilot wishes it.

    Raises PilotError if the pilot raises anything; an action that is not finite ends its lander.
    """
    endings, error = _flown(maker, descent, 0, traces)
    if error is not None:
        raise error
    return endings


def _flown(
    maker: type[Pilot] | PilotMaker,
    descent: Descent,
    first: int,
    traces: int,
    stop: threading.Event | None = None,
) -> tuple[Endings, PilotError | None]:
    """Fly a batch to its end, or to that of a decision in which ``stop`` is set.

    Returns also what the pilot raised, which ended whoever still flew.
    """
    count = descent.num_envs
    recorder = Recorder(descent, min(max(traces - first, 0), count))
    recorder.note()
    failures: list[Failure] = []
    error: PilotError | None = None
    outcome = torch.zeros(count, dtype=torch.int32, device=descent.device)
    for decision, action in enumerate(_actions(maker, descent)):
        flying = outcome == int(Outcome.FLYING)
        if isinstance(action, PilotError):
            error = action
            rows = flying.nonzero().flatten().tolist()
            failures.append(Failure(first + rows[0], len(rows), decision, str(error), traceback_of(error)))
            action = torch.full_like(descent.actions, torch.nan)
        else:
            strange = flying & ~torch.isfinite(action).all(dim=1)
            if bool(strange.any()):
                rows = strange.nonzero().flatten().tolist()
                failures += [Failure(first + row, 1, decision, NOT_FINITE) for row in rows]
        transition = descent.step(action)
        recorder.note(flying)
        outcome = transition.outcome
        if bool(transition.done.all()) or (stop is not None and stop.is_set()):
            break
    record = {name: column.cpu().numpy() for name, column in transition.ended.items()}
    return Endings(outcome.cpu().numpy(), record, recorder.traces(), tuple(failures)), error


def _actions(maker: type[Pilot] | PilotMaker, descent: Descent) -> Iterator[torch.Tensor | PilotError]:
    """A pilot's actions for the batch, one after the other, or the error with which it failed."""
    count, device = descent.num_envs, descent.device
    try:
        # A pilot may write into what it is handed; what is flown is none of it.
        pilot = called(maker, copy.deepcopy(descent.scenario), count, device, passing=(CannotFlyError,))
        # Looking a method up may run the pilot's code, too.
        called(lambda: pilot.reset(torch.ones(count, dtype=torch.bool, device=device)))
        for _ in range(descent.scenario.steps):
            action = called(lambda: pilot.act(descent.state.observation.clone()))
            yield checked(action, descent.actions, descent.scenario.action_names)
    except PilotError as error:
        yield error
