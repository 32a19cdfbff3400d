"""Faults: each begins and ends on its tick, does what its docstring says, and touches nothing else.

Statistics are of fixed seeds; their bounds are those that one honest run in 10,000 would break.
"""

import functools
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FLAT, RARE, is_share
from scipy import stats
from scipy.spatial.transform import Rotation

from lunar_env import Descent, Outcome, Range, Scenario, load_scenario
from lunar_env.env import LanderEnv
from lunar_env.faults import effects
from lunar_env.faults.kinds import (
    KINDS,
    NAMES,
    STAGES,
    bits_of,
    effect_of,
    magnitude_of,
    with_effect,
    with_fault,
)
from lunar_env.kernel.layout import columns, words
from lunar_env.kernel.memory import drawn_parts
from lunar_env.kernel.tables import Lander
from lunar_env.state import Reading

TICK = 0.1  # [s]
ROUNDING = 2.0**-24  # of one operation in float32, relative

# How bad a fault is made to show itself in ``lively``, by the part of the state that it is about.
ALTIMETER: dict[str, dict[str, Any]] = {
    "late_acquisition": {"altitude": 10.0}, "delayed_readings": {"delay": 1.0}, "detection_loss": {"slowness": 0.5},
    "noise_burst": {"excess": 9.0}, "ranging_loss": {"loss": 0.5}, "missing_flag": {"share": 0.5},
    "range_bias": {"step": 5.0}, "outliers": {"share": 0.1}, "frozen_reading": {"share": 0.5},
    "range_ambiguity": {"interval": 10.0}, "dust": {"height": 20.0}, "dropout": {"loss": 0.5},
}  # fmt: skip
INERTIAL: dict[str, dict[str, Any]] = {
    "gyro_saturation": {"rate": 0.5, "onset": 2.0, "duration": 0.5}, "dead_accelerometer": {"loss": 1.0},
    "unsteady_site": {"drift": 1.0},
}  # fmt: skip
ENGINE: dict[str, dict[str, Any]] = {
    "engine_cut": {"loss": 1.0, "onset": 2.0, "duration": 1.0}, "stuck_throttle": {"onset": 2.0, "duration": 2.0},
    "thrust_deviation": {"excess": 0.15}, "engine_loss": {"loss": 0.3}, "spurious_touchdown": {"below": 5.0},
    "missed_touchdown": {"hold": 3.0}, "propellant_shortage": {"missing": 0.3},
    "terrain_step": {"height": 20.0, "distance": 20.0, "width": 20.0},
}  # fmt: skip
SHOWN = {**ALTIMETER, **INERTIAL, **ENGINE}
FROM_THE_START = {"propellant_shortage", "unsteady_site", "terrain_step"}  # tanks and ground have no onset
LABELS = {"episode.faults", "episode.acting", "episode.pending", "record.faults", "record.acting_faults"}
SEEN = ("altimeter.", "observation", "record.first_valid")  # all that a fault of the altimeter changes in an open loop
EACH = pytest.mark.parametrize("name", NAMES)


def dotted(changes: dict[str, Any]) -> dict[str, Any]:
    """Two underscores stand for a dot."""
    return {name.replace("__", "."): value for name, value in changes.items()}


def bit(name: str) -> int:
    return 1 << NAMES.index(name)


def rig(landers: int = 1, **changes: Any) -> Descent:
    """Landers of 500 kg, with 4 m/s^2 of thrust against 2 m/s^2 of weight, and perfect instruments, on a flat Moon."""
    vehicle = {"control": "body", "mass.dry": 400.0, "start.propellant": 100.0, "engine.maximum_thrust": 2_000.0}
    engine = {"engine.specific_impulse": 1e9, "engine.lag": 0.0, "engine.minimum_throttle": 0.0}
    perfect = {"altimeter.delay": 0.0, "altimeter.noise": 0.0, "altimeter.noise_growth": 0.0}
    perfect |= {"altimeter.maximum_range": 1e6, "altimeter.detection_width": 0.0}
    start = {"start.altitude": 500.0, "start.descent_rate": 0.0, "decision_period": TICK, "time_limit": 1000.0}
    place = {"moon.radius": FLAT, "moon.surface_gravity": 2.0, "ceiling": 1e6, "extent": 1e6}
    scenario = load_scenario("vertical", **vehicle | engine | perfect | start | place | dotted(changes))
    return Descent(scenario, landers, autoreset="disabled")


def watch(descent: Descent, ticks: int, *names: str, throttle: float | Sequence[float] = 0.0) -> list[np.ndarray]:
    """Quantities over some ticks of flight without torque, each (ticks + 1, landers, ...); row t is after tick t."""
    shown = [[descent.state[name].double().numpy()] for name in names]
    for share in np.broadcast_to(throttle, ticks):
        descent.actions[:, 0] = 2.0 * float(share) - 1.0
        descent.advance()
        for name, values in zip(names, shown, strict=True):
            values.append(descent.state[name].double().numpy())
    return [np.array(values) for values in shown]


