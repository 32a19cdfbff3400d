"""Put an evaluation into a page: ``python -m agents.pages.pilots --from runs/pilots/evaluation.json``.

One Markdown table a scenario, between the page's two markers. ``--pinpoint N`` adds below the tables of the scenarios
over flat ground what the optimum to the pad itself would use in the first N episodes; it needs cvxpy, and the
episodes.npz beside the evaluation.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from agents.command import answer, require_count
from agents.pages.words import NARROW, number, others, over_bound
from agents.reading import read_json
from agents.run_folder import write_text
from lunar_env import Descent, Outcome
from lunar_env.missions import PRESETS
from lunar_env.pages.markers import replaced
from lunar_env.quantities import middle

FLAT_RADIUS = 1e9  # [m] of the Moon, from which on its ground counts as flat
HEAD = (
    *("pilot", "landed", "strict", "down: mean / largest, m/s", "lateral: 99 %, m/s"),
    *("propellant, kg", "over the bound", "the others"),
)


@dataclass(frozen=True)
class Arguments:
    """Write an evaluation as tables into a page."""

    source: Annotated[Path, tyro.conf.arg(name="from")] = Path("runs/pilots/evaluation.json")
    """The evaluation."""
    page: Path = Path("docs/pilots.md")
    """Its markers get the tables."""
    pinpoint: int = 0
    """Episodes to find the optimum to the pad of; 0: none."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or 2 for a wrong request."""
    stays = "the page is as it was; the same command begins anew"
    return answer("agents.pages.pilots", Arguments, run, __doc__, interrupted=stays, argv=argv)


def run(arguments: Arguments) -> None:
    """Read the evaluation and write the page."""
    require_count("pinpoint", arguments.pinpoint, 0, 100_000)
    replaced(arguments.page, "")  # refused now, not after minutes
    results = read_results(arguments.source)
    text = "\n".join(section(group, pinpoint(group, arguments)) for group in by_scenario(results))
    write_text(arguments.page, replaced(arguments.page, text))
    print(f"{len(results)} rows of {arguments.source} are in {arguments.page}")


def read_results(path: Path) -> list[dict[str, Any]]:
    """The rows of an ``evaluation.json``. Raises ValueError for a file that is none."""
    try:
        results = read_json(path)["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no evaluation ({error}); make one with python -m agents.evaluate") from None
    if not results:
        raise ValueError(f"{path} has no results; make one with python -m agents.evaluate")
    return list(results)


def by_scenario(results: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The rows of each scenario, in the order given."""
    names = dict.fromkeys(row["scenario"] for row in results)
    return [[row for row in results if row["scenario"] == name] for name in names]


def section(group: Sequence[Mapping[str, Any]], tail: str = "") -> str:
    """Heading, table and what has to be said of one scenario."""
    flown = [row for row in group if "failed" not in row]
    parts = [f"### `{group[0]['scenario']}`\n"]
    if flown:
        seed = f", seed {flown[0]['seed']:,}" if "seed" in flown[0] else ""
        bound = flown[0].get("bound")
        least = f"; the bound is {bound:.1f} kg on average" if bound else ""
        parts.append(f"{flown[0]['episodes']:,} episodes{seed}{least}.\n")
    parts.append("\n".join(["| " + " | ".join(HEAD) + " |", "|---|---|" + "---:|" * (len(HEAD) - 3) + "---|"]))
    parts += [line(row) for row in group]
    reason = next((row["without_bound"] for row in flown if row.get("bound") is None and row.get("without_bound")), "")
    parts += [f"\nNo bound: {reason.partition(': ')[2] or reason}."] if reason else []
    return "\n".join([*parts, *([f"\n{tail}"] if tail else []), ""])


def line(row: Mapping[str, Any]) -> str:
    """One pilot; a failed one says why."""
    if "failed" in row:
        cells = [f"`{row['pilot']}`", f"failed: {plain(row['failed'])}", *[""] * (len(HEAD) - 2)]
    else:
        down, side = row["touchdown"]["vertical_speed"], row["touchdown"]["lateral_speed"]
        low, high = row["wilson"]
        cells = [
            f"`{row['pilot']}`",
            f"{row['landed']}/{row['episodes']} [{low:.4f}, {high:.4f}]",
            str(row["landed_strict"]),
            f"{number(down['mean'], 2)} / {number(down['worst'], 2)}" if down else "-",
            number(side["p99"], 2) if side else "-",
            number(row["propellant"]["mean"]),
            over_bound(row) + (f" ({row['below_bound']} below it)" if row.get("below_bound") else ""),
            others(row) or "-",
        ]
    return "| " + " | ".join(cells) + " |"


def plain(text: str) -> str:
    """A text that cannot break a row of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())


def pinpoint(group: Sequence[Mapping[str, Any]], arguments: Arguments) -> str:
    """What landing on the pad itself takes in the first episodes, and what each pilot used in the same ones.

    An empty text without ``--pinpoint``, and for a scenario that is no preset over flat ground.
    """
    flown = [row for row in group if "failed" not in row]
    name = group[0]["scenario"]
    if arguments.pinpoint < 1 or not flown or name not in PRESETS or middle(PRESETS[name].moon.radius) < FLAT_RADIUS:
        return ""
    from agents.limits.optimum import pinpoint_optimum

    count = min(arguments.pinpoint, flown[0]["episodes"])
    descent = Descent(PRESETS[name], count, seed=flown[0]["seed"], autoreset="disabled")
    rows = [
        ("optimum to the pad, at rest", mean_and_deviation(pinpoint_optimum(descent, count, at_rest=True))),
        ("optimum to the pad, as fast as a landing allows", mean_and_deviation(pinpoint_optimum(descent, count))),
    ]
    with np.load(arguments.source.with_name("episodes.npz")) as kept:
        for key in [f"{name}/{row['pilot']}" for row in flown]:
            if f"{key}/outcome" not in kept:
                raise ValueError(f"episodes.npz beside {arguments.source} has no {key}: is it of another evaluation?")
            landed = kept[f"{key}/outcome"][:count] == Outcome.LANDED
            label = f"`{key.partition('/')[2]}`, the {landed.sum()} that landed"
            rows.append((label, mean_and_deviation(kept[f"{key}/propellant_used"][:count][landed])))
    table = "\n".join(f"| {label} | {used} |" for label, used in rows)
    return f"The first {count} episodes alone:\n\n| | propellant, kg: mean ± standard deviation |\n|---|---:|\n{table}"


def mean_and_deviation(used: np.ndarray) -> str:
    """Mean and standard deviation [kg] of propellant (n,), without what is not a number."""
    known = used[np.isfinite(used)].astype(np.float64)
    if known.size < 2:
        return number(known.mean() if known.size else None)
    return f"{known.mean():.1f}{NARROW}±{NARROW}{known.std(ddof=1):.1f}"


if __name__ == "__main__":
    sys.exit(main())
