"""A policy is flown as it was saved, or not at all: weights and card have checksums."""

import json
import shutil
from pathlib import Path

import pytest
from helpers import ROOT

pytest.importorskip("safetensors")

from agents.policy.network import CARD, WEIGHTS, PolicyFileError, load_policy
from lunar_env import load_scenario

REFERENCE = ROOT / "runs" / "reference"
SHIPPED = sorted(path.parent for path in (ROOT / "runs").glob("*/policy.json"))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A copy of the policy that ships."""
    for name in (WEIGHTS, CARD):
        shutil.copy(REFERENCE / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_policy_that_ships_has_its_checksums(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    assert card["format"] == "lunar_env.policy/2" and len(card["sha256"]) == len(card["flies"]) == 64


@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_one_flipped_bit_in_the_weights_is_not_flown(place: float, policy: Path) -> None:
    scenario = load_scenario("resilience", history=4)
    load_policy(policy, scenario)
    content = bytearray((policy / WEIGHTS).read_bytes())
    content[int(place * len(content))] ^= 1
    (policy / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(PolicyFileError, match=r"policy.safetensors is damaged.*checksum"):
        load_policy(policy, scenario)


@pytest.mark.parametrize(
    "change",
    [{"history": 3}, {"control": "throttle"}, {"hidden": [64]}, {"squash": True}, {"wishes": {"decision_period": 0.5}}],
    ids=str,
)
def test_a_card_that_says_something_else_than_was_saved_is_not_flown(change: dict, policy: Path) -> None:
    card = json.loads((policy / CARD).read_text(encoding="utf-8"))
    (policy / CARD).write_text(json.dumps({**card, **change}), encoding="utf-8")
    with pytest.raises(PolicyFileError, match=r"policy.json is not what was saved"):
        load_policy(policy, load_scenario("resilience", history=4))
