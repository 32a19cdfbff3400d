"""SIGTERM while a training learns: it ends after the update that is under way, with a checkpoint of that moment."""

import contextlib
import signal
from pathlib import Path
from types import TracebackType
from typing import Any

from agents.command import Terminated, on_termination


class Stopping:
    """Hears SIGTERM as long as a training learns. A second one ends the process at once, as if nobody heard.

    Args:
        folder: of the run, to say how to go on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, False
        self.listening = contextlib.ExitStack()

    def __enter__(self) -> "Stopping":
        """Listen."""
        self.listening.enter_context(on_termination(self.hear))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Listen no more; end now if that was asked for when all was learned already."""
        self.listening.close()
        if self.asked and kind is None:
            self.end()

    def hear(self, number: int, frame: Any) -> None:
        """Take note: a signal handler."""
        self.asked = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def end(self) -> None:
        """Raise Terminated: a checkpoint has been written."""
        raise Terminated(f"the newest checkpoint is of this moment, go on with --resume {self.folder}")
