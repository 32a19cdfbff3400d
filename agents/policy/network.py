"""The learned pilot: a small network, saved as safetensors and JSON. Loading one never runs anybody's code."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from agents.policy.features import Features
from agents.reading import UnreadableError, read_json
from agents.run_folder import write_atomic, write_json
from lunar_env import Scenario
from lunar_env.flying.pilot import PILOTS_OWN, CannotFlyError, require_control
from lunar_env.missions import PRESETS

FORMAT = "lunar_env.policy/2"
UNSEALED = "lunar_env.policy/1"  # whose cards have no checksums: what it says and what it weighs is taken as it is
WEIGHTS, CARD = "policy.safetensors", "policy.json"
CELLS: dict[str, Any] = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}
PLAIN: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}  # whatever torch's defaults are
SAYS = ("format", "control", "history", "hidden", "scenario", "sha256")
UNSAID: dict[str, Any] = {  # what a card means that says nothing of it: older ones lack these
    "memory": {"kind": "none", "size": 0},
    "squash": False,
    "differences": False,
    "wishes": {},
}
LARGEST = 4096  # layer or history that a card may ask for: a wrong card shall not fill the memory


class PolicyFileError(ValueError):
    """Raised when a policy on disk cannot be used; the message names the file and what is wrong with it."""


class UnfitPolicyError(PolicyFileError, CannotFlyError):
    """Raised for a policy that a scenario does not show what it was trained to see."""


class PolicyNetwork(nn.Module):
    """Features to mean action: a recurrent cell if it has a memory, then tanh layers. No randomness.

    Args:
        feature_size: numbers in.
        hidden: sizes of the tanh layers.
        action_size: numbers out.
        memory: "none", "gru" or "lstm": what stands before the layers.
        memory_size: numbers that it gives to the layers.
        squash: the action is the tanh of the last layer, as soft actor-critic learns it.
    """

    def __init__(
        self,
        feature_size: int,
        hidden: tuple[int, ...],
        action_size: int,
        memory: str = "none",
        memory_size: int = 0,
        squash: bool = False,
    ) -> None:
        super().__init__()
        self.memory, self.memory_size, self.squash = memory, memory_size, squash
        sizes = (memory_size or feature_size, *hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs, **PLAIN), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], action_size, **PLAIN))
        if memory != "none":
            self.cell = CELLS[memory](feature_size, memory_size, **PLAIN)

    @property
    def state_size(self) -> int:
        """Numbers that it remembers of each lander; a long short-term memory has two for each that it shows."""
        return {"none": 0, "gru": 1, "lstm": 2}[self.memory] * self.memory_size

    def forward(self, features: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, feature_size) and (N, state_size) to the action (N, action_size), not yet clipped, and the new state."""
        if self.memory == "gru":
            state = features = self.cell(features, state)
        elif self.memory == "lstm":
            shown, kept = self.cell(features, state.chunk(2, dim=-1))
            features, state = shown, torch.cat([shown, kept], dim=-1)
        action = self.layers(features)
        return (torch.tanh(action) if self.squash else action), state


class LearnedPilot:
    """Flies a network in any scenario that speaks its control mode."""

    def __init__(
        self,
        name: str,
        network: PolicyNetwork,
        control: str,
        scenario: Scenario,
        device: torch.device | str = "cpu",
        differences: bool = False,
    ) -> None:
        require_control(name, scenario, control)
        self.features = Features(scenario, differences).to(device)
        self.network = network.to(device)
        self.state: torch.Tensor | None = None  # (N, state_size) what it remembers

    def reset(self, mask: torch.Tensor) -> None:
        """Forget what was remembered of the masked landers."""
        if self.state is None or len(self.state) != len(mask):
            self.state = torch.zeros(len(mask), self.network.state_size, device=mask.device, dtype=torch.float32)
        self.state = torch.where(mask[:, None], 0.0, self.state)

    @torch.no_grad()
    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The mean action (N, action_size), clipped to [-1, 1]."""
        if self.state is None:
            self.reset(torch.ones(len(observation), dtype=torch.bool, device=observation.device))
        with torch.autocast(observation.device.type, enabled=False):  # a policy is what it was when it was judged
            action, self.state = self.network(self.features(observation), self.state)
        return action.clamp(-1.0, 1.0)


def save_policy(folder: Path, network: PolicyNetwork, scenario: Scenario, further: dict[str, Any]) -> None:
    """Write weights and card. ``further``: the card's other fields, such as seed, trained_steps and wishes.

    The card has the checksums of both: what is damaged or changed on the disk is not flown.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    hidden = [layer.out_features for layer in network.layers if isinstance(layer, nn.Linear)][:-1]
    card = {
        "format": FORMAT,
        "control": scenario.control,
        "history": scenario.history,
        "hidden": hidden,
        "memory": {"kind": network.memory, "size": network.memory_size},
        "squash": network.squash,
        "scenario": scenario.name,
        **further,
    }
    content = save(weights)
    card["sha256"] = hashlib.sha256(content).hexdigest()
    write_atomic(folder / WEIGHTS, lambda temporary: temporary.write_bytes(content))
    write_json(folder / CARD, {**card, "flies": seal_of(card)})


