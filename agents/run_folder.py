"""A run as a folder that anyone can read: what was asked, on what it ran, what came out. Writes are atomic."""

import contextlib
import datetime
import json
import os
import platform
import shutil
import socket
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from agents.lock import NAME as LOCK
from agents.lock import held

HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"  # whose process it is that writes a part of a file
WORTH_KEEPING = ("checkpoint.pt", "checkpoint.previous.pt", "policy.safetensors", "not_finite.pt")
PACKAGES = ("lunar-env", "torch", "warp-lang", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib")


class RunFolderError(RuntimeError):
    """Raised when a run's folder cannot be written or read; the message names the folder and the remedy."""


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step.

    It may be read by whom the umask lets read it, whatever made it: some libraries keep their files to themselves.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{HOST}.part")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        write(temporary)
        with contextlib.suppress(OSError):  # some file systems know no modes
            os.chmod(temporary, mode)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except Exception as error:  # on a full disk torch and safetensors raise errors of their own kinds
        reason = getattr(error, "strerror", None) or error
        raise RunFolderError(f"cannot write {path}: {reason}; free the disk or choose another --out") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomic(path, lambda temporary: put_text(temporary, text))


def put_text(path: Path, text: str) -> None:
    """Write a text file, not atomically: for a temporary one."""
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, tree: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(tree, indent=2) + "\n")


def new_run_folder(out: Path | None, name: str, seed: int, locks: contextlib.ExitStack) -> Path:
    """Make a fresh folder: ``out``, or runs/<time>_<name>_s<seed>. A folder that holds a run is not overwritten.

    It is locked until ``locks`` are let go.
    """
    if out is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        out = Path("runs") / f"{stamp}_{name}_s{seed}"
    taken = RunFolderError(f"{out} already holds something; choose another --out, or go on with --resume {out}")
    if os.path.lexists(out) and not out.is_dir():
        raise taken
    make_folder(out)
    lock_folder(out, locks)
    if any(path.name != LOCK for path in out.iterdir()):
        raise taken
    return out


def lock_folder(folder: Path, locks: contextlib.ExitStack) -> None:
    """Keep other processes out of a folder until ``locks`` are let go, and clear away what a killed one left half done.

    Raises LockedError or RunFolderError.
    """
    try:
        locks.enter_context(held(folder))
    except OSError as error:
        raise RunFolderError(f"cannot write into {folder}: {error.strerror}") from None
    clear_parts(folder, alone=True)


def clear_parts(folder: Path, name: str = "*", alone: bool = False) -> None:
    """Remove what processes that are dead left of files that they were writing.

    Args:
        folder: where they wrote.
        name: of the files, or a pattern.
        alone: whether nobody else writes here. If not, what another machine has written within a day may still be.
    """
    for part in folder.glob(f".{name}.*.part"):
        process, _, host = part.name.split(".")[-2].partition("-")
        here = host in ("", HOST)
        with contextlib.suppress(OSError):
            old = time.time() - part.stat().st_mtime > 86_400.0
            if process.isdecimal() and (not lives(int(process)) if here else alone or old):
                part.unlink()


def lives(process: int) -> bool:
    """Whether another process of this machine runs; on Windows, which cannot be asked so, it counts as if it did."""
    if process == os.getpid():
        return False  # it has only just begun: the file is of one that had its number before
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it runs, and is another user's
        pass
    return True


@contextlib.contextmanager
def emptied_if_nothing_came(folder: Path) -> Iterator[None]:
    """Take a fresh run's folder away again if what goes on inside ends early and leaves nothing to go on from.

    So the same command, corrected, finds its --out free.
    """
    try:
        yield
    except BaseException:
        if folder.is_dir() and folder != Path() and not any((folder / name).exists() for name in WORTH_KEEPING):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def make_folder(out: Path) -> None:
    """Make a folder that can be written into, before hours are spent on what shall go there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        clear_parts(out)
        probe = out / f".probe.{os.getpid()}-{HOST}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunFolderError(f"cannot write into {out}: {error.strerror}; choose another --out") from None


def provenance(device: str) -> dict[str, Any]:
    """Commit, versions, device and command: what a stranger needs to repeat the run."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join(["python -m", *_module_and_arguments()]),
        "commit": git("rev-parse", "HEAD") or "no git",
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "packages": versions,
        "device": device,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _module_and_arguments() -> list[str]:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return [spec.name if spec else Path(sys.argv[0]).name, *sys.argv[1:]]


def git(*arguments: str) -> str:
    """What git answers in the current folder, or nothing."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
