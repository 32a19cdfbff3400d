"""The evaluation: the same episodes for every pilot, each flown once to its end, and numbers one may quote."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import exit_code

pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from agents import evaluate
from agents.limits.bound import NO_BOUND, bound_of, episode_bounds
from agents.pilots import CLASSICAL
from agents.policy.features import Features
from agents.policy.network import PolicyNetwork, save_policy
from agents.scoring import episodes as flying
from agents.scoring.statistics import against_bound
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.flying.pilot import Pilot
from lunar_env.flying.statistics import spread, summary, wilson
from lunar_env.task import record_fields

REPLAY = load_scenario("resilience_replay")


class Constant(Pilot):
    """Always the same action, whatever it sees: what differs between its flights is the descents."""

    name = "constant"

    def __init__(self, scenario, num_landers, device="cpu"):
        self.action = torch.full((num_landers, len(scenario.action_names)), 0.2)

    def reset(self, mask):
        pass

    def act(self, observation):
        return self.action


def failing(wrong):
    """A pilot that returns ``wrong(action)`` from the third decision on; before it flies it is only built."""

    class Faulty(Constant):
        decisions = 0

        def act(self, observation):
            self.decisions += 1
            return self.action if self.decisions < 3 else wrong(self.action)

    return Faulty


FAULTS = {
    "raises ValueError": (lambda action: float("silent gyros"), ["ValueError", "silent gyros"]),
    "raises KeyError": (lambda action: {}["no such channel"], ["KeyError", "no such channel"]),
    "raises RuntimeError": (lambda action: action @ action, ["RuntimeError", "mat1 and mat2"]),
    "returns NaN": (lambda action: action * math.nan, ["not finite"]),
    "returns another shape": (lambda action: action[:, :2], ["(1, 2)", "(1, 3)"]),
    "returns text": (lambda action: "down", ["'down'", "(1, 3)"]),
}


class Unbuilt(Constant):
    def __init__(self, scenario, num_landers, device="cpu"):
        raise ZeroDivisionError("no gain")


def command(*arguments):
    """What ``python -m agents.evaluate`` does, and its exit code."""
    return exit_code(evaluate.main, *arguments)


def rows_of(folder):
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["results"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A small evaluation in full: two scenarios, two pilots, eight episodes."""
    out = tmp_path_factory.mktemp("evaluation") / "new" / "folder"
    code = command("--scenario=resilience_as_planned,resilience_replay", "--pilots=as_flown,cautious",
                   "--episodes=8", "--seed=1000007", f"--out={out}")  # fmt: skip
    assert code == 0
    return out


@pytest.fixture
def learned(tmp_path):
    """The folder of an untrained policy that wants to see three readings."""
    scenario = load_scenario("resilience", history=3)
    network = PolicyNetwork(Features(scenario).size, (8,), 3)
    save_policy(tmp_path, network, scenario, {})
    return str(tmp_path)


@pytest.mark.parametrize("chunk", [1, 3, 4])
def test_an_episode_ends_the_same_whatever_the_size_of_the_batch_it_flew_in(chunk, monkeypatch):
    monkeypatch.setitem(CLASSICAL, "constant", Constant)
    scenario = load_scenario("resilience", **{"start.progress": [0.0, 1.0]})
    together = flying.fly_episodes("constant", scenario, 8, seed=11)
    monkeypatch.setattr("lunar_env.flying.episodes.CHUNK", chunk)
    apart = flying.fly_episodes("constant", scenario, 8, seed=11)
    assert len(np.unique(together.record["duration"])) == 8, "the episodes are all alike"
    assert np.array_equal(together.outcome, apart.outcome)
    for name, column in together.record.items():
        assert np.array_equal(column, apart.record[name]), name


def test_every_pilot_meets_the_same_initial_state(learned):
    starts = []
    for pilot in ("as_flown", "cautious", learned):
        trace, _ = flying.fly_traced(pilot, REPLAY, seed=3, episode=2)
        starts.append({name: column[0] for name, column in trace.columns.items() if name != "measured_altitude"})
    assert starts[0] == starts[1] == starts[2]
    other, _ = flying.fly_traced("as_flown", REPLAY, seed=3, episode=1)
    assert other.columns["altitude"][0] != starts[0]["altitude"], "all episodes are one"


