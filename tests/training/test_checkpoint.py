"""Checkpoints: a run that is killed anywhere goes on as if nothing had been; what is broken is found, and never run."""

import contextlib
import itertools
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from helpers import ROOT

pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")
pytest.importorskip("tensorboard")
pytest.importorskip("safetensors")

from agents.run_folder import RunFolderError
from agents.training import checkpoint
from agents.training.checkpoint import load_checkpoint, save_checkpoint
from agents.training.experiment import Experiment
from agents.training.prepare import scenarios_of
from agents.training.rsl_rl.dialect import Descents
from agents.training.rsl_rl.learner import Learner, learn

EXPERIMENT = {"seed": 3, "network": {"hidden": (64, 64)}}


# Files


def state(steps):
    """Something of every kind that a run keeps."""
    generator = torch.Generator().manual_seed(steps)
    weights = torch.randn(300, generator=generator)
    return {
        "steps": steps,
        "networks": {"weights": weights, "moments": {0: {"step": torch.tensor(4.0), "average": weights**2}}},
        "memories": {"actor": (weights[:5], weights[5:10]), "critic": None},
        "random": {"cpu": torch.arange(50, dtype=torch.uint8)},
        "names": ["a", "b"],
    }


def differences(left, right, at=""):
    """Where two trees of tensors and plain values differ, bit by bit."""
    if isinstance(left, torch.Tensor):
        # As bytes: a table of landers has whole numbers in columns of float32, some of which are no numbers as such.
        alike = isinstance(right, torch.Tensor) and left.dtype == right.dtype and left.shape == right.shape
        return [] if alike and left.numpy().tobytes() == right.numpy().tobytes() else [at]
    if type(left) is not type(right):
        return [at]
    if isinstance(left, dict):
        names = left.keys() | right.keys()
        parts = [differences(left.get(name), right.get(name), f"{at}.{name}") for name in sorted(names, key=str)]
    elif isinstance(left, list | tuple):
        lengths = [] if len(left) == len(right) else [f"{at} length"]
        parts = [lengths, *(differences(a, b, f"{at}.{i}") for i, (a, b) in enumerate(zip(left, right, strict=False)))]
    else:
        parts = [[] if left == right else [at]]
    return list(itertools.chain.from_iterable(parts))


def matches(saved, steps):
    """Whether what was loaded is the whole state of a moment."""
    return not differences({name: saved[name] for name in state(steps)}, state(steps))


@pytest.fixture
def run(tmp_path):
    """A folder with two checkpoints, of steps 1 and 2."""
    save_checkpoint(tmp_path, EXPERIMENT, state(1))
    save_checkpoint(tmp_path, EXPERIMENT, state(2))
    return tmp_path


def test_what_was_saved_is_what_is_loaded_and_the_one_before_is_kept(run):
    assert matches(load_checkpoint(run, EXPERIMENT), 2)
    assert {path.name for path in run.iterdir()} == {"checkpoint.pt", "checkpoint.previous.pt"}
    (run / "checkpoint.pt").unlink()  # as if killed before the newest was put in place
    assert matches(load_checkpoint(run, EXPERIMENT), 1)


class Trap:
    """Raises if anything unpickles it."""

    def __reduce__(self):
        return pytest.fail, ("a checkpoint's code was run",)


def zipped_trap(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"steps": Trap()}))
        archive.writestr("archive/version", "3\n")


