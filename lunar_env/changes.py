"""Changed copies of a scenario: nested tables or dotted paths in, a validated scenario out."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from lunar_env.quantities import Range, shown
from lunar_env.scenario import Scenario, refuse_taken_name
from lunar_env.sensors.devices import find_device
from lunar_env.sensors.range_finder import RangeFinder


class UnknownKeyError(KeyError):
    """Raised for a path that a scenario does not have."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where  # the path up to the first name that is unknown


def from_dict(tree: Mapping[str, Any]) -> Scenario:
    """The scenario that ``Scenario.to_dict`` wrote."""
    return change(Scenario(), tree)


def change(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """A validated copy with changes: nested tables, or dotted paths such as ``"altimeter.delay"``.

    A list of two numbers is a uniform range; ``{"low": .., "high": .., "log": true}`` a logarithmic one.
    Raises KeyError for an unknown path, TypeError or ValueError for a value that is not allowed.
    """
    return _changed(scenario, changes, "")


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
            raise UnknownKeyError(where, f"unknown key {where!r}{hint}; {type(part).__name__} has: {', '.join(names)}")
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
        raise TypeError(f"sensors must be a list of devices, got {shown(given)}")
    sensors = []
    for place, value in enumerate(given):
        finder = find_device(value) if isinstance(value, str) else value
        if isinstance(finder, Mapping):
            finder = _changed(RangeFinder(), finder, f"sensors[{place}]")
        if isinstance(finder, RangeFinder):
            refuse_taken_name(finder.name)
            change = nested.pop(finder.name, {})
            if not isinstance(change, Mapping | RangeFinder):
                raise TypeError(f"{finder.name} must be a RangeFinder or a table of its numbers, got {shown(change)}")
            finder = _changed(finder, change, finder.name) if isinstance(change, Mapping) else change
        sensors.append(finder)
    nested.pop("sensors", None)
    return nested, tuple(sensors)


def _number(where: str, value: Any) -> Any:
    try:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError(f"a range has two ends, got {len(value)}")
            return Range(_end(value[0]), _end(value[1]))
        if isinstance(value, Mapping):
            unknown = set(value) - {"low", "high", "log"}
            if unknown or not {"low", "high"} <= set(value):
                raise ValueError(f"a range is {{low, high, log}}, got the keys {sorted(value)}")
            return Range(_end(value["low"]), _end(value["high"]), bool(value.get("log", False)))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where}: {error}") from None
    return value


def _end(value: Any) -> float:
    """One end of a range; what only looks like a number is none."""
    if isinstance(value, bool | str):
        raise TypeError(f"a range has two numbers, got {shown(value)}")
    return float(value)
