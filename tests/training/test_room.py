"""An experiment has room, and an end: what has not is refused before there is a folder, and --out stays free."""

import math
from typing import Any, get_args

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt, MaxLen
from helpers import exit_code

pytest.importorskip("rsl_rl")
pytest.importorskip("stable_baselines3")
pytest.importorskip("tyro")
pytest.importorskip("optuna")

from agents import train
from agents.search.plan import Pruning, Search, Validation
from agents.training import experiment as tables
from agents.training.experiment import load_experiment
from agents.training.prepare import learner_of, scenarios_of
from agents.training.room import needs_of
from lunar_env.kernel import room

TINY = """
scenario = "vertical"
algorithm = "rsl_rl.ppo"
num_envs = 8
total_steps = 128
threads = 1
ppo = { steps = 8, batch_size = 32, epochs = 1 }
network = { hidden = [8] }
evaluation = { episodes = 2, pilots = [] }
"""
MODELS = [
    *(tables.Ppo, tables.OffPolicy, tables.Network, tables.Curriculum, tables.Stage, tables.Imitation),
    *(tables.Evaluation, tables.Experiment, Search, Validation, Pruning),
]
SEEDS = {("Experiment", "seed"), ("Evaluation", "seed"), ("Validation", "seed")}  # a block of their own each


def fields():
    return [(model, name) for model in MODELS for name in model.model_fields if (model.__name__, name) not in SEEDS]


