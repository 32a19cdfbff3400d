"""What needs the checkout says so, with the line that helps; nobody is sent to a foreign package of the same name."""

import importlib
import re
import subprocess
import sys

import pytest
from helpers import ROOT, exit_code

TEXTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("lunar_env/**/*.py"))]


def test_without_the_extra_agents_say_what_to_install_and_where():
    program = "import sys; sys.modules['tyro'] = None; import agents.train"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == ("ImportError: agents needs tyro: pip install -e '.[train]'")


def test_nothing_could_be_read_as_pip_install_agents():
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install[^\n`'\"]*\bagents\b", text), path
        if path.suffix == ".py" and "python -m agents" in text:
            assert "git clone" in text and "pip install -e" in text, f"{path} names agents without what they need"


def test_shipped_pilots_and_configurations_are_found_from_any_folder(tmp_path, monkeypatch, capsys):
    from agents import evaluate, train
    from agents.pilots import as_shown_to, make_pilot

    monkeypatch.chdir(tmp_path)
    for name in ("reference", "runs/reference", "runs/first_sight"):
        make_pilot(name, as_shown_to(name, "resilience"), 2)
    request = ["--scenario=vertical", "--pilots=reference", "--episodes=2", "--out=here"]
    assert exit_code(evaluate.main, *request) == 0 and (tmp_path / "here" / "report.html").is_file()
    small = ["num_envs=64", "total_steps=1024", "ppo.batch_size=512", "ppo.epochs=1", "evaluation.episodes=2"]
    config = "configs/vertical_truth.toml"
    assert exit_code(train.main, config, "--out=run", "--set", *small, "evaluation.pilots=[]") == 0
    capsys.readouterr()
    for command, request in (
        (evaluate.main, ["--pilots=runs/nobody", "--out=refused"]),
        (train.main, ["configs/nothing.toml", "--out=refused"]),
        (evaluate.main, ["--pilots=nowhere.py:Mine", "--out=refused"]),
    ):
        assert exit_code(command, *request) == 2
        assert str(tmp_path) in capsys.readouterr().err, "where it looked"
    assert not (tmp_path / "refused").exists()
    assert not (tmp_path / "runs").exists()


REFUSED = {
    "agents.evaluate": [
        "--pilots=nobody",
        "--scenario=nowhere",
        "--episodes=0",
        "--device=tpu",
        "--seed=-1",
        "--flight=x",
    ],
    "agents.frontier": ["--pilots=nobody", "--scenario=nowhere", "--episodes=0", "--device=tpu"],
    "agents.results": ["--only=nothing"],
    "agents.curves": ["configs/nothing.toml", "--seeds=0"],
    "agents.search": ["configs/search/nothing.toml"],
    "agents.train": ["configs/nothing.toml", "--set=device=tpu"],
}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [(name, wrong) for name, each in REFUSED.items() for wrong in each],
    ids=lambda value: value,
)
def test_a_refused_command_leaves_no_folder(name, wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = importlib.import_module(f"{name}.__main__" if name == "agents.search" else name)
    positional = {"agents.train": ["configs/vertical_truth.toml"], "agents.curves": ["configs/vertical_truth.toml"]}
    words = [*positional.get(name, []), wrong] if wrong.startswith("-") else [wrong]
    assert exit_code(command.main, *words, "--out=refused") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said
    assert not list(tmp_path.iterdir())
