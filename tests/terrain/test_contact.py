"""Touchdown: when, how fast, on what slope, and what it is called."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FLAT
from reference import Command, altitude, fly, from_centre, motion_of, world_of

from lunar_env import Descent, Outcome, Range, Scenario, load_scenario

EPSILON = 2.0**-24  # relative rounding of float32
COAST = (-1.0, 0.0, 0.0, 0.0)  # action of mode "body": engine off, no torque


def falling(**changes: Any) -> Scenario:
    """A vehicle under direct control on its way to the ground. Two underscores stand for a dot."""
    free = {"control": "body", "engine.minimum_throttle": 0.0, "engine.lag": 0.0, "start.descent_rate": 0.0}
    free |= {"ceiling": 1e6, "extent": 1e6, "time_limit": 1e4, "decision_period": 1.0}
    return load_scenario("vertical", **free | {name.replace("__", "."): value for name, value in changes.items()})


def flown(scenario: Scenario, landers: int, action: tuple[float, ...] | torch.Tensor = COAST) -> Descent:
    """A batch that has flown on one action until every lander is down."""
    descent = Descent(scenario, landers, autoreset="disabled")
    descent.actions.copy_(torch.as_tensor(action).expand_as(descent.actions))
    for _ in range(scenario.steps):
        descent.advance()
        if descent.state["episode.outcome"].all():
            return descent
    raise AssertionError("some lander never came down")


def column(descent: Descent, name: str) -> np.ndarray:
    return descent.state[name].double().numpy()


def outcomes(descent: Descent) -> set[Outcome]:
    return {Outcome(value) for value in descent.state["episode.outcome"].tolist()}


# When and how fast ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tick", "substeps"), [(0.1, 4), (0.1, 1), (5.0, 1)])
def test_free_fall_ends_at_the_closed_time_and_speed_wherever_in_the_substep(tick: float, substeps: int) -> None:
    timing = dict(tick=tick, substeps=substeps, decision_period=5.0, altimeter__period=tick, altimeter__delay=0.0)
    start = dict(start__altitude=Range(1.0, 2000.0), start__descent_rate=Range(-5.0, 50.0), moon__radius=FLAT)
    scenario = falling(**timing, **start)
    before = Descent(scenario, 2000)
    height = column(before, "motion.position")[:, 2] - column(before, "drawn.gear.centre_height")
    rate = -column(before, "motion.velocity")[:, 2]
    descent = flown(scenario, 2000)
    gravity = column(descent, "drawn.moon.surface_gravity")
    speed = np.sqrt(rate**2 + 2.0 * gravity * height)
    time = (speed - rate) / gravity
    # Contact falls everywhere in the substep: each tenth of it meets some.
    inside = time / (tick / substeps) % 1.0
    assert set((inside * 10).astype(int)) == set(range(10))
    # The cubic of the height is exact here, so only rounding is left: 2000 m are stored to 6e-5 m, 100 s to 4e-6 s.
    assert np.abs(column(descent, "record.duration") / time - 1.0).max() < 1e-5
    assert np.abs(column(descent, "record.descent_rate") / speed - 1.0).max() < 1e-5


def test_a_rising_slope_is_met_at_the_closed_time_even_in_a_substep_of_a_second() -> None:
    timing = dict(tick=1.0, substeps=1, altimeter__period=1.0, altimeter__delay=0.0, moon__radius=FLAT)
    start = dict(start__altitude=Range(100.0, 1000.0), start__descent_rate=20.0, start__speed=Range(0.0, 60.0))
    descent = flown(falling(**timing, **start, terrain__slope=0.3, terrain__levelling=1e6), 500)
    rise = np.tan(column(descent, "drawn.terrain.slope"))
    rate = 20.0 + rise * column(descent, "drawn.start.speed")  # the ground comes up as the lander flies on
    gravity, height = column(descent, "drawn.moon.surface_gravity"), column(descent, "drawn.start.altitude")
    time = (np.sqrt(rate**2 + 2.0 * gravity * height) - rate) / gravity
    # Over a plane the height is a parabola still. 1500 m from the pad it levels off by 2e-6 of its height.
    assert np.abs(column(descent, "record.duration") / time - 1.0).max() < 1e-5


def surface_of(descent: Descent, row: int = 0) -> Callable[[float, float], float]:
    """Height of the ground at (x, y) [m], written anew from the words that open surface.py."""

    def drawn(name: str) -> float:
        return float(descent.state["drawn.terrain." + name][row])

    rise, uphill, wave = np.tan(drawn("slope")), drawn("slope_direction"), 2.0 * np.pi / drawn("wavelength")
    phase_x, phase_y, relief, levelling = (drawn(n) for n in ("phase_x", "phase_y", "relief", "levelling"))

    def height(x: float, y: float) -> float:
        plane = rise * (np.cos(uphill) * x + np.sin(uphill) * y)
        rolling = relief * np.sin(wave * x + phase_x) * np.sin(wave * y + phase_y)
        near = 1.0 / (1.0 + (x**2 + y**2) / levelling**2)
        return float(near * plane + (1.0 - near) * rolling)

    return height


ROUGH = dict(
    terrain__slope=Range(0.0, 0.2),
    terrain__slope_direction=Range(0.0, 6.28),
    terrain__relief=Range(0.0, 60.0),
    terrain__wavelength=Range(500.0, 3000.0),
    terrain__phase_x=Range(0.0, 6.28),
    terrain__phase_y=Range(0.0, 6.28),
)


def test_a_powered_touchdown_on_rough_ground_is_that_of_the_reference() -> None:
    start = dict(
        start__altitude=Range(250.0, 400.0), start__descent_rate=Range(20.0, 40.0), start__speed=Range(0.0, 20.0)
    )
    place = dict(
        start__distance=Range(0.0, 400.0), start__cross_distance=Range(-200.0, 200.0), start__tilt=Range(0.0, 0.3)
    )
    vehicle = dict(engine__lag=0.3, start__pitch_rate=Range(-0.02, 0.02), mass__dry=Range(300.0, 400.0))
    scenario, landers, action = falling(**start, **place, **vehicle, **ROUGH), 16, (-0.1, 0.01, -0.02, 0.03)
    start_of = Descent(scenario, landers)
    worlds = [world_of(start_of.state, row) for row in range(landers)]
    starts = [motion_of(start_of.state, row) for row in range(landers)]
    descent = flown(scenario, landers, action)
    feet = float(descent.state["drawn.gear.centre_height"][0])
    throttle, *turns = (float(np.float32(value)) for value in action)
    command = Command(1e3, 0.5 * (throttle + 1.0), tuple(40.0 * turn for turn in turns))
    for row, (world, motion) in enumerate(zip(worlds, starts, strict=True)):
        surface = surface_of(descent, row)

        def above(position: np.ndarray, radius: float = world.radius, surface: Any = surface) -> float:
            share = radius / (radius + position[2])
            return float(altitude(position, radius) - feet - surface(share * position[0], share * position[1]))

        motions, time = fly(world, motion, [command], above)
        up = from_centre(motions[-1].position, world.radius)
        up /= np.linalg.norm(up)
        climb = motions[-1].velocity @ up
        record = {
            name: float(descent.state["record." + name][row]) for name in ("duration", "descent_rate", "lateral_speed")
        }
        # Relief is looked up by sines in float32, right to some 1e-5 m; at 10 m/s that is a microsecond.
        assert abs(record["duration"] / time - 1.0) < 1e-5
        assert abs(record["descent_rate"] / -climb - 1.0) < 1e-5
        assert abs(record["lateral_speed"] - np.linalg.norm(motions[-1].velocity - climb * up)) < 1e-5 * 20.0


# What the ground is like ------------------------------------------------------------------------------------------


def test_a_lander_at_the_pad_meets_the_slope_that_was_drawn() -> None:
    descent = flown(falling(start__altitude=50.0, moon__radius=FLAT, **ROUGH), 200)
    # Straight down, so that the pad's plane is all there is: fades of (x / 500 m)^2 are out of play.
    assert not descent.state["record.distance"].any()
    assert np.abs(column(descent, "record.slope") - column(descent, "drawn.terrain.slope")).max() < 1e-6


def test_a_lander_elsewhere_meets_the_height_and_gradient_of_the_same_ground() -> None:
    where = dict(start__distance=Range(-2000.0, 2000.0), start__cross_distance=Range(-2000.0, 2000.0))
    descent = flown(falling(start__altitude=1000.0, moon__radius=FLAT, **where, **ROUGH), 200)
    position, feet = column(descent, "motion.position"), column(descent, "drawn.gear.centre_height")
    for row, (x, y, z) in enumerate(position):
        surface = surface_of(descent, row)
        # Phases of up to 25 rad are stored to 1e-6, which 60 m of relief make 1e-4 m.
        assert abs(z - feet[row] - surface(x, y)) < 3e-4
        step = 0.01  # [m] truncation wave^2 step^2 / 6 is 2e-9 of the gradient
        along = [(surface(x + dx, y + dy) - surface(x - dx, y - dy)) / (2 * step) for dx, dy in ((step, 0), (0, step))]
        assert abs(float(descent.state["record.slope"][row]) - np.arctan(np.hypot(*along))) < 3e-6


# What a touchdown is called ---------------------------------------------------------------------------------------

GENTLE = dict(  # no weight and no thrust: what a lander starts with is what it touches down with
    moon__surface_gravity=0.0,
    moon__radius=FLAT,
    start__altitude=0.2,
    start__descent_rate=1.0,
    limits__descent_rate=3.0,
    limits__lateral_speed=1.0,
    limits__tilt=0.2,
    limits__rate=0.05,
)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("descent_rate", 3.0), ("speed", 1.0), ("cross_speed", -1.0), ("tilt", 0.2), ("pitch_rate", -0.05)],
)
def test_each_limit_parts_landed_from_crashed(name: str, limit: float) -> None:
    # A part in 100,000 to either side; what is compared is stored to a part in ten million.
    for share, wanted in ((0.99999, Outcome.LANDED), (1.00001, Outcome.CRASHED)):
        # The rate would make a tilt of its own, were there more than a moment to it.
        descent = flown(falling(**{**GENTLE, "start__" + name: limit * share}), 1)
        assert outcomes(descent) == {wanted}


def test_where_a_pad_is_to_be_reached_a_landing_beside_it_is_none() -> None:
    for share, wanted in ((0.9999, Outcome.LANDED), (1.0001, Outcome.CRASHED)):
        beside = dict(start__cross_distance=20.0 * share, start__descent_rate=1.0, limits__distance=20.0)
        assert outcomes(flown(falling(**{**GENTLE, **beside}), 1)) == {wanted}


def test_the_way_to_the_pad_counts_in_the_reward_only_where_it_is_given_a_weight() -> None:
    beside = {**GENTLE, **dict(start__cross_distance=5.0, start__descent_rate=1.0)}
    plain = flown(falling(**beside), 1)
    near = flown(falling(**{**beside, "limits__distance": 20.0, "reward__near": 4.0}), 1)
    # At a quarter of the limit, three quarters of the weight; in a vertical fall the way itself does not change.
    gained = near.state["record.reward"] - plain.state["record.reward"]
    assert torch.allclose(gained, torch.tensor(4.0 * 0.75), atol=1e-4)
    moving = dict(start__altitude=100.0, start__distance=300.0, start__speed=20.0, start__descent_rate=0.0)
    drawn = flown(falling(**{**GENTLE, **moving, "reward__distance": 2.0}), 1)
    other = flown(falling(**{**GENTLE, **moving}), 1)
    nearer = 300.0 - drawn.state["motion.position"][:, 0].abs()  # [m] the pad is at 0
    assert torch.allclose(drawn.state["record.approach"] - other.state["record.approach"], 0.002 * nearer, rtol=1e-5)


def test_dry_tanks_excuse_no_crash_but_name_it() -> None:
    hard = dict(start__descent_rate=3.1, start__propellant=0.0)
    assert outcomes(flown(falling(**{**GENTLE, **hard}), 1)) == {Outcome.OUT_OF_PROPELLANT}
    assert outcomes(flown(falling(**{**GENTLE, "start__propellant": 0.0}), 1)) == {Outcome.LANDED}


def test_the_speeds_at_touchdown_are_along_the_local_vertical_and_horizontal() -> None:
    # 500 km from the pad the vertical leans by 0.29 rad.
    far = dict(start__distance=Range(-5e5, 5e5), start__descent_rate=Range(0.5, 2.9), start__speed=Range(0.0, 0.9))
    descent = flown(falling(moon__surface_gravity=0.0, start__altitude=10.0, **far), 100)
    assert outcomes(descent) == {Outcome.LANDED}
    for record, start in (("descent_rate", "descent_rate"), ("lateral_speed", "speed")):
        # 10 m sideways turn the vertical by 6e-6.
        wanted = column(descent, "drawn.start." + start)
        assert np.abs(column(descent, "record." + record) - wanted).max() < 6e-6 * 3.0 * 2.0


# The table of the missions reference, section 4: rigid pivot about the downhill legs, 400 kg, 150 kg m^2.
TIPPING = {  # centre of mass above the feet [m]: lateral speed [m/s] on a slope of 0, 5, 10 and 15 degrees
    0.8: (1.99, 1.80, 1.60, 1.40),
    1.0: (1.61, 1.43, 1.24, 1.06),
    1.2: (1.37, 1.19, 1.01, 0.83),
}
STEEPEST = {0.8: 49.0, 1.0: 42.6, 1.2: 37.5}  # [deg] static tip angle


def tipping(centre_height: float, slope: float, **changes: Any) -> Scenario:
    """A vertical touchdown at 1 m/s of the table's vehicle on a slope [deg], with no other limit in the way."""
    vehicle = dict(mass__dry=300.0, start__propellant=100.0, mass__inertia_transverse=150.0, gear__foot_distance=0.92)
    ground = dict(terrain__slope=float(np.radians(slope)), terrain__levelling=1e6, gear__centre_height=centre_height)
    return falling(**{**GENTLE, "limits__lateral_speed": 10.0, **vehicle, **ground, **changes})


