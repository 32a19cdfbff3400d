"""Commands answer alike: help with defaults, one line for a wrong request, the same exit codes."""

import dataclasses
import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import torch
from helpers import ROOT

pytest.importorskip("tyro")
pytest.importorskip("matplotlib")
pytest.importorskip("optuna")
pytest.importorskip("pydantic")

from agents.command import answer, words_of


@dataclasses.dataclass(frozen=True)
class Command:
    """How to ask a command for something."""

    enough: tuple[str, ...] = ()  # that it begins
    wrong: tuple[str, ...] = ()  # a value that it refuses, and
    words: str = ""  # how


COMMANDS = {
    "agents.train": Command(("nowhere.toml",), ("nowhere.toml",), "no configuration nowhere.toml"),
    "agents.evaluate": Command((), ("--episodes=0",), "--episodes must be at least 1, got 0"),
    "agents.curves": Command(("nowhere.toml",), ("nowhere.toml", "--seeds=0"), "--seeds must be at least 1, got 0"),
    "agents.results": Command((), ("--only", "nothing"), "unknown result 'nothing'"),
    "agents.export": Command(("nowhere",), ("nowhere",), "no policy in nowhere"),
    "agents.frontier": Command((), ("--approaches=-1",), "--approaches must be at least 0, got -1"),
    "agents.gpu": Command((), ("--only", "nothing"), "--only knows 'first step'"),
    "agents.gpu.pack": Command(("nowhere",), ("nowhere", "--arch=12"), "the architecture must be one of"),
    "agents.search": Command(("nowhere.toml",), ("nowhere.toml",), "cannot read nowhere.toml"),
    "agents.training.speed": Command((), ("--rounds=0",), "--rounds must be at least 1, got 0"),
    "agents.pages.pilots": Command((), ("--page=nowhere.md",), "the page nowhere.md cannot be read"),
    "agents.limits.rocket_1969": Command(),
}
EACH = pytest.mark.parametrize("name", COMMANDS)


def module_of(name: str):
    return importlib.import_module(f"{name}.__main__" if name in ("agents.search", "agents.gpu") else name)


