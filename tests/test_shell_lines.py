"""Every line of the shell blocks of README.md and docs/ runs as printed, shortened by options that are documented.

A page's lines run in their order, in a folder that looks like a fresh checkout, in this process: what
``python -m NAME`` would run is called with the line's words. What a line is shortened by stands in ``SHORT``, one row a
command; what stands for a name of the reader's, in ``NAMED``; what is looked at but not run, in ``FORM_ONLY``.
"""

import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import ROOT
from test_documentation import SHELLS, blocks

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What is typed for a name that stands for the reader's own, and for a number that would take minutes.
NAMED = {
    "configs/NAME.toml": "configs/vertical_truth.toml",
    "runs/NAME": "runs/shipped",
    "runs/curves/A": "runs/curves/vertical_truth",
    "runs/curves/B": "runs/curves/vertical_truth",
    "runs/DIR": "runs/reference",
    "total_steps=1_000_000": "total_steps=8192",
    "trial_0007": "trial_0000",  # the first, of the one that there is
    "--seeds 5": "--seeds 1",
}

# Not run, but of a form that is right: what it is, and why not.
FORM_ONLY = {
    r"pip install ": "installs",
    r"python3 -m venv ": "installs",
    r"make [a-z]+": "installs, and runs what other tests run",
    r"tensorboard --logdir runs$": "serves until it is stopped",
    r"python -m lunar_env\.bench --device cuda": "needs a GPU",
    r"make gpu-check|(WARP_CACHE_PATH=kit/kernels )?python -m agents\.gpu( --only.*| --reference.*)?$": "needs a GPU",
    r"python -m agents\.search .*--storage": "needs a database",
    r"#SBATCH|srun |head=": "needs a cluster",
    r"python -m rl_zoo3\.": "needs a client's own environment: make clients runs it",
}

TINY = "num_envs=64 total_steps=1024 ppo.steps=8 ppo.batch_size=256 ppo.epochs=1 evaluation.episodes=4"
SEARCHED = "num_envs=256 total_steps=8192 evaluation.episodes=4"


@dataclass(frozen=True)
class Short:
    """How a command is shortened."""

    options: str = ""  # put behind its words
    changes: str = ""  # put before what it sets, or behind --set
    slow: bool = False  # takes more than a few seconds nevertheless
    codes: tuple[int, ...] = (0,)  # 1 where a promise may be missed in so few flights


SHORT = {
    "agents.evaluate": Short("--episodes 4"),
    "agents.frontier": Short("--episodes 64 --approaches 4", slow=True, codes=(0, 1)),
    "agents.results": Short("--only vertical_truth", slow=True),
    "agents.limits.rocket_1969": Short(slow=True),
    "agents.pages.pilots": Short("--pinpoint 0"),
    "agents.export": Short("", slow=True),
    "agents.train": Short(changes=TINY, slow=True),
    "agents.curves": Short("--episodes 4", changes=TINY, slow=True),
    "agents.gpu": Short("--only agreement", slow=True),
    "agents.gpu.pack": Short(slow=True),
    "agents.search": Short("--trials 1", changes=SEARCHED, slow=True),
    "agents.training.speed": Short("--rounds 1 --num-envs 64 --updates 2", slow=True, codes=(0, 1)),
    "lunar_env.missions": Short("--episodes 2", slow=True, codes=(0, 1)),
    "lunar_env.bench": Short("--quick", slow=True, codes=(0, 1)),
    "lunar_env.bench.machine_code": Short(slow=True, codes=(0, 1)),
}


@dataclass(frozen=True)
class Line:
    """A command of a page."""

    page: str
    number: int
    text: str

    @property
    def name(self) -> str:
        """The module that it runs, "" if none."""
        found = re.match(r"(?:python|torchrun .*?) -m ([\w.]+)", self.text)
        return found[1] if found else ""

    @property
    def why_not(self) -> str:
        """Why it is not run; "" if it is."""
        return next((reason for form, reason in FORM_ONLY.items() if re.match(form, self.text)), "")

    @property
    def slow(self) -> bool:
        """Whether it takes more than a few seconds."""
        return self.text.startswith("torchrun") or SHORT[self.name].slow


