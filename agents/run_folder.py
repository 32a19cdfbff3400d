"""A run as a folder that anyone can read: what was asked, on what it ran, what came out. Writes are atomic."""

import contextlib
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

WORTH_KEEPING = ("checkpoint.pt", "checkpoint.previous.pt", "policy.safetensors", "not_finite.pt")
PACKAGES = ("lunar-env", "torch", "warp-lang", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib")


class RunFolderError(RuntimeError):
    """Raised when a run's folder cannot be written or read; the message names the folder and the remedy."""


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
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


def new_run_folder(out: Path | None, name: str, seed: int) -> Path:
    """Make a fresh folder: ``out``, or runs/<time>_<name>_s<seed>. A folder that holds a run is not overwritten."""
    if out is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        out = Path("runs") / f"{stamp}_{name}_s{seed}"
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out} already holds something; choose another --out, or go on with --resume {out}")
    make_folder(out)
    return out


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
        probe = out / ".probe"
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
