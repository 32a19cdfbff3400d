"""A training that begins by flying as another pilot does, and goes on from there."""

import pytest
import torch

pytest.importorskip("rsl_rl")
pytest.importorskip("safetensors")

from agents.scoring.episodes import fly_episodes
from agents.training import imitation
from agents.training.experiment import ConfigError, Experiment, load_experiment
from agents.training.imitation import check_pilot
from agents.training.prepare import scenarios_of
from agents.training.rsl_rl.learner import Learner, learn
from lunar_env import load_scenario

LANDERS, STEPS = 64, 32
ROLLOUT = LANDERS * STEPS
RESILIENCE = load_scenario("resilience")


def experiment(steps=4 * ROLLOUT, updates=3, memory="none", **changes):
    """A tiny run: four rollouts of imitation, three updates."""
    small = {
        "scenario": "resilience",
        "algorithm": "rsl_rl.ppo",
        "num_envs": LANDERS,
        "total_steps": steps + updates * ROLLOUT,
        "checkpoint_every": 1e-6,
        "threads": 1,
        "ppo": {"steps": STEPS, "batch_size": 256, "epochs": 2, "desired_kl": 0.01},
        "network": {"hidden": (32, 32), "memory": memory, "memory_size": 16, "deviation": (0.03,)},
        "imitation": {"pilot": "cautious", "steps": steps},
    }
    return Experiment.model_validate({**small, **changes})


def imitated(wanted, folder, practice=RESILIENCE):
    """The losses of a run's imitation, one after the other, and who learned."""
    made = Learner(wanted, practice, RESILIENCE, folder)
    losses = []
    while made.steps < made.steps_imitating:
        losses.append(made.imitate(made.imitation)["imitation"])
    return losses, made


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_the_network_comes_to_do_what_the_pilot_does(memory, tmp_path):
    everywhere = load_scenario("resilience", **{"start.progress": (0.0, 1.0)})  # else all begin with what is easy
    losses, _ = imitated(experiment(24 * ROLLOUT, memory=memory), tmp_path, everywhere)
    assert len(losses) == 24
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])  # seen: 0.15 to 0.2


def test_who_imitates_a_pilot_that_lands_comes_to_land(tmp_path):
    near = load_scenario("resilience", **{"start.progress": (0.8, 1.0)})  # the last some hundred metres
    wanted = {"pilot": "cautious", "steps": 30 * 256 * 16, "learning_rate": 3e-3}
    changes = {"num_envs": 256, "total_steps": wanted["steps"], "ppo": {"steps": 16, "batch_size": 512, "epochs": 2}}
    _, made = imitated(experiment(imitation=wanted, **changes), tmp_path, near)
    made.save()
    assert (fly_episodes(str(tmp_path), near, 100, seed=1_000_000).outcome == 1).mean() >= 0.95


def test_a_training_goes_on_from_what_was_imitated(tmp_path):
    wanted = experiment()
    training = learn(wanted, RESILIENCE, RESILIENCE, tmp_path, resume=False)
    assert training["steps"] == wanted.total_steps


FEW = 16  # landers
# By who remembers what was: the pilot its height alone, the network nothing; or both much.
TAUGHT = {"little": ("none", "cautious", {}), "much": ("gru", "wary", {"guidance.vertical_time": 1.0})}