def test_a_traced_flight_is_the_episode_of_the_same_number():
    episodes = flying.fly_episodes("as_flown", REPLAY, 3, seed=5)
    trace, alone = flying.fly_traced("as_flown", REPLAY, seed=5, episode=2)
    assert alone.outcome[0] == episodes.outcome[2]
    # In a batch the last digit of a square root or hypotenuse may differ; the loop that is closed over it forgives.
    for name, column in episodes.record.items():
        assert alone.record[name][0] == pytest.approx(column[2], rel=1e-4, abs=1e-4), name
    assert trace.columns["time"][-1] == pytest.approx(alone.record["duration"][0], abs=1e-3)
    assert trace.columns["altitude"][-1] == pytest.approx(0.0, abs=0.01)


def test_every_episode_counts_once_however_it_ends(monkeypatch):
    monkeypatch.setitem(CLASSICAL, "constant", Constant)
    scenario = load_scenario("resilience", time_limit=60.0, **{"start.progress": [0.0, 1.0]})
    flights = flying.fly_episodes("constant", scenario, 40, seed=0)
    row = summary(scenario.name, "constant", flights.outcome, flights.record)
    assert row["episodes"] == sum(row["outcomes"].values()) == 40
    assert row["outcomes"]["crashed"] > 0
    assert row["outcomes"]["out_of_time"] > 0
    late = flights.outcome == Outcome.OUT_OF_TIME
    assert np.allclose(flights.record["duration"][late], 60.0)
    assert (flights.record["duration"][~late] < 60.0).all(), "an episode went on after its end"