def lively(**changes: Any) -> Scenario:
    """The last 30 m with all that a fault could spoil: noise, delay, drift, slope, tilt and, mostly, a landing."""
    start = {"start.altitude": Range(5.0, 30.0), "start.distance": Range(-50.0, 50.0), "start.cross_distance": 0.0}
    start |= {"start.speed": Range(0.0, 2.0), "start.cross_speed": 0.0, "start.descent_rate": Range(1.0, 3.0)}
    start |= {"start.tilt": Range(-0.1, 0.1), "start.throttle": 0.5, "altimeter.delay": Range(0.0, 0.3)}
    changed = {"faults.late_acquisition.probability": 0.0, "decision_period": 0.2, **dotted(changes)}
    return load_scenario("resilience", **start | changed)


def life(**changes: Any) -> torch.Tensor:
    """All words of 128 landers, their observations and rewards over 20 s of ``lively``, as bits: (100, 128, ...)."""
    descent = Descent(lively(**changes), 128, seed=5, autoreset="disabled")
    low, high = torch.tensor([-0.8, -0.15, -0.15]), torch.tensor([-0.7, 0.15, 0.15])  # 1 to 2.2 m/s down
    generator = torch.Generator().manual_seed(2)
    frames = []
    for _ in range(100):
        descent.actions.copy_(low + (high - low) * torch.rand(128, 3, generator=generator))
        descent.advance()
        frames.append(
            torch.cat([descent.snapshot()["lander"], descent.state.observation, descent.rewards[:, None]], dim=1)
        )
    return torch.stack(frames).view(torch.int32)


def label(frames: torch.Tensor, name: str) -> torch.Tensor:
    """One of the whole numbers among the words of ``life``."""
    return columns(frames.view(torch.float32).flatten(0, 1), Lander)[name].unflatten(0, frames.shape[:2])


@functools.cache
def sound_life() -> torch.Tensor:
    sound = life()
    assert (label(sound, "episode.outcome")[-1] == Outcome.LANDED).float().mean() > 0.5
    return sound


def differing(frames: torch.Tensor, landers: Any = slice(None)) -> set[str]:
    """Names of what is not as in the life without faults, bit for bit, in some landers; labels apart."""
    own = words(Lander) + words(Reading)
    changed = (frames != sound_life())[:, landers].flatten(0, 1).any(dim=0)[None].float()
    lander, reading, shown = changed.split([words(Lander), words(Reading), changed.shape[1] - own], dim=1)
    parts = columns(lander, Lander) | {"observation": shown}
    parts |= {f"altimeter.{name}": part for name, part in columns(reading, Reading).items()}
    return {name for name, part in parts.items() if part.any()} - LABELS


# The library ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_effect_reads_the_numbers_of_every_fault_that_has_it(name: str) -> None:
    """The columns of ``with_effect`` are where the drawn numbers of the fault lie in a row of the batch."""
    descent = Descent(load_scenario("resilience", **with_fault(name, **KINDS[name].training)), num_envs=3)
    slot = next(one for one in getattr(effects, effect_of(name).upper()) if one.code == NAMES.index(name))
    world, finders, count, *_ = drawn_parts(descent.scenario)
    faults = descent.snapshot()["drawn"][:, world + finders :][:, :count]
    for item in fields(KINDS[name]):
        drawn = descent.state[f"drawn.faults.{name}.{item.name}"]
        assert torch.equal(faults[:, getattr(slot, item.name)], drawn)


def test_every_fault_acts_in_stages_that_ask_and_fits_into_a_word() -> None:
    assert all(kind.stages and set(kind.stages) <= set(STAGES) for kind in KINDS.values())
    assert len(NAMES) == effects.COUNT < 32
    words = {name for name in NAMES if effects.ENGINE >> NAMES.index(name) & 1}
    assert words == {"engine_cut", "thrust_deviation", "engine_loss", "stuck_throttle", "spurious_touchdown"}
    with pytest.raises(KeyError, match=r"unknown stage 'engin'; known: start, ground, engine"):
        bits_of("engin")
    with pytest.raises(KeyError, match="no fault has the effect 'dus'"):
        with_effect("dus")


def test_every_fault_says_what_it_is_where_it_happened_and_what_it_breaks() -> None:
    assert all(kind.__doc__ and kind.missions and kind.breaks for kind in KINDS.values())
    assert sorted(kind.mode for name, kind in KINDS.items() if name != "dropout") == list(range(1, 23))
    assert SHOWN.keys() == set(NAMES)


