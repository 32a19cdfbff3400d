"""Write the pages of docs/ that the code itself knows: ``python docs/generate.py``."""

import dataclasses
from pathlib import Path

from lunar_env import load_scenario, scenarios
from lunar_env.faults import KINDS, NAMES, Fault, magnitude_of
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario

HERE = Path(__file__).parent
WRITTEN = "<!-- Written by `python docs/generate.py`; change the code, not this page. -->\n"


def observations() -> str:
    """What a pilot sees, for the missions and for the first lesson."""
    table = load_scenario("resilience").observation_table()
    lesson = load_scenario("vertical").observation_table()
    return f"""{WRITTEN}
# What a pilot sees

Each number of an observation is `value / scale`, clipped to `[min, max] / scale`. `scenario.observation_table()` is
this table as data, and its `read(observation)` gives the numbers back by name in SI units. Local-vertical axes: x
downrange, y cross-range, z up. Quaternions turn body axes into site axes, scalar last; the body's z axis is the
thrust axis. With `history=k` an observation is k readings in a row, the newest last.

With `observation="truth"` the row has the same places and holds the true height above ground in `altimeter_range`,
always valid and of age 0, and no inertial error.

## `resilience` (control `descent_rate`)

{table.markdown()}

## `vertical` (control `throttle`)

Scales that follow from the scenario differ; the names and their order do not.

{lesson.markdown()}
"""


def numbers() -> str:
    """Every number of every preset, with unit and meaning."""
    presets = [load_scenario(name) for name in scenarios()]
    head = "| number | unit | " + " | ".join(f"`{preset.name}`" for preset in presets) + " | meaning |\n"
    lines = [head + "|---" * (len(presets) + 3) + "|"]
    for path, item in fields_of(presets[0]):
        values = " | ".join(shown(lookup(preset, path)) for preset in presets)
        lines.append(f"| `{path}` | {item.metadata['unit']} | {values} | {item.metadata['meaning']} |")
    summaries = "\n".join(f"- `{preset.name}`: {preset.summary}" for preset in presets)
    return f"""{WRITTEN}
# Scenarios

{summaries}

A number is fixed; two numbers in brackets are the ends of a range, drawn anew for every episode (log: uniform in the
logarithm). Any of them can be changed: `load_scenario("resilience", **{{"altimeter.delay": 0.3}})`.
Marks: [V] primary source, [V2] secondary source, [R] recalled, [C] computed, [P] proposed by this project. A preset's
own sources and marks stand beside its numbers in `lunar_env/missions/`.

{chr(10).join(lines)}
"""


def fields_of(part: object, path: str = "") -> list[tuple[str, dataclasses.Field]]:
    """All numbers and settings below a part, with their paths."""
    found = []
    for item in dataclasses.fields(part):  # type: ignore[arg-type]
        where = f"{path}.{item.name}" if path else item.name
        if dataclasses.is_dataclass(item.type):
            found += fields_of(getattr(part, item.name), where)
        elif item.name not in ("name", "summary"):
            found.append((where, item))
    return found


def lookup(scenario: Scenario, path: str) -> object:
    """The value at a dotted path."""
    value: object = scenario
    for name in path.split("."):
        value = getattr(value, name)
    return value


def shown(value: object) -> str:
    """A value as the page prints it."""
    if isinstance(value, Range):
        return f"[{value.low:g}, {value.high:g}]" + (" log" if value.log else "")
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)


def faults() -> str:
    """Every fault: what it is, where it happened, its numbers."""
    rows = []
    for code, name in enumerate(NAMES):
        kind = KINDS[name]
        own = dataclasses.fields(kind)[len(dataclasses.fields(Fault)) :]
        numbers = "<br>".join(f"`{item.name}` [{item.metadata['unit']}] {item.metadata['meaning']}" for item in own)
        replay, training = (
            ", ".join(f"`{key}` {shown(value)}" for key, value in part.items()) for part in (kind.replay, kind.training)
        )
        mode = str(kind.mode) if kind.mode else "-"
        rows.append(
            f"| {code} | `{name}` | {mode} | {(kind.__doc__ or '').strip()} | {kind.missions} | {numbers} "
            f"| `{magnitude_of(name)}`, {kind.neutral:g} | {replay or '-'} | {training} |"
        )
    table = "\n".join(rows)
    return f"""{WRITTEN}
# Faults

What went wrong on real missions, by name. `load_scenario("resilience", **with_fault("dust", height=20.0))` gives every
episode a fault; `KINDS["dust"].training` are ranges for training, `.replay` the numbers of the mission. All faults
share `probability`, `onset` [s], `below` [m above the ground] and `duration` [s]: a fault begins at the first tick that
is late enough and low enough, and acts for its duration. The code is its bit in `info["acting_faults"]`; the mode is
its number in the list that the project follows. At the neutral value of its magnitude a fault changes nothing, bit for
bit. Marks: [V] primary source, [V2] secondary, [R] recalled, [P] proposed by this project, as all training ranges are.

| code | name | mode | what happens | where | its own numbers | magnitude, neutral | replay | training |
|---|---|---|---|---|---|---|---|---|
{table}
"""


PAGES = {"observations.md": observations, "scenarios.md": numbers, "faults.md": faults}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
    print(f"wrote {', '.join(PAGES)} in {HERE}")
