"""Training on the device: what is learned from is right to the last number, and what is wrong stops the run."""

import copy
import itertools
import math
import sys

import pytest
import torch

pytest.importorskip("rsl_rl")
pytest.importorskip("tyro")
pytest.importorskip("tensorboard")
pytest.importorskip("safetensors")

from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensordict import TensorDict

from agents import train
from agents.policy.features import Features, truth_features
from agents.policy.network import LearnedPilot, PolicyFileError, load_policy, save_policy
from agents.run_folder import RunFolderError
from agents.scoring.episodes import fly_episodes
from agents.training.checkpoint import load_checkpoint
from agents.training.experiment import ConfigError, Experiment
from agents.training.finite import NotFiniteError
from agents.training.prepare import check_start, scenarios_of
from agents.training.progress import FORGETS, SPEEDS, TERMS, TOTALS, Diary, Tally
from agents.training.rsl_rl.dialect import GROUPS, Descents, extract_policy, mini_batches
from agents.training.rsl_rl.learner import Learner, learn
from agents.training.rsl_rl.ppo import ExactTimeoutPPO
from agents.training.stopping import Stopping
from lunar_env import Descent, Outcome, load_scenario

LANDERS, STEPS = 32, 24
# What the pilot remembers, and what the critic sees.
KINDS = [("none", "same"), ("gru", "same"), ("lstm", "same"), ("none", "privileged"), ("gru", "privileged")]
# Some of these hit the ground within 20 decisions, and the clock cuts off the others.
HURRIED = load_scenario("planar", time_limit=20.0, **{"start.progress": (-0.5, 1.0)})
# The first lesson with nothing to be guessed.
TOY = load_scenario("vertical", observation="truth", decision_period=1.0)
TOY_PRACTICE = load_scenario(TOY, **{"start.progress": (0.0, 1.0)})


def experiment(memory="none", critic="same", **changes):
    """A tiny run: three updates."""
    small = {
        "scenario": "planar",
        "algorithm": "rsl_rl.ppo",
        "num_envs": LANDERS,
        "total_steps": 3 * LANDERS * STEPS,
        "checkpoint_every": 1e-6,
        "threads": 1,
        "ppo": {"steps": STEPS, "batch_size": 192, "epochs": 2},
        "network": {"hidden": (16, 16), "memory": memory, "memory_size": 12, "critic": critic, "bias": (0.5,)},
    }
    return Experiment.model_validate({**small, **changes})


def learner(folder, memory="none", critic="same", **changes):
    """One that looks closely: a new one finds all moments worth the same, and does nothing all the time."""
    made = Learner(experiment(memory, critic, **changes), HURRIED, HURRIED, folder)
    with torch.no_grad():
        made.algorithm.critic.mlp[-1].weight *= 5.0
        made.algorithm.actor.mlp[-1].weight *= 15.0
    return made


# Returns


class Printed(MLPModel):
    """A critic that finds a moment worth what is printed on it."""

    def forward(self, obs, masks=None, hidden_state=None, stochastic_output=False):
        return obs["seen"][:, :1]


def returns_on_paper(algorithm):
    """Two landers, three decisions; after the second the clock cuts lander 0 off, and lander 1 crashes."""

    def seen(*worths):
        return TensorDict({"seen": torch.tensor(worths)[:, None]}, batch_size=[2])

    worths = [(4.0, 2.0), (2.0, 1.0), (6.0, 3.0), (2.0, 4.0)]  # V of what is seen before each decision, and at last
    rewards = [(1.0, 1.0), (3.0, -5.0), (1.0, 2.0)]
    noise = {"class_name": "GaussianDistribution", "std_type": "log"}
    actor = MLPModel(seen(0.0, 0.0), GROUPS, "actor", 1, [4], distribution_cfg=noise)
    critic = Printed(seen(0.0, 0.0), GROUPS, "critic", 1, [4])
    storage = RolloutStorage("rl", 2, 3, seen(0.0, 0.0), [1])
    ppo = algorithm(actor, critic, storage, gamma=0.5, lam=0.5)
    with torch.no_grad():
        for t, earned in enumerate(rewards):
            ends = t == 1
            # What the crashed one saw last counts for nothing, whatever it is.
            extras = {"time_outs": torch.tensor([ends, False]), "final_obs": seen(8.0, math.inf) if ends else None}
            ppo.act(seen(*worths[t]))
            ppo.process_env_step(seen(*worths[t + 1]), torch.tensor(earned), torch.tensor([ends, ends]), extras)
        ppo.compute_returns(seen(*worths[3]))
    return storage.returns.squeeze(-1).T.tolist()