def lines(page: Path) -> Iterator[Line]:
    """The commands of a page: continued lines as one, joined ones apart, without comments and prompts."""
    for block in blocks(page):
        if block.tag not in SHELLS:
            continue
        number, whole = block.line, ""
        for offset, text in enumerate(block.text.splitlines()):
            if not whole:
                number = block.line + offset
            whole += text.strip().removeprefix("$ ")
            if whole.endswith("\\"):
                whole = whole[:-1]
                continue
            for part in whole.split(" && "):
                part = re.split(r"\s+#\s", part)[0].removesuffix(" &").strip()
                if part and not part.startswith("#!") and not part.startswith(". .venv/"):
                    yield Line(page.name, number, part)
            whole = ""


EVERY_LINE = [line for page in PAGES for line in lines(page)]


def shortened(line: Line) -> list[str]:
    """The words of a line as they are run."""
    text = line.text
    for placeholder, name in NAMED.items():
        text = re.sub(rf"{re.escape(placeholder)}(?![\w/])", name, text)
    words = [str(one) for word in shlex.split(text) for one in (sorted(Path().glob(word)) if "*" in word else [word])]
    words = words[words.index(line.name) + 1 :]
    short = SHORT[line.name]
    if "--resume" in words or "--draw" in words:
        return words
    if "--pinpoint" in words or line.name != "agents.pages.pilots":
        words += short.options.split()
    if short.changes and "--set" in words:
        place = words.index("--set") + 1
        return [*words[:place], *short.changes.split(), *words[place:]]
    return [*words, *(["--set", *short.changes.split()] if short.changes else [])]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a fresh checkout has, and the reader's own file; what is written there stays there."""
    for name in ("configs", "agents", "lunar_env"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "runs" / "results", tmp_path / "runs" / "results")
    for folder in sorted((ROOT / "runs").iterdir()):
        if (folder / "policy.json").is_file():
            shutil.copytree(folder, tmp_path / "runs" / folder.name)
    pilot = next(block for block in blocks(ROOT / "docs" / "pilots.md") if block.tag == "python")
    (tmp_path / "my_file.py").write_text(f"{pilot.text}\n\nclass MyPilot(StoppingCurve):\n    pass\n", encoding="utf-8")
    markers = "<!-- measured: begin -->\n<!-- measured: end -->\n"
    (tmp_path / "my_page.md").write_text(markers, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


def run(line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a line, and fail with what it said if it fails."""
    words = shortened(line)
    if line.text.startswith("torchrun"):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*launch, line.name, *words], env=environment, capture_output=True, text=True)
        code, said = done.returncode, done.stdout + done.stderr
    else:
        place = ROOT.joinpath(*line.name.split("."))
        monkeypatch.setattr(sys, "argv", [f"python -m {line.name}", *words])
        for name in [name for name in sys.modules if name.startswith(("lunar_env.", "agents.")) and "__main__" in name]:
            monkeypatch.delitem(sys.modules, name)  # a program begins without what another test has imported of it
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(place / "__main__.py" if place.is_dir() else f"{place}.py"), run_name="__main__")
        code = ended.value.code or 0
        said = "".join(capsys.readouterr())
    assert code in SHORT[line.name].codes, f"{line.page}:{line.number}: {line.text}\nran as {words}\n{said}"


def test_each_line_is_run_or_has_a_reason_not_to_be() -> None:
    for line in EVERY_LINE:
        where = f"{line.page}:{line.number}: {line.text}"
        assert line.why_not or line.name in SHORT, f"{where}: give it a row in SHORT or FORM_ONLY"
        assert shlex.split(line.text), where
    assert {line.name for line in EVERY_LINE if not line.why_not} - {""} <= {*SHORT, "venv", "pytest"}


def test_what_is_not_run_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in EVERY_LINE:
        if made := re.match(r"make ([a-z-]+)", line.text):
            assert made[1] in targets, line
        if line.text.startswith("tensorboard"):
            assert importlib.util.find_spec("tensorboard")


def some(slow: bool) -> list[str]:
    """Names of pages with lines that run, quickly or not."""
    return list(dict.fromkeys(line.page for line in EVERY_LINE if not line.why_not and line.slow == slow))


# Those of README are alike, and run every time.
QUICK = [pytest.param(page, marks=pytest.mark.slow if page == "pilots.md" else []) for page in some(slow=False)]


@pytest.mark.parametrize("page", QUICK)
def test_the_quick_lines_of_a_page_run(
    page: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in EVERY_LINE:
        if line.page == page and not line.why_not and not line.slow and "somewhere/" not in line.text:
            run(line, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("page", some(slow=True))
def test_all_lines_of_a_page_run(
    page: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in EVERY_LINE:
        if line.page == page and not line.why_not:
            run(line, monkeypatch, capsys)
