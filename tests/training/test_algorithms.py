"""The table of algorithms: what a row lacks is refused in words, and a new trainer is a function and a row."""

import inspect
import json
import sys
import time
from dataclasses import fields

import pytest
import torch
from helpers import ROOT

pytest.importorskip("stable_baselines3")
pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from agents import train
from agents.policy.features import Features
from agents.policy.network import LearnedPilot, PolicyNetwork, save_policy
from agents.training.algorithms import ALGORITHMS, SB3, Algorithm
from agents.training.experiment import ConfigError, experiment
from agents.training.prepare import learner_of
from agents.training.sb3.dialect import OFF_POLICY, ON_POLICY
from lunar_env import Descent

CAPABILITIES = [item for item in fields(Algorithm) if "key" in item.metadata]
EACH_ALGORITHM = pytest.mark.parametrize("row", ALGORITHMS.values(), ids=ALGORITHMS.keys())
EACH_CAPABILITY = pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda item: item.name)

# Something that an experiment may ask for at the key of each capability.
ASKED = {
    "network.memory": {"network": {"memory": "gru"}},
    "network.critic": {"network": {"critic": "privileged"}},
    "network.start": {"network": {"start": "runs/reference"}},
    "ppo.critic_first": {"ppo": {"critic_first": 2}},
    "ppo.desired_kl": {"ppo": {"desired_kl": 0.01}},
    "ppo.last_deviation": {"ppo": {"last_deviation": [0.1]}},
    "[[stages]]": {"stages": [{"after": 0.5, "practice": {}}]},
    "[curriculum]": {"curriculum": {}},
    "[imitation]": {"imitation": {"pilot": "cautious", "steps": 10}},
    "device": {"device": "cuda"},
}

pytestmark = pytest.mark.usefixtures("one_thread")


def asking(row, asked):
    """An experiment of an algorithm, with one thing asked for; its memory is one that the algorithm has."""
    tree = {"scenario": "resilience", "algorithm": row.name, **asked}
    tree["network"] = {"memory": row.memories[0], **tree.get("network", {})}
    return experiment(tree, "here")


def able(name, memory="gru"):
    """The algorithms that have a capability; of memories, this one."""
    found = {row.name: getattr(row, name) for row in ALGORITHMS.values()}
    return [algorithm for algorithm, has in found.items() if (memory in has if name == "memories" else has)]


def test_an_unknown_algorithm_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match="algorithm must be one of ") as refused:
        experiment({"scenario": "resilience", "algorithm": "guess"}, "here")
    assert "got 'guess'" in str(refused.value)
    assert all(repr(name) in str(refused.value) for name in ALGORITHMS)


def test_each_capability_has_something_that_an_experiment_may_ask_for():
    assert [item.metadata["key"] for item in CAPABILITIES] == list(ASKED)
    assert all(able(item.name) for item in CAPABILITIES), "nobody has it"


@EACH_ALGORITHM
@EACH_CAPABILITY
def test_what_an_algorithm_lacks_is_refused_with_its_name_the_key_and_who_has_it(row, capability):
    key = capability.metadata["key"]
    if row.name in able(capability.name):
        assert asking(row, ASKED[key]).algorithm == row.name
        return
    with pytest.raises(ConfigError) as refused:
        asking(row, ASKED[key])
    for word in (row.name, key, *able(capability.name)):
        assert word in str(refused.value), str(refused.value)
    assert str(refused.value).count("\n") <= 1 and "scenario" not in str(refused.value), "it shows the whole experiment"


@EACH_ALGORITHM
@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_a_memory_that_an_algorithm_lacks_is_refused_with_those_that_it_has(row, memory):
    if memory in row.memories:
        assert asking(row, {"network": {"memory": memory}}).network.memory == memory
        return
    with pytest.raises(ConfigError, match=rf"network\.memory of {row.name} must be .*, got '{memory}'") as refused:
        asking(row, {"network": {"memory": memory}})
    for word in (*map(repr, row.memories), *able("memories", memory)):
        assert word in str(refused.value), str(refused.value)