@pytest.mark.parametrize(
    "landed, episodes, low, high, digit",
    [
        (10, 10, 0.72, 1.00, 0.005),  # published to two digits
        (95, 100, 0.888, 0.978, 0.0005),  # and to three
        (950, 1000, 0.935, 0.962, 0.0005),
        (1000, 1000, 0.9962, 1.0, 0.00005),
        (0, 10, 0.0, 0.28, 0.005),  # mirrors 10 of 10
    ],
)
def test_the_interval_is_wilsons(landed, episodes, low, high, digit):
    found = wilson(landed, episodes)
    assert found == pytest.approx((low, high), abs=digit)
    z, p, n = 1.959963984540054, landed / episodes, episodes
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    by_hand = ((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
    assert found == pytest.approx(by_hand, abs=1e-12)


def test_the_spread_shows_the_tail_beside_the_mean():
    values = np.random.default_rng(0).permutation(2_000).astype(np.float32)
    expected = {"mean": 999.5, "p99": 0.99 * 1_999, "worst_0.1_percent": 1_998.5, "worst": 1_999.0}
    assert spread(values) == pytest.approx(expected, rel=1e-12)
    assert set(spread(np.array([3.5])).values()) == {3.5}
    assert spread(np.array([])) is None


def test_a_summary_counts_strict_landings_and_measures_only_what_touched_down():
    outcome = np.array([Outcome.LANDED, Outcome.LANDED, Outcome.CRASHED, Outcome.LOST])
    record = {name: np.zeros(4) for name in record_fields()}
    record["descent_rate"] = np.array([1.0, 2.5, 30.0, 99.0])
    row = summary("somewhere", "someone", outcome, record)
    assert (row["landed"], row["landed_strict"], row["episodes"]) == (2, 1, 4)
    assert row["touchdown"]["vertical_speed"]["worst"] == 30.0
    assert row["landing"]["vertical_speed"]["worst"] == 2.5


def test_only_landings_are_set_against_the_bound():
    outcome = np.array([Outcome.LANDED, Outcome.LANDED, Outcome.LANDED, Outcome.CRASHED, Outcome.LANDED])
    used = np.array([60.0, 55.0, 80.0, 1.0, 70.0])
    row = against_bound(outcome, used, np.array([50.0, 50.0, 50.0, 50.0, math.nan]), "in orbit")
    assert row["over_bound"] == pytest.approx({"mean": 0.3, "median": 0.2, "worst": 0.6})
    assert (row["bound"], row["below_bound"]) == (50.0, 0)
    assert row["without_bound"] == "1 of 5 episodes have no bound: in orbit"
    assert against_bound(outcome, used, np.full(5, 58.0), "")["below_bound"] == 1


def test_what_cannot_be_set_against_the_bound_is_null_with_a_reason():
    crashed, used = np.full(2, Outcome.CRASHED), np.ones(2)
    row = against_bound(crashed, used, np.ones(2), "in orbit")
    assert (row["bound"], row["over_bound"], row["below_bound"]) == (1.0, None, 0)
    assert row["without_bound"] == "no episode that has one landed"
    row = against_bound(np.full(2, Outcome.LANDED), used, np.full(2, math.nan), "in orbit")
    assert (row["bound"], row["over_bound"], row["below_bound"]) == (None, None, 0)
    assert row["without_bound"] == "2 of 2 episodes have no bound: in orbit"


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_an_episodes_bound_is_that_of_its_start_whatever_the_chunk(chunk):
    at_start = bound_of(Descent(REPLAY, 8, seed=11, autoreset="disabled"))
    assert len(np.unique(at_start)) == 8
    assert episode_bounds(REPLAY, 8, seed=11, chunk=chunk) == pytest.approx(at_start, rel=1e-9)


@pytest.mark.parametrize(
    "scenario, has_one",
    [
        (load_scenario("gaudet_nominal"), True),
        (load_scenario("slim"), False),  # from an orbit
        (load_scenario("resilience", **{"start.descent_rate": -5.0}), False),  # climbs
    ],
    ids=["on a flat Mars", "in orbit", "climbing"],
)
def test_where_there_is_no_bound_it_is_not_a_number(scenario, has_one):
    assert (np.isfinite(episode_bounds(scenario, 3, seed=0)) == has_one).all()


def test_an_engine_that_a_fault_makes_stronger_lowers_the_bound():
    changes = {"faults.thrust_deviation.probability": 1.0, "faults.thrust_deviation.excess": 0.15}
    stronger = load_scenario("resilience", **changes)
    weaker = load_scenario("resilience", **changes | {"faults.thrust_deviation.excess": -0.1})
    sound = episode_bounds(load_scenario("resilience"), 4, seed=0)
    assert (episode_bounds(stronger, 4, seed=0) < 0.99 * sound).all()
    assert episode_bounds(weaker, 4, seed=0) == pytest.approx(sound, rel=1e-6)


def test_cautious_never_lands_below_the_bound():
    scenario = load_scenario("resilience")
    flights = flying.fly_episodes("cautious", scenario, 20, seed=1_000_000)
    least = episode_bounds(scenario, 20, seed=1_000_000)
    row = against_bound(flights.outcome, flights.record["propellant_used"], least, NO_BOUND)
    assert row["below_bound"] == 0
    assert row["without_bound"] == ""
    assert 0.1 < row["over_bound"]["mean"] < 0.5  # seen: 0.29


def test_the_evaluation_does_without_cvxpy():
    program = "import sys; sys.modules['cvxpy'] = None; import agents.evaluate"
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", program], check=True, timeout=120)


def test_evaluation_json_has_a_row_for_each_pilot_in_each_scenario(results):
    rows = rows_of(results)
    pairs = [(row["scenario"], row["pilot"]) for row in rows]
    assert pairs == [(s, p) for s in ("resilience_as_planned", "resilience_replay") for p in ("as_flown", "cautious")]
    for row in rows:
        assert row["episodes"] == 8
        assert row["seed"] == 1_000_007
        assert row["wilson"] == list(wilson(row["landed"], 8))
        assert set(row["outcomes"]) == {o.name.lower() for o in Outcome if o != Outcome.FLYING}
        assert sum(row["outcomes"].values()) == 8
        assert row["outcomes"]["landed"] == row["landed"]
        for part in (row["touchdown"]["vertical_speed"], row["propellant"]):
            assert set(part) == {"mean", "p99", "worst_0.1_percent", "worst"}
            assert part["mean"] <= part["worst"]
    crashed = rows[2]
    assert crashed["outcomes"]["crashed"] == 8
    assert crashed["touchdown"]["vertical_speed"]["worst"] > 25.0


def test_each_row_tells_the_propellant_over_the_bound(results):
    with np.load(results / "episodes.npz") as kept:
        for row in rows_of(results):
            key = f"{row['scenario']}/{row['pilot']}"
            least = kept[f"{row['scenario']}/bound"]
            assert least.shape == (8,)
            assert row["bound"] == pytest.approx(least.mean())
            assert row["below_bound"] == 0
            landed = kept[f"{key}/outcome"] == Outcome.LANDED
            if landed.any():
                over = (kept[f"{key}/propellant_used"] / least - 1.0)[landed]
                assert row["over_bound"]["mean"] == pytest.approx(over.mean())
                assert row["over_bound"]["worst"] == pytest.approx(over.max())
                assert row["without_bound"] == ""
    assert rows_of(results)[2]["over_bound"] is None
    assert rows_of(results)[2]["without_bound"] == "no episode that has one landed"


def test_a_landing_below_the_bound_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "episode_bounds", lambda scenario, episodes, *more: np.full(episodes, 1e3))
    assert command("--scenario=resilience_as_planned", "--pilots=cautious", "--episodes=2", f"--out={tmp_path}") == 0
    assert rows_of(tmp_path)[0]["below_bound"] == 2
    warning = "cautious landed 2 of 2 descents in resilience_as_planned with less propellant than the bound"
    assert warning in capsys.readouterr().err
    assert warning in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_every_episode_is_kept_and_the_report_is_there(results):
    with np.load(results / "episodes.npz") as kept:
        for row in rows_of(results):
            key = f"{row['scenario']}/{row['pilot']}"
            assert int((kept[f"{key}/outcome"] == Outcome.LANDED).sum()) == row["landed"]
            assert kept[f"{key}/propellant_used"].mean() == pytest.approx(row["propellant"]["mean"], rel=1e-6)
    assert "as_flown" in (results / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in results.iterdir()) == ["episodes.npz", "evaluation.json", "report.html"]


@pytest.mark.parametrize("fault", [*FAULTS, "cannot be built"])
def test_a_pilot_that_fails_is_reported_and_the_others_results_stand(fault, tmp_path, monkeypatch, capsys):
    wrong, words = FAULTS.get(fault, (None, ["ZeroDivisionError", "no gain"]))
    monkeypatch.setitem(CLASSICAL, "faulty", failing(wrong) if wrong else Unbuilt)
    monkeypatch.setattr(evaluate, "drawn_flight", lambda *request: None)  # pictures take long
    monkeypatch.setattr("agents.pages.report.write_report", lambda path, *request, **more: path.touch())
    assert command("--pilots=faulty,as_flown", "--episodes=2", f"--out={tmp_path}") == 1
    faulty, sound = rows_of(tmp_path)
    for word in words:
        assert word in faulty["failed"]
    assert "landed" not in faulty
    assert sum(sound["outcomes"].values()) == 2
    assert faulty["failed"] in capsys.readouterr().out


def test_a_pilot_that_fails_in_one_episode_loses_that_one_and_says_where(tmp_path, monkeypatch, capsys):
    """It writes traceback and case into the result folder, and the next evaluation takes them away."""
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom lunar_env import Pilot\n"
        "class Mine(Pilot):\n"
        "    control = 'throttle'\n"
        "    def __init__(self, scenario, num_landers, device='cpu'):\n"
        "        self.table = scenario.observation_table()\n"
        "    def reset(self, mask):\n        self.decision = -1\n"
        "    def act(self, observation):\n"
        "        self.decision += 1\n"
        "        action = torch.full((len(observation), 1), -1.0)\n"
        "        if self.decision == 2 and (self.table.read(observation)['altitude'] > HIGH).any():\n"
        "            raise SystemExit(0)\n"
        "        return action\n",
        encoding="utf-8",
    )
    seen = Descent("vertical", 8, seed=1_000_000)
    for _ in range(2):
        heights = seen.step(torch.full((8, 1), -1.0)).observation
    heights = seen.observations.read(heights)["altitude"]
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    second, highest = heights.sort().values[-2:].tolist()
    (tmp_path / "mine.py").write_text(text.replace("HIGH", str((second + highest) / 2)), encoding="utf-8")
    out = tmp_path / "out"
    request = [f"--pilots={tmp_path / 'mine.py'}:Mine", "--scenario=vertical", "--episodes=8", f"--out={out}"]
    assert command(*request) == 1
    row, case = rows_of(out)[0], int(heights.argmax())
    assert row["outcomes"]["invalid"] == 1 and sum(row["outcomes"].values()) == 8
    assert row["failures"]["episodes"] == 1 and row["wishes"] == {}
    (failure,) = json.loads((out / "failures.json").read_text(encoding="utf-8"))["failures"]
    assert (failure["first"], failure["episodes"], failure["decision"]) == (case, 1, 2)
    assert failure["seed"] == 1_000_000 and "raise SystemExit(0)" in failure["traceback"]
    said = f"Mine failed in 1 of 8 episodes of vertical: episode {case}, decision 2: raised SystemExit"
    assert said in capsys.readouterr().err

    assert command("--pilots=cautious", "--scenario=vertical", "--episodes=2", f"--out={out}") == 0
    assert not (out / "failures.json").exists()


