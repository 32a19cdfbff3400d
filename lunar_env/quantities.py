"""Numbers with units, ranges to draw from, and their mirror inside a kernel.

A scenario is a frozen tree of numbers. A plain number is *fixed*; a ``Range`` is *drawn for every episode*.
That one rule is the whole domain-randomisation interface: ``mirrored`` turns a dataclass of numbers into a Warp
struct of the same names, and the kernel fills it anew for each episode.
"""

import dataclasses
import functools
import math
import sys
from dataclasses import dataclass, field, fields
from typing import Any

import warp as wp

LONGEST_TEXT = 4_096  # characters of a name, a sentence or a path: as long as a path can be
LARGEST_END = sys.float_info.max  # what lies beyond, an infinity or a whole number of 400 digits, is no float


def shown(value: Any) -> str:
    """A value in the words of a refusal: whole, or its two ends if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # of thousands of digits, which Python does not write; of endless brackets
        return f"a {type(value).__name__} too long to be written"
    return text if len(text) <= 200 else f"{text[:150]} ... {text[-40:]}"


@dataclass(frozen=True)
class Range:
    """An interval to draw from, once per episode: uniform, or uniform in the logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if isinstance(end, bool) or not isinstance(end, int | float):
                raise TypeError(f"a range must have numbers as its ends, got {shown(end)}")
            if not -LARGEST_END <= end <= LARGEST_END:  # a NaN fails here too
                raise ValueError(f"a range must be finite, got [{shown(self.low)}, {shown(self.high)}]")
        if self.low >= self.high:
            raise ValueError(
                f"a range must run upwards, got [{self.low}, {self.high}]; write a plain number for a fixed value"
            )
        if self.log and self.low <= 0.0:
            raise ValueError(f"a logarithmic range must be above zero, got [{self.low}, {self.high}]")


Number = float | Range


def middle(value: Number) -> float:
    """A number, or the middle of its range: what a flight computer takes as nominal."""
    return 0.5 * (value.low + value.high) if isinstance(value, Range) else float(value)


def number(
    default: Number,
    unit: str,
    meaning: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    probability: bool = False,
) -> Any:
    """A dataclass field that carries its unit, its meaning and its allowed interval [low, high].

    With ``probability=True`` the field is a chance in [0, 1], and what is drawn is 1 (yes) or 0 (no).
    """
    if probability:
        low, high = 0.0, 1.0
    metadata = {"unit": unit, "meaning": meaning, "low": low, "high": high, "probability": probability}
    return field(default=default, metadata=metadata)


