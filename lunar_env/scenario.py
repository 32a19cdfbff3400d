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
from lunar_env.devices import find_device
from lunar_env.faults import NAMES
from lunar_env.navigation import SHARES
from lunar_env.observation import CORE, OBSERVATIONS, ObservationTable, Scales, observation_table
from lunar_env.quantities import Leaf, Range, ends, leaves, setting, validate, whole_ticks
from lunar_env.sensors import GRAZING, Beam, RangeFinder, turned_by
from lunar_env.state import words
from lunar_env.world import Settings, World


@dataclass(frozen=True)
class Scenario(World):
    """What an episode draws (all parts of ``World``) and what holds for every one of them."""

    name: str = setting("unnamed", "how it is called")
    summary: str = setting("", "one sentence")
    control: str = setting("descent_rate", "what an action means", choices=MODES)
    observation: str = setting("instruments", "what the pilot sees", choices=OBSERVATIONS)
    pad: bool = setting(False, "whether the descent is to end at the pad; a learned pilot is then shown where it is")
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
        for finder in self.sensors:
            self._check_finder(finder)
        for where, value in _delays(self).items():
            for end in ends(value):
                whole_ticks(where, end, self.tick)
        lag = ends(self.engine.lag)[0]
        if 0.0 < lag < 0.5 * self.tick / self.substeps:
            raise ValueError(
                f"engine.lag = {lag:g} s is too short for substeps of {self.tick / self.substeps:g} s; "
                "use 0 for none, or more substeps"
            )

    def _check_finder(self, finder: RangeFinder) -> None:
        _refuse_taken_name(finder.name)
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
        late = max(ends(_delays(self).get("faults.delayed_readings.delay", 0.0)))
        return max(
            math.ceil((finder.jitter + max(ends(finder.delay)) + late) / finder.period) + 2 for finder in self.sensors
        )

    def observation_table(self) -> ObservationTable:
        """The channels that a pilot of this scenario sees."""
        table = observation_table(self._scales(), self.sensors, self.action_names, self.history, self.observation)
        return replace(table, pad=self.pad)

    def settings(self, autoreset: int) -> Settings:
        """The counts and choices as the kernel wants them."""
        settings = Settings()
        settings.mode = MODES.index(self.control)
        settings.truth = int(self.observation == "truth")
        settings.misjudges = int(any(any(ends(getattr(self.navigation, name))) for name in SHARES))
        settings.autoreset = autoreset
        settings.ticks = whole_ticks("decision_period", self.decision_period, self.tick)
        settings.substeps = self.substeps
        settings.seconds = self.tick
        settings.tick_limit = whole_ticks("time_limit", self.time_limit, self.tick)
        settings.beams = sum(self.beams().values())
        settings.beam_columns = sum(finder.beams * (4 if finder.doppler else 3) for finder in self.sensors)
        settings.core = 0 if self.observation == "beams" else CORE
        settings.slots = self.delay_slots
        settings.history = self.history
        settings.action_size = len(self.action_names)
        settings.numbers = len(leaves(self))
        settings.ceiling = self.ceiling
        settings.extent = self.extent
        settings.spin = self.substeps / self.tick
        settings.scales = self._scales()
        return settings

    def _scales(self) -> Scales:
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
    return tuple(name for name in NAMES if max(ends(getattr(scenario.faults, name).probability)) > 0.0)


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
        "beams": _beams(scenario),
    }


def _beams(scenario: Scenario) -> np.ndarray:
    """(beams, words of a Beam) as the kernel's ``Beam`` lists them, integers as the bits of a float."""
    table = np.zeros((sum(scenario.beams().values()), words(Beam)), dtype=np.float32)
    whole, first = table.view(np.int32), 0
    for number, finder in enumerate(scenario.sensors):
        rows = slice(first, first + finder.beams)
        period, jitter = (
            whole_ticks(finder.name, seconds, scenario.tick) for seconds in (finder.period, finder.jitter)
        )
        table[rows, :3] = finder.directions()
        whole[rows, 3:] = number, first, period, jitter, finder.doppler, -1 if finder.faulty else 0
        first += finder.beams
    return table


def _kind(leaf: Leaf) -> int:
    return 2 if leaf.probability else int(leaf.log)


def _delays(scenario: Scenario) -> dict[str, float | Range]:
    """The lags of the range finders; a fault counts only where it can occur."""
    delays = {f"{finder.name}.delay": finder.delay for finder in scenario.sensors}
    fault = scenario.faults.delayed_readings
    if max(ends(fault.probability)) > 0.0:
        delays["faults.delayed_readings.delay"] = fault.delay
    return delays


def _plain(value: Any) -> Any:
    if isinstance(value, Range):
        return {"low": value.low, "high": value.high, "log": value.log}
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
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
    nested = _nested(changes)
    new: dict[str, Any] = {}
    if "sensors" in known:
        nested, new["sensors"] = _changed_sensors(part, nested)
    for key, value in nested.items():
        where = f"{path}.{key}" if path else key
        if key not in known:
            names = [*known, *(finder.name for finder in new.get("sensors", ()) if isinstance(finder, RangeFinder))]
            close = difflib.get_close_matches(key, names, n=1)
            hint = f"; perhaps you meant {close[0]!r}" if close else ""
            raise KeyError(f"unknown key {where!r}{hint}; {type(part).__name__} has: {', '.join(names)}")
        kind = known[key].type
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            new[key] = _changed(getattr(part, key), value, where)
        elif "probability" in known[key].metadata:
            new[key] = _number(where, value)
        else:
            new[key] = value
    return replace(part, **new)


def _changed_sensors(scenario: Scenario, nested: dict[str, Any]) -> tuple[dict[str, Any], tuple[RangeFinder, ...]]:
    """The changes that are left, and the scenario's sensors after those that concern them: the list, or one by name."""
    given = nested.get("sensors", scenario.sensors)
    if not isinstance(given, list | tuple):
        raise TypeError(f"sensors must be a list of devices, got {given!r}")
    sensors = []
    for place, value in enumerate(given):
        finder = find_device(value) if isinstance(value, str) else value
        if isinstance(finder, Mapping):
            finder = _changed(RangeFinder(), finder, f"sensors[{place}]")
        if isinstance(finder, RangeFinder):
            _refuse_taken_name(finder.name)
            change = nested.pop(finder.name, {})
            if not isinstance(change, Mapping | RangeFinder):
                raise TypeError(f"{finder.name} must be a RangeFinder or a table of its numbers, got {change!r}")
            finder = _changed(finder, change, finder.name) if isinstance(change, Mapping) else change
        sensors.append(finder)
    nested.pop("sensors", None)
    return nested, tuple(sensors)


def _refuse_taken_name(name: str) -> None:
    if name in {item.name for item in fields(Scenario)}:
        raise ValueError(f"sensors: {name!r} is the name of another part of a scenario; choose another")


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