@pytest.mark.parametrize("centre_height", TIPPING)
def test_tipping_over_begins_at_the_tabulated_speed(centre_height: float) -> None:
    for slope, tabulated in zip((0.0, 5.0, 10.0, 15.0), TIPPING[centre_height], strict=True):
        descent = flown(tipping(centre_height, slope, start__speed=Range(0.5, 2.5)), 4000)
        speed, outcome = column(descent, "record.lateral_speed"), descent.state["episode.outcome"].numpy()
        assert outcomes(descent) == {Outcome.LANDED, Outcome.TIPPED_OVER}
        fastest, slowest = speed[outcome == Outcome.LANDED].max(), speed[outcome == Outcome.TIPPED_OVER].min()
        # One threshold, here between neighbours of 4000 draws, and the table's to the digits it has.
        assert fastest < slowest < fastest + 0.01
        assert fastest - 0.005 < tabulated < slowest + 0.005


@pytest.mark.parametrize("centre_height", [1.2])  # the others' angles lie beyond the slopes that a scenario may have
def test_beyond_the_static_angle_it_tips_at_rest(centre_height: float) -> None:
    for slope, wanted in ((-0.1, Outcome.LANDED), (0.1, Outcome.TIPPED_OVER)):
        descent = flown(tipping(centre_height, STEEPEST[centre_height] + slope), 1)
        assert outcomes(descent) == {wanted}