@EACH
@pytest.mark.parametrize("numbers", ["replay", "training"])
def test_every_fault_flies_as_its_mission_did_and_as_training_wants_it(name: str, numbers: str) -> None:
    descent = Descent(load_scenario("resilience", **with_fault(name, **getattr(KINDS[name], numbers))), 64, seed=1)
    low, high = (torch.from_numpy(bound) for bound in descent.observations.bounds())
    for _ in range(20):
        descent.advance()
    assert descent.faults()["present"][:, descent.possible_faults.index(name)].all()
    assert ((descent.state.observation >= low) & (descent.state.observation <= high)).all()  # no NaN either
    assert descent.rewards.isfinite().all()


# Nothing and something --------------------------------------------------------------------------------------------


@EACH
def test_a_fault_of_neutral_magnitude_changes_not_a_bit(name: str) -> None:
    neutral = life(**with_fault(name, **{magnitude_of(name): KINDS[name].neutral}))
    assert (label(neutral, "episode.faults") == bit(name)).all()
    assert differing(neutral) == set()


@pytest.mark.parametrize("name", [name for name in SHOWN if name not in FROM_THE_START])
def test_a_fault_that_has_not_begun_is_nowhere_to_be_seen(name: str) -> None:
    waiting = life(**with_fault(name, **{**SHOWN[name], "onset": 1e4}))
    assert (label(waiting, "episode.pending") == bit(name)).all()
    assert differing(waiting) == set()


@pytest.mark.parametrize("name", SHOWN)
def test_a_fault_shows_in_what_it_is_about_and_in_no_lander_that_lacks_it(name: str) -> None:
    faulty = life(**with_fault(name, **SHOWN[name], probability=0.5))
    has = label(faulty, "episode.faults")[0] != 0
    assert is_share(float(has.sum()), 128, 0.5)
    assert differing(faulty, ~has) == set()
    about = "altimeter." if name in ALTIMETER else "belief." if name in INERTIAL else "motion."
    changed = differing(faulty, has)
    assert any(part.startswith(about) for part in changed)
    assert name not in ALTIMETER or all(part.startswith(SEEN) for part in changed)


def test_nothing_of_a_faulty_episode_leaks_into_the_next() -> None:
    faults = [with_fault(name, **numbers, probability=0.5) for name, numbers in SHOWN.items()]
    scenario = lively(time_limit=40.0, **{key: value for fault in faults for key, value in fault.items()})

    def lives(descent: Descent, decisions: int) -> torch.Tensor:
        frames = []
        for _ in range(decisions + 1):
            frames.append(torch.cat([descent.snapshot()["lander"].view(torch.int32), descent.state.begun], dim=1))
            descent.actions.copy_(torch.tensor([-0.7, 0.1, -0.1]).expand(64, 3))
            descent.advance()
        return torch.stack(frames)

    flown, fresh = Descent(scenario, 64, seed=3), Descent(scenario, 64, seed=3)
    fresh.reset()  # episode 1 without a flight before
    first, second = lives(flown, 260), lives(fresh, 50)
    begins = (label(first, "episode.episode") == 0).sum(dim=0)  # the frame with which each lander's second one begins
    for row, begin in enumerate(begins):
        assert torch.equal(first[begin : begin + 51, row], second[:, row])


# Onset and labels -------------------------------------------------------------------------------------------------

HANGING = dict(moon__surface_gravity=0.0)  # without weight and thrust it stays where and how it is put


@pytest.mark.parametrize("tick", [0.1, 0.02])
def test_a_fault_acts_from_the_tick_of_its_onset_for_the_ticks_of_its_duration_and_never_again(tick: float) -> None:
    clock = dict(tick=tick, decision_period=tick, altimeter__period=tick)
    descent = rig(400, **HANGING, **clock, **with_fault("dropout", onset=1e4))
    begin, length = np.arange(1, 401), np.random.default_rng(0).integers(1, 100, 400)
    descent.state["drawn.faults.dropout.onset"] = torch.tensor(begin * tick)
    descent.state["drawn.faults.dropout.duration"] = torch.tensor(length * tick)
    acting, valid = watch(descent, 550, "episode.acting", "altimeter.valid")
    now = np.arange(551)[:, None]
    wanted = (begin <= now) & (now < begin + length)
    assert np.array_equal(acting, wanted * bit("dropout"))
    assert np.array_equal(valid[1:] == 0.0, wanted[1:])