def archive_of_something_else(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing here")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_short_by_a_byte(path):
    path.write_bytes(path.read_bytes()[:-1])


def number_changed(path):
    """One bit of one weight: the file still has its form."""
    whole = bytearray(path.read_bytes())
    at = whole.find(bytes(state(2)["networks"]["weights"].numpy().tobytes()[:16]))
    whole[at] ^= 1
    path.write_bytes(whole)


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()


HARMS = {
    "halved": halved,
    "cut short by a byte": cut_short_by_a_byte,
    "a number changed": number_changed,
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(random.Random(0).randbytes(5000)),
    "another archive": archive_of_something_else,
    "a pickle with code": lambda path: path.write_bytes(pickle.dumps({"steps": Trap()})),
    "torch's format with code": lambda path: torch.save({"steps": Trap()}, path),
    "torch's old format with code": lambda path: torch.save(
        {"steps": Trap()}, path, _use_new_zipfile_serialization=False
    ),
    "an archive with code": zipped_trap,
    "weights of something else": lambda path: torch.save({"weights": torch.ones(3)}, path),
    "a list": lambda path: torch.save([1, 2], path),
    "half of what is needed": lambda path: torch.save({"format": checkpoint.FORMAT, "steps": 2}, path),
    "a folder": folder_in_its_place,
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_run_whose_newest_checkpoint_is_broken_goes_on_from_the_one_before_and_says_so(harm, run, capsys):
    harm(run / "checkpoint.pt")
    assert matches(load_checkpoint(run, EXPERIMENT), 1)
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"{run / 'checkpoint.pt'} " in message
    assert f"going on from {run / 'checkpoint.previous.pt'}" in message
    # A broken file must not take the place of the good one: a kill at that moment would cost the run.
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        Fuse(patch, burns_for=1, label="put checkpoint.pt in place")
        save_checkpoint(run, EXPERIMENT, state(3))
    assert matches(load_checkpoint(run, EXPERIMENT), 1)
    save_checkpoint(run, EXPERIMENT, state(3))
    assert matches(load_checkpoint(run, EXPERIMENT), 3)
    assert (run / "checkpoint.damaged.pt").exists(), "what is broken is gone, though it may tell why"


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_run_whose_checkpoints_are_both_broken_is_refused_by_their_names(harm, run):
    halved(run / "checkpoint.previous.pt")
    harm(run / "checkpoint.pt")
    with pytest.raises(RunFolderError) as refused:
        load_checkpoint(run, EXPERIMENT)
    message = str(refused.value)
    assert f"{run / 'checkpoint.pt'} " in message
    assert f"{run / 'checkpoint.previous.pt'} cannot be read" in message
    assert message.endswith("; start the run anew")


def test_no_single_bit_can_change_what_is_loaded(run, capsys):
    path = run / "checkpoint.pt"
    whole, draw, found = path.read_bytes(), random.Random(1), 0
    for _ in range(150):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        saved = load_checkpoint(run, EXPERIMENT)
        message = capsys.readouterr().err
        # The rest is filling between the records of the archive, or a date.
        found += bool(message)
        assert matches(saved, 1 if message else 2)
    assert found > 75


def test_a_run_without_a_checkpoint_cannot_be_resumed(tmp_path):
    with pytest.raises(RunFolderError, match=r"has no checkpoint\.pt to resume from; start the run anew"):
        load_checkpoint(tmp_path, EXPERIMENT)


def test_a_checkpoint_of_another_experiment_is_refused_with_what_has_changed(run):
    changed = {**EXPERIMENT, "seed": 4, "network": {"hidden": (32,)}}
    with pytest.raises(RunFolderError) as refused:
        load_checkpoint(run, changed)
    for word in ["config.json has changed", str(run / "checkpoint.pt"), "seed: was 3, is 4", "[32]", "put it back"]:
        assert word in str(refused.value)
    assert matches(load_checkpoint(run, EXPERIMENT), 2), "a refusal harms the checkpoint"


FULL = OSError(28, "No space left on device")


def full_from_the_start(patch):
    def save(whole, path):
        raise FULL

    patch.setattr(torch, "save", save)


def full_half_way(patch):
    save = torch.save

    def half(whole, path):
        save(whole, path)
        halved(Path(path))
        raise FULL

    patch.setattr(torch, "save", half)


def full_when_it_is_flushed(patch):
    def flush(file):
        raise FULL

    patch.setattr(os, "fsync", flush)


def full_and_silent(patch):
    """Some file systems tell of a failed write too late or never."""
    save = torch.save

    def half(whole, path):
        save(whole, path)
        halved(Path(path))

    patch.setattr(torch, "save", half)


@pytest.mark.parametrize("disk", [full_from_the_start, full_half_way, full_when_it_is_flushed, full_and_silent])
def test_a_full_disk_is_told_with_the_last_good_checkpoint_which_still_loads(disk, run):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunFolderError) as stopped:
        disk(patch)
        save_checkpoint(run, EXPERIMENT, state(3))
    message = str(stopped.value)
    assert f"cannot write {run / 'checkpoint.pt'}" in message
    if disk is not full_and_silent:
        assert "No space left on device" in message
    good = Path(message.rpartition("the last good checkpoint is ")[2])
    assert matches(torch.load(good, weights_only=True), 2)
    assert matches(load_checkpoint(run, EXPERIMENT), 2)
    assert not list(run.glob(".*")), "half a file is left"


def test_a_disk_that_was_full_from_the_first_checkpoint_on_has_no_good_one_to_name(tmp_path):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunFolderError, match=r"free the disk") as stopped:
        full_from_the_start(patch)
        save_checkpoint(tmp_path, EXPERIMENT, state(1))
    assert "last good" not in str(stopped.value)