def taught(which, folder, resume=False, listener=None):
    """Run four rollouts with a pilot and three without. Returns the weights, as they are written."""
    memory, pilot, changes = TAUGHT[which]
    scenario = load_scenario("resilience", **changes)
    practice = load_scenario(scenario, **{"start.progress": (0.0, 1.0)})  # so that some are done, and others begin
    imitation = {"pilot": pilot, "steps": 4 * FEW * STEPS}
    numbers = {"num_envs": FEW, "total_steps": 7 * FEW * STEPS, "imitation": imitation, "changes": changes}
    folder.mkdir(exist_ok=True)
    learn(experiment(memory=memory, **numbers), practice, scenario, folder, resume=resume, listener=listener)
    return (folder / "policy.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of a run that nothing stopped, by who remembers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return {which: taught(which, folder / which) for which in TAUGHT}


@pytest.mark.parametrize("rollouts", [2, 6])  # of four with the pilot
@pytest.mark.parametrize("remembers", TAUGHT)
def test_stopped_and_resumed_the_weights_are_the_same_bit_for_bit(remembers, rollouts, undisturbed, tmp_path):
    def stop(steps, metrics):
        if steps > rollouts * FEW * STEPS:  # and the checkpoint of this moment is not yet written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taught(remembers, tmp_path, listener=stop)
    assert taught(remembers, tmp_path, resume=True) == undisturbed[remembers]


def test_a_training_may_be_all_imitation(tmp_path):
    training = learn(experiment(updates=0), RESILIENCE, RESILIENCE, tmp_path, resume=False)
    assert training["steps"] == 4 * ROLLOUT
    assert (tmp_path / "policy.safetensors").exists()


def test_the_value_function_alone_learns_first_when_the_imitation_is_over(tmp_path):
    ppo = {"steps": STEPS, "batch_size": 256, "critic_first": 2}
    _, made = imitated(experiment(ppo=ppo), tmp_path)
    before = [parameter.clone() for parameter in made.algorithm.actor.parameters()]
    for same in (True, True, False):
        made.rollout()
        made.update()
        now = made.algorithm.actor.parameters()
        assert all(torch.equal(old, new) for old, new in zip(before, now, strict=True)) == same


def explained(folder, rollouts):
    """How much of the variance of the returns the value function explains, on average over the last ten rollouts."""
    everywhere = load_scenario("resilience", **{"start.progress": (0.0, 1.0)})
    made, shares = Learner(experiment(rollouts * ROLLOUT), everywhere, RESILIENCE, folder), []
    for _ in range(rollouts):
        misjudged = made.imitate(made.imitation)["value"]
        shares.append(1.0 - misjudged / float(made.algorithm.storage.returns.var()))
    return sum(shares[-10:]) / 10


def test_the_value_function_learns_while_the_policy_imitates(tmp_path, monkeypatch):
    taught = explained(tmp_path, 60)
    monkeypatch.setattr(imitation, "VALUE", 0.0)
    untaught = explained(tmp_path, 20)  # it is soon as bad as it stays
    print(f"explained: {taught:.3f} taught, {untaught:.3f} untaught")
    assert taught > 0.5  # seen: 0.9 and -0.4
    assert taught > untaught + 0.5


def test_the_exploration_falls_to_its_last_deviation(tmp_path):
    ppo = {"steps": STEPS, "batch_size": 256, "last_deviation": (0.003, 0.01, 0.02)}
    wanted = experiment(ppo=ppo)
    _, made = imitated(wanted, tmp_path)
    deviations = [made.algorithm.actor.distribution.log_std_param.exp()]
    while made.steps < wanted.total_steps:
        made.rollout()
        made.update()
        deviations.append(made.algorithm.actor.distribution.log_std_param.exp())
    deviations = torch.stack(deviations)
    torch.testing.assert_close(deviations[0], torch.full((3,), 0.03))
    torch.testing.assert_close(deviations[-1], torch.tensor([0.003, 0.01, 0.02]))
    torch.testing.assert_close(deviations[1] / deviations[0], deviations[3] / deviations[2])  # geometrically


def test_deviations_of_another_number_of_actions_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ppo\.last_deviation needs 1 or 3 numbers, got 2"):
        Learner(experiment(ppo={"last_deviation": (0.1, 0.1)}), RESILIENCE, RESILIENCE, tmp_path)


def test_a_pilot_that_flies_another_loop_is_refused():
    with pytest.raises(ConfigError, match=r"'wary' flies with guidance.vertical_time 1.0, the policy with 1.5"):
        check_pilot("wary", RESILIENCE)
    check_pilot("wary", load_scenario(RESILIENCE, **{"guidance.vertical_time": 1.0, "history": 4}))


@pytest.mark.parametrize(("desired", "rises"), [(1e-6, False), (1e3, True)])
def test_the_learning_rate_follows_the_divergence_that_is_wanted(desired, rises, tmp_path):
    ppo = {"steps": STEPS, "batch_size": 256, "learning_rate": 1e-4, "desired_kl": desired}
    made = Learner(experiment(ppo=ppo, imitation=None), RESILIENCE, RESILIENCE, tmp_path)
    for _ in range(3):
        made.rollout()
        made.update()
    assert (made.algorithm.optimizer.param_groups[0]["lr"] > 1e-4) == rises


def test_a_pilot_that_commands_something_else_is_refused_before_anything_is_trained(tmp_path):
    wanted = experiment(imitation={"pilot": "robust", "steps": 100})
    with pytest.raises(ConfigError, match=r"imitation\.pilot 'robust' flies with control .* choose another pilot"):
        scenarios_of(wanted)


def test_a_pilot_that_needs_an_inertial_state_is_refused_before_anything_is_trained_on_beams():
    blind = {"observation": "beams", "history": 4}
    with pytest.raises(ValueError, match="cautious"):
        scenarios_of(experiment(changes=blind))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imitation": {"pilot": "cautious", "steps": 10**9}}, r"imitation\.steps must be at most total_steps"),
        ({"algorithm": "sb3.ppo", "ppo": {}}, r"sb3\.ppo imitates nobody; rsl_rl\.ppo knows"),
        ({"algorithm": "sb3.ppo", "imitation": None}, r"sb3\.ppo lets its learning rate fall; rsl_rl\.ppo knows"),
        (
            {"algorithm": "sb3.ppo", "imitation": None, "ppo": {"last_deviation": (0.1,)}},
            r"sb3\.ppo learns how far to explore; rsl_rl\.ppo knows ppo\.last_deviation",
        ),
    ],
)
def test_an_imitation_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        experiment(**changes)


def test_a_file_may_name_the_pilot(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(
        'scenario = "resilience"\nalgorithm = "rsl_rl.ppo"\n[imitation]\npilot = "cautious"\nsteps = 1000\n'
    )
    assert load_experiment(path).imitation.pilot == "cautious"