def test_a_fault_begins_at_the_first_height_below_its_own_and_stays_when_the_lander_climbs() -> None:
    # 20 m/s down and 2 m/s^2 up: from 150 m to 50 m and up again.
    start = dict(start__altitude=150.0, start__descent_rate=20.0)
    descent = rig(200, **start, **with_fault("range_bias", below=Range(0.0, 200.0)))
    acting, height = watch(descent, 200, "episode.acting", "record.height", throttle=1.0)
    wanted = np.logical_or.accumulate(height <= descent.state["drawn.faults.range_bias.below"].numpy(), axis=0)
    assert np.array_equal(acting != 0, wanted)
    assert 0 < wanted[0].sum() < wanted[-1].sum() < 200  # some at once, some on the way, some never


def test_several_faults_act_at_once_each_in_its_own_time() -> None:
    times = {"dropout": (1.0, 3.0), "range_bias": (2.0, 3.0), "dust": (0.0, 2.5), "missing_flag": (4.5, 1e5)}
    faults = [with_fault(name, onset=begin, duration=length) for name, (begin, length) in times.items()]
    acting = watch(rig(**HANGING, **{k: v for fault in faults for k, v in fault.items()}), 100, "episode.acting")[0]
    now = np.arange(101)
    each = [bit(n) * ((10 * begin <= now) & (now < 10 * (begin + length))) for n, (begin, length) in times.items()]
    assert np.array_equal(acting[:, 0], sum(each))


def test_a_fault_is_in_its_share_of_the_episodes_and_the_labels_tell_in_which() -> None:
    bias = with_fault("range_bias", probability=0.3, step=Range(-9.0, 5.0), onset=0.5)
    dropout = with_fault("dropout", probability=0.5, loss=Range(0.2, 1.0), onset=Range(1.0, 3.0))
    descent = rig(5000, **bias, **dropout)
    watch(descent, 20)
    labels, privileged = descent.faults(), descent.privileged()
    assert descent.possible_faults == ("range_bias", "dropout")
    assert privileged.shape == (5000, 13 + 3 * 2)
    for i, (name, chance, most) in enumerate([("range_bias", 0.3, 9.0), ("dropout", 0.5, 1.0)]):
        present = descent.state[f"drawn.faults.{name}.probability"]
        onset, magnitude = (descent.state[f"drawn.faults.{name}.{key}"] for key in ("onset", magnitude_of(name)))
        assert ((present == 0.0) | (present == 1.0)).all()
        assert is_share(float(present.sum()), 5000, chance)
        assert torch.equal(labels["present"][:, i], present == 1.0)
        assert torch.equal(labels["acting"][:, i], (present == 1.0) & (onset <= 2.0))
        assert torch.equal(labels["onset"][:, i], onset * present)
        assert torch.equal(labels["magnitude"][:, i], magnitude * present)
        wanted = [labels["acting"][:, i].float(), onset * present / 1000.0, magnitude * present / most]
        assert torch.equal(privileged[:, 13 + i :: 2], torch.stack(wanted, dim=1))


def test_the_info_of_the_environment_tells_the_faults() -> None:
    faults = with_fault("dust", height=20.0) | with_fault("dropout", onset=0.5, loss=0.75)
    env = LanderEnv("vertical", labels=True, **faults, **with_fault("outliers", probability=1e-9))
    _, info = env.reset(seed=0)
    assert env.descent.possible_faults == ("outliers", "dust", "dropout")
    assert info["fault_present"].tolist() == [False, True, True]
    assert info["fault_onset"].tolist() == [0.0, 0.0, 0.5]
    assert info["fault_magnitude"].tolist() == [0.0, 20.0, 0.75]
    assert info["acting_faults"] == bit("dust")
    assert env.step(np.zeros(1))[4]["acting_faults"] == bit("dust") | bit("dropout")


# The altimeter; test_range_finder.py has late acquisition, delayed readings and dropouts ------------------------------

FALLING = dict(**HANGING, start__altitude=2_000.0, start__descent_rate=30.0)
SOMEWHERE = dict(**HANGING, start__altitude=Range(1.0, 9_000.0))


def sample(landers: int, *names: str, **changes: Any) -> list[np.ndarray]:
    """What the first sample shows."""
    return [part[1] for part in watch(rig(landers, **changes), 1, *names)]


def test_detection_loss_takes_its_share_of_the_range_and_costs_returns_by_closing_speed() -> None:
    reach = dict(**SOMEWHERE, altimeter__maximum_range=10_000.0, **with_fault("detection_loss", reach=0.75))
    valid, height = sample(2000, "altimeter.valid", "record.height", **reach)
    clear = np.abs(height - 2_500.0) > 0.01  # [m]
    assert clear.sum() > 1990
    assert np.array_equal(valid[clear] > 0.5, height[clear] < 2_500.0)
    slowness = dict(altimeter__closing_speed=100.0, **with_fault("detection_loss", reach=0.0, slowness=0.02))
    (valid,) = sample(10_000, "altimeter.valid", **FALLING, **slowness)
    assert is_share(valid.sum(), 10_000, np.exp(-30.0 * (0.02 + 1.0 / 100.0)))


