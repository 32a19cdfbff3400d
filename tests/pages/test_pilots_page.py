"""The page of the pilots: its tables say what an evaluation found, and its list of pilots is that of the code."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from agents.pages import pilots as pilots_page
from agents.pilots import CLASSICAL, SHIPPED
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.pages.markers import BEGIN, END

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pilots.md"
SPEED = {"mean": 1.412, "p99": 2.11, "worst_0.1_percent": 2.4, "worst": 2.436}


def row(pilot, scenario="resilience", **changes):
    return {
        "scenario": scenario,
        "pilot": pilot,
        "episodes": 1000,
        "landed": 990,
        "landed_strict": 958,
        "wilson": [0.98174, 0.99457],
        "outcomes": {"landed": 990, "crashed": 9, "out_of_propellant": 1, "lost": 0},
        "touchdown": {"vertical_speed": SPEED, "lateral_speed": SPEED},
        "propellant": {"mean": 73.51, "p99": 80.0, "worst": 85.0},
        "bound": 57.02,
        "over_bound": {"mean": 0.2941, "median": 0.3, "worst": 0.4473},
        "below_bound": 0,
        "without_bound": "",
        "seed": 1_000_000,
    } | changes


FAILED = {"scenario": "resilience", "pilot": "mine", "episodes": 1000, "failed": "ValueError: a | b\nis no | action"}
IN_ORBIT = {"bound": None, "over_bound": None, "without_bound": "1000 of 1000 episodes have no bound: in orbit"}


@pytest.fixture
def folder(tmp_path):
    """A small evaluation and a page with markers."""
    rows = [row("cautious"), FAILED, row("as_flown", "slim", **IN_ORBIT)]
    (tmp_path / "evaluation.json").write_text(json.dumps({"results": rows}), encoding="utf-8")
    (tmp_path / "page.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    return tmp_path


def command(folder, *more, source="evaluation.json", page="page.md"):
    return pilots_page.main(["--from", str(folder / source), "--page", str(folder / page), *more])


def written(folder):
    assert command(folder) == 0
    return (folder / "page.md").read_text(encoding="utf-8")


def test_a_table_for_each_scenario_stands_between_the_markers(folder):
    page = written(folder)
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert re.findall("^### .*", page, re.MULTILINE) == ["### `resilience`", "### `slim`"]
    assert "1,000 episodes, seed 1,000,000; the bound is 57.0 kg on average." in page
    assert written(folder) == page, "a second time changes nothing"


def test_a_row_has_what_one_may_quote(folder):
    cells = ["`cautious`", "990/1000 [0.9817, 0.9946]", "958", "1.41 / 2.44", "2.11", "73.5", "+29.4 %",
             "9 crashed, 1 out of propellant"]  # fmt: skip
    assert f"| {' | '.join(cells)} |" in written(folder)


def test_each_row_has_as_many_cells_as_the_head(folder):
    rows = [line for line in written(folder).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {len(pilots_page.HEAD) + 1}


def test_a_failed_pilot_is_shown_with_its_reason(folder):
    assert "| `mine` | failed: ValueError: a \\| b is no \\| action |" in written(folder)


def test_where_there_is_no_bound_the_page_says_why(folder):
    page = written(folder)
    assert "No bound: in orbit." in page
    assert "| 73.5 | - | 9 crashed" in page


def test_a_landing_below_the_bound_is_shown(folder):
    rows = [row("cautious", below_bound=3)]
    (folder / "evaluation.json").write_text(json.dumps({"results": rows}), encoding="utf-8")
    assert "| +29.4 % (3 below it) |" in written(folder)


@pytest.mark.parametrize(
    "content, words",
    [
        (None, ["No such file", "evaluation.json"]),
        ("{", ["is no evaluation", "python -m agents.evaluate"]),
        ("[]", ["is no evaluation", "python -m agents.evaluate"]),
        ('{"results": []}', ["has no results", "python -m agents.evaluate"]),
    ],
    ids=["missing", "broken", "another", "empty"],
)
def test_a_wrong_evaluation_is_one_clear_line_and_exit_code_2(content, words, folder, capsys):
    (folder / "evaluation.json").unlink()
    if content is not None:
        (folder / "evaluation.json").write_text(content, encoding="utf-8")
    assert command(folder) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1, message
    for word in words:
        assert word in message
    assert "old" in (folder / "page.md").read_text(encoding="utf-8"), "the page was touched"


def test_a_page_without_markers_is_refused(folder, capsys):
    (folder / "bare.md").write_text("no markers\n", encoding="utf-8")
    assert command(folder, page="bare.md") == 2
    assert BEGIN in capsys.readouterr().err
    assert (folder / "bare.md").read_text(encoding="utf-8") == "no markers\n"


def test_the_optimum_to_the_pad_is_set_beside_the_same_episodes(folder):
    pytest.importorskip("cvxpy")
    outcome = np.array([Outcome.LANDED, Outcome.CRASHED, Outcome.LANDED])
    used = {"gaudet_nominal/dr_dv/outcome": outcome, "gaudet_nominal/dr_dv/propellant_used": np.array([250.0, 1.0, 0])}
    np.savez(folder / "episodes.npz", **used)
    rows = [row("dr_dv", "gaudet_nominal", episodes=3), row("dr_dv")]
    (folder / "evaluation.json").write_text(json.dumps({"results": rows}), encoding="utf-8")
    assert command(folder, "--pinpoint", "2") == 0
    page = (folder / "page.md").read_text(encoding="utf-8")
    assert page.count("The first 2 episodes alone") == 1, "round ground has no such optimum"
    assert "| `dr_dv`, the 1 that landed | 250.0 |" in page
    rest, moving = (float(re.search(f"{words} \\| ([0-9.]+)", page)[1]) for words in ("at rest", "landing allows"))
    assert moving < rest < moving + 8.0


def test_an_optimum_to_the_pad_needs_flat_ground_and_landers():
    pytest.importorskip("cvxpy")
    from agents.limits.optimum import pinpoint_optimum

    with pytest.raises(ValueError, match=r"choose a larger moon\.radius"):
        pinpoint_optimum(Descent("resilience", 1), 1)
    with pytest.raises(ValueError, match="count must be from 1 to the 2 landers of the batch, got 3"):
        pinpoint_optimum(Descent("gaudet_nominal", 2), 3)


def test_the_page_lists_every_pilot_as_it_is():
    cells = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in PAGE.read_text(encoding="utf-8").splitlines()
    ]
    listed = {row[0]: row for row in cells if len(row) == 6}
    assert set(listed) >= {*CLASSICAL, *SHIPPED}
    resilience = load_scenario("resilience")
    for name, kind in CLASSICAL.items():
        wishes = kind.wishes(resilience)
        period = "scenario's" if not kind.decision_period else f"{wishes['decision_period']:g} s"
        assert listed[name][2:4] == [wishes["control"], period], name


def test_the_page_names_files_that_exist():
    page, root = PAGE.read_text(encoding="utf-8"), PAGE.parent.parent
    named = re.findall(r"`((?:pilots|guidance|navigation|agents|lunar_env)/[\w/]+\.py)`", page)
    assert len(named) > 15
    for path in named:
        assert (root / path).is_file() or (root / "agents" / path).is_file(), path
