"""The physical limit: the frontier against closed forms, the episodes that are handed over, and what pilots land."""

import json
import math
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("cvxpy")
pytest.importorskip("matplotlib")
pytest.importorskip("tyro")

from agents import frontier as command
from agents.frontier import LEAST_SLACK, SLACK, acquisition, judged, propellant_at_first_sight, starts_of
from agents.guidance.suicide_burn import burn_to_rest
from agents.limits.frontier import Frontier, Starts, after, fastest_vertical, frontier_of, nominal, survivable_rate
from agents.pictures.frontier import Cells
from agents.pilots import CLASSICAL, as_shown_to
from agents.scoring.episodes import fly_episodes
from agents.scoring.shipped import RESULTS
from agents.seeds import EVALUATION
from lunar_env import Outcome, load_scenario
from lunar_env.flying.episodes import Endings
from lunar_env.flying.pilot import Pilot

RESILIENCE = load_scenario("resilience")
VARIANT = acquisition(RESILIENCE, 100.0, 5_000.0, 120.0, propellant=42.0)
# Where the frontier is: half of the episodes lie on each side of it, all within a few metres per second.
CLOSE = acquisition(RESILIENCE, 650.0, 750.0, 120.0, propellant=42.0)
TO_REST = load_scenario(VARIANT, **{"limits.descent_rate": 0.0})
SEED, EPISODES = EVALUATION[0], 300


@pytest.fixture(scope="module")
def frontier() -> Frontier:
    return frontier_of(VARIANT, 5_000.0, points=13)


@pytest.fixture(scope="module")
def starts() -> Starts:
    return starts_of(VARIANT, EPISODES, SEED)


@pytest.fixture(scope="module")
def flown() -> dict[str, Endings]:
    return {pilot: fly_episodes(pilot, VARIANT, EPISODES, SEED) for pilot in ("cautious", "robust")}


def burn_from(starts: Starts, rate: np.ndarray) -> Any:
    """The full burn to rest that a vehicle makes from a rate of descent."""
    numbers = (rate, starts.mass, starts.thrust, starts.exhaust_speed, starts.gravity)
    return burn_to_rest(*(torch.as_tensor(number) for number in numbers))


# The frontier -----------------------------------------------------------------------------------------------------


def test_the_frontier_is_the_ignition_height_of_a_suicide_burn() -> None:
    found = frontier_of(TO_REST, 5_000.0, points=6)
    needed = burn_from(nominal(TO_REST, found.height), found.physics).height.numpy()
    # Height goes with the square of the rate.
    assert needed[1:] == pytest.approx(found.height[1:], rel=2.0 * SLACK)
    assert found.physics[0] == 0.0


def test_the_vertical_burn_is_the_closed_form_exactly() -> None:
    vehicle = nominal(TO_REST, np.array([1.0, 30.0, 720.0, 5_000.0]))
    assert burn_from(vehicle, fastest_vertical(vehicle)).height.numpy() == pytest.approx(vehicle.height, rel=1e-9)


def test_the_cone_program_and_the_vertical_burn_agree_within_the_slack(frontier: Frontier) -> None:
    vertical = fastest_vertical(nominal(VARIANT, frontier.height))
    assert frontier.physics == pytest.approx(vertical, rel=SLACK)
    assert (frontier.physics <= vertical + 1e-3).all(), "the program stays inside of what the engine can do"


def test_with_little_propellant_a_free_fall_comes_before_the_burn() -> None:
    scenario = load_scenario(TO_REST, **{"start.propellant": 12.0, "start.burnt": 0.0})
    vehicle = nominal(scenario, np.array([1_500.0]))
    rate = fastest_vertical(vehicle)
    longest = nominal(scenario, np.array([1e9]))
    assert fastest_vertical(longest)[0] == 0.0, "nothing can be survived from so high"
    fall = np.linspace(0.0, 1_500.0, 200_001)
    ignition = np.sqrt(rate**2 + 2.0 * vehicle.gravity * fall)
    burn = burn_from(nominal(scenario, fall), ignition)
    here = int(np.argmin(np.abs(burn.propellant.numpy() - 12.0)))
    assert fall[here] > 100.0
    assert burn.height.numpy()[here] == pytest.approx(1_500.0 - fall[here], rel=1e-3)
    program = frontier_of(scenario, 1_500.0, points=2).physics[-1]
    assert program == pytest.approx(rate[0], rel=SLACK)


