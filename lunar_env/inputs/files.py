"""Files that a command is to write: what cannot be written is refused before anything is flown, and leaves nothing."""

from pathlib import Path


def require_writable(path: Path, option: str = "--out") -> None:
    """Refuse a file that cannot be written; its folder has to be there. Raises ValueError that says why.

    Args:
        path: the file.
        option: of the command line, by which another would be chosen.
    """
    fresh = not path.exists()
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}; choose another {option}") from None
    if fresh:
        path.unlink()