@pytest.mark.parametrize("model, name", fields(), ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_every_number_of_an_experiment_has_both_its_ends(model, name):
    item = model.model_fields[name]
    rules, kinds = list(item.metadata), {item.annotation}
    if getattr(item.annotation, "__origin__", None) is tuple and model is not tables.Experiment:
        (inner, _) = get_args(item.annotation)
        parts = get_args(inner)
        kinds, rules = {parts[0]} if parts else {inner}, [*rules, *(parts[1].metadata if parts else ())]
    if kinds & {int, float}:
        assert any(isinstance(rule, Ge | Gt) for rule in rules), "no lower end"
        assert any(isinstance(rule, Le | Lt) for rule in rules), "no upper end"
    if getattr(item.annotation, "__origin__", None) is tuple and name not in ("last_deviation", "deviation", "bias"):
        assert any(isinstance(rule, MaxLen) for rule in rules), "no end of the list"


WRONG = [
    ("threads=100000", "threads: Input should be less than or equal to 1024, got 100000"),
    ("threads=-1", "threads: Input should be greater than or equal to 0"),
    ("total_steps=1" + 23 * "0", "total_steps: Input should be less than or equal to 10000000000000"),
    ("num_envs=1000000000", "num_envs: Input should be less than or equal to 16777216"),
    ("num_envs=true", "num_envs: must be a whole number, got True"),
    ('num_envs="8"', "num_envs: must be a whole number, got '8'"),
    ("num_envs=8.5", "num_envs: Input should be a valid integer"),
    ("num_envs=1" + 5000 * "0", "num_envs: must be a whole number"),  # no TOML: a word
    ("seed=true", "seed: must be a whole number, got True"),
    ("seed=-1", "seed: a seed for training must be 0 to 899,999"),
    ("checkpoint_every=inf", "checkpoint_every: Input should be a finite number"),
    ("checkpoint_every=-1", "checkpoint_every: Input should be greater than 0"),
    ("ppo.learning_rate=nan", "ppo.learning_rate: Input should be a finite number"),
    ("ppo.learning_rate=0", "ppo.learning_rate: Input should be greater than 0"),
    ("ppo.learning_rate=1" + 400 * "0", "ppo.learning_rate: Input should be a valid number"),
    ("ppo.epochs=1000000000", "ppo.epochs: Input should be less than or equal to 10000"),
    ("ppo.steps=1000000000", "ppo.steps: Input should be less than or equal to 100000"),
    ("network.hidden=[5000]", "network.hidden.0: Input should be less than or equal to 4096"),
    ("network.hidden=[-1]", "network.hidden.0: Input should be greater than or equal to 1"),
    ("network.hidden=[true]", "network.hidden: must be a whole number, got True"),
    ("network.memory_size=10000000", "network.memory_size: Input should be less than or equal to 4096"),
    ("network.deviation=[0.0]", "network.deviation.0: Input should be greater than 0"),
    ("network.deviation=[-1.0]", "network.deviation.0: Input should be greater than 0"),
    ("network.deviation=[inf]", "network.deviation.0: Input should be a finite number"),
    ("network.bias=[nan]", "network.bias.0: Input should be a finite number"),
    ("ppo.last_deviation=[0.0]", "ppo.last_deviation.0: Input should be greater than 0"),
    ("evaluation.episodes=10000000000", "evaluation.episodes: Input should be less than or equal to 10000000"),
    ("changes.history=1000000", "history must be from 1 to 4,096"),
    ("changes.substeps=1000000000", "substeps must be from 1 to 10,000"),
    ("changes.time_limit=1e300", "time_limit must be from"),
    ("practice.altimeter.delay=1e5", "altimeter.delay must lie in [0, 10] s"),
    ("device=cuda:99", "device"),
    ("device=toaster", "device must be"),
    ("changes." + 2000 * "a." + "x=1", "unknown key 'a'"),
    (2000 * "a." + "x=1", "unknown key 'a'"),
    ("changes.start.altitude=" + 50000 * "[", "start.altitude must be a number"),
]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.mark.parametrize("override, words", WRONG, ids=lambda text: text[:40])
def test_an_experiment_without_measure_is_refused_in_one_line_before_there_is_a_folder(
    override, words, config, tmp_path, capsys
):
    assert exit_code(train.main, config, "--set", override, f"--out={tmp_path / 'run'}") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1 and words in message, message
    assert len(message) < 1_000, "the value floods the screen"
    assert not (tmp_path / "run").exists()


ROOM = [
    (("algorithm=sb3.sac", "off_policy.buffer=1000000000"), "off_policy.buffer"),
    (("ppo.steps=100000", "num_envs=100000", "total_steps=10000000000"), "ppo.steps times num_envs"),
    (("num_envs=30000",), "num_envs"),
    (("network.hidden=[4096, 4096, 4096, 4096, 4096, 4096]",), "network.hidden"),
    (("ppo.batch_size=10000000", "ppo.steps=1000", "num_envs=10000", "network.hidden=[4096]"), "the batch size"),
]


@pytest.mark.parametrize("overrides, most", ROOM, ids=lambda value: value if isinstance(value, str) else "")
def test_what_has_no_room_is_refused_with_what_takes_most(overrides, most, config, monkeypatch):
    wanted = load_experiment(config, overrides)
    monkeypatch.setattr(room, "LONGEST_DECISION", math.inf)
    monkeypatch.setattr(room, "free_memory", lambda device: None)
    _, practice = scenarios_of(wanted)
    needs = needs_of(wanted, practice)
    assert max(needs, key=lambda name: needs[name]) == most
    monkeypatch.setattr(room, "free_memory", lambda device: 0.99 * sum(needs.values()))
    words = (
        rf"landers and all that they learn with need about .*B, this machine has .*B free; most of it goes to {most} \("
    )
    with pytest.raises(ValueError, match=words):
        scenarios_of(wanted)


@pytest.mark.parametrize("algorithm", ["rsl_rl.ppo", "sb3.sac"])
def test_the_estimate_is_what_the_learner_keeps(algorithm, config, tmp_path, monkeypatch):
    more = ("network.hidden=[256, 256]", "off_policy.buffer=1000", "off_policy.start=8", "off_policy.batch_size=32")
    wanted = load_experiment(config, (f"algorithm={algorithm}", *more))
    scenario, practice = scenarios_of(wanted)
    learner_of(algorithm)(wanted, practice, scenario, tmp_path, resume=False)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    parts = saved["networks"] if algorithm == "rsl_rl.ppo" else {"all": saved["policy"], "of": saved["optimizers"]}
    kept = sum(table.numel() * 4 for table in tensors(parts))
    assert 0.7 * kept < needs_of(wanted, practice)["network.hidden"] < 2.0 * kept  # gradients are not saved


def tensors(tree: Any) -> list[torch.Tensor]:
    """All in a tree."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    inside = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ()
    return [table for part in inside for table in tensors(part)]


class BugError(Exception):
    """Of nobody's making."""


@pytest.mark.parametrize(
    "error, code",
    [
        (MemoryError(), 2),
        (torch.OutOfMemoryError("CUDA out of memory"), 2),
        (OverflowError("too large"), 2),
        (OSError(28, "No space left on device"), 2),
        (BugError("what is this"), 70),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_training_that_ends_before_its_first_checkpoint_leaves_out_free_for_the_corrected_command(
    error, code, config, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def learn(*arguments):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(train, "learner_of", lambda name: learn)
        assert exit_code(train.main, config, f"--out={tmp_path / 'run'}") == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(train, "evaluate", lambda campaign: [])
    assert exit_code(train.main, config, f"--out={tmp_path / 'run'}") == 0
