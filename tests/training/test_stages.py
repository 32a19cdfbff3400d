"""Practice in stages: the same landers, other numbers from a share of the decisions on, and a kill changes nothing."""

import pytest

pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")

from agents.training.experiment import ConfigError, Experiment, experiment
from agents.training.prepare import scenarios_of
from agents.training.rsl_rl.learner import learn
from agents.training.stages import Stages, practices_of, widest
from lunar_env import Descent, load_scenario
from lunar_env.quantities import Range

SCENARIO = load_scenario("planar", time_limit=10.0)
LANDERS, STEPS = 16, 12


def staged(**changes):
    """Six updates; at a third and at two thirds the practice becomes another."""
    tree = {
        "scenario": "planar",
        "changes": {"time_limit": 10.0},
        "practice": {"reward.propellant": 0.01, "start.altitude": [200.0, 300.0]},
        "algorithm": "rsl_rl.ppo",
        "num_envs": LANDERS,
        "total_steps": 6 * LANDERS * STEPS,
        "checkpoint_every": 1e-6,
        "threads": 1,
        "ppo": {"steps": STEPS, "batch_size": 96, "epochs": 1},
        "network": {"hidden": [8]},
        "stages": [
            {"after": 0.3, "practice": {"start.altitude": [600.0, 700.0]}},
            {"after": 0.6, "practice": {"reward.propellant": 0.5}},
        ],
    }
    return Experiment.model_validate({**tree, **changes})


def test_each_stage_changes_the_practice_before_it_and_the_widest_holds_them_all():
    first, second, third = practices_of(staged(), SCENARIO)
    assert (first.reward.propellant, first.start.altitude) == (0.01, Range(200.0, 300.0))
    assert (second.reward.propellant, second.start.altitude) == (0.01, Range(600.0, 700.0))
    assert (third.reward.propellant, third.start.altitude) == (0.5, Range(600.0, 700.0))
    wide = widest([first, second, third])
    assert (wide.reward.propellant, wide.start.altitude) == (Range(0.01, 0.5), Range(200.0, 700.0))
    assert widest([first]) == first


def test_a_stage_begins_at_its_share_of_the_decisions_and_concerns_later_episodes():
    wanted = staged()
    descent = Descent(widest(practices_of(wanted, SCENARIO)), LANDERS)
    stages = Stages(descent, wanted, SCENARIO)
    descent.reset(seed=0)
    assert float(descent.state["drawn.start.altitude"].max()) <= 300.0
    stages.enter(int(0.3 * wanted.total_steps) - 1)
    assert stages.number == 0
    stages.enter(int(0.3 * wanted.total_steps) + 1)
    assert float(descent.state["drawn.start.altitude"].max()) <= 300.0  # these fly on
    descent.reset()
    assert float(descent.state["drawn.start.altitude"].min()) >= 600.0
    assert float(descent.state["drawn.reward.propellant"].max()) == pytest.approx(0.01)
    stages.enter(wanted.total_steps)
    descent.reset()
    assert float(descent.state["drawn.reward.propellant"].min()) == pytest.approx(0.5)


class KilledError(Exception):
    """What ends a training before its time."""


@pytest.mark.parametrize("moment", [2, 3, 4, 5, 6])
def test_a_run_that_was_killed_in_any_stage_goes_on_bit_for_bit(tmp_path, moment):
    wanted = staged()
    scenario, practice = scenarios_of(wanted)

    def kill(steps, _):
        if steps >= moment * LANDERS * STEPS:
            raise KilledError

    def trained(name, resume=False, listener=None):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        learn(wanted, practice, scenario, folder, resume, listener)
        return (folder / "policy.safetensors").read_bytes()

    whole = trained("whole")
    with pytest.raises(KilledError):
        trained("killed", listener=kill)
    assert trained("killed", resume=True) == whole


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"algorithm": "sb3.ppo"}, "sb3.ppo has one practice from its beginning to its end; rsl_rl.ppo knows"),
        ({"curriculum": {}}, "not together with a curriculum"),
        ({"stages": [{"after": 0.5, "practice": {}}, {"after": 0.5, "practice": {}}]}, "begin after the one before"),
        ({"stages": [{"after": 1.0, "practice": {}}]}, "stages.0.after"),
        ({"stages": [{"after": 0.5}]}, "stages.0.practice"),
    ],
)
def test_stages_that_cannot_be_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        experiment({**staged().model_dump(mode="json"), **changes}, "here")


def test_a_stage_that_changes_more_than_numbers_is_refused_before_anything_is_flown():
    with pytest.raises(ValueError, match="a stage may change numbers of the practice only"):
        scenarios_of(staged(stages=[{"after": 0.5, "practice": {"terrain.map": "mare"}}]))
    with pytest.raises(KeyError, match=r"reward\.propelant"):
        scenarios_of(staged(stages=[{"after": 0.5, "practice": {"reward.propelant": 1.0}}]))
