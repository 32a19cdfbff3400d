"""The search for numbers: what it finds, what a kill costs, how processes share it, and what it refuses in time."""

import contextlib
import gc
import io
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT

pytest.importorskip("optuna")
pytest.importorskip("stable_baselines3")
pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

import optuna
from optuna.trial import TrialState, create_trial

from agents import seeds, train
from agents.scoring.episodes import fly_episodes
from agents.search import __main__ as search
from agents.search import result as search_result
from agents.search import study as search_study
from agents.search.plan import load_plan
from agents.search.result import best
from agents.search.study import opened_study, repeat
from agents.training.experiment import load_experiment
from agents.training.finite import NotFiniteError
from agents.training.prepare import scenarios_of

SEARCHES = sorted((ROOT / "configs" / "search").glob("*.toml"))
# The first lesson with nothing to be guessed, too short to learn it.
EXPERIMENT = """
scenario = "vertical"
num_envs = 64
total_steps = 4096
threads = 1
changes = { observation = "truth", decision_period = 1.0 }
practice = { "start.progress" = [0.0, 1.0] }
ppo = { steps = 16, batch_size = 512, epochs = 2 }
network = { hidden = [16, 16] }
evaluation = { episodes = 16, pilots = [] }
"""
SEARCH = """
experiment = "tiny.toml"
trials = 3
validation.episodes = 40

[space]
ppo.learning_rate = { low = 1e-4, high = 1e-2, log = true }
ppo.epochs = { low = 1, high = 3 }
"network.hidden" = [[16, 16], [24]]
"""


@pytest.fixture
def impatient(monkeypatch):
    """Whoever is silent for a second is dead."""
    monkeypatch.setattr(search_study, "HEARTBEAT", 1)
    monkeypatch.setattr(search_study, "GRACE", 1)
    monkeypatch.setattr(search, "PAUSE", 0.1)


def written(folder, text=SEARCH, experiment=EXPERIMENT):
    (folder / "tiny.toml").write_text(experiment, encoding="utf-8")
    path = folder / "hunt.toml"
    path.write_text(text, encoding="utf-8")
    return path


def command(*arguments):
    """What ``python -m agents.search`` does: its exit code and what it prints."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", ["agents.search", *map(str, arguments)])
        code = search.main()
    return code, said.getvalue()


def started(*arguments):
    """The same in a process of its own."""
    line = [sys.executable, "-m", "agents.search", *map(str, arguments)]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def study_of(path, out, *overrides):
    return opened_study(load_plan(path, overrides, 0), f"sqlite:///{out / 'study.db'}")


def trials_of(path, out, *overrides):
    with study_of(path, out, *overrides) as study:
        return study.get_trials()


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The file of a tiny search, its folder, and what it said."""
    folder = tmp_path_factory.mktemp("search")
    path = written(folder)
    code, said = command(path, f"--out={folder / 'out'}")
    assert code == 0
    return path, folder / "out", said


def test_a_search_finds_the_best_trial_and_says_which(finished):
    path, out, said = finished
    rows = [read(folder / "validation.json") for folder in sorted(out.glob("trial_*"))]
    assert [row["episodes"] for row in rows] == [40, 40, 40]
    result = read(out / "search.json")
    assert result["trials"] == {"complete": 3, "stopped early": 0, "failed": 0, "killed": 0, "running": 0}
    found = result["best"]
    landed = found["validation"]["landed"]
    assert landed == max(row["landed"] for row in rows) == rows[found["trial"]]["landed"]
    assert found["value"] == landed / 40
    last = said.splitlines()[-4:]
    assert last[0].startswith(f"best of 3 complete: trial {found['trial']} landed {landed} of 40 [")
    assert last[0].endswith(f"run {out}/trial_{found['trial']:04d}")
    assert str(out / "search.json") in last[1]
    assert result["command"] in last[2]
    assert result["command"].startswith(
        f"python -m agents.train {path.parent / 'tiny.toml'} --set ppo.learning_rate=0.0"
    )
    assert (out / "history.png").read_bytes().startswith(b"\x89PNG")


