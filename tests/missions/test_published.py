"""Two published descents, flown by the core: the fuel-optimal one of a textbook and the best game of 1969.

Both coast, then burn at full thrust to a stop at the ground. What is to be found is when to switch: the core flies, and
the switch falls on a tick because the length of the tick is what is varied.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from lunar_env import Descent, Outcome, Scenario, load_scenario

MILE = 1609.344  # [m] by definition
POUND = 0.45359237  # [kg] by definition
STANDARD_GRAVITY = 9.80665  # [m/s^2] by definition

# Height and speed of start are those of the vehicle's feet. A radius of 1e12 m makes the field uniform.
FLAT = {"control": "throttle", "moon.radius": 1e12, "engine.lag": 0.0, "engine.minimum_throttle": 0.0}

# Meditch, "On the problem of optimal thrust programming for a lunar soft landing" (IEEE TAC 9, 1964), with the
# numbers of the GPOPS and TOMLAB examples: h'' = u - 1.5, 0 <= u <= 3, h = 10, v = -2, without units; here m and s.
MEDITCH = load_scenario(
    "vertical",
    **FLAT,
    **{
        "moon.surface_gravity": 1.5,
        "mass.dry": 999.0,
        "start.propellant": 1.0,
        "engine.maximum_thrust": 3000.0,
        "engine.specific_impulse": 1e9,  # burns a microgram in 3 s
        "start.altitude": 10.0,
        "start.descent_rate": 2.0,
    },
)

# "Rocket" by Storer (1969), listed in Ahl, "101 BASIC Computer Games": 120 miles up, 1 mile/s, 32,500 lb of which
# 16,500 are fuel, at most 200 lb/s, 0.001 mile/s^2, exhaust at 1.8 miles/s. The game burns in turns of 10 s; this is
# the bound without turns.
ROCKET = load_scenario(
    "vertical",
    **FLAT,
    **{
        "moon.surface_gravity": 0.001 * MILE,
        "mass.dry": 16_000.0 * POUND,
        "engine.maximum_thrust": 200.0 * POUND * 1.8 * MILE,
        "engine.specific_impulse": 1.8 * MILE / STANDARD_GRAVITY,
        "start.propellant": 16_500.0 * POUND,
        "start.altitude": 120.0 * MILE,
        "start.descent_rate": 1.0 * MILE,
        "ceiling": 130.0 * MILE,
    },
)


@dataclass(frozen=True)
class Touchdown:
    """How a coast followed by full thrust ended."""

    coast: float  # [s]
    time: float  # [s] from start to ground
    speed: float  # [m/s]
    used: float  # [kg]


def touchdown(scenario: Scenario, coast: float, ticks: int) -> Touchdown | None:
    """Coast for ``ticks`` ticks of equal length, burn until the ground; None if the burn stops above it."""
    tick = coast / ticks
    timing = {"tick": tick, "altimeter.period": tick, "altimeter.delay": 0.0, "time_limit": 5 * ticks * tick}
    changed = load_scenario(scenario, decision_period=tick, **timing)
    descent = Descent(changed, 1, autoreset="disabled")
    state, tick32 = descent.state, float(np.float32(tick))
    for throttle, steps in ((-1.0, ticks), (1.0, 4 * ticks)):
        descent.actions.fill_(throttle)
        for _ in range(steps):
            descent.advance()
            if state["episode.outcome"][0] != Outcome.FLYING:
                record = {name: float(state["record." + name][0]) for name in ("duration", "descent_rate")}
                used = float(state["record.propellant_used"][0])
                return Touchdown(ticks * tick32, record["duration"], record["descent_rate"], used)
            if throttle > 0.0 and state["motion.velocity"][0, 2] > 0.0:
                return None
    raise AssertionError("neither touched nor stopped")


def last_switch(scenario: Scenario, early: float, late: float, ticks: int) -> float:
    """The first coast [s] after which the burn does not stop above the ground, to float32's last place."""
    assert touchdown(scenario, early, ticks) is None
    while late - early > 1e-7 * late:
        middle = 0.5 * (early + late)
        if touchdown(scenario, middle, ticks) is None:
            early = middle
        else:
            late = middle
    return late


def at_rest(scenario: Scenario, coast: float, later: tuple[float, float], ticks: int) -> Touchdown:
    """The touchdown at zero speed that those of slightly late switches lead to.

    A stop at the ground is a grazing one: a switch late by 1e-7 of itself, which is all that a float32 tick resolves,
    meets the ground at a speed that takes a while to kill. Coast, time and propellant are smooth in that speed, so a
    cubic through twelve touchdowns gives them at zero.
    """
    touched = [touchdown(scenario, coast + late, ticks) for late in np.linspace(*later, 12)]
    speeds = [end.speed for end in touched]
    limits = {n: np.polyfit(speeds, [getattr(end, n) for end in touched], 3)[-1] for n in ("coast", "time", "used")}
    return Touchdown(speed=0.0, **{name: float(limit) for name, limit in limits.items()})


@pytest.fixture(scope="module")
def meditch_switch() -> float:
    return last_switch(MEDITCH, 1.0, 2.0, ticks=100)


def test_the_textbook_lander_touches_down_softly_at_the_published_switch(meditch_switch: float) -> None:
    # Half a unit in the last place of the height, 10 m, is 5e-7 m, and 8 m are lost per second of delay.
    assert abs(meditch_switch - 1.4154038) < 1e-6
    soft = touchdown(MEDITCH, meditch_switch, ticks=100)
    # 1e-6 m too low at a net 1.5 m/s^2 is 2 mm/s, which is 1.2 ms early.
    assert soft.speed < 0.005
    assert abs(soft.time - 4.1641) < 0.005 / 1.5


def test_the_textbook_lander_needs_the_published_time_and_effort(meditch_switch: float) -> None:
    rest = at_rest(MEDITCH, meditch_switch, (0.001, 0.01), ticks=100)
    # Times and speeds of a touchdown are stored to 5e-7; the extrapolation by a third of its range magnifies that
    # some ten times, and leaves out a fourth power of about as much.
    assert abs(rest.time - 4.1641408) < 2e-5
    effort = 3.0 * (rest.time - rest.coast)
    assert abs(effort - 8.2462113) < 6e-5


def test_the_game_of_1969_is_won_with_the_published_fuel() -> None:
    switch = last_switch(ROCKET, 60.0, 75.0, ticks=400)
    assert abs(switch - 71.712) < 0.0005  # as printed
    assert touchdown(ROCKET, switch, ticks=400).speed < 1.0
    rest = at_rest(ROCKET, switch, (0.002, 0.02), ticks=400)
    burn = rest.time - rest.coast
    # The last digit that is printed of a time; five of a mass, where 0.01 lb is 5e-5 s of burn and a time of 148 s
    # is stored to 1e-5 s.
    assert abs(rest.coast - 71.712) < 0.0005
    assert abs(burn - 76.641) < 0.001
    assert abs(rest.time - 148.354) < 0.001
    assert abs(rest.used / POUND - 15_328.25) < 0.05
    assert abs(16_500.0 - rest.used / POUND - 1_171.75) < 0.05
