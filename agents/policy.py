"""The learned pilot: a small network, saved as safetensors and JSON. Loading one never runs anybody's code."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from agents.features import Features
from agents.pilot import require_control
from agents.run_folder import write_atomic, write_json
from lunar_env import Scenario

FORMAT = "lunar_env.policy/1"
WEIGHTS, CARD = "policy.safetensors", "policy.json"
LARGEST = 4096  # layer or history that a card may ask for: a wrong card shall not fill the memory


class PolicyFileError(ValueError):
    """Raised when a policy on disk cannot be used; the message names the file and what is wrong with it."""


class PolicyNetwork(nn.Module):
    """Features to mean action: tanh layers, no randomness."""

    def __init__(self, feature_size: int, hidden: tuple[int, ...], action_size: int) -> None:
        super().__init__()
        sizes = (feature_size, *hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], action_size))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, feature_size) to (N, action_size), not yet clipped to [-1, 1]."""
        return self.layers(features)


class LearnedPilot:
    """Flies a network in any scenario that speaks its control mode."""

    def __init__(
        self, name: str, network: PolicyNetwork, control: str, scenario: Scenario, device: torch.device | str = "cpu"
    ) -> None:
        require_control(name, scenario, control)
        self.features = Features(scenario.observation_table()).to(device)
        self.network = network.to(device)

    def reset(self, mask: torch.Tensor) -> None:
        """Nothing to forget: its memory is the history in the observation."""

    @torch.inference_mode()
    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The mean action (N, action_size), clipped to [-1, 1]."""
        return self.network(self.features(observation)).clamp(-1.0, 1.0)


def save_policy(folder: Path, network: PolicyNetwork, scenario: Scenario, told: dict[str, Any]) -> None:
    """Write weights and card. ``told`` is what the card says about how the policy came to be."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    hidden = [layer.out_features for layer in network.layers if isinstance(layer, nn.Linear)][:-1]
    card = {
        "format": FORMAT,
        "control": scenario.control,
        "history": scenario.history,
        "hidden": hidden,
        "scenario": scenario.name,
        **told,
    }
    write_atomic(folder / WEIGHTS, lambda temporary: save_file(weights, str(temporary)))
    write_json(folder / CARD, card)


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a saved policy."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PolicyFileError(
            f"no policy in {folder}: {CARD} is missing; name a finished run or a shipped pilot"
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PolicyFileError(f"{path} cannot be read as JSON: {error}") from None
    needed = {"format": str, "control": str, "history": int, "hidden": list}
    for key, kind in needed.items():
        if not isinstance(card, dict) or not isinstance(card.get(key), kind):
            raise PolicyFileError(f"{path} has no {key!r} of type {kind.__name__}; it is not a policy card")
    sizes = [card["history"], *card["hidden"]]
    if not all(type(size) is int and 1 <= size <= LARGEST for size in sizes):
        raise PolicyFileError(f"{path}: history and hidden are whole numbers from 1 to {LARGEST}, got {sizes}")
    if card["format"] != FORMAT:
        raise PolicyFileError(f"{path} has format {card['format']!r}, this version reads {FORMAT!r}")
    return card


def load_policy(folder: Path, scenario: Scenario, device: torch.device | str = "cpu") -> LearnedPilot:
    """The pilot saved in a folder, ready to fly a scenario. Everything is checked before it is believed."""
    card = read_card(folder)
    path = folder / WEIGHTS
    try:
        weights = load_file(str(path))
    except FileNotFoundError:
        raise PolicyFileError(f"no weights in {folder}: {WEIGHTS} is missing") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise PolicyFileError(f"{path} is not a whole safetensors file ({error}); pickles are never read") from None
    require_control(folder.name, scenario, card["control"])
    features = Features(scenario.observation_table())
    network = PolicyNetwork(features.size, tuple(card["hidden"]), len(scenario.action_names))
    for name, expected in network.state_dict().items():
        found = weights.get(name)
        if found is None or found.shape != expected.shape or found.dtype != expected.dtype:
            shape = None if found is None else f"{found.dtype} {tuple(found.shape)}"
            raise PolicyFileError(f"{path}: {name} is {shape}, needed is {expected.dtype} {tuple(expected.shape)}")
        if not bool(torch.isfinite(found).all()):
            raise PolicyFileError(f"{path}: {name} holds numbers that are not finite")
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return LearnedPilot(folder.name, network, card["control"], scenario, device)
