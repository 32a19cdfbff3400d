"""Training from end to end: a run that anyone can read, repeat and resume, and requests that are refused in time."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from helpers import ROOT, exit_code

pytest.importorskip("stable_baselines3")
pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from agents import evaluate, train
from agents.policy.network import load_policy, save_policy
from agents.run_folder import RunFolderError, write_atomic
from agents.scoring.episodes import fly_episodes
from agents.seeds import EVALUATION, REPLAYS, SEARCH, SELECTION, TRAINING
from agents.training.checkpoint import load_checkpoint
from agents.training.experiment import ConfigError, experiment, load_experiment
from agents.training.prepare import learner_of, scenarios_of
from agents.training.sb3 import learner as learn_sb3
from lunar_env import Outcome, load_scenario
from lunar_env.changes import from_dict
from lunar_env.sb3 import LanderVecEnv

CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
TINY = """
scenario = "resilience"
num_envs = 64
total_steps = 4096
checkpoint_every = 1e-6
threads = 1
practice = { "start.progress" = [0.0, 1.0], "start.throttle" = 0.9 }
ppo = { batch_size = 1024, epochs = 1 }
network = { hidden = [16, 16] }
evaluation = { episodes = 16, pilots = ["as_flown"] }
"""
# The first lesson with nothing to be guessed. One thread: two cost more than they bring for so small a network.
TOY = """
scenario = "vertical"
num_envs = 128
total_steps = 98_304
threads = 1
changes = { observation = "truth", decision_period = 1.0 }
practice = { "start.progress" = [0.0, 1.0] }
ppo = { batch_size = 512, learning_rate = 5e-3 }
network = { hidden = [32, 32] }
evaluation = { pilots = [] }
"""


def command(*arguments):
    """What ``python -m agents.train`` does, and its exit code."""
    return exit_code(train.main, *arguments)


def written(folder, text=TINY):
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny run, from its configuration to its report."""
    folder = tmp_path_factory.mktemp("train")
    assert command(written(folder), "--set", "seed=3", f"--out={folder / 'run'}") == 0
    return folder / "run"


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A copy of it to do harm to; what follows on training is left out."""
    monkeypatch.setattr(train, "evaluate", lambda campaign: [])
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / "checkpoint.previous.pt").unlink(missing_ok=True)  # or it would go on from that one
    return folder


def checkpoint(run):
    return load_checkpoint(run, read(run / "config.json")["experiment"])


def test_a_run_leaves_all_that_a_stranger_needs(finished):
    files = {path.name for path in finished.iterdir()} - {"checkpoint.previous.pt"}
    assert files == {"config.json", "run.json", "checkpoint.pt", "policy.safetensors", "policy.json", "tensorboard",
                     "evaluation.json", "episodes.npz", "report.html"}  # fmt: skip
    assert list((finished / "tensorboard").glob("events.*"))
    record = read(finished / "run.json")
    assert re.fullmatch(r"[0-9a-f]{40}|no git", record["commit"])
    assert (record["seed"], record["device"]) == (3, "cpu")
    assert record["packages"]["torch"] == torch.__version__
    assert {"stable-baselines3", "warp-lang", "numpy", "gymnasium"} <= set(record["packages"])
    assert "--set seed=3" in record["command"]
    assert record["training"]["steps"] == 4096
    card = read(finished / "policy.json")
    assert (card["commit"], card["training"]["steps"], card["seed"]) == (record["commit"], 4096, 3)
    rows = read(finished / "evaluation.json")["results"]
    assert [(row["pilot"], row["episodes"]) for row in rows] == [("as_flown", 16), ("run", 16)]
    assert record["commit"] in (finished / "report.html").read_text(encoding="utf-8")


def test_the_configuration_of_a_run_reads_back_as_what_was_asked(finished):
    kept = read(finished / "config.json")
    wanted = experiment(kept["experiment"], "config.json")
    assert wanted == load_experiment(finished.parent / "tiny.toml", ("seed=3",))
    scenario, practice = scenarios_of(wanted)
    assert from_dict(kept["scenario"]) == scenario == load_scenario("resilience")
    assert from_dict(kept["practice"]) == practice != scenario


def test_an_interrupted_run_ends_as_if_nothing_had_happened(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "evaluate", lambda campaign: [])
    steps = []

    class Watched(LanderVecEnv):
        def step_wait(self):
            steps.append(None)
            if len(steps) == 40:  # in the second of two rounds of 32 decisions
                raise KeyboardInterrupt
            return super().step_wait()

    monkeypatch.setattr(learn_sb3, "LanderVecEnv", Watched)
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert command(written(tmp_path), f"--out={cut}") == 130
    assert "--resume" in capsys.readouterr().err
    before = checkpoint(cut)
    assert before["steps"] == 2048
    assert command(f"--resume={cut}") == 0
    assert len(steps) == 40 + 32, "it trained anew"
    after = checkpoint(cut)
    assert after["steps"] == read(cut / "run.json")["training"]["steps"] == 4096
    assert after["seconds"] > before["seconds"] > 0.0
    assert command(written(tmp_path), f"--out={whole}") == 0
    for name, weights in checkpoint(whole)["policy"].items():
        assert torch.equal(after["policy"][name], weights), name
    assert not torch.equal(after["policy"]["action_net.weight"], before["policy"]["action_net.weight"])


def test_a_run_that_has_reached_its_total_does_not_train_further(run):
    before = checkpoint(run)
    assert command(f"--resume={run}") == 0
    after = checkpoint(run)
    assert after["steps"] == before["steps"] == 4096
    assert all(torch.equal(after["policy"][name], value) for name, value in before["policy"].items())


class Trap:
    """Raises if anything unpickles it."""

    def __reduce__(self):
        return pytest.fail, ("a checkpoint's code was run",)


def half_written(run):
    path = run / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def another_network(run):
    tree = read(run / "config.json")
    tree["experiment"]["network"]["hidden"] = [17]
    (run / "config.json").write_text(json.dumps(tree), encoding="utf-8")


@pytest.mark.parametrize(
    "harm, words",
    [
        (half_written, ["checkpoint.pt cannot be read", "start the run anew"]),
        (lambda run: torch.save({"steps": Trap()}, run / "checkpoint.pt"), ["checkpoint.pt cannot be read"]),
        (lambda run: torch.save({"weights": 1}, run / "checkpoint.pt"), ["checkpoint.pt is no checkpoint"]),
        (lambda run: (run / "checkpoint.pt").unlink(), ["no checkpoint.pt to resume from"]),
        (lambda run: (run / "config.json").unlink(), ["cannot resume", "config.json is missing"]),
        (lambda run: (run / "config.json").write_text("{"), ["cannot resume", "config.json is missing or broken"]),
        (another_network, ["config.json has changed since", "network: was"]),
    ],
    ids=["half written", "code", "something else", "no checkpoint", "no config", "half a config", "another network"],
)
def test_a_run_that_cannot_be_resumed_is_refused(harm, words, run, capsys):
    harm(run)
    assert command(f"--resume={run}") == 2
    message = capsys.readouterr().err
    assert "error: " in message
    assert "Traceback" not in message
    for word in [str(run), *words]:
        assert word in message, message


def test_a_folder_that_holds_something_is_not_overwritten(finished, capsys):
    before = (finished / "run.json").read_bytes()
    assert command(finished.parent / "tiny.toml", f"--out={finished}") == 2
    assert (
        f"already holds something; choose another --out, or go on with --resume {finished}" in capsys.readouterr().err
    )
    assert (finished / "run.json").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    path = written(tmp_path)
    assert command(path, f"--out={path / 'below'}") == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: cannot write into {path / 'below'}: ")
    assert message.endswith("; choose another --out\n")


@pytest.mark.parametrize(
    "change, words",
    [
        ("lerning_rate = 1.0", ["unknown key 'lerning_rate'", "Experiment has: scenario, ", "ppo"]),
        ("[ppo]\nlerning_rate = 1.0", ["unknown key 'ppo.lerning_rate'", "Ppo has: steps, ", "learning_rate"]),
        ('num_envs = "many"', ["num_envs", "must be a whole number", "'many'"]),
        ("num_envs = 0", ["num_envs", "greater than or equal to 1", "0"]),
        ("[ppo]\ndiscount = 1.5", ["ppo.discount", "less than or equal to 1", "1.5"]),
        ('algorithm = "guess"', ["algorithm", "'sb3.ppo'", "'guess'"]),
        ("seed = 950_000", ["seed", "for training must be 0 to 899,999", "950,000, which is for comparing the trials"]),
        ("[evaluation]\nseed = 5", ["evaluation.seed", "must be 1,000,000 to 1,999,999, got 5, which is for training"]),
        ("num_envs = ", ["is not valid TOML"]),
        ('algorithm = "rsl_rl.ppo"\ndevice = "toaster"', ["device must be", "got 'toaster'"]),
        ('[evaluation]\npilots = ["causious"]', ["unknown pilot 'causious'", "cautious"]),
        ('[evaluation]\nflight = "vertikal"', ["'vertikal'", "'vertical'"]),
        ("[changes]\naltimetre = 1.0", ["unknown key 'altimetre'", "'altimeter'"]),
        ("[network]\ndifferences = true", ["network.differences", "history of at least 2"]),
        ("[practice]\nhistory = 2", ["practice may not change control or history"]),
    ],
)
def test_a_wrong_configuration_is_refused_before_there_is_a_folder(change, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "new_run_folder", lambda *request: pytest.fail("the run began"))
    path = written(tmp_path, f'scenario = "resilience"\n{change}\n')
    assert command(path) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "Traceback" not in message
    for word in words:
        assert word in message, message


def test_a_missing_configuration_is_refused_with_those_that_are_there(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match=r"no configuration configs/resiliense\.toml.*configs/resilience\.toml"):
        load_experiment(Path("configs/resiliense.toml"))
    with pytest.raises(ConfigError, match=re.escape(f"cannot read {tmp_path}")):
        load_experiment(tmp_path)


def test_overrides_change_what_the_file_says(tmp_path):
    overrides = ("num_envs=7", "ppo.learning_rate=1e-4", "scenario=vertical", "evaluation.pilots=[]",
                 "practice.start.progress=[0.5, 1.0]", "changes.altimeter.delay=0.4")  # fmt: skip
    wanted = load_experiment(written(tmp_path), overrides)
    assert (wanted.num_envs, wanted.ppo.learning_rate, wanted.scenario) == (7, 1e-4, "vertical")
    assert wanted.ppo.batch_size == 1024, "the rest of the table is lost"
    scenario, practice = scenarios_of(wanted)
    assert scenario.sensor("altimeter").delay == practice.sensor("altimeter").delay == 0.4
    assert (practice.start.progress.low, practice.start.throttle) == (0.5, 0.9)


@pytest.mark.parametrize("override", ["num_envs", "=3", "scenario.name=1", ""])
def test_an_override_that_cannot_be_applied_is_refused(override, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(repr(override))):
        load_experiment(written(tmp_path), (override,))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_runs(config, tmp_path):
    steps = load_experiment(config).ppo.steps
    small = ("num_envs=8", f"total_steps={2 * 8 * steps}", f"ppo.batch_size={8 * steps}", "threads=1")
    if load_experiment(config).imitation is not None:
        small += (f"imitation.steps={8 * steps}",)
    wanted = load_experiment(config, (*small, "off_policy.start=8", "off_policy.batch_size=32"))
    scenario, practice = scenarios_of(wanted)
    evaluate.check(train.campaign_of(wanted, tmp_path, wanted.evaluation.pilots, []))
    training = learner_of(wanted.algorithm)(wanted, practice, scenario, tmp_path, resume=False)
    assert training["steps"] == 2 * 8 * steps
    flights = fly_episodes(str(tmp_path), scenario, 4, wanted.evaluation.seed)
    assert (flights.outcome != Outcome.FLYING).all()


def test_training_and_evaluation_never_share_a_seed():
    for end in (0, -1):
        seeds = {"seed": TRAINING[end], "evaluation": {"seed": EVALUATION[end]}}
        assert experiment({"scenario": "vertical", **seeds}, "edges").evaluation.seed == EVALUATION[end]
    for seed in (-1, *(end for block in (SEARCH, EVALUATION, SELECTION, REPLAYS) for end in (block[0], block[-1]))):
        with pytest.raises(ConfigError, match="seed: a seed for training must be"):
            experiment({"scenario": "vertical", "seed": seed}, "beyond")
    for seed in (-1, *(end for block in (TRAINING, SEARCH, SELECTION, REPLAYS) for end in (block[0], block[-1]))):
        with pytest.raises(ConfigError, match=r"evaluation\.seed: a seed for evaluation and all"):
            experiment({"scenario": "vertical", "evaluation": {"seed": seed}}, "beyond")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("unexpected pos 704 vs 598")])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(error, tmp_path):
    def write(path):
        path.write_text("half of the n")
        raise error

    path = tmp_path / "file.json"
    write_atomic(path, lambda temporary: temporary.write_text("old"))
    with pytest.raises(
        RunFolderError, match=r"file\.json: (No space|unexpected pos).*; free the disk or choose another"
    ):
        write_atomic(path, write)
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]
    assert path.read_text() == "old"


def test_training_learns_the_first_lesson_in_seconds(tmp_path):
    wanted = load_experiment(written(tmp_path, TOY))
    scenario, practice = scenarios_of(wanted)
    new, old = tmp_path / "trained", tmp_path / "untrained"
    new.mkdir()
    old.mkdir()
    untrained = learn_sb3.build(wanted, practice, LanderVecEnv(practice, wanted.num_envs))
    save_policy(old, learn_sb3.extract_policy(untrained), scenario, {})
    learn_sb3.learn(wanted, practice, scenario, new, resume=False)
    assert load_policy(new, scenario).network.layers[0].in_features == untrained.policy.features_extractor.features_dim
    before, after = (fly_episodes(str(folder), scenario, 200, wanted.evaluation.seed) for folder in (old, new))
    # Six seeds landed all 200 after training, and at most 1 % before it. Other machines round differently.
    assert (before.outcome == Outcome.LANDED).mean() < 0.05
    assert (after.outcome == Outcome.LANDED).mean() > 0.8
    assert after.record["reward"].mean() > before.record["reward"].mean() + 5.0
