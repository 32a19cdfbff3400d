"""The learners of Stable-Baselines3: what flies is what was trained, and a run goes on after a kill, bit for bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.policy.network import PolicyFileError, load_policy, save_policy
from agents.run_folder import RunFolderError
from agents.scoring.episodes import fly_episodes
from agents.training.experiment import experiment
from agents.training.finite import NotFiniteError
from agents.training.prepare import scenarios_of
from agents.training.sb3 import learner as learn_sb3
from agents.training.sb3.dialect import build, extract_policy
from agents.training.sb3.state import optimizers_of
from lunar_env import Outcome
from lunar_env.sb3 import LanderVecEnv

ALGORITHMS = ("sb3.ppo", "sb3contrib.recurrent_ppo", "sb3.sac", "sb3contrib.tqc")
OFF_POLICY = ALGORITHMS[2:]
LANDERS = 8
EACH = pytest.mark.parametrize("algorithm", ALGORITHMS)


def tiny(algorithm, **changes):
    """Six rounds of PPO, four of the others: seconds. The clock cuts episodes off, the replay buffer comes round."""
    tree = {
        "scenario": "resilience",
        "algorithm": algorithm,
        "seed": 5,
        "num_envs": LANDERS,
        "total_steps": LANDERS * (128 if algorithm in OFF_POLICY else 48),
        "checkpoint_every": 1e-6,
        "threads": 1,
        "changes": {"history": 2, "time_limit": 15.0},
        "practice": {"start.progress": [0.0, 1.0]},
        "ppo": {"steps": 8, "batch_size": 32, "epochs": 2},
        "off_policy": {"buffer": LANDERS * 90, "batch_size": 32, "updates": 1, "start": LANDERS * 40},
        "network": {"hidden": [8, 8], "bias": [0.4, 0.0, 0.0]},
    }
    if algorithm == "sb3contrib.recurrent_ppo":
        tree["network"] |= {"memory": "lstm", "memory_size": 6}
    return experiment({**tree, **changes}, "tiny")


class Killed(BaseException):
    """What no code of ours catches."""


def learn(wanted, folder, resume=False, at=None, strike=None):
    """A training run in which ``strike`` befalls the step of that number: it may raise, or change the step's result."""
    scenario, practice = scenarios_of(wanted)
    steps = []

    class Watched(LanderVecEnv):
        def step_wait(self):
            steps.append(None)
            result = super().step_wait()
            return strike(result) if len(steps) == at else result

    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learn_sb3, "LanderVecEnv", Watched)
        learn_sb3.learn(wanted, practice, scenario, folder, resume)
    return checkpoint(folder)


def kill(result):
    raise Killed


def checkpoint(folder):
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    del saved["seconds"]
    return saved


def differences(one, other, path=""):
    """Where two trees of tensors and plain values are not the same, bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return [line for key in one for line in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        pairs = zip(one, other, strict=True)
        return [line for i, pair in enumerate(pairs) for line in differences(*pair, f"{path}/{i}")]
    if isinstance(one, torch.Tensor):  # their bits, since a table of the state holds whole numbers between the others
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        one, other = one.numpy().tobytes(), other.numpy().tobytes()
    return [] if one == other else [path]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The last checkpoint of a run that nothing disturbed, by algorithm."""
    folder = tmp_path_factory.mktemp("whole")
    return {algorithm: learn(tiny(algorithm), folder / algorithm) for algorithm in ALGORITHMS}


def test_a_checkpoint_holds_everything_that_decides_how_a_run_goes_on(whole):
    for algorithm, saved in whole.items():
        assert saved["steps"] == tiny(algorithm).total_steps
        assert {"policy", "optimizers", "environment", "last_observation", "random", "counters"} <= set(saved)
    assert set(whole["sb3.sac"]["optimizers"]) == {"actor", "critic", "entropy"}
    assert whole["sb3.sac"]["replay"]["full"]
    assert whole["sb3.sac"]["log_entropy_coefficient"] < 0.0, "the entropy coefficient was not learnt"
    memories = whole["sb3contrib.recurrent_ppo"]["memories"]
    assert all(memory.shape == (1, LANDERS, 6) and memory.any() for pair in memories.values() for memory in pair)


