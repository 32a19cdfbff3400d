"""What lies on a disk: one writer a folder, nothing half done, readable for colleagues, one line when it fails."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import ROOT, exit_code
from safetensors.torch import save_file

pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")
pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

from agents import curves, export, train
from agents.lock import LockedError, held
from agents.run_folder import (
    HOST,
    RunFolderError,
    clear_parts,
    lock_folder,
    make_folder,
    new_run_folder,
    write_atomic,
    write_json,
    write_text,
)

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="this system has other locks and modes")
TINY = """
scenario = "vertical"
algorithm = "rsl_rl.ppo"
num_envs = 8
total_steps = 128
threads = 1
ppo = { steps = 8, batch_size = 32, epochs = 1 }
network = { hidden = [8] }
evaluation = { episodes = 2, pilots = ["suicide_burn"] }
"""
HOLD = "import sys, time\nfrom pathlib import Path\nfrom agents.lock import held\nwith held(Path(sys.argv[1])):\n"
HOLD += "    print('held', flush=True)\n    time.sleep(60)\n"


@contextlib.contextmanager
def holder(folder):
    """Another process that holds a folder."""
    line = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run, made under a umask of its own."""
    folder = tmp_path_factory.mktemp("disk")
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    before = os.umask(0o027)
    try:
        assert exit_code(train.main, folder / "tiny.toml", f"--out={folder / 'run'}") == 0
    finally:
        os.umask(before)
    return folder / "run"


# Locks ------------------------------------------------------------------------------------------------------------


@POSIX
def test_a_folder_that_another_process_writes_is_refused_to_every_command(config, run, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    asked = [
        (train.main, config, f"--out={out}"),
        (curves.main, config, "--seeds=1", "--episodes=2", f"--out={out}"),
    ]
    with holder(out) as process:
        before = (out / ".lock").read_bytes()
        for command in asked:
            assert exit_code(*command) == 2
            message = capsys.readouterr().err
            assert message.count("\n") == 1 and message.startswith(f"error: {out} is being written by process ")
            assert f" {process.pid} on " in message
        assert [path.name for path in out.iterdir()] == [".lock"] and (out / ".lock").read_bytes() == before
    newest = (run / "checkpoint.pt").stat().st_mtime_ns
    with holder(run):
        assert exit_code(train.main, f"--resume={run}") == 2
        assert "is being written by process" in capsys.readouterr().err
    assert (run / "checkpoint.pt").stat().st_mtime_ns == newest


@POSIX
def test_the_lock_of_a_killed_process_is_taken_over(config, tmp_path, monkeypatch):
    out = tmp_path / "run"
    out.mkdir()
    with holder(out) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (out / ".lock").exists(), "the test shows nothing"
    monkeypatch.setattr(train, "evaluate", lambda campaign: [])
    assert exit_code(train.main, config, f"--out={out}") == 0
    assert not (out / ".lock").exists()


def test_a_lock_is_let_go_after_an_error_and_held_only_once(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        with pytest.raises(LockedError, match=f"is being written by process {os.getpid()} on "), held(tmp_path):
            pass
        raise ZeroDivisionError
    with held(tmp_path):
        assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())


def test_of_two_runs_that_begin_in_one_folder_one_is_refused(tmp_path):
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        out = new_run_folder(tmp_path / "run", "a", 0, first)
        with pytest.raises(LockedError):
            new_run_folder(out, "a", 0, second)
    with contextlib.ExitStack() as third:
        new_run_folder(out, "a", 0, third)  # it is empty again


def test_of_processes_that_learn_together_only_the_first_locks(run, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with held(run), contextlib.ExitStack() as locks:
        train.open_run(train.Arguments(resume=run), locks)


# Parts ------------------------------------------------------------------------------------------------------------


def dead_process() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@POSIX
def test_what_dead_processes_left_goes_at_the_next_start_and_what_the_living_write_stays(tmp_path):
    names = {
        f".policy.json.{dead_process()}-{HOST}.part": False,
        f".checkpoint.pt.{dead_process()}.part": False,  # as older versions called them
        f".evaluation.json.{os.getpid()}-{HOST}.part": False,  # of one that had this number before
        f".report.html.{os.getppid()}-{HOST}.part": True,
        f".report.html.{dead_process()}-00000000.part": True,  # another machine may be writing it
        ".notes.part": True,  # a user's own
        "policy.json": True,
    }
    for name in names:
        (tmp_path / name).write_text("half", encoding="utf-8")
    make_folder(tmp_path)
    assert {name: (tmp_path / name).exists() for name in names} == names
    with contextlib.ExitStack() as locks:
        lock_folder(tmp_path, locks)  # alone here
        assert not list(tmp_path.glob("*-00000000.part"))
        assert (tmp_path / ".notes.part").exists()


@POSIX
def test_what_another_machine_wrote_a_day_ago_goes(tmp_path):
    part = tmp_path / ".a.json.123-00000000.part"
    part.touch()
    os.utime(part, (time.time() - 90_000.0,) * 2)
    clear_parts(tmp_path)
    assert not part.exists()


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit, OSError, MemoryError])
def test_whatever_ends_a_write_leaves_no_part(ends, tmp_path):
    def write(path):
        path.write_text("half", encoding="utf-8")
        raise ends

    with pytest.raises((ends, RunFolderError)):
        write_atomic(tmp_path / "a.json", write)
    assert not list(tmp_path.iterdir())


