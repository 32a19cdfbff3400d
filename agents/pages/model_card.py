"""The model card of a trained pilot: what it is, how it came to be, how well it lands and where its limits are.

Everything in it stands in the files of the run's folder. What no file tells is named as missing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from agents.pages.words import upright
from agents.policy.metadata import trained_scenario
from agents.policy.network import read_card
from agents.reading import read_json
from agents.run_folder import write_text
from agents.scoring.statistics import landing_box
from lunar_env import Scenario
from lunar_env.flying.statistics import STRICT
from lunar_env.scenario import possible_faults

MODEL_CARD = "MODEL_CARD.md"
COLUMNS = (
    "scenario",
    "landed, 95 % Wilson",
    "strict, 95 % Wilson",
    "down [m/s]: mean, 99 %, worst",
    "sideways [m/s]: mean, 99 %, worst",
    "propellant over the bound: mean, worst",
    "seed",
)


class RunFacts:
    """The facts in the files of a run, each by file and path: ``fact("run.json", "packages.torch")``."""

    def __init__(self, folder: Path) -> None:
        names = ("run.json", "config.json", "evaluation.json")
        self.trees = {"policy.json": read_card(folder), **{name: _read(folder / name) for name in names}}

    def __call__(self, name: str, path: str, words: Callable[[Any], str] = str) -> str:
        """A fact in words, or that it is missing, and where."""
        value: Any = self.trees[name]
        if isinstance(value, str):
            return value
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is None:
            return f"missing: {name} has no {path}"
        try:
            return _one_line(words(value))
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            return f"missing: {path} in {name} is {_one_line(str(value))[:80]}"


def write_model_card(folder: Path, out: Path) -> Path:
    """Write the card of the run in ``folder`` into the folder ``out``. Returns where it is."""
    write_text(out / MODEL_CARD, model_card(folder))
    return out / MODEL_CARD


def model_card(folder: Path) -> str:
    """The card as Markdown. Raises PolicyFileError if the folder holds no policy."""
    scenario, fact, name = trained_scenario(folder), RunFacts(folder), folder.resolve().name
    facts = [*what_it_is(scenario, fact), *how_it_came_to_be(fact)]
    flown, missing = results(fact, {name, str(folder)})
    sections = [
        f"# Model card: {name}",
        "A pilot for lunar landings, trained and measured with `lunar_env`.",
        as_table(("what", "as the files of its run tell"), facts),
        "## How well it lands",
        as_table(COLUMNS, map(row, flown)) if flown else missing,
        explanation(scenario),
        "## Known limits",
        "\n".join(f"- {limit}" for limit in known_limits(scenario, fact, flown)),
    ]
    return "\n\n".join(sections) + "\n"


def as_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells as a Markdown table, whatever is written in them."""
    lines = [list(head), *([_one_line(cell).replace("|", "/") for cell in cells] for cells in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def explanation(scenario: Scenario) -> str:
    """What the columns mean."""
    return (
        f"Landed: {upright(landing_box(scenario))}. Strict: {upright(STRICT)}. "
        "Speeds are those of all touchdowns, crashes included. "
        "The bound is the least propellant with which any pilot could have landed."
    )


def what_it_is(scenario: Scenario, fact: RunFacts) -> list[tuple[str, str]]:
    """The scenario, what the pilot sees and controls, and its network."""
    table = scenario.observation_table()
    channels = ", ".join(f"{channel.name} [{channel.unit}]" for channel in table.channels)
    readings = "the newest reading" if table.history == 1 else f"the last {table.history} readings, newest last"
    memory = fact("policy.json", "memory", lambda memory: f"{memory['kind']} {memory['size'] or ''}")
    layers = fact("policy.json", "hidden", lambda hidden: ", ".join(map(str, hidden)) or "none")
    shown = fact("policy.json", "differences", lambda some: "the newest and what changed" if some else "every one")
    squash = fact("policy.json", "squash", lambda squash: "tanh, then clipped" if squash else "clipped")
    return [
        ("scenario", f"`{scenario.name}`: {scenario.summary or 'no summary'}"),
        ("sees", f"{table.size} numbers: {readings}, each of {channels}; divided by their scales and clipped"),
        ("controls", f"`{scenario.control}`: {', '.join(scenario.action_names)}, each in [-1, 1]"),
        ("decides", f"every {scenario.decision_period:g} s"),
        (
            "network",
            f"tanh layers of {layers}; memory: {memory}; action: {squash}; of the readings, it is shown {shown}",
        ),
    ]


def how_it_came_to_be(fact: RunFacts) -> list[tuple[str, str]]:
    """Command, code, practice, versions."""
    changes = fact("run.json", "uncommitted_changes", lambda some: "with uncommitted changes" if some else "unchanged")
    return [
        ("command", fact("run.json", "command", lambda command: f"`{command}`")),
        ("commit", f"{fact('policy.json', 'commit')} ({changes})"),
        ("algorithm", fact("config.json", "experiment.algorithm")),
        ("practice", fact("config.json", "experiment.practice", lambda tree: json.dumps(tree) if tree else "as it is")),
        ("training steps", fact("policy.json", "trained_steps", lambda steps: f"{steps:,} decisions")),
        ("training time", fact("policy.json", "training.seconds", lambda seconds: f"{seconds / 60:.1f} min")),
        ("seed", fact("policy.json", "seed")),
        ("device", fact("run.json", "device")),
        ("versions", fact("run.json", "packages", lambda tree: ", ".join(f"{k} {v}" for k, v in tree.items()))),
        ("python", fact("run.json", "python")),
    ]


def results(fact: RunFacts, names: set[str]) -> tuple[list[Mapping[str, Any]], str]:
    """The rows of the pilot in the run's evaluation, and, if there are none, what is missing."""
    again = "`python -m agents.evaluate --pilots runs/DIR --out runs/DIR` measures it"
    tree = fact.trees["evaluation.json"]
    if isinstance(tree, str):
        return [], f"{tree}; {again}"
    listed = tree.get("results")
    rows = [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []
    flown = [row for row in rows if str(row.get("pilot")) in names and "failed" not in row]
    others = ", ".join(sorted({str(row.get("pilot")) for row in rows})) or "nobody"
    return flown, f"missing: evaluation.json has flights of {others}, none of this pilot; {again}"


def row(result: Mapping[str, Any]) -> list[str]:
    """The numbers of one scenario, as evaluation.json has them, in the order of ``COLUMNS``."""

    def number(words: Callable[[Mapping[str, Any]], str]) -> str:
        try:
            return words(result)
        except (TypeError, ValueError, KeyError, IndexError):
            return "missing"

    def landed(count: str, interval: str) -> str:
        return number(lambda r: f"{r[count]}/{r['episodes']} [{r[interval][0]:.4f}, {r[interval][1]:.4f}]")

    def speed(which: str) -> str:
        return number(lambda r: ", ".join(f"{r['touchdown'][which][key]:.2f}" for key in ("mean", "p99", "worst")))

    return [
        number(lambda r: f"`{r['scenario']}`"),
        landed("landed", "wilson"),
        landed("landed_strict", "wilson_strict"),
        speed("vertical_speed"),
        speed("lateral_speed"),
        number(lambda r: ", ".join(f"{100.0 * r['over_bound'][key]:+.1f} %" for key in ("mean", "worst"))),
        number(lambda r: str(r["seed"])),
    ]


def known_limits(scenario: Scenario, fact: RunFacts, flown: list[Mapping[str, Any]]) -> list[str]:
    """Where what is known of the pilot ends."""
    faults = ", ".join(possible_faults(scenario)) or "none"
    measured = ", ".join(sorted({f"`{row.get('scenario')}`" for row in flown})) or "no scenario"
    changes = fact("config.json", "experiment.changes", lambda tree: json.dumps(tree) if tree else "none")
    return [
        f"It was trained for `{scenario.name}` (changes to it: {changes}) and measured on {measured}: "
        "how it flies any other vehicle, instrument or descent is not known.",
        f"Faults that this scenario draws: {faults}.",
    ]


def _read(path: Path) -> dict[str, Any] | str:
    """A file's tree, or what is missing."""
    try:
        tree = read_json(path)
    except FileNotFoundError:
        return f"missing: no {path.name}"
    except (OSError, ValueError) as error:
        return f"missing: {path.name} cannot be read ({type(error).__name__})"
    return tree if isinstance(tree, dict) else f"missing: {path.name} is no table"


def _one_line(text: str) -> str:
    return " ".join(text.split())