def test_a_noise_burst_multiplies_the_spread() -> None:
    noisy = dict(**HANGING, altimeter__noise=0.5, altimeter__noise_growth=0.001)
    (seen,) = sample(5000, "altimeter.range", **noisy, **with_fault("noise_burst", excess=3.0))
    low, high = stats.chi2.interval(1.0 - RARE, 5000)
    assert low < np.sum((seen - 500.0) ** 2) / (1.0 * 4.0) ** 2 < high


def test_ranging_loss_is_total_below_its_height_and_the_belief_jumps_once() -> None:
    names = ("altimeter.valid", "record.height", "belief.position_error")
    descent = rig(50, **FALLING, **with_fault("ranging_loss", below=Range(1_200.0, 1_900.0), bias=100.0))
    valid, height, error = watch(descent, 300, *names)
    lost = height <= descent.state["drawn.faults.ranging_loss.below"].numpy()
    assert np.array_equal(valid[1:] > 0.5, ~lost[1:])
    assert np.array_equal(error, 100.0 * lost[..., None] * [0.0, 0.0, 1.0])
    assert set(lost.sum(axis=0)) <= set(range(34, 268))  # from 1,900 m or 1,200 m to 1,100 m


def test_a_missing_flag_leaves_the_range_right() -> None:
    (truth,) = watch(rig(**FALLING), 20, "altimeter.range")
    names = ("altimeter.range", "altimeter.valid", "altimeter.range_tick", "record.first_valid_altitude")
    seen, valid, tick, first = watch(rig(500, **FALLING, **with_fault("missing_flag", share=0.7)), 20, *names)
    assert np.array_equal(seen, np.broadcast_to(truth, seen.shape))
    assert np.array_equal(tick, np.broadcast_to(np.arange(21)[:, None], tick.shape))
    assert is_share(valid.sum(), 20 * 500, 0.3)
    assert np.array_equal(first[1] >= 0.0, valid[1] > 0.5)


def test_a_range_bias_adds_its_step_and_its_share() -> None:
    (truth,) = sample(500, "altimeter.range", **SOMEWHERE)
    (seen,) = sample(500, "altimeter.range", **SOMEWHERE, **with_fault("range_bias", step=50.0, share=0.02))
    assert np.abs(seen / (truth + (50.0 + 0.02 * truth)) - 1.0).max() < 3 * ROUNDING  # two sums and a product


@pytest.mark.parametrize("structure", [0.0, 0.4, 1.0])
def test_outliers_are_short_echoes_and_locks_on_the_structure_each_in_its_share(structure: float) -> None:
    (seen,) = sample(10_000, "altimeter.range", **HANGING, **with_fault("outliers", share=0.3, structure=structure))
    wrong = np.sort(seen[seen != 500.0])
    assert is_share(wrong.size, 10_000, 0.3)
    # Evenly over [1, 3] m, or over [0, r], of which 2 m are in [1, 3] too.
    near = (wrong >= 1.0) & (wrong <= 3.0)
    assert is_share(near.sum(), wrong.size, structure + (1.0 - structure) * 2.0 / 500.0)
    for some, over, share in ((wrong, (0.0, 500.0), 0.0), (wrong, (1.0, 2.0), 1.0), (wrong[near], (1.0, 2.0), 0.4)):
        assert share != structure or stats.kstest(some, "uniform", args=over).pvalue > RARE


def test_a_frozen_reading_repeats_the_last_range_with_fresh_stamps_and_a_flag() -> None:
    (truth,) = watch(rig(**FALLING), 80, "altimeter.range")
    names = ("altimeter.range", "altimeter.valid", "altimeter.sample_tick", "altimeter.range_tick")
    seen, valid, *stamps = watch(rig(**FALLING, **with_fault("frozen_reading", onset=2.0, duration=3.0)), 80, *names)
    now = np.arange(81)[:, None]
    assert np.array_equal(seen, np.where((now >= 20) & (now < 50), truth[19], truth))
    assert valid[1:].all()
    assert all(np.array_equal(stamp, now) for stamp in stamps)


def test_an_ambiguous_range_is_the_true_one_modulo_the_interval() -> None:
    (truth,) = sample(500, "altimeter.range", **SOMEWHERE)
    (seen,) = sample(500, "altimeter.range", **SOMEWHERE, **with_fault("range_ambiguity", interval=2_000.0))
    assert np.array_equal(seen, np.mod(truth, 2_000.0))  # exact in float32 too


