"""A scenario: what it draws, what it refuses and how it says so, and that it survives being written down."""

import dataclasses
import json
import math
import re
from typing import Any

import numpy as np
import pytest
from helpers import RARE
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lunar_env import Descent, Range, Scenario, load_scenario, scenarios
from lunar_env.changes import change, from_dict
from lunar_env.kernel.tables import drawn_places, fixed_row, packed, settings_of
from lunar_env.quantities import leaves
from lunar_env.sensors.range_finder import RangeFinder

EVERY_PRESET = pytest.mark.parametrize("name", scenarios())


def drawn(scenario: Scenario, path: str, landers: int = 5000) -> np.ndarray:
    return Descent(scenario, landers).state["drawn." + path].double().numpy()


# Drawing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(100.0, 300.0), (-5.0, 5.0), (0.99, 1.01)])
def test_a_range_is_drawn_uniformly_inside_its_ends(low: float, high: float) -> None:
    path = "start.cross_distance"
    values = drawn(load_scenario("vertical", **{path: [low, high]}), path)
    assert values.min() >= np.float32(low) and values.max() <= np.float32(high)
    assert stats.kstest(values, "uniform", args=(low, high - low)).pvalue > RARE


@pytest.mark.parametrize(("low", "high"), [(200.0, 5_000.0), (1e-3, 1e3)])
def test_a_logarithmic_range_is_uniform_in_the_logarithm(low: float, high: float) -> None:
    path = "faults.late_acquisition.altitude"
    values = drawn(load_scenario("vertical", **{path: {"low": low, "high": high, "log": True}}), path)
    # A power in float32 is right to a few units in the last place, at the ends as well.
    assert values.min() >= low * (1.0 - 1e-6) and values.max() <= high * (1.0 + 1e-6)
    assert stats.kstest(np.log(values), "uniform", args=(math.log(low), math.log(high / low))).pvalue > RARE


def test_a_plain_number_is_the_same_for_everyone() -> None:
    for path, value in (("start.altitude", 1234.5), ("faults.late_acquisition.altitude", 720.0), ("mass.dry", 333.0)):
        assert (drawn(load_scenario("vertical", **{path: value}), path, 50) == np.float32(value)).all()


def test_each_number_is_drawn_for_itself() -> None:
    spread = {path: [1.0, 2.0] for path in ("start.altitude", "start.distance", "start.speed", "start.cross_speed")}
    values = Descent(load_scenario("vertical", **spread), 5000).state
    columns = [values["drawn." + path].double().numpy() for path in spread]
    for i, one in enumerate(columns):
        for other in columns[:i]:
            assert stats.pearsonr(one, other).pvalue > RARE


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25), ([0.2, 0.6], 0.4)])
def test_a_chance_is_drawn_as_yes_or_no(chance: Any, share: float) -> None:
    values = drawn(load_scenario("vertical", **{"faults.dropout.probability": chance}), "faults.dropout.probability")
    assert set(values) <= {0.0, 1.0}
    low, high = stats.binom.interval(1.0 - RARE, len(values), share)
    assert low <= values.sum() <= high


def test_what_the_kernel_holds_is_what_the_scenario_says() -> None:
    # The names of the kernel's struct and the packed numbers are two lists; this is that they are in one order.
    scenario = load_scenario("resilience")
    numbers, draws = leaves(scenario), packed(scenario)["draws"]  # place, low, high and more of each
    lows, highs, places = fixed_row(scenario), fixed_row(scenario), draws.view(np.int32)[:, 0]
    lows[places], highs[places] = draws[:, 1], draws[:, 2]
    state = Descent(scenario, 64).state
    for leaf, low, high in zip(numbers, lows, highs, strict=True):
        values = state["drawn." + leaf.path]
        if leaf.probability:
            low, high = (0.0, 1.0) if leaf.low < 1.0 else (1.0, 1.0)
        assert values.min() >= low - 1e-6 * abs(low), leaf.path
        assert values.max() <= high + 1e-6 * abs(high), leaf.path