def test_what_a_kill_left_of_a_file_is_cleared_away(run):
    part = run / ".checkpoint.pt.123.part"
    part.write_bytes(b"half")
    load_checkpoint(run, EXPERIMENT)
    assert not part.exists()


def test_processes_go_on_from_the_newest_moment_that_all_have(tmp_path, capsys):
    for rank, moments in ((0, (1, 2, 3)), (1, (1, 2))):  # killed when the first was one checkpoint ahead
        for steps in moments:
            save_checkpoint(tmp_path, EXPERIMENT, state(steps), rank)
    assert matches(load_checkpoint(tmp_path, EXPERIMENT, 0, lambda steps: steps & {1, 2}), 2)
    assert "of a moment that not all processes have; going on from" in capsys.readouterr().err
    assert matches(load_checkpoint(tmp_path, EXPERIMENT, 1, lambda steps: steps & {2, 3}), 2)
    assert not capsys.readouterr().err
    with pytest.raises(
        RunFolderError, match=r"checkpoint\.rank1\.pt is of a moment that not all .* start the run anew"
    ):
        load_checkpoint(tmp_path, EXPERIMENT, 1, lambda steps: steps & {7})


# Runs


class Killed(BaseException):
    """What a kill is to a process, as nearly as an exception can be."""


class Fuse:
    """Counts the moments at which a kill may come, and raises Killed at one of them.

    Args:
        patch: puts the moments where they belong.
        burns_for: moments; none to count them only.
        label: count only moments of this name.
    """

    def __init__(self, patch, burns_for=None, label=None):
        self.burns_for, self.label = burns_for, label
        self.moments = []  # their names
        self.patch = patch
        step, update = Descents.step, Learner.update
        about_to_step = Learner._note_gradients
        save, replace = torch.save, os.replace

        def halting_save(whole, path):
            self.moment("begin to write")
            save(whole, path)
            content = Path(path).read_bytes()
            Path(path).write_bytes(content[: len(content) // 2])
            self.moment("half written")
            Path(path).write_bytes(content)

        def halting_replace(source, target):
            name = Path(target).name
            self.moment(f"put {name} in place")
            replace(source, target)

        patch.setattr(Descents, "step", self.before(step, "fly"))
        patch.setattr(Learner, "update", self.before(update, "update"))
        patch.setattr(Learner, "_note_gradients", self.before(about_to_step, "change weights"))
        patch.setattr(torch, "save", halting_save)
        patch.setattr(os, "replace", halting_replace)

    def before(self, function, name):
        """The function, with a moment before it."""

        def halting(*arguments):
            self.moment(name)
            return function(*arguments)

        return halting

    def moment(self, name):
        if self.label in (None, name):
            self.moments.append(name)
            if len(self.moments) == self.burns_for:
                raise Killed


def tiny(memory, critic, **changes):
    """Six updates, a checkpoint after each."""
    return Experiment.model_validate(
        {
            "scenario": "planar",
            "changes": {"time_limit": 20.0},
            "practice": {"start.progress": [0.0, 1.0]},
            "algorithm": "rsl_rl.ppo",
            "num_envs": 8,
            "total_steps": 6 * 8 * 8,
            "checkpoint_every": 1e-6,
            "threads": 1,
            "ppo": {"steps": 8, "batch_size": 32, "epochs": 1},
            "network": {"hidden": [16, 16], "memory": memory, "memory_size": 8, "critic": critic},
            "evaluation": {"episodes": 2, "pilots": []},
            **changes,
        }
    )


def fly(wanted, folder, resume):
    scenario, practice = scenarios_of(wanted)
    learn(wanted, practice, scenario, folder, resume)


def end_of(wanted, folder):
    """The last checkpoint of a run, without what a clock has measured."""
    saved = load_checkpoint(folder, wanted.model_dump(mode="json"))
    del saved["seconds"]
    assert saved["steps"] == wanted.total_steps
    assert {"networks", "memories", "descents", "random", "tally", "curriculum"} <= set(saved)
    return saved


# A range finder that is silent above some altitude, a lower one after the third update, because many land by chance:
# the limits are wide. The checkpoints before and after it hold counts that are not zero.
CURRICULUM = {
    "changes": {
        "time_limit": 20.0,
        "limits.descent_rate": 100.0,
        "limits.lateral_speed": 100.0,
        "limits.tilt": 1.5,
        "limits.rate": 1.0,
        "faults.late_acquisition.probability": 1.0,
        "faults.late_acquisition.altitude": [10.0, 1_000.0],
    },
    "practice": {"start.progress": [0.9, 1.0]},
    "curriculum": {"start": 0.25, "step": 0.25, "promote_at": 0.5, "episodes": 8},
}


@pytest.mark.parametrize(
    "memory, critic, count, changes",
    [
        ("none", "same", 10, {}),
        ("gru", "privileged", 2, {}),  # the curriculum's has the same memory
        ("lstm", "same", 2, {}),
        ("gru", "privileged", 10, CURRICULUM),
    ],
    ids=["none", "gru", "lstm", "curriculum"],
)
def test_a_run_killed_at_any_moment_ends_with_the_same_bits(memory, critic, count, changes, tmp_path):
    wanted = tiny(memory, critic, **changes)
    whole = tmp_path / "whole"
    whole.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        fuse = Fuse(patch)
        fly(wanted, whole, resume=False)
    expected = end_of(wanted, whole)
    if changes:
        assert expected["curriculum"]["severity"] == 0.5, "no promotion to go through"
    first = fuse.moments.index("put checkpoint.pt in place") + 2  # counted from 1, and after it is in place
    named = {
        name: [n for n, moment in enumerate(fuse.moments, 1) if moment == name and n >= first]
        for name in set(fuse.moments)
    }
    draw = random.Random(5)
    kills = [draw.choice(named[name]) for name in ("fly", "update", "change weights", "begin to write", "half written")]
    # The first moves the newest checkpoint out of the way, the second puts the next one there.
    kills += [draw.choice(named[f"put {name} in place"]) for name in ("checkpoint.previous.pt", "checkpoint.pt")]
    kills += [draw.choice(named["put policy.safetensors in place"])]
    kills += draw.sample(range(first, len(fuse.moments) + 1), 2)
    for number, moment in enumerate(kills[-count:]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            Fuse(patch, burns_for=moment)
            fly(wanted, folder, resume=False)
        fly(wanted, folder, resume=True)
        wrong = differences(end_of(wanted, folder), expected)
        assert not wrong, f"killed before {fuse.moments[moment - 1]!r}, moment {moment}: {wrong[:5]}"


def test_how_often_a_run_is_saved_changes_nothing_in_it(tmp_path):
    ends = []
    for pause in (1e-6, 1e6):
        wanted, folder = tiny("gru", "same", checkpoint_every=pause), tmp_path / str(pause)
        folder.mkdir()
        fly(wanted, folder, resume=False)
        ends.append({name: part for name, part in end_of(wanted, folder).items() if name != "experiment"})
    assert not differences(*ends)


def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    wanted = tiny("gru", "privileged")
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    folder.mkdir()
    fly(wanted, whole, resume=False)
    draw, kills, ended = random.Random(6), 0, False
    while not ended:
        with pytest.MonkeyPatch.context() as patch:
            Fuse(patch, burns_for=draw.randrange(20, 40))
            try:
                fly(wanted, folder, resume=kills > 0)
                ended = True
            except Killed:
                kills += 1
    assert kills >= 3
    assert not differences(end_of(wanted, folder), end_of(wanted, whole))


def command(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "agents.train", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("memory, critic, kills", [("none", "same", 1), ("gru", "privileged", 2)])
def test_a_process_that_is_killed_ends_with_the_same_bits_when_it_is_resumed(memory, critic, kills, tmp_path):
    wanted = tiny(memory, critic, total_steps=8 * 8 * 220)
    config = tmp_path / "tiny.toml"
    tables = wanted.model_dump(mode="json", exclude_unset=True)
    config.write_text("".join(f"{name} = {toml(value)}\n" for name, value in tables.items()), encoding="utf-8")
    whole = tmp_path / "whole"
    whole.mkdir()
    fly(wanted, whole, resume=False)
    expected = end_of(wanted, whole)
    draw, hits = random.Random(7), 0
    for attempt in range(3 * kills):
        folder = tmp_path / str(attempt)
        process = command(config, f"--out={folder}")
        while not (folder / "checkpoint.pt").exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 2.0))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode != -signal.SIGKILL or (folder / "evaluation.json").exists():
            continue  # it had ended
        hits += 1
        resumed = command(f"--resume={folder}")
        message = resumed.communicate(timeout=120)[1]
        assert resumed.returncode == 0, message
        assert not differences(end_of(wanted, folder), expected)
        assert (folder / "evaluation.json").exists()
        if hits == kills:
            break
    assert hits == kills


def toml(value):
    """A plain value in the words of TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)