@pytest.mark.parametrize(("height", "density"), [(50.0, 0.0), (30.0, 0.25), (10.0, 0.75)])
def test_dust_loses_returns_by_its_density_and_answers_in_the_grounds_place(height: float, density: float) -> None:
    place = dict(**HANGING, start__altitude=height, **with_fault("dust", height=40.0, shortfall=0.5))
    valid, seen = sample(10_000, "altimeter.valid", "altimeter.range", **place)
    assert is_share(valid.sum(), 10_000, 1.0 - density)
    short = 1.0 - seen[valid > 0.5] / height
    assert not short.any() if density == 0.0 else stats.kstest(short, "uniform", (0.0, 0.5 * density)).pvalue > RARE


# The engine -------------------------------------------------------------------------------------------------------


def test_an_engine_cut_takes_the_throttle_within_the_lag_and_gives_it_back() -> None:
    fault = with_fault("engine_cut", loss=0.75, onset=1.0, duration=2.0)
    (throttle,) = watch(rig(**fault, start__throttle=1.0, engine__lag=0.05), 60, "motion.throttle", throttle=1.0)
    # Per substep, half a lag long, Runge-Kutta leaves this share of the way to go instead of exp(-1/2).
    left = 1.0 - 0.5 + 0.5**2 / 2.0 - 0.5**3 / 6.0 + 0.5**4 / 24.0
    now = np.arange(61)
    wanted = np.where(now <= 30, 1.0 - 0.75 * (1.0 - left ** (4 * np.maximum(now - 10, 0))), 0.0)
    wanted += np.where(now > 30, 1.0 - 0.75 * left ** (4 * np.maximum(now - 30, 0)), 0.0)
    # A substep rounds some eight times, and the next keeps 0.61 of that: in all 2.5 times as much.
    assert np.abs(throttle[:, 0] - wanted).max() < 2.5 * 8 * ROUNDING


def test_a_stuck_throttle_stays_where_it_is_until_it_comes_free() -> None:
    fault = with_fault("stuck_throttle", onset=1.0, duration=2.0)
    asked = [0.25] * 10 + [1.0] * 30
    (throttle,) = watch(rig(**fault, start__throttle=0.25), 40, "motion.throttle", throttle=asked)
    assert np.array_equal(throttle[:, 0], [0.25] * 31 + [1.0] * 10)


@pytest.mark.parametrize(("name", "number", "factor"), [("thrust_deviation", 0.25, 1.25), ("engine_loss", 0.4, 0.6)])
def test_speed_and_propellant_follow_the_true_thrust(name: str, number: float, factor: float) -> None:
    start = dict(**HANGING, start__throttle=1.0, engine__specific_impulse=300.0)
    descent = rig(**start, **with_fault(name, **{magnitude_of(name): number}))
    velocity, left = watch(descent, 200, "motion.velocity", "motion.propellant", throttle=1.0)
    exhaust = 300.0 * 9.80665  # [m/s]
    used = factor * 2_000.0 / exhaust * 20.0
    # The steps' rounding is given back (dynamics.py); what is left is that of ten numbers and products.
    assert abs(left[-1, 0] - (100.0 - used)) < 10 * ROUNDING * 100.0
    assert abs(velocity[-1, 0, 2] / (exhaust * np.log(500.0 / (500.0 - used))) - 1.0) < 10 * ROUNDING


def test_a_sluggish_vehicle_turns_at_what_is_left_of_its_rate_limit() -> None:
    limits = dict(control="planar", attitude__rate_limit=0.2, decision_period=0.5)
    descent = rig(**HANGING, **limits, **with_fault("thrust_deviation", excess=0.0, sluggish=0.75))
    descent.actions[:, 1] = 1.0
    (rates,) = watch(descent, 20, "motion.rates")
    # After 10 s the rate loop, 3 / s, has left exp(-30) of the way.
    assert abs(rates[-1, 0, 1] / 0.05 - 1.0) < 10 * ROUNDING


def test_what_is_left_of_the_engines_pushes_beside_the_centre_of_mass() -> None:
    body = dict(start__throttle=1.0, mass__inertia_transverse=200.0)
    descent = rig(**body, **with_fault("engine_loss", loss=0.5, offset=0.02))
    (rates,) = watch(descent, 30, "motion.rates", throttle=1.0)
    # A force F up at x = d turns by r x F = (0, -d F, 0).
    wanted = -0.02 * 1_000.0 / 200.0 * TICK * np.arange(31)[:, None, None] * [0.0, 1.0, 0.0]
    assert np.abs(rates - wanted).max() < 10 * ROUNDING * 0.3