@pytest.mark.parametrize(
    "algorithm, kills",
    [
        ("sb3.ppo", [29]),
        ("sb3.ppo", [12, 21]),
        ("sb3contrib.recurrent_ppo", [29]),
        ("sb3.sac", [36]),  # while actions are still drawn at random
        ("sb3.sac", [80, 45]),
        ("sb3contrib.tqc", [110]),  # after the replay buffer has come round
    ],
)
def test_a_killed_run_goes_on_bit_for_bit_as_if_nothing_had_happened(algorithm, kills, whole, tmp_path):
    wanted = tiny(algorithm)
    for i, at in enumerate(kills):
        with pytest.raises(Killed):
            learn(wanted, tmp_path, resume=i > 0, at=at, strike=kill)
        assert 0 < checkpoint(tmp_path)["steps"] < wanted.total_steps
        torch.rand(7), np.random.rand(7)  # what other code does to the generators between the runs does not matter
    assert differences(learn(wanted, tmp_path, resume=True), whole[algorithm]) == []


SIGKILL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_sb3_learner import learn, tiny
learn(tiny("sb3.sac"), Path({folder!r}), at=100, strike=lambda result: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_that_was_killed_outright_is_continued_by_another_bit_for_bit(whole, tmp_path):
    program = SIGKILL.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert differences(learn(tiny("sb3.sac"), tmp_path, resume=True), whole["sb3.sac"]) == []


def test_a_run_that_was_resumed_with_other_numbers_is_refused(whole, tmp_path):
    with pytest.raises(Killed):
        learn(tiny("sb3.ppo"), tmp_path, at=29, strike=kill)
    with pytest.raises(RunFolderError, match=r"config\.json has changed.*seed: was 5, is 6.*put it back"):
        learn(tiny("sb3.ppo", seed=6), tmp_path, resume=True)


def test_a_restored_batch_flies_on_bit_for_bit():
    def batch():
        return LanderVecEnv("planar", 6, seed=3, time_limit=15.0)

    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (120, 6, 2)).astype(np.float32)
    one, other = batch(), batch()
    one.reset()
    for action in actions[:50]:
        one.step(action)
    other.restore(one.snapshot())
    ends = 0
    for action in actions[50:]:
        (*arrays, infos), (*as_arrays, as_infos) = one.step(action), other.step(action)
        assert all(np.array_equal(a, b) for a, b in zip(arrays, as_arrays, strict=True))
        for info, as_info in zip(infos, as_infos, strict=True):
            assert info.keys() == as_info.keys()
            ends += "episode" in info
            assert not info or info["episode"]["l"] == as_info["episode"]["l"]
    assert ends > 6


def flown(algorithm, steps=40):
    """A model whose actions vary, and what it did: observations, episode starts, actions, each (steps, N, ...)."""
    wanted = tiny(algorithm, changes={"time_limit": 15.0}, practice={})
    scenario, _ = scenarios_of(wanted)
    environment = LanderVecEnv(scenario, 16)
    model = build(wanted, scenario, environment)
    with torch.no_grad():
        for weights in model.policy.parameters():
            if weights.dim() == 2:
                weights.normal_(0.0, 0.35)  # an untrained one hardly moves
    observation, starts, state = environment.reset(), np.ones(16, dtype=bool), None
    seen, began, acted = [], [], []
    for _ in range(steps):
        action, state = model.predict(observation, state, starts, deterministic=True)
        seen.append(observation)
        began.append(starts)
        acted.append(action)
        observation, _, starts, _ = environment.step(action)
    return model, scenario, np.stack(seen), np.stack(began), np.stack(acted)


@EACH
def test_what_flies_is_what_was_trained(algorithm, tmp_path):
    model, scenario, seen, began, acted = flown(algorithm)
    assert began[1:].any(), "no episode began on the way"
    assert (acted.std(axis=(0, 1)) > 0.01).all(), "it does the same all the time"
    save_policy(tmp_path, extract_policy(model), scenario, {})
    pilot = load_policy(tmp_path, scenario)
    assert pilot.network.memory == ("lstm" if algorithm == "sb3contrib.recurrent_ppo" else "none")
    assert pilot.network.squash is (algorithm in OFF_POLICY)
    for observation, starts, action in zip(seen, began, acted, strict=True):
        pilot.reset(torch.from_numpy(starts))
        # The same layers in the same order in float32; a sum may still be taken in another order.
        np.testing.assert_allclose(pilot.act(torch.from_numpy(observation)).numpy(), action, rtol=0.0, atol=1e-6)


def test_a_card_without_a_squash_is_an_older_one_and_a_wrong_one_is_refused(tmp_path):
    model, scenario, seen, _, acted = flown("sb3.ppo", steps=2)
    save_policy(tmp_path, extract_policy(model), scenario, {})
    card = json.loads((tmp_path / "policy.json").read_text())
    assert card.pop("squash") is False
    (tmp_path / "policy.json").write_text(json.dumps(card))
    action = load_policy(tmp_path, scenario).act(torch.from_numpy(seen[0]))
    np.testing.assert_allclose(action.numpy(), acted[0], rtol=0.0, atol=1e-6)
    (tmp_path / "policy.json").write_text(json.dumps({**card, "squash": "tanh"}))
    with pytest.raises(PolicyFileError, match="squash must be true or false, got 'tanh'"):
        load_policy(tmp_path, scenario)