def weak(height: np.ndarray, thrust: float, exhaust_speed: float = 2_844.0, touchdown_rate: float = 3.0) -> Starts:
    """A vehicle of 382 kg, 42 of them propellant, whose engine hardly carries it or does not."""
    numbers = {
        "descent_rate": 0.0,
        "mass": 382.0,
        "propellant": 42.0,
        "thrust": thrust,
        "exhaust_speed": exhaust_speed,
        "gravity": 1.62,
        "touchdown_rate": touchdown_rate,
        "wait": 0.0,
    }
    return Starts(height, **{name: np.full_like(height, number) for name, number in numbers.items()})


def touchdown(starts: Starts, rate: np.ndarray, wait: np.ndarray | float = 0.0) -> np.ndarray:
    """The rate of descent (N,) on the ground after a free fall for ``wait`` and full thrust, 20 ms a step."""
    height, rate, left, ground = starts.height.copy(), rate.copy(), starts.propellant.copy(), np.full_like(rate, np.nan)
    for step in range(100_000):
        burning = (step * 0.02 >= wait) & (left > 0.0)
        thrust = np.where(burning, starts.thrust, 0.0)
        later = rate + 0.02 * (starts.gravity - thrust / (starts.mass - starts.propellant + left))
        height, rate = height - 0.01 * (rate + later), later
        left = left - 0.02 * thrust / starts.exhaust_speed
        ground = np.where(np.isnan(ground) & (height <= 0.0), rate, ground)
        if not np.isnan(ground).any():
            break
    return ground


def test_less_thrust_than_weight_survives_close_to_the_ground_only() -> None:
    height = np.array([0.0, 5.0, 10.0, 14.0, 16.0, 50.0, 3_000.0])
    found = fastest_vertical(weak(height, 1.32 * 382.0, exhaust_speed=1e7))
    square = 3.0**2 - 2.0 * (1.62 - 1.32) * height  # constant mass; zero at 15 m
    assert found == pytest.approx(np.sqrt(np.maximum(square, 0.0)), rel=1e-3)


def test_an_engine_that_is_gone_survives_what_a_fall_does() -> None:
    height = np.array([0.0, 1.0, 2.0, 3.0, 2_000.0])
    assert fastest_vertical(weak(height, 1e-3)) == pytest.approx(
        np.sqrt(np.maximum(9.0 - 2.0 * 1.62 * height, 0.0)), abs=1e-3
    )


@pytest.mark.parametrize("thrust", [560.0, 590.0, 600.0, 640.0])
def test_a_burn_from_the_limit_ends_at_the_touchdown_rate_and_a_faster_one_does_not(thrust: float) -> None:
    # The vehicle weighs 619 N at first and 551 N at the end.
    starts = weak(np.array([1.0, 5.0, 50.0, 200.0, 900.0]), thrust)
    found = fastest_vertical(starts)
    some = found > 0.0
    assert some.any()
    assert touchdown(starts, found)[some] == pytest.approx(3.0, abs=0.02)
    for wait in (0.0, 1.0, 5.0, 20.0):
        assert (touchdown(starts, found + 0.1, wait) > 3.02).all()


def test_an_engine_that_outgrows_the_weight_comes_too_late_between_two_heights() -> None:
    starts = weak(np.array([1.0, 5.0, 20.0, 50.0, 100.0, 400.0, 900.0]), 590.0, touchdown_rate=1.0)
    assert (fastest_vertical(starts) > 0.0).tolist() == [True, True, False, False, False, True, True]
    assert (touchdown(starts, np.zeros(7))[2:5] > 1.1).all(), "not even from rest"


def test_a_higher_start_and_a_stronger_engine_survive_more(frontier: Frontier) -> None:
    assert (np.diff(frontier.physics) > 0.0).all()
    assert (np.diff(frontier.sighted) >= 0.0).all()
    assert (frontier.weak <= frontier.physics + 1e-9).all() and (frontier.physics <= frontier.strong + 1e-9).all()
    assert frontier.weak[-1] < 0.99 * frontier.strong[-1]
    strong = load_scenario(VARIANT, **{"engine.maximum_thrust": 2_000.0})
    assert (frontier_of(strong, 5_000.0, points=5).physics[1:] > frontier.physics[[3, 6, 9, 12]]).all()


def test_waiting_for_the_ground_costs_what_falls_in_that_time(frontier: Frontier) -> None:
    assert frontier.wait == pytest.approx(0.2 + 0.1 + 0.05), "delay, tick and lag"
    one = nominal(VARIANT, np.array([1_250.0]))
    fallen = after(replace(one, descent_rate=np.interp(one.height, frontier.height, frontier.sighted)))
    assert fallen.descent_rate[0] == pytest.approx(frontier.at(fallen.height)[0], rel=2e-3)


