"""What an exported policy says of itself: for which scenario it is, what it has to be shown, and in which units."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_origin

from agents.guidance.descent_loop import DescentLoop
from agents.policy.network import LARGEST, PolicyFileError, UnfitPolicyError, read_card
from agents.reading import read_json
from lunar_env import Scenario, load_scenario
from lunar_env.changes import from_dict
from lunar_env.flying.pilot import PILOTS_OWN

FORMAT = "lunar_env.exported_policy/1"


@dataclass(frozen=True)
class PolicyMetadata:
    """The facts that travel with the graph. Lists run over the channels of one reading, the beams, the actions."""

    scenario: str  # its name
    control: str  # what the actions mean, see lunar_env/vehicle/control.py
    history: int  # readings in one observation, oldest first
    decision_period: float  # [s] between actions in that scenario
    wishes: dict[str, Any]  # changes to other scenarios with which it wants to fly them, such as this period
    channels: list[str]  # names, in the order of a reading
    scales: list[float]  # what each channel was divided by, in its SI unit
    beams: list[list[float]]  # (x, y, z) of each, body axes: the features are worked out for these
    loop: dict[str, float]  # of the vehicle and its loop, what the features are worked out for; empty if for none
    actions: list[str]  # names
    memory: str  # "none", "gru" or "lstm"
    state_size: int  # numbers that it remembers of each lander
    commit: str  # of the code that it was trained with

    @property
    def size(self) -> int:
        """Numbers in one observation."""
        return len(self.channels) * self.history

    def as_dict(self) -> dict[str, Any]:
        """All of it, the format first."""
        return {"format": FORMAT, **asdict(self)}

    def as_texts(self) -> dict[str, str]:
        """The same as texts: words as they are, numbers and lists as JSON."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.as_dict().items()}

    def require_fits(self, path: Path, scenario: Scenario) -> None:
        """Refuse a scenario whose observations or actions are not those of the policy in ``path``."""
        for key in ("control", "history"):
            wanted, found = getattr(self, key), getattr(scenario, key)
            if wanted != found:
                raise PolicyFileError(
                    f"{path} is for {key}={wanted!r}, scenario {scenario.name!r} has {found!r}; "
                    f"load it with {key}={wanted!r}"
                )
        table = scenario.observation_table()
        names = [channel.name for channel in table.channels]
        if names != self.channels:
            raise UnfitPolicyError(
                f"{path} sees the channels of {self.scenario!r}, scenario {scenario.name!r} has others "
                f"(missing: {_listed(self.channels, names)}; unknown: {_listed(names, self.channels)}); "
                "fly a scenario with the same instruments, or export a policy that was trained on this one"
            )
        if beams_of(scenario) != self.beams:
            raise UnfitPolicyError(
                f"{path} was trained with beams along {self.beams}, those of scenario {scenario.name!r} point along "
                f"{beams_of(scenario)}; export a policy that was trained on this one"
            )
        found = loop_of(scenario) if self.loop else {}
        for key in found:
            if found[key] != self.loop.get(key):
                raise UnfitPolicyError(
                    f"{path} works out what it is shown for {key}={self.loop.get(key)}, scenario {scenario.name!r} has "
                    f"{found[key]}; fly a scenario that agrees, or the run that it was exported from"
                )


def metadata_of(
    scenario: Scenario, wishes: dict[str, Any], differences: bool, memory: str, state_size: int, commit: str
) -> PolicyMetadata:
    """What a policy of a scenario, as it was trained on it, has to say of itself."""
    channels = scenario.observation_table().channels
    return PolicyMetadata(
        scenario=scenario.name,
        control=scenario.control,
        history=scenario.history,
        decision_period=float(scenario.decision_period),
        wishes=wishes,
        channels=[channel.name for channel in channels],
        scales=[float(channel.scale) for channel in channels],
        beams=beams_of(scenario),
        loop=loop_of(scenario) if differences else {},
        actions=list(scenario.action_names),
        memory=memory,
        state_size=state_size,
        commit=commit,
    )