def test_a_spurious_touchdown_cuts_the_engine_for_good_and_the_lander_falls() -> None:
    start = dict(start__altitude=Range(50.0, 60.0), start__descent_rate=5.0, start__throttle=0.5)
    names = ("motion.throttle", "record.height", "record.descent_rate")
    fault = with_fault("spurious_touchdown", below=40.0)
    throttle, height, impact = watch(rig(50, **start, **fault), 150, *names, throttle=0.5)
    above = height > 40.0
    assert np.array_equal(throttle[1:], np.where(above[:-1], 0.5, 0.0))
    cut = height[above.sum(axis=0), np.arange(50)]  # [m] thrust bore the weight until here
    # The ground is met to a rounding of the 57 m of float32 height above the centre of mass, 4e-6 m: 3e-7 m/s.
    assert np.abs(impact[-1] / np.sqrt(5.0**2 + 2.0 * 2.0 * cut) - 1.0).max() < 10 * ROUNDING


def test_a_missed_touchdown_bounces_burns_on_and_is_judged_at_the_next_contact() -> None:
    start = dict(start__altitude=1.05, start__descent_rate=1.0, start__throttle=0.5)
    names = ("motion.throttle", "motion.velocity", "episode.outcome", "record.descent_rate", "record.height")
    # Thrust bears the weight: down at 1 m/s, up again at 0.4 m/s, to 0.6 m within the hold. From tick 12 on, when the
    # ground has been felt, the pilot asks for full thrust, in vain.
    descent = rig(**start, **with_fault("missed_touchdown", hold=1.5, bounce=0.4))
    seen = watch(descent, 60, *names, throttle=[0.5] * 12 + [1.0] * 48)
    throttle, velocity, outcome, rate, height = (part[:, 0] for part in seen)
    assert np.array_equal(throttle, [0.5] * 27 + [0.0] * 34)  # contact in tick 11, and 15 ticks more
    assert np.abs([rate[11] - 1.0, velocity[11, 2] - 0.4, height[26] - 0.6]).max() < 1e-6
    assert set(outcome[:27]) == {Outcome.FLYING}
    assert outcome[-1] == Outcome.LANDED
    assert abs(rate[-1] - np.sqrt(0.4**2 + 2.0 * 2.0 * 0.6)) < 1e-6


def test_gentle_contacts_within_the_hold_go_unnoticed_too_and_a_hard_one_is_a_crash() -> None:
    # A fall from 1.05 m ends in tick 11. It hops for 0.82 s, 0.33 s, 0.13 s, so the contact in tick 26 is too late.
    fault = with_fault("missed_touchdown", hold=1.5, bounce=0.4)
    gentle, hard = (rig(start__altitude=1.05, start__descent_rate=rate, **fault) for rate in (0.0, 5.0))
    velocity, outcome = (part[:, 0] for part in watch(gentle, 40, "motion.velocity", "episode.outcome"))
    assert np.flatnonzero(np.diff(velocity[:, 2]) > 0.0).tolist() == [10, 19, 23]
    assert np.array_equal(outcome, np.where(np.arange(41) < 26, Outcome.FLYING, Outcome.LANDED))
    assert watch(hard, 3, "episode.outcome")[0][-1] == Outcome.CRASHED


# Tanks, site and inertial navigation ------------------------------------------------------------------------------


def test_a_propellant_shortage_is_in_the_tanks_and_not_on_the_gauge() -> None:
    tanks = dict(start__propellant=Range(80.0, 120.0), engine__specific_impulse=300.0)
    sound, short = rig(100, **tanks), rig(100, **tanks, **with_fault("propellant_shortage", missing=0.3))
    full, left = (watch(descent, 100, "motion.propellant", throttle=1.0)[0] for descent in (sound, short))
    gauge = [descent.observations.read(descent.state.observation)["propellant"] for descent in (sound, short)]
    rounding = 4 * ROUNDING * 120.0
    assert np.abs(left - (full - 0.3 * full[0])).max() < rounding
    assert (gauge[1] - gauge[0]).abs().max() < rounding


def test_an_unsteady_site_is_steeper_and_the_drift_is_not_believed() -> None:
    descent = rig(start__altitude=0.5, terrain__slope=0.05, **with_fault("unsteady_site", slope=0.15, drift=2.0))
    observed = descent.observations.read(descent.state.observation)
    assert abs(float(observed["velocity_x"][0]) + 2.0) < 4 * ROUNDING * 2.0
    slope, error = watch(descent, 20, "record.slope", "belief.velocity_error")
    assert abs(slope[-1, 0] - 0.2) < 4 * ROUNDING
    assert np.array_equal(error[0, 0], [-2.0, 0.0, 0.0])