def test_with_too_little_propellant_to_hover_waiting_for_the_ground_gains_nothing() -> None:
    poor = frontier_of(load_scenario(VARIANT, **{"start.propellant": 8.0, "start.burnt": 0.0}), 5_000.0, points=9)
    assert (poor.physics == 0.0).any(), "the tanks are no limit here"
    assert (poor.sighted <= poor.physics).all()


def test_lateral_speed_costs_propellant_but_hardly_any_rate_of_descent() -> None:
    # With the fall stopped just above the ground, the rest can be lost there.
    still, moving = (frontier_of(VARIANT, 2_000.0, speed, points=3).physics for speed in (0.0, 40.0))
    assert moving[1:] == pytest.approx(still[1:], rel=3e-3)
    assert moving[0] == 0.0
    scarce = load_scenario(VARIANT, **{"start.propellant": 12.0, "start.burnt": 0.0})
    still, moving = (frontier_of(scarce, 800.0, speed, points=2).physics for speed in (0.0, 40.0))
    assert moving[1] < 0.9 * still[1]


# The episodes ------------------------------------------------------------------------------------------------------


def test_the_episode_begins_as_asked(starts: Starts) -> None:
    assert 100.0 <= starts.height.min() < 130.0 and 4_000.0 < starts.height.max() <= 5_000.0
    assert np.median(starts.height) == pytest.approx(math.sqrt(100.0 * 5_000.0), rel=0.2), "uniform in the logarithm"
    assert 0.0 <= starts.descent_rate.min() < 3.0 and 117.0 < starts.descent_rate.max() <= 120.0
    assert starts.mass == pytest.approx(382.0) and starts.propellant == pytest.approx(42.0)
    tanks = [one.observation_table() for one in (VARIANT, RESILIENCE)]
    assert tanks[0] == tanks[1], "the gauge tells a share of the same tanks"
    assert (starts.thrust / 1_600.0).min() >= 0.98 and np.ptp(starts.thrust) > 0.0
    assert VARIANT.navigation == RESILIENCE.navigation and VARIANT.sensors == RESILIENCE.sensors
    assert VARIANT.terrain == RESILIENCE.terrain and VARIANT.engine == RESILIENCE.engine


def test_the_shipped_result_at_first_sight_is_of_these_episodes() -> None:
    (result,) = (one for one in RESULTS if one.name == "first_sight")
    left = propellant_at_first_sight(RESILIENCE, SEED)
    wanted = acquisition(RESILIENCE, 200.0, 5_000.0, 120.0, propellant=left)
    assert load_scenario(result.scenario, **result.changes) == wanted


def test_the_altimeter_sees_from_the_first_tick(starts: Starts, flown: dict[str, Endings]) -> None:
    first = flown["cautious"].record["first_valid_altitude"]
    assert (first >= 0.0).all()
    fallen = starts.height - first
    wait = starts.wait - 0.05  # without the lag
    assert (fallen >= starts.descent_rate * wait - 0.15).all(), "nobody sees earlier than the sighted frontier assumes"
    late = 0.1 + 0.3 + 0.1  # tick, longest delay, jitter
    assert np.mean(fallen <= (starts.descent_rate + 1.7 * late) * late + 0.1) > 0.75
    # Speed costs returns, a third of them at 120 m/s.
    assert (fallen <= (starts.descent_rate + 3.0) * 2.0 + 0.1).all()


