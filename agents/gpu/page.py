"""The figures for people."""

from collections.abc import Mapping
from typing import Any

from lunar_env.bench.tables import figure, table

BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"


def markdown(figures: Mapping[str, Any]) -> str:
    """Conditions, a table of each part, floors."""
    general = "\n".join(f"- {name}: {value}" for name, value in figures["conditions"].items())
    parts = [f"**{name}**\n\n{_part(found)}" for name, found in figures["parts"].items()]
    floors = [("floor", "value", "bound", "verdict")]
    floors += [(one["label"], figure(one["value"]), one["bound"], one["verdict"]) for one in figures["claims"]]
    return "\n\n".join([general, *parts, table(floors)]) + "\n"


def _part(found: Mapping[str, Any]) -> str:
    """A part's rows beside each other if it has some, else its numbers."""
    rows = {name: one for name, one in found.items() if isinstance(one, Mapping)}
    if not rows:
        return "\n".join(f"- {name}: {_cell(value)}" for name, value in found.items())
    columns = list(dict.fromkeys(name for one in rows.values() for name in one))
    cells = [[_cell(one.get(name)) for name in columns] for one in rows.values()]
    return table([("", *columns, ""), *((name, *row, "") for name, row in zip(rows, cells, strict=True))])


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value)) or "none"
    if not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return figure(float(value)) if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
