"""How fast training goes, end to end: ``python -m agents.training.speed [--rounds 3] [--page docs/training.md]``.

The device path beside Stable-Baselines3: the same task, networks, numbers of PPO and landers, in turns, so that a busy
machine is busy for both. Decisions per second count everything but compiling; the environment's share stands beside.
"""

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agents.command import answer, require_count
from agents.run_folder import write_text
from agents.training.algorithms import algorithm_of
from agents.training.experiment import Experiment, experiment
from agents.training.prepare import learner_of, scenarios_of
from lunar_env.kernel.room import MOST_LANDERS
from lunar_env.pages.markers import replaced

ALGORITHMS = ("sb3.ppo", "rsl_rl.ppo")
LEAST = 60_000  # decisions per second that the device path has to reach on two cores
NAMES = {"sb3.ppo": "Stable-Baselines3, `sb3.ppo`", "rsl_rl.ppo": "the device path, `rsl_rl.ppo`"}


@dataclass(frozen=True)
class Arguments:
    """Train for a few seconds with each learner, in turns."""

    rounds: int = 3
    """Trainings of each."""
    num_envs: int = 4096
    """Landers."""
    updates: int = 12
    """Rollouts and updates of one training."""
    device: str = "cpu"
    """Where the device path lives; Stable-Baselines3 stays on the CPU."""
    page: Path | None = None
    """Page that gets the table between its markers."""


def main() -> int:
    """The command line. Returns the exit code: 1 if the device path is too slow, 2 for a wrong request."""
    stays = "nothing is written before all is measured; the same command begins anew, fewer --rounds are sooner done"
    return answer("agents.training.speed", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> int:
    """Train in turns, and say how fast that went. Returns the exit code, 0 or 1."""
    require_count("rounds", arguments.rounds, 1, 10_000)
    require_count("num-envs", arguments.num_envs, 1, MOST_LANDERS)
    require_count("updates", arguments.updates, 1, 1_000_000)
    for name in ALGORITHMS:
        scenarios_of(task(name, arguments))  # refused now if there is no room
    if arguments.page is not None:
        replaced(arguments.page, "")  # refused now, not after minutes
    speeds: dict[str, list[float]] = {name: [] for name in ALGORITHMS}
    shares: dict[str, list[float]] = {name: [] for name in ALGORITHMS}
    for _ in range(arguments.rounds):
        for name in ALGORITHMS:
            training = train_shortly(task(name, arguments))
            speeds[name].append(training["steps_per_second"])
            shares[name].append(training["environment_share"])
            print(f"{name:12s} {speeds[name][-1]:10,.0f} decisions/s", flush=True)
    table = markdown(arguments, speeds, shares)
    print(table)
    if arguments.page is not None:
        write_text(arguments.page, replaced(arguments.page, table))
        print(f"results: {arguments.page}")
    sb3, device = (statistics.median(speeds[name]) for name in ALGORITHMS)
    print(f"the device path runs at {device / sb3:.2f} times the speed of Stable-Baselines3")
    return int(device < max(sb3, LEAST))


def task(algorithm: str, arguments: Arguments) -> Experiment:
    """The experiment of an algorithm: all algorithms have the same but for what learns."""
    steps, parts = 16, 4
    ppo = {"steps": steps, "batch_size": steps * arguments.num_envs // parts, "epochs": 4}
    tree = {
        "scenario": "resilience",
        "algorithm": algorithm,
        "num_envs": arguments.num_envs,
        "total_steps": steps * arguments.num_envs * arguments.updates,
        "checkpoint_every": 1e9,
        "device": arguments.device if algorithm_of(algorithm).any_device else "cpu",
        "ppo": ppo,
        "network": {"hidden": [64, 64]},
    }
    return experiment(tree, "the speed test")


def train_shortly(wanted: Experiment) -> dict[str, Any]:
    """Train in a temporary folder. Returns what the learner says of it: decisions, seconds, decisions per second."""
    scenario, practice = scenarios_of(wanted)
    with tempfile.TemporaryDirectory() as folder:
        return learner_of(wanted.algorithm)(wanted, practice, scenario, Path(folder), resume=False)


def markdown(arguments: Arguments, speeds: dict[str, list[float]], shares: dict[str, list[float]]) -> str:
    """The table and its conditions."""
    lines = [
        f"`resilience` at its own period of 1 s (ten ticks, forty Runge-Kutta substeps), {arguments.num_envs} landers,",
        "16 decisions between updates, 4 passes in 4 parts, 64 x 64 tanh for each of actor and critic, float32, "
        f"{torch.get_num_threads()}",
        f"threads, device {arguments.device}; {arguments.rounds} trainings of each, in turns; evaluation and compiling "
        "excluded.",
        "",
        "| learner | decisions per second: median (range) | of the time in the environment |",
        "|---|---|---|",
    ]
    for name in ALGORITHMS:
        middle, low, high = statistics.median(speeds[name]), min(speeds[name]), max(speeds[name])
        share = 100 * statistics.median(shares[name])
        lines.append(f"| {NAMES[name]} | {middle:,.0f} ({low:,.0f} to {high:,.0f}) | {share:.0f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