def test_each_trial_is_a_run_with_the_numbers_that_the_study_knows(finished):
    path, out, _ = finished
    trials = trials_of(path, out)
    assert len({trial.params["ppo.learning_rate"] for trial in trials}) == 3
    for trial in trials:
        folder = out / f"trial_{trial.number:04d}"
        wanted = load_experiment(path.parent / "tiny.toml", tuple(trial.user_attrs["set"]))
        assert read(folder / "config.json")["experiment"] == wanted.model_dump(mode="json")
        assert wanted.ppo.learning_rate == trial.params["ppo.learning_rate"]
        assert list(wanted.network.hidden) == json.loads(trial.params["network.hidden"])
        assert read(folder / "run.json")["training"]["steps"] == 4096
        assert list(trial.intermediate_values) == list(range(1, 21)), "not the same moments in each trial"
        row = read(folder / "validation.json")
        assert row["seed"] == seeds.SEARCH[0]
        flights = fly_episodes(str(folder), scenarios_of(wanted)[0], 40, seeds.SEARCH[0])
        assert row["landed"] == int((flights.outcome == 1).sum()) == trial.user_attrs["validation"]["landed"]


def test_the_best_run_goes_on_to_the_final_evaluation(finished, monkeypatch):
    _, out, _ = finished
    folder = Path(read(out / "search.json")["best"]["folder"])
    monkeypatch.setattr(sys, "argv", ["agents.train", f"--resume={folder}"])
    assert train.main() == 0
    rows = read(folder / "evaluation.json")["results"]
    assert [(row["episodes"], row["seed"]) for row in rows] == [(16, seeds.EVALUATION[0])]


def test_a_finished_search_adds_nothing_and_tells_the_same(finished):
    path, out, said = finished
    code, again = command(path, f"--out={out}")
    assert code == 0
    assert again.splitlines()[-4:] == said.splitlines()[-4:]
    assert len(trials_of(path, out)) == 3


def test_of_equal_trials_the_stricter_and_then_the_softer_one_is_the_best():
    def trial(value, strict, speed):
        return create_trial(value=value, user_attrs={"validation": {"landed_strict": strict, "touchdown_speed": speed}})

    worse = [trial(0.5, 3, 1.0), trial(0.9, 2, 1.0), trial(0.9, 3, 1.5), trial(0.9, 3, None)]
    chosen = trial(0.9, 3, 1.2)
    assert best([*worse, chosen, create_trial(state=TrialState.PRUNED, value=1.0)]) is chosen
    assert best([]) is None


def test_a_killed_search_goes_on_and_tries_the_killed_numbers_again(finished, tmp_path, impatient):
    path, out = written(tmp_path, SEARCH.replace("trials = 3", "trials = 2")), tmp_path / "out"
    process = started(path, f"--out={out}")
    try:
        wait_for(process, out / "study.db", "SELECT 1 FROM trials JOIN trial_values USING (trial_id) WHERE number = 0")
        reports = "SELECT 1 FROM trials JOIN trial_intermediate_values USING (trial_id) WHERE number = 1"
        wait_for(process, out / "study.db", reports)
    finally:
        process.kill()
        process.communicate()
    before = trials_of(path, out)
    assert [trial.state for trial in before] == [TrialState.COMPLETE, TrialState.RUNNING]
    code, said = command(path, f"--out={out}")
    assert code == 0
    assert "best of 2 complete, 1 killed: " in said
    after = trials_of(path, out)
    assert after[0] == before[0]
    assert [trial.state for trial in after[1:]] == [TrialState.FAIL, TrialState.COMPLETE]
    assert after[2].params == before[1].params
    # In one process, and before anything is killed, the seed decides it all.
    undisturbed = trials_of(finished[0], finished[1])
    assert [trial.params for trial in before] == [trial.params for trial in undisturbed[:2]]
    assert before[0].values == undisturbed[0].values
    assert before[0].intermediate_values == undisturbed[0].intermediate_values


