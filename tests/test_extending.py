"""docs/extending.md works: all that it adds, put into a copy of the project, passes its own tests in a new process."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT
from test_documentation import Block, blocks

PAGE = ROOT / "docs" / "extending.md"
COPIED = ("lunar_env", "agents", "configs", "pyproject.toml")


def path_of(block: Block) -> Path:
    """The file that a block is about, as its first line names it."""
    named = re.match(r"# ([\w/]+\.py)\n", block.text)
    assert named, f"{PAGE.name}:{block.line}: begin the block with the path of its file"
    return Path(named[1])


def extended(source: str, diff: str) -> str:
    """A file after a diff: each hunk stands where its lines, without the added ones, stand in the file."""
    for hunk in diff.split("@@\n"):
        lines = [line for line in hunk.splitlines() if not line.startswith("#")]
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        assert source.count(before) == 1, f"{PAGE.name}: these lines should stand once in the file:\n{before}"
        source = source.replace(before, after)
    return source


def put_into(copy: Path) -> list[Path]:
    """All that the page adds. Returns the tests among it."""
    tests = []
    for block in blocks(PAGE):
        path = copy / path_of(block)
        if block.tag == "diff":
            path.write_text(extended(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
            continue
        assert not (ROOT / path_of(block)).exists(), f"{path} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        tests += [path] if path.name.startswith("test_") else []
    return tests


def test_what_the_page_adds_flies_and_passes_its_tests(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    tests = put_into(tmp_path)
    assert len(tests) == 5
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_each_addition_is_one_file_and_its_test() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        paths = re.findall(r"^# ([\w/]+\.py)$", section, re.MULTILINE)
        assert len(paths) == 2 and paths[1].startswith("tests/"), section.splitlines()[0]
