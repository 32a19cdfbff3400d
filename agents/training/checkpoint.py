"""Checkpoints that survive a kill at any moment: written beside the last one, verified, then put in its place.

The newest stands in ``checkpoint.pt``, the one before in ``checkpoint.previous.pt``; if the newest is damaged, a run
goes on from the other. They hold tensors and plain numbers only: reading one never runs anybody's code.

Where several processes learn together, each has checkpoints of its own. A kill may find one process ahead of the
others, so all go on from the newest moment that every one of them has.
"""

import contextlib
import json
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from agents.run_folder import RunFolderError, clear_parts, write_atomic

NEWEST, PREVIOUS, DAMAGED = "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.damaged.pt"
FORMAT = "lunar_env.checkpoint/1"


def save_checkpoint(folder: Path, experiment: Mapping[str, Any], state: Mapping[str, Any], rank: int = 0) -> None:
    """Write everything that a run needs to go on.

    Args:
        folder: of the run.
        experiment: the configuration; a run that is resumed must have the same.
        state: tensors, numbers, strings, and lists and dicts of them; among them ``steps``, the decisions so far.
        rank: of the process; each has descents of its own.
    """
    newest, previous = (_place(folder, name, rank) for name in (NEWEST, PREVIOUS))
    whole = {"format": FORMAT, "experiment": json.dumps(experiment, sort_keys=True), **state}

    def write(temporary: Path) -> None:
        torch.save(whole, temporary)
        _require_whole(temporary)  # before the last good one moves
        if newest.exists():
            os.replace(newest, previous)

    try:
        write_atomic(newest, write)
    except RunFolderError as error:
        good = next((path for path in (newest, previous) if path.exists()), None)
        raise RunFolderError(f"{error}; the last good checkpoint is {good}" if good else str(error)) from error


def load_checkpoint(
    folder: Path,
    experiment: Mapping[str, Any],
    rank: int = 0,
    common: Callable[[set[int]], set[int]] | None = None,
) -> dict[str, Any]:
    """The newest whole checkpoint of a run. Raises RunFolderError that names the file and the remedy.

    Args:
        folder: of the run.
        experiment: the configuration, which must be that of the checkpoint.
        rank: of the process.
        common: from the steps of this process's checkpoints to those that all processes have; None if it is alone.
    """
    newest, previous = (_place(folder, name, rank) for name in (NEWEST, PREVIOUS))
    clear_parts(folder, newest.name)
    found: dict[Path, dict[str, Any]] = {}
    problems: dict[Path, str] = {}
    for path in (newest, previous):
        if found and common is None:
            break
        try:
            found[path] = _read(path)
        except FileNotFoundError:
            continue
        except RunFolderError as error:
            problems[path] = str(error)
    steps = {saved["steps"] for saved in found.values()}
    shared = steps if common is None else common(steps)
    chosen = next((path for path, saved in found.items() if saved["steps"] in shared), None)
    if chosen is None:
        reasons = [*problems.values(), *(f"{path} is of a moment that not all processes have" for path in found)]
        reasons = reasons or [f"{folder} has no {newest.name} to resume from"]
        raise RunFolderError(f"{'; '.join(reasons)}; start the run anew")
    _require_same(chosen, json.loads(found[chosen]["experiment"]), experiment)
    if chosen != newest and newest in found:
        print(f"{newest} is of a moment that not all processes have; going on from {chosen}", file=sys.stderr)
    if newest in problems:
        # Out of the way, or the next checkpoint would put it in the place of the good one.
        aside = _place(folder, DAMAGED, rank)
        with contextlib.suppress(OSError):
            os.replace(newest, aside)
        print(f"{problems[newest]}, it is kept as {aside.name}; going on from {chosen}", file=sys.stderr)
    return found[chosen]


def _place(folder: Path, name: str, rank: int) -> Path:
    return folder / (name if rank == 0 else f"{name[:-3]}.rank{rank}.pt")


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, if the file is whole and one of ours."""
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        _require_whole(path)
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except RunFolderError:
        raise
    except Exception as error:  # a foreign file makes torch and zipfile raise errors of many kinds
        raise RunFolderError(f"{path} cannot be read ({type(error).__name__})") from None
    whole = isinstance(saved, dict) and saved.get("format") == FORMAT
    if not whole or not isinstance(saved.get("experiment"), str) or not isinstance(saved.get("steps"), int):
        raise RunFolderError(f"{path} is no checkpoint of this version")
    return saved


def _require_whole(path: Path) -> None:
    """Refuse a file with a wrong checksum: torch looks at none."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise RunFolderError(f"{path} is damaged ({damaged})")


def _require_same(path: Path, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with other numbers than those that the run began with."""
    wanted = json.loads(json.dumps(wanted, sort_keys=True))  # tuples become lists, as in the file
    changed = [
        f"{key}: was {saved.get(key)!r}, is {wanted.get(key)!r}" for key in wanted if saved.get(key) != wanted[key]
    ]
    if changed:
        raise RunFolderError(
            f"config.json has changed since {path} was written ({'; '.join(changed)}); "
            "put it back, or start a new run with the new numbers"
        )


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Where torch's random counters stand."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put them back."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