@EACH_ALGORITHM
def test_more_processes_than_an_algorithm_can_use_are_refused_with_who_can(row, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    if row.several_processes:
        assert callable(learner_of(row.name))
        return
    with pytest.raises(ConfigError, match=f"{row.name} trains in one process; start it without torchrun") as refused:
        learner_of(row.name)
    assert all(f"algorithm={name}" in str(refused.value) for name in able("several_processes"))


@EACH_ALGORITHM
def test_a_search_among_numbers_that_an_algorithm_ignores_is_refused(row, tmp_path):
    pytest.importorskip("optuna")
    from agents.search.plan import load_plan

    memory = row.memories[0]
    base = f'scenario = "resilience"\nalgorithm = "{row.name}"\nnetwork = {{ memory = "{memory}" }}\n'
    (tmp_path / "base.toml").write_text(base, encoding="utf-8")
    search = tmp_path / "search.toml"
    used = "ppo" if row.off_policy else "off_policy"
    for table in ("ppo", "off_policy"):
        search.write_text(f'experiment = "base.toml"\n[space]\n{table}.steps = [2, 4]\n', encoding="utf-8")
        if table != used:
            assert load_plan(search, (), 0).experiment().algorithm == row.name
            continue
        with pytest.raises(ConfigError, match=rf"space\.{table}\.steps: {row.name} does not use it"):
            load_plan(search, (), 0)


def test_who_has_it_follows_from_the_table(monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "toy", Algorithm("toy", "nowhere.learn", curriculum=True))
    with pytest.raises(ConfigError, match=r"sb3\.ppo has no curriculum; rsl_rl\.ppo or toy knows \[curriculum\], or"):
        asking(ALGORITHMS["sb3.ppo"], {"curriculum": {}})
    assert asking(ALGORITHMS["toy"], {"curriculum": {}}).curriculum is not None
    with pytest.raises(ConfigError, match=r"toy learns on the CPU; rsl_rl\.ppo knows device = 'cuda', or leave device"):
        asking(ALGORITHMS["toy"], {"device": "cuda"})


@EACH_ALGORITHM
def test_every_row_names_a_learner_that_takes_what_a_training_gives_it(row):
    taken = list(inspect.signature(row.load_learner()).parameters)
    assert taken == ["experiment", "practice", "scenario", "folder", "resume", "listener"]


def test_the_shell_of_stable_baselines3_has_a_learner_for_each_of_its_rows():
    rows = [row for row in ALGORITHMS.values() if row.learner == SB3]
    assert {row.name for row in rows if row.off_policy} == set(OFF_POLICY)
    assert {row.name for row in rows if not row.off_policy} == set(ON_POLICY)


def test_the_page_about_training_lists_every_algorithm():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert [name for name in ALGORITHMS if f"`{name}`" not in page] == []


# A trainer of one function ------------------------------------------------------------------------------------------


def search_at_random(experiment, practice, scenario, folder, resume, listener=None):
    """Of some networks that are drawn at random, leave the one that earns most."""
    began = time.perf_counter()
    torch.manual_seed(experiment.seed)
    size, actions = Features(practice).size, len(practice.action_names)
    steps, best = 0, (float("-inf"), None)
    while steps < experiment.total_steps:
        network = PolicyNetwork(size, experiment.network.hidden, actions)
        pilot, earned = LearnedPilot("toy", network, practice.control, practice), 0.0
        descent = Descent(practice, experiment.num_envs, seed=experiment.seed)
        seen = descent.reset()
        for _ in range(experiment.ppo.steps):
            transition = descent.step(pilot.act(seen))
            seen, earned = transition.observation, earned + float(transition.reward.sum())
        best = max(best, (earned, network), key=lambda pair: pair[0])
        steps += experiment.num_envs * experiment.ppo.steps
        if listener is not None:
            listener(steps, {"episodes": 0.0})
    save_policy(folder, best[1], scenario, {"trained_steps": steps, **experiment.pilots_card})
    seconds = time.perf_counter() - began
    return {"steps": steps, "seconds": seconds, "steps_per_second": steps / seconds, "environment_share": 1.0}


TOY = """
scenario = "vertical"
algorithm = "toy"
num_envs = 8
total_steps = 512
ppo = { steps = 16 }
network = { hidden = [8] }
evaluation = { episodes = 4, pilots = ["as_flown"] }
"""


def test_a_function_and_a_row_are_a_trainer(tmp_path, monkeypatch, capsys):
    config, run = tmp_path / "toy.toml", tmp_path / "run"
    config.write_text(TOY, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["agents.train", str(config), f"--out={run}"])
    assert train.main() == 2
    assert "algorithm must be one of 'sb3.ppo'" in capsys.readouterr().err
    assert not run.exists()

    monkeypatch.setitem(ALGORITHMS, "toy", Algorithm("toy", f"{__name__}.search_at_random"))
    assert train.main() == 0
    record, card = (json.loads((run / name).read_text(encoding="utf-8")) for name in ("run.json", "policy.json"))
    assert record["training"]["steps"] == card["trained_steps"] == 512
    rows = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["results"]
    assert [(row["pilot"], row["episodes"]) for row in rows] == [("as_flown", 4), ("run", 4)]
