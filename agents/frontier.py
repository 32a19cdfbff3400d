"""The physical limit: ``python -m agents.frontier --scenario NAME --pilots NAME[,NAME|runs/DIR] --episodes N``.

A descent is handed to the pilots at the moment when the altimeter first sees the ground, at many altitudes and rates of
descent. From some of these states any pilot could land, from others none: the frontier between them is physics. What
lies inside it and is not landed is the pilot's share of the gap. Writes frontier.json, frontier.png and frontier.svg.

The frontier: for each height the fastest rate of descent from which the scenario's nominal vehicle, its thrust where it
wants it at once, meets the touchdown limits (the cone program of agents/limits/optimum.py). The sighted frontier is
that of a pilot who waits for the ground to show: free fall for the range finder's delay, one tick to measure and the
engine's lag. A pilot who brakes blind may land beyond the second line, none beyond the first.
"""

import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from agents.command import answer, require_count
from agents.evaluate import Campaign, check, label
from agents.limits.frontier import POINTS, Frontier, Starts, after, ends_of, frontier_of, survivable_rate
from agents.pages.frontier import table
from agents.pictures.frontier import Cells, write_figure
from agents.pilots import as_shown_to, make_pilot
from agents.run_folder import make_folder, provenance, write_json
from agents.scoring.episodes import fly_episodes
from agents.scoring.failures import failure
from agents.seeds import EVALUATION
from lunar_env import Descent, Outcome, Scenario, load_scenario
from lunar_env.flying.batches import batches
from lunar_env.flying.episodes import CHUNK, Endings
from lunar_env.flying.statistics import wilson
from lunar_env.flying.wishes import own_copy
from lunar_env.quantities import Range, middle
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

Vector = NDArray[np.float64]

SAMPLES = 256  # descents that tell how much propellant is left
# The frontier may be so much too low: nodes and expansions of the cone program (0.3 %), interpolation (0.1 %), lower
# ground at the end of a sideways dash (0.1 % on 6 degrees), float32 at touchdown.
SLACK, LEAST_SLACK = 0.01, 0.1  # share of the rate of descent, and [m/s]


@dataclass(frozen=True)
class Arguments:
    """Draw the limit of what any pilot could survive over what pilots do."""

    scenario: str = "resilience"
    """Whose vehicle, ground and instruments."""
    pilots: str = "as_flown,cautious,robust"
    """Names, folders of runs, exported ones as FILE.onnx, or own ones as FILE.py:CLASS, separated by commas."""
    episodes: int = 20_000
    """Flown by each pilot."""
    approaches: int = 300
    """Episodes of the scenario itself that each pilot flies too, to show where its own approach brings it; 0: none."""
    lowest: float = 100.0
    """[m] altitude of first sight, drawn from here ..."""
    highest: float = 5_000.0
    """[m] ... to here, uniform in its logarithm."""
    fastest: float = 120.0
    """[m/s] rate of descent at first sight, drawn from 0 to this."""
    lateral_speed: float = 0.0
    """[m/s] at first sight; costs little, for it can be lost just above the ground, as long as there is propellant."""
    propellant: float | None = None
    """[kg] at first sight; by default the median of what as_flown has left then in the scenario itself."""
    seed: int = EVALUATION[0]
    """Of the episodes. Training uses others, see agents/seeds.py."""
    out: Path = Path("runs/frontier")
    """Where the results go; replaces what is there."""
    device: str = "cpu"
    """Where the landers and the pilots compute."""


# The command -------------------------------------------------------------------------------------------------------


