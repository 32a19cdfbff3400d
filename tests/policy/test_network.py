"""A policy on disk: what was saved is what flies, what is broken is refused, and nobody's code is run."""

import io
import json
import math
import os
import pickle

import pytest
import torch

pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file

from agents.pilots import as_shown_to, make_pilot, wishes_of
from agents.policy.features import Features
from agents.policy.network import CARD, WEIGHTS, LearnedPilot, PolicyFileError, PolicyNetwork, load_policy, save_policy
from agents.training.experiment import Experiment
from lunar_env import Descent, load_scenario
from lunar_env.flying.pilot import CannotFlyError

RESILIENCE = load_scenario("resilience")


def random_policy(scenario=RESILIENCE, hidden=(8, 6)):
    torch.manual_seed(3)
    return PolicyNetwork(Features(scenario).size, hidden, len(scenario.action_names))


def saved(folder, scenario=RESILIENCE):
    network = random_policy(scenario)
    save_policy(folder, network, scenario, {"seed": 7})
    return network


def observations(scenario, count=32):
    descent = Descent(scenario, count, seed=5)
    for _ in range(10):
        seen = descent.step(torch.zeros(count, descent.action_size)).observation
    return seen


def test_a_saved_policy_acts_bit_for_bit_as_before(tmp_path):
    network = saved(tmp_path)
    before = LearnedPilot("before", network, RESILIENCE.control, RESILIENCE)
    after = load_policy(tmp_path, RESILIENCE)
    seen = observations(RESILIENCE)
    actions = after.act(seen)
    assert torch.equal(actions, before.act(seen))
    assert actions.shape == (32, 3)
    assert (actions != actions[0]).any(), "the policy does not look"


def test_actions_are_clipped_to_what_the_environment_takes(tmp_path):
    network = saved(tmp_path)
    with torch.no_grad():
        network.layers[-1].bias += torch.tensor([50.0, -50.0, 0.0])
    save_policy(tmp_path, network, RESILIENCE, {})
    actions = load_policy(tmp_path, RESILIENCE).act(observations(RESILIENCE))
    assert (actions[:, 0] == 1.0).all()
    assert (actions[:, 1] == -1.0).all()
    assert (actions[:, 2].abs() < 1.0).all()


def change_card(folder, **changes):
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card.update(changes)
    kept = {key: value for key, value in card.items() if value is not None}
    (folder / CARD).write_text(json.dumps(kept), encoding="utf-8")


def change_weights(folder, **changes):
    weights = {**load_file(folder / WEIGHTS), **changes}
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, folder / WEIGHTS)


