"""Nothing asked for is endless: every number has both its ends, and what memory or patience lack is told beforehand."""

import dataclasses
import math
import time
from typing import Any

import numpy as np
import pytest
import torch

from lunar_env import Descent, Range, Scenario, load_scenario, scenarios
from lunar_env.differentiable import rollout
from lunar_env.kernel import memory, room
from lunar_env.kernel.memory import State, bytes_of
from lunar_env.kernel.room import free_memory, require_memory, require_room

NAN, INF = math.nan, math.inf
HUGE = 10**5000  # more digits than Python writes down
CPU = torch.device("cpu")


def settings_of(part: type, path: str = "") -> list[tuple[str, dataclasses.Field[Any]]]:
    """Every number of a part by its path, drawn or not."""
    found = []
    for item in dataclasses.fields(part):
        if dataclasses.is_dataclass(item.type):
            found += settings_of(item.type, f"{path}{item.name}.")
        elif "parts" in item.metadata:
            found += settings_of(item.metadata["parts"], f"{path}{item.name}.")
        elif "probability" in item.metadata or item.type in (int, float):
            found.append((path + item.name, item))
    return found


@pytest.mark.parametrize("path, item", settings_of(Scenario), ids=lambda value: value if isinstance(value, str) else "")
def test_every_number_of_a_scenario_has_both_its_ends(path: str, item: dataclasses.Field[Any]) -> None:
    assert math.isfinite(item.metadata["low"]) and math.isfinite(item.metadata["high"])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"history": 10**6}, "history must be from 1 to 4,096, got 1000000"),
    ({"history": True}, "history must be of type int, got True"),
    ({"history": 2.0}, "history must be of type int, got 2.0"),
    ({"history": HUGE}, "history must be from 1 to 4,096, got a int too long to be written"),
    ({"substeps": 10**9}, "substeps must be from 1 to 10,000, got 1000000000"),
    ({"substeps": 10**20}, "substeps must be from 1 to 10,000, got"),
    ({"tick": 1e-4, "time_limit": 1e9}, "time_limit must be from 0.0001 to 1e+06 s, got 1000000000.0"),
    ({"tick": 1e-4, "time_limit": 1e6}, "has 10,000,000,000 ticks, an episode has at most 16,777,216"),
    ({"tick": 1e-300}, "tick must be from 0.0001 to 10 s, got 1e-300"),
    ({"tick": 1e300}, "tick must be from 0.0001 to 10 s, got 1e+300"),
    ({"time_limit": 1e300}, "time_limit must be from"),
    ({"time_limit": 10**400}, "time_limit must be from"),
    ({"time_limit": HUGE}, "got a int too long to be written"),
    ({"time_limit": NAN}, "time_limit must be from"),
    ({"time_limit": -1.0}, "time_limit must be from"),
    ({"time_limit": "600"}, "time_limit must be of type float, got '600'"),
    ({"decision_period": INF}, "decision_period must be from"),
    ({"decision_period": 1e5, "tick": 1e-2}, "has 40,000,000 substeps, at most 1,000,000 may lie between two actions"),
    ({"ceiling": 1e300}, "ceiling must be from 1 to 1e+08 m"),
    ({"extent": INF}, "extent must be from 1 to 1e+08 m"),
    ({"top_speed": 10**400}, "top_speed must be from 0.1 to 1e+06 m/s"),
    ({"altimeter.delay": 1e5}, "altimeter.delay must lie in [0, 10] s"),
    ({"altimeter.period": 1e9}, "altimeter.period must be from 0 to 10000 s"),
    ({"altimeter.jitter": 1e5}, "altimeter.jitter must be from 0 to 10 s"),
    ({"altimeter.beams": 10**9}, "altimeter.beams must be from 1 to 64"),
    ({"altimeter.azimuth": INF}, "altimeter.azimuth must be from -7 to 7 rad"),
    ({"altimeter.half_angle": NAN}, "altimeter.half_angle must be from"),
    (
        {"tick": 1e-4, "decision_period": 0.01, "time_limit": 10.0, "altimeter.period": 1e-4, "altimeter.delay": 10.0},
        "101,002 samples of a beam would be under way at once, at most 10,000 may be",
    ),
    ({"sensors": ["series_1_laser"] * 17}, "sensors must be at most 16, got 17"),
    ({"terrain.map_seed": 2**63}, "terrain.map_seed must be from 0 to 9,223,372,036,854,775,807"),
    ({"terrain.map_spacing": INF}, "terrain.map_spacing must be from 0 to 100000 m"),
    ({"terrain.map": "x" * 10_000}, "terrain.map must be at most 4,096 characters long, got 10,000"),
    ({"summary": "x" * 10_000}, "summary must be at most 4,096 characters long"),
    ({"start.altitude": [NAN, 100.0]}, "start.altitude: a range must be finite"),
    ({"start.altitude": [1.0, INF]}, "start.altitude: a range must be finite"),
    ({"start.altitude": [10**400, 10**401]}, "start.altitude: int too large to convert to float"),
    ({"start.altitude": HUGE}, "start.altitude must lie in [0.1, 1e+06] m, got a int too long to be written"),
    ({"start.altitude": [True, 2.0]}, "start.altitude: a range has two numbers, got True"),
    ({"start.altitude": ["1", "2"]}, "start.altitude: a range has two numbers, got '1'"),
    ({"start.altitude": {"low": "1", "high": 2.0}}, "start.altitude: a range has two numbers, got '1'"),
    ({"start.altitude": {"low": 1.0, "high": 10**400}}, "start.altitude: int too large"),
]


