"""A pilot of one's own is a class, a file or a function; it flies every episode once to its end."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT
from scipy.stats import binomtest

import lunar_env
from lunar_env import Descent, Outcome, Pilot, PilotError, fly, load_scenario
from lunar_env.flying.__main__ import main
from lunar_env.flying.statistics import wilson

SHORT = load_scenario("vertical", **{"start.altitude": 100.0, "start.descent_rate": 10.0})


class Braking(Pilot):
    """Full thrust below the height from which it just stops."""

    name = "braking"
    control = "throttle"

    def __init__(self, scenario, num_landers, device="cpu"):
        self.table = scenario.observation_table()

    def reset(self, mask):
        """It remembers nothing."""

    def act(self, observation):
        """The throttle."""
        reading = self.table.read(observation)
        fast = -reading["velocity_up"] > torch.sqrt(1.0 + 2.0 * reading["altitude"].clamp(min=0.0))
        return torch.where(fast, 1.0, -0.5)[:, None]


SHARED_TABLE = SHORT.observation_table()


def in_torch(observation):
    reading = SHARED_TABLE.read(observation)
    fast = torch.gt(-reading["velocity_up"], torch.sqrt(1.0 + 2.0 * reading["altitude"].clamp(min=0.0)))
    return torch.where(fast, 1.0, -0.5)[:, None]


def in_numpy(observation):
    names = [channel.name for channel in SHARED_TABLE.channels]
    scales = np.array([channel.scale for channel in SHARED_TABLE.channels], dtype=np.float32)
    reading = dict(zip(names, (observation.astype(np.float32) * scales).T, strict=True))
    fast = -reading["velocity_up"] > np.sqrt(1.0 + 2.0 * reading["altitude"].clip(min=0.0))
    return np.where(fast, 1.0, -0.5)[:, None]


@pytest.mark.parametrize("pilot", [in_torch, in_numpy])
def test_a_function_in_torch_or_numpy_flies_as_the_class_that_computes_the_same(pilot):
    by_class, by_function = fly(Braking, SHORT, 64, seed=3), fly(pilot, SHORT, 64, seed=3)
    assert np.array_equal(by_class.outcome, by_function.outcome)
    assert all(np.array_equal(column, by_function.record[name]) for name, column in by_class.record.items())
    assert by_class.landed.sum() > 0 and str(by_class) == str(by_function)


def test_a_class_and_a_function_in_a_file_are_flown_by_their_names(tmp_path, capsys, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\nfrom lunar_env import Pilot\n"
        "def off(observation):\n    return np.full((len(observation), 3), -1.0)\n"
        "class Off(Pilot):\n"
        "    def __init__(self, scenario, num_landers, device='cpu'):\n        pass\n"
        "    def reset(self, mask):\n        pass\n"
        "    def act(self, observation):\n        return observation.new_full((len(observation), 3), -1.0)\n",
        encoding="utf-8",
    )
    arguments = [f"{file}:off", f"{file}:Off", "--scenario=resilience", "--episodes=8", f"--out={tmp_path / 'all.npz'}"]
    monkeypatch.setattr(sys, "argv", ["lunar_env.flying", *arguments])
    assert main() == 0
    printed = capsys.readouterr().out
    assert "off: 0 of 8 landed, 0.0 % [0.000, 0.324]" in printed
    assert "the others: 8 out of propellant" in printed
    kept = np.load(tmp_path / "all.npz")
    assert np.array_equal(kept["off/outcome"], kept["Off/outcome"])
    assert kept["off/descent_rate"].shape == (8,)


def test_an_episode_is_the_same_whoever_else_is_flown_and_in_whatever_chunks(monkeypatch):
    together = fly(Braking, SHORT, 10, seed=5, traces=4)
    monkeypatch.setattr("lunar_env.flying.episodes.CHUNK", 3)
    heard = []

    class Bar:
        def update(self, n):
            heard.append(n)

    apart = fly(Braking, SHORT, 10, seed=5, traces=4, progress=Bar())
    assert heard == [3, 3, 3, 1]
    assert np.array_equal(together.outcome, apart.outcome)
    assert all(np.array_equal(column, apart.record[name]) for name, column in together.record.items())
    assert len(together.traces) == len(apart.traces) == 4
    for one, other in zip(together.traces, apart.traces, strict=True):
        assert all(np.array_equal(column, other.columns[name], equal_nan=True) for name, column in one.columns.items())


def test_a_trace_runs_from_the_start_to_the_end_of_its_own_episode():
    flown = fly(Braking, SHORT, 6, seed=5, traces=6)
    truth = Descent(load_scenario(SHORT), num_envs=6, seed=5).truth()
    for i, trace in enumerate(flown.traces):
        time, height = trace.columns["time"], trace.columns["altitude"]
        assert time[0] == 0.0 and height[0] == pytest.approx(float(truth["height"][i]))
        assert (np.diff(time) > 0.0).all(), "it goes on after the end"
        assert time[-1] == pytest.approx(flown.record["duration"][i], abs=1e-3)
    assert len({trace.columns["time"].size for trace in flown.traces}) > 1


def test_the_interval_is_wilsons_for_every_count():
    for trials in (1, 2, 7, 60, 1_000, 10_000):
        for successes in {0, 1, trials // 3, trials - 1, trials}:
            exact = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
            assert wilson(successes, trials) == pytest.approx((exact.low, exact.high), abs=1e-12)
    for wrong in ((1, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="successes <= trials"):
            wilson(*wrong)


@pytest.mark.parametrize(
    "pilot, error, words",
    [
        ("cautious", ValueError, "no pilot is called 'cautious' here.*FILE.py:NAME.*need the checkout: git clone"),
        (Outcome, ValueError, r"class Outcome\(Pilot\)"),
        (Pilot, ValueError, "lacks __init__, act, reset"),
        (7, TypeError, "a pilot is a class of lunar_env.Pilot, FILE.py:NAME or a function, got int"),
        ("nowhere.py:Mine", ValueError, "no file 'nowhere.py'"),
        (
            lambda seen: np.zeros((len(seen), 2)),
            PilotError,
            r"returned .*\(1, 2\) where real numbers of shape \(1, 1\) are needed",
        ),
        (lambda seen: np.full((len(seen), 1), np.nan), PilotError, "not finite"),
        (lambda seen: "left", PilotError, "returned str where an array of actions is needed"),
        (
            lambda seen: seen.no_such_thing(),
            PilotError,
            "took neither a NumPy array .*no_such_thing.* nor a torch tensor",
        ),
    ],
)
def test_what_is_no_pilot_is_refused_in_a_line(pilot, error, words):
    with pytest.raises(error, match=words):
        fly(pilot, SHORT, 64)


@pytest.mark.parametrize("wrong", [{"episodes": 0}, {"episodes": 2.5}, {"traces": -1}, {"episodes": True}])
def test_a_wrong_count_is_refused(wrong):
    with pytest.raises(ValueError, match="must be a whole number of at least"):
        fly(Braking, SHORT, **wrong)


def test_the_commands_name_all_there_is():
    done = subprocess.run([sys.executable, "-m", "lunar_env"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    from lunar_env.sensors.devices import INERTIAL_UNITS, RANGE_FINDERS

    names = [*lunar_env.scenarios(), *lunar_env.faults.NAMES, *RANGE_FINDERS, *INERTIAL_UNITS]
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line.strip()}
    assert set(names) <= listed


FAILING = """
from lunar_env import Pilot