def test_returns_across_a_timeout_are_those_worked_out_by_hand():
    # With discount and lambda one half. Lander 0, from the last decision to the first:
    #   1 + 2/2 = 2, which is 4 less than the 6 expected: nothing follows, so 2.
    #   Cut off with 8 to come: 3 + 8/2 = 7, which is 5 more than expected.
    #   1 + 2/2 = 2, which is 2 less than the 4 expected; with a quarter of the 5 that is 4 - 2 + 1.25 = 3.25.
    # Lander 1: 2 + 4/2 = 4. Crashed: -5, which is 6 less than the 1 expected.
    #   1 + 1/2 = 1.5, which is 0.5 less than expected; with a quarter of the -6 that is 2 - 0.5 - 1.5 = 0.
    assert returns_on_paper(ExactTimeoutPPO) == [[3.25, 7.0, 2.0], [0.0, -5.0, 4.0]]


def test_the_library_alone_takes_the_worth_before_the_last_decision_for_that_after_it():
    # Cut off: 3 + 2/2 = 4 instead of 3 + 8/2, and so 4 - 2 + 2/4 = 2.5 before. Hence a class of our own.
    assert returns_on_paper(PPO) == [[2.5, 4.0, 2.0], [0.0, -5.0, 4.0]]


def thought(model, observation, memory):
    """What a network makes of an observation by its layers alone, and what it then remembers."""
    x = torch.cat([observation[group] for group in model.obs_groups], dim=-1)
    if not model.is_recurrent:
        return model.mlp(x), None
    x, memory = model.rnn.rnn(x[None], memory)
    return model.mlp(x[0]), memory


def forgotten(memory, done):
    """A copy of a memory in which the landers that are done have none."""
    if isinstance(memory, tuple):
        return tuple(forgotten(part, done) for part in memory)
    return None if memory is None else torch.where(done[None, :, None], 0.0, memory)


def same(left, right):
    """Whether two memories are equal, bit for bit."""
    if isinstance(left, tuple):
        return all(same(a, b) for a, b in zip(left, right, strict=True))
    return left is right is None or torch.equal(left, right)


@torch.no_grad()
def recursion(made, looks_at_the_end=True):
    """The returns of a rollout by their definition, with landers, eyes and a memory apart from the learner's."""
    storage, ppo = made.algorithm.storage, made.experiment.ppo
    critic = copy.deepcopy(made.algorithm.critic)
    descent = Descent(HURRIED, made.experiment.num_envs, seed=made.experiment.seed, autoreset="disabled")
    features = Features(HURRIED)

    def see():
        return {"seen": features(descent.state.observation), "truth": truth_features(descent)}

    memory, rows, terminated, truncated = None, [], [], []
    seen = see()
    for action in storage.actions:
        value, memory = thought(critic, seen, memory)
        transition = descent.step(action)
        at_the_end, _ = thought(critic, see(), memory)
        descent.reset(mask=transition.done)
        seen, memory = see(), forgotten(memory, transition.done)
        next_value, _ = thought(critic, seen, memory)
        last = at_the_end if looks_at_the_end else next_value
        to_come = torch.where(transition.done, torch.where(transition.truncated, last[:, 0], 0.0), next_value[:, 0])
        rows.append((value[:, 0].double(), transition.reward.double(), to_come.double(), transition.done))
        terminated.append(transition.terminated)
        truncated.append(transition.truncated)
    returns, advantage = [], torch.zeros(made.experiment.num_envs)
    for value, reward, to_come, done in reversed(rows):
        later = torch.where(done, 0.0, advantage)
        advantage = reward + ppo.discount * to_come - value + ppo.discount * ppo.gae_lambda * later
        returns.insert(0, value + advantage)
    return torch.stack(returns), torch.stack(terminated), torch.stack(truncated), memory