def truncate(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def pickled(folder):
    torch.save(random_policy().state_dict(), folder / WEIGHTS)


BROKEN = {
    "weights cut off at the end": (lambda folder: truncate(folder / WEIGHTS, 0.9), [WEIGHTS, "not a whole"]),
    "weights cut off in the header": (lambda folder: truncate(folder / WEIGHTS, 0.02), [WEIGHTS, "not a whole"]),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), [WEIGHTS, "missing"]),
    "an empty file": (lambda folder: (folder / WEIGHTS).write_bytes(b""), [WEIGHTS, "not a whole"]),
    "a pickle for weights": (pickled, [WEIGHTS, "pickles are never read"]),
    "a layer too narrow": (
        lambda folder: change_weights(folder, **{"layers.2.weight": torch.zeros(6, 7)}),
        [WEIGHTS, "layers.2.weight", "(6, 7)", "(6, 8)"],
    ),
    "a layer left out": (
        lambda folder: change_weights(folder, **{"layers.4.bias": None}),
        [WEIGHTS, "layers.4.bias", "None"],
    ),
    "other numbers": (
        lambda folder: change_weights(folder, **{"layers.4.bias": torch.zeros(3, dtype=torch.float64)}),
        [WEIGHTS, "layers.4.bias", "float64", "float32"],
    ),
    "a weight that is NaN": (
        lambda folder: change_weights(folder, **{"layers.4.bias": torch.tensor([0.0, math.nan, 0.0])}),
        [WEIGHTS, "layers.4.bias", "not finite"],
    ),
    "an infinite weight": (
        lambda folder: change_weights(folder, **{"layers.4.bias": torch.tensor([0.0, math.inf, 0.0])}),
        [WEIGHTS, "layers.4.bias", "not finite"],
    ),
    "a card of another network": (lambda folder: change_card(folder, hidden=[8, 7]), [WEIGHTS, "(7, 8)"]),
    "no card": (lambda folder: (folder / CARD).unlink(), [CARD, "missing", "finished run"]),
    "a card that is not JSON": (lambda folder: truncate(folder / CARD, 0.5), [CARD, "JSON"]),
    "a card that is not text": (lambda folder: (folder / CARD).write_bytes(b"\xff\x00"), [CARD, "JSON"]),
    "a card that is a list": (lambda folder: (folder / CARD).write_text("[1]"), [CARD, "'format'"]),
    "another format": (
        lambda folder: change_card(folder, format="lunar_env.policy/99"),
        [CARD, "policy/99", "policy/2"],
    ),
    "a card without its control mode": (lambda folder: change_card(folder, control=None), [CARD, "'control'"]),
    "a card without its layers": (lambda folder: change_card(folder, hidden=None), [CARD, "'hidden'"]),
    "a history in words": (lambda folder: change_card(folder, history="two"), [CARD, "'history'"]),
    "no history at all": (lambda folder: change_card(folder, history=0), [CARD, "history", "from 1"]),
    "layers in words": (lambda folder: change_card(folder, hidden=["wide"]), [CARD, "hidden", "'wide'"]),
    "differences in words": (
        lambda folder: change_card(folder, differences="all"),
        [CARD, "differences", "'all'"],
    ),
    "wishes in words": (lambda folder: change_card(folder, wishes="faster"), [CARD, "wishes", "'faster'"]),
    "a wish for another planet": (
        lambda folder: change_card(folder, wishes={"moon.surface_gravity": 1.0}),
        [CARD, "guidance and decision_period", "moon.surface_gravity"],
    ),
    "a layer that fills the memory": (lambda folder: change_card(folder, hidden=[10**12]), [CARD, "hidden"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_policy_is_refused_with_the_file_and_what_is_wrong(case, tmp_path):
    saved(tmp_path)
    change_card(tmp_path, format="lunar_env.policy/1", sha256=None, flies=None)  # without checksums, as older ones
    load_policy(tmp_path, RESILIENCE)
    damage, words = BROKEN[case]
    damage(tmp_path)
    with pytest.raises(PolicyFileError) as caught:
        load_policy(tmp_path, RESILIENCE)
    for word in [str(tmp_path), *words]:
        assert word in str(caught.value), str(caught.value)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_loading_a_strangers_policy_runs_no_code(write, name, tmp_path):
    folder, sprung = tmp_path / "policy", tmp_path / "sprung"
    folder.mkdir()
    saved(folder)
    with open(folder / name, "wb") as file:
        write(Trap(sprung), file)
    with pytest.raises(PolicyFileError, match=name):
        load_policy(folder, RESILIENCE)
    assert not sprung.exists()
    # The trap is a real one.
    if write is pickle.dump:
        pickle.loads((folder / name).read_bytes())
    else:
        torch.load(io.BytesIO((folder / name).read_bytes()), weights_only=False)
    assert sprung.is_dir()


def test_a_policy_with_memory_is_shown_as_many_readings_as_it_was_trained_on(tmp_path):
    long = load_scenario("resilience", history=4)
    saved(tmp_path, long)
    assert wishes_of(str(tmp_path), long) == {"control": "descent_rate", "history": 4}
    assert wishes_of("as_flown", long)["history"] == 1
    shown = as_shown_to(str(tmp_path), "resilience_replay")
    actions = make_pilot(str(tmp_path), shown, 32).act(observations(shown))
    assert torch.isfinite(actions).all()
    with pytest.raises(CannotFlyError, match=r"sees the 84 numbers of 'resilience'.*altimeter \(1 beam\).* shows 21"):
        load_policy(tmp_path, RESILIENCE)


def test_a_policy_flies_every_scenario_with_the_loop_and_the_period_that_it_was_trained_with(tmp_path):
    trained = {"guidance.vertical_time": 0.8, "decision_period": 0.5}
    wanted = Experiment(scenario="resilience", changes={**trained, "start.throttle": 0.5})
    save_policy(tmp_path, random_policy(), RESILIENCE, wanted.pilots_card)
    shown = as_shown_to(str(tmp_path), "resilience_replay")
    assert shown == load_scenario("resilience_replay", **trained)