def called(name: str, *arguments: str, work=None) -> int:
    """What ``python -m NAME ARGUMENTS`` does, with another piece of work if one is given, and its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        patch.setenv("COLUMNS", "200")
        if work is not None:
            patch.setattr(module_of(name), "run", work)
        return module_of(name).main()


def raising(error: BaseException):
    """Work that ends with an error, raised on purpose."""

    def work(arguments):
        raise error

    return work


def test_every_command_is_looked_at_here():
    found = set()
    for path in sorted((ROOT / "agents").rglob("*.py")):
        if re.search(r'^if __name__ == "__main__":', path.read_text(encoding="utf-8"), re.MULTILINE):
            found.add(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__"))
    assert found == set(COMMANDS)


@EACH
def test_help_shows_every_option_with_its_default(name, capsys):
    assert called(name, "--help") == 0
    printed = capsys.readouterr()
    assert not printed.err
    shown = " ".join(printed.out.split())
    assert f"usage: python -m {name} " in shown
    for option in dataclasses.fields(module_of(name).Arguments):
        if option.default is not dataclasses.MISSING:
            default = "" if option.default == () else "''" if option.default == "" else str(option.default)
            assert f"(default: {default})" in shown, option.name
    assert shown.count("(default: ") + shown.count("(required)") == len(dataclasses.fields(module_of(name).Arguments))


@EACH
def test_an_unknown_option_is_refused_in_one_line(name, capsys):
    assert called(name, *COMMANDS[name].enough, "--episodez=5", work=raising(AssertionError("it began"))) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert "--episodez" in message and f"python -m {name} --help" in message
    assert not re.search("[│╭╰─\x1b]", message), "the frame is left"


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.wrong])
def test_a_wrong_value_is_refused_in_one_line_without_a_traceback(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert called(name, *COMMANDS[name].wrong) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1, message
    assert COMMANDS[name].words in message
    assert list(tmp_path.iterdir()) == [], "it left something"


def test_a_value_of_the_wrong_kind_is_refused_in_one_line(capsys):
    assert called("agents.evaluate", "--episodes", "many", work=raising(AssertionError("it began"))) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: Error parsing --episodes: ") and "'many'" in message and message.count("\n") == 1
    assert called("agents.search") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: Missing from python -m agents.search: PATH") and message.count("\n") == 1


@EACH
def test_an_interruption_says_what_stays_and_how_to_go_on(name, capsys):
    assert called(name, *COMMANDS[name].enough, work=raising(KeyboardInterrupt())) == 130
    message = capsys.readouterr().err
    assert message.startswith("interrupted; ") and message.count("\n") == 1
    assert re.search("same command|--resume|--only", message)


@EACH
def test_a_promise_that_is_not_kept_is_exit_code_1(name, capsys):
    assert called(name, *COMMANDS[name].enough, work=lambda arguments: 1) == 1
    assert called(name, *COMMANDS[name].enough, work=lambda arguments: None) == 0
    assert not capsys.readouterr().err


@EACH
@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (lambda arguments: 1 / 0, ZeroDivisionError),
        (lambda arguments: arguments.nothing_of_that_name, AttributeError),
        (raising(AssertionError("never")), AssertionError),
        (lambda arguments: {}["nothing of that name"], KeyError),  # that nobody raised on purpose
        (lambda arguments: None + 1, TypeError),
    ],
    ids=["division", "attribute", "assertion", "key", "type"],
)
def test_a_mistake_in_the_program_is_one_line_that_names_the_file_of_its_traceback(
    name, mistake, error, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert called(name, *COMMANDS[name].enough, work=mistake) == 70
    message = capsys.readouterr().err
    assert message.startswith(f"unexpected error, a mistake in the program: {error.__name__}: ")
    assert message.count("\n") == 1
    (kept,) = tmp_path.iterdir()
    assert message.endswith(f"; the traceback is in {kept}\n")
    text = kept.read_text(encoding="utf-8")
    assert text.startswith(f"python -m {name}: ") and "Traceback (most recent call last)" in text
    assert error.__name__ in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("unknown scenario 'x'"), "unknown scenario 'x'"),
        (ValueError("history must be 1\n  or more"), "history must be 1; or more"),
        (TypeError("a name or a Scenario"), "a name or a Scenario"),
        (RuntimeError("no CUDA device"), "no CUDA device"),
        (FloatingPointError("a reward was not finite"), "a reward was not finite"),
        (ModuleNotFoundError("No module named 'cvxpy'"), "No module named 'cvxpy'"),
        (FileNotFoundError(2, "No such file or directory", "a.json"), "[Errno 2] No such file or directory: 'a.json'"),
        (ValueError(), "ValueError"),
        (MemoryError(), "not enough memory"),
        (OverflowError("int too large to convert to float"), "int too large to convert to float"),
        (RecursionError("maximum recursion depth exceeded"), "maximum recursion depth exceeded"),
        (torch.OutOfMemoryError("CUDA out of memory"), "CUDA out of memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_refused_on_purpose_is_one_line(error, words, capsys):
    assert words_of(error) == words
    assert called("agents.evaluate", work=raising(error)) == 2
    assert capsys.readouterr().err == f"error: {words}\n"


def test_a_file_that_is_not_there_needs_nobody_to_raise_it(tmp_path, capsys):
    @dataclasses.dataclass(frozen=True)
    class Arguments:
        """None."""

    def work(arguments):
        (tmp_path / "nowhere").read_text()

    assert answer("a.name", Arguments, work, "A command.", interrupted="nothing", argv=[]) == 2
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="this system sends no SIGINT")
def test_a_command_that_is_interrupted_for_real_says_so_in_its_last_line(tmp_path):
    # A job in the background may have been started deaf to SIGINT; this one listens.
    program = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "runpy.run_module('agents.evaluate', run_name='__main__')"
    line = [sys.executable, "-c", program, "--pilots=as_flown", "--episodes=200000", f"--out={tmp_path}"]
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0) as process:
        assert process.stderr is not None
        begun = process.stderr.read(1)  # of the bar
        time.sleep(0.3)  # which is made by then: nobody closes one that an interruption finds half made
        process.send_signal(signal.SIGINT)
        try:
            message = (begun + process.communicate(timeout=60)[1]).decode()
        finally:
            process.kill()
    assert process.returncode == 130, message
    assert "Traceback" not in message
    assert message.splitlines()[-1].startswith("interrupted; results are written in the end")
    assert not (tmp_path / "evaluation.json").exists()


def test_an_evaluation_that_is_terminated_has_no_failed_pilot(tmp_path):
    """SIGTERM while a pilot's code runs is nobody's failure."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import os, signal, torch\n"
        "def mine(seen):\n    os.kill(os.getpid(), signal.SIGTERM)\n    return seen[:, :3] * 0.0\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "agents.evaluate",
        f"--pilots={file}:mine",
        "--episodes=2",
        f"--out={tmp_path / 'o'}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 143 and "terminated; " in done.stderr and "failed" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="this system's pipes break otherwise")
@pytest.mark.parametrize(
    "line", [["lunar_env"], ["lunar_env", "--help"], ["agents.train", "--help"], ["agents.evaluate", "--episodes=4"]]
)
def test_a_command_whose_output_nobody_reads_ends_quietly(line, tmp_path):
    asked = [f"--out={tmp_path}", "--pilots=cautious"] if line[-1].startswith("--episodes") else []
    command = [sys.executable, "-m", *line, *asked]
    end, hole = os.pipe()
    os.close(end)
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=hole, stderr=subprocess.PIPE, text=True, timeout=120)
    finally:
        os.close(hole)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert done.returncode in (0, 141)  # argparse does not mind


def test_a_broken_pipe_of_another_kind_is_no_reader_who_left(capfd):
    @dataclasses.dataclass(frozen=True)
    class Arguments:
        """None."""

    assert answer("a.name", Arguments, raising(BrokenPipeError(32, "Broken pipe")), "A command.", "nothing", []) == 2
    assert "Broken pipe" in capfd.readouterr().err