@pytest.mark.parametrize("memory, critic", KINDS)
def test_returns_of_real_descents_are_those_of_an_independent_recursion(memory, critic, tmp_path):
    made = learner(tmp_path, memory, critic, seed=1, ppo={"steps": 96})
    made.rollout()
    storage = made.algorithm.storage
    returns, rewards = storage.returns.squeeze(-1), storage.rewards.squeeze(-1)
    expected, terminated, truncated, remembered = recursion(made)
    assert truncated.sum() >= 15
    assert terminated.sum() >= 5
    assert torch.equal(storage.dones.squeeze(-1).bool(), terminated | truncated)
    # float32 against float64, over episodes of some 20 decisions
    torch.testing.assert_close(returns.double(), expected, rtol=1e-5, atol=1e-4)
    # A descent that ends on the ground has nothing to come.
    torch.testing.assert_close(returns[terminated], rewards[terminated])
    # Looking at the end leaves no trace in the critic's memory: with it, the memory would not be the same bits.
    assert same(made.algorithm.critic.get_hidden_state(), remembered)
    # This test can tell: the worth of what the next descent begins with makes other returns.
    wrong = recursion(made, looks_at_the_end=False)[0]
    assert ((wrong - expected).abs()[truncated] > 0.1).double().mean() > 0.6


# Memory


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_a_lander_forgets_its_descent_when_it_ends_and_the_others_remember_theirs(memory, tmp_path):
    made = learner(tmp_path, memory)
    algorithm, ended = made.algorithm, 0
    with torch.no_grad():
        for _ in range(60):
            models = (algorithm.actor, algorithm.critic)
            remembered = [thought(model, made.seen, model.get_hidden_state())[1] for model in models]
            action = algorithm.act(made.seen)
            made.seen, transition, final = made.descents.step(action)
            algorithm.storage.clear()  # it is soon full, and is not what is looked at here
            extras = {"time_outs": transition.truncated, "final_obs": final}
            algorithm.process_env_step(made.seen, transition.reward, transition.done, extras)
            for model, memory_before in zip(models, remembered, strict=True):
                assert same(model.get_hidden_state(), forgotten(memory_before, transition.done))
            ended += int(transition.done.sum())
    assert ended >= 20


@pytest.mark.parametrize("parts", [1, 3, 8])
@pytest.mark.parametrize("memory, critic", [kind for kind in KINDS if kind[0] != "none"])
def test_what_is_learned_with_a_memory_is_what_was_flown_with_it(memory, critic, parts, tmp_path):
    made = learner(tmp_path, memory, critic)
    algorithm, storage = made.algorithm, made.algorithm.storage
    made.rollout()
    storage.clear()
    made.rollout()  # this one begins in the middle of descents, with memories of them
    actor, critic_network = algorithm.actor, algorithm.critic
    landers, errors, blank = 0, [], []
    with torch.no_grad():
        for batch in storage.recurrent_mini_batch_generator(parts, 1):
            landers += batch.actions.shape[1]
            of_actor, of_critic = batch.hidden_states
            actor(batch.observations, masks=batch.masks, hidden_state=of_actor, stochastic_output=True)
            errors.append(actor.get_output_log_prob(batch.actions) - batch.old_actions_log_prob.squeeze(-1))
            values = critic_network(batch.observations, masks=batch.masks, hidden_state=of_critic)
            errors.append((values - batch.values).squeeze(-1))
            none = tuple(map(torch.zeros_like, of_actor)) if memory == "lstm" else torch.zeros_like(of_actor)
            actor(batch.observations, masks=batch.masks, hidden_state=none, stochastic_output=True)
            blank.append(actor.get_output_log_prob(batch.actions) - batch.old_actions_log_prob.squeeze(-1))
    assert landers == LANDERS // parts * parts
    assert max(float(error.abs().max()) for error in errors) < 1e-5
    assert max(float(error.abs().max()) for error in blank) > 1e-3, "the memory does not matter here"