def main() -> int:
    """The command line. Returns the exit code: 1 if a pilot failed or landed what nobody can, 2 for a wrong request."""
    stays = "results are written in the end, so --out holds what it held; the same command begins anew"
    return answer("agents.frontier", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> int:
    """Fly, compare with the frontier, write the files, print the table. Returns the exit code, 0 or 1."""
    began, scenario = time.perf_counter(), checked(arguments)
    origin = provenance(arguments.device) | {"seed": arguments.seed}
    starts = starts_of(scenario, arguments.episodes, arguments.seed, arguments.device)
    top = max(arguments.highest, starts.height.max())
    frontier = frontier_of(scenario, top, arguments.lateral_speed, POINTS)
    cells = Cells.between(arguments.highest, arguments.fastest)
    rows = fly(arguments, scenario, starts, frontier, cells)
    caption = write_figure(arguments.out, scenario, frontier, cells, rows)
    tree = {
        "scenario": scenario.name,
        "start": asdict(scenario.start),
        "frontier": {name: np.round(column, 3).tolist() for name, column in asdict(frontier).items()},
        "cells": {name: edges.tolist() for name, edges in asdict(cells).items()},
        "results": rows,
        "caption": caption,
        "seconds": time.perf_counter() - began,
        "provenance": origin,
    }
    write_json(arguments.out / "frontier.json", tree)
    print(table(rows))
    for row in rows:
        for words in row.get("impossible", ()):
            print(f"impossible, so frontier or physics is wrong: {row['pilot']} landed {words}", file=sys.stderr)
    print(f"results: {arguments.out / 'frontier.json'}, picture: {arguments.out / 'frontier.png'}")
    return int(any("failures" in row or row.get("impossible") for row in rows))


def checked(arguments: Arguments) -> Scenario:
    """The variant that is to be flown. Refuses what cannot be flown before anything is."""
    require_count("episodes", arguments.episodes, 1, 10_000_000)
    require_count("approaches", arguments.approaches, 0, 10_000_000)
    scenario = own_copy(arguments.scenario)
    numbers = (arguments.lowest, arguments.highest, arguments.fastest)
    acquisition(scenario, *numbers, 1.0, arguments.lateral_speed)
    propellant = arguments.propellant
    if propellant is not None and propellant < 0.0:
        raise ValueError(f"--propellant must be at least 0 kg, got {propellant:g}")
    if propellant is None:
        propellant = propellant_at_first_sight(scenario, arguments.seed, arguments.device)
    scenario = acquisition(scenario, *numbers, propellant, arguments.lateral_speed)
    pilots = tuple(arguments.pilots.split(","))
    check(Campaign((scenario,), pilots, 1, arguments.seed, arguments.out, scenario.name, device=arguments.device))
    make_folder(arguments.out)
    return scenario


def fly(
    arguments: Arguments, scenario: Scenario, starts: Starts, frontier: Frontier, cells: Cells
) -> list[dict[str, Any]]:
    """A row of results for each pilot, all on the same episodes."""
    fastest = survivable_rate(starts, frontier, scenario)
    waiting = survivable_rate(after(starts), frontier, scenario) >= after(starts).descent_rate
    rows: list[dict[str, Any]] = []
    whole, pilots = load_scenario(arguments.scenario), arguments.pilots.split(",")
    with tqdm(total=len(pilots) * (arguments.episodes + arguments.approaches), unit="episode") as bar:
        for pilot in pilots:
            bar.set_postfix_str(f"{label(pilot)} on {scenario.name}")
            try:
                flights = fly_episodes(pilot, scenario, arguments.episodes, arguments.seed, arguments.device, bar)
                if arguments.approaches:
                    own = fly_episodes(pilot, whole, arguments.approaches, arguments.seed, arguments.device, bar)
            except Exception as error:  # a pilot's own failure must not cost the others their results
                rows.append(failure(scenario.name, label(pilot), arguments.episodes, error))
                continue
            landed = flights.outcome == Outcome.LANDED
            rows.append({"pilot": label(pilot), **judged(landed, starts, fastest, waiting)})
            rows[-1]["map"] = cells.count(starts.height, starts.descent_rate, landed)
            rows[-1]["approaches"] = first_sights(own, frontier) if arguments.approaches else None
            if flights.failures:
                first, count = flights.failures[0], sum(one.episodes for one in flights.failures)
                rows[-1]["failures"] = {"episodes": count, "first": str(first)}
                print(f"{label(pilot)} failed in {count:,} episodes: {first}", file=sys.stderr)
    return rows


def judged(landed: NDArray[np.bool_], starts: Starts, fastest: Vector, waiting: NDArray[np.bool_]) -> dict[str, Any]:
    """What a pilot landed of all episodes, of those that physics allows, of those that still do after a wait, beyond.

    ``landed`` and ``waiting`` are (episodes,) bool, ``fastest`` (episodes,) [m/s] is what each could survive.
    ``impossible`` describes the episodes that were landed farther beyond the frontier than the slack.
    """
    rate, within = starts.descent_rate, starts.descent_rate <= fastest
    kinds = {"all": within | True, "survivable": within, "sighted": within & waiting, "beyond": ~within}
    impossible = np.flatnonzero(landed & (rate > fastest * (1.0 + SLACK) + LEAST_SLACK))
    return {
        **{kind: share(landed[which]) for kind, which in kinds.items()},
        "farthest_beyond": float(np.max((rate - fastest)[landed], initial=-np.inf)) if landed.any() else None,
        "impossible": [
            f"episode {i} from {starts.height[i]:.0f} m at {rate[i]:.1f} m/s, where {fastest[i]:.1f} m/s is the most"
            for i in impossible
        ],
    }


def first_sights(flights: Endings, frontier: Frontier) -> dict[str, Any]:
    """Where a pilot's own approaches stood when the ground was first seen, each (seen,), and how they ended.

    ``beyond`` counts those that were faster than the nominal frontier, and how many of them were landed: the drawn
    vehicle, and the propellant left, may be better ones.
    """
    altitude, rate = (flights.record["first_valid_" + name] for name in ("altitude", "descent_rate"))
    seen = altitude >= 0.0
    landed, beyond = flights.outcome == Outcome.LANDED, seen & (rate > frontier.at(np.maximum(altitude, 0.0)))
    return {
        "all": share(landed),
        "beyond": share(landed[beyond]),
        "altitude": np.round(altitude[seen].astype(float), 1).tolist(),
        "descent_rate": np.round(rate[seen].astype(float), 2).tolist(),
        "landed": landed[seen].tolist(),
    }


def share(landed: NDArray[np.bool_]) -> dict[str, Any]:
    """How many of some episodes (n,) were landed, with the interval of the rate if there are any."""
    interval = list(wilson(int(landed.sum()), landed.size)) if landed.size else None
    return {"landed": int(landed.sum()), "episodes": landed.size, "wilson": interval}


# What is flown -----------------------------------------------------------------------------------------------------


def acquisition(
    scenario: Scenario, lowest: float, highest: float, fastest: float, propellant: float, lateral_speed: float = 0.0
) -> Scenario:
    """The scenario from the moment of first sight: upright, engine off, over the pad, altimeter awake.

    Altitude [m] is uniform in its logarithm from ``lowest`` to ``highest``, rate of descent [m/s] uniform from 0 to
    ``fastest``. All else stays, the name too, by which a flight computer knows its plan. Raises ValueError for an
    altitude that the scenario does not cover, or from which no range finder reaches the ground.
    """
    reach = min(scenario.ceiling, max(max(ends_of(finder.maximum_range)) for finder in scenario.sensors))
    if not highest < reach:
        raise ValueError(f"--highest must be below the ceiling and the reach of {reach:g} m, got {highest:g}")
    none = ("distance", "cross_distance", "cross_speed", "tilt", "pitch_rate", "throttle", "progress")
    changes: dict[str, Any] = {f"start.{name}": 0.0 for name in none}
    changes["start.altitude"] = Range(lowest, highest, log=True)
    changes["start.descent_rate"] = Range(0.0, fastest)
    changes["start.speed"] = lateral_speed
    # In the tanks that the pilot knows from the scenario itself, so that its gauge means the same.
    full = max(max(ends_of(scenario.start.propellant)), propellant)
    changes |= {"start.propellant": full, "start.burnt": 1.0 - propellant / full if full else 0.0}
    changes["faults.late_acquisition.probability"] = 0.0
    return load_scenario(scenario, **changes)


def propellant_at_first_sight(scenario: Scenario, seed: int, device: str = "cpu") -> float:
    """The median [kg] of what ``as_flown`` has left when the first valid range arrives, in whole kilograms.

    Raises ValueError if none ever does.
    """
    scenario = as_shown_to("as_flown", scenario)
    descent = Descent(scenario, SAMPLES, device, seed, autoreset="disabled")
    pilot = make_pilot("as_flown", scenario, SAMPLES, descent.device)
    observation = descent.reset(seed=seed)
    pilot.reset(torch.ones(SAMPLES, dtype=torch.bool, device=descent.device))
    left = torch.full((SAMPLES,), torch.nan, device=descent.device, dtype=torch.float32)
    for _ in range(scenario.steps):
        transition = descent.step(pilot.act(observation))
        observation = transition.observation
        first = left.isnan() & (descent.state["record.first_valid_altitude"] >= 0.0)
        left = torch.where(first, descent.state["motion.propellant"], left)
        if bool((transition.done | ~left.isnan()).all()):
            break
    if bool(left.isnan().all()):
        raise ValueError(f"as_flown never sees the ground in {scenario.name}; give --propellant in kg")
    return round(float(left.nanmedian()))


def starts_of(scenario: Scenario, episodes: int, seed: int, device: str = "cpu") -> Starts:
    """How episodes 0 to ``episodes`` - 1 of a seed begin, as ``flying.fly_episodes`` flies them."""
    parts = [_starts(descent) for descent in batches(scenario, episodes, seed, device, CHUNK)]
    return Starts(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Starts)))