# Modes ------------------------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@POSIX
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002, 0o077])
def test_what_is_written_has_the_mode_of_the_umask_whoever_writes_it(umask, tmp_path):
    weights = {"a": torch.zeros(2)}
    writers = {
        "safetensors": lambda path: save_file(weights, str(path)),
        "torch": lambda path: torch.save(weights, path),
        "text": lambda path: path.write_text("a", encoding="utf-8"),
        "closed": lambda path: os.chmod(path, 0o600),
    }
    before = os.umask(umask)
    try:
        for name, write in writers.items():
            write_atomic(tmp_path / name, write)
            write_atomic(tmp_path / name, write)  # over the one that is there
            assert mode(tmp_path / name) == 0o666 & ~umask, name
        write_text(tmp_path / "text", "a")
        write_json(tmp_path / "json", {})
        assert mode(tmp_path / "text") == mode(tmp_path / "json") == 0o666 & ~umask
    finally:
        os.umask(before)


@POSIX
def test_every_file_of_a_run_and_of_an_export_can_be_read_by_the_group(run, tmp_path):
    before = os.umask(0o027)
    try:
        export.export_policy(run, ("onnx", "torch"), tmp_path)
    except ImportError:
        pass
    finally:
        os.umask(before)
    files = [path for folder in (run, tmp_path) for path in folder.rglob("*") if path.is_file()]
    assert {"policy.safetensors", "policy.json", "checkpoint.pt", "episodes.npz", "report.html"} <= {
        path.name for path in files
    }
    for path in files:
        assert mode(path) == 0o640, path
    assert mode(run) == mode(run / "tensorboard") == 0o750


# Disks that do not take it ----------------------------------------------------------------------------------------


def loop(folder):
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def file_there(folder):
    (folder / "file").touch()
    return folder / "file"


PLACES = {
    "a symlink loop": loop,
    "a file": file_there,
    "below a file": lambda folder: file_there(folder) / "below",
    "a name too long": lambda folder: folder / ("x" * 300),
    "a path too long": lambda folder: folder.joinpath(*["x" * 200] * 30),
    "the system's": lambda folder: Path("/proc/none"),
}


@POSIX
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_place_that_cannot_be_a_folder_is_refused_in_one_line(place, config, tmp_path, capsys):
    out = place(tmp_path)
    there = set(tmp_path.rglob("*"))
    assert exit_code(train.main, config, f"--out={out}") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1, message
    assert set(tmp_path.rglob("*")) == there
    assert exit_code(train.main, f"--resume={out}") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1, message


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_is_read_only_is_refused_in_one_line(config, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir(mode=0o500)
    assert exit_code(train.main, config, f"--out={out}") == 2
    assert capsys.readouterr().err == f"error: cannot write into {out}: Permission denied; choose another --out\n"


@pytest.mark.parametrize("name", ["config.json", "run.json", "checkpoint.pt", "policy.safetensors", "policy.json"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(30, "Read-only file system")])
def test_a_disk_that_takes_no_more_is_one_line_and_the_same_out_serves_again(
    name, error, config, tmp_path, capsys, monkeypatch
):
    replace = os.replace

    def full(source, target):
        if Path(target).name == name:
            raise error
        replace(source, target)

    monkeypatch.setattr(train, "evaluate", lambda campaign: [])
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert exit_code(train.main, config, f"--out={out}") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"error: cannot write {out / name}: {error.strerror}; free the disk"), message
    assert not list(out.glob(".*"))
    again = [f"--resume={out}"] if (out / "checkpoint.pt").exists() else [config, f"--out={out}"]
    assert exit_code(train.main, *again) == 0


@pytest.mark.parametrize("name", ["policy.json", "config.json"])
def test_a_folder_in_the_place_of_a_file_is_one_line(name, run, capsys, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    asked = [export.main, folder] if name == "policy.json" else [train.main, f"--resume={folder}"]
    assert exit_code(*asked) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1 and str(folder / name) in message