@pytest.mark.parametrize("memory", ["none", "gru"])
@pytest.mark.parametrize("landers, steps, batch_size", [(64, 32, 4096), (64, 32, 128), (64, 128, 16), (99, 8, 30)])
def test_mini_batches_are_as_large_as_wished_and_never_a_single_lander(memory, landers, steps, batch_size):
    ppo = {"steps": steps, "batch_size": batch_size}
    parts = mini_batches(experiment(memory, num_envs=landers, ppo=ppo))
    if memory == "none":
        assert steps * landers // parts >= min(batch_size, steps * landers)
    else:
        assert landers // parts >= 2
        assert steps * (landers // parts) >= min(batch_size, steps * landers)
        # Those that are left over are never learned from.
        assert landers % parts <= landers // parts


def test_a_network_that_the_library_would_get_wrong_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"num_envs .* 'gru' must be at least 2, got 1; fly more landers"):
        learner(tmp_path, "gru", num_envs=1)
    with pytest.raises(ValueError, match=r"network\.hidden .* at least one layer, got none; give it one"):
        learner(tmp_path, network={"hidden": ()})


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_what_flies_is_what_was_trained(memory, tmp_path):
    made = learner(tmp_path, memory)
    made.rollout()
    made.update()
    actor = made.algorithm.actor
    pilot = LearnedPilot("extracted", extract_policy(actor), HURRIED.control, HURRIED)
    descents = Descents(made.experiment, HURRIED, torch.device("cpu"), rank=0)
    pilot.reset(torch.ones(LANDERS, dtype=torch.bool))
    actor.reset()
    seen, ended, actions = descents.observe(), 0, []
    with torch.no_grad():
        for _ in range(60):
            expected = actor(seen).clamp(-1.0, 1.0)
            actions.append(pilot.act(descents.descent.state.observation))
            torch.testing.assert_close(actions[-1], expected, rtol=0.0, atol=1e-6)
            seen, transition, _ = descents.step(expected)
            actor.reset(transition.done)
            pilot.reset(transition.done)
            ended += int(transition.done.sum())
    assert ended >= 20
    assert (torch.stack(actions).std(dim=(0, 1)) > 0.002).all(), "it does the same all the time"


# Metrics


def test_the_tally_tells_what_a_naive_count_tells(tmp_path):
    made = learner(tmp_path, scenario="planar", ppo={"steps": 48})
    tally, landed_of, recent = made.tally, [], (0.0, 0.0)
    step, met = made.descents.step, []

    def watched(action):
        seen, transition, final = step(action)
        met.extend(
            (
                Outcome(int(transition.outcome[row])),
                {name: float(column[row]) for name, column in transition.ended.items()},
            )
            for row in transition.done.nonzero().flatten().tolist()
        )
        return seen, transition, final

    made.descents.step = watched
    for _ in range(3):
        met.clear()
        made.rollout()
        made.algorithm.storage.clear()
        metrics = tally.close()
        outcomes = [outcome for outcome, _ in met]
        ground = [record for outcome, record in met if outcome not in (Outcome.OUT_OF_TIME, Outcome.LOST)]
        landed = outcomes.count(Outcome.LANDED)
        landed_of.append(landed)
        recent = (FORGETS * recent[0] + landed, FORGETS * recent[1] + len(met))
        errors = made.descents.descent.state["belief.position_error"].norm(dim=1)
        expected = {
            "episodes": len(met),
            "landed": recent[0] / recent[1],
            "flight/belief_error": float(errors.mean()),
            **{f"outcome/{o.name.lower()}": outcomes.count(o) / len(met) for o in Outcome if o != Outcome.FLYING},
            **{f"reward/{name}": sum(record[name] for _, record in met) / len(met) for name in TERMS},
            **{f"flight/{name}": sum(record[name] for _, record in met) / len(met) for name in TOTALS},
            **{f"flight/{name}": sum(record[name] for record in ground) / len(ground) for name in SPEEDS},
        }
        assert metrics == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert len({outcome for outcome in outcomes}) >= 2
    assert tally.landing_rate == pytest.approx(recent[0] / recent[1])
    assert tally.close()["episodes"] == 0, "episodes are counted twice"