def wait_for(process, database, query, seconds=60.0):
    """Until a query has an answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "it ended before it could be killed"
        with contextlib.suppress(sqlite3.OperationalError):  # not there yet, or being written
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            with contextlib.closing(connection):
                if connection.execute(query).fetchone():
                    return
        time.sleep(0.02)
    pytest.fail(f"nothing came of {query!r}")


@pytest.mark.parametrize("algorithm", ["sb3.ppo", "rsl_rl.ppo"])
def test_a_trial_that_is_worse_than_the_others_were_is_stopped_soon(algorithm, tmp_path):
    path, out = written(tmp_path, SEARCH.replace("trials = 3", "trials = 6")), tmp_path / "out"
    out.mkdir()
    override = f"algorithm={algorithm}"
    spaces = {"ppo.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)}
    row = {"landed": 40, "landed_strict": 40, "wilson": [0.9, 1.0], "episodes": 40, "touchdown_speed": 1.0}
    with study_of(path, out, override) as study:
        for rate in (1e-3, 2e-3, 3e-3, 4e-3, 5e-3):  # five that landed from the first report on
            study.add_trial(
                create_trial(
                    value=1.0,
                    params={"ppo.learning_rate": rate},
                    distributions=spaces,
                    user_attrs={"validation": row, "set": [], "folder": "elsewhere"},
                    intermediate_values=dict.fromkeys(range(1, 21), 0.9),
                )
            )
    code, said = command(path, f"--out={out}", "--set", override)
    assert code == 0
    trial = trials_of(path, out, override)[-1]
    assert trial.state == TrialState.PRUNED
    # Four rounds of 1024 decisions: the second ends the half that is never cut short.
    assert max(trial.intermediate_values) == 10
    assert "trial 5 stopped early: 0.0" in said
    assert "best of 5 complete, 1 stopped early: trial 0 landed 40 of 40" in said
    assert not (out / "trial_0005" / "validation.json").exists()


def test_numbers_that_ruin_a_training_fail_their_trial_and_no_other(tmp_path, monkeypatch):
    trained = train.trained

    def spoilt(request, listener):
        if request.out.name == "trial_0000":
            raise NotFiniteError("a gradient was not finite")
        return trained(request, listener)

    monkeypatch.setattr(train, "trained", spoilt)
    path, out = written(tmp_path, SEARCH.replace("trials = 3", "trials = 2")), tmp_path / "out"
    code, said = command(path, f"--out={out}")
    assert code == 0
    assert "trial 0 failed: a gradient was not finite" in said
    assert "best of 1 complete, 1 failed: trial 1 landed" in said
    assert [trial.state for trial in trials_of(path, out)] == [TrialState.FAIL, TrialState.COMPLETE]


def judged_at_once(self, trial):
    """Instead of a training and its validation."""
    chosen = [f"{path}={entry.suggest(trial, path)}" for path, entry in self.plan.search.space.items()]
    row = {"landed": 20, "landed_strict": 0, "wilson": [0.3, 0.7], "episodes": 40, "touchdown_speed": None}
    for name, value in {"validation": row, "set": chosen, "folder": "nowhere"}.items():
        trial.set_user_attr(name, value)
    return 0.5


@pytest.fixture
def quick(monkeypatch):
    """A search without trainings, pictures, and the tidying up between trials."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
    monkeypatch.setattr(search.Objective, "worth", judged_at_once)
    monkeypatch.setattr(search_result, "draw", lambda study, out: [])


def test_a_search_of_which_nothing_came_says_so(tmp_path, quick, monkeypatch):
    def spoilt(self, trial):
        raise NotFiniteError("a gradient was not finite")

    monkeypatch.setattr(search.Objective, "worth", spoilt)
    code, said = command(written(tmp_path), f"--out={tmp_path / 'out'}")
    assert code == 1
    assert f"no trial is complete: 3 failed; numbers: {tmp_path / 'out' / 'search.json'}" in said


