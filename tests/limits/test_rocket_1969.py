"""The 1969 game against its closed form, an integration, and a play that others found."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from agents.limits.rocket_1969 import (
    EXHAUST_SPEED,
    GRAVITY,
    HOUR,
    MOST_RATE,
    PERFECT,
    TURN,
    Play,
    RocketState,
    best_play,
    bound,
    burn,
    fly,
    solved,
)


@pytest.fixture(scope="module")
def best() -> Play:
    return best_play()


def used(flight: Play) -> float:
    return RocketState().mass - flight.landing.mass


def test_a_turn_is_what_an_integration_gives() -> None:
    state = RocketState(time=70.0, height=50.0, speed=1.07, mass=32_000.0)

    def motion(time: float, y: np.ndarray) -> list[float]:
        return [-y[1], GRAVITY - EXHAUST_SPEED * MOST_RATE / y[2], -MOST_RATE]

    start = [state.height, state.speed, state.mass]
    flown = solve_ivp(motion, (0.0, TURN), start, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    end = burn(state, MOST_RATE, TURN)
    assert [end.height, end.speed, end.mass] == pytest.approx(list(flown), rel=1e-10)


def test_a_turn_keeps_the_account_of_energy() -> None:
    """What thrust, F = c q, takes off the energy of the lander is the integral of F v, in its own field."""
    state = RocketState()
    count = 20_001
    times = np.linspace(0.0, TURN, count)
    states = [burn(state, MOST_RATE, float(time)) for time in times]
    speeds = np.array([s.speed for s in states])
    masses = np.array([s.mass for s in states])
    energies = 0.5 * speeds**2 + GRAVITY * np.array([s.height for s in states])  # per pound
    power = -EXHAUST_SPEED * MOST_RATE / masses * speeds
    work = np.sum(0.5 * (power[1:] + power[:-1]) * np.diff(times))
    assert energies[-1] - energies[0] == pytest.approx(work, rel=1e-8)


def test_the_bound_has_its_known_digits() -> None:
    least = bound()
    lit = least.turns[1][0]
    assert lit.time == pytest.approx(71.712, abs=5e-4)
    assert least.landing.time - lit.time == pytest.approx(76.641, abs=5e-4)
    assert least.landing.time == pytest.approx(148.354, abs=1e-3)  # 148.3535
    assert used(least) == pytest.approx(15_328.25, abs=5e-3)
    assert least.landing.fuel == pytest.approx(671.75, abs=5e-3)  # of the listing's 16,000 lb
    assert least.landing.speed == pytest.approx(0.0, abs=1e-9)


def test_the_bound_is_flown_by_an_integration() -> None:
    least = bound()
    lit = least.turns[1][0]

    def motion(time: float, y: np.ndarray) -> list[float]:
        rate = MOST_RATE if time > lit.time else 0.0
        return [-y[1], GRAVITY - EXHAUST_SPEED * rate / y[2], -rate]

    state = np.array([120.0, 1.0, 32_500.0])
    for span in ((0.0, lit.time), (lit.time + 1e-12, least.landing.time)):
        state = solve_ivp(motion, span, state, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    assert abs(state[0]) < 1e-8
    assert abs(state[1]) < 1e-8


def test_the_best_play_lands_perfectly_and_costs_less_than_a_pound_over_the_bound(best: Play) -> None:
    assert 0.999 * PERFECT < best.landing.speed <= PERFECT
    assert [rate for _, rate in best.turns] == pytest.approx([0.0] * 7 + [164.314424] + [200.0] * 7, abs=1e-6)
    assert best.landing.fuel == pytest.approx(673.82, abs=5e-3)
    as_fast = bound(best.landing.speed)
    assert used(best) - used(as_fast) == pytest.approx(0.72, abs=5e-3)
    # A mile an hour on landing is worth more than the turns cost.
    assert used(best) - used(bound()) == pytest.approx(-2.06, abs=5e-3)


def test_no_second_rate_should_leave_its_end(best: Play) -> None:
    """A first-order proof: each other rate can only move inwards, and each such move costs fuel."""
    rates = [rate for _, rate in best.turns]
    for place, rate in enumerate(rates):
        if place == 7:
            continue
        moved = 8.0 if rate == 0.0 else 199.0
        play = solved([*rates[:place], moved, *rates[place + 1 :]], 7, best.landing.speed)
        assert play is not None
        assert fly(play).landing.fuel < best.landing.fuel


def test_the_games_series_differs_by_less_than_a_hundredth_of_a_mile_an_hour_in_a_turn() -> None:
    for mass in (32_500.0, 19_000.0):
        state = RocketState(height=20.0, mass=mass)
        height, speed = series(state, MOST_RATE, TURN)
        exact = burn(state, MOST_RATE, TURN)
        assert abs(speed - exact.speed) * HOUR < 0.01
        assert abs(height - exact.height) < 1e-5


def test_the_best_play_is_the_one_that_players_found() -> None:
    """164.31426784 lb/s is published for the listing, which flies on where a higher rate would land softer."""
    play = solved([0.0] * 7 + [MOST_RATE] * 13, 7, 0.0)
    assert play is not None
    assert play[7] == pytest.approx(164.31426784, abs=3e-4)
    published = [0.0] * 7 + [164.31426784] + [MOST_RATE] * 7
    assert landing_by_series(published) * HOUR == pytest.approx(3.56, abs=0.01)  # the listing run in doubles
    assert fly(published).landing.speed * HOUR == pytest.approx(2.35, abs=0.01)


def series(state: RocketState, rate: float, duration: float) -> tuple[float, float]:
    """Height [mile] and speed [mile/s] by statement 9 of the listing."""
    q = duration * rate / state.mass
    gained = EXHAUST_SPEED * sum(q**n / n for n in range(1, 6))
    risen = EXHAUST_SPEED * duration * sum(q**n / (n * (n + 1)) for n in range(1, 6))
    fallen = state.speed * duration + 0.5 * GRAVITY * duration**2
    return state.height - fallen + risen, state.speed + GRAVITY * duration - gained


def landing_by_series(rates: list[float]) -> float:
    """The landing speed [mile/s] of a play whose speed falls steadily in the turn of its touchdown."""
    state = RocketState()
    for rate in rates:
        height, speed = series(state, rate, TURN)
        if height <= 0.0 or speed <= 0.0:
            low, high = 0.0, TURN
            for _ in range(60):
                middle = 0.5 * (low + high)
                flying = min(series(state, rate, middle)) > 0.0
                low, high = (middle, high) if flying else (low, middle)
            return abs(series(state, rate, high)[1])
        state = RocketState(state.time + TURN, height, speed, state.mass - TURN * rate)
    return math.inf


def test_touchdown_within_a_turn_is_found_and_nothing_passes_through_the_ground() -> None:
    fall = fly([])
    time = (math.sqrt(1.0 + 2.0 * GRAVITY * 120.0) - 1.0) / GRAVITY
    assert fall.landing.time == pytest.approx(time, rel=1e-12)
    assert fall.landing.speed == pytest.approx(1.0 + GRAVITY * time, rel=1e-12)
    # A turn that begins and ends above the ground, and dips below it in between: the listing flies on.
    dipping = RocketState(height=0.05, speed=0.05, mass=20_000.0)
    assert burn(dipping, MOST_RATE, TURN).height > 0.0
    landed = fly([MOST_RATE], dipping).landing
    assert landed.time < TURN
    assert abs(landed.height) < 1e-12


def test_dry_tanks_end_the_burn_and_a_refused_rate_is_named() -> None:
    flight = fly([200.0] * 8 + [8.0] * 100)
    assert flight.landing.fuel == pytest.approx(0.0, abs=1e-9)
    assert flight.landing.speed > PERFECT
    with pytest.raises(ValueError, match=r"rates\[2\] is 5"):
        fly([0.0, 0.0, 5.0])


def test_the_program_prints_the_play() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "agents.limits.rocket_1969"]
    printed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "71.712" in printed
    assert "164.314424" in printed
