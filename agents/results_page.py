"""The words of ``python -m agents.results``: one Markdown section for each shipped result."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.report_words import number
from agents.touchdowns import QUANTITIES

EXPLANATION = (
    "Counts are followed by their 95 % Wilson interval. Quantities are mean ± standard deviation, maximum: of all\n"
    "touchdowns, crashes included; propellant of all episodes. Figures of others are as published."
)


def page(entries: Sequence[Mapping[str, Any]]) -> str:
    """All results of a ``results.json``, as they stand between the markers of docs/results.md."""
    return "\n\n".join([EXPLANATION, *map(section, entries)]) + "\n"


def section(entry: Mapping[str, Any]) -> str:
    """One result: what was flown, the table, the floors."""
    heading = f"### `{entry['name']}`"
    changes = ", ".join(f"`{key}` {value}" for key, value in entry["changes"].items())
    flown = f"`{entry['scenario']}`{f' with {changes}' if changes else ''}, {entry['episodes']:,} episodes"
    flown += f", seed {entry['seed']:,}"
    if "missing" in entry:
        return f"{heading}\n\n{flown}. Missing: {entry['missing']}."
    promised = [f"- {words(floor)}" for floor in entry["flown"]["floors"]]
    parts = [f"{flown}. {policy(entry)}", table(entry), entry["note"], "\n".join(promised)]
    return "\n\n".join([heading, *filter(None, parts)])


def policy(entry: Mapping[str, Any]) -> str:
    """Where the policy is and how it came to be, as its card tells."""
    card = entry["flown"]["card"]
    told = (
        [" ".join([f"`{card['config']}`", *(f"`{change}`" for change in card["set"] or ())])] if card["config"] else []
    )
    told += [f"{card['trained_steps']:,} decisions"] if card["trained_steps"] else []
    told += [f"seed {card['seed']}"] if card["seed"] is not None else []
    told += [f"commit {card['commit'][:10]}"] if card["commit"] else []
    return f"Policy: `{entry['policy']}`" + (f" ({', '.join(told)})." if told else ".")


def table(entry: Mapping[str, Any]) -> str:
    """Pilots and what others published, a line each."""
    columns = entry["shows"]
    rows = [["pilot", *map(head, columns)]]
    for row in entry["flown"]["rows"]:
        if "failed" in row:
            reason = " ".join(row["failed"].replace("|", "\\|").split())
            rows.append([f"`{row['pilot']}`", f"failed: {reason}", *[""] * (len(columns) - 1)])
        else:
            rows.append([f"`{row['pilot']}`", *(cell(row, column) for column in columns)])
    rows += [
        [other["source"], *(other["figures"].get(column, "-") for column in columns)] for other in entry["published"]
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---|" * len(columns), *lines[1:]])


def head(column: str) -> str:
    """A column's name and unit."""
    return column if column not in QUANTITIES else f"{QUANTITIES[column].words}, {QUANTITIES[column].unit}"


def cell(row: Mapping[str, Any], column: str) -> str:
    """A count with its interval, or the spread of a quantity."""
    if column not in QUANTITIES:
        count, interval = ("landed", "wilson") if column == "landed" else ("landed_strict", "wilson_strict")
        low, high = row[interval]
        return f"{row[count]}/{row['episodes']} [{low:.4f}, {high:.4f}]"
    told, shown = row["quantities"][column], QUANTITIES[column]
    if told is None:
        return "-"
    mean, deviation, worst = (
        number(shown.per_si * told[key], shown.digits) for key in ("mean", "deviation", "worst")
    )  # fmt: skip
    return f"{mean} ± {deviation}, {worst}"


def words(floor: Mapping[str, Any]) -> str:
    """A floor and whether it is met."""
    if floor["count"] is None:
        return f"**missed**, the policy could not fly: {floor['words']}"
    verdict = "met" if floor["met"] else "**missed**"
    return f"{verdict}, {floor['count']}/{floor['episodes']}: {floor['words']}"
