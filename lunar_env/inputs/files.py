"""Files that a command is to write: what cannot be written is refused before anything is flown, and leaves nothing."""

from pathlib import Path


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written; its folder has to be there. Raises ValueError that says why."""
    fresh = not path.exists()
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}; choose another --out") from None
    if fresh:
        path.unlink()