def test_a_saturated_gyro_turns_the_believed_attitude_and_with_it_the_believed_thrust() -> None:
    sound, descent = rig(20), rig(20, **with_fault("gyro_saturation", rate=0.5, onset=1.0, duration=2.0))
    for one in (sound, descent):  # leaning any way and rolling
        one.state["motion.attitude"] = torch.tensor(Rotation.random(20, random_state=0).as_quat())
        one.state["motion.rates"] = torch.tensor([0.3, 0.0, 0.0]).expand(20, 3)
    names = ("motion.position", "motion.attitude", "belief.attitude_error", "belief.velocity_error")
    position, attitude, turn, drift = watch(descent, 50, *names, throttle=1.0)
    for flown, wanted in zip((position, attitude), watch(sound, 50, *names[:2], throttle=1.0), strict=True):
        assert np.array_equal(flown, wanted)
    # What gyros sum up: in each tick the true turn, and in the ticks 11 to 30 another 0.05 rad about the body's y axis.
    # The accelerometer's 4 m/s^2 are believed along that attitude's axis. A turn of quaternions rounds ten times.
    rounding, error, up = 50 * 10 * ROUNDING, np.zeros((20, 3)), np.array([0.0, 0.0, 1.0])
    true = [Rotation.from_quat(quaternion) for quaternion in attitude]
    believed = true[0]
    for tick in range(1, 51):
        lie = Rotation.from_rotvec([0.0, 0.05 if 11 <= tick <= 30 else 0.0, 0.0])
        believed = believed * true[tick - 1].inv() * true[tick] * lie
        error += (believed.apply(up) - true[tick].apply(up)) * 4.0 * TICK
        assert (believed.inv() * Rotation.from_quat(turn[tick]) * true[tick]).magnitude().max() < rounding
        assert np.abs(drift[tick] - error).max() < rounding * 4.0 * TICK * 50
    observed = descent.observations.read(descent.state.observation)
    seen_attitude = Rotation.from_quat(torch.stack([observed[f"attitude_{part}"] for part in "xyzw"], dim=1).numpy())
    assert (believed.inv() * seen_attitude).magnitude().max() < rounding


def test_the_autopilot_levels_the_attitude_that_it_believes() -> None:
    descent = rig(**HANGING, control="throttle", **with_fault("gyro_saturation", rate=0.5, onset=1.0, duration=1.0))
    (attitude,) = watch(descent, 300, "motion.attitude")
    # It closes in by 1 / s, until it sees an angle of 1e-6 rad.
    tilt = Rotation.from_quat(attitude[-1, 0]).as_rotvec()
    assert np.abs(tilt - [0.0, -0.5, 0.0]).max() < 1e-6 + 10 * 10 * ROUNDING


@pytest.mark.parametrize("rate", [0.5, 0.005])
def test_a_gyro_measures_right_again_when_its_saturation_has_ended(rate: float) -> None:
    descent = rig(**HANGING, **with_fault("gyro_saturation", rate=rate, onset=1.0, duration=0.1))
    rates = []
    for _ in range(30):
        watch(descent, 1)
        rates.append(float(descent.observations.read(descent.state.observation)["rate_y"][0]))
    assert abs(rates.pop(10) / rate - 1.0) < 4 * ROUNDING  # of tick 11
    assert not any(rates)


def test_a_dead_accelerometer_does_not_feel_its_share_of_the_thrust() -> None:
    fault = with_fault("dead_accelerometer", loss=0.75, onset=1.0, duration=2.0)
    stronger = with_fault("thrust_deviation", excess=0.25)  # 5 m/s^2
    (drift,) = watch(rig(**fault, **stronger), 50, "belief.velocity_error", throttle=1.0)
    wanted = -0.75 * 5.0 * TICK * np.clip(np.arange(51) - 10, 0, 20)[:, None, None] * [0.0, 0.0, 1.0]
    assert np.abs(drift - wanted).max() < 20 * 2 * ROUNDING * 7.5  # twenty sums of up to 7.5 m/s


# Bad input --------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("dust", {"duration": -1.0}, ValueError, r"faults\.dust\.duration must lie in \[0, 100000\] s, got -1\.0"),
    ("dust", {"onset": Range(-2.0, 1.0)}, ValueError, r"faults\.dust\.onset must lie in \[0, 100000\] s, got -2\.0"),
    ("dust", {"probability": 1.5}, ValueError, r"faults\.dust\.probability must lie in \[0, 1\].*, got 1\.5"),
    ("dust", {"height": "low"}, TypeError, r"faults\.dust\.height must be a number m or a range .*, got 'low'"),
    ("dust", {"depth": 3.0}, KeyError, r"unknown key 'faults\.dust\.depth'.*Dust has: .*height, shortfall"),
    ("dusk", {}, KeyError, r"unknown fault 'dusk'; known: late_acquisition, .*, dropout"),
]


@pytest.mark.parametrize(("name", "numbers", "kind", "words"), REFUSED)
def test_what_is_not_allowed_is_refused_by_its_name(
    name: str, numbers: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        load_scenario("vertical", **with_fault(name, **numbers))