def parts(default: Any, kind: type, meaning: str, most: int) -> Any:
    """A dataclass field that holds 1 to ``most`` parts in a tuple, each a dataclass of numbers with a ``name``."""
    return field(default=default, metadata={"meaning": meaning, "parts": kind, "most": most})


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    choices: tuple = (),
    low: float = -math.inf,
    high: float = math.inf,
) -> Any:
    """A dataclass field that is never drawn: a name, a count, a period. One that is a number has both its ends."""
    metadata = {"unit": unit, "meaning": meaning, "choices": choices, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@functools.cache
def mirrored(part: Any, *without: str) -> Any:
    """The Warp struct with one float for each number of the dataclass ``part`` and of its parts but those named."""
    annotations: dict[str, Any] = {}
    for item in fields(part):
        if item.name in without:
            continue
        if isinstance(item.type, type) and dataclasses.is_dataclass(item.type):
            annotations[item.name] = mirrored(item.type)
        elif "probability" in item.metadata:
            annotations[item.name] = float
    name = part.__name__ + "Drawn"
    return wp.struct(type(name, (), {"__annotations__": annotations, "__module__": part.__module__}))


def ends(value: Number) -> tuple[float, float]:
    """The least and the greatest that a number can be."""
    return (value.low, value.high) if isinstance(value, Range) else (value, value)


def twin(name: str, struct: Any, **others: Any) -> Any:
    """A Warp struct with the fields of another, some of another type.

    A type of its own: functions that take ``Any`` are compiled for it anew, with what they ask of it left out.
    """
    annotations = {**struct.cls.__annotations__, **others}
    return wp.struct(type(name, (), {"__annotations__": annotations, "__module__": struct.cls.__module__}))


@dataclass(frozen=True)
class Leaf:
    """One number of the tree as the kernel draws it."""

    path: str
    low: float
    high: float
    log: bool
    probability: bool

    @property
    def value(self) -> Number:
        """The number or range of the tree."""
        return self.low if self.low == self.high else Range(self.low, self.high, self.log)


def leaves(part: Any, path: str = "") -> list[Leaf]:
    """All numbers of a part in order; those of a part that it lists go by the part's name."""
    found: list[Leaf] = []
    for item in fields(part):
        value = getattr(part, item.name)
        where = f"{path}.{item.name}" if path else item.name
        if dataclasses.is_dataclass(item.type):
            found += leaves(value, where)
        elif "parts" in item.metadata:
            found += [leaf for one in value for leaf in leaves(one, one.name)]
        elif "probability" in item.metadata:
            chance = item.metadata["probability"]
            if isinstance(value, Range):
                found.append(Leaf(where, value.low, value.high, value.log, chance))
            else:
                found.append(Leaf(where, float(value), float(value), False, chance))
    return found


def validate(part: Any, path: str = "") -> None:
    """Refuse a tree that holds a value outside what its field allows, naming the path, the value and the remedy."""
    for item in fields(part):
        value = getattr(part, item.name)
        where = f"{path}.{item.name}" if path else item.name
        if isinstance(item.type, type) and dataclasses.is_dataclass(item.type):
            if not isinstance(value, item.type):
                raise TypeError(f"{where} must be a {item.type.__name__}, got {shown(value)}")
            validate(value, where)
        elif "parts" in item.metadata:
            _validate_parts(where, value, item.metadata["parts"], item.metadata["most"])
        elif "probability" in item.metadata:
            _validate_number(where, value, item.metadata)
        else:
            _validate_setting(where, value, item)


def _validate_parts(where: str, value: Any, kind: type, most: int) -> None:
    if not isinstance(value, tuple) or not value or not all(isinstance(one, kind) for one in value):
        raise TypeError(f"{where} must be a tuple of at least one {kind.__name__}, got {shown(value)}")
    if len(value) > most:
        raise ValueError(f"{where} must be at most {most}, got {len(value)}")
    names = [one.name for one in value]
    for one in value:
        validate(one, one.name)
        if not one.name.isidentifier() or names.count(one.name) > 1:
            raise ValueError(f"{where}: each needs a name of its own, of letters and underscores, got {names}")


def _validate_number(where: str, value: Any, metadata: Any) -> None:
    unit = f" {metadata['unit']}" if metadata["unit"] else ""
    ends = (value.low, value.high) if isinstance(value, Range) else (value,)
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, int | float):
            raise TypeError(f"{where} must be a number{unit} or a range [low, high], got {shown(value)}")
        if not metadata["low"] <= end <= metadata["high"]:  # a NaN fails here too
            raise ValueError(f"{where} must lie in [{metadata['low']:g}, {metadata['high']:g}]{unit}, got {shown(end)}")


def _validate_setting(where: str, value: Any, item: dataclasses.Field) -> None:
    expected = item.type if isinstance(item.type, type) else object
    accepted = isinstance(value, int | float) if expected is float else isinstance(value, expected)
    if not accepted or (isinstance(value, bool) and expected is not bool):
        raise TypeError(f"{where} must be of type {expected.__name__}, got {shown(value)}")
    choices = item.metadata.get("choices", ())
    if choices and value not in choices:
        raise ValueError(f"{where} must be one of {', '.join(map(repr, choices))}, got {shown(value)}")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError(f"{where} must be at most {LONGEST_TEXT:,} characters long, got {len(value):,}")
    if expected not in (int, float):
        return
    low, high = item.metadata["low"], item.metadata["high"]
    if not low <= value <= high:  # a NaN fails here too
        unit = f" {item.metadata['unit']}" if item.metadata.get("unit") else ""
        least, most = (f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (low, high))
        raise ValueError(f"{where} must be from {least} to {most}{unit}, got {shown(value)}")


def whole_ticks(where: str, seconds: float, tick: float) -> int:
    """The number of physics ticks in ``seconds``; anything but a whole number is refused."""
    ticks = round(seconds / tick)
    if abs(ticks * tick - seconds) > 1e-6 * max(tick, abs(seconds)):
        below, above = math.floor(seconds / tick) * tick, math.ceil(seconds / tick) * tick
        raise ValueError(
            f"{where} = {seconds:g} s is not a whole number of physics ticks of {tick:g} s; "
            f"use {below:g} or {above:g} s, or another tick"
        )
    return ticks
