"""What the documents say is true: Python blocks run, commands and configs exist."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from helpers import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

# Their blocks are files, which other tests run: test_extending.py, and those that `make clients` starts.
MADE_OF_FILES = ("extending.md", "clients.md")
SHELLS = ("bash", "console")
# Any other tag would be a block that nobody checks, so it has to be written in one of these ways.
TAGS = {"python", "diff", *SHELLS, "toml", "text", "json", "bibtex", "mermaid"}
OUR_COMMAND = re.compile(r"(?:\$ )?python -m ((?:agents|lunar_env)\.[\w.]+)")
CONFIG = re.compile(r"\bconfigs/[\w-]+\.toml\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    tag: str
    line: int  # of its first line of content, counted from 1
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """All fenced blocks of a page, indented ones included."""
    opened: tuple[str, str, int] | None = None  # fence, tag, line
    content: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", line)
        if opened is None and fence:
            opened, content = (fence[1], fence[2], number + 1), []
        elif opened and fence and fence[1].startswith(opened[0]) and not fence[2]:
            yield Block(opened[1], opened[2], dedent("\n".join(content)) + "\n")
            opened = None
        elif opened:
            content.append(line)
    assert opened is None, f"{page.name}:{opened[2] - 1}: this block is never closed"


def commands(page: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of each line in the shell blocks of a page."""
    for block in blocks(page):
        if block.tag in SHELLS:
            yield from enumerate((line.strip() for line in block.text.splitlines()), start=block.line)


@EACH_PAGE
def test_every_block_has_a_tag_that_is_checked(page: Path) -> None:
    for block in blocks(page):
        assert block.tag in TAGS, f"{page.name}:{block.line}: tag {block.tag!r}; use one of {sorted(TAGS)}"


@EACH_PAGE
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        if block.tag == "python" and page.name not in MADE_OF_FILES:
            # Blank lines put the block where it stands, so that a traceback names the line of the page.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, namespace)


def test_the_first_block_lands(capsys: pytest.CaptureFixture[str]) -> None:
    first = next(block for block in blocks(ROOT / "README.md") if block.tag == "python")
    exec(compile(first.text, "README.md", "exec"), {"__name__": "__main__"})
    said = re.search(r"print\(.*# (LANDED .*)\n", first.text)
    assert said and capsys.readouterr().out.strip() == said[1]


@EACH_PAGE
def test_commands_name_modules_that_exist(page: Path) -> None:
    for line, text in commands(page):
        if named := OUR_COMMAND.match(text):
            path = ROOT.joinpath(*named[1].split("."))
            exists = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
            assert exists, f"{page.name}:{line}: there is no module {named[1]}"


@EACH_PAGE
def test_commands_name_configs_that_exist(page: Path) -> None:
    for line, text in commands(page):
        for config in CONFIG.findall(text):
            placeholder = Path(config).stem.isupper()  # configs/NAME.toml
            assert placeholder or (ROOT / config).is_file(), f"{page.name}:{line}: there is no {config}"


@EACH_PAGE
def test_commands_name_make_targets_that_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line, text in commands(page):
        if named := re.match(r"(?:\$ )?make ([a-z-]+)", text):
            assert named[1] in targets, f"{page.name}:{line}: the Makefile has no {named[1]!r}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "results.md"], ids=lambda page: page.name)
def test_what_was_found_false_is_not_said_again(page: Path) -> None:
    """Figures of others beside sets that are not theirs, a largest value as a worst case, pilots nobody tried."""
    text = " ".join(page.read_text(encoding="utf-8").split())
    for words in ("at worst", "takes beams alone", "as published", "at best", "GNAV", "Every landing's propellant"):
        assert words not in text, words
    assert "not asked to come down at the pad" in text and "dispersions of gravity and mass" in text


def test_every_config_is_toml() -> None:
    assert CONFIGS, "configs/ holds no experiment"
    for config in CONFIGS:
        try:
            tomllib.loads(config.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            pytest.fail(f"{config.name}: {error}")