def test_who_cannot_fly_a_scenario_says_what_differs_and_costs_the_others_nothing(tmp_path, capsys):
    request = ["--pilots=as_flown,reference", "--episodes=2"]
    assert command("--scenario=resilience,hakuto_r_m1", *request, f"--out={tmp_path / 'out'}") == 0
    rows = rows_of(tmp_path / "out")
    words = rows[3]["failed"]
    assert ["failed" in row for row in rows] == [False, False, False, True]
    assert "cannot fly: policy 'reference' sees the 84 numbers of 'resilience', which has altimeter (1 beam)" in words
    assert "'hakuto_r_m1' shows 100, it has altimeter (2 beams)" in words
    assert rows[0]["wishes"].keys() <= {"control", "history", "decision_period"}
    assert rows[1]["wishes"]["history"] == 4 and "reference flies with history=4" in capsys.readouterr().out
    assert command("--scenario=hakuto_r_m1", "--pilots=reference", f"--out={tmp_path / 'none'}") == 2
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("seed", "purpose"), [(5, "training"), (950_000, "search"), (2_000_000, "replays")])
def test_a_seed_that_is_not_for_evaluation_is_said_to_be_for_something_else(seed, purpose, tmp_path, capsys):
    request = ["--scenario=vertical", "--pilots=cautious", "--episodes=1", f"--seed={seed}", f"--out={tmp_path}"]
    assert command(*request) == 0
    warning = f"seed {seed:,} is for"
    said = capsys.readouterr().err
    assert f"warning: {warning}" in said and purpose in said
    assert warning in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_pilot_that_cannot_fly_alone_costs_its_picture_only(tmp_path, monkeypatch, capsys):
    def alone(action):
        assert len(action) > 1, "I never fly alone"
        return action

    monkeypatch.setitem(CLASSICAL, "sociable", failing(alone))
    assert command("--pilots=sociable", "--episodes=2", f"--out={tmp_path}") == 0
    assert "sociable is not drawn: PilotError: raised AssertionError: I never fly alone" in capsys.readouterr().err
    assert "sociable" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_when_all_pilots_fail_there_is_still_a_report_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(CLASSICAL, "faulty", failing(FAULTS["raises ValueError"][0]))
    assert command("--pilots=faulty", "--episodes=2", f"--out={tmp_path}") == 1
    assert "silent gyros" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--scenario=resiliense"], ["'resiliense'", "'resilience'", "vertical"]),
        (["--pilots=as_flown,as_flowm"], ["'as_flowm'", "as_flown", "cautious", "reference", "folder"]),
        (["--pilots=as_flown,as_flown"], ["different names", "as_flown, as_flown"]),
        (["--pilots=as_flown", "--flight=vertikal"], ["'vertikal'", "'vertical'"]),
        (["--pilots=nowhere.py:Mine"], ["'nowhere.py'", "no file"]),
        (["--pilots=."], ["policy.json", "missing"]),
        (["--episodes=0"], ["--episodes", "at least 1", "0"]),
        (["--seed=-1", "--pilots=as_flown"], ["seed", "-1"]),
        (["--device=toaster", "--pilots=as_flown"], ["device", "'toaster'"]),
    ],
    ids=lambda value: value[0] if value[0].startswith("--") else "",
)
def test_a_wrong_request_is_one_clear_line_and_exit_code_2(arguments, words, tmp_path, capsys):
    assert command("--episodes=2", f"--out={tmp_path / 'new'}", *arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1, message
    for word in words:
        assert word in message
    assert not (tmp_path / "new" / "evaluation.json").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_flown(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(evaluate, "fly_episodes", lambda *request: pytest.fail("it flew"))
    assert command(f"--out={tmp_path / 'file' / 'below'}", "--pilots=as_flown") == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: cannot write into {tmp_path / 'file' / 'below'}: ")
    assert message.endswith("; choose another --out\n")
    assert message.count("\n") == 1
