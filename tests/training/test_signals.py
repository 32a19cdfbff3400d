"""SIGTERM: each learner ends after its update with a checkpoint, says how to go on, and goes on bit for bit."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import ROOT
from safetensors.torch import load_file

pytest.importorskip("rsl_rl")
pytest.importorskip("stable_baselines3")
pytest.importorskip("tyro")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this system sends no SIGTERM")

CONFIG = """
scenario = "vertical"
algorithm = "{algorithm}"
num_envs = 16
total_steps = {total}
checkpoint_every = 1e6
threads = 1
ppo = {{ steps = 8, batch_size = 64, epochs = 1 }}
off_policy = {{ buffer = 2000, batch_size = 32, updates = 1, start = 64 }}
network = {{ hidden = [8], memory = "{memory}", memory_size = 4 }}
evaluation = {{ episodes = 2, pilots = [] }}
"""
IMITATION = '[changes]\ncontrol = "descent_rate"\n[imitation]\npilot = "suicide_burn"\nsteps = {total}\n'
# Trains as agents.train does, without the final evaluation. A marker file says that it flies; until it is told to go
# on, an update takes long enough to be met by a signal.
PROGRAM = """
import sys, time
from pathlib import Path
from agents import train
from agents.training.progress import Diary

marker, write = Path(sys.argv.pop(1)), Diary.write

def slow(self, steps, metrics):
    write(self, steps, metrics)
    if str(marker) != "none":
        marker.touch()
        time.sleep(0.05)

Diary.write = slow
train.evaluate = lambda campaign: []
sys.exit(train.main())
"""
LEARNERS = {
    "rsl_rl": ("rsl_rl.ppo", "gru", 60 * 128, ""),
    "imitation": ("rsl_rl.ppo", "none", 60 * 128, IMITATION),
    "sb3 ppo": ("sb3.ppo", "none", 60 * 128, ""),
    "recurrent": ("sb3contrib.recurrent_ppo", "lstm", 60 * 128, ""),
    "sac": ("sb3.sac", "none", 20 * 512, ""),
    "tqc": ("sb3contrib.tqc", "none", 20 * 512, ""),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in LEARNERS]


def started(marker: Path | str, *arguments: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", PROGRAM, str(marker), *map(str, arguments)]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finished(*arguments: object) -> None:
    process = started("none", *arguments)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


@pytest.mark.parametrize("learner", SLOW)
def test_a_training_that_is_terminated_goes_on_to_the_same_weights(learner, tmp_path):
    algorithm, memory, total, more = LEARNERS[learner]
    config, folder, whole = tmp_path / "tiny.toml", tmp_path / "run", tmp_path / "whole"
    text = CONFIG.format(algorithm=algorithm, memory=memory, total=total) + more.format(total=total)
    config.write_text(text, encoding="utf-8")
    undisturbed = started("none", config, f"--out={whole}")
    process = started(tmp_path / "flies", config, f"--out={folder}")
    try:
        deadline = time.monotonic() + 100
        while not (tmp_path / "flies").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert undisturbed.communicate(timeout=120) and undisturbed.returncode == 0
    finally:
        process.kill()
        undisturbed.kill()
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert said.splitlines()[-1] == (
        f"terminated; the newest checkpoint is of this moment, go on with --resume {folder}"
    )
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert 0 < saved["steps"] < total
    assert not list(folder.glob(".*")), "a lock or half a file is left"
    finished(f"--resume={folder}")
    again, expected = (load_file(path / "policy.safetensors") for path in (folder, whole))
    assert again.keys() == expected.keys()
    for name, table in expected.items():
        assert torch.equal(table, again[name]), name
