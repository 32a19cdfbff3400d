"""A user's own pilot is a class in their own file, and what is wrong with it is said in a line."""

import json

import pytest
from helpers import exit_code

pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from agents import evaluate
from agents.evaluate import label
from agents.pilots import as_shown_to, make_pilot
from lunar_env import Outcome, load_scenario
from lunar_env.flying.user_pilot import load_user_pilot

FALLING = """
import torch
from lunar_env import Pilot


class Falling(Pilot):
    control = "thrust_vector"
    decision_period = 0.5

    def __init__(self, scenario, num_landers, device="cpu"):
        self.action = torch.zeros(num_landers, 3, device=device)

    def reset(self, mask):
        pass

    def act(self, observation):
        return self.action


class Unfinished(Pilot):
    def reset(self, mask):
        pass


class Stranger:
    pass
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_file.py"
    path.write_text(FALLING, encoding="utf-8")
    return path


def command(*arguments):
    """What ``python -m agents.evaluate`` does, and its exit code."""
    return exit_code(evaluate.main, *arguments)


def test_it_flies_with_the_control_and_period_that_it_names(file):
    shown = as_shown_to(f"{file}:Falling", "resilience")
    assert (shown.control, shown.decision_period) == ("thrust_vector", 0.5)
    assert shown.to_dict()["start"] == load_scenario("resilience").to_dict()["start"]
    assert make_pilot(f"{file}:Falling", shown, 4).action.shape == (4, 3)


def test_it_is_evaluated_beside_the_others_and_goes_by_its_class(file, tmp_path):
    assert label(f"{file}:Falling") == "Falling"
    code = command(f"--pilots={file}:Falling,cautious", "--episodes=2", f"--out={tmp_path / 'out'}")
    assert code == 0
    falling, cautious = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))["results"]
    assert (falling["pilot"], falling["outcomes"][Outcome.CRASHED.name.lower()]) == ("Falling", 2)
    assert cautious["landed"] == 2


@pytest.mark.parametrize(
    "name, words",
    [
        ("Fallin", ["no class or function 'Fallin'", "it has: Falling, Unfinished, Stranger"]),
        ("Stranger", ["is no pilot", "class Stranger(Pilot)"]),
        ("Unfinished", ["lacks __init__, act"]),
    ],
)
def test_a_class_that_is_no_pilot_is_refused_by_name(file, name, words):
    with pytest.raises(ValueError) as caught:
        load_user_pilot(f"{file}:{name}")
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_cannot_be_imported_is_refused_with_its_own_error(tmp_path):
    (tmp_path / "broken.py").write_text("import torch\ntorch.no_such_thing()\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken.py' cannot be imported: AttributeError: .*no_such_thing"):
        load_user_pilot(f"{tmp_path / 'broken.py'}:Any")


WIDENING = """
from lunar_env.missions import PRESETS
from mine import Falling


class Widening(Falling):
    control = "throttle"

    def __init__(self, scenario, num_landers, device="cpu"):
        super().__init__(scenario, num_landers, device)
        self.action = self.action[:, :1] - 1.0  # engine off
        for shared in (scenario, PRESETS["vertical"]):
            object.__setattr__(shared.limits, "descent_rate", 1_000.0)
"""


def test_a_pilot_that_widens_what_counts_as_a_landing_lands_no_more_and_nor_does_who_flies_after_it(
    tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text(FALLING, encoding="utf-8")
    (tmp_path / "widening.py").write_text(WIDENING, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    limits = load_scenario("vertical").limits
    before = limits.descent_rate
    pilots = f"{tmp_path / 'widening.py'}:Widening,{tmp_path / 'mine.py'}:Falling"
    try:
        command("--scenario=vertical", f"--pilots={pilots}", "--episodes=4", f"--out={tmp_path / 'out'}")
        assert limits.descent_rate == 1_000.0, "the pilot did not reach the preset"
    finally:
        object.__setattr__(limits, "descent_rate", before)
    rows = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))["results"]
    assert [row["landed"] for row in rows] == [0, 0]
