"""Fly every shipped policy again: ``python -m agents.results [--only NAME ...] [--page docs/results.md]``.

What is flown, beside what, and what is promised stands in agents/scoring/shipped.py. Writes results.json and
results.md; the exit code is 1 if a promise is not kept.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from agents.command import answer
from agents.evaluate import Campaign, check, label
from agents.pages.results import page, words
from agents.policy.network import CARD, WEIGHTS, read_card
from agents.reading import found as place_of
from agents.reading import read_json
from agents.run_folder import make_folder, provenance, write_json, write_text
from agents.scoring.episodes import fly_episodes
from agents.scoring.failures import failure
from agents.scoring.shipped import FRONTIER, RESULTS, SURVIVABLE, Floor, ShippedResult, Thrift
from agents.scoring.statistics import chance_of_wins
from agents.scoring.survivable import survivable
from agents.scoring.touchdowns import spreads, within
from lunar_env import Descent, Outcome, Scenario, load_scenario
from lunar_env.flying.episodes import Endings
from lunar_env.flying.statistics import summary, wilson
from lunar_env.pages.markers import replaced

LATER = ("among", "lower_bound", "above")  # fields that older entries lack
BY_CHANCE = 0.025  # at most, of being ahead by luck; on one side, as much as the intervals of 95 % leave there
COUNTS = ("episodes", "landed", "landed_strict", "wilson", "wilson_strict", "outcomes")


@dataclass(frozen=True)
class Arguments:
    """Fly the shipped policies beside their rivals, and see whether they keep what is promised."""

    only: tuple[str, ...] = ()
    """Results to fly, by name; of the others what is known stays as it is."""
    out: Path = Path("runs/results")
    """Folder of results.json and results.md."""
    page: Path | None = None
    """Markdown page whose markers get the tables as well."""


def main() -> int:
    """The command line. Returns the exit code: 0 if all floors are met, 1 if one is not, 2 for a wrong request."""
    stays = "results are written in the end, so --out holds what it held; fly fewer at a time with --only"
    return answer("agents.results", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> int:
    """Fly, write the files, say which floors are met. Returns the exit code, 0 or 1."""
    if arguments.page is not None:
        replaced(arguments.page, "")  # refused now, not after all flights
    asked = chosen(arguments.only)
    for result in asked:
        check(campaign(result, arguments.out))
    make_folder(arguments.out)
    kept = {} if not arguments.only else known(arguments.out / "results.json")
    origin = provenance("cpu")
    with tqdm(total=sum(result.episodes * (1 + len(result.pilots)) for result in asked), unit="episode") as bar:
        flown = {result.name: fly(result, origin, bar) for result in asked}
    entries = [flown.get(result.name) or unflown_entry(result, kept) for result in RESULTS]
    write_json(arguments.out / "results.json", {"results": entries})
    write_text(arguments.out / "results.md", page(entries))
    if arguments.page is not None:
        write_text(arguments.page, replaced(arguments.page, page(entries).rstrip()))
    print(page(entries))
    return verdict(entries, arguments)


def chosen(only: Sequence[str]) -> list[ShippedResult]:
    """The results to fly: those asked for by name, else those whose policy is there."""
    names = [result.name for result in RESULTS]
    if unknown := [name for name in only if name not in names]:
        raise KeyError(f"unknown result {unknown[0]!r}; known: {', '.join(names)}")
    asked = [result for result in RESULTS if result.name in only or (not only and not missing(result))]
    for result in asked:
        if missing(result):
            raise ValueError(f"{result.name} cannot be flown: {missing(result)}")
    return asked


def missing(result: ShippedResult) -> str:
    """Why a result cannot be flown, or nothing."""
    if (place_of(Path(result.policy)) / CARD).exists():
        return ""
    return f"{result.policy} holds no policy yet; python -m agents.curves CONFIG --ship {result.policy} makes one"


def campaign(result: ShippedResult, out: Path) -> Campaign:
    """What is flown, in the words of the evaluation."""
    scenario = load_scenario(result.scenario, **result.changes)
    return Campaign((scenario,), (result.policy, *result.pilots), result.episodes, result.seed, out, scenario.name)


def fly(result: ShippedResult, origin: dict[str, Any], bar: Any) -> dict[str, Any]:
    """The entry of one result: its definition, what was flown, how its floors stand."""
    scenario = load_scenario(result.scenario, **result.changes)
    possible, counts = among(result, scenario)
    rows, flown = [], {}
    for pilot in (result.policy, *result.pilots):
        bar.set_postfix_str(f"{label(pilot)} on {result.name}")
        try:
            flown[pilot] = fly_episodes(pilot, scenario, result.episodes, result.seed, progress=bar)
        except Exception as error:  # a pilot's own failure must not cost the others their results
            rows.append(failure(scenario.name, label(pilot), result.episodes, error))
            continue
        found = summary(scenario.name, label(pilot), flown[pilot].outcome, flown[pilot].record)
        rows.append({"pilot": label(pilot)} | {key: found[key] for key in COUNTS})
        rows[-1]["quantities"] = spreads(flown[pilot])
        if possible is not None:
            rows[-1][result.among] = share_of(flown[pilot].outcome[possible] == Outcome.LANDED)
    own = flown.get(result.policy)
    floors = [
        spent_by(own, floor, scenario, result.seed)
        if isinstance(floor, Thrift)
        else kept_by(own, floor, possible, flown.get(floor.above))
        for floor in result.floors
    ]
    card = read_card(place_of(Path(result.policy)))
    measured = {
        "weights_sha256": digest(place_of(Path(result.policy))),
        "card": {key: card.get(key) for key in ("config", "set", "trained_steps", "seed", "commit")},
        "rows": rows,
        "floors": floors,
        **{key: origin[key] for key in ("started", "commit", "uncommitted_changes", "packages", "system")},
    }
    return definition(result) | {"flown": measured | ({result.among: counts} if counts else {})}


def among(result: ShippedResult, scenario: Scenario) -> tuple[NDArray[np.bool_] | None, dict[str, int]]:
    """The episodes that a table is about, (episodes,) bool, and how many they are; nothing if it is about all."""
    if result.among == SURVIVABLE:
        found = survivable(scenario, result.episodes, result.seed)
        return found.episodes, found.counts()
    if result.among == FRONTIER:
        from agents.frontier import inside  # cvxpy and matplotlib: not before they are needed

        reached = inside(scenario, result.episodes, result.seed)
        return reached, {"episodes": result.episodes, "inside": int(reached.sum())}
    return None, {}


def share_of(well: np.ndarray) -> dict[str, Any]:
    """How many of some episodes, (n,) bool, are so, and the interval of their share."""
    count, episodes = int(well.sum()), int(well.size)
    return {"count": count, "episodes": episodes, "wilson": list(wilson(count, episodes))}


def kept_by(
    flights: Endings | None, floor: Floor, possible: NDArray[np.bool_] | None = None, rival: Endings | None = None
) -> dict[str, Any]:
    """How a floor stands after these flights and a rival's, or after none; ``possible`` is for one among some episodes.

    The rival flew the same episodes, so whether the policy is above it is asked of these one by one.
    """
    if flights is None or (floor.above and rival is None):
        return {"words": floor.words(), "count": None, "episodes": None, "met": False}
    which = possible if possible is not None and floor.among else np.ones_like(flights.outcome, dtype=bool)
    well = ended_well(flights, floor)[which]
    found = share_of(well)
    count, episodes = found["count"], found["episodes"]
    met = found["wilson"][0] >= floor.share if floor.lower_bound else count >= floor.share * episodes
    standing = {"words": floor.words(), "count": count, "episodes": episodes, "met": met}
    if floor.lower_bound:
        standing["wilson"] = found["wilson"]
    if rival is not None:
        others = ended_well(rival, floor)[which]
        chance = chance_of_wins(well, others)
        standing |= {"met": met and chance <= BY_CHANCE, "rival": {"count": int(others.sum()), "chance": chance}}
    return standing


def spent_by(flights: Endings | None, floor: Thrift, scenario: Scenario, seed: int) -> dict[str, Any]:
    """How a promise of thrift stands after these flights, or after none."""
    if flights is None:
        return {"words": floor.words(), "count": None, "episodes": None, "met": False}
    from agents.limits.optimum import pinpoint_optimum  # cvxpy: not before it is needed

    optimum = pinpoint_optimum(Descent(scenario, floor.episodes, seed=seed), floor.episodes, at_rest=True)
    spent, least = float(flights.record["propellant_used"][: floor.episodes].mean()), float(np.mean(optimum))
    return {"words": floor.words(), "spent": spent, "least": least, "met": spent <= (1.0 + floor.share) * least}


def ended_well(flights: Endings, floor: Floor) -> np.ndarray:
    """(episodes,) whether they ended as a floor wants it."""
    well = within(flights, floor.at_most)
    return well & (flights.outcome == Outcome.LANDED) if floor.landed else well


def definition(result: ShippedResult) -> dict[str, Any]:
    """An entry of agents/scoring/shipped.py as JSON has it.

    Fields that came later are left out where they are empty, so that older entries still compare as equal.
    """
    tree = asdict(result, dict_factory=lambda pairs: {key: value for key, value in pairs if value or key not in LATER})
    return dict(json.loads(json.dumps(tree)))


def digest(folder: Path) -> str:
    """The SHA-256 of a policy's weights: which policy it was that flew."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def known(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of an older ``results.json`` by name; none if there is no such file."""
    try:
        return {entry["name"]: entry for entry in read_json(path)["results"]}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no list of results ({error}); fly them all, without --only") from None


