"""A scenario: all that is fixed about a descent, as one frozen tree of plain numbers.

A mission is a ``Scenario`` written in Python beside its sources (``lunar_env.missions``). A variant is a changed copy:
``load_scenario("resilience", decision_period=0.1)``, ``load_scenario("resilience", **{"altimeter.delay": 0.3})``.
"""

import dataclasses
import difflib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from lunar_env.control import ACTION_NAMES, MODES
from lunar_env.faults import NAMES
from lunar_env.observation import ObservationTable, Scales, observation_table
from lunar_env.quantities import Leaf, Range, leaves, setting, validate, whole_ticks
from lunar_env.world import Settings, World

OBSERVATIONS = ("instruments", "truth")


@dataclass(frozen=True)
class Scenario(World):
    """What an episode draws (all parts of ``World``) and what holds for every one of them."""

    name: str = setting("unnamed", "how it is called")
    summary: str = setting("", "one sentence")
    control: str = setting("descent_rate", "what an action means", choices=MODES)
    observation: str = setting("instruments", "what the pilot sees", choices=OBSERVATIONS)
    history: int = setting(1, "readings in one observation, newest last", low=1)
    tick: float = setting(0.1, "physics and autopilot period", unit="s", low=1e-4)
    substeps: int = setting(4, "Runge-Kutta substeps per tick", low=1)
    decision_period: float = setting(1.0, "time between actions, whole ticks", unit="s", low=1e-4)
    time_limit: float = setting(600.0, "an episode is cut off here, whole ticks", unit="s", low=1e-4)
    ceiling: float = setting(
        15_000.0, "a lander above is lost; also the observation's altitude scale", unit="m", low=1.0
    )
    extent: float = setting(60_000.0, "a lander farther from the pad is lost; also a scale", unit="m", low=1.0)
    top_speed: float = setting(400.0, "the observation's speed scale", unit="m/s", low=0.1)

    def __post_init__(self) -> None:
        validate(self)
        whole_ticks("decision_period", self.decision_period, self.tick)
        whole_ticks("time_limit", self.time_limit, self.tick)
        whole_ticks("altimeter.period", self.altimeter.period, self.tick)
        whole_ticks("altimeter.jitter", self.altimeter.jitter, self.tick)
        for where, value in _delays(self).items():
            for end in _ends(value):
                whole_ticks(where, end, self.tick)
        if self.altimeter.period < self.tick:
            raise ValueError(
                f"altimeter.period must be at least one tick of {self.tick:g} s, got {self.altimeter.period:g} s"
            )
        lag = _ends(self.engine.lag)[0]
        if 0.0 < lag < 0.5 * self.tick / self.substeps:
            raise ValueError(
                f"engine.lag = {lag:g} s is too short for substeps of {self.tick / self.substeps:g} s; "
                "use 0 for none, or more substeps"
            )

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
        """Length of the altimeter's delay line: samples that can be under way at once, and one to spare."""
        longest = self.altimeter.jitter + sum(max(_ends(value)) for value in _delays(self).values())
        return math.ceil(longest / self.altimeter.period) + 2

    def observation_table(self) -> ObservationTable:
        """The channels that a pilot of this scenario sees."""
        return observation_table(self._scales(), self.action_names, self.history, self.observation == "truth")

    def settings(self, autoreset: int) -> Settings:
        """The counts and choices as the kernel wants them."""
        settings = Settings()
        settings.mode = MODES.index(self.control)
        settings.truth = int(self.observation == "truth")
        settings.autoreset = autoreset
        settings.ticks = whole_ticks("decision_period", self.decision_period, self.tick)
        settings.substeps = self.substeps
        settings.seconds = self.tick
        settings.tick_limit = whole_ticks("time_limit", self.time_limit, self.tick)
        settings.period = whole_ticks("altimeter.period", self.altimeter.period, self.tick)
        settings.jitter = whole_ticks("altimeter.jitter", self.altimeter.jitter, self.tick)
        settings.slots = self.delay_slots
        settings.history = self.history
        settings.action_size = len(self.action_names)
        settings.numbers = len(leaves(self))
        settings.ceiling = self.ceiling
        settings.extent = self.extent
        settings.scales = self._scales()
        return settings

    def _scales(self) -> Scales:
        scales = Scales()
        scales.altitude = self.ceiling
        scales.extent = self.extent
        scales.speed = self.top_speed
        scales.propellant = max(max(_ends(self.start.propellant)), 1e-6)
        scales.time = self.time_limit
        return scales

    def to_dict(self) -> dict[str, Any]:
        """The whole tree as plain numbers, lists and strings; ``from_dict`` reads it back."""
        return _plain(self)


