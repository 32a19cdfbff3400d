"""The same descents on a device and on a CPU. Both round differently, so they part by little, and seldom altogether."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lunar_env import Descent, load_scenario
from lunar_env.bench.contestants import MARE, every_fault

HELD = 20  # decisions for which an action is held, so that a flight gets somewhere
Flight = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Case:
    """Descents that both fly."""

    scenario: str
    changes: dict[str, Any]
    steps: int
    landers: int = 64


CASES = {
    "plain": Case("resilience", {"decision_period": 0.1}, 500),
    "every fault on mare": Case("resilience", {"decision_period": 0.1, **every_fault(), **MARE}, 200),
    "any_fault": Case("any_fault", {}, 40),
    "beams": Case("gaudet_beams", {}, 40),
}


def fly(case: Case, device: str) -> Flight:
    """What a case's landers did: (steps, landers) outcomes, and where they are in the end, (landers, ...)."""
    descent = Descent(load_scenario(case.scenario, **case.changes), case.landers, device, seed=3)
    outcomes = [descent.step(action).outcome.cpu() for action in actions(descent, case.steps)]
    truth = descent.truth()
    seen = {
        "outcomes": torch.stack(outcomes),
        "episode": descent.state["episode.episode"],
        "height": truth["height"],
        "descent rate": truth["descent_rate"],
        "observation": descent.state.observation,
    }
    return {name: values.cpu().double().numpy() for name, values in seen.items()}


def actions(descent: Descent, steps: int) -> list[torch.Tensor]:
    """Gentle random actions, the same on every device."""
    random = torch.Generator(device="cpu").manual_seed(5)
    shape = (1 + steps // HELD, descent.num_envs, descent.action_size)
    table = 0.4 * torch.rand(*shape, generator=random, dtype=torch.float32, device="cpu") - 0.4
    return list(table.to(descent.device)[[step // HELD for step in range(steps)]])


def apart(mine: Flight, reference: Flight) -> dict[str, float]:
    """The share of landers whose episodes all ended alike, and by how much these are apart in the end."""
    same = (mine["episode"] == reference["episode"]) & (mine["outcomes"] == reference["outcomes"]).all(axis=0)
    found = {"same outcomes": float(same.mean())}
    for name in ("height", "descent rate", "observation"):
        differences = np.abs(mine[name][same] - reference[name][same])
        found[name] = float(np.nanmax(differences, initial=0.0))
    return found


def agreement(device: str, reference: Path | None) -> dict[str, Any]:
    """Of each case how far the device is from the CPU.

    Args:
        device: that is looked at.
        reference: file of ``write_reference``; None to fly on the CPU now.
    """
    known = read_reference(reference) if reference else {name: fly(case, "cpu") for name, case in CASES.items()}
    return {name: apart(fly(case, device), known[name]) for name, case in CASES.items()}


def write_reference(path: Path) -> None:
    """Fly all cases on the CPU, for a machine where no kernel can be compiled for its own."""
    flown = {f"{name}/{what}": table for name, case in CASES.items() for what, table in fly(case, "cpu").items()}
    np.savez_compressed(path, allow_pickle=False, **flown)


def read_reference(path: Path) -> dict[str, Flight]:
    """What ``write_reference`` wrote. Raises KeyError if a case is not in it."""
    with np.load(path, allow_pickle=False) as tables:
        return {
            name: {what: tables[f"{name}/{what}"] for what in ("outcomes", "episode", *_COMPARED)} for name in CASES
        }


_COMPARED = ("height", "descent rate", "observation")
