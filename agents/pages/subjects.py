"""What was flown, and who flew: a sentence for a scenario, true to what was changed in it, and one for a pilot."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.pilots import pilot_class, pilot_folder
from agents.policy.network import read_card
from agents.policy.onnx_file import read_onnx
from agents.policy.onnx_pilot import is_onnx_pilot
from lunar_env import Scenario
from lunar_env.flying.function_pilot import FunctionPilot
from lunar_env.missions import PRESETS

MOST_CHANGES = 8  # that are listed one by one


def scenario_sentence(scenario: Scenario) -> str:
    """For instance "As Resilience flew it. Changed here: altimeter.delay 0.3 instead of 0.1."."""
    preset = PRESETS.get(scenario.name)
    summary = scenario.summary or f"The scenario {scenario.name}."
    changes = [] if preset is None else changes_between(preset, scenario)
    if not changes:
        return summary
    listed = ", ".join(f"{path} {_shown(new)} instead of {_shown(old)}" for path, old, new in changes[:MOST_CHANGES])
    more = f" and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
    return f"{summary.removesuffix('.')}. Changed here: {listed}{more}."


def changes_between(preset: Scenario, scenario: Scenario) -> list[tuple[str, Any, Any]]:
    """Path, value there and value here of all that differs; None where it is missing."""
    before, after = _flat(preset.to_dict()), _flat(scenario.to_dict())
    paths = dict.fromkeys([*before, *after])
    return [(path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """The numbers of a tree by their paths; a sensor's go by its name, and a range is one of them."""
    if isinstance(value, dict) and set(value) != {"low", "high", "log"}:
        pairs = list(value.items())
    elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
        pairs = [(one.get("name", str(place)), one) for place, one in enumerate(value)]
        path = ""
    else:
        return {path: value}
    return {key: one for name, part in pairs for key, one in _flat(part, f"{path}.{name}" if path else name).items()}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"[{value['low']:g}, {value['high']:g}]"
    return f"{value:g}" if isinstance(value, float) else "nothing" if value is None else str(value)


def pilot_sentence(pilot: str) -> str:
    """What a pilot is: the first sentence of a class or function, or what a policy was trained on."""
    try:
        if is_onnx_pilot(pilot):
            metadata = read_onnx(Path(pilot))[1]
            return f"A policy that was trained on {metadata.scenario}, exported."
        kind = pilot_class(pilot)
        if kind is None:
            return _trained(read_card(pilot_folder(pilot)))
    except Exception as error:  # a sentence is not worth a report
        return f"({type(error).__name__})"
    subject: Callable[..., Any] | type[Any] = kind.function if isinstance(kind, FunctionPilot) else type(kind)
    if inspect.isclass(kind):
        subject = kind
    own = subject.__dict__.get("__doc__") if inspect.isclass(subject) else inspect.getdoc(subject)
    return _first_sentence(own) or f"A pilot of one's own, {pilot}."


def _trained(card: dict[str, Any]) -> str:
    steps = (card.get("training") or {}).get("steps") or card.get("trained_steps")
    decisions = f" for {steps:,} decisions" if isinstance(steps, int) else ""
    return f"A policy that was trained on {card.get('scenario', 'a scenario')}{decisions}."


def _first_sentence(text: str | None) -> str:
    found = re.match(r"(.+?[.!?])(?:\s|$)", " ".join((text or "").split()))
    return found[1] if found else ""
