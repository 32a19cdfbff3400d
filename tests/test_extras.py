"""A missing package is one message in one form, wherever it is missed; and every page brings what it runs."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import ROOT
from test_architecture import NAMES, imports, own_file
from test_documentation import OUR_COMMAND, PAGES, commands

import agents
from agents.command import answer
from lunar_env import Descent, extras, load_scenario
from lunar_env.extras import BROUGHT_BY, install, missing, need

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
FORM = r"^(error: )?\S.* needs {package}: pip install -e '\.\[{extra}\]'$"


def packages(extra: str) -> set[str]:
    """Names of the packages that an extra installs."""
    return {re.split(r"[<>=;\[ ]", line)[0] for line in EXTRAS[extra]}


def test_each_package_is_in_the_extra_that_the_message_names() -> None:
    for module, (package, extra) in BROUGHT_BY.items():
        assert package in packages(extra), f"{module}: {extra} does not bring {package}"


def test_the_message_is_the_checkouts_or_the_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing("X", "pygame") == "X needs pygame-ce: pip install -e '.[render]'"
    monkeypatch.setattr(extras, "CHECKOUT", False)
    assert missing("X", "pygame") == "X needs pygame-ce: pip install 'lunar-env[render]'"
    assert missing("X", "cvxpy", "clarabel") == "X needs cvxpy and clarabel: pip install 'lunar-env[convex]'"
    assert install("train", "report", "train") == "pip install 'lunar-env[train,report]'"


def again(*names: str) -> Callable[..., Any]:
    """Import the last of our files as if nobody had imported any of them yet."""

    def work(patch: pytest.MonkeyPatch, folder: Path) -> None:
        for name in names:
            patch.delitem(sys.modules, name, raising=False)
        importlib.import_module(names[-1])

    return work


def geotiff(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "site.tif").write_bytes(b"")
    Descent(load_scenario("vertical", **{"terrain.map": str(folder / "site.tif")}), 1)


def onnx_pilot(patch: pytest.MonkeyPatch, folder: Path) -> None:
    from agents.policy.onnx_pilot import OnnxPilot

    OnnxPilot(folder / "policy.onnx", load_scenario("vertical"), torch.device("cpu"))


def curve(patch: pytest.MonkeyPatch, folder: Path) -> None:
    from agents.scoring.learning_curve import read_updates

    read_updates(folder)


def command(name: str) -> Callable[..., Any]:
    """Start a command as ``python -m`` does."""

    def work(patch: pytest.MonkeyPatch, folder: Path) -> None:
        agents.require(name, agents.COMMANDS_NEED.get(name, ()))
        agents.require(name, agents.EVERYWHERE)

    return work


DRAWING = ("lunar_env.rendering.instruments", "lunar_env.rendering.draw")
MISSED = [
    ("pygame", again(*DRAWING)),
    ("tifffile", geotiff),
    ("stable_baselines3", again("lunar_env.sb3")),
    ("cvxpy", again("agents.guidance.convex")),
    ("onnx", onnx_pilot),
    ("onnxruntime", onnx_pilot),
    ("tensorboard", curve),
    *((module, command("agents.train")) for module in agents.EVERYWHERE),
    *((module, command(name)) for name, modules in agents.COMMANDS_NEED.items() for module in modules),
]


@pytest.mark.parametrize(("module", "work"), MISSED)
def test_what_is_missed_says_who_needs_it_and_what_brings_it(
    module: str, work: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises((ImportError, ValueError)) as caught:
        work(monkeypatch, tmp_path)
    package, extra = BROUGHT_BY[module]
    text = str(caught.value).replace(" and clarabel", "")
    assert re.match(FORM.format(package=package, extra=extra), text), text


def test_a_command_that_misses_one_on_the_way_says_so_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Asked:
        pass

    def work(asked: Asked) -> None:
        raise ModuleNotFoundError("No module named 'rsl_rl.algorithms'", name="rsl_rl.algorithms")

    assert answer("agents.train", Asked, work, "", "", []) == 2
    assert capsys.readouterr().err == "error: python -m agents.train needs rsl-rl-lib: pip install -e '.[train]'\n"


@pytest.mark.parametrize("name", ["pygame", "not_there"])
def test_needing_imports_or_says_why_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert need("numbers", "scipy.stats").binomtest
    monkeypatch.setitem(BROUGHT_BY, "not_there", ("not-there", "train"))
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"^this needs {BROUGHT_BY[name][0]}: pip install"):
        need("this", name)


def test_a_command_without_its_package_is_refused_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    hidden = "import sys, runpy; sys.modules['cvxpy'] = None; sys.argv = ['-m', '--help']; "
    hidden += "sys.orig_argv = ['python', '-m', 'agents.frontier', '--help']; import agents"
    done = subprocess.run(
        [sys.executable, "-c", hidden], cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 2
    assert done.stderr == "error: agents.frontier needs cvxpy: pip install -e '.[convex]'\n"
    assert not list(tmp_path.iterdir())


# Pages ------------------------------------------------------------------------------------------------------------


def needed(name: str) -> set[str]:
    """Optional modules without which a command does not start, from its imports and from ``COMMANDS_NEED``."""
    file = name if name in NAMES and not (ROOT.joinpath(*name.split(".")).is_dir()) else f"{name}.__main__"
    waiting, seen, found = [file], set(), set(agents.COMMANDS_NEED.get(name, ()))
    if name.startswith("agents."):
        found |= set(agents.EVERYWHERE)
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for _, imported in imports(NAMES[here], on_import_only=True):
            ours = own_file(imported)
            if ours:
                waiting.append(ours)
            elif imported.split(".")[0] in BROUGHT_BY:
                found.add(imported.split(".")[0])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_pages_install_line_brings_what_its_commands_need(page: Path) -> None:
    """What a command takes at once; ``algorithm=sb3...`` and the like bring what they need by ``train``."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"pip install[^\n`]*(?:lunar-env|\.)\[([\w,]+)\]", text)
    there = set().union(*(packages(extra) for line in lines for extra in line.split(",")))
    for line, command_text in commands(page):
        if named := OUR_COMMAND.match(command_text):
            for module in needed(named[1].removesuffix(".")):
                package, extra = BROUGHT_BY[module]
                assert package in there, f"{page.name}:{line} needs {package}; its install line lacks {extra!r}"