def unflown_entry(result: ShippedResult, kept: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The entry of a result that was not flown now.

    That is the older one if its definition and weights are the same, else one that says why it is missing.
    """
    old, asked = kept.get(result.name, {}), definition(result)
    same = "flown" in old and asked == {key: old.get(key) for key in asked}
    if same and not missing(result) and old["flown"]["weights_sha256"] == digest(place_of(Path(result.policy))):
        return old
    return asked | {"missing": missing(result) or f"not flown yet; python -m agents.results --only {result.name}"}


def verdict(entries: Sequence[dict[str, Any]], arguments: Arguments) -> int:
    """Say which floors are not met, what is missing and where the files are. Returns the exit code."""
    floors = [(entry["name"], floor) for entry in entries if "flown" in entry for floor in entry["flown"]["floors"]]
    for name, floor in floors:
        if not floor["met"]:
            print(f"{name}: {words(floor)}", file=sys.stderr)
    met, absent = sum(floor["met"] for _, floor in floors), sum("missing" in entry for entry in entries)
    failed = [row for entry in entries if "flown" in entry for row in entry["flown"]["rows"] if "failed" in row]
    lacking = f", {absent} of {len(entries)} results missing" if absent else ""
    print(f"{met} of {len(floors)} floors met{lacking}; results: {arguments.out / 'results.json'}, results.md")
    return int(met < len(floors) or bool(failed))


if __name__ == "__main__":
    sys.exit(main())
