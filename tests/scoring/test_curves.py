"""Learning curves of several seeds: the statistics by hand, runs that go on, and a choice that no table can flatter."""

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import exit_code

pytest.importorskip("stable_baselines3")
pytest.importorskip("tensorboard")
pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from safetensors.torch import load_file

from agents import curves, train
from agents.run_folder import RunFolderError
from agents.scoring import selection as shipping
from agents.scoring.comparison import comparison
from agents.scoring.episodes import fly_episodes
from agents.scoring.interquartile import bootstrap_interval, interquartile_mean
from agents.scoring.learning_curve import Updates, landing_rates, read_updates
from agents.scoring.learning_curve import curves as on_grids
from agents.scoring.shipped import RESULTS
from agents.seeds import EVALUATION, SELECTION
from agents.training.progress import Diary
from agents.training.sb3 import learner as learn_sb3
from lunar_env import load_scenario
from lunar_env.sb3 import LanderVecEnv

TINY = """
scenario = "resilience"
num_envs = 64
total_steps = 4096
checkpoint_every = 1e-6
threads = 1
practice = { "start.progress" = [0.0, 1.0], "start.throttle" = 0.9 }
ppo = { batch_size = 1024, epochs = 1 }
network = { hidden = [16, 16] }
evaluation = { episodes = 16, pilots = [] }
"""


def command(*arguments):
    """What ``python -m agents.curves`` does, and its exit code."""
    return exit_code(curves.main, *arguments)


