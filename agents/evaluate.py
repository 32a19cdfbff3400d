"""Compare pilots: ``python -m agents.evaluate --scenario NAME[,NAME] --pilots NAME[,NAME|runs/DIR] --episodes N``.

Every pilot flies the same episodes, each once to its end. Writes evaluation.json, episodes.npz and report.html, and
failures.json if a pilot failed in any.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from agents.command import answer, require_count
from agents.limits.bound import NO_BOUND, episode_bounds
from agents.pages.chapter import Chapter
from agents.pages.subjects import pilot_sentence, scenario_sentence
from agents.pages.words import below_bound, table, wishes_words, worst_first
from agents.pictures.recorded_flight import RecordedFlight, recorded
from agents.pilots import CLASSICAL, SHIPPED, as_shown_to, make_pilot
from agents.run_folder import make_folder, provenance, write_atomic, write_json
from agents.scoring.episodes import fly_episodes, fly_traced
from agents.scoring.failures import FAILURES, failure, listed, write_failures
from agents.scoring.statistics import against_bound, landing_box
from agents.scoring.telling import telling_episode
from agents.seeds import EVALUATION, PURPOSES
from lunar_env import Descent, Scenario, load_scenario
from lunar_env.flying.episodes import CHUNK, Endings
from lunar_env.flying.pilot import CannotFlyError
from lunar_env.flying.statistics import summary
from lunar_env.flying.user_pilot import is_user_pilot
from lunar_env.flying.wishes import own_copy, wished
from lunar_env.task import TOUCHED

MOST_DRAWN = 6  # scenarios whose flights the report draws


@dataclass(frozen=True)
class Arguments:
    """Fly pilots on the same episodes and compare them."""

    scenario: str = "resilience"
    """Names, separated by commas."""
    pilots: str = "as_flown,cautious,reference"
    """Names, folders of runs, exported ones as FILE.onnx, or own ones as FILE.py:CLASS, separated by commas."""
    episodes: int = 1000
    """Flown by each pilot in each scenario, up to 10,000,000."""
    seed: int = EVALUATION[0]
    """Of the episodes. Training uses others, see agents/seeds.py."""
    out: Path = Path("runs/evaluation")
    """Where the results go; replaces what is there."""
    flight: str = ""
    """A scenario that the report draws first; by default the hardest of those that were flown."""
    device: str = "cpu"
    """Where the landers and the pilots compute."""


@dataclass(frozen=True)
class Campaign:
    """What is to be flown, by whom, and where the results go."""

    scenarios: tuple[Scenario, ...]
    pilots: tuple[str, ...]
    episodes: int
    seed: int
    out: Path
    flight: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    device: str = "cpu"


def main() -> int:
    """The command line. Returns the exit code: 1 if a pilot failed in an episode, 2 for a wrong request, else 0."""
    stays = "results are written in the end, so --out holds what it held; the same command begins anew"
    return answer("agents.evaluate", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> int:
    """Fly what was asked for. Returns the exit code, 0 or 1."""
    scenarios = tuple(own_copy(name) for name in arguments.scenario.split(","))
    require_count("episodes", arguments.episodes, 1, 10_000_000)
    origin = provenance(arguments.device)
    facts = [("command", origin["command"]), ("commit", origin["commit"]), ("seed", seed_words(arguments.seed))]
    results = evaluate(
        Campaign(
            scenarios=scenarios,
            pilots=tuple(arguments.pilots.split(",")),
            episodes=arguments.episodes,
            seed=arguments.seed,
            out=arguments.out,
            flight=arguments.flight,
            facts=facts,
            device=arguments.device,
        )
    )
    return int(any("failures" in row for row in results))


def check(campaign: Campaign) -> None:
    """Refuse what cannot be flown before anything is flown: a device, a seed, a pilot, a scenario it cannot fly."""
    labels = [label(pilot) for pilot in campaign.pilots]
    if len(set(labels)) < len(labels):
        raise ValueError(f"pilots need different names in the results, got {', '.join(labels)}")
    refused: list[CannotFlyError] = []
    for scenario in (*campaign.scenarios, flight_of(campaign)):
        Descent(scenario, 1, campaign.device, campaign.seed)
        for pilot in campaign.pilots:
            try:
                make_pilot(pilot, as_shown_to(pilot, scenario), 1, campaign.device)
            except CannotFlyError as error:
                refused.append(error)  # others may fly it, and it others
            except (KeyError, ValueError):
                raise  # the request is wrong
            except Exception:  # the pilot is: its row will say so
                continue
    if refused and len(refused) == (len(campaign.scenarios) + 1) * len(campaign.pilots):
        raise refused[0]


def evaluate(campaign: Campaign) -> list[dict[str, Any]]:
    """Fly the campaign, print the table, write the files. Returns the rows of ``evaluation.json``."""
    check(campaign)
    make_folder(campaign.out)
    if campaign.seed not in EVALUATION:
        print(f"warning: {seed_words(campaign.seed)}", file=sys.stderr)
    results: list[dict[str, Any]] = []
    flown: dict[str, Endings] = {}
    failures: list[dict[str, Any]] = []
    bounds: dict[str, np.ndarray] = {}  # [kg] of each scenario's episodes, the same for all pilots
    total = len(campaign.scenarios) * len(campaign.pilots) * campaign.episodes
    with tqdm(total=total, unit="episode") as bar:
        for scenario in campaign.scenarios:
            bar.set_postfix_str(f"bound on {scenario.name}")
            least = episode_bounds(scenario, campaign.episodes, campaign.seed, campaign.device, CHUNK)
            bounds[scenario.name] = least
            for pilot in campaign.pilots:
                name = label(pilot)
                bar.set_postfix_str(f"{name} on {scenario.name}")
                began = time.perf_counter()
                try:
                    shown = as_shown_to(pilot, scenario)
                    flights = fly_episodes(pilot, scenario, campaign.episodes, campaign.seed, campaign.device, bar)
                except Exception as error:  # a pilot's own failure must not cost the others their results
                    results.append(failure(scenario.name, name, campaign.episodes, error))
                    failures += listed(results[-1], getattr(error, "failures", ()), campaign.seed, campaign.out)
                    continue
                row = summary(scenario.name, name, flights.outcome, flights.record)
                row |= against_bound(flights.outcome, flights.record["propellant_used"], least, NO_BOUND)
                row["wishes"] = wished(scenario, shown)
                if flights.failures:
                    count = sum(one.episodes for one in flights.failures)
                    row["failures"] = {"episodes": count, "first": str(flights.failures[0])}
                    failures += listed(row, flights.failures, campaign.seed, campaign.out)
                results.append({**row, "seconds": time.perf_counter() - began, "seed": campaign.seed})
                flown[f"{scenario.name}/{name}"] = flights
    write_results(campaign, results, flown, bounds)
    write_failures(campaign.out / FAILURES, failures)
    print(table(results))
    if any(row.get("wishes") for row in results):
        print(wishes_words(results))
    for row in results:
        if row.get("below_bound"):
            print(below_bound(row), file=sys.stderr)
    print(f"results: {campaign.out / 'evaluation.json'}, picture: {campaign.out / 'report.html'}")
    return results


def flight_of(campaign: Campaign) -> Scenario:
    """The scenario that is drawn first."""
    flown = next((s for s in campaign.scenarios if s.name == campaign.flight or not campaign.flight), None)
    return flown or load_scenario(campaign.flight)


def label(pilot: str) -> str:
    """A pilot's name in tables: a run's folder goes by its last part, a user's pilot by its class.

    Unless that is another pilot's name. An exported one goes by its folder and file, for all are called alike.
    """
    path = Path(pilot)
    name = "/".join(path.parts[-2:]) if path.suffix == ".onnx" else path.name or pilot
    if is_user_pilot(pilot):
        name = pilot.rpartition(":")[2]
    return pilot if name in (*CLASSICAL, *SHIPPED) else name


def seed_words(seed: int) -> str:
    """The seed, and what it is for if not for evaluation."""
    owner = next((purpose for block, purpose in PURPOSES.items() if seed in block), "nothing here")
    return str(seed) if seed in EVALUATION else f"seed {seed:,} is for {owner}, not for evaluation"


def write_results(
    campaign: Campaign, results: list[dict[str, Any]], flown: dict[str, Endings], bounds: dict[str, np.ndarray]
) -> None:
    """evaluation.json, every episode in episodes.npz, and the report."""
    from agents.pages.report import write_report

    write_json(campaign.out / "evaluation.json", {"results": results})
    arrays = {f"{scenario}/bound": least for scenario, least in bounds.items()}
    arrays |= {f"{key}/outcome": flights.outcome for key, flights in flown.items()}
    for key, flights in flown.items():
        arrays.update({f"{key}/{name}": column for name, column in flights.record.items()})
    write_atomic(campaign.out / "episodes.npz", lambda path: save_arrays(path, arrays))

    write_report(
        campaign.out / "report.html",
        results,
        chapters(campaign, results, flown),
        title=scenario_sentence(campaign.scenarios[0]) if len(campaign.scenarios) == 1 else title_of(campaign),
        facts=campaign.facts,
        pilots={label(pilot): pilot_sentence(pilot) for pilot in campaign.pilots},
    )


def title_of(campaign: Campaign) -> str:
    """Of a report of several scenarios."""
    return f"{len(campaign.pilots)} pilots in {len(campaign.scenarios)} scenarios"


def chapters(campaign: Campaign, results: list[dict[str, Any]], flown: dict[str, Endings]) -> list[Chapter]:
    """What the report draws: the scenario that was asked for, then the others, the hardest first."""
    by_name = {scenario.name: scenario for scenario in campaign.scenarios}
    drawn = flight_of(campaign)
    order = [*worst_first(results), *by_name]
    if campaign.flight and drawn.name not in order[:1]:
        by_name.setdefault(drawn.name, drawn)
        order.insert(0, drawn.name)
    return [chapter(by_name[name], campaign, results, flown) for name in list(dict.fromkeys(order))[:MOST_DRAWN]]


def chapter(
    scenario: Scenario, campaign: Campaign, results: list[dict[str, Any]], flown: dict[str, Endings]
) -> Chapter:
    """One scenario: an episode that tells something, flown again by each pilot that can."""
    endings = {label(pilot): flown.get(f"{scenario.name}/{label(pilot)}") for pilot in campaign.pilots}
    known = {pilot: one for pilot, one in endings.items() if one is not None}
    failed = {row["pilot"] for row in results if "failed" in row and row["scenario"] in (scenario.name, "")}
    episode = telling_episode({pilot: one.outcome for pilot, one in known.items()})
    drawn: list[RecordedFlight] = []
    for pilot in campaign.pilots:
        if label(pilot) in failed:
            continue
        try:
            drawn.append(drawn_flight(pilot, scenario, campaign.seed, episode))
        except Exception as error:  # the report goes without that picture
            print(f"{label(pilot)} is not drawn: {type(error).__name__}: {error}", file=sys.stderr)
    return Chapter(
        scenario.name,
        scenario_sentence(scenario),
        in_order(drawn),
        episode,
        landing_box(scenario),
        {pilot: touchdown_speeds(one) for pilot, one in known.items()},
    )


def in_order(drawn: list[RecordedFlight]) -> list[RecordedFlight]:
    """The first that did not land, or the first; beside it the newest pilot that landed, or the newest; then others."""
    if not drawn:
        return drawn
    first = next((flight for flight in drawn if flight and flight.outcome != "landed"), drawn[0])
    others = [flight for flight in drawn[::-1] if flight is not first]
    others.sort(key=lambda flight: flight is not None and flight.outcome != "landed")  # stable: the newest stays first
    return [first, *others]


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz under exactly this name."""
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def touchdown_speeds(flights: Endings) -> np.ndarray:
    """(k, 2) vertical and lateral speed [m/s] of the episodes that met the ground."""
    met = np.isin(flights.outcome, TOUCHED)
    return np.stack([flights.record["descent_rate"][met], flights.record["lateral_speed"][met]], axis=1)


def drawn_flight(pilot: str, scenario: Scenario, seed: int, episode: int = 0) -> RecordedFlight:
    """An episode of a scenario as the report draws it."""
    return recorded(label(pilot), scenario, *fly_traced(pilot, scenario, seed, episode))


if __name__ == "__main__":
    sys.exit(main())