def test_all_pilots_meet_the_same_starts_whatever_the_batch(starts: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CHUNK", 77)
    for pilot in ("as_flown", "cautious", "robust"):
        others = starts_of(as_shown_to(pilot, VARIANT), EPISODES, SEED)
        for item in fields(Starts):
            assert np.array_equal(getattr(others, item.name), getattr(starts, item.name)), (pilot, item.name)


def test_the_propellant_is_what_is_left_at_first_sight() -> None:
    left = propellant_at_first_sight(RESILIENCE, SEED)
    assert 35.0 <= left <= 50.0 and left == round(left)
    blind = load_scenario("resilience", **{"faults.late_acquisition.altitude": 0.0})
    with pytest.raises(ValueError, match="never sees the ground in resilience; give --propellant"):
        propellant_at_first_sight(blind, SEED)


# What pilots land --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pilot", ["cautious", "robust"])
def test_no_landing_lies_beyond_the_frontier_and_few_before_it_are_missed(
    pilot: str, frontier: Frontier, starts: Starts, flown: dict[str, Endings]
) -> None:
    fastest = survivable_rate(starts, frontier, VARIANT)
    landed = flown[pilot].outcome == Outcome.LANDED
    assert (starts.descent_rate[landed] <= fastest[landed] * (1.0 + SLACK) + LEAST_SLACK).all()
    assert landed[starts.descent_rate < fastest - 6.0].mean() > 0.97
    row = judged(landed, starts, fastest, starts.descent_rate < 0.0)
    assert row["impossible"] == [] and row["beyond"]["landed"] == 0
    assert row["survivable"]["episodes"] + row["beyond"]["episodes"] == EPISODES
    assert row["sighted"] == {"landed": 0, "episodes": 0, "wilson": None}


def test_at_the_frontier_itself_no_landing_lies_beyond_it_either() -> None:
    count = 300
    starts, landed = starts_of(CLOSE, count, SEED), fly_episodes("robust", CLOSE, count, SEED).outcome
    fastest = survivable_rate(starts, frontier_of(CLOSE, 750.0, points=7), CLOSE)
    beyond = (starts.descent_rate - fastest)[landed == Outcome.LANDED].max()
    assert -3.0 < beyond < LEAST_SLACK, "the best landing comes close to the frontier and stays before it"


def test_what_nobody_can_land_is_told_episode_by_episode(starts: Starts, frontier: Frontier) -> None:
    fastest = survivable_rate(starts, frontier, VARIANT)
    every = np.ones(EPISODES, dtype=bool)
    row = judged(every, starts, fastest, every)
    assert len(row["impossible"]) == (starts.descent_rate > fastest * (1.0 + SLACK) + LEAST_SLACK).sum() > 0
    assert row["farthest_beyond"] == pytest.approx((starts.descent_rate - fastest).max())
    assert "m/s is the most" in row["impossible"][0]


def test_a_cell_counts_its_episodes_and_landings() -> None:
    cells = Cells(np.array([0.0, 100.0, 400.0]), np.array([0.0, 10.0, 20.0]))
    counted = cells.count(np.array([50.0, 150.0, 160.0]), np.array([5.0, 15.0, 15.0]), np.array([True, False, True]))
    assert counted == {"episodes": [[1, 0], [0, 2]], "landed": [[1, 0], [0, 1]]}


# The command -------------------------------------------------------------------------------------------------------


def call(*arguments: object) -> int:
    """What ``python -m agents.frontier`` does, and its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["agents.frontier", *map(str, arguments)])
        return command.main()


class Broken(Pilot):
    """Can be built and cannot fly."""

    name = "broken"

    def __init__(self, scenario: Any, num_landers: int, device: Any = "cpu") -> None:
        pass

    def reset(self, mask: torch.Tensor) -> None:
        pass

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        raise ValueError("silent gyros")


def test_the_command_writes_its_files_and_one_failing_pilot_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CLASSICAL, "broken", Broken)
    monkeypatch.setattr(command, "POINTS", 5)
    out = tmp_path / "new"
    code = call("--pilots=cautious,broken", "--episodes=60", "--approaches=20", "--propellant=42", f"--out={out}")
    assert code == 1
    tree = json.loads((out / "frontier.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    good, bad = tree["results"]
    assert good["all"]["episodes"] == 60 and np.sum(good["map"]["episodes"]) == 60
    assert good["approaches"]["all"]["episodes"] == 20
    assert "ValueError: silent gyros" in bad["failed"]
    assert tree["caption"].startswith("Bright is landed") and "42 kg" in tree["caption"]
    assert tree["provenance"]["commit"]
    assert tree["start"]["propellant"] * (1.0 - tree["start"]["burnt"]) == pytest.approx(42.0)
    assert (out / "frontier.png").stat().st_size > 10_000
    assert "</svg>" in (out / "frontier.svg").read_text(encoding="utf-8")
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[-1] == f"results: {out / 'frontier.json'}, picture: {out / 'frontier.png'}"
    assert any(line.startswith("cautious") for line in printed)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--scenario=resiliense", "perhaps you meant 'resilience'"),
        ("--pilots=nobody", "unknown pilot 'nobody'"),
        ("--episodes=0", "--episodes must be at least 1, got 0"),
        ("--approaches=-1", "--approaches must be at least 0, got -1"),
        ("--highest=20000", "--highest must be below the ceiling and the reach of 10000 m, got 20000"),
        ("--lowest=6000", "a range must run upwards"),
        ("--fastest=0", "a range must run upwards"),
        ("--propellant=-1", "--propellant must be at least 0 kg, got -1"),
        ("--pilots=cautious,cautious", "pilots need different names"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(
    argument: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    defaults = ["--pilots=cautious", "--propellant=42", f"--out={tmp_path / 'none'}"]
    assert call(*(d for d in defaults if d.split("=")[0] != argument.split("=")[0]), argument) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and words in error and "\n" not in error
    assert not (tmp_path / "none").exists()
