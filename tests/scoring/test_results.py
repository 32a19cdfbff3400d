"""The shipped results: what is promised is checked, what is shown is what was flown, and the page says the same."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, exit_code

pytest.importorskip("scipy")
pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from agents import results
from agents.frontier import acquisition, starts_of
from agents.limits.frontier import frontier_of
from agents.limits.optimum import pinpoint_optimum
from agents.pages.results import page, words
from agents.pilots import CLASSICAL
from agents.policy.features import Features
from agents.policy.network import PolicyNetwork, save_policy
from agents.scoring.shipped import FRONTIER, RESULTS, SURVIVABLE, Floor, Published, ShippedResult, Thrift
from agents.scoring.statistics import chance_of_wins
from agents.scoring.survivable import Survivable
from agents.scoring.touchdowns import spreads
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.flying.episodes import Endings
from lunar_env.flying.statistics import STRICT
from lunar_env.pages.markers import BEGIN, END
from lunar_env.quantities import leaves

SHORT = {"time_limit": 40.0, "start.progress": [0.9, 1.0]}  # episodes of seconds


def command(*arguments):
    """What ``python -m agents.results`` does, and its exit code."""
    return exit_code(results.main, *arguments)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def untrained(tmp_path):
    """The folder of a policy that has learned nothing."""
    scenario = load_scenario("resilience", history=2)
    torch.manual_seed(0)
    network = PolicyNetwork(Features(scenario).size, (8,), 3)
    (tmp_path / "untrained").mkdir()
    save_policy(tmp_path / "untrained", network, scenario, {"trained_steps": 0, "seed": 3, "commit": "0123456789ab"})
    return str(tmp_path / "untrained")


@pytest.fixture
def listed(monkeypatch):
    """Puts results in the place of those that ship."""
    return lambda *entries: monkeypatch.setattr(results, "RESULTS", entries)


NO_FLOOR = Floor(0.0)


def small(policy, name="small", floors=(NO_FLOOR,), pilots=("as_flown",), changes=None, **more):
    return ShippedResult(name, "resilience", policy, pilots, floors, SHORT | (changes or {}), episodes=6, **more)


def flights():
    """Four episodes: two landings, a crash, and one that never touched the ground."""
    outcome = np.array([Outcome.LANDED, Outcome.LANDED, Outcome.CRASHED, Outcome.LOST])
    record = {name: np.zeros(4) for name in ("tilt", "rate")}
    record["descent_rate"] = np.array([0.6, 1.5, 30.0, 1.0])
    record["lateral_speed"] = np.array([0.8, 0.0, 40.0, 0.0])
    record["distance"] = np.array([3.0, 9.0, 1.0, 0.0])
    record["propellant_used"] = np.array([70.0, 72.0, 74.0, 76.0])
    return Endings(outcome, record)


# By hand


def test_the_touchdown_speed_is_that_of_both_parts_of_all_touchdowns():
    spread_of = spreads(flights())
    assert spread_of["speed"] == pytest.approx(
        {"mean": 52.5 / 3, "p99": 50.0, "worst_0.1_percent": 50.0, "worst": 50.0, "deviation": 28.149}, rel=0.03
    )
    assert spread_of["distance"]["worst"] == 9.0
    assert spread_of["propellant_used"]["mean"] == 73.0, "propellant counts whatever the end"
    assert spread_of["propellant_used"]["deviation"] == pytest.approx(np.sqrt(20 / 3))
    lost = Endings(np.array([Outcome.LOST]), {name: column[3:] for name, column in flights().record.items()})
    assert spreads(lost)["speed"] is None
    assert spreads(lost)["propellant_used"]["deviation"] == 0.0


@pytest.mark.parametrize(
    "floor, count, met",
    [
        (Floor(0.5), 2, True),
        (Floor(0.51), 2, False),
        (Floor(0.5, {"speed": 1.2}), 1, False),
        (Floor(0.25, {"speed": 1.2, "distance": 5.0}), 1, True),
        (Floor(0.25, {"speed": 1.2, "distance": 2.0}), 0, False),  # not both in one episode
        (Floor(0.75, landed=False), 3, True),  # the crash counts, the lost one does not
        (Floor(0.5, {"distance": 5.0}, landed=False), 2, True),
        (Floor(0.25, STRICT), 1, True),  # the first is too fast sideways
    ],
)
def test_a_floor_counts_the_episodes_that_keep_all_limits_at_once(floor, count, met):
    found = results.kept_by(flights(), floor)
    assert (found["count"], found["episodes"], found["met"]) == (count, 4, met)


def test_thrift_is_judged_on_the_first_episodes_against_their_own_optimum():
    pytest.importorskip("cvxpy")
    scenario = load_scenario("gaudet_nominal")
    least = pinpoint_optimum(Descent(scenario, 2, seed=1_000_000), 2, at_rest=True)
    for share, met in ((0.1601, True), (0.1599, False)):
        spender = flights()
        spender.record["propellant_used"] = np.array([*(1.16 * least), 999.0, 999.0])
        found = results.spent_by(spender, Thrift(share, 2), scenario, 1_000_000)
        assert found["met"] == met
        assert found["least"] == pytest.approx(least.mean())
    assert words(found).startswith(f"**missed**, {found['spent']:.1f} kg over {found['least']:.1f} kg, +16.0 %: prop")
    assert not results.spent_by(None, Thrift(0.15), scenario, 1_000_000)["met"]


def ended(*letters):
    """Endings that landed (l) or crashed (c), at rest."""
    outcome = np.array([Outcome.LANDED if letter == "l" else Outcome.CRASHED for letter in "".join(letters)])
    return Endings(outcome, {name: np.zeros(outcome.size) for name in flights().record})


def test_a_floor_among_the_survivable_counts_no_others():
    possible = Survivable(np.array([True, True, False, True]), np.array([True, True, True, False]))
    assert possible.counts() == {"episodes": 4, "survivable": 2, "unseen": 1, "unbraked": 1}
    found = results.kept_by(ended("lccc"), Floor(0.5, among=SURVIVABLE), possible.episodes)
    assert (found["count"], found["episodes"], found["met"]) == (1, 2, True)
    assert not results.kept_by(ended("ccll"), Floor(0.5, among=SURVIVABLE), possible.episodes)["met"]
    assert results.kept_by(ended("ccll"), Floor(0.5), possible.episodes)["met"], "of all it is half"


def test_a_floor_for_the_lower_bound_is_met_by_the_interval_and_not_by_the_share():
    flown = ended("l" * 98 + "cc")  # Wilson: 0.9300
    for share, met in ((0.929, True), (0.931, False)):
        found = results.kept_by(flown, Floor(share, lower_bound=True))
        assert found["met"] is met and found["wilson"] == pytest.approx([0.9300, 0.9945], abs=1e-4)
    assert results.kept_by(flown, Floor(0.98))["met"]


@pytest.mark.parametrize(
    "policy, rival, chance, met",
    [
        ("l" * 6 + "llcc", "c" * 6 + "llcc", 1 / 64, True),  # what both landed or lost says nothing
        ("l" * 5 + "cllcc", "c" * 5 + "cllcc", 1 / 32, False),  # ahead, but that may be luck
        ("l" * 7 + "c", "c" * 7 + "l", 9 / 256, False),
        ("c" * 6, "l" * 6, 1.0, False),
        ("lclc", "lclc", 1.0, False),
    ],
)
def test_a_floor_above_a_rival_is_met_by_wins_that_are_no_luck(policy, rival, chance, met):
    first, second = ended(policy), ended(rival)
    assert chance_of_wins(first.outcome == Outcome.LANDED, second.outcome == Outcome.LANDED) == pytest.approx(chance)
    found = results.kept_by(first, Floor(0.0, above="robust"), rival=second)
    assert found["met"] is met and found["rival"]["count"] == rival.count("l")
    assert not results.kept_by(first, Floor(0.9, above="robust"), rival=second)["met"], "both must hold"
    assert not results.kept_by(first, Floor(0.0, above="robust"))["met"], "the rival could not fly"


def test_a_rival_is_met_on_the_survivable_episodes_if_the_floor_is_among_them():
    possible = np.arange(8) > 1
    floor = Floor(0.0, among=SURVIVABLE, above="robust")
    found = results.kept_by(ended("cc" + "l" * 6), floor, possible, ended("ll" + "c" * 6))
    assert found["met"] and found["rival"] == {"count": 0, "chance": 1 / 64}


def test_a_floor_says_what_it_is_measured_on():
    hard = Floor(0.97, among=SURVIVABLE, lower_bound=True, above="robust")
    assert hard.words() == (
        "landed: at least 97 % of the survivable episodes by the lower end of the interval, and more than `robust`"
    )
    assert (
        Floor(0.9, {"speed": 2.0}).words() == "landed with touchdown speed at most 2 m/s: at least 90 % of all episodes"
    )
    assert Floor(0.995).words() == "landed: at least 99.5 % of all episodes"
    assert Floor(0.9, {"tilt": np.radians(5.0), "distance": 10.0}, landed=False).words() == (
        "touched down with tilt at most 5°, distance from the pad at most 10 m: at least 90 % of all episodes"
    )


def test_the_table_says_what_was_flown_and_what_others_published():
    spread = {"mean": 0.6849, "deviation": 0.2231, "worst": 1.367, "p99": 1.3, "worst_0.1_percent": 1.36}
    tilt = {key: np.radians(value) for key, value in spread.items()}
    counts = {"episodes": 1000, "landed": 990, "landed_strict": 958}
    counts |= {"wilson": [0.98174, 0.99457], "wilson_strict": [0.94372, 0.96878]}
    result = small(
        "runs/mine",
        shows=("landed", "strict", "speed", "tilt"),
        published=(Published("Someone 2020 [V: S20]", {"landed": "98 %", "speed": "0.9 ± 0.3"}),),
        note="A note.",
    )
    card = {
        "config": "configs/mine.toml",
        "set": ["a=1"],
        "trained_steps": 12_000,
        "seed": 4,
        "commit": "0123456789abc",
    }
    rows = [
        {"pilot": "mine", **counts, "quantities": {"speed": spread, "tilt": tilt}},
        {"pilot": "other", **counts, "quantities": {"speed": None, "tilt": None}},
        {"pilot": "broken", "failed": "ValueError: a | b\nc"},
    ]
    floors = [
        {"words": "landed: at least 95 %", "count": 990, "episodes": 1000, "met": True},
        {"words": "landed: at least 99.5 %", "count": 990, "episodes": 1000, "met": False},
    ]
    entry = results.definition(result) | {"flown": {"card": card, "rows": rows, "floors": floors}}
    markdown = page([entry, results.definition(result) | {"missing": "no policy"}])
    landed = "990/1000 [0.9817, 0.9946] | 958/1000 [0.9437, 0.9688]"
    where = "`resilience` with `time_limit` 40, `start.progress` 0.9 to 1, 6 episodes, seed 1,000,000."
    policy = "Policy: `runs/mine` (`configs/mine.toml` `a=1`, 12,000 decisions, seed 4, commit 0123456789)."
    assert markdown.partition("\n\n")[2].splitlines() == [
        "### `small`",
        "",
        f"{where} {policy}",
        "",
        "| pilot | landed | strict | touchdown speed, m/s | tilt, ° |",
        "|---|---|---|---|---|",
        f"| `mine` | {landed} | 0.68 ± 0.22, 1.37 | 0.68 ± 0.22, 1.37 |",
        f"| `other` | {landed} | - | - |",
        "| `broken` | failed: ValueError: a \\| b c |  |  |  |",
        "| Someone 2020 [V: S20] | 98 % | - | 0.9 ± 0.3 | - |",
        "",
        "A note.",
        "",
        "- met, 990/1000: landed: at least 95 %",
        "- **missed**, 990/1000: landed: at least 99.5 %",
        "",
        "### `small`",
        "",
        f"{where} Missing: no policy.",
    ]


def test_the_table_shows_what_was_landed_of_the_survivable_beside_what_was_landed_of_all():
    counts = {"episodes": 1000, "landed": 880, "landed_strict": 870, "wilson": [0.8584, 0.8987]}
    counts |= {"wilson_strict": [0.8478, 0.8894], "quantities": {}}
    row = {"pilot": "mine", **counts, SURVIVABLE: {"count": 880, "episodes": 900, "wilson": [0.9660, 0.9856]}}
    promised = {"words": "landed: much", "count": 880, "episodes": 900, "wilson": [0.9660, 0.9856], "met": True}
    promised["rival"] = {"count": 700, "chance": 1.234e-20}
    card = {"config": None, "set": None, "trained_steps": None, "seed": None, "commit": None}
    flown = {"card": card, "rows": [row], "floors": [promised]}
    flown[SURVIVABLE] = {"episodes": 1000, "survivable": 900, "unseen": 70, "unbraked": 40}
    result = small("runs/mine", shows=("landed", "strict"), among=SURVIVABLE)
    markdown = page([results.definition(result) | {"flown": flown}])
    assert (
        "6 episodes, seed 1,000,000, of which 900 are [survivable](#which-episodes-count-as-survivable): in 70 the "
        "ground cannot be seen, in 40 the engine does not suffice. Policy: `runs/mine`."
    ) in markdown
    assert "| pilot | landed | landed of the survivable episodes | strict |" in markdown
    assert "| `mine` | 880/1000 [0.8584, 0.8987] | 880/900 [0.9660, 0.9856] | 870/1000 [0.8478, 0.8894] |" in markdown
    assert "- met, 880/900 [0.9660, 0.9856] against 700 (by luck: p = 1.2e-20): landed: much" in markdown
    assert "\n## Which episodes count as survivable\n" in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"among": "easy"}, "among must be 'survivable' or 'frontier' or nothing, got 'easy'"),
        ({"floors": (Floor(0.9, among=SURVIVABLE),)}, "a floor is among 'survivable' episodes, the table is not"),
        ({"floors": (Floor(0.9, above="robust"),)}, "a floor is above 'robust', who is not among the pilots"),
        ({"seed": 999_999}, "got 999,999, which is for comparing the trials of a search"),
        ({"seed": 2_000_001}, "got 2,000,001, which is for choosing the policy that ships"),
        ({"shows": ("landed", "velocity")}, "nothing measures velocity; known: landed, strict, speed"),
        ({"published": (Published("someone", {"mass": "1"}),)}, "nothing measures mass"),
        ({"floors": (Floor(0.9, {"landed": 1.0}),)}, "nothing measures landed"),
    ],
)
def test_a_result_that_cannot_be_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        small("runs/mine", **changes)


# The command


def test_a_floor_that_is_kept_gives_exit_code_0_and_one_that_is_missed_1(untrained, listed, tmp_path, capsys):
    listed(small(untrained, floors=(Floor(0.0),)))
    assert command(f"--out={tmp_path / 'out'}") == 0
    assert "1 of 1 floors met; results: " in capsys.readouterr().out
    listed(small(untrained, floors=(Floor(0.0), Floor(1.0, {"speed": 0.0}))))
    assert command(f"--out={tmp_path / 'out'}") == 1
    printed = capsys.readouterr()
    assert "1 of 2 floors met" in printed.out
    assert (
        "small: **missed**, 0/6: landed with touchdown speed at most 0 m/s: at least 100 % of all episodes"
        in printed.err
    )
    (entry,) = read(tmp_path / "out" / "results.json")["results"]
    assert [row["pilot"] for row in entry["flown"]["rows"]] == ["untrained", "as_flown"]
    assert all(sum(row["outcomes"].values()) == 6 for row in entry["flown"]["rows"])
    assert (tmp_path / "out" / "results.md").read_text(encoding="utf-8") == page([entry])


def test_what_is_survivable_is_judged_on_the_episodes_that_are_flown(untrained, listed, tmp_path, capsys):
    lost = {"faults.ranging_loss.probability": 0.5, "faults.ranging_loss.loss": 1.0}
    floors = (Floor(0.0, among=SURVIVABLE), Floor(0.0, among=SURVIVABLE, lower_bound=True, above="as_flown"))
    listed(small(untrained, floors=floors, changes=lost, among=SURVIVABLE))
    assert command(f"--out={tmp_path / 'out'}") == 1
    assert "1 of 2 floors met" in capsys.readouterr().out
    flown = read(tmp_path / "out" / "results.json")["results"][0]["flown"]
    counts = flown[SURVIVABLE]
    assert counts["episodes"] == 6 and 0 < counts["survivable"] == 6 - counts["unseen"] < 6
    assert all(row[SURVIVABLE]["episodes"] == counts["survivable"] for row in flown["rows"])
    assert [floor["episodes"] for floor in flown["floors"]] == 2 * [counts["survivable"]]


def test_what_is_inside_the_frontier_is_told_apart_from_what_nobody_could_land(
    untrained, listed, tmp_path, monkeypatch
):
    pytest.importorskip("cvxpy")
    monkeypatch.setattr("agents.frontier.frontier_of", partial(frontier_of, points=7))  # not 25, which takes seconds
    handed_over = acquisition(load_scenario("resilience"), 600.0, 700.0, 120.0, propellant=42.0)
    changes = {leaf.path: leaf.low for leaf in leaves(handed_over) if leaf.path.startswith("start.")}
    changes |= {"start.altitude": 650.0, "start.descent_rate": [0.0, 120.0]}
    listed(small(untrained, floors=(Floor(0.0, among=FRONTIER),), changes=changes, among=FRONTIER))
    assert command(f"--out={tmp_path / 'out'}") == 0
    (entry,) = read(tmp_path / "out" / "results.json")["results"]
    scenario = load_scenario("resilience", **changes)
    rate = starts_of(scenario, 6, 1_000_000).descent_rate
    counts = entry["flown"][FRONTIER]
    # From 650 m physics allows 58 m/s, give or take the drawn engine and ground.
    assert counts == {"episodes": 6, "inside": int((rate < 58.0).sum())} and 0 < counts["inside"] < 6
    assert not ((rate > 55.0) & (rate < 61.0)).any(), "none is so near to the frontier that this test could not tell"
    assert all(row[FRONTIER]["episodes"] == counts["inside"] for row in entry["flown"]["rows"])
    markdown = page([entry])
    assert f"of which {counts['inside']} begin inside [the frontier](pilots.md#the-physical-limit)" in markdown
    assert "| pilot | landed | landed of the episodes inside the frontier |" in markdown
    assert "landed: at least 0 % of the episodes inside the frontier" in markdown


def test_a_result_that_asks_for_nothing_new_is_what_it_was_before():
    assert {"among", "lower_bound", "above"}.isdisjoint(results.definition(small("runs/mine")))
    assert {"among", "lower_bound", "above"}.isdisjoint(results.definition(small("runs/mine"))["floors"][0])
    asked = small("runs/mine", among=SURVIVABLE, floors=(Floor(0.9, lower_bound=True),))
    assert results.definition(asked)["among"] == SURVIVABLE
    assert results.definition(asked)["floors"][0]["lower_bound"] is True


def test_a_result_without_its_policy_is_missing_and_an_error_only_if_asked_for(untrained, listed, tmp_path, capsys):
    nowhere = str(tmp_path / "nowhere")
    listed(small(untrained), small(nowhere, name="later"))
    assert command(f"--out={tmp_path / 'out'}") == 0
    assert "1 of 1 floors met, 1 of 2 results missing" in capsys.readouterr().out
    assert "holds no policy yet" in read(tmp_path / "out" / "results.json")["results"][1]["missing"]
    assert command("--only", "later", f"--out={tmp_path / 'out'}") == 2
    assert f"python -m agents.curves CONFIG --ship {nowhere} makes one" in capsys.readouterr().err


def test_flying_one_result_keeps_what_is_known_of_the_others(untrained, listed, tmp_path):
    one, two = small(untrained), small(untrained, name="two", pilots=())
    listed(one, two)
    assert command("--only", "small", f"--out={tmp_path / 'out'}") == 0
    first = read(tmp_path / "out" / "results.json")["results"]
    assert first[1]["missing"] == "not flown yet; python -m agents.results --only two"
    assert command("--only", "two", f"--out={tmp_path / 'out'}") == 0
    kept, flown = read(tmp_path / "out" / "results.json")["results"]
    assert kept == first[0]
    assert "flown" in flown
    listed(small(untrained, floors=(Floor(0.1),)), two)
    assert results.unflown_entry(results.RESULTS[0], {"small": kept})["missing"], "it tells of another definition"
    listed(one, two)
    assert results.unflown_entry(one, {"small": kept}) == kept
    (Path(untrained) / "policy.safetensors").write_bytes(b"another")
    assert results.unflown_entry(one, {"small": kept})["missing"], "it tells of other weights"


def test_a_pilot_that_fails_costs_no_other_its_result_and_gives_exit_code_1(untrained, listed, tmp_path, monkeypatch):
    class Faulty(CLASSICAL["cautious"]):
        def act(self, observation):
            raise ZeroDivisionError("no gain")

    monkeypatch.setitem(CLASSICAL, "faulty", Faulty)
    listed(small(untrained, pilots=("faulty", "as_flown")))
    assert command(f"--out={tmp_path / 'out'}") == 1
    rows = read(tmp_path / "out" / "results.json")["results"][0]["flown"]["rows"]
    assert ["failed" in row for row in rows] == [False, True, False]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--only", "smal"], "unknown result 'smal'; known: small"),
        (["--page", "bare.md"], "the page bare.md needs the lines"),
        (["--page", "none.md"], "the page none.md cannot be read"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_flown(
    arguments, words, untrained, listed, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(results, "fly", lambda *request: pytest.fail("it flew"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.md").write_text("no markers\n", encoding="utf-8")
    listed(small(untrained))
    assert command(*arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message


def test_the_tables_go_between_the_markers_of_a_page(untrained, listed, tmp_path):
    listed(small(untrained))
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert command(f"--out={tmp_path / 'out'}", f"--page={path}") == 0
    markdown = path.read_text(encoding="utf-8")
    assert markdown.startswith(f"before\n{BEGIN}\n\n")
    assert markdown.endswith(f"\n{END}\nafter\n")
    assert (tmp_path / "out" / "results.md").read_text(encoding="utf-8") in markdown
    assert "old\n" not in markdown


# What ships


def test_the_results_have_different_names():
    assert len({result.name for result in RESULTS}) == len(RESULTS)


def test_the_page_says_what_the_results_say():
    markdown = page(read(ROOT / "runs" / "results" / "results.json")["results"])
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n\n{markdown}{END}" in text, "run: python -m agents.results --page docs/results.md"


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_the_entry_of_a_result_is_of_the_policy_that_ships_and_keeps_its_promises(result, monkeypatch):
    monkeypatch.chdir(ROOT)
    kept = results.known(ROOT / "runs" / "results" / "results.json")
    entry = results.unflown_entry(result, kept)
    if results.missing(result):
        pytest.skip(results.missing(result))
    assert "flown" in entry, f"run: python -m agents.results --only {result.name} --page docs/results.md"
    assert all(floor["met"] for floor in entry["flown"]["floors"])