def written(folder, text=TINY):
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def trained(folder, *more):
    """Two seeds of the tiny experiment, in ``folder``/curve."""
    return command(written(folder), "--seeds=2", "--episodes=8", f"--out={folder / 'curve'}", *more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a configuration and of its curve, whole."""
    folder = tmp_path_factory.mktemp("curves")
    assert trained(folder) == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it to do harm to."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def weights(folder):
    return load_file(str(folder / "policy.safetensors"))


def same(one, other):
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


# Statistics


@pytest.mark.parametrize(
    "scores, expected",
    [
        (range(8), 3.5),  # (2 + 3 + 4 + 5) / 4
        ([0.0, 1.0, 2.0, 3.0, 100.0], 2.0),  # one at either end
        ([0.0, 1.0, 5.0], 2.0),  # of three none
        ([0.0, 0.0, 1.0, 1.0], 0.5),
        ([7.0], 7.0),
    ],
)
def test_the_interquartile_mean_is_that_of_the_middle_half(scores, expected):
    column = np.array(list(scores), dtype=float)
    assert interquartile_mean(column) == pytest.approx(expected)
    assert interquartile_mean(column[::-1]) == pytest.approx(expected)


def test_each_point_has_its_own_middle_and_none_where_a_seed_has_none():
    scores = np.array([[0.0, 4.0, math.nan], [1.0, 3.0, 1.0], [2.0, 2.0, 2.0], [9.0, 0.0, 3.0]])
    assert interquartile_mean(scores)[:2] == pytest.approx([1.5, 2.5])
    assert np.isnan(interquartile_mean(scores)[2])
    low, high = bootstrap_interval(scores)
    assert np.isnan([low[2], high[2]]).all()
    assert (low[:2] < [1.5, 2.5]).all()
    assert (high[:2] > [1.5, 2.5]).all()


def test_the_bootstrap_interval_is_that_of_all_resamples():
    scores = np.array([0.1, 0.2, 0.4, 0.9, 1.0])
    every = np.array(list(itertools.product(scores, repeat=5)))  # 3,125, each as likely as the others
    exact = np.quantile([interquartile_mean(sample) for sample in every], (0.025, 0.975))
    assert np.ravel(bootstrap_interval(scores[:, None])) == pytest.approx(exact, abs=0.02)


def test_two_seeds_have_an_interval_from_one_to_the_other_and_equal_ones_none():
    low, high = bootstrap_interval(np.array([[0.0, 0.5], [1.0, 0.5]]))  # a quarter of the resamples is at either end
    assert (low.tolist(), high.tolist()) == ([0.0, 0.5], [1.0, 0.5])


def test_a_single_seed_says_nothing_of_the_others():
    assert np.isnan(bootstrap_interval(np.array([[0.3, 0.7]]))).all()


# Curves


def four_updates(seconds=(1.0, 2.0, 3.0, 4.0)):
    """Four updates of ten decisions."""
    return Updates(
        np.array([10.0, 20.0, 30.0, 40.0]), np.array(seconds), np.array([0, 1, 2, 9.0]), np.array([0, 4, 6, 10.0])
    )


def test_a_point_is_the_share_of_the_episodes_that_ended_since_the_one_before():
    assert landing_rates(four_updates(), np.array([0.0, 20.0, 40.0])) == pytest.approx([1 / 4, 11 / 16])
    assert landing_rates(four_updates(), np.array([0.0, 10.0, 30.0])) == pytest.approx([math.nan, 3 / 10], nan_ok=True)


def test_the_grids_of_several_runs_end_where_the_first_ended():
    found = on_grids([four_updates(), four_updates((2.0, 4.0, 6.0, 8.0))])
    assert found["decisions"]["grid"] == [10.0, 20.0, 30.0, 40.0]
    assert found["decisions"]["seeds"] == [[None, 0.25, 0.33333, 0.9]] * 2
    assert found["decisions"]["interquartile_mean"] == [None, 0.25, 0.33333, 0.9]
    assert found["seconds"]["grid"] == [1.0, 2.0, 3.0, 4.0]
    fast, slow = found["seconds"]["seeds"]
    assert fast == [None, 0.25, 0.33333, 0.9]
    assert slow == [None, None, None, 0.25], "after 4 s it had taken 20 decisions"


def write(folder, done, rows):
    """What a process tells that begins after ``done`` decisions: steps, seconds, share that landed, episodes."""
    with Diary(folder, 40, done) as diary:
        for steps, seconds, share, episodes in rows:
            landed = {"outcome/landed": share} if episodes else {}
            diary.write(steps, {"landed": 0.0, "episodes": episodes, "speed/seconds": seconds, **landed})


def test_what_was_done_twice_counts_once_and_its_seconds_too(tmp_path):
    write(tmp_path, 0, [(10, 1.0, 0.0, 0), (20, 2.0, 0.5, 4), (30, 99.0, 0.0, 8)])
    write(tmp_path, 20, [(30, 3.5, 1 / 3, 6), (40, 4.5, 0.9, 10)])  # from the checkpoint after 20
    found = read_updates(tmp_path)
    assert found.steps.tolist() == [10, 20, 30, 40]
    assert found.seconds.tolist() == [1.0, 2.0, 3.5, 4.5]
    assert found.landed.tolist() == [0, 2, 2, 9]
    assert found.ended.tolist() == [0, 4, 6, 10]


def test_metrics_are_on_disk_at_once_for_a_kill_asks_nobody(tmp_path):
    with Diary(tmp_path, 40, 0) as diary:
        diary.write(10, {"landed": 0.0, "episodes": 2.0, "outcome/landed": 0.5, "speed/seconds": 1.0})
        assert read_updates(tmp_path).landed.tolist() == [1.0]


def test_a_run_without_its_seconds_is_refused(tmp_path):
    with Diary(tmp_path, 40, 0) as diary:
        diary.write(10, {"landed": 0.0, "episodes": 1.0})
    with pytest.raises(RunFolderError, match=r"tensorboard has no speed/seconds; train it anew"):
        read_updates(tmp_path)


# The command


def test_it_trains_each_seed_and_tells_how_it_learned(finished):
    curve = read(finished / "curve" / "curve.json")
    assert (finished / "curve" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert curve["decisions"]["grid"] == [2048.0, 4096.0]
    assert [run["seed"] for run in curve["runs"]] == [0, 1]
    assert all(run["steps"] == 4096 and run["seconds"] > 0.0 for run in curve["runs"])
    assert {(run["validation"]["seed"], run["validation"]["episodes"]) for run in curve["runs"]} == {(SELECTION[0], 8)}
    assert curve["experiment"]["total_steps"] == 4096
    assert "seed" not in curve["experiment"]
    for part in ("decisions", "seconds"):
        assert len(curve[part]["seeds"]) == 2
        assert all(0.0 <= share <= 1.0 for seed in curve[part]["seeds"] for share in seed if share is not None)
    ends = [run["seconds"] for run in curve["runs"]]
    assert curve["seconds"]["grid"][-1] == pytest.approx(min(ends), rel=0.2, abs=0.2)


def test_a_seed_is_trained_as_it_is_on_its_own(finished, tmp_path):
    train.trained(train.Arguments(finished / "tiny.toml", ("seed=1",), out=tmp_path / "alone"))
    assert same(finished / "curve" / "seed1", tmp_path / "alone")
    assert not same(finished / "curve" / "seed0", tmp_path / "alone")


def test_after_a_kill_it_keeps_what_is_finished_and_goes_on_with_the_rest(finished, tmp_path, monkeypatch, capsys):
    steps = []

    class Watched(LanderVecEnv):
        def step_wait(self):
            steps.append(None)
            if len(steps) == 64 + 40:  # in the second of two rounds of 32 decisions of the second seed
                raise KeyboardInterrupt
            return super().step_wait()

    monkeypatch.setattr(learn_sb3, "LanderVecEnv", Watched)
    assert trained(tmp_path) == 130
    assert "the same command goes on" in capsys.readouterr().err
    kept = (tmp_path / "curve" / "seed0" / "checkpoint.pt").stat()
    assert trained(tmp_path) == 0
    assert len(steps) == 64 + 40 + 32, "it trained anew"
    assert (tmp_path / "curve" / "seed0" / "checkpoint.pt").stat() == kept
    assert same(tmp_path / "curve" / "seed1", finished / "curve" / "seed1")
    whole, cut = (read(folder / "curve" / "curve.json")["decisions"] for folder in (finished, tmp_path))
    assert cut == whole


def test_what_is_finished_is_neither_trained_nor_flown_again(copied, monkeypatch):
    monkeypatch.setattr(train, "trained", lambda *request: pytest.fail("it trained again"))
    monkeypatch.setattr(shipping, "fly_episodes", lambda *request, **more: pytest.fail("it flew again"))
    before = read(copied / "curve" / "curve.json")
    (copied / "curve" / "curve.json").unlink()
    assert trained(copied) == 0
    after = read(copied / "curve" / "curve.json")
    assert {key: after[key] for key in ("runs", "decisions", "seconds")} == {
        key: before[key] for key in ("runs", "decisions", "seconds")
    }


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(copied, finished):
    folder = copied / "curve" / "seed1"
    for path in folder.iterdir():
        if path.name != "config.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert trained(copied) == 0
    assert same(folder, finished / "curve" / "seed1")


def test_the_training_of_another_experiment_is_not_taken_for_this_one(copied, capsys):
    assert trained(copied, "--set", "ppo.epochs=2") == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {copied / 'curve' / 'seed0'} is of another experiment (ppo was ")
    assert message.endswith("choose another --out\n")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--seeds=0"], "--seeds must be at least 1, got 0"),
        (["--episodes=0"], "--episodes must be at least 1, got 0"),
        (["--set", "seed=4"], "say how many there shall be: --seeds 5"),
        (
            ["--set", "evaluation.seed=2000000"],
            "evaluation.seed: a seed for evaluation and all that a table quotes must be",
        ),
        (["--set", "scenario=resiliense"], "'resiliense'"),
        (["--ship=."], ". already holds something; move it away, or choose another --ship"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_trained(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "learner_of", lambda name: pytest.fail("it trained"))
    assert command(written(tmp_path), f"--out={tmp_path / 'out'}", *arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message


def test_without_a_configuration_it_says_what_it_needs(capsys):
    assert command() == 2
    assert "name a configuration, such as configs/resilience.toml" in capsys.readouterr().err


def test_several_curves_are_compared_in_a_table():
    def curve_of(landed, rates, steps):
        grid = [100.0, 200.0, 300.0]
        curve = {"grid": grid, "interquartile_mean": rates}
        return {
            "runs": [
                {"steps": steps, "seconds": 10.0, "validation": {"landed": one, "episodes": 100}} for one in landed
            ],
            "validation": {"interquartile_mean": [0.96], "low": [0.9], "high": [0.99]},
            "decisions": curve,
            "seconds": {**curve, "grid": [1.0, 2.0, 3.0]},
        }

    table = comparison(
        {"quick": curve_of((97, 90), [None, 0.9, 0.95], 3000), "never": curve_of((50,), [0.1, 0.2, 0.89], 20)}
    )
    _, _, quick, never, *_ = table.splitlines()
    assert quick == "| quick | 0.960 [0.900, 0.990] | 0.900 | 200 | 2 | 300 |"
    assert never == "| never | 0.960 [0.900, 0.990] | 0.500 | - | - | 2 |"
    assert "interquartile mean of 1 or 2 seeds" in table


def test_the_table_of_several_curves_goes_into_a_page(finished, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    assert command("--draw", finished / "curve", f"--out={tmp_path / 'one.png'}", f"--page={page}") == 0
    text = page.read_text()
    assert "| curve | " in text and "old" not in text and text.startswith("before") and text.endswith("after\n")


def test_a_page_that_is_none_is_refused_before_anything_is_drawn(finished, tmp_path, capsys):
    picture = tmp_path / "one.png"
    assert command("--draw", finished / "curve", f"--out={picture}", f"--page={tmp_path / 'none.md'}") == 2
    assert f"the page {tmp_path / 'none.md'} cannot be read" in capsys.readouterr().err
    assert not picture.exists()


def test_several_curves_are_drawn_into_one_picture(finished, tmp_path, capsys):
    shutil.copytree(finished / "curve", tmp_path / "other")
    assert command("--draw", finished / "curve", tmp_path / "other", f"--out={tmp_path / 'new' / 'both.png'}") == 0
    assert (tmp_path / "new" / "both.png").read_bytes().startswith(b"\x89PNG")
    assert "picture of curve, other" in capsys.readouterr().out
    assert command("--draw", finished / "curve", f"--out={tmp_path}") == 2
    assert "--draw needs the picture's name as --out FILE.png" in capsys.readouterr().err
    assert command("--draw", tmp_path / "none", f"--out={tmp_path / 'both.png'}") == 2
    assert "curve.json is missing or broken" in capsys.readouterr().err


# The choice


def row(landed, strict, propellant, seed=shipping.VALIDATION_SEED):
    return {
        "seed": seed,
        "episodes": 100,
        "landed": landed,
        "landed_strict": strict,
        "propellant": {"mean": propellant},
    }


def test_the_best_seed_lands_most_then_most_strictly_then_with_the_least_propellant():
    assert shipping.best([row(98, 98, 50.0), row(99, 90, 80.0), row(99, 80, 60.0)]) == 1
    assert shipping.best([row(99, 90, 80.0), row(99, 91, 80.0), row(99, 91, 79.0)]) == 2
    assert shipping.best([row(99, 90, 80.0), row(99, 90, 80.0)]) == 0


def test_the_choice_never_uses_the_descents_of_a_table(copied, monkeypatch):
    assert shipping.VALIDATION_SEED in SELECTION
    assert all(result.seed in EVALUATION for result in RESULTS)
    quoted = row(99, 90, 80.0, seed=EVALUATION[0])
    for wrong in ([quoted], [row(99, 90, 80.0), quoted]):
        with pytest.raises(ValueError, match=r"same descents of seed 2,000,001, which no table quotes.*1,000,000"):
            shipping.best(wrong)
    seeds = []

    def recorded(pilot, scenario, episodes, seed, **more):
        seeds.append(seed)
        return fly_episodes(pilot, scenario, episodes, seed)

    monkeypatch.setattr(shipping, "fly_episodes", recorded)
    shipping.validate(copied / "curve" / "seed0", load_scenario("resilience"), 4, None)
    assert seeds == [shipping.VALIDATION_SEED]


def test_the_policy_of_the_best_seed_ships_with_its_story(copied, capsys):
    number = shipping.best([read(copied / "curve" / f"seed{seed}" / "validation.json") for seed in (0, 1)])
    assert trained(copied, f"--ship={copied / 'shipped'}") == 0
    assert f"its policy is in {copied / 'shipped'}" in capsys.readouterr().out
    assert {path.name for path in (copied / "shipped").iterdir()} == {
        "policy.json",
        "policy.safetensors",
        "config.json",
        "curve.json",
        "curve.png",
    }
    assert same(copied / "shipped", copied / "curve" / f"seed{number}")
    card = read(copied / "shipped" / "policy.json")
    assert (card["seed"], card["trained_steps"], card["config"]) == (number, 4096, str(copied / "tiny.toml"))
    assert card["commit"] == read(copied / "curve" / f"seed{number}" / "run.json")["commit"]
    assert card["chosen"]["of_seeds"] == 2
    assert card["chosen"]["validation"]["seed"] == shipping.VALIDATION_SEED
    assert fly_episodes(str(copied / "shipped"), load_scenario("resilience"), 2, seed=7).outcome.shape == (2,)
    assert trained(copied, f"--ship={copied / 'shipped'}") == 2
    assert "already holds something" in capsys.readouterr().err