# Other ends -------------------------------------------------------------------------------------------------------


def test_the_ground_outranks_the_clock() -> None:
    # Down after 1.2 s; the clock ends in the tick before, or in the same one.
    fall = dict(moon__surface_gravity=0.0, start__altitude=1.15, start__descent_rate=1.0, decision_period=0.1)
    assert outcomes(flown(falling(**fall, time_limit=1.2), 1)) == {Outcome.LANDED}
    assert outcomes(flown(falling(**fall, time_limit=1.1), 1)) == {Outcome.OUT_OF_TIME}


def test_a_lander_is_lost_when_it_spins_by_more_than_a_radian_in_a_substep() -> None:
    for rate, wanted in ((39.9, Outcome.FLYING), (40.1, Outcome.LOST)):  # 0.1 s in 4 substeps
        spinning = dict(start__altitude=1_000.0, start__pitch_rate=1.0, tick=0.1, substeps=4, decision_period=0.1)
        descent = Descent(falling(**{**GENTLE, **spinning}), autoreset="disabled")
        descent.state["motion.rates"] = torch.tensor([0.0, 0.0, rate])  # about the thrust axis, which no torque turns
        descent.step(torch.zeros(1, descent.action_size))
        assert outcomes(descent) == {wanted}


def test_a_lander_is_lost_beyond_the_region_and_not_inside() -> None:
    hover = dict(moon__surface_gravity=0.0, moon__radius=FLAT, time_limit=1.0, start__altitude=100.0)
    for edge in (dict(ceiling=99.0), dict(start__distance=501.0), dict(start__cross_distance=-501.0)):
        assert outcomes(flown(falling(**{**hover, "extent": 500.0, **edge}), 1)) == {Outcome.LOST}
    for edge in (dict(ceiling=101.0), dict(start__distance=-499.0), dict(start__cross_distance=499.0)):
        assert outcomes(flown(falling(**{**hover, "extent": 500.0, **edge}), 1)) == {Outcome.OUT_OF_TIME}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_action_that_is_no_number_ends_the_episode_as_invalid(value: float) -> None:
    assert outcomes(flown(falling(start__altitude=100.0), 1, (0.0, 0.0, value, 0.0))) == {Outcome.INVALID}
