"""Episodes flown by pilots that go by names: classical ones, the folders of runs, exported and users' own files."""

import contextlib

import torch

from agents.pilots import NamedPilot, as_shown_to
from lunar_env import Scenario
from lunar_env.flying.batches import batches
from lunar_env.flying.episodes import Endings, Progress, fly, fly_batch
from lunar_env.flying.side_by_side import torch_threads
from lunar_env.flying.trace import Trace
from lunar_env.flying.user_pilot import is_user_pilot


def fly_episodes(
    pilot_name: str,
    scenario: Scenario,
    episodes: int,
    seed: int,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Endings:
    """Fly episodes 0 to ``episodes`` - 1 of a seed, each once to its end; see ``lunar_env.fly``.

    Torch's operations on a few thousand landers are too short for several threads, which then mostly wait for each
    other, and on a busy machine ten times as long. So ours fly with one, and the cores are for the physics and for
    learned pilots side by side. A user's own keeps what it had.
    """
    maker, threads = NamedPilot(pilot_name), torch.get_num_threads()
    with contextlib.nullcontext() if is_user_pilot(pilot_name) else torch_threads(1):
        return fly(maker, scenario, episodes, seed, device=device, progress=progress, threads=threads)


def fly_traced(pilot_name: str, scenario: Scenario, seed: int, episode: int = 0) -> tuple[Trace, Endings]:
    """One episode, with what happened at every decision: truth, belief and reading side by side."""
    maker = NamedPilot(pilot_name)
    descent = next(batches(as_shown_to(pilot_name, scenario), 1, seed, "cpu", 1, first=episode))
    endings = fly_batch(maker, descent, traces=1)
    return endings.traces[0], endings
