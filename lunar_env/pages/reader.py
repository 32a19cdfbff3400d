"""What a command does when nobody reads its output any more, as behind ``| head``: it ends, quietly."""

import os
import select
import sys
from collections.abc import Callable

NOBODY_READS = 141  # exit code: what a shell says of a process that ended of SIGPIPE


def while_read(main: Callable[[], int]) -> int:
    """Run a command until it is done, or until its standard output is closed at the other end.

    Returns:
        Its exit code, or ``NOBODY_READS``.
    """
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()  # now, for at its very end Python could only complain
    except BrokenPipeError:
        if not is_output_closed():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # takes what is still in the buffer
        return NOBODY_READS


def is_output_closed() -> bool:
    """Whether nobody reads the standard output any more. Windows cannot tell."""
    if sys.platform == "win32":
        return True
    waiting = select.poll()
    waiting.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in waiting.poll(0))
