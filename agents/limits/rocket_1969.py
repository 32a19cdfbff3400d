"""Rocket, the first lunar lander game, and its best play: ``python -m agents.limits.rocket_1969``.

As published: Jim Storer's FOCAL listing of 1969 [V2: copies of its statements in several public translations]. Straight
down from 120 miles at 1 mile/s; 32,500 lb, of which 16,500 lb is the EMPTY weight, so 16,000 lb is fuel, as its opening
lines say; every 10 s a fuel rate of 0 or 8 to 200 lb/s; gravity 0.001 mile/s^2, exhaust 1.8 mile/s; a touchdown at 1
mile/h or less is PERFECT. (Ahl's BASIC of 1978 has 33,000 lb and 1.2 mile/h. The missions reference, case K, counts
16,500 lb as fuel, and so has 500 lb more left over.)

As programmed: miles, pounds and seconds as in the game, speed positive down. A turn is flown by the rocket equation's
closed form; the game takes the first five terms of its logarithm, which is less than 0.01 mile/h in a turn. Touchdown
is a root within the turn, where the game iterates, and its known slip over a turn in which the descent stops is absent.

The best play. A play that wastes nothing is bang-bang: coast, then 200 lb/s. Two things must be right at touchdown,
height and speed; the end of the last turn is free, so all rates but one may stand at their ends. ``best_play`` tries
each place for that one rate; that no second rate should leave its end is in the tests.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from scipy.optimize import brentq

from agents.command import answer

GRAVITY = 0.001  # [mile/s^2]
EXHAUST_SPEED = 1.8  # [mile/s]
TURN = 10.0  # [s]
LEAST_RATE, MOST_RATE = 8.0, 200.0  # [lb/s]
EMPTY = 16_500.0  # [lb]
HOUR = 3600.0  # [s]
PERFECT = 1.0 / HOUR  # [mile/s] at most for "PERFECT LANDING"
CLOSE = 1e-13  # absolute tolerance of roots


@dataclass(frozen=True)
class RocketState:
    """Where the capsule is; without arguments, where it starts."""

    time: float = 0.0  # [s]
    height: float = 120.0  # [mile]
    speed: float = 1.0  # [mile/s] positive down
    mass: float = 32_500.0  # [lb]

    @property
    def fuel(self) -> float:
        """What is left [lb]."""
        return self.mass - EMPTY


@dataclass(frozen=True)
class Play:
    """One play of the game, turn by turn, to its touchdown."""

    turns: tuple[tuple[RocketState, float], ...]  # each turn's start and rate [lb/s]
    landing: RocketState


def burn(state: RocketState, rate: float, duration: float) -> RocketState:
    """The state after a rate [lb/s] held for a duration [s], exactly; it knows neither ground nor empty tanks."""
    share = rate * duration / state.mass
    gained, risen = 0.0, 0.0
    if share > 0.0:
        logarithm = math.log1p(-share)
        gained = EXHAUST_SPEED * logarithm
        risen = EXHAUST_SPEED * state.mass / rate * (share + (1.0 - share) * logarithm)
    return RocketState(
        time=state.time + duration,
        height=state.height - state.speed * duration - 0.5 * GRAVITY * duration**2 + risen,
        speed=state.speed + GRAVITY * duration + gained,
        mass=state.mass - rate * duration,
    )


def slowing(state: RocketState, rate: float, duration: float, wanted: float) -> list[float]:
    """The times [s] within a burn at which the speed crosses the wanted one [mile/s], at most two.

    The speed is concave in time, so its highest point parts the crossings.
    """
    highest = 0.0
    if rate > 0.0:
        highest = min(max((state.mass - EXHAUST_SPEED * rate / GRAVITY) / rate, 0.0), duration)
    ends = (0.0, highest, duration)

    def excess(time: float) -> float:
        return burn(state, rate, time).speed - wanted

    return [brentq(excess, a, b, xtol=CLOSE) for a, b in pairwise(ends) if excess(a) * excess(b) < 0]


def touchdown(state: RocketState, rate: float, duration: float) -> float | None:
    """The time [s] within a burn at which the height first falls through zero, or None."""
    ends = [0.0, *slowing(state, rate, duration, 0.0), duration]  # between these the height is monotone

    def height(time: float) -> float:
        return burn(state, rate, time).height

    for start, end in pairwise(ends):
        if height(start) > 0.0 >= height(end):
            return float(brentq(height, start, end, xtol=CLOSE))
    return None


def fly(rates: Sequence[float], start: RocketState | None = None) -> Play:
    """Play a list of fuel rates [lb/s], one a turn, to the touchdown; after its end the engine is off.

    Tanks that run dry in a turn end its burn. A rate that the game refuses raises a ValueError with its turn.
    """
    state = start or RocketState()
    turns: list[tuple[RocketState, float]] = []
    while True:
        rate = rates[len(turns)] if len(turns) < len(rates) else 0.0
        if rate != 0.0 and not LEAST_RATE <= rate <= MOST_RATE:
            raise ValueError(f"rates[{len(turns)}] is {rate}; the game takes 0 or {LEAST_RATE:g} to {MOST_RATE:g} lb/s")
        turns.append((state, rate))
        burning = min(TURN, state.fuel / rate) if rate else 0.0
        for flow, duration in ((rate, burning), (0.0, TURN - burning)):
            time = touchdown(state, flow, duration) if duration > 0.0 else None
            if time is not None:
                return Play(tuple(turns), burn(state, flow, time))
            state = burn(state, flow, duration)


def bound(landing_speed: float = 0.0) -> Play:
    """The least fuel without turns: coast, then 200 lb/s until a landing speed [mile/s] is reached at the ground.

    Its two turns are the coast and the burn.
    """

    def burnt(coasted: float) -> RocketState:
        lit = burn(RocketState(), 0.0, coasted)
        return burn(lit, MOST_RATE, slowing(lit, MOST_RATE, 0.9 * lit.mass / MOST_RATE, landing_speed)[-1])

    coasted = brentq(lambda time: burnt(time).height, 0.0, 100.0, xtol=CLOSE)
    lit = burn(RocketState(), 0.0, coasted)
    return Play(((RocketState(), 0.0), (lit, MOST_RATE)), replace(burnt(coasted), height=0.0))


def height_when_slow(rates: Sequence[float], landing_speed: float) -> float:
    """The height [mile] at which a list of rates, then 200 lb/s, first reaches a landing speed; below ground too."""
    state, turn = RocketState(), 0
    while state.mass > MOST_RATE * TURN:
        rate = rates[turn] if turn < len(rates) else MOST_RATE
        times = slowing(state, rate, TURN, landing_speed)
        if times:
            return burn(state, rate, times[0]).height
        state, turn = burn(state, rate, TURN), turn + 1
    return -math.inf


def solved(rates: Sequence[float], place: int, landing_speed: float = PERFECT) -> list[float] | None:
    """The rates with the one at ``place`` replaced so that the landing speed [mile/s] is met at the ground, or None.

    The list should last to the touchdown.
    """

    def play(rate: float) -> list[float]:
        return [*rates[:place], rate, *rates[place + 1 :]]

    def miss(rate: float) -> float:
        return height_when_slow(play(rate), landing_speed)

    if not miss(LEAST_RATE) < 0.0 < miss(MOST_RATE):
        return None
    return play(float(brentq(miss, LEAST_RATE, MOST_RATE, xtol=CLOSE, rtol=1e-15)))


def best_play() -> Play:
    """The perfect landing that leaves the most fuel: a coast, 200 lb/s, and one turn between whose place is searched.

    It aims a millionth below the perfect speed, so that rounding does not spoil it.
    """
    plays = []
    for coast in range(12):  # turns: by the twelfth it has hit the ground
        for place in range(coast, 16):
            rates = [0.0] * coast + [MOST_RATE] * (20 - coast)
            play = solved(rates, place, PERFECT * (1.0 - 1e-6))
            if play is not None:
                plays.append(fly(play))
    perfect = [flight for flight in plays if flight.landing.speed <= PERFECT]
    return max(perfect, key=lambda flight: flight.landing.fuel)


@dataclass(frozen=True)
class Arguments:
    """Nothing that could be asked for."""


def main() -> int:
    """The command line. Returns the exit code."""
    stays = "nothing is kept; the same command begins anew"
    return answer("agents.limits.rocket_1969", Arguments, run, __doc__, interrupted=stays)


def run(_: Arguments) -> None:
    """Print the bound, the best play turn by turn, and what lies between them."""
    least, best = bound(), best_play()
    as_fast = bound(best.landing.speed)
    lit = least.turns[1][0]
    used = RocketState().mass - least.landing.mass
    print(f"Bound: coast {lit.time:.3f} s, {MOST_RATE:g} lb/s for {least.landing.time - lit.time:.3f} s,")
    print(f"       at rest at {least.landing.time:.3f} s, {used:.2f} lb used, {least.landing.fuel:.2f} lb left.\n")
    print("TIME,SECS   ALTITUDE,MILES   VELOCITY,MPH   FUEL,LBS   FUEL RATE")
    for state, rate in best.turns:
        print(f"{state.time:9.0f}{state.height:17.4f}{HOUR * state.speed:15.2f}{state.fuel:11.1f}{rate:12.6f}")
    end = best.landing
    print(f"ON THE MOON AT {end.time:.3f} SECS, {HOUR * end.speed:.2f} MPH, {end.fuel:.2f} LBS LEFT\n")
    free = as_fast.landing.fuel
    print(f"Turns of 10 s cost {free - end.fuel:.2f} lb: without them {free:.2f} lb are left at that speed.")


if __name__ == "__main__":
    sys.exit(main())