@pytest.mark.parametrize("changes, words", WRONG, ids=lambda value: str(list(value)) if isinstance(value, dict) else "")
def test_a_number_without_measure_is_refused_in_a_moment(changes: dict[str, Any], words: str) -> None:
    began = time.perf_counter()
    with pytest.raises((ValueError, TypeError)) as refused:
        load_scenario("resilience", **changes)
    assert time.perf_counter() - began < 1.0
    assert words in str(refused.value)
    assert len(str(refused.value)) < 500, "the value floods the screen"


@pytest.mark.parametrize("low, high", [(NAN, 1.0), (0.0, INF), (True, 2.0), ("1", 2.0), (10**400, 10**401), (None, 1)])
def test_a_range_has_two_finite_numbers(low: Any, high: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="a range must"):
        Range(low, high)


BATCHES: list[tuple[dict[str, Any], str]] = [
    ({"num_envs": 10**9}, "num_envs must be a whole number of at most 16,777,216, got 1000000000"),
    ({"num_envs": 10**30}, "num_envs must be a whole number of at most 16,777,216"),
    ({"num_envs": HUGE}, "num_envs must be a whole number of at most 16,777,216, got a int too long to be written"),
    ({"num_envs": np.int64(-5)}, "num_envs must be a whole number of at least 1"),
    ({"threads": 100_000}, "threads must be a whole number of at most 1,024, got 100000"),
    ({"threads": 0}, "threads must be a whole number of at least 1, got 0"),
    ({"threads": -1}, "threads must be a whole number of at least 1, got -1"),
    ({"threads": True}, "threads must be a whole number of at least 1, got True"),
    ({"threads": 2.0}, "threads must be a whole number of at least 1, got 2.0"),
    ({"threads": "4"}, "threads must be a whole number of at least 1, got '4'"),
    ({"threads": HUGE}, "threads must be a whole number of at most 1,024"),
    ({"device": "cpu:7"}, "device must be"),
    ({"device": 10**30}, "device must be"),
    ({"device": None}, "device must be"),
    ({"device": "x" * 10_000}, "device must be"),
    ({"seed": -HUGE}, "seed must be a whole number of at least 0"),
]


@pytest.mark.parametrize("asked, words", BATCHES, ids=lambda value: str(list(value)) if isinstance(value, dict) else "")
def test_a_batch_without_measure_is_refused_before_anything_is_made(asked, words, monkeypatch):
    if "seed" not in asked:  # which the first reset checks
        monkeypatch.setattr(memory, "torch", None)
    with pytest.raises(ValueError) as refused:
        Descent("resilience", **{"num_envs": 4, **asked})
    assert words in str(refused.value) and len(str(refused.value)) < 500


def test_all_threads_that_are_allowed_fly() -> None:
    descent = Descent("vertical", 2_048, threads=1_024)
    assert descent.threads == 1_024
    descent.advance()


