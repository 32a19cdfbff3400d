"""The words of ``python -m agents.results``: one Markdown section for each shipped result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.pages.words import number
from agents.scoring.shipped import AMONG, SURVIVABLE
from agents.scoring.touchdowns import QUANTITIES

PICTURE = "curve.png"  # of agents.curves
EXPLANATION = (
    "Counts are followed by their 95 % Wilson interval. Quantities are mean ± standard deviation, largest: of all\n"
    "touchdowns, crashes included; propellant of all episodes. The largest is that of this one sample."
)


def page(entries: Sequence[Mapping[str, Any]]) -> str:
    """All results of a ``results.json``, as they stand between the markers of docs/results.md."""
    return "\n\n".join([EXPLANATION, *map(section, entries)]) + "\n"


def section(entry: Mapping[str, Any]) -> str:
    """One result: what was flown, the table, the floors."""
    heading = f"### `{entry['name']}`"
    changes = ", ".join(f"`{key}` {drawn(value)}" for key, value in entry["changes"].items())
    flown = f"`{entry['scenario']}`{f' with {changes}' if changes else ''}, {entry['episodes']:,} episodes"
    flown += f", seed {entry['seed']:,}"
    if "missing" in entry:
        return f"{heading}\n\n{flown}. Missing: {entry['missing']}."
    if "among" in entry:
        flown += possible(entry["among"], entry["flown"][entry["among"]])
    promised = [f"- {words(floor)}" for floor in entry["flown"]["floors"]]
    parts = [f"{flown}. {policy(entry)}", table(entry), entry["note"], "\n".join(promised), curve(entry)]
    return "\n\n".join([heading, *filter(None, parts)])


def drawn(value: Any) -> str:
    """A number of a scenario, or the range that it is drawn from, as JSON has it."""
    if isinstance(value, Mapping):
        return f"{value['low']:,g} to {value['high']:,g}{' (by its logarithm)' if value.get('log') else ''}"
    if isinstance(value, list):
        return f"{value[0]:,g} to {value[1]:,g}"
    return f"{value:,g}" if isinstance(value, float) else str(value)


def possible(among: str, counts: Mapping[str, int]) -> str:
    """How many of the episodes the table is about, and why not the others."""
    if among != SURVIVABLE:
        return f", of which {counts['inside']:,} begin inside [the frontier](pilots.md#the-physical-limit)"
    return (
        f", of which {counts['survivable']:,} are [survivable](#which-episodes-count-as-survivable): in "
        f"{counts['unseen']:,} the ground cannot be seen, in {counts['unbraked']:,} the engine does not suffice"
    )


def policy(entry: Mapping[str, Any]) -> str:
    """Where the policy is and how it came to be, as its card says."""
    card = entry["flown"]["card"]
    details = (
        [" ".join([f"`{card['config']}`", *(f"`{change}`" for change in card["set"] or ())])] if card["config"] else []
    )
    details += [f"{card['trained_steps']:,} decisions"] if card["trained_steps"] else []
    details += [f"seed {card['seed']}"] if card["seed"] is not None else []
    details += [f"commit {card['commit'][:10]}"] if card["commit"] else []
    return f"Policy: `{entry['policy']}`" + (f" ({', '.join(details)})." if details else ".")


def curve(entry: Mapping[str, Any]) -> str:
    """How several seeds of its training learned, if the policy's folder has the picture; docs/ is beside runs/."""
    if not (Path(entry["policy"]) / PICTURE).exists():
        return ""
    return f"![Landing rate over decisions and over minutes, several seeds](../{entry['policy']}/{PICTURE})"


def table(entry: Mapping[str, Any]) -> str:
    """Pilots and what others published, a line each."""
    columns = list(entry["shows"])
    if "among" in entry:
        columns.insert(columns.index("landed") + 1 if "landed" in columns else 0, entry["among"])
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
    if column in AMONG:
        return f"landed of {AMONG[column]}"
    return column if column not in QUANTITIES else f"{QUANTITIES[column].words}, {QUANTITIES[column].unit}"


def cell(row: Mapping[str, Any], column: str) -> str:
    """A count with its interval, or the spread of a quantity."""
    if column in AMONG:
        return counted(row[column]["count"], row[column]["episodes"], row[column]["wilson"])
    if column not in QUANTITIES:
        count, interval = ("landed", "wilson") if column == "landed" else ("landed_strict", "wilson_strict")
        return counted(row[count], row["episodes"], row[interval])
    spread, shown = row["quantities"][column], QUANTITIES[column]
    if spread is None:
        return "-"
    mean, deviation, worst = (
        number(shown.per_si * spread[key], shown.digits) for key in ("mean", "deviation", "worst")
    )  # fmt: skip
    return f"{mean} ± {deviation}, {worst}"


def counted(count: int, episodes: int, interval: Sequence[float]) -> str:
    """For instance "990/1000 [0.9817, 0.9946]"."""
    return f"{count}/{episodes} [{interval[0]:.4f}, {interval[1]:.4f}]"


def words(floor: Mapping[str, Any]) -> str:
    """A floor and whether it is met."""
    if "spent" in floor:
        over = 100.0 * (floor["spent"] / floor["least"] - 1.0)
        verdict = "met" if floor["met"] else "**missed**"
        return f"{verdict}, {floor['spent']:.1f} kg over {floor['least']:.1f} kg, {over:+.1f} %: {floor['words']}"
    if floor["count"] is None:
        return f"**missed**, a pilot that it takes could not fly: {floor['words']}"
    count = f"{floor['count']}/{floor['episodes']}"
    if "wilson" in floor:
        count = counted(floor["count"], floor["episodes"], floor["wilson"])
    if "rival" in floor:
        count += f" against {floor['rival']['count']} (by luck: p = {floor['rival']['chance']:.2g})"
    return f"{'met' if floor['met'] else '**missed**'}, {count}: {floor['words']}"