def test_an_interrupted_trial_is_not_counted_and_its_numbers_are_tried_again(tmp_path, quick, monkeypatch, capsys):
    def interrupted(self, trial):
        judged_at_once(self, trial)
        raise KeyboardInterrupt

    path, out = written(tmp_path), tmp_path / "out"
    monkeypatch.setattr(search.Objective, "worth", interrupted)
    assert command(path, f"--out={out}")[0] == 130
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(search.Objective, "worth", judged_at_once)
    code, said = command(path, f"--out={out}")
    assert code == 0
    assert "best of 3 complete, 1 killed" in said
    first, second, *_ = trials_of(path, out)
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert first.params == second.params


def test_numbers_that_kill_again_and_again_are_given_up(tmp_path, quick, monkeypatch):
    def deadly(self, trial):
        if judged_at_once(self, trial) and trial.number < 3:
            raise MemoryError("out of memory")
        return 0.5

    path, out = written(tmp_path), tmp_path / "out"
    monkeypatch.setattr(search.Objective, "worth", deadly)
    for _ in range(3):
        assert command(path, f"--out={out}")[0] == 2
    assert command(path, f"--out={out}")[0] == 0
    trials = trials_of(path, out)
    assert trials[0].params == trials[1].params == trials[2].params != trials[3].params
    assert len(trials) == 3 + 3


def test_a_trial_that_others_took_for_dead_does_not_end_the_search(tmp_path, quick, monkeypatch):
    def slept(self, trial):
        if trial.number == 0:
            with opened_study(self.plan, f"sqlite:///{self.out / 'study.db'}") as study:
                study.tell(0, state=TrialState.FAIL)
                repeat(study, trial)
            trial.report(0.5, 1)
        return judged_at_once(self, trial)

    monkeypatch.setattr(search.Objective, "worth", slept)
    path, out = written(tmp_path), tmp_path / "out"
    code, said = command(path, f"--out={out}")
    assert code == 0
    assert "best of 3 complete, 1 killed" in said
    assert len(trials_of(path, out)) == 4, "its numbers were tried twice"


def test_a_trial_that_was_killed_before_its_first_sign_of_life_is_not_waited_for(tmp_path, quick):
    path, out = written(tmp_path), tmp_path / "out"
    out.mkdir()
    with study_of(path, out) as study, pytest.warns(UserWarning, match="eartbeat"):
        study.ask()  # and nothing more: there is no heartbeat that could be too old
    code, said = command(path, f"--out={out}")
    assert code == 0
    assert "best of 3 complete, 1 running" in said


def test_a_process_adds_no_more_trials_than_it_was_asked_for(tmp_path, quick):
    path, out = written(tmp_path), tmp_path / "out"
    for most, complete in ((2, 2), (2, 3), (1, 3)):
        code, said = command(path, f"--out={out}", f"--trials={most}")
        assert code == 0
        assert f"best of {complete} complete: " in said


def test_another_seed_proposes_other_numbers(finished, tmp_path, quick):
    proposed = [
        read(tmp_path / f"{seed}" / "search.json")["best"]["set"]
        for seed in (0, 1)
        if command(finished[0], f"--out={tmp_path / str(seed)}", f"--seed={seed}", "--trials=1")[0] == 0
    ]
    assert proposed[0] == trials_of(*finished[:2])[0].user_attrs["set"] != proposed[1]


