"""Each fault of the library visibly breaks the simple pilot that it is said to break, and at its neutral value nobody.

A pair of flights has the same seed, and so the same start, vehicle, instruments and ground; only the fault differs.
"""

import functools
from math import radians
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers import RARE

pytest.importorskip("safetensors")
pytest.importorskip("scipy")

from scipy import stats

from agents.pilots import CLASSICAL
from agents.scoring.episodes import fly_episodes
from agents.seeds import EVALUATION
from lunar_env import Outcome, Range, load_scenario
from lunar_env.faults.kinds import KINDS, NAMES, magnitude_of, with_fault
from lunar_env.flying.episodes import Endings
from lunar_env.missions.hakuto_r import M1_RADAR

EPISODES, SEED = 200, EVALUATION[-1]  # which no table quotes
BASE = "resilience_as_planned"
AWAKE = {"faults.late_acquisition.probability": 0.0}  # its altimeter wakes up late by plan; one fault at a time
LANDS = 0.9  # share that a baseline lands when nothing is wrong
LABELS = {"faults", "acting_faults"}  # of the record: they say that the fault is there


class Case(NamedTuple):
    """What a fault does to a baseline."""

    pilot: str
    numbers: dict[str, float]  # the mission's, or of the ranges for training
    fall: float  # of the share landed, at least
    changes: tuple[tuple[str, Any], ...] = ()  # of the base scenario, for both flights


BREAKS = {
    # Where its belief is a kilometre too high, it learns of the ground at 65 to 79 m/s.
    "late_acquisition": Case("altimeter_braking", {"altitude": 900.0}, 0.2),
    # It takes itself to be where it was a second ago.
    "delayed_readings": Case("altimeter_braking", {"delay": 1.0}, 0.8),
    # What it saw upright is held when it leans to brake, and its beam with it, beyond the reach that is left.
    "detection_loss": Case("altimeter_braking", {"reach": 0.7}, 0.15),
    # A spread of at least 15 m where 15 m are left.
    "noise_burst": Case("altimeter_braking", {"excess": 29.0}, 0.4),
    # With a belief that is right at the start, as Odysseus's was; the bias of 100 m is what remains to break it.
    "ranging_loss": Case(
        "inertial", {"loss": 1.0, "bias": 100.0, "below": 15_000.0}, 0.8, (("navigation.altitude_error", 0.0),)
    ),
    # No reading counts, so it lands by a belief that is off by up to 1.5 km.
    "missing_flag": Case("altimeter_braking", {"share": 1.0}, 0.6),
    # Its one beam, along the leaning thrust axis, would look past the rim while braking; M1's two do not.
    "terrain_step": Case("gated_filter", {"height": 3_000.0}, 0.8, (("sensors", (M1_RADAR,)),)),
    # Not the mission's 1.7 % of the height, which are nothing near the ground.
    "range_bias": Case("altimeter_braking", {"step": 50.0}, 0.8),
    # A lock on the structure begins the last phase, kilometres up. Short echoes alone only make it brake at times.
    "outliers": Case("altimeter_braking", {"share": 0.02, "structure": 0.5}, 0.25),
    # A mission's minute from the start on would be over at 6 km, with time to notice.
    "frozen_reading": Case("altimeter_braking", {"share": 1.0, "onset": 120.0, "duration": 20.0}, 0.8),
    # Just above 2 or 4 km the ground seems near, and the last phase begins.
    "range_ambiguity": Case("altimeter_braking", {"interval": 2_000.0}, 0.5),
    # The last reading before the dust is held.
    "dust": Case("altimeter_braking", {"height": 30.0}, 0.3),
    # Beresheet's engine stayed off, which no pilot survives. Five seconds are enough for one that brakes late.
    "engine_cut": Case("suicide_burn", {"loss": 1.0, "onset": 120.0, "duration": 5.0}, 0.6),
    "gyro_saturation": Case("as_flown", {"rate": radians(165.0), "duration": 1.0}, 0.8),
    # It believes to fall ever faster, and climbs out of the region.
    "dead_accelerometer": Case("inertial", {"loss": 1.0}, 0.8),
    # Not Chandrayaan-2's surplus, which only helps who brakes late.
    "thrust_deviation": Case("suicide_burn", {"excess": -0.1}, 0.8),
    "engine_loss": Case("suicide_burn", {"loss": 0.5, "offset": 0.1, "below": 50.0}, 0.8),
    # Stuck in the fall, when the burn should begin. From the start on, full throttle is what it wants anyway.
    "stuck_throttle": Case("suicide_burn", {"share": 1.0, "onset": 120.0, "duration": 5.0}, 0.4),
    "spurious_touchdown": Case("as_flown", {"below": 40.0}, 0.8),
    # Surveyor 3's three seconds end in a harder second contact, but within the limits, as its own did.
    "missed_touchdown": Case("as_flown", {"hold": 5.0}, 0.2),
    # Within the ranges for training, three tenths at most, it still lands.
    "propellant_shortage": Case("cautious", {"missing": 0.5}, 0.8),
    "unsteady_site": Case("as_flown", {"slope": radians(12.0), "drift": 2.0}, 0.8),
    "dropout": Case("altimeter_braking", {"loss": 1.0, "onset": 120.0, "duration": 30.0}, 0.8),
}
EACH = pytest.mark.parametrize("name", BREAKS)


