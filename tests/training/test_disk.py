"""What lies on a disk: damage is found before it is flown, one process writes a folder, and colleagues can read it."""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import ROOT, exit_code

pytest.importorskip("stable_baselines3")
pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")
pytest.importorskip("safetensors")

from agents import evaluate, train
from agents.lock import LockedError, held
from agents.policy.network import CARD, WEIGHTS, PolicyFileError, load_policy
from agents.run_folder import RunFolderError, clear_parts, write_atomic, write_json, write_text
from agents.training.checkpoint import save_checkpoint
from lunar_env import load_scenario

REFERENCE = ROOT / "runs" / "reference"
SHIPPED = sorted(path.parent for path in (ROOT / "runs").glob("*/policy.json"))


# Checksums --------------------------------------------------------------------------------------------------------


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A copy of the policy that ships."""
    for name in (WEIGHTS, CARD):
        shutil.copy(REFERENCE / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_policy_that_ships_has_its_checksums(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    assert card["format"] == "lunar_env.policy/2" and len(card["sha256"]) == len(card["flies"]) == 64


@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_one_flipped_bit_in_the_weights_is_not_flown(place: float, policy: Path) -> None:
    scenario = load_scenario("resilience", history=4)
    load_policy(policy, scenario)
    content = bytearray((policy / WEIGHTS).read_bytes())
    content[int(place * len(content))] ^= 1
    (policy / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(PolicyFileError, match=r"policy.safetensors is damaged.*checksum"):
        load_policy(policy, scenario)


@pytest.mark.parametrize(
    "change",
    [{"history": 3}, {"control": "throttle"}, {"hidden": [64]}, {"squash": True}, {"wishes": {"decision_period": 0.5}}],
    ids=str,
)
def test_a_card_that_says_something_else_than_was_saved_is_not_flown(change: dict, policy: Path) -> None:
    card = json.loads((policy / CARD).read_text(encoding="utf-8"))
    (policy / CARD).write_text(json.dumps({**card, **change}), encoding="utf-8")
    with pytest.raises(PolicyFileError, match=r"policy.json is not what was saved"):
        load_policy(policy, load_scenario("resilience", history=4))


# Locks and parts --------------------------------------------------------------------------------------------------

HOLDING = """
import sys, time
from pathlib import Path
from agents.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[int]:
    """Another process that holds a folder, and is killed in the end; its number."""
    process = subprocess.Popen([sys.executable, "-c", HOLDING, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def test_a_folder_has_one_writer_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    words = r"is being written by process \d+ on "
    with holder(tmp_path), pytest.raises(LockedError, match=words), held(tmp_path):
        pass
    with held(tmp_path), pytest.raises(LockedError), held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_two_that_resume_a_run_do_not_both_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY, encoding="utf-8")
    out = tmp_path / "run"
    assert exit_code(train.main, config, f"--out={out}") == 0
    with holder(out) as number:
        capsys.readouterr()
        assert exit_code(train.main, f"--resume={out}") == 2
        assert f"error: {out} is being written by process {number}" in capsys.readouterr().err
        assert exit_code(train.main, config, f"--out={out}") == 2


def test_what_a_killed_process_left_half_written_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    parts = {number: tmp_path / f".policy.json.{number}.part" for number in (dead.pid, os.getppid())}
    for part in parts.values():
        part.touch()
    clear_parts(tmp_path)
    assert [path for path in parts.values() if path.exists()] == [parts[os.getppid()]]


# Signals ----------------------------------------------------------------------------------------------------------

TINY = """
scenario = "vertical"
num_envs = 32
total_steps = 65536
checkpoint_every = 1000.0
threads = 1
practice = { "start.progress" = 0.8 }
ppo = { batch_size = 512, epochs = 1 }
network = { hidden = [8] }
evaluation = { episodes = 2, pilots = [] }
"""
DEVICE = TINY.replace("threads = 1", 'algorithm = "rsl_rl.ppo"\nthreads = 1')


@pytest.mark.slow
@pytest.mark.parametrize("text", [TINY, DEVICE], ids=["sb3.ppo", "rsl_rl.ppo"])
def test_sigterm_writes_a_last_checkpoint_from_which_a_run_ends_with_the_same_bits(text: str, tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(text, encoding="utf-8")
    assert exit_code(train.main, config, f"--out={tmp_path / 'whole'}") == 0
    folder = tmp_path / "ended"
    command = [sys.executable, "-m", "agents.train", str(config), f"--out={folder}"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(folder.glob("tensorboard/*")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert (
        process.returncode == 143
        and f"terminated; the newest checkpoint is of this moment, go on with --resume {folder}" in said
    )
    assert (folder / "checkpoint.pt").exists() and not (folder / "evaluation.json").exists()
    assert exit_code(train.main, f"--resume={folder}") == 0
    assert (folder / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


# Permissions ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[0o022, 0o027], ids=oct)
def umask(request: pytest.FixtureRequest):
    """What new files keep from others."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in files}


def test_what_is_written_may_be_read_by_whom_the_umask_lets_read_it(umask: int, tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY.replace("65536", "1024"), encoding="utf-8")
    out = tmp_path / "run"
    assert exit_code(train.main, config, f"--out={out}") == 0
    assert (
        exit_code(evaluate.main, "--scenario=vertical", "--pilots=cautious", "--episodes=2", f"--out={tmp_path / 'e'}")
        == 0
    )
    save_checkpoint(tmp_path, {}, {"steps": 1, "weights": torch.zeros(2)})
    write_json(tmp_path / "a.json", {})
    write_atomic(tmp_path / "a.bin", lambda path: path.write_bytes(b"a"))
    found = modes(tmp_path)
    assert {"run/policy.safetensors", "run/policy.json", "run/checkpoint.pt", "e/report.html", "e/episodes.npz"} <= set(
        found
    )
    assert {name: oct(mode) for name, mode in found.items() if mode != 0o666 & ~umask} == {}


# Odd places -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["folder", "loop", "long", "nul"])
def test_a_place_that_cannot_be_written_is_said_in_a_line(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    path = {"long": tmp_path / ("x" * 300), "nul": tmp_path / "a\0b", "loop": tmp_path / "loop" / "a"}.get(
        place, tmp_path / place
    )
    with pytest.raises((RunFolderError, ValueError)) as caught:
        write_text(path, "words")
    assert "\n" not in str(caught.value)
    assert not [part for part in tmp_path.iterdir() if part.name.endswith(".part")]
