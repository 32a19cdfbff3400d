"""How a command answers: options and help by tyro, one line for whatever it refuses, and an exit code.

0: done. 1: done, and a promise or a pilot failed. 2: a wrong request, refused in one line. 130: interrupted.
"""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from lunar_env.extras import BROUGHT_BY, missing

Asked = TypeVar("Asked")

# What refuses a request here and in lunar_env, and what a machine lacks: a file, space on a disk, a package. Anything
# else is a mistake in the program and keeps its traceback.
REFUSALS = (ValueError, TypeError, KeyError, RuntimeError, FloatingPointError, ImportError, OSError)


def answer(
    name: str,
    asked: type[Asked],
    work: Callable[[Asked], int | None],
    description: str | None,
    interrupted: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Run a command, and say what becomes of it.

    Args:
        name: dotted, as after ``python -m``.
        asked: dataclass of its options; their docstrings are its help.
        work: does what was asked. Returns 1 if a promise or a pilot failed, else 0 or None.
        description: above the options in its help.
        interrupted: what is said of an interruption: what stays, and how to go on.
        argv: what was asked; None for what stands on the command line.

    Returns:
        The exit code.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            arguments = tyro.cli(asked, prog=f"python -m {name}", description=description, args=argv)
    except SystemExit as ended:
        if not ended.code:  # after --help
            return 0
        print(f"error: {unframed(said.getvalue())}", file=sys.stderr)
        return 2
    try:
        return work(arguments) or 0
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        lacking = (error.name or "").split(".")[0]
        words = missing(f"python -m {name}", lacking) if lacking in BROUGHT_BY else words_of(error)
        print(f"error: {words}", file=sys.stderr)
        return 2
    except REFUSALS as error:
        print(f"error: {words_of(error)}", file=sys.stderr)
        return 2


def words_of(error: BaseException) -> str:
    """What an error says, in one line."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return "; ".join(line.strip() for line in text.splitlines() if line.strip()) or type(error).__name__


def unframed(text: str) -> str:
    """The paragraphs of tyro's words about an option in one line, without their frame, its title and its colours."""
    _, _, inside = re.sub(r"\x1b\[[\d;]*m|[│╭╮╰╯]", "", text).partition("\n")
    paragraphs = [" ".join(part.split()) for part in re.split("─+|-{4,}", inside)]
    return "; ".join(filter(None, paragraphs))
