"""What a pilot did wrong: one call of its code with whatever it raises, its action, and how both are told.

A pilot is a stranger's code. It may raise anything, ``SystemExit`` included, and return anything. None of that may cost
another pilot its results or end the program, so every call goes through ``called``, every action through ``checked``.
Only ``KeyboardInterrupt`` passes: it is the user's. A process that ends itself (``os._exit``, a fault in a library)
takes all with it, which nothing inside the process can prevent.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from lunar_env.flying.pilot import PilotError
from lunar_env.inputs.actions import as_tensor, form_of

Result = TypeVar("Result")
HERE = Path(__file__).parent
LONGEST = 500  # letters of an error that are quoted in a line
NOT_FINITE = "returned an action that is not finite"


@dataclass(frozen=True)
class Failure:
    """A pilot that failed in an episode, or in several that it flew together: which of them is not known then."""

    first: int  # episode, or the first of them
    episodes: int  # that it ended, flown together
    decision: int  # number of the decision, from 0
    what: str  # it did
    traceback: str = ""  # empty for what it returned

    def __str__(self) -> str:
        together = "" if self.episodes == 1 else f" and {self.episodes - 1:,} that flew with it"
        return f"episode {self.first:,}{together}, decision {self.decision:,}: {self.what}"


def called(function: Callable[..., Result], *arguments: Any, passing: tuple[type[BaseException], ...] = ()) -> Result:
    """What a pilot's code gives. Raises PilotError from whatever it raises, but for ``KeyboardInterrupt``.

    Args:
        function: the pilot's.
        arguments: for it.
        passing: errors that say something of the request, and pass as they are.
    """
    try:
        return function(*arguments)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, *passing)) or type(error) is PilotError:
            raise
        raise PilotError(line_of(error)) from error


def checked(action: Any, table: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """A pilot's action as a copy of its numbers (N, action_size), which may hold what is not finite.

    Args:
        action: what the pilot returned.
        table: the batch's own table of actions, of that shape.
        names: of the numbers.

    Raises:
        PilotError: it has another shape, or holds no real numbers.
    """
    expected = tuple(table.shape)
    try:
        return as_tensor(action, expected, names).to(table.device, torch.float32, copy=True)
    except ValueError:
        raise PilotError(f"returned {form_of(action)} where real numbers of shape {expected} are needed") from None


def line_of(error: BaseException) -> str:
    """An error in a line: its kind, its words, and the line of the pilot's own file that raised it."""
    kind = type(error).__name__
    words = words_of(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent != HERE]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"raised {kind}: {words}{place}" if words else f"raised {kind}{place}"


def words_of(error: BaseException) -> str:
    """What an error says, in one line of at most ``LONGEST`` letters, even if saying it is an error too."""
    return " ".join(str(traceback.TracebackException.from_exception(error)).split())[:LONGEST]


def traceback_of(error: PilotError) -> str:
    """The traceback of what a pilot raised; empty for what it returned."""
    cause = error.__cause__
    return "" if cause is None else "".join(traceback.format_exception(type(cause), cause, cause.__traceback__))