def off(seen):
    return seen[:, :3] * 0 - 1


def nothing(seen):
    pass


class Broken(Pilot):
    def __init__(self, scenario, num_landers, device="cpu"):
        pass

    def reset(self, mask):
        pass

    def act(self, observation):
        return 1 / 0
"""


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["nowhere.py:Mine"], 2, "error: no file 'nowhere.py'"),
        (["cautious"], 2, "error: no pilot is called 'cautious' here"),
        (["{file}:off", "--scenario=resilence"], 2, "perhaps you meant 'resilience'"),
        (["{file}:off", "--episodes=0"], 2, "error: --episodes must be at least 1 and at most 10,000,000, got 0"),
        (["{file}:off", "--out=no/where.npz"], 2, "no folder no"),
        (["{file}:off", "--out={folder}"], 2, "error: cannot write {folder}: Is a directory"),
        (["{file}:off", "{file}:off"], 2, "error: a pilot is named twice: "),
        (["{file}:off", "--device=tpu"], 2, "error: device must be"),
        (
            ["{file}:nothing", "--episodes=2"],
            1,
            "nothing failed: it returned NoneType where an array",
        ),
        (
            ["{file}:Broken", "--episodes=2"],
            1,
            "failed: it raised ZeroDivisionError: division by zero (mine.py, line 21)",
        ),
    ],
)
def test_a_wrong_request_is_one_line_and_a_failing_pilot_another_code(
    tmp_path, capsys, monkeypatch, arguments, code, words
):
    file = tmp_path / "mine.py"
    file.write_text(FAILING, encoding="utf-8")
    monkeypatch.setattr(
        sys, "argv", ["lunar_env.flying", *(word.format(file=file, folder=tmp_path) for word in arguments)]
    )
    assert main() == code
    said = capsys.readouterr().err
    assert words.format(folder=tmp_path) in said and "Traceback" not in said and len(said.strip().splitlines()) == 1


STRANGE = """
from lunar_env import Pilot


