"""Checkpoints that survive a kill at any moment: written beside the last one, verified, then put in its place.

The newest stands in ``checkpoint.pt``, the one before in ``checkpoint.previous.pt``; if the newest is damaged, a run
goes on from the other. They hold tensors and plain numbers only: reading one never runs anybody's code.
"""

import json
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from agents.run_folder import RunFolderError, write_atomic

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
FORMAT = "lunar_env.checkpoint/1"


def save_checkpoint(folder: Path, experiment: Mapping[str, Any], state: Mapping[str, Any], rank: int = 0) -> None:
    """Write everything that a run needs to go on.

    Args:
        folder: of the run.
        experiment: the configuration; a run that is resumed must have the same.
        state: tensors, numbers, strings, and lists and dicts of them.
        rank: of the process; each has descents of its own.
    """
    newest, previous = (_place(folder, name, rank) for name in (NEWEST, PREVIOUS))
    whole = {"format": FORMAT, "experiment": json.dumps(experiment, sort_keys=True), **state}

    def write(temporary: Path) -> None:
        torch.save(whole, temporary)
        if newest.exists():
            os.replace(newest, previous)

    try:
        write_atomic(newest, write)
    except RunFolderError as error:
        good = next((path for path in (newest, previous) if path.exists()), None)
        raise RunFolderError(f"{error}; the last good checkpoint is {good}" if good else str(error)) from error


def load_checkpoint(folder: Path, experiment: Mapping[str, Any], rank: int = 0) -> dict[str, Any]:
    """The newest whole checkpoint of a run. Raises RunFolderError that names the file and the remedy."""
    problems = []
    for name in (NEWEST, PREVIOUS):
        path = _place(folder, name, rank)
        try:
            saved = _read(path)
        except FileNotFoundError:
            continue
        except RunFolderError as error:
            problems.append(str(error))
            continue
        if problems:
            print(f"{problems[0]}; going on from {path}", file=sys.stderr)
        _require_same(path, json.loads(saved["experiment"]), experiment)
        return saved
    if problems:
        raise RunFolderError("; ".join(problems) + "; start the run anew")
    raise RunFolderError(f"{folder} has no {NEWEST} to resume from; start the run anew")


def _place(folder: Path, name: str, rank: int) -> Path:
    return folder / (name if rank == 0 else f"{name[:-3]}.rank{rank}.pt")


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, if the file is whole and one of ours."""
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with zipfile.ZipFile(path) as archive:  # torch checks no checksum of a file that it maps
            damaged = archive.testzip()
        saved = None if damaged else torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a foreign file makes torch and zipfile raise errors of many kinds
        raise RunFolderError(f"{path} cannot be read ({type(error).__name__})") from None
    if damaged:
        raise RunFolderError(f"{path} is damaged ({damaged})")
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise RunFolderError(f"{path} is no checkpoint of this version")
    return saved


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
