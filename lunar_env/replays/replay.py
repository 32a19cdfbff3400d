"""Flies the missions' replays: each mission's flight computer on its scenario, with and without the fault."""

from dataclasses import dataclass

import numpy as np
import torch

from lunar_env.descent import Descent
from lunar_env.flight_computer.orbit import flight_computer
from lunar_env.missions.measures import Traces
from lunar_env.missions.mission import Check, Mission
from lunar_env.scenario import Scenario
from lunar_env.task import Outcome

SEED = 2_000_000  # of the replays alone; agents/seeds.py has the others'
EPISODES = 32
TRACED = (
    "time", "height", "descent_rate", "lateral_speed", "tilt", "believed_height", "throttle", "propellant", "downrange",
)  # fmt: skip


@dataclass(frozen=True)
class CheckResult:
    """A check and what the replay gave."""

    check: Check
    seen: float

    @property
    def met(self) -> bool:
        """Whether the replay lies in the stated interval."""
        return self.check.low <= self.seen <= self.check.high


def fly(mission: Mission, scenario: Scenario, episodes: int = EPISODES, seed: int = SEED) -> Traces:
    """Fly episodes of a mission's scenario with its own flight computer."""
    descent = Descent(scenario, num_envs=episodes, seed=seed, autoreset="disabled")
    autopilot = flight_computer(mission.plan, scenario, episodes)
    rows: list[torch.Tensor] = []  # each (quantities, episodes)
    observation = descent.state.observation.clone()
    autopilot.reset(torch.ones(episodes, dtype=torch.bool, device="cpu"))
    flying = torch.ones(episodes, dtype=torch.bool, device="cpu")
    for _ in range(scenario.steps):
        action = autopilot.act(observation)
        now = {
            **descent.truth(),
            "believed_height": autopilot.height,
            "throttle": descent.state["motion.throttle"],
            "propellant": descent.state["motion.propellant"],
            "downrange": descent.state["motion.position"][:, 0],
        }
        rows.append(torch.where(flying, torch.stack([now[name] for name in TRACED]), torch.nan))
        transition = descent.step(action)
        observation, flying = transition.observation, transition.outcome == int(Outcome.FLYING)
        if not flying.any():
            break
    ended = (transition.outcome != int(Outcome.FLYING)).numpy()
    record = {name: np.where(ended, column.double().numpy(), np.nan) for name, column in transition.ended.items()}
    trace = dict(zip(TRACED, torch.stack(rows, dim=1).double().numpy(), strict=True))
    return Traces(trace, record, transition.outcome.numpy(), scenario.decision_period)


def check(mission: Mission, flights: Traces) -> list[CheckResult]:
    """The mission's published figures beside those of flights of ``mission.flown``."""
    return [CheckResult(check, check.measure(flights)) for check in mission.checks]


def landed(flights: Traces) -> float:
    """Share of the flights that landed."""
    return float((flights.outcome == int(Outcome.LANDED)).mean())