def seal_of(card: dict[str, Any]) -> str:
    """The SHA-256 of all that a card says of how its policy flies, the checksum of the weights among it."""
    says = {**UNSAID, **{key: card[key] for key in (*SAYS, *UNSAID) if key in card}}
    return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a saved policy."""
    path = folder / CARD
    try:
        card = read_json(path)
    except FileNotFoundError:
        raise PolicyFileError(
            f"no policy in {folder}: {CARD} is missing; name a finished run or a shipped pilot"
        ) from None
    except (OSError, UnreadableError) as error:
        raise PolicyFileError(f"{path} cannot be read as JSON: {error}") from None
    needed = {"format": str, "control": str, "history": int, "hidden": list}
    for key, kind in needed.items():
        if not isinstance(card, dict) or not isinstance(card.get(key), kind):
            raise PolicyFileError(f"{path} has no {key!r} of type {kind.__name__}; it is not a policy card")
    sizes = [card["history"], *card["hidden"]]
    if not all(type(size) is int and 1 <= size <= LARGEST for size in sizes):
        raise PolicyFileError(f"{path}: history and hidden are whole numbers from 1 to {LARGEST}, got {sizes}")
    memory = card.setdefault("memory", dict(UNSAID["memory"]))
    if not isinstance(memory, dict) or memory.get("kind") not in ("none", *CELLS):
        raise PolicyFileError(f"{path}: memory.kind must be one of none, {', '.join(CELLS)}, got {memory!r}")
    least = 0 if memory["kind"] == "none" else 1
    if type(memory.get("size")) is not int or not least <= memory["size"] <= least * LARGEST:
        raise PolicyFileError(f"{path}: memory.size must be {least} to {least * LARGEST}, got {memory.get('size')!r}")
    wishes = card.setdefault("wishes", {})
    if not isinstance(wishes, dict) or not all(path.split(".")[0] in PILOTS_OWN for path in wishes):
        raise PolicyFileError(f"{path}: wishes are changes to {' and '.join(PILOTS_OWN)}, got {wishes!r}")
    for key in ("squash", "differences"):
        if type(card.setdefault(key, False)) is not bool:
            raise PolicyFileError(f"{path}: {key} must be true or false, got {card[key]!r}")
    if card["format"] not in (FORMAT, UNSEALED):
        raise PolicyFileError(f"{path} has format {card['format']!r}, this version reads {FORMAT!r}")
    if card["format"] == FORMAT and card.get("flies") != seal_of(card):
        raise PolicyFileError(
            f"{path} is not what was saved: its checksum is another; put it back as it was, train again, or go on "
            "with the run"
        )
    return card


def _require_seen(
    name: str, card: dict[str, Any], weights: dict[str, torch.Tensor], size: int, scenario: Scenario
) -> None:
    """Refuse a scenario that shows a policy something else than what it was trained to see. Raises UnfitPolicyError."""
    first = weights.get("cell.weight_ih" if card["memory"]["kind"] != "none" else "layers.0.weight")
    if first is None or first.dim() != 2 or first.shape[1] == size:
        return  # what is damaged is said elsewhere
    home = PRESETS.get(card.get("scenario", ""))
    trained = f", which has {sensors_in_words(home)}" if home else ""
    raise UnfitPolicyError(
        f"policy {name!r} sees the {first.shape[1]} numbers of {card.get('scenario', 'its scenario')!r}{trained}; "
        f"{scenario.name!r} shows {size}, it has {sensors_in_words(scenario)}"
    )


def sensors_in_words(scenario: Scenario) -> str:
    """For instance "altimeter (1 beam) and radar (3 beams, Doppler)"."""
    words = []
    for finder in scenario.sensors:
        beams = f"{finder.beams} beam{'s' if finder.beams > 1 else ''}{', Doppler' if finder.doppler else ''}"
        words.append(f"{finder.name} ({beams})")
    return " and ".join(words)


def read_weights(folder: Path, card: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of a policy by name, if they are those of which its card has the checksum."""
    path = folder / WEIGHTS
    try:
        content = path.read_bytes()
        if card["format"] == FORMAT and hashlib.sha256(content).hexdigest() != card.get("sha256"):
            raise PolicyFileError(
                f"{path} is damaged, or of another moment than {CARD}: its checksum is another; put back the file that "
                "was saved, train again, or go on with the run"
            )
        return load(content)
    except FileNotFoundError:
        raise PolicyFileError(f"no weights in {folder}: {WEIGHTS} is missing") from None
    except (SafetensorError, OSError) as error:
        raise PolicyFileError(f"{path} is not a whole safetensors file ({error}); pickles are never read") from None


def load_policy(folder: Path, scenario: Scenario, device: torch.device | str = "cpu") -> LearnedPilot:
    """The pilot saved in a folder, ready to fly a scenario. Everything is checked before it is believed."""
    card = read_card(folder)
    path, weights = folder / WEIGHTS, read_weights(folder, card)
    require_control(folder.name, scenario, card["control"])
    features = Features(scenario, card["differences"])
    _require_seen(folder.name, card, weights, features.size, scenario)
    memory = card["memory"]
    network = PolicyNetwork(
        features.size, tuple(card["hidden"]), len(scenario.action_names), memory["kind"], memory["size"], card["squash"]
    )
    for name, expected in network.state_dict().items():
        found = weights.get(name)
        if found is None or found.shape != expected.shape or found.dtype != expected.dtype:
            shape = None if found is None else f"{found.dtype} {tuple(found.shape)}"
            raise PolicyFileError(f"{path}: {name} is {shape}, needed is {expected.dtype} {tuple(expected.shape)}")
        if not bool(torch.isfinite(found).all()):
            raise PolicyFileError(f"{path}: {name} holds numbers that are not finite")
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return LearnedPilot(folder.name, network, card["control"], scenario, device, card["differences"])