def metadata_from(path: Path, texts: Mapping[str, str]) -> PolicyMetadata:
    """The facts in a file that anybody may have written. Raises PolicyFileError for what they cannot mean."""
    texts = {"wishes": "{}", "loop": "{}", **texts}  # older files lack them
    values = {item.name: _value(path, item.name, item.type, texts) for item in fields(PolicyMetadata)}
    metadata = PolicyMetadata(**values)
    rules = {
        f"wishes for {' and '.join(PILOTS_OWN)}": {part.split(".")[0] for part in metadata.wishes} <= set(PILOTS_OWN),
        f"history from 1 to {LARGEST}": 1 <= metadata.history <= LARGEST,
        f"state_size from 0 to {2 * LARGEST}": 0 <= metadata.state_size <= 2 * LARGEST,
        "channels and actions by name": all(
            type(name) is str and name.isidentifier() for name in (*metadata.channels, *metadata.actions)
        ),
        "a scale above 0 for each channel": len(metadata.scales) == len(metadata.channels) > 0
        and all(_is_number(scale) and scale > 0.0 for scale in metadata.scales),
        "three numbers for each beam": all(
            type(beam) is list and len(beam) == 3 and all(map(_is_number, beam)) for beam in metadata.beams
        ),
        "numbers for the loop": all(map(_is_number, metadata.loop.values())),
    }
    broken = [rule for rule, kept in rules.items() if not kept]
    if broken:
        raise PolicyFileError(f"{path}: its metadata need {'; '.join(broken)}; export the policy again")
    return metadata


def trained_scenario(folder: Path) -> Scenario:
    """The scenario that the policy of a run is for: as its configuration has it, else by the name on its card."""
    card, path = read_card(folder), folder / "config.json"
    try:
        named = str(card.get("scenario"))
        scenario = from_dict(read_json(path)["scenario"]) if path.exists() else load_scenario(named)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        where = path if path.exists() else folder / "policy.json"
        raise PolicyFileError(
            f"{where} names no scenario of this version ({error.args[0] if error.args else error}); "
            "export with the version that the policy was trained with"
        ) from None
    return load_scenario(scenario, control=card["control"], history=card["history"], **card["wishes"])


def beams_of(scenario: Scenario) -> list[list[float]]:
    """Where each beam points, (x, y, z) in body axes."""
    return [[float(part) for part in beam.direction] for beam in scenario.observation_table().beams()]


def loop_of(scenario: Scenario) -> dict[str, float]:
    """What differences.py uses of the vehicle and of the loop that flies it, by where a scenario has it."""
    loop = DescentLoop.of(scenario)
    scales = {channel.name: float(channel.scale) for channel in scenario.observation_table().channels}
    return {
        "engine.maximum_thrust": loop.vehicle.maximum_thrust,
        "mass.dry": loop.vehicle.dry_mass,
        "start.propellant": scales["propellant"],
        "moon.surface_gravity": loop.vehicle.gravity,
        "moon.radius": loop.vehicle.radius,
        "decision_period": loop.period,
        "guidance.vertical_time": loop.time,
        "guidance.maximum_descent_rate": loop.fastest,
    }


def _value(path: Path, key: str, kind: Any, texts: Mapping[str, str]) -> Any:
    """One fact, of the type that it has to be."""
    text, kind = texts.get(key), get_origin(kind) or kind
    value: Any = None
    with contextlib.suppress(ValueError, RecursionError):  # None is of no wanted type
        value = text if kind is str else json.loads(text or "")
    if kind is float and _is_number(value):
        return float(value)
    if type(value) is not kind:
        raise PolicyFileError(
            f"{path}: its metadata need {key!r} as {kind.__name__}, got {text!r:.80}; export the policy again"
        )
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e30  # which nan is not, nor what float32 cannot hold


def _listed(names: list[str], others: list[str]) -> str:
    return ", ".join(name for name in names if name not in others) or "none"
