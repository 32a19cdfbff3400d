"""rl_zoo3: the commands of the page, with its file of hyperparameters."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clients.table import PAGE

pytestmark = pytest.mark.clients


def commands() -> list[list[str]]:
    """The commands of the page that start rl_zoo3, in their order."""
    lines = PAGE.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("python -m rl_zoo3.")]


def output(command: list[str], folder: Path) -> str:
    """What a command says, where it does not fail."""
    done = subprocess.run([sys.executable, *command[1:]], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_page_train_and_enjoy(
    seen: Callable[[str, str], None], example: Path, tmp_path: Path
) -> None:
    train, enjoy = commands()
    shutil.copy(example, tmp_path / "vertical.yml")
    assert "Saving to logs/ppo/Lunar-Vertical-v0_1" in output(train, tmp_path)
    flown = output(enjoy, tmp_path)
    rate, episodes, mean = (
        re.search(pattern, flown)
        for pattern in (r"Success rate: ([\d.]+)%", r"(\d+) Episodes", r"Mean reward: (-?[\d.]+) \+/- ([\d.]+)")
    )
    assert rate and episodes and mean, flown
    saw = f"{episodes[1]} descents, mean return {mean[1]} ± {mean[2]}, landed {rate[1]} %"
    seen("`rl_zoo3.train` with `vertical.yml`, then `rl_zoo3.enjoy`", saw)
