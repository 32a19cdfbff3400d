"""Which seed's policy ships: the one that flies best on descents that are kept for this choice.

The best of several policies looks better on the descents it was chosen on than it is, so these are quoted for the
choice and nowhere else; see agents/seeds.py.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.policy.network import CARD, WEIGHTS, read_card
from agents.reading import read_json
from agents.run_folder import RunFolderError, make_folder, write_json
from agents.scoring.episodes import fly_episodes
from agents.seeds import SELECTION
from lunar_env import Scenario
from lunar_env.flying.episodes import Progress
from lunar_env.flying.statistics import summary

VALIDATION_SEED = SELECTION[0]
VALIDATION = "validation.json"
CHOSEN_BY = "most landings, then most strict ones, then the least propellant"


def validate(folder: Path, scenario: Scenario, episodes: int, progress: Progress | None) -> dict[str, Any]:
    """Fly a trained policy, the mean action without noise, on the descents of ``VALIDATION_SEED``.

    Returns a row as ``evaluation.json`` has them. It is kept in the run's folder and not flown again.
    """
    kept = read_validation(folder / VALIDATION)
    if kept and (kept["seed"], kept["episodes"]) == (VALIDATION_SEED, episodes):
        if progress is not None:
            progress.update(episodes)
        return kept
    flights = fly_episodes(str(folder), scenario, episodes, VALIDATION_SEED, progress=progress)
    row = summary(scenario.name, folder.name, flights.outcome, flights.record) | {"seed": VALIDATION_SEED}
    write_json(folder / VALIDATION, row)
    return row


def read_validation(path: Path) -> dict[str, Any]:
    """The row that was kept, or nothing."""
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError):
        return {}


def best(rows: Sequence[Mapping[str, Any]]) -> int:
    """Which of several validated policies to ship; of equal ones the first.

    Raises:
        ValueError: if they did not fly the same descents, or others than those that are kept for the choice.
    """
    flown = {(row["seed"], row["episodes"]) for row in rows}
    if {seed for seed, _ in flown} != {VALIDATION_SEED} or len(flown) > 1:
        blocks = ", ".join(f"{episodes:,} of seed {seed:,}" for seed, episodes in sorted(flown))
        raise ValueError(
            f"policies are compared on the same descents of seed {VALIDATION_SEED:,}, which no table quotes; "
            f"these flew {blocks}; run python -m agents.curves again"
        )
    merits = [(row["landed"], row["landed_strict"], -row["propellant"]["mean"]) for row in rows]
    return merits.index(max(merits))


def refuse_taken(out: Path) -> None:
    """Raise RunFolderError if a folder holds something already, before hours are spent on what shall go there."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out} already holds something; move it away, or choose another --ship")


def ship(folder: Path, out: Path, origin: Mapping[str, Any]) -> None:
    """Copy the policy of the run in ``folder`` to ``out``, its card with fields that say how it came to be.

    The run's ``config.json`` goes with it: the scenario with its changes, and every number of the training.
    """
    refuse_taken(out)
    make_folder(out)
    try:
        for name in (WEIGHTS, "config.json"):
            shutil.copyfile(folder / name, out / name)
    except OSError as error:
        raise RunFolderError(f"cannot copy {folder} to {out}: {error}; free the disk, empty {out}, try again") from None
    write_json(out / CARD, {**read_card(folder), **origin})