def from_dict(tree: Mapping[str, Any]) -> Scenario:
    """The scenario that ``Scenario.to_dict`` wrote."""
    return change(Scenario(), tree)


def change(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """A validated copy with changes: nested tables, or dotted paths such as ``"altimeter.delay"``.

    A list of two numbers is a uniform range; ``{"low": .., "high": .., "log": true}`` a logarithmic one.
    Raises KeyError for an unknown path, TypeError or ValueError for a value that is not allowed.
    """
    return _changed(scenario, changes, "")


def possible_faults(scenario: Scenario) -> tuple[str, ...]:
    """Names of the faults that an episode may have, in the order of their codes."""
    return tuple(name for name in NAMES if max(_ends(getattr(scenario.faults, name).probability)) > 0.0)


def packed(scenario: Scenario) -> dict[str, np.ndarray]:
    """What the kernel's ``Tables`` hold about the drawn numbers, by name."""
    numbers = leaves(scenario)
    paths = [leaf.path for leaf in numbers]
    return {
        "lows": np.array([leaf.low for leaf in numbers], dtype=np.float32),
        "highs": np.array([leaf.high for leaf in numbers], dtype=np.float32),
        "kinds": np.array([_kind(leaf) for leaf in numbers], dtype=np.int32),
        # By its path, so that a number that is added later changes no other's draws.
        "names": np.array([zlib.crc32(path.encode()) for path in paths], dtype=np.uint32).view(np.int32),
        "fault_columns": np.array([paths.index(f"faults.{name}.probability") for name in NAMES], dtype=np.int32),
    }


def _kind(leaf: Leaf) -> int:
    return 2 if leaf.probability else int(leaf.log)


def _ends(value: float | Range) -> tuple[float, float]:
    return (value.low, value.high) if isinstance(value, Range) else (value, value)


def _delays(scenario: Scenario) -> dict[str, float | Range]:
    """The lags of the altimeter; a fault counts only where it can occur."""
    delays = {"altimeter.delay": scenario.altimeter.delay}
    fault = scenario.faults.delayed_readings
    if max(_ends(fault.probability)) > 0.0:
        delays["faults.delayed_readings.delay"] = fault.delay
    return delays


def _plain(value: Any) -> Any:
    if isinstance(value, Range):
        return {"low": value.low, "high": value.high, "log": value.log}
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return value


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted paths as nested tables, one level. Tables come first, so that a path into one adds to it."""
    nested: dict[str, Any] = {}
    for key, value in sorted(changes.items(), key=lambda change: "." in str(change[0])):
        head, _, rest = str(key).partition(".")
        if not rest:
            nested[head] = value
            continue
        table = nested.setdefault(head, {})
        if not isinstance(table, Mapping):
            raise ValueError(f"{head!r} is given as a whole and {key!r} within it; give one of them")
        nested[head] = {**table, rest: value}
    return nested


def _changed(part: Any, changes: Mapping[str, Any], path: str) -> Any:
    known = {item.name: item for item in fields(part)}
    new: dict[str, Any] = {}
    for key, value in _nested(changes).items():
        where = f"{path}.{key}" if path else key
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; perhaps you meant {close[0]!r}" if close else ""
            raise KeyError(f"unknown key {where!r}{hint}; {type(part).__name__} has: {', '.join(known)}")
        kind = known[key].type
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            new[key] = _changed(getattr(part, key), value, where)
        elif "probability" in known[key].metadata:
            new[key] = _number(where, value)
        else:
            new[key] = value
    return replace(part, **new)


def _number(where: str, value: Any) -> Any:
    try:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError(f"a range has two ends, got {len(value)}")
            return Range(float(value[0]), float(value[1]))
        if isinstance(value, Mapping):
            unknown = set(value) - {"low", "high", "log"}
            if unknown or not {"low", "high"} <= set(value):
                raise ValueError(f"a range is {{low, high, log}}, got the keys {sorted(value)}")
            return Range(float(value["low"]), float(value["high"]), bool(value.get("log", False)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
    return value