def test_landings_are_counted():
    descent = Descent(TOY_PRACTICE, 4, seed=0, autoreset="disabled")
    tally = Tally(descent)
    transition = descent.step(torch.zeros(4, 1))
    transition.outcome[:] = torch.tensor([Outcome.LANDED, Outcome.FLYING, Outcome.OUT_OF_TIME, Outcome.LANDED])
    transition.truncated[:] = transition.outcome == int(Outcome.OUT_OF_TIME)
    transition.terminated[:] = transition.outcome == int(Outcome.LANDED)
    # Those in the air have no descent rate at touchdown, or an old one.
    transition.ended["descent_rate"][:] = torch.tensor([1.0, 70.0, 50.0, 2.0])
    transition.ended["propellant_used"][:] = torch.tensor([10.0, 100.0, 30.0, 20.0])
    tally.add(transition)
    closed = tally.close()
    assert closed["episodes"] == 3
    assert closed["landed"] == pytest.approx(closed["outcome/landed"]) == pytest.approx(2 / 3)
    assert closed["flight/descent_rate"] == pytest.approx(1.5)
    assert closed["flight/propellant_used"] == pytest.approx(20.0)


def written(folder):
    """What TensorBoard shows, by name: steps and values."""
    shown = EventAccumulator(str(folder / "tensorboard"))
    shown.Reload()
    return {name: [(event.step, event.value) for event in shown.Scalars(name)] for name in shown.Tags()["scalars"]}


