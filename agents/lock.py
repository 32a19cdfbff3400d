"""One writer a folder: a lock that the system takes away from whoever ends, however that ends.

The lock is on the file ``.lock`` of the folder, which says who holds it. A process that is killed leaves the file, not
the lock: the next one takes it over. Of processes that learn together the first one holds it for all.
"""

import contextlib
import datetime
import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

NAME = ".lock"
NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK)  # of file systems that have none: go without


class LockedError(RuntimeError):
    """Raised when another process is writing into a folder; the message says which one."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder that is there, or raise LockedError. OSError if it cannot be written into."""
    path = folder / NAME
    file = _locked(path)
    try:
        file.seek(0)
        file.truncate()
        since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
        file.flush()
        yield
    finally:
        if sys.platform == "win32":  # which removes no file that is open; another may have it by then
            file.close()
            with contextlib.suppress(OSError):
                path.unlink()
        else:
            with contextlib.suppress(OSError):
                path.unlink()  # before another can have it
            file.close()


def _locked(path: Path) -> IO[str]:
    """The open lock file, locked. Begins anew if its holder has removed it in between."""
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115, it is open as long as it is locked
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            file.close()
            raise LockedError(
                f"{path.parent} is being written by {holder}; wait for it, end it, or choose another folder"
            ) from None
        file.close()


def _lock(file: IO[str]) -> None:
    """Lock an open file now, or raise BlockingIOError. The lock goes with the process."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1_000)  # beyond what is written, which others want to read
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