def test_a_lander_number_beyond_what_is_counted_is_refused() -> None:
    descent = Descent("vertical", 4)
    with pytest.raises(ValueError, match="first_lander must be from 0 to"):
        descent.reset(seed=0, first_lander=2**31 - 3)
    with pytest.raises(ValueError, match="first_lander must be from 0 to"):
        descent.reset(seed=0, first_lander=-1)
    descent.reset(seed=0, first_lander=2**31 - 4)


@pytest.mark.parametrize("changes", [{}, {"history": 9}, {"sensors": ["navigation_doppler_lidar", "series_1_laser"]}])
def test_the_estimate_counts_every_table(changes: dict[str, Any]) -> None:
    scenario = load_scenario("resilience", **changes)
    held = sum(table.numel() * table.element_size() for table in State(scenario, 50, CPU).tables().values())
    assert held < bytes_of(scenario, 50) < 2.5 * held
    assert bytes_of(scenario, 50_000) == 1_000 * bytes_of(scenario, 50)


@pytest.mark.parametrize("changes", [{}, {"history": 500}])
def test_what_needs_more_memory_than_there_is_is_refused_with_both_sizes(changes, monkeypatch):
    scenario = load_scenario("resilience", **changes)
    needed = bytes_of(scenario, 1_000)
    monkeypatch.setattr(room, "free_memory", lambda device: needed - 1)
    with pytest.raises(ValueError, match=r"^1,000 landers of 'resilience' need about .* MB, this machine has .* free"):
        Descent(scenario, 1_000)
    monkeypatch.setattr(room, "free_memory", lambda device: None)  # a system that does not say
    Descent(scenario, 1_000)
    monkeypatch.setattr(room, "free_memory", lambda device: needed)
    Descent(scenario, 1_000)


def test_the_sizes_are_told_in_words() -> None:
    with pytest.raises(ValueError, match=r"it need about 76,000,000 GB, this machine has [\d.,]+ [GM]B free; use less"):
        require_memory("it", 76e15, CPU, "use less")
    sizes = [room.size(number) for number in (3e3, 2.5e6, 20e6, 2.5e9, 76e9)]
    assert sizes == ["3 kB", "2.5 MB", "20 MB", "2.5 GB", "76 GB"]


@pytest.mark.skipif(free_memory(CPU) is None, reason="this system does not say what is free")
def test_the_free_memory_is_some_of_what_a_machine_can_have() -> None:
    assert 1e7 < (free_memory(CPU) or 0) < 1e14


def test_a_containers_memory_counts(tmp_path, monkeypatch):
    for name, text in (("max", "3000000\n"), ("current", "1000000\n"), ("none", "max\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(room, "CGROUPS", ((tmp_path / "max", tmp_path / "current"),))
    assert free_memory(CPU) == 2_000_000
    monkeypatch.setattr(room, "CGROUPS", ((tmp_path / "none", tmp_path / "current"),))
    assert (free_memory(CPU) or 1e9) > 2_000_000


@pytest.mark.parametrize(
    "landers, changes",
    [
        (2**20, {"decision_period": 100.0}),
        (10_000, {"substeps": 10_000, "decision_period": 10.0}),
        (2_000, {"tick": 1e-3, "time_limit": 120.0, "decision_period": 60.0, "altimeter.beams": 64}),
    ],
)
def test_one_decision_does_not_take_minutes(landers, changes, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda device: None)
    with pytest.raises(ValueError, match=r"would take about [\d,]+ s, at most 60 s may pass without a pause; use"):
        require_room(load_scenario("resilience", **changes), landers, CPU, 1)


@pytest.mark.parametrize("landers", [1, 4_096, 131_072])
def test_honest_batches_have_room(landers, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda device: None)
    for name in scenarios():
        require_room(load_scenario(name), landers, CPU, 1)
    require_room(load_scenario("resilience", decision_period=100.0), landers, CPU, 2)


def test_a_differentiable_flight_without_measure_is_refused(monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda device: 1_000)
    zeros = torch.zeros
    with pytest.raises(ValueError, match=r"substeps of 3 landers need about .* use fewer landers, a shorter flight"):
        rollout("vertical", zeros(3, 3), zeros(3, 3), zeros(3), zeros(100, 3, 3))