@EACH
def test_the_first_policy_acts_as_the_experiment_says(algorithm):
    wanted = tiny(algorithm, network={**tiny(algorithm).network.model_dump(), "deviation": [0.4, 0.1, 0.2]})
    scenario, _ = scenarios_of(wanted)
    environment = LanderVecEnv(scenario, 500)
    model = build(wanted, scenario, environment)
    seen, starts = environment.reset(), np.ones(500, dtype=bool)
    mean, _ = model.predict(seen, None, starts, deterministic=True)
    np.testing.assert_allclose(mean, np.tile([0.4, 0.0, 0.0], (500, 1)), atol=0.03)
    drawn, _ = model.predict(seen, None, starts, deterministic=False)
    deviation = np.arctanh(drawn.clip(-0.999, 0.999)) if algorithm in OFF_POLICY else drawn
    np.testing.assert_allclose(deviation.std(axis=0)[1:], [0.1, 0.2], rtol=0.2)


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_a_first_action_that_no_tanh_gives_is_refused(algorithm):
    wanted = tiny(algorithm, network={"bias": [1.0]})
    scenario, _ = scenarios_of(wanted)
    with pytest.raises(ValueError, match=rf"network\.bias of {algorithm} must lie between -1 and 1.*got \(1\.0,\)"):
        build(wanted, scenario, LanderVecEnv(scenario, 2))


def finite(tree):
    """Whether all numbers of a checkpoint are."""
    if isinstance(tree, dict):
        return all(finite(branch) for branch in tree.values())
    if isinstance(tree, list | tuple):
        return all(finite(branch) for branch in tree)
    return not isinstance(tree, torch.Tensor) or bool(torch.isfinite(tree).all())


def learnt(saved):
    """What a run has learnt, and what it learns from; a lander's own state may hold the infinite."""
    return {name: saved[name] for name in ("policy", "optimizers", "replay") if name in saved}


@pytest.mark.parametrize(("algorithm", "number"), [*((each, np.nan) for each in ALGORITHMS), ("sb3.ppo", np.inf)])
def test_a_reward_that_is_no_number_stops_the_run_and_ruins_nothing(algorithm, number, whole, tmp_path):
    def strike(result):
        result[1][3] = number
        return result

    with pytest.raises(NotFiniteError, match=r"a reward was not finite .*landers \[3\] of seed 5.*not_finite\.pt"):
        learn(tiny(algorithm), tmp_path, at=45, strike=strike)
    batch = torch.load(tmp_path / "not_finite.pt", weights_only=True)
    assert (batch["landers"], batch["seed"], batch["steps"]) == ([3], 5, 45 * LANDERS)
    assert (~torch.isfinite(batch["rewards"])).nonzero().tolist() == [[3]]
    assert finite(learnt(checkpoint(tmp_path)))
    assert differences(learn(tiny(algorithm), tmp_path, resume=True), whole[algorithm]) == []


def test_an_observation_that_is_no_number_stops_the_run(tmp_path):
    def strike(result):
        result[0][2, 0] = np.nan
        return result

    with pytest.raises(NotFiniteError, match=r"an observation was not finite.*landers \[2\]"):
        learn(tiny("sb3.ppo"), tmp_path, at=20, strike=strike)


def built(monkeypatch, change):
    """Let every model that is built undergo a change."""

    def build_and_change(*arguments):
        model = build(*arguments)
        change(model)
        return model

    monkeypatch.setattr(learn_sb3, "build", build_and_change)


def nth(count, usual, strange):
    """A function that calls ``usual``, but for one call ``strange``."""
    calls = []

    def function(*arguments, **named):
        calls.append(None)
        return (strange if len(calls) == count else usual)(*arguments, **named)

    return function


@pytest.mark.parametrize(
    "algorithm, optimizer",
    [("sb3.ppo", "policy"), ("sb3contrib.recurrent_ppo", "policy"), ("sb3.sac", "actor"), ("sb3.sac", "critic"),
     ("sb3contrib.tqc", "entropy")],
)  # fmt: skip
def test_a_gradient_that_is_no_number_is_never_stepped_along(algorithm, optimizer, monkeypatch, tmp_path):
    models = []

    def spoil(model):
        models.append(model)
        weight = optimizers_of(model)[optimizer].param_groups[0]["params"][-1]
        weight.register_hook(nth(15, lambda gradient: gradient, lambda gradient: gradient * np.nan))

    built(monkeypatch, spoil)
    with pytest.raises(
        NotFiniteError, match=f"a loss or a gradient of the {optimizer} was not finite.*of seed 5 were finite"
    ):
        learn(tiny(algorithm), tmp_path)
    batch = torch.load(tmp_path / "not_finite.pt", weights_only=True)
    assert batch["landers"] == [] and len(batch["observations"]) and finite(batch)
    assert finite(models[0].policy.state_dict())
    assert finite(learnt(checkpoint(tmp_path)))