def low(seen):
    return seen[:, :1] * 0 - 1


class Leaving(Pilot):
    control = "throttle"
    decision_period = 0.2

    def __init__(self, scenario, num_landers, device="cpu"):
        self.count = num_landers

    @classmethod
    def wishes(cls, scenario):
        raise SystemExit(0)

    def reset(self, mask):
        pass

    def act(self, observation):
        return observation.new_zeros(self.count, 1)


class Staying(Leaving):
    @classmethod
    def wishes(cls, scenario):
        return {"control": "throttle", "decision_period": 0.2}
"""


def test_pilots_of_one_name_go_by_their_files_and_one_that_leaves_costs_the_others_nothing(
    tmp_path, capsys, monkeypatch
):
    files = [tmp_path / "one.py", tmp_path / "two.py"]
    for file in files:
        file.write_text(STRANGE, encoding="utf-8")
    pilots = [f"{files[0]}:Leaving", f"{files[0]}:low", f"{files[1]}:low", f"{files[0]}:Staying"]
    out = tmp_path / "all"  # without .npz, and so it is called
    monkeypatch.setattr(sys, "argv", ["flying", *pilots, "--scenario=vertical", "--episodes=3", f"--out={out}"])
    assert main() == 1
    printed = capsys.readouterr()
    assert "Leaving failed: it raised SystemExit: 0 (one.py, line 18)" in printed.err
    assert "it flies with decision_period=0.2" in printed.out
    with np.load(out) as kept:
        assert {key.rpartition("/")[0] for key in kept} == {*pilots[1:3], "Staying"}


def test_a_pilot_in_a_file_is_flown_by_the_package_alone(tmp_path):
    """As a wheel has it: no checkout around it, and none of the extras' packages."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lunar_env", tmp_path / "site" / "lunar_env", ignore=ignored)
    (tmp_path / "mine.py").write_text(FAILING, encoding="utf-8")
    extras = ["agents", "scipy", "tqdm", "tyro", "pydantic", "matplotlib", "pygame", "safetensors", "stable_baselines3"]
    program = (
        f"import runpy, sys; sys.path.insert(0, 'site'); sys.modules.update(dict.fromkeys({extras}))\n"
        "sys.argv = ['fly', 'mine.py:off', '--scenario', 'vertical', '--episodes', '50']\n"
        "import lunar_env, os; assert os.path.abspath(lunar_env.__file__).startswith(os.getcwd())\n"
        "runpy.run_module('lunar_env.flying', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "off failed: it returned torch.float32 of shape (1, 3)" in done.stderr, done.stderr
    program = program.replace("'vertical'", "'resilience'")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "off: 0 of 50 landed, 0.0 % [0.000, 0.071]" in done.stdout, done.stderr