def test_each_number_reaches_the_column_of_its_name() -> None:
    reached = 0
    for leaf in leaves(load_scenario("vertical")):
        value = 0.999 * leaf.low if leaf.low else 0.5
        if leaf.probability or leaf.path in ("altimeter.delay", "start.progress"):
            continue  # a yes or no, whole ticks
        assert drawn(load_scenario("vertical", **{leaf.path: value}), leaf.path, 1)[0] == np.float32(value), leaf.path
        reached += 1
    assert reached > 70


# Writing down -----------------------------------------------------------------------------------------------------


@EVERY_PRESET
def test_a_preset_survives_being_written_and_read(name: str) -> None:
    scenario = load_scenario(name)
    assert from_dict(scenario.to_dict()) == scenario
    assert from_dict(json.loads(json.dumps(scenario.to_dict()))) == scenario


PATHS = [leaf.path for leaf in leaves(Scenario()) if leaf.path.split(".")[0] in ("start", "terrain", "reward")]
NUMBER = st.floats(0.1, 0.3, allow_nan=False)
VALUE = NUMBER | st.tuples(NUMBER, NUMBER, st.booleans()).filter(lambda t: t[0] < t[1]).map(lambda t: Range(*t))


@settings(deadline=None)  # a shared machine may be slow
@given(
    st.dictionaries(st.sampled_from([p for p in PATHS if p not in ("terrain.levelling", "terrain.wavelength")]), VALUE)
)
def test_any_changes_survive_being_written_and_read(changes: dict[str, Any]) -> None:
    scenario = load_scenario("vertical", **changes)
    again = from_dict(json.loads(json.dumps(scenario.to_dict())))
    assert again == scenario
    for path, value in changes.items():
        part, _, name = path.partition(".")
        assert getattr(getattr(again, part), name) == value


def test_a_scenario_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_scenario("vertical").tick = 0.2  # type: ignore[misc]


# Changing ---------------------------------------------------------------------------------------------------------


def test_dotted_paths_and_nested_tables_say_the_same() -> None:
    dotted = load_scenario("vertical", **{"altimeter.delay": 0.3, "faults.dropout.loss": 0.5, "decision_period": 0.1})
    nested = load_scenario("vertical", altimeter={"delay": 0.3}, faults={"dropout": {"loss": 0.5}}, decision_period=0.1)
    mixed = load_scenario("vertical", faults={"dropout.loss": 0.5}, decision_period=0.1, **{"altimeter.delay": 0.3})
    assert dotted == nested == mixed
    assert dotted.sensor("altimeter").delay == 0.3
    assert dotted.faults.dropout.loss == 0.5
    assert dotted.sensor("altimeter").noise == load_scenario("vertical").sensor("altimeter").noise  # the rest stays


