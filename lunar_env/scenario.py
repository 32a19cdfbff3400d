"""A scenario: all that is fixed about a descent, as one frozen tree of plain numbers.

A mission is a ``Scenario`` written in Python beside its sources (``lunar_env.missions``). A variant is a changed copy:
``load_scenario("resilience", decision_period=0.1)``, ``load_scenario("resilience", **{"altimeter.delay": 0.3})``.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from lunar_env.faults.kinds import NAMES, Faults, effect_of
from lunar_env.observation import OBSERVATIONS, ObservationTable, Scales, observation_table
from lunar_env.quantities import Number, Range, ends, number, parts, setting, validate, whole_ticks
from lunar_env.sensors.inertial import Navigation
from lunar_env.sensors.range_finder import GRAZING, RangeFinder, turned_by
from lunar_env.task import Limits, Reward
from lunar_env.terrain.contact import Gear
from lunar_env.terrain.surface import Terrain
from lunar_env.vehicle.actuators import Attitude
from lunar_env.vehicle.body import Body
from lunar_env.vehicle.control import ACTION_NAMES, MODES, Guidance
from lunar_env.vehicle.dynamics import Engine, Mass, Moon
from lunar_env.vehicle.rotation import Rotation

SHOWN_DRAWN = 12  # drawn numbers that a notebook shows
MOST_TICKS = 2**24  # of an episode: its clock is a float32, which counts no further one by one
MOST_SUBSTEPS = 1_000_000  # of a decision, which nobody can interrupt
MOST_SLOTS = 10_000  # of the delay line, which each beam looks through in each tick


@dataclass(frozen=True)
class Start:
    """Where an episode begins."""

    altitude: Number = number(1000.0, "m", "of the footpads above the pad's level", low=0.1, high=1e6)
    distance: Number = number(
        0.0, "m", "downrange distance still to go to the pad, along the surface", low=-5.4e6, high=5.4e6
    )
    cross_distance: Number = number(0.0, "m", "offset from the approach plane", low=-1e5, high=1e5)
    speed: Number = number(0.0, "m/s", "downrange, along the local horizontal", low=-1e4, high=1e4)
    cross_speed: Number = number(0.0, "m/s", "along y", low=-1e3, high=1e3)
    descent_rate: Number = number(30.0, "m/s", "along the local vertical", low=-1e4, high=1e4)
    tilt: Number = number(0.0, "rad", "of the thrust axis, leaning against the motion", low=-3.2, high=3.2)
    pitch_rate: Number = number(0.0, "rad/s", "about the body's y axis", low=-1.0, high=1.0)
    throttle: Number = number(0.0, "-", "thrust that flows at the start", low=0.0, high=1.0)
    propellant: Number = number(100.0, "kg", "loaded", low=0.0, high=1e6)
    burnt: Number = number(0.0, "-", "share of the load that is gone when the episode begins", low=0.0, high=1.0)
    progress: Number = number(
        0.0,
        "-",
        "0 starts here, 1 at 60 m; for training along the whole descent; below 0 counts as 0",
        low=-10.0,
        high=1.0,
    )
    deceleration: Number = number(
        1.0, "m/s^2", "with which a start on the way can just stop; faster ones are slowed", low=0.0, high=1e3
    )


@dataclass(frozen=True)
class World:
    """Everything that an episode may draw."""

    moon: Moon = Moon()
    mass: Mass = Mass()
    engine: Engine = Engine()
    attitude: Attitude = Attitude()
    guidance: Guidance = Guidance()
    gear: Gear = Gear()
    navigation: Navigation = Navigation()
    terrain: Terrain = Terrain()
    limits: Limits = Limits()
    reward: Reward = Reward()
    # In a drawn row the range finders follow the struct of the parts above, then come faults, start, body and rotation.
    sensors: tuple[RangeFinder, ...] = parts(
        (RangeFinder(),), RangeFinder, "range finders, in the observation's order; at most 16", most=16
    )
    faults: Faults = Faults()
    start: Start = Start()
    body: Body = Body()
    rotation: Rotation = Rotation()


@dataclass(frozen=True)
class Scenario(World):
    """What an episode draws (all parts of ``World``) and what holds for every one of them."""

    name: str = setting("unnamed", "how it is called")
    summary: str = setting("", "one sentence")
    control: str = setting("descent_rate", "what an action means", choices=MODES)
    observation: str = setting("instruments", "what the pilot sees", choices=OBSERVATIONS)
    pad: bool = setting(False, "whether the descent is to end at the pad; a learned pilot is then shown where it is")
    history: int = setting(1, "readings in one observation, newest last; at most 4,096", low=1, high=4_096)
    tick: float = setting(0.1, "physics and autopilot period, 0.1 ms to 10 s", unit="s", low=1e-4, high=10.0)
    substeps: int = setting(4, "Runge-Kutta substeps per tick, at most 10,000", low=1, high=10_000)
    decision_period: float = setting(
        1.0, "time between actions, whole ticks; at most a million substeps", unit="s", low=1e-4, high=1e6
    )
    time_limit: float = setting(
        600.0, "an episode is cut off here, whole ticks; at most 16,777,216 of them", unit="s", low=1e-4, high=1e6
    )
    ceiling: float = setting(
        15_000.0, "a lander above is lost; also the observation's altitude scale", unit="m", low=1.0, high=1e8
    )
    extent: float = setting(
        60_000.0, "a lander farther from the pad is lost; also a scale", unit="m", low=1.0, high=1e8
    )
    top_speed: float = setting(400.0, "the observation's speed scale", unit="m/s", low=0.1, high=1e6)

    def __post_init__(self) -> None:
        validate(self)
        self._check_counts()
        for finder in self.sensors:
            self._check_finder(finder)
        for where, value in _delays(self).items():
            for end in ends(value):
                whole_ticks(where, end, self.tick)
        if self.delay_slots > MOST_SLOTS:
            raise ValueError(
                f"up to {self.delay_slots:,} samples of a beam would be under way at once, at most {MOST_SLOTS:,} may "
                "be; use a longer period, or a shorter delay"
            )
        lag = ends(self.engine.lag)[0]
        if 0.0 < lag < 0.5 * self.tick / self.substeps:
            raise ValueError(
                f"engine.lag = {lag:g} s is too short for substeps of {self.tick / self.substeps:g} s; "
                "use 0 for none, or more substeps"
            )

    def _check_counts(self) -> None:
        """Refuse more ticks or substeps than can be counted, or flown before anybody loses patience."""
        substeps = whole_ticks("decision_period", self.decision_period, self.tick) * self.substeps
        if substeps > MOST_SUBSTEPS:
            raise ValueError(
                f"decision_period = {self.decision_period:g} s has {substeps:,} substeps, at most {MOST_SUBSTEPS:,} "
                "may lie between two actions; use a shorter one, a longer tick or fewer substeps"
            )
        ticks = whole_ticks("time_limit", self.time_limit, self.tick)
        if ticks > MOST_TICKS:
            raise ValueError(
                f"time_limit = {self.time_limit:g} s has {ticks:,} ticks, an episode has at most {MOST_TICKS:,}; "
                "use a shorter one, or a longer tick"
            )

    def _check_finder(self, finder: RangeFinder) -> None:
        refuse_taken_name(finder.name)
        whole_ticks(f"{finder.name}.period", finder.period, self.tick)
        whole_ticks(f"{finder.name}.jitter", finder.jitter, self.tick)
        if finder.period < self.tick:
            raise ValueError(
                f"{finder.name}.period must be at least one tick of {self.tick:g} s, got {finder.period:g} s"
            )
        low, high = ends(finder.cant)
        for cant in (low, high, min(max(0.0, low), high)):  # a wide cone is at its worst somewhere else
            away = np.arccos(np.clip(-turned_by(finder.directions(), cant)[:, 2], -1.0, 1.0))
            if away.max() > GRAZING:
                raise ValueError(
                    f"{finder.name}: beam {int(away.argmax()) + 1} points up: cant = {cant:g} rad and half_angle = "
                    f"{finder.half_angle:g} rad put it {math.degrees(away.max()):.0f} degrees from straight down; "
                    f"keep it within {math.degrees(GRAZING):.0f}"
                )

    def __repr__(self) -> str:
        return (
            f"<Scenario {self.name!r}: control={self.control!r}, observation={self.observation!r}, "
            f"decision_period={self.decision_period:g}; .to_dict() has every number>"
        )

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the scenario in seven lines. ``to_dict`` has every number."""
        finders = (f"`{one.name}` ({one.beams} beam{'s' * (one.beams > 1)})" for one in self.sensors)
        ranges = sorted(_drawn(self), key=lambda one: not one[0].startswith(("faults.", "start.")))  # these first
        drawn = [f"`{path}` {value.low:g} to {value.high:g}" for path, value in ranges]
        more = f" and {len(drawn) - SHOWN_DRAWN} more" if len(drawn) > SHOWN_DRAWN else ""
        past = f" in {self.history} readings" if self.history > 1 else ""
        rows = {
            "action": f"`{self.control}`: {', '.join(self.action_names)}",
            "decisions": f"every {self.decision_period:g} s, {self.time_limit:g} s at most; ticks of {self.tick:g} s",
            "observation": f"`{self.observation}`, {self.observation_table().size} numbers{past}",
            "range finders": ", ".join(finders),
            "faults": ", ".join(f"`{name}`" for name in possible_faults(self)) or "none",
            "drawn anew": (", ".join(drawn[:SHOWN_DRAWN]) or "nothing") + more,
        }
        lines = "\n".join(f"| {name} | {words} |" for name, words in rows.items())
        return f"**{self.name}**: {self.summary or 'no summary'}\n\n| | |\n|---|---|\n{lines}"

    def sensor(self, name: str) -> RangeFinder:
        """The range finder of a name. Raises KeyError if there is none."""
        for finder in self.sensors:
            if finder.name == name:
                return finder
        raise KeyError(f"unknown sensor {name!r}; this scenario has: {', '.join(self.beams())}")

    def beams(self) -> dict[str, int]:
        """How many beams each range finder has, by name."""
        return {finder.name: finder.beams for finder in self.sensors}

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the numbers of an action."""
        return ACTION_NAMES[self.control]

    @property
    def steps(self) -> int:
        """Decisions in an episode that runs to its time limit."""
        return math.ceil(round(self.time_limit / self.decision_period, 6))

    @property
    def delay_slots(self) -> int:
        """Length of the delay line: samples of a beam that can be under way at once, and one to spare."""
        late = sum(max(ends(value)) for where, value in _delays(self).items() if where.startswith("faults."))
        return max(
            math.ceil((finder.jitter + max(ends(finder.delay)) + late) / finder.period) + 2 for finder in self.sensors
        )

    def observation_table(self) -> ObservationTable:
        """The channels that a pilot of this scenario sees."""
        table = observation_table(self.scales(), self.sensors, self.action_names, self.history, self.observation)
        return replace(table, pad=self.pad)

    def scales(self) -> Scales:
        """What the numbers of an observation are divided by."""
        scales = Scales()
        scales.altitude = self.ceiling
        scales.extent = self.extent
        scales.speed = self.top_speed
        scales.propellant = max(max(ends(self.start.propellant)), 1e-6)
        scales.time = self.time_limit
        return scales

    def to_dict(self) -> dict[str, Any]:
        """The whole tree as plain numbers, lists and strings; ``from_dict`` reads it back."""
        return _plain(self)


def possible_faults(scenario: Scenario) -> tuple[str, ...]:
    """Names of the faults that an episode may have, in the order of their codes."""
    return tuple(name for name in NAMES if max(ends(getattr(scenario.faults, name).probability)) > 0.0)


def _drawn(part: Any, path: str = "") -> Iterator[tuple[str, Range]]:
    """The numbers below a part that each episode draws, by their paths; of faults those that an episode may have."""
    for item in fields(part):
        value = getattr(part, item.name)
        for one in value if isinstance(value, tuple) else (value,):
            where = one.name if isinstance(one, RangeFinder) else f"{path}{item.name}"
            if isinstance(one, Range):
                yield where, one
            elif isinstance(one, Faults):
                for name in (name for name in NAMES if max(ends(getattr(one, name).probability)) > 0.0):
                    yield from _drawn(getattr(one, name), f"{where}.{name}.")
            elif dataclasses.is_dataclass(one):
                yield from _drawn(one, f"{where}.")


def _delays(scenario: Scenario) -> dict[str, float | Range]:
    """The lags of the range finders; a fault counts only where it can occur."""
    delays = {f"{finder.name}.delay": finder.delay for finder in scenario.sensors}
    late = [name for name in possible_faults(scenario) if effect_of(name) == "delayed_readings"]
    return delays | {f"faults.{name}.delay": getattr(scenario.faults, name).delay for name in late}


def _plain(value: Any) -> Any:
    if isinstance(value, Range):
        return {"low": value.low, "high": value.high, "log": value.log}
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def refuse_taken_name(name: str) -> None:
    """Refuse a range finder called like another part of a scenario. Raises ValueError."""
    if name in {item.name for item in fields(Scenario)}:
        raise ValueError(f"sensors: {name!r} is the name of another part of a scenario; choose another")