def inside(scenario: Scenario, episodes: int, seed: int) -> NDArray[np.bool_]:
    """Which episodes (episodes,) of a scenario as ``acquisition`` has it begin where physics allows a landing."""
    starts = starts_of(scenario, episodes, seed)
    frontier = frontier_of(scenario, starts.height.max(), middle(scenario.start.speed))
    return starts.descent_rate <= survivable_rate(starts, frontier, scenario)


def _starts(descent: Descent) -> Starts:
    def drawn(name: str) -> Vector:
        return descent.state[name].double().cpu().numpy()

    truth = {name: column.double().cpu().numpy() for name, column in descent.truth().items()}
    radius, engine = drawn("drawn.moon.radius"), "drawn.engine."
    tick = descent.scenario.tick
    delays = [np.floor(drawn(f"drawn.{finder.name}.delay") / tick + 0.5) * tick for finder in descent.scenario.sensors]
    return Starts(
        height=truth["height"],
        descent_rate=truth["descent_rate"],
        mass=drawn("drawn.mass.dry") + drawn("motion.propellant"),
        propellant=drawn("motion.propellant"),
        thrust=drawn(engine + "maximum_thrust") * drawn(engine + "thrust_scale"),
        exhaust_speed=drawn(engine + "specific_impulse") * drawn(engine + "impulse_scale") * STANDARD_GRAVITY,
        gravity=drawn("drawn.moon.surface_gravity") * (radius / (radius + truth["height"])) ** 2,
        touchdown_rate=drawn("drawn.limits.descent_rate"),
        wait=np.min(delays, axis=0) + tick + drawn(engine + "lag"),
    )


if __name__ == "__main__":
    sys.exit(main())
