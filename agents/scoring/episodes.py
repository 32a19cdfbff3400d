"""Episodes flown by pilots that go by names: classical ones, the folders of runs, exported and users' own files."""

import torch

from agents.pilots import NamedPilot, as_shown_to
from lunar_env import Scenario
from lunar_env.flying.batches import batches
from lunar_env.flying.episodes import Endings, Progress, fly, fly_batch
from lunar_env.flying.trace import Trace


def fly_episodes(
    pilot_name: str,
    scenario: Scenario,
    episodes: int,
    seed: int,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Endings:
    """Fly episodes 0 to ``episodes`` - 1 of a seed, each once to its end; see ``lunar_env.fly``."""
    return fly(NamedPilot(pilot_name), scenario, episodes, seed, device=device, progress=progress)


def fly_traced(pilot_name: str, scenario: Scenario, seed: int, episode: int = 0) -> tuple[Trace, Endings]:
    """One episode, with what happened at every decision: truth, belief and reading side by side."""
    maker = NamedPilot(pilot_name)
    descent = next(batches(as_shown_to(pilot_name, scenario), 1, seed, "cpu", 1, first=episode))
    endings = fly_batch(maker, descent, traces=1)
    return endings.traces[0], endings