def fly(case: Case, episodes: int, fault: dict[str, Any], pilot: str = "") -> Endings:
    """Endings of a case's pilot, or of another one in its place."""
    scenario = load_scenario(load_scenario(BASE, **AWAKE), **dict(case.changes))
    return fly_episodes(pilot or case.pilot, load_scenario(scenario, **fault), episodes, SEED)


@functools.cache
def sound(pilot: str, changes: tuple[tuple[str, Any], ...], episodes: int) -> Endings:
    """Endings without a fault, which several cases share."""
    return fly(Case(pilot, {}, 0.0, changes), episodes, {})


def landed(flights: Endings) -> np.ndarray:
    return flights.outcome == Outcome.LANDED


def is_documented(name: str, key: str, value: float) -> bool:
    """Whether a fault's number is its mission's or lies in its range for training."""
    kind = KINDS[name]
    wanted = kind.training.get(key, kind.replay.get(key))
    low, high = (wanted.low, wanted.high) if isinstance(wanted, Range) else (wanted, wanted)
    return value == kind.replay.get(key) or (wanted is not None and low <= value <= high)


def test_the_table_has_every_fault_with_the_baseline_it_is_said_to_break():
    assert {name: case.pilot for name, case in BREAKS.items()} == {name: KINDS[name].breaks for name in NAMES}
    assert {case.pilot for case in BREAKS.values()} <= set(CLASSICAL)


@EACH
def test_the_numbers_are_those_of_the_mission_or_of_training(name):
    assert all(is_documented(name, key, value) for key, value in BREAKS[name].numbers.items())


@pytest.mark.parametrize("pilot", ["altimeter_braking", "gated_filter", "inertial", "suicide_burn"])
def test_a_baseline_lands_when_all_goes_as_planned(pilot):
    assert landed(fly_episodes(pilot, load_scenario(BASE), EPISODES, SEED)).mean() >= LANDS


@EACH
def test_a_fault_breaks_its_baseline(name):
    case = BREAKS[name]
    without = landed(sound(case.pilot, case.changes, EPISODES))
    broken = landed(fly(case, EPISODES, with_fault(name, **case.numbers)))
    assert without.mean() >= LANDS
    assert without.mean() - broken.mean() >= case.fall
    # McNemar: if the fault did nothing, a pair that ends in two ways would be as likely to end in the one as the other.
    lost, gained = int((without & ~broken).sum()), int((broken & ~without).sum())
    assert stats.binomtest(lost, lost + gained, 0.5, alternative="greater").pvalue < RARE


@EACH
def test_a_fault_at_its_neutral_value_leaves_the_flight_of_its_baseline_as_it_was(name):
    case = BREAKS[name]
    without = sound(case.pilot, case.changes, 16)
    neutral = fly(case, 16, with_fault(name, **{magnitude_of(name): KINDS[name].neutral}))
    assert (neutral.record["faults"] == 1 << NAMES.index(name)).all()
    assert np.array_equal(neutral.outcome, without.outcome)
    for quantity in neutral.record.keys() - LABELS:
        assert neutral.record[quantity].tobytes() == without.record[quantity].tobytes(), quantity


# What makes a baseline the weak one: a pilot that filters and compensates its readings, doubts no cliff and brakes
# early lands with the same fault.
WITHSTOOD = [
    "delayed_readings", "detection_loss", "terrain_step", "dust", "dropout",
    "engine_cut", "thrust_deviation", "stuck_throttle",
]  # fmt: skip


@pytest.mark.parametrize("name", WITHSTOOD)
def test_a_pilot_without_the_weakness_withstands_the_fault(name):
    case = BREAKS[name]
    assert landed(fly(case, EPISODES, with_fault(name, **case.numbers), "as_flown")).mean() >= 0.98
