"""Every episode flown once to its end: a fixed list of descents, the same for every pilot.

Counting the first episodes that finish would favour the short ones, which are the crashes. So the landers do not
begin anew: a batch flies until its last lander is down. Episode i is lander i of the seed, whatever the batch.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from agents.pilots import as_shown_to, make_pilot
from lunar_env import Descent, Outcome, Scenario
from lunar_env.observation import pointing_down

CHUNK = 2_000  # episodes per batch


class PilotError(RuntimeError):
    """Raised when a pilot returns something that is no action; the message says what."""


@dataclass
class Flights:
    """How a list of episodes ended."""

    outcome: np.ndarray  # (episodes,) codes of Outcome
    record: dict[str, np.ndarray]  # each (episodes,), see state.Record


@dataclass
class Trace:
    """One flight decision by decision; lists of floats, first entry at the start."""

    columns: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **values: float) -> None:
        """Append one row."""
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)


def fly_episodes(
    pilot_name: str, scenario: Scenario, episodes: int, seed: int, device: str = "cpu", progress: object | None = None
) -> Flights:
    """Fly episodes 0 to ``episodes`` - 1 of a seed. ``progress`` has an ``update(n)`` as tqdm does."""
    scenario = as_shown_to(pilot_name, scenario)
    parts = []
    for first in range(0, episodes, CHUNK):
        count = min(CHUNK, episodes - first)
        descent = Descent(scenario, num_envs=count, seed=seed, device=device, autoreset="disabled")
        parts.append(_fly_batch(pilot_name, descent, seed, first))
        if progress is not None:
            progress.update(count)  # type: ignore[attr-defined]
    return Flights(
        np.concatenate([part.outcome for part in parts]),
        {name: np.concatenate([part.record[name] for part in parts]) for name in parts[0].record},
    )


def _fly_batch(pilot_name: str, descent: Descent, seed: int, first: int) -> Flights:
    pilot = make_pilot(pilot_name, descent.scenario, descent.num_envs, descent.device)
    observation = descent.reset(seed=seed, first_lander=first)
    pilot.reset(torch.ones(descent.num_envs, dtype=torch.bool, device=descent.device))
    outcome = torch.zeros(descent.num_envs, dtype=torch.int32)
    record: dict[str, torch.Tensor] = {}
    for _ in range(descent.scenario.steps):
        transition = descent.step(checked_action(pilot.act(observation), descent, outcome))
        observation, outcome, record = transition.observation, transition.outcome, transition.ended
        if bool(transition.done.all()):
            break
    return Flights(outcome.cpu().numpy(), {name: column.cpu().numpy() for name, column in record.items()})


def checked_action(action: object, descent: Descent, outcome: torch.Tensor) -> torch.Tensor:
    """The pilot's action, or PilotError: a pilot that fails is reported, not counted as a crash."""
    expected = (descent.num_envs, descent.action_size)
    if not isinstance(action, torch.Tensor) or tuple(action.shape) != expected:
        shape = tuple(action.shape) if isinstance(action, torch.Tensor) else type(action).__name__
        raise PilotError(f"returned {shape} where a tensor of shape {expected} is needed")
    flying = (outcome == int(Outcome.FLYING)).to(action.device)
    if not bool(torch.isfinite(action[flying]).all()):
        raise PilotError("returned an action that is not finite")
    return action


def fly_traced(pilot_name: str, scenario: Scenario, seed: int, episode: int = 0) -> tuple[Trace, Flights]:
    """One episode, with what happened at every decision: truth, belief and reading side by side."""
    scenario = as_shown_to(pilot_name, scenario)
    descent = Descent(scenario, num_envs=1, seed=seed, autoreset="disabled")
    pilot = make_pilot(pilot_name, scenario, 1)
    observation = descent.reset(seed=seed, first_lander=episode)
    pilot.reset(torch.ones(1, dtype=torch.bool))
    trace = Trace()
    note(trace, descent)
    for _ in range(scenario.steps):
        transition = descent.step(checked_action(pilot.act(observation), descent, torch.zeros(1)))
        observation = transition.observation
        note(trace, descent)
        if bool(transition.done[0]):
            break
    record = {name: column.numpy() for name, column in transition.ended.items()}
    return trace, Flights(transition.outcome.numpy(), record)


def note(trace: Trace, descent: Descent) -> None:
    """Add the present moment of lander 0."""
    truth = descent.truth()
    seen = descent.observations.read(descent.state.observation)
    beam = descent.observations.beams()[0]
    true = dict(
        zip(("attitude_x", "attitude_y", "attitude_z", "attitude_w"), descent.state["motion.attitude"].T, strict=True)
    )
    cosine = pointing_down((true | seen).__getitem__, beam.direction)  # who is shown beams only is drawn by the truth
    valid = bool(seen[beam.valid][0] > 0.5)
    trace.note(
        time=float(truth["time"][0]),
        altitude=float(truth["height"][0]),
        believed_altitude=float(seen["altitude"][0]) if "altitude" in seen else float("nan"),
        measured_altitude=float(seen[beam.range][0] * cosine[0]) if valid else float("nan"),
        descent_rate=float(truth["descent_rate"][0]),
        lateral_speed=float(truth["lateral_speed"][0]),
        throttle=float(descent.state["motion.throttle"][0]),
        propellant=float(descent.state["motion.propellant"][0]),
    )
