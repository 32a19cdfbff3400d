"""The frontier's results as a table for the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.pages.words import aligned


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The results as a table for the screen."""
    head = ("pilot", "landed", "of what physics allows", "95 % interval", "of that, after the wait", "beyond physics")
    lines = [head]
    for row in rows:
        if "failed" in row:
            lines.append((row["pilot"], "failed", row["failed"], "", "", ""))
            continue
        kinds = ("all", "survivable", "sighted", "beyond")
        counts = ["{landed}/{episodes}".format(**row[kind]) for kind in kinds]
        interval = row["survivable"]["wilson"]
        between = "[{:.4f}, {:.4f}]".format(*interval) if interval else "-"
        lines.append((row["pilot"], *counts[:2], between, *counts[2:]))
    return aligned(lines)
