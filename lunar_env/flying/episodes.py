"""Every episode flown once to its end: a fixed list of descents, the same for every pilot.

Counting the first episodes that finish would favour the short ones, which are the crashes. So the landers do not
begin anew: a batch flies until its last lander is down. Episode i is lander i of the seed, whatever the batch.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from lunar_env.descent import Descent
from lunar_env.flying.batches import batches
from lunar_env.flying.function_pilot import FunctionPilot
from lunar_env.flying.pilot import Pilot, PilotError, PilotMaker
from lunar_env.flying.statistics import wilson
from lunar_env.flying.trace import Recorder, Trace
from lunar_env.flying.user_pilot import checked_class, is_user_pilot, load_user_pilot
from lunar_env.missions import load_scenario
from lunar_env.scenario import Scenario
from lunar_env.task import Outcome

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
        return f"{landed:,} of {episodes:,} landed, {100.0 * landed / episodes:.1f} % [{low:.3f}, {high:.3f}]"


def fly(
    pilot: str | type[Pilot] | PilotMaker | Callable[[Any], Any],
    scenario: str | Scenario = "resilience",
    episodes: int = 1_000,
    seed: int = 1_000_000,
    *,
    device: str | torch.device = "cpu",
    traces: int = 0,
    progress: Progress | None = None,
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

    Raises:
        KeyError, ValueError, TypeError: the request is wrong; the message says what is allowed.
        PilotError: the pilot returned something that is no action.
    """
    for name, value, least in (("episodes", episodes, 1), ("traces", traces, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    maker = maker_of(pilot)
    shown = load_scenario(scenario)
    shown = load_scenario(shown, **maker.wishes(shown))
    parts: list[Endings] = []
    for descent in batches(shown, episodes, seed, device, CHUNK):
        left = max(traces - sum(len(part.traces) for part in parts), 0)
        parts.append(fly_batch(maker, descent, traces=min(left, descent.num_envs)))
        if progress is not None:
            progress.update(descent.num_envs)
    return Endings(
        np.concatenate([part.outcome for part in parts]),
        {name: np.concatenate([part.record[name] for part in parts]) for name in parts[0].record},
        tuple(trace for part in parts for trace in part.traces),
    )


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
    """Fly a batch that stands at its start to the end of its last lander, in a scenario as the pilot wishes it."""
    scenario, count = descent.scenario, descent.num_envs
    pilot = maker(scenario, count, descent.device)
    observation = descent.state.observation.clone()
    pilot.reset(torch.ones(count, dtype=torch.bool, device=descent.device))
    outcome = torch.zeros(count, dtype=torch.int32, device="cpu")
    recorder = Recorder(descent, traces)
    recorder.note()
    for _ in range(scenario.steps):
        flying = outcome == int(Outcome.FLYING)
        transition = descent.step(checked_action(pilot.act(observation), descent, outcome))
        recorder.note(flying)
        observation, outcome = transition.observation, transition.outcome
        if bool(transition.done.all()):
            break
    record = {name: column.cpu().numpy() for name, column in transition.ended.items()}
    return Endings(outcome.cpu().numpy(), record, recorder.traces())


def checked_action(action: object, descent: Descent, outcome: torch.Tensor) -> torch.Tensor:
    """The pilot's action, or PilotError: a pilot that fails is reported, not counted as a crash.

    Args:
        action: what the pilot returned.
        descent: the batch that it flies.
        outcome: (N,) codes of ``Outcome``; only who still flies needs a finite action.
    """
    expected = (descent.num_envs, descent.action_size)
    if not isinstance(action, torch.Tensor) or tuple(action.shape) != expected:
        shape = tuple(action.shape) if isinstance(action, torch.Tensor) else type(action).__name__
        raise PilotError(f"returned {shape} where a tensor of shape {expected} is needed")
    flying = (outcome == int(Outcome.FLYING)).to(action.device)
    if not bool(torch.isfinite(action[flying]).all()):
        raise PilotError("returned an action that is not finite")
    return action
