"""How a command answers: options and help by tyro, one line for whatever it refuses, and an exit code.

0: done. 1: done, and a promise or a pilot failed. 2: a wrong request, refused in one line. 70: a mistake in the
program, whose traceback is in a file that the line names. 130: interrupted. 141: nobody reads the output any more, as
behind ``| head``. 143: terminated (SIGTERM).
"""

import contextlib
import io
import linecache
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from lunar_env.extras import BROUGHT_BY, missing
from lunar_env.pages.reader import is_output_closed, while_read
from lunar_env.quantities import shown

Asked = TypeVar("Asked")

# What refuses a request here and in lunar_env, and what a machine lacks: a file, space on a disk, a package, memory
# (torch's own error for that is a RuntimeError, as is too deep a nesting). Anything else is a mistake in the program.
REFUSALS = (
    *(ValueError, TypeError, KeyError, RuntimeError, FloatingPointError, OverflowError),
    *(ImportError, OSError, MemoryError),
)
ON_PURPOSE = (TypeError, KeyError)  # refusals if they were raised, mistakes if Python or a library ran into them
MISTAKE, INTERRUPTED, TERMINATED = 70, 130, 143


class Terminated(KeyboardInterrupt):
    """Raised when the process is asked to end (SIGTERM), so that nothing half done stays behind.

    It passes wherever an interruption passes: a pilot's code that was under way has not failed.
    """


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
    return while_read(lambda: answered(name, asked, work, description, interrupted, argv))


def answered(
    name: str,
    asked: type[Asked],
    work: Callable[[Asked], int | None],
    description: str | None,
    interrupted: str,
    argv: Sequence[str] | None,
) -> int:
    """The exit code of a command that says on the standard error output what it refuses, see ``answer``."""
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
        with on_termination(terminate):
            return work(arguments) or 0
    except Terminated as ended:
        print(f"terminated; {str(ended) or interrupted}", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        lacking = (error.name or "").split(".")[0]
        words = missing(f"python -m {name}", lacking) if lacking in BROUGHT_BY else words_of(error)
        print(f"error: {words}", file=sys.stderr)
        return 2
    except REFUSALS as error:
        if isinstance(error, BrokenPipeError) and is_output_closed():
            raise
        if isinstance(error, ON_PURPOSE) and not raised(error):
            return mistake(name, error)
        print(f"error: {words_of(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        return mistake(name, error)


@contextlib.contextmanager
def on_termination(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Let a function hear of SIGTERM. Nothing happens in another thread than the first, which alone hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def terminate(number: int, frame: Any) -> None:
    """End at once, but in order: a signal handler."""
    raise Terminated


def raised(error: BaseException) -> bool:
    """Whether an error was raised by a statement that says so; if its source is not here, it counts as one."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return True
    line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()
    return not line or line.startswith("raise")


def mistake(name: str, error: BaseException) -> int:
    """Say that the program is wrong, and put the traceback where it can be found. Returns the exit code."""
    what = f"{type(error).__name__}: {words_of(error)}"
    lines = "".join(traceback.format_exception(error))
    path = Path(tempfile.gettempdir()) / f"lunar_env.{name}.{os.getpid()}.traceback.txt"
    try:
        path.write_text(f"python -m {name}: {sys.argv[1:]}\n{lines}", encoding="utf-8", errors="backslashreplace")
    except OSError:
        print(lines, file=sys.stderr)  # better seen than lost
    else:
        what += f"; the traceback is in {path}"
    print(f"unexpected error, a mistake in the program: {what}", file=sys.stderr)
    return MISTAKE


def require_count(option: str, number: int, least: int, most: int) -> None:
    """Raise ValueError if an option's number is too small or too large."""
    if number < least:
        raise ValueError(f"--{option} must be at least {least}, got {shown(number)}")
    if number > most:
        raise ValueError(f"--{option} must be at most {most:,}, got {shown(number)}")


def words_of(error: BaseException) -> str:
    """What an error says, in one line."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    nothing = "not enough memory" if isinstance(error, MemoryError) else type(error).__name__
    return "; ".join(line.strip() for line in text.splitlines() if line.strip()) or nothing


def unframed(text: str) -> str:
    """The paragraphs of tyro's words about an option in one line, without their frame, its title and its colours."""
    _, _, inside = re.sub(r"\x1b\[[\d;]*m|[│╭╮╰╯]", "", text).partition("\n")
    paragraphs = [" ".join(part.split()) for part in re.split("─+|-{4,}", inside)]
    return "; ".join(filter(None, paragraphs))
