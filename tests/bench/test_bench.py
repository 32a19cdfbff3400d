"""The benchmark: its arithmetic, its verdicts, its report. Not its figures, which depend on the machine."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from lunar_env import bench
from lunar_env.bench import Claim, Measurement

NAMES = [bench.row("core, descent_rate", 4096), bench.ENVPOOL, bench.SINGLE, bench.LUNAR_LANDER, bench.TRAINING]


def small_report(**medians: float) -> dict:
    measured = [Measurement(name, [value], {"on": "paper"}) for name, value in medians.items()]
    asked = [Claim("a over b", "a", "b", low=2.0), Claim("b over a", "b", "a"), Claim("a alone", "a", high=4.0)]
    return bench.report(measured, {"load average": "0.0"}, asked)


def verdicts(report: dict) -> list[str]:
    return [claim["verdict"].partition(":")[0] for claim in report["claims"]]


def test_median_and_best() -> None:
    assert Measurement("x", [3.0, 1.0, 2.0], {}).median == 2.0
    assert Measurement("x", [3.0, 1.0, 2.0], {}).best == 3.0
    assert Measurement("x", [3.0, 1.0, 2.0], {}, unit="s").best == 1.0


def test_ratios_are_those_of_medians() -> None:
    claims = small_report(a=3.0, b=1.5)["claims"]
    assert [claim["value"] for claim in claims] == [2.0, 0.5, 3.0]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(4.0, 2.0, ["pass", "", "pass"]), (4.1, 2.1, ["missed", "", "missed"]), (math.nan, 1.0, ["missed", "", "missed"])],
)
def test_a_floor_is_met_or_missed(a: float, b: float, expected: list[str]) -> None:
    assert verdicts(small_report(a=a, b=b)) == expected


@pytest.mark.parametrize("known", [{}, {"a": 9.0}, {"b": 1.0}])
def test_what_is_not_measured_does_not_pass(known: dict[str, float]) -> None:
    ratio, other, alone = small_report(**known)["claims"]
    assert ratio["value"] is None and ratio["verdict"].startswith("not measured: pip install")
    assert other["value"] is None and other["verdict"] == ""
    assert alone["verdict"] == ("missed" if "a" in known else "not measured: pip install -e '.[bench]'")


def test_the_floors_of_the_project() -> None:
    floors = {(one.over, one.under): one for one in bench.claims("cpu") if one.low or one.high < math.inf}
    lows = [(NAMES[0], bench.ENVPOOL), (bench.SINGLE, bench.LUNAR_LANDER), (bench.TRAINING, "")]
    assert [floors[pair].low for pair in lows] == [25.0, 3.0, 40_000.0]
    highs = [(bench.CACHED, ""), (bench.COMPILED, ""), (NAMES[0], bench.row(bench.ROUGH, 4096))]
    assert [floors[pair].high for pair in highs] == [4.0, 10.0, 2.0]
    assert len(floors) == 6


@pytest.mark.parametrize("threads", [1, 2])
def test_a_core_measurement_gives_positive_numbers(threads: int) -> None:
    contestants = [
        bench.core("body", 300, "cpu", threads),
        bench.core("body", 300, "cpu", threads, "slow", {"decision_period": 1.0}),
    ]
    measured = bench.compete(contestants, rounds=2, seconds=0.01)
    assert all(math.isfinite(rate) and rate > 0.0 for one in measured for rate in one.rounds)
    assert [len(one.rounds) for one in measured] == [2, 2]
    assert measured[0].name == bench.row("core, body", 300, threads=threads)
    assert measured[0].conditions["control"] == "body at 10 Hz"
    assert measured[1].conditions["control"] == "body at 1 Hz"


def test_contestants_take_turns() -> None:
    calls: list[str] = []
    contestants = [bench.Contestant(name, lambda name=name: calls.append(name), 1, {}) for name in "ab"]
    for one in contestants:
        bench.compete([one], rounds=1, seconds=0.0)
    calls.clear()
    bench.compete(contestants, rounds=3, seconds=0.0)
    assert calls == [*"aabb", *"ababab"]  # warming up, then the rounds


def test_landers_are_spread_along_their_flights() -> None:
    contestant = bench.core("descent_rate", 300, "cpu", 2)
    descent = contestant.call.__self__  # type: ignore[attr-defined]
    ticks = descent.state["episode.tick"]
    assert len(ticks[: bench.ROWS].unique()) > 200
    assert 800 < ticks.float().mean() < 1200
    assert descent.state["episode.lander"].tolist() == list(range(300))


def test_json_and_page_hold_the_same_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = small_report(a=1.0, b=1.0)
    figures, page = tmp_path / "bench.json", tmp_path / "speed.md"
    figures.write_text(json.dumps(report))
    page.write_text(f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n")
    command = ["--from", str(figures), "--markdown", str(page)]
    assert bench.main(command) == 0
    assert bench.main([*command, "--check"]) == 1  # a over b is missed
    written = page.read_text()
    assert "old" not in written and written.startswith("before\n") and written.endswith("after\n")
    assert bench.markdown(report) in written and bench.markdown(report) in capsys.readouterr().out


def test_check_forgives_what_is_not_measured(tmp_path: Path) -> None:
    figures = tmp_path / "bench.json"
    figures.write_text(json.dumps(small_report(a=1.0)))
    assert bench.main(["--from", str(figures), "--check"]) == 0


def test_a_page_without_markers_is_refused_before_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "speed.md"
    page.write_text("nothing here\n")
    with pytest.raises(SystemExit):
        bench.main(["--markdown", str(page)])
    assert bench.BEGIN in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--from", "nowhere.json"], ["--out", "."]])
def test_figures_that_cannot_be_read_or_written_are_refused_before_measuring(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "measure", lambda *request: pytest.fail("it measured"))
    with pytest.raises(SystemExit):
        bench.main(words)
    assert "No such file" in (said := capsys.readouterr().err) or "cannot write ." in said
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_the_project_has_its_markers() -> None:
    bench.replaced(ROOT / "docs" / "speed.md", "")


@pytest.mark.slow
def test_a_quick_run_fills_every_row(tmp_path: Path) -> None:
    figures = tmp_path / "bench.json"
    command = [sys.executable, "-m", "lunar_env.bench", "--quick", "--out", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(figures.read_text())
    assert set(report) == {"conditions", "measurements", "claims"}
    assert report["conditions"]["OMP_WAIT_POLICY"] and "before" in report["conditions"]["load average"]
    for one in report["measurements"]:
        assert set(one) == {"name", "rounds", "conditions", "unit", "median", "best"}
        assert all(math.isfinite(rate) and rate > 0.0 for rate in one["rounds"])
    names = [one["name"] for one in report["measurements"]]
    assert len(names) == len(set(names))
    for claim in bench.claims("cpu"):
        peers = {bench.ENVPOOL: "envpool", bench.LUNAR_LANDER: "Box2D", bench.TRAINING: "stable_baselines3"}
        peers[bench.FLYING] = "stable_baselines3"
        for name in filter(None, (claim.over, claim.under)):
            assert name in names or not bench.has(peers[name])
    assert all(f"| {name} " in done.stdout for name in names)
    assert done.stdout.rstrip().endswith(str(figures))
