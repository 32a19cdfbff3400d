"""Several processes that learn together: one policy from the descents of all, and one voice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import ROOT

pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")
pytest.importorskip("tensorboard")
pytest.importorskip("safetensors")
pytest.importorskip("matplotlib")

from agents import train
from agents.policy.network import load_policy
from agents.training.devices import device_of
from agents.training.experiment import ConfigError, load_experiment
from agents.training.prepare import learner_of, scenarios_of
from agents.training.rsl_rl.processes import process_group
from lunar_env import Descent

LANDERS, STEPS = 8, 12
ROLLOUT = 2 * LANDERS * STEPS  # decisions of both processes
CONFIG = f"""
scenario = "resilience"
algorithm = "rsl_rl.ppo"
num_envs = {LANDERS}
total_steps = {4 * ROLLOUT}
checkpoint_every = 1e-6
threads = 1
practice = {{ "start.progress" = [0.9, 1.0] }}
ppo = {{ steps = {STEPS}, batch_size = 48, epochs = 1 }}
network = {{ hidden = [16, 16], memory = "gru", memory_size = 8, critic = "privileged" }}
evaluation = {{ episodes = 2, pilots = [] }}

[changes]
time_limit = 20.0
# Limits so wide that many land by chance.
limits.descent_rate = 100.0
limits.lateral_speed = 100.0
limits.tilt = 1.5
limits.rate = 1.0
faults.late_acquisition.probability = 1.0
faults.late_acquisition.altitude = [10.0, 1_000.0]
"""
# Two rollouts that imitate, and four of their own. Twice 24 episodes have ended, in both processes together but not in
# one.
WHOLE = (
    CONFIG.replace(f"total_steps = {4 * ROLLOUT}", f"total_steps = {6 * ROLLOUT}").replace(
        "epochs = 1", "epochs = 1, desired_kl = 0.01"
    )
    + f"""
[imitation]
pilot = "cautious"
steps = {2 * ROLLOUT}

[curriculum]
start = 0.25
step = 0.25
promote_at = 0.5
episodes = 24
"""
)

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no process groups")


def torchrun(*arguments):
    """``torchrun --standalone --nproc-per-node 2 ARGUMENTS``, two processes on the CPU."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*together, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180
    )


def checkpoint(folder, name):
    return torch.load(folder / name, weights_only=True)


