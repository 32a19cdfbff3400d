"""PPO on the device, end to end: rollouts and updates until the time is over."""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from agents.training.experiment import experiment
from agents.training.prepare import scenarios_of
from agents.training.rsl_rl.learner import Learner

HORIZON, PARTS = 32, 4  # decisions between updates; minibatches of an update
SETTINGS = {  # landers, memory, share of the time
    "MLP, N=4,096": (4_096, "none", 0.4),
    "MLP, N=65,536": (65_536, "none", 0.3),
    "GRU, N=4,096": (4_096, "gru", 0.3),
}


def training(device: str, quick: bool) -> dict[str, dict[str, Any]]:
    """Decisions per second of each setting, and how they divide into flying and learning."""
    found: dict[str, dict[str, Any]] = {}
    for name, (landers, memory, share) in SETTINGS.items():
        try:
            found[name] = train(device, 64 if quick else landers, memory, share * (2.0 if quick else 50.0))
        except (RuntimeError, MemoryError) as error:  # the others still count
            found[name] = {"error": " ".join(str(error).split())[:300]}
        print(name, found[name], flush=True)
    return found


def train(device: str, landers: int, memory: str, seconds: float) -> dict[str, Any]:
    """One training for so many seconds after it has warmed up."""
    tree = {
        "scenario": "resilience",
        "algorithm": "rsl_rl.ppo",
        "num_envs": landers,
        "device": device,
        "total_steps": 10**12,
        "ppo": {"steps": HORIZON, "batch_size": HORIZON * landers // PARTS, "epochs": 4},
        "network": {"hidden": [64, 64], "memory": memory},
    }
    wanted = experiment(tree, "the check of a GPU")
    scenario, practice = scenarios_of(wanted)
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(wanted, practice, scenario, Path(folder))
        for _ in range(2):  # done as it is, and recorded
            learner.rollout()
            learner.update()
        flying = learning = 0.0
        rounds, began = 0, now()
        while now() - began < seconds:
            start = now()
            learner.rollout()
            flown = now()
            learner.update()
            flying, learning, rounds = flying + flown - start, learning + now() - flown, rounds + 1
    decisions = rounds * HORIZON * landers
    return {
        "decisions/s": decisions / (flying + learning),
        "flying, decisions/s": decisions / flying,
        "learning, decisions/s": decisions / learning,
        "rounds": rounds,
    }


def now() -> float:
    """Seconds, when the GPU has done all that it was asked."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