def test_tensorboard_shows_every_update_once_even_if_the_run_was_cut_off(tmp_path, monkeypatch):
    wanted = experiment(checkpoint_every=1e6)
    update = Learner.update

    def saved_after_the_first_and_killed_after_the_second(self):
        losses = update(self)
        if self.steps == 2 * self.steps_each_time:
            monkeypatch.setattr(Learner, "update", killed)
        return losses

    def killed(self):
        raise KeyboardInterrupt

    metrics = Learner.metrics

    def saves_after_the_first(self, losses, seconds):
        names = metrics(self, losses, seconds)
        if self.steps == self.steps_each_time:
            self.save()
        return names

    monkeypatch.setattr(Learner, "update", saved_after_the_first_and_killed_after_the_second)
    monkeypatch.setattr(Learner, "metrics", saves_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        learn(wanted, HURRIED, HURRIED, tmp_path, resume=False)
    monkeypatch.setattr(Learner, "update", update)
    monkeypatch.setattr(Learner, "metrics", metrics)
    summary = learn(wanted, HURRIED, HURRIED, tmp_path, resume=True)
    shown = written(tmp_path)
    each = LANDERS * STEPS
    assert [step for step, _ in shown["landed"]] == [each, 2 * each, 3 * each]
    outcomes = {f"outcome/{outcome.name.lower()}" for outcome in Outcome if outcome != Outcome.FLYING}
    speeds = {"flight/descent_rate", "flight/lateral_speed"}
    flight = {"flight/belief_error", "flight/propellant_used", "flight/duration"}
    rewards = {"reward/approach", "reward/propellant_cost", "reward/touchdown"}
    paces = {"speed/steps_per_second", "speed/environment_steps_per_second", "speed/learner_steps_per_second"}
    losses = {"loss/value", "loss/surrogate", "loss/entropy"}
    others = {"landed", "episodes", "speed/environment_share", "speed/seconds"}
    assert set(shown) == outcomes | speeds | flight | rewards | paces | losses | others
    assert summary["landing_rate_while_exploring"] == pytest.approx(shown["landed"][-1][1])
    assert all(math.isfinite(value) for values in shown.values() for _, value in values)
    for name in paces:
        assert all(value > 0.0 for _, value in shown[name])


def test_a_run_that_has_reached_its_total_tells_the_same_when_it_is_resumed(tmp_path):
    wanted = experiment(scenario="vertical", total_steps=8 * LANDERS * STEPS)
    first = learn(wanted, HURRIED, HURRIED, tmp_path, resume=False)
    again = learn(wanted, HURRIED, HURRIED, tmp_path, resume=True)
    for name in ("steps", "seconds", "landing_rate_while_exploring"):
        assert again[name] == first[name]


# A curriculum

# A range finder that is silent above some altitude, on a way so short and so gently judged that some land by chance.
FAULTY = {
    "time_limit": 20.0,
    "limits.descent_rate": 100.0,
    "limits.lateral_speed": 100.0,
    "limits.tilt": 1.5,
    "limits.rate": 1.0,
    "faults.late_acquisition.probability": 1.0,
    "faults.late_acquisition.altitude": [10.0, 1_000.0],
}


def practising(**changes):
    """A tiny run with a curriculum that one landing in ten promotes, by a pilot that does next to nothing."""
    numbers = {"start": 0.25, "step": 0.25, "promote_at": 0.1, "episodes": 10}
    near = {"start.progress": [0.5, 1.0]}
    return experiment(changes=FAULTY, practice=near, curriculum=numbers, network={"hidden": (16, 16)}, **changes)


def altitudes(made):
    """Below which the range finders of the present episodes give their first return [m]; 1,000 m are the mildest."""
    return made.descents.descent.state["drawn.faults.late_acquisition.altitude"]


def test_the_practice_becomes_harder_as_the_learner_lands(tmp_path):
    wanted = practising(total_steps=6 * LANDERS * STEPS)
    scenario, practice = scenarios_of(wanted)
    made = Learner(wanted, practice, scenario, tmp_path)
    assert 752.5 <= altitudes(made).min() < 850.0, "the first episodes are not mild"
    fresh = Descents(wanted, practice, torch.device("cpu"), rank=0).descent
    for name in ("lander", "episode", "seed_low"):
        assert torch.equal(made.descents.descent.state[f"episode.{name}"], fresh.state[f"episode.{name}"]), name
    with Diary(tmp_path, wanted.total_steps, 0) as diary:
        made.learn(diary, Stopping(tmp_path))
    shown = [value for _, value in written(tmp_path)["curriculum/severity"]]
    assert len(shown) == 6
    assert shown[0] == 0.25, "the metric of a rollout is not the severity that it was flown at"
    assert shown == sorted(shown) and set(shown) <= {0.25, 0.5, 0.75, 1.0}
    assert made.curriculum.severity >= shown[-1] > 0.5
    made.descents.descent.reset(seed=3)
    assert altitudes(made).min() < 500.0


def test_without_a_curriculum_the_practice_is_the_scenario_itself(tmp_path):
    wanted = practising().model_copy(update={"curriculum": None})
    scenario, practice = scenarios_of(wanted)
    assert altitudes(Learner(wanted, practice, scenario, tmp_path)).min() < 300.0


@pytest.mark.parametrize(
    "lines, words",
    [
        ("[curriculum]\nstart = 1.5", ["curriculum.start", "less than or equal to 1", "1.5"]),
        ("[curriculum]\nstep = 0.0", ["curriculum.step", "greater than 0", "0.0"]),
        ("[curriculum]\npromote_at = 90", ["curriculum.promote_at", "less than or equal to 1", "90"]),
        ("[curriculum]\nepisodes = 0", ["curriculum.episodes", "greater than or equal to 1", "0"]),
        (
            "[curriculum]\nend = 1.0",
            ["unknown key 'curriculum.end'", "Curriculum has: start, step, promote_at, episodes"],
        ),
        ("[curriculum]", ["no fault of 'planar' has a magnitude", "give one a range, or leave [curriculum] out"]),
        (
            'algorithm = "sb3.ppo"\n[curriculum]',
            ["sb3.ppo has no curriculum; rsl_rl.ppo knows [curriculum], or leave [curriculum] out"],
        ),
    ],
)
def test_a_curriculum_that_cannot_be_is_refused_before_there_is_a_folder(lines, words, tmp_path, monkeypatch, capsys):
    config = tmp_path / "tiny.toml"
    algorithm = "" if "algorithm" in lines else 'algorithm = "rsl_rl.ppo"\n'
    config.write_text(f'scenario = "planar"\n{algorithm}{lines}\n', encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["agents.train", str(config), f"--out={tmp_path / 'run'}"])
    assert train.main() == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    for word in words:
        assert word in message, message
    assert not (tmp_path / "run").exists()


# What is not finite


def harmed_step(monkeypatch, decision, harm):
    """Let ``harm`` change the observations and the transition of a decision."""
    step, decisions = Descents.step, itertools.count(1)

    def wrong(self, action):
        seen, transition, final = step(self, action)
        if next(decisions) == decision:
            harm(seen, transition)
        return seen, transition, final

    monkeypatch.setattr(Descents, "step", wrong)


def reward_that_is_none(monkeypatch):
    harmed_step(monkeypatch, STEPS + 6, lambda seen, transition: transition.reward[5].fill_(math.nan))


def observation_without_end(monkeypatch):
    harmed_step(monkeypatch, STEPS + 6, lambda seen, transition: seen["seen"][5, 3].fill_(math.inf))


def truth_without_end(monkeypatch):
    harmed_step(monkeypatch, STEPS + 6, lambda seen, transition: seen["truth"][5, 3].fill_(-math.inf))


def newest_observation_without_end(monkeypatch):
    """After the last decision of a rollout: the pilot has not acted on it yet."""
    harmed_step(monkeypatch, 2 * STEPS, lambda seen, transition: seen["seen"][5, 3].fill_(math.inf))


def gradient_that_is_none(monkeypatch):
    update = Learner.update

    def wrong(self):
        if self.steps:
            self.algorithm.actor.mlp[0].weight.register_hook(lambda gradient: gradient * math.nan)
        return update(self)

    monkeypatch.setattr(Learner, "update", wrong)


HARMS = [
    (reward_that_is_none, "same", "a reward was not finite", [5]),
    (observation_without_end, "same", "an observation was not finite", [5]),
    (truth_without_end, "privileged", "an observation was not finite", [5]),
    (newest_observation_without_end, "same", "the newest observation was not finite", [5]),
    (gradient_that_is_none, "same", "a gradient was not finite", []),
]
HARM_NAMES = ["reward", "observation", "truth", "newest observation", "gradient"]


@pytest.mark.parametrize("memory", ["none", "gru"])
@pytest.mark.parametrize("harm, critic, words, landers", HARMS, ids=HARM_NAMES)
def test_what_is_not_finite_stops_the_run_and_ruins_nothing(harm, critic, words, landers, memory, tmp_path):
    wanted = experiment(memory, critic, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        harm(patch)
        with pytest.raises(NotFiniteError) as stopped:
            learn(wanted, HURRIED, HURRIED, tmp_path, resume=False)
    message = str(stopped.value)
    for word in [words, "seed 3", str(tmp_path / "not_finite.pt"), *map(str, landers)]:
        assert word in message
    batch = torch.load(tmp_path / "not_finite.pt", weights_only=True)
    assert (batch["landers"], batch["seed"], batch["steps"]) == (landers, 3, LANDERS * STEPS)
    assert batch["rewards"].shape == (STEPS, LANDERS, 1)
    saved = load_checkpoint(tmp_path, wanted.model_dump(mode="json"))
    assert saved["steps"] == LANDERS * STEPS
    for network in ("actor_state_dict", "critic_state_dict"):
        assert all(bool(table.isfinite().all()) for table in saved["networks"][network].values())
    # Without the harm the run goes on, and ends.
    assert learn(wanted, HURRIED, HURRIED, tmp_path, resume=True)["steps"] == 3 * LANDERS * STEPS


@pytest.mark.parametrize("harm", [harm for harm, *_ in HARMS[:2]], ids=HARM_NAMES[:2])
def test_the_command_tells_in_one_line_what_was_not_finite(harm, tmp_path, monkeypatch, capsys):
    config = tmp_path / "tiny.toml"
    config.write_text(f"""
        scenario = "vertical"
        algorithm = "rsl_rl.ppo"
        num_envs = {LANDERS}
        total_steps = {3 * LANDERS * STEPS}
        threads = 1
        ppo = {{ steps = {STEPS} }}
        evaluation = {{ pilots = [] }}
    """)
    harm(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["agents.train", str(config), f"--out={tmp_path / 'run'}"])
    assert train.main() not in (0, None)
    message = capsys.readouterr().err
    assert "Traceback" not in message
    assert message.splitlines()[-1].startswith("error: ")
    assert "not_finite.pt" in message.splitlines()[-1]


# Learning


@pytest.mark.parametrize(
    "memory, critic, batch_size, learning_rate, total",
    [
        ("none", "same", 512, 5e-3, 65_536),
        ("gru", "privileged", 512, 6e-3, 65_536),
        ("lstm", "privileged", 512, 6e-3, 65_536),
    ],
)
def test_training_learns_the_first_lesson_in_seconds(memory, critic, batch_size, learning_rate, total, tmp_path):
    wanted = experiment(
        memory,
        critic,
        scenario="vertical",
        num_envs=128,
        total_steps=total,
        checkpoint_every=60.0,
        ppo={"steps": 16, "batch_size": batch_size, "learning_rate": learning_rate},
        network={"hidden": (32, 32), "memory": memory, "memory_size": 16, "critic": critic},
    )
    new, old = tmp_path / "trained", tmp_path / "untrained"
    new.mkdir()
    old.mkdir()
    untrained = Learner(wanted, TOY_PRACTICE, TOY, old)
    save_policy(old, extract_policy(untrained.algorithm.actor), TOY, {})
    learn(wanted, TOY_PRACTICE, TOY, new, resume=False)
    before, after = (fly_episodes(str(folder), TOY, 200, 1_000_000) for folder in (old, new))
    # Three seeds of each landed at least 96 % after training, and at most 1 % before it.
    assert (before.outcome == Outcome.LANDED).mean() < 0.1
    assert (after.outcome == Outcome.LANDED).mean() > 0.6


def test_a_checkpoint_of_another_number_of_processes_is_refused(tmp_path):
    made = learner(tmp_path)
    saved = {**made.snapshot(), "processes": 2}
    with pytest.raises(RunFolderError, match=r"trained by 2 processes .* here are 1; resume it with torchrun .* 2"):
        made.restore(saved)


# Beginning with a policy --------------------------------------------------------------------------------------------


def shipped(folder, memory="none"):
    """A policy of the tiny experiment, saved."""
    folder.mkdir()
    made = learner(folder, memory)
    with torch.no_grad():
        for parameter in made.algorithm.actor.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    made.save()
    return folder


def weights(model):
    """A copy of all parameters as one row."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_training_may_begin_with_the_weights_of_a_policy_and_explores_as_the_experiment_says(tmp_path, memory):
    folder = shipped(tmp_path / "old", memory)
    network = {"hidden": (16, 16), "memory": memory, "memory_size": 12, "start": str(folder), "deviation": (0.07,)}
    made = Learner(experiment(network=network), HURRIED, HURRIED, tmp_path)
    old, new = load_policy(folder, HURRIED).network, extract_policy(made.algorithm.actor)
    for name, weight in old.state_dict().items():
        assert torch.equal(weight, new.state_dict()[name]), name
    assert torch.allclose(made.algorithm.actor.distribution.log_std_param.exp(), torch.tensor(0.07))


def test_the_value_function_learns_alone_at_first_where_the_experiment_says_so(tmp_path):
    made = learner(tmp_path, ppo={"steps": STEPS, "batch_size": 192, "epochs": 2, "critic_first": 2})
    for update in range(3):
        actor, critic = weights(made.algorithm.actor), weights(made.algorithm.critic)
        made.rollout()
        made.update()
        assert torch.equal(actor, weights(made.algorithm.actor)) == (update < 2)
        assert not torch.equal(critic, weights(made.algorithm.critic))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"hidden": (8, 8)}, r"has \{'hidden': \[16, 16\], 'memory': 'none'.*, this experiment \{'hidden': \[8, 8\]"),
        ({"hidden": (16, 16), "differences": True}, "'differences': False.*'differences': True"),
        ({"hidden": (16, 16), "memory": "gru"}, "'memory': 'none'.*'memory': 'gru'"),
    ],
)
def test_to_begin_with_other_layers_is_refused_before_a_folder_exists(tmp_path, network, words):
    folder = shipped(tmp_path / "old")
    wanted = experiment(network={**network, "start": str(folder)})
    with pytest.raises(ConfigError, match=words):
        check_start(wanted, HURRIED)


def test_to_begin_with_nothing_or_by_another_algorithm_is_refused(tmp_path):
    with pytest.raises(PolicyFileError, match="no policy in"):
        check_start(experiment(network={"start": str(tmp_path)}), HURRIED)
    with pytest.raises(ValueError, match=r"sb3\.ppo begins with fresh weights"):
        experiment(algorithm="sb3.ppo", network={"start": str(tmp_path)})