def weights(saved):
    """All that is learned, by name: weights, and what the optimiser remembers of each."""
    networks = saved["networks"]
    found = {f"{part}.{name}": table for part in ("actor_state_dict", "critic_state_dict")
             for name, table in networks[part].items()}  # fmt: skip
    for number, moments in networks["optimizer_state_dict"]["state"].items():
        found |= {f"{number}.{name}": table for name, table in moments.items()}
    return found


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, table in left.items():
        assert torch.equal(table, right[name]), name


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two processes, from its configuration to its report; and what it has said."""
    folder = tmp_path_factory.mktemp("torchrun")
    (folder / "tiny.toml").write_text(WHOLE, encoding="utf-8")
    done = torchrun("-m", "agents.train", folder / "tiny.toml", f"--out={folder / 'run'}")
    assert done.returncode == 0, done.stderr
    return folder / "run", done


def test_processes_that_imitate_and_learn_together_end_with_the_same_policy(finished):
    folder, _ = finished
    first, second = (checkpoint(folder, name) for name in ("checkpoint.pt", "checkpoint.rank1.pt"))
    assert first["steps"] == second["steps"] == 6 * ROLLOUT
    assert len(weights(first)) > 30
    assert_same(weights(first), weights(second))
    before = checkpoint(folder, "checkpoint.previous.pt")
    assert not torch.equal(weights(first)["actor_state_dict.mlp.0.weight"],
                           weights(before)["actor_state_dict.mlp.0.weight"])  # fmt: skip


def test_each_process_flies_other_landers_and_explores_in_its_own_way(finished):
    folder, _ = finished
    _, practice = scenarios_of(load_experiment(folder.parent / "tiny.toml"))
    descent = Descent(practice, LANDERS)
    landers = []
    for name in ("checkpoint.pt", "checkpoint.rank1.pt"):
        descent.restore(checkpoint(folder, name)["descents"])
        landers.append(descent.state["episode.lander"].tolist())
        assert (descent.state["episode.seed_low"] == 0).all()
    assert landers == [list(range(LANDERS)), list(range(LANDERS, 2 * LANDERS))]
    draws = [checkpoint(folder, name)["random"]["cpu"] for name in ("checkpoint.pt", "checkpoint.rank1.pt")]
    assert not torch.equal(*draws)


def test_processes_make_their_practice_harder_together(finished):
    folder, _ = finished
    first, second = (checkpoint(folder, name)["curriculum"] for name in ("checkpoint.pt", "checkpoint.rank1.pt"))
    assert first["severity"] == second["severity"] == 0.75


def test_only_the_first_process_writes_and_speaks(finished):
    folder, done = finished
    files = {path.name for path in folder.iterdir()}
    assert files == {"config.json", "run.json", "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.rank1.pt",
                     "checkpoint.previous.rank1.pt", "policy.safetensors", "policy.json", "tensorboard",
                     "evaluation.json", "episodes.npz", "report.html"}  # fmt: skip
    assert len(list((folder / "tensorboard").iterdir())) == 1
    assert done.stdout.count("training on 'resilience'") == done.stdout.count("evaluated in") == 1
    assert done.stderr.count(f"| 0.00/{6 * ROLLOUT / 1000:.2f}k ") == 1, "not one bar"
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["training"]["steps"] == 6 * ROLLOUT
    scenario, _ = scenarios_of(load_experiment(folder.parent / "tiny.toml"))
    policy = load_policy(folder, scenario).network.state_dict()
    assert torch.equal(
        policy["layers.0.weight"], weights(checkpoint(folder, "checkpoint.pt"))["actor_state_dict.mlp.0.weight"]
    )


def test_a_learner_that_works_alone_is_refused_helpers_before_there_is_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"sb3\.ppo trains in one process; start it without torchrun, or"):
        learner_of("sb3.ppo")
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["agents.train", str(config), "--set", "algorithm=sb3.ppo", "network.memory=none",
                                      "network.critic=same", f"--out={tmp_path / 'run'}"])  # fmt: skip
    assert train.main() == 2
    assert "sb3.ppo trains in one process" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def gpus(monkeypatch, count, local, world):
    """A machine with so many GPUs, and a process of so many on it."""
    monkeypatch.setenv("WORLD_SIZE", str(world))
    monkeypatch.setenv("LOCAL_RANK", str(local))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr("warp.is_cuda_available", lambda: count > 0)


@pytest.mark.parametrize("local", range(4))
def test_each_process_of_a_machine_has_the_gpu_of_its_number(monkeypatch, local):
    gpus(monkeypatch, 4, local, 8)  # two machines
    assert device_of("cuda") == torch.device("cuda", local)
    assert device_of("cpu") == torch.device("cpu")


def test_a_process_of_its_own_may_say_which_gpu(monkeypatch):
    gpus(monkeypatch, 4, 0, 1)
    assert device_of("cuda:2") == torch.device("cuda", 2)
    assert device_of("cuda") == torch.device("cuda", 0)


def test_one_gpu_for_several_processes_and_more_processes_than_gpus_are_refused(monkeypatch):
    gpus(monkeypatch, 2, 1, 2)
    with pytest.raises(
        ConfigError, match=r'^device = "cuda:0" would put all 2 processes on one GPU; set device = "cuda"'
    ):
        device_of("cuda:0")
    gpus(monkeypatch, 2, 2, 3)
    with pytest.raises(ConfigError, match="has 2 GPUs, numbered from 0, and none for its process 2; start at most 2"):
        device_of("cuda")
    gpus(monkeypatch, 0, 1, 2)
    with pytest.raises(RuntimeError, match="torch finds no CUDA GPU"):
        device_of("cuda")


def test_a_gpu_with_a_number_is_refused_to_several_processes_before_there_is_a_folder(tmp_path, monkeypatch, capsys):
    gpus(monkeypatch, 2, 0, 2)
    (tmp_path / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    arguments = ["agents.train", str(tmp_path / "tiny.toml"), "--set", "device=cuda:1", f"--out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert train.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'error: device = "cuda:1" would put all 2 processes on one GPU; set device = "cuda"' in line
    assert not (tmp_path / "run").exists()


def test_processes_with_gpus_meet_by_nccl_each_on_its_own(monkeypatch):
    gpus(monkeypatch, 4, 3, 4)
    met = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: met.append(("own", device)))
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *args, **kwargs: met.append((*args, kwargs)))
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: met.append(("end",)))
    with process_group(device_of("cuda")):
        pass
    own = torch.device("cuda", 3)
    assert met == [("own", own), ("nccl", {"device_id": own}), ("end",)]


def test_a_run_of_several_processes_is_not_resumed_by_one(finished, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["agents.train", f"--resume={folder}"])
    assert train.main() == 2
    message = capsys.readouterr().err
    assert f"error: {folder} was trained by 2 processes together, but here are 1; resume it with torchrun" in message


@pytest.mark.slow
def test_processes_killed_one_checkpoint_apart_end_with_the_same_bits(finished, tmp_path):
    folder = Path(shutil.copytree(finished[0], tmp_path / "run"))
    # As if the second process had been killed before its last checkpoint.
    os.replace(folder / "checkpoint.previous.rank1.pt", folder / "checkpoint.rank1.pt")
    assert checkpoint(folder, "checkpoint.rank1.pt")["steps"] < checkpoint(folder, "checkpoint.pt")["steps"]
    done = torchrun("-m", "agents.train", f"--resume={folder}")
    assert done.returncode == 0, done.stderr
    assert "checkpoint.pt is of a moment that not all processes have; going on from" in done.stderr
    for name in ("checkpoint.pt", "checkpoint.rank1.pt"):
        again, expected = checkpoint(folder, name), checkpoint(finished[0], name)
        assert again["steps"] == expected["steps"]
        assert_same(weights(again), weights(expected))
        assert again["curriculum"]["severity"] == expected["curriculum"]["severity"]
        assert torch.equal(again["random"]["cpu"], expected["random"]["cpu"])
        for part, table in expected["descents"].items():
            # As bytes: the tables have whole numbers in columns of float32.
            assert again["descents"][part].numpy().tobytes() == table.numpy().tobytes(), part


HARM = """
import math, os, sys
from agents import train
from agents.training.rsl_rl.dialect import Descents

step, decisions = Descents.step, []

def harmed(self, action):
    seen, transition, final = step(self, action)
    decisions.append(None)
    if os.environ["RANK"] == "1" and len(decisions) == 18:
        transition.reward[5] = math.nan
    return seen, transition, final

Descents.step = harmed
sys.exit(train.main())
"""


@pytest.mark.slow
def test_what_is_not_finite_in_one_process_stops_all(tmp_path):
    (tmp_path / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "harm.py").write_text(HARM, encoding="utf-8")
    done = torchrun(tmp_path / "harm.py", tmp_path / "tiny.toml", f"--out={tmp_path / 'run'}")
    assert done.returncode != 0
    assert "a reward was not finite" in done.stderr
    assert "another process met what is not finite" in done.stderr, "the first waited for the other in vain"
    batch = torch.load(tmp_path / "run" / "not_finite.pt", weights_only=True)
    assert batch["landers"] == [LANDERS + 5]
    for name in ("checkpoint.pt", "checkpoint.rank1.pt"):
        assert checkpoint(tmp_path / "run", name)["steps"] == ROLLOUT
