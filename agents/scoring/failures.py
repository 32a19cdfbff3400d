"""Pilots that fail in an evaluation: their rows, the lines about them, and the file with every case."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agents.run_folder import write_json
from lunar_env.flying.failures import Failure
from lunar_env.flying.pilot import CannotFlyError, PilotError

FAILURES = "failures.json"
MOST_LISTED = 1_000  # failures of one pilot in one scenario


def failure(scenario: str, pilot: str, episodes: int, error: Exception) -> dict[str, Any]:
    """The row of a pilot that failed in every episode, or that cannot fly what it is shown."""
    row = {"scenario": scenario, "pilot": pilot, "episodes": episodes}
    if isinstance(error, CannotFlyError):
        return {**row, "failed": f"cannot fly: {error}"}
    kind = "" if isinstance(error, PilotError) else f"{type(error).__name__}: "
    return {**row, "failed": f"{kind}{error}", "failures": {"episodes": episodes, "first": f"{kind}{error}"}}


def listed(row: dict[str, Any], failures: tuple[Failure, ...], seed: int, out: Path) -> list[dict[str, Any]]:
    """A pilot's failures in a scenario as failures.json has them, and a line about them on the screen."""
    if "failures" in row:
        what = row["failures"]
        print(
            f"{row['pilot']} failed in {what['episodes']:,} of {row['episodes']:,} episodes of {row['scenario']}: "
            f"{what['first']}; seed {seed}, more in {out / FAILURES}",
            file=sys.stderr,
        )
    place = {"scenario": row["scenario"], "pilot": row["pilot"], "seed": seed}
    return [{**place, **asdict(one)} for one in failures[:MOST_LISTED]]


def write_failures(path: Path, failures: list[dict[str, Any]]) -> None:
    """Every failure with its traceback; the file of an earlier evaluation goes."""
    if failures:
        write_json(path, {"failures": failures})
    else:
        path.unlink(missing_ok=True)
