"""The figures for people: on the screen and in a page."""

from collections.abc import Mapping
from typing import Any

from lunar_env.bench.machine_code.measure import L2, limit
from lunar_env.bench.tables import figure, table

BEGIN, END = "<!-- machine code: begin -->", "<!-- machine code: end -->"

ROWS = (  # what is shown of each subject: label, name of the figure
    ("registers of a thread", "registers"),
    ("stack of a thread, bytes", "stack"),
    ("instructions in the code", "code"),
    ("of these, spills", "spills in the code"),
    ("of these, double precision", "double precision in the code"),
    ("instructions of a warp, the mean", "instructions, mean"),
    ("instructions of a warp, the most", "instructions"),
    ("of these, spills", "spills"),
    ("of these, loads and stores of the stack", "stack accesses"),
    ("of these, double precision", "double precision"),
    ("rounds of the hottest loop", "rounds of the hot loop"),
    ("instructions of one round", "instructions of a round"),
    ("loads of a warp", "load requests"),
    ("stores of a warp", "store requests"),
    ("sectors loaded", "load sectors"),
    ("sectors stored", "store sectors"),
    ("sectors, the mean", "sectors, mean"),
    ("sectors, the most", "sectors"),
    ("sectors of a request, of 32, where lanes differ", "sectors of a request"),
    ("different sectors loaded", "sectors read at all"),
    ("different sectors stored", "sectors written at all"),
)
DERIVED = (
    ("bits of an access", lambda one: ", ".join(map(str, one["widths"]))),
    ("warps walked", lambda one: str(one["warps"])),
    ("largest disagreement with the CPU", lambda one: f"{one['disagreement']:.1g}"),
    (f"steps/s that a cache of {L2 / 1e12:g} TB/s lets through", lambda one: f"{limit(one):.2g}"),
)


def markdown(figures: Mapping[str, Any]) -> str:
    """A report: conditions, figures, floors."""
    subjects = figures["subjects"]
    rows = [("of the kernel, or of a warp", *subjects, "")]
    rows += [(label, *(figure(one[name]) for one in subjects.values()), "") for label, name in ROWS]
    rows += [(label, *map(tell, subjects.values()), "") for label, tell in DERIVED]
    floors = [("floor", "value", "bound", "verdict")]
    floors += [(one["label"], figure(one["value"]), one["bound"], one["verdict"]) for one in figures["claims"]]
    general = "\n".join(f"- {name}: {value}" for name, value in figures["conditions"].items())
    return f"{general}\n\n{table(rows)}\n\n{table(floors)}\n"
