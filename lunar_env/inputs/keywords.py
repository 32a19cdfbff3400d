"""The keywords of the shells: those of their own, options of a reset, and the parts of a scenario."""

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec

from lunar_env.changes import UnknownKeyError
from lunar_env.missions import load_scenario
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario


def chosen_scenario(
    shell: str, own: Iterable[str], scenario: str | Scenario | Mapping[str, Any], changes: Mapping[str, Any]
) -> Scenario:
    """The scenario that the keywords of a shell ask for.

    Args:
        shell: the name of its class.
        own: keywords of its own, for the words of a refusal.
        scenario: a name, a Scenario, or the tables of one (``Scenario.to_dict``).
        changes: all its other keywords, parts of a scenario.

    Raises:
        TypeError: an unknown keyword, in Python's words, which other libraries look for.
        KeyError, ValueError: an unknown scenario, a value that is not allowed.
    """
    base = load_scenario(scenario)
    try:
        return load_scenario(base, **changes)
    except UnknownKeyError as error:
        unknown = next((key for key in changes if f"{key}.".startswith(f"{error.where}.")), None)
        if unknown is None:  # a table within a known keyword
            raise
        raise TypeError(
            f"{shell}.__init__() got an unexpected keyword argument {unknown!r}; it takes {', '.join(own)}, and parts "
            f"of a scenario: {error.args[0]}"
        ) from None


def checked_switches(**switches: Any) -> None:
    """Refuse switches that are neither True nor False. Raises ValueError."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False, got {value!r}")


def checked_render_mode(render_mode: Any, known: tuple[str, ...], remark: str = "") -> None:
    """Refuse a way of drawing that a shell has not. Raises ValueError."""
    if render_mode is not None and render_mode not in known:
        modes = " or ".join(f'"{mode}"' for mode in known)
        raise ValueError(f"render_mode must be None or {modes}, got {render_mode!r}{remark}")


def checked_options(options: Any, known: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options of a reset. Raises ValueError for one that a shell does not know."""
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not set(options) <= set(known):
        takes = f"takes the option {', '.join(known)}" if known else "takes no options"
        got = sorted(map(str, options)) if isinstance(options, Mapping) else repr(options)
        raise ValueError(f"reset {takes}, got {got}; the scenario says what a descent is like")
    return dict(options)


def readable(spec: EnvSpec | None) -> EnvSpec | None:
    """A specification of Gymnasium with keywords that ``to_json`` can write, and the shells can read again."""
    if spec is not None:
        spec.kwargs = {name: plain(value) for name, value in spec.kwargs.items()}
    return spec


def plain(value: Any) -> Any:
    """A keyword's value in numbers, words, lists and tables."""
    if isinstance(value, Scenario):
        return value.to_dict()
    if isinstance(value, Range):
        return {"low": value.low, "high": value.high, "log": value.log}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, PathLike):
        return fspath(value)
    return str(value) if isinstance(value, torch.device) else value