def test_the_pictures_show_the_history_and_what_mattered(tmp_path):
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("ppo.clip", 0.1, 0.3), n_trials=3)
    drawn = search_result.draw(study, tmp_path)
    assert [path.name for path in drawn] == ["history.png", "importance.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


@pytest.mark.slow
def test_two_processes_share_one_study(tmp_path):
    path, out = written(tmp_path, SEARCH.replace("trials = 3", "trials = 6")), tmp_path / "out"
    processes = [started(path, f"--out={out}", "--trials=3") for _ in range(2)]  # both find no study there
    said = [process.communicate(timeout=300)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    trials = trials_of(path, out)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert len({trial.params["ppo.learning_rate"] for trial in trials}) == 6, "they tried the same numbers"
    mine = [{int(line.split()[1]) for line in text.splitlines() if line.startswith("trial ") and " landed " in line}
            for text in said]  # fmt: skip
    assert mine[0] | mine[1] == set(range(6)) and not mine[0] & mine[1]
    assert len(mine[0]) == len(mine[1]) == 3


@pytest.mark.parametrize(
    "entry, words",
    [
        ("ppo.lerning_rate = { low = 1e-4, high = 1e-2 }",
         ["space.ppo.lerning_rate at 0.0001", "unknown key", "has: steps"]),
        ('"changes.altimetre" = [1, 2]', ["space.changes.altimetre at 1", "unknown key 'altimetre'"]),
        ("ppo.learning_rate = { low = 1e-4, hihg = 1e-2 }",
         ["unknown key 'space.ppo.learning_rate.hihg'; Interval has: low, high, log, step"]),
        ("ppo.learning_rate = { low = 1e-4 }", ["space.ppo.learning_rate.high is missing"]),
        ("ppo.learning_rate = 1e-3",
         ["space.ppo.learning_rate: must be { low = ..., high = ... }", "or a list of choices, got 0.001"]),
        ("ppo.learning_rate = { low = 1e-2, high = 1e-4 }",
         ["space.ppo.learning_rate: ", "low must be below high, got 0.01 and 0.0001"]),
        ("ppo.learning_rate = { low = 0.0, high = 1.0, log = true }", ["log needs a low above 0, got 0.0"]),
        ("ppo.learning_rate = { low = 0.1, high = 1.0, log = true, step = 0.1 }",
         ["log and a step of 0.1 exclude each other"]),
        ("ppo.learning_rate = { low = 0.1, high = 1.0, step = 0.4 }",
         ["step must lead from 0.1 to 1.0 in whole steps, got 0.4"]),
        ("ppo.learning_rate = { low = 0.1, high = 1.0, step = -0.1 }", ["step must lead", "got -0.1"]),
        ("ppo.epochs = { low = 1, high = 4, step = 0.5 }",
         ["between whole numbers a step is whole, got 0.5", "low = 1.0"]),
        ("ppo.learning_rate = { low = nan, high = 1.0 }",
         ["space.ppo.learning_rate.low: ", "must be a finite number, got nan"]),
        ('ppo.learning_rate = { low = "a", high = 1.0 }',
         ["space.ppo.learning_rate.low: ", "must be a number, got 'a'"]),
        ("ppo.epochs = [3]", ["space.ppo.epochs: ", "at least 2 items"]),
        ("ppo.epochs = [3, 3]", ["choices must differ from each other, got 3, 3"]),
        ("ppo.epochs = [3, 1979-05-27]", ["space.ppo.epochs.1: ", "must be true, false, a finite number"]),
        ("ppo.epochs = { low = 0, high = 3 }", ["space.ppo.epochs at 0", "greater than or equal to 1"]),
        ("ppo.epochs = { low = 1.0, high = 4.0 }", ["space.ppo.epochs at 1.9", "valid integer"]),
        ('algorithm = ["sb3.ppo", "guess"]', ['space.algorithm at "guess"', "'sb3.ppo'"]),
        ("off_policy.updates = [1, 2]", ["space.off_policy.updates: sb3.ppo does not use it"]),
        ("seed = { low = 0, high = 9 }", ["space.seed: cannot be searched for"]),
        ("", ["space: ", "at least 1 item"]),
        ("ppo.epochs = [1, 2]\n[overrides]\nppo.epochs = 3",
         ["ppo.epochs is in [space] and among the overrides as well"]),
        ("ppo.epochs = [1, 2]\n[overrides]\nseed = 900_000",
         ["seed: ", "for training must be 0 to 899,999, got 900,000"]),
        ("ppo.epochs = [1, 2]\n[validation]\nseed = 1_000_000",
         ["validation.seed: ", "900,000 to 999,999, got 1,000,000"]),
        ("ppo.epochs = [1, 2]\n[pruning]\npruner = 1",
         ["unknown key 'pruning.pruner'; Pruning has: reports, warmup, startup"]),
        ("ppo.epochs = ", ["is not valid TOML"]),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_searched_is_refused_before_there_is_a_study(entry, words, tmp_path, capsys):
    path = written(tmp_path, f'experiment = "tiny.toml"\n[space]\n{entry}\n')
    assert command(path, f"--out={tmp_path / 'out'}")[0] == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "Traceback" not in message
    for word in words:
        assert word in message, message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--trials=0"], ["--trials must be at least 1, got 0"]),
        (["--seed=-1"], ["--seed must be 0 to 4294967295, got -1"]),
        (["--set", "ppo.epochs=4"], ["ppo.epochs is in [space] and among the overrides as well"]),
        (["--storage=study.db"], ["--storage is an address such as sqlite:///study.db, got 'study.db'"]),
        (["--storage=sqlite:///nowhere/study.db"],
         ["cannot open the study in sqlite:///nowhere/study.db", "unable to open"]),
        (["--storage=postgresql+psycopg://me:secret@host/db"], ["postgresql+psycopg://me:***@host/db", "~/.pgpass"]),
        (["--storage=postgresql+psycopg://host/db"], ["cannot open the study in postgresql+psycopg://host/db"]),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_met_is_refused(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(search_study, "ATTEMPTS", 1)
    assert command(written(tmp_path), f"--out={tmp_path / 'out'}", *arguments)[0] == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    for word in words:
        assert word in message, message
    assert "secret" not in message


def test_overrides_of_the_command_line_replace_those_of_the_file(tmp_path):
    path = written(tmp_path, SEARCH.replace("trials = 3", "overrides.total_steps = 1024\noverrides.num_envs = 32"))
    plan = load_plan(path, ("total_steps=2048", "practice.start.progress=[0.5, 1.0]"), 0)
    assert plan.overrides == ("total_steps=2048", "num_envs=32", "practice.start.progress=[0.5, 1.0]")
    wanted = plan.experiment("ppo.epochs=7")
    assert (wanted.total_steps, wanted.num_envs, wanted.ppo.epochs) == (2048, 32, 7)
    assert wanted.practice == {"start.progress": [0.5, 1.0]}
    assert plan.base == tmp_path / "tiny.toml"


def test_a_study_that_asks_for_something_else_is_not_joined(finished, capsys):
    path, out, _ = finished
    assert command(path, f"--out={out}", "--set", "num_envs=32")[0] == 2
    message = capsys.readouterr().err
    assert "study 'hunt_s0' asks for something else: experiment.num_envs: was 64, is 32; put it back, or" in message


def test_a_search_is_not_started_by_torchrun(finished, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert command(finished[0])[0] == 2
    assert "a search is one process; start it without torchrun" in capsys.readouterr().err


def test_validation_meets_no_descent_of_training_or_of_the_final_evaluation():
    for path in SEARCHES:
        plan = load_plan(path, (), 0)
        assert plan.experiment().seed in seeds.TRAINING
        assert plan.search.validation.seed in seeds.SEARCH
        assert plan.experiment().evaluation.seed in seeds.EVALUATION


def test_the_file_in_the_documents_can_be_begun(tmp_path):
    block = (ROOT / "docs" / "search.md").read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    assert load_plan(written(tmp_path, block.replace("../", f"{ROOT / 'configs'}/")), (), 0).search.trials == 40


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
def test_every_search_file_can_be_begun(path, tmp_path, quick):
    assert command(path, f"--out={tmp_path}", "--trials=2")[0] == 0
    plan = load_plan(path, (), 0)
    for trial in trials_of(path, tmp_path):
        scenarios_of(plan.experiment(*trial.user_attrs["set"]))