@pytest.mark.parametrize("order", [1, -1])
def test_a_table_and_a_dotted_path_into_it_both_count(order: int) -> None:
    changes = [("altimeter", {"delay": 0.3}), ("altimeter.noise", 2.0)]
    altimeter = change(load_scenario("vertical"), dict(changes[::order])).sensor("altimeter")
    assert (altimeter.delay, altimeter.noise) == (0.3, 2.0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_whole_part_and_a_dotted_path_into_it_both_count_or_are_refused(order: int) -> None:
    changes = [("altimeter", RangeFinder(delay=0.3)), ("altimeter.noise", 2.0)]
    try:
        altimeter = change(load_scenario("vertical"), dict(changes[::order])).sensor("altimeter")
    except (KeyError, TypeError, ValueError):
        return
    assert (altimeter.delay, altimeter.noise) == (0.3, 2.0)


def test_a_change_leaves_the_preset_as_it_was() -> None:
    before = load_scenario("resilience").to_dict()
    load_scenario("resilience", **{"altimeter.delay": 0.3, "mass.dry": 300.0})
    assert load_scenario("resilience").to_dict() == before


def test_lists_and_tables_are_ranges() -> None:
    start = load_scenario("vertical", **{"start.altitude": [500, 900], "start.speed": {"low": 1, "high": 2}}).start
    assert start.altitude == Range(500.0, 900.0)
    assert start.speed == Range(1.0, 2.0)
    log = load_scenario("vertical", **{"start.speed": {"low": 1, "high": 2, "log": True}}).start.speed
    assert log == Range(1.0, 2.0, log=True)


# Refusing ---------------------------------------------------------------------------------------------------------

NAN = float("nan")
REFUSED = [
    # what is asked for, the error, what it has to say
    ({"altimter": {}}, KeyError, "unknown key 'altimter'; perhaps you meant 'altimeter'"),
    ({"altimeter.dely": 0.3}, KeyError, "unknown key 'altimeter.dely'; perhaps you meant 'delay'"),
    ({"faults": {"dropout": {"los": 0.3}}}, KeyError, "unknown key 'faults.dropout.los'; perhaps you meant 'loss'"),
    ({"zzz": 1.0}, KeyError, "unknown key 'zzz'; Scenario has: moon, mass,"),
    ({"mass.dry": "heavy"}, TypeError, "mass.dry must be a number kg or a range [low, high], got 'heavy'"),
    ({"mass.dry": True}, TypeError, "mass.dry must be a number kg"),
    ({"mass.dry": None}, TypeError, "mass.dry must be a number kg"),
    ({"mass": 3.0}, TypeError, "mass must be a Mass, got 3.0"),
    ({"history": 1.5}, TypeError, "history must be of type int, got 1.5"),
    ({"substeps": True}, TypeError, "substeps must be of type int, got True"),
    ({"name": 3}, TypeError, "name must be of type str, got 3"),
    ({"tick": "0.1"}, TypeError, "tick must be of type float, got '0.1'"),
    ({"mass.dry": -1.0}, ValueError, "mass.dry must lie in [1, 1e+06] kg, got -1.0"),
    ({"mass.dry": [0.0, 500.0]}, ValueError, "mass.dry must lie in [1, 1e+06] kg, got 0.0"),
    ({"mass.dry": NAN}, ValueError, "mass.dry must lie in [1, 1e+06] kg, got nan"),
    ({"mass.dry": math.inf}, ValueError, "mass.dry must lie in [1, 1e+06] kg, got inf"),
    ({"faults.dropout.probability": 1.1}, ValueError, "faults.dropout.probability must lie in [0, 1]"),
    ({"history": 0}, ValueError, "history must be from 1 to 4,096, got 0"),
    ({"tick": 0.0}, ValueError, "tick must be from 0.0001 to 10 s, got 0.0"),
    ({"tick": NAN}, ValueError, "tick must be from 0.0001 to 10 s, got nan"),
    ({"time_limit": math.inf}, ValueError, "time_limit must be from 0.0001 to 1e+06 s, got inf"),
    ({"control": "warp_drive"}, ValueError, "control must be one of 'throttle', 'planar',"),
    ({"observation": "all"}, ValueError, "observation must be one of 'instruments', 'truth', 'beams', got 'all'"),
    ({"mass.dry": [500.0, 300.0]}, ValueError, "mass.dry: a range must run upwards, got [500.0, 300.0]"),
    ({"mass.dry": [500.0, 500.0]}, ValueError, "write a plain number for a fixed value"),
    ({"mass.dry": [500.0]}, ValueError, "mass.dry: a range has two ends, got 1"),
    ({"mass.dry": [NAN, 500.0]}, ValueError, "mass.dry: a range must be finite, got [nan, 500.0]"),
    ({"mass.dry": {"low": 1.0}}, ValueError, "mass.dry: a range is {low, high, log}, got the keys ['low']"),
    ({"mass.dry": {"lo": 1.0, "high": 2.0}}, ValueError, "mass.dry: a range is {low, high, log}, got the keys"),
    ({"bias": 0.0}, KeyError, "unknown key 'bias'"),
    ({"altimeter.bias": {"low": -1.0, "high": 1.0, "log": True}}, ValueError, "a logarithmic range must be above zero"),
    ({"altimeter.delay": 0.25}, ValueError, "altimeter.delay = 0.25 s is not a whole number of physics ticks of 0.1 s"),
    ({"altimeter.delay": 0.25}, ValueError, "use 0.2 or 0.3 s, or another tick"),
    ({"altimeter.delay": [0.1, 0.25]}, ValueError, "altimeter.delay = 0.25 s is not a whole number"),
    ({"altimeter.jitter": 0.01}, ValueError, "altimeter.jitter = 0.01 s is not a whole number"),
    ({"altimeter.period": 0.15}, ValueError, "altimeter.period = 0.15 s is not a whole number"),
    ({"altimeter.period": 0.0}, ValueError, "altimeter.period must be at least one tick of 0.1 s, got 0 s"),
    ({"decision_period": 0.33}, ValueError, "decision_period = 0.33 s is not a whole number of physics ticks of 0.1 s"),
    ({"decision_period": 0.33}, ValueError, "use 0.3 or 0.4 s"),
    ({"time_limit": 10.05}, ValueError, "time_limit = 10.05 s is not a whole number"),
    ({"engine.lag": 0.01}, ValueError, "engine.lag = 0.01 s is too short for substeps of 0.025 s"),
    (
        {"faults.delayed_readings": {"probability": 0.5, "delay": 0.33}},
        ValueError,
        "faults.delayed_readings.delay = 0.33 s is not a whole number",
    ),
]


@pytest.mark.parametrize(("changes", "error", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_refused_by_path_value_and_remedy(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        load_scenario("vertical", **changes)


def test_an_unknown_preset_gets_a_hint() -> None:
    with pytest.raises(KeyError, match="unknown scenario 'resilence'; perhaps you meant 'resilience"):
        load_scenario("resilence")
    with pytest.raises(TypeError, match="scenario must be a name or a Scenario, got int"):
        load_scenario(3)  # type: ignore[arg-type]


def test_a_delay_that_cannot_occur_may_be_any() -> None:
    assert load_scenario("vertical", **{"faults.delayed_readings.delay": 0.33}).delay_slots > 0


@pytest.mark.parametrize("tick", [0.05, 0.02, 0.1, 0.3, 0.7])
def test_periods_of_whole_ticks_are_taken_however_float_writes_them(tick: float) -> None:
    lags = {"altimeter.period": 3 * tick, "altimeter.delay": 6 * tick, "engine.lag": tick}
    scenario = load_scenario("vertical", tick=tick, decision_period=7 * tick, time_limit=700 * tick, **lags)
    assert settings_of(scenario, 0).ticks == 7
    assert packed(scenario)["beams"].view(np.int32)[0, 5] == 3  # ticks between samples
    assert settings_of(scenario, 0).tick_limit == 700
    assert scenario.steps == 100


def test_the_delay_line_is_long_enough_for_all_that_is_under_way() -> None:
    altimeter = {"altimeter.delay": [0.1, 1.0], "altimeter.jitter": 0.5, "altimeter.period": 0.2}
    fault = {"faults.delayed_readings.probability": 0.1, "faults.delayed_readings.delay": [0.1, 2.0]}
    # 1.0 + 0.5 + 2.0 s at a sample per 0.2 s is 17.5 under way.
    assert load_scenario("vertical", **altimeter, **fault).delay_slots >= 18


def test_an_episode_draws_what_is_drawn_and_a_fixed_number_stands_in_every_row() -> None:
    scenario = load_scenario("vertical", **{"start.altitude": [400.0, 500.0], "faults.dust.probability": 0.5})
    paths = [leaf.path for leaf in leaves(scenario)]
    drawn = [paths[place] for place in drawn_places(leaves(scenario))]
    assert {"start.altitude", "faults.dust.probability"} <= set(drawn) and len(drawn) < 0.2 * len(paths)
    descent = Descent(scenario, 64, seed=1)
    spread = descent.snapshot()["drawn"].amax(dim=0) - descent.snapshot()["drawn"].amin(dim=0)
    assert {paths[place] for place in spread.nonzero().flatten().tolist()} == set(drawn)