def test_a_loss_that_is_no_number_stops_the_run_before_it_is_kept(monkeypatch, tmp_path):
    def spoil(model):
        record = model.train

        def strange(*arguments, **named):
            record(*arguments, **named)
            model.logger.record("train/critic_loss", np.inf)

        model.train = nth(50, record, strange)

    built(monkeypatch, spoil)
    with pytest.raises(NotFiniteError, match=r"train/critic_loss was not finite after 720 decisions"):
        learn(tiny("sb3.sac"), tmp_path)
    assert checkpoint(tmp_path)["steps"] == 64 * LANDERS


METRICS = {
    "landed", "episodes", "flight/belief_error", "flight/propellant_used", "flight/duration", "flight/descent_rate",
    "flight/lateral_speed", "outcome/landed", "outcome/crashed",
    "outcome/out_of_time", "reward/approach", "reward/propellant_cost", "reward/touchdown", "speed/steps_per_second",
    "speed/environment_steps_per_second", "speed/learner_steps_per_second", "speed/environment_share",
    "speed/seconds",
}  # fmt: skip
LOSSES = {
    "sb3.ppo": {"train/value_loss", "train/policy_gradient_loss", "train/approx_kl"},
    "sb3.sac": {"train/actor_loss", "train/critic_loss", "train/ent_coef"},
}


@pytest.mark.parametrize("algorithm", LOSSES)
def test_tensorboard_shows_a_run_that_was_killed_and_resumed_as_one(algorithm, tmp_path):
    with pytest.raises(Killed):
        learn(tiny(algorithm), tmp_path, at=45, strike=kill)
    learn(tiny(algorithm), tmp_path, resume=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert METRICS | LOSSES[algorithm] <= set(events.Tags()["scalars"])
    each = LANDERS * (32 if algorithm in OFF_POLICY else 8)
    steps = list(range(each, tiny(algorithm).total_steps + 1, each))
    assert [event.step for event in events.Scalars("landed")] == steps
    assert sum(event.value for event in events.Scalars("episodes")) > 0
    assert all(0.0 < event.value < 1.0 for event in events.Scalars("speed/environment_share"))


# The first lesson with nothing to be guessed, as in test_train, with the numbers that each learner wants for it.
LESSON = {
    "scenario": "vertical",
    "threads": 1,
    "changes": {"observation": "truth", "decision_period": 1.0},
    "practice": {"start.progress": [0.0, 1.0]},
}
RECURRENT = {
    "num_envs": 128,
    "total_steps": 98_304,
    "ppo": {"steps": 16, "batch_size": 512, "epochs": 4, "learning_rate": 1e-2, "discount": 0.99},
    "network": {"hidden": [32], "memory": "lstm", "memory_size": 16},
}
SOFT = {"start": 1024, "learning_rate": 3e-3, "updates": 4, "blending": 0.02}
OFF = {"num_envs": 64, "total_steps": 49_152, "network": {"hidden": [32, 32]}}
NUMBERS = {
    "sb3contrib.recurrent_ppo": RECURRENT,
    "sb3.sac": {**OFF, "off_policy": {**SOFT, "batch_size": 256}},
    "sb3contrib.tqc": {**OFF, "off_policy": {**SOFT, "batch_size": 64}},  # a critic of quantiles costs more
}


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", NUMBERS)
def test_each_learner_learns_the_first_lesson_in_half_a_minute(algorithm, tmp_path):
    wanted = experiment({**LESSON, **NUMBERS[algorithm], "algorithm": algorithm}, "lesson")
    scenario, practice = scenarios_of(wanted)
    old, new = tmp_path / "untrained", tmp_path / "trained"
    old.mkdir()
    new.mkdir()
    save_policy(old, extract_policy(build(wanted, practice, LanderVecEnv(practice, wanted.num_envs))), scenario, {})
    learn_sb3.learn(wanted, practice, scenario, new, resume=False)
    before, after = (fly_episodes(str(folder), scenario, 200, wanted.evaluation.seed) for folder in (old, new))
    assert (before.outcome == Outcome.LANDED).mean() < 0.1
    assert (after.outcome == Outcome.LANDED).mean() > 0.8
