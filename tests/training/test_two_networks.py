"""SB3's PPO on two cores learns what it learns on one, bit for bit."""

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from torch import nn

from agents.policy.features import Features
from agents.training.experiment import experiment
from agents.training.prepare import scenarios_of
from agents.training.sb3 import dialect
from agents.training.sb3 import learner as learn_sb3
from agents.training.sb3.two_networks import TwoNetworks
from lunar_env.sb3 import LanderVecEnv


def tiny(**network):
    return experiment(
        {
            "scenario": "resilience",
            "changes": {"history": 2, "time_limit": 40.0},  # some episodes end, and some by the clock
            "practice": {"start.progress": [0.9, 1.0]},
            "algorithm": "sb3.ppo",
            "num_envs": 24,
            "total_steps": 3 * 24 * 32,
            "ppo": {"steps": 32, "batch_size": 128, "epochs": 3},
            "network": {"hidden": [16, 8], **network},
        },
        "tiny",
    )


def trained(wanted, folder):
    """The weights and moments that a training leaves, and where its minibatches' generator stands."""
    scenario, practice = scenarios_of(wanted)
    folder.mkdir()
    learn_sb3.learn(wanted, practice, scenario, folder, False)
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    return saved["policy"], saved["optimizers"]["policy"]["state"], saved["random"]["others"], saved["tally"]


@pytest.mark.parametrize("network", [{}, {"hidden": []}, {"differences": True}], ids=["layers", "none", "differences"])
def test_what_is_learnt_is_what_sb3_alone_learns(network, tmp_path, monkeypatch):
    torch.set_num_threads(2)
    weights, moments, *others = trained(tiny(**network), tmp_path / "ours")
    assert torch.get_num_threads() == 2
    monkeypatch.setitem(dialect.ON_POLICY, "sb3.ppo", (PPO, "MlpPolicy"))
    torch.set_num_threads(1)
    sb3_weights, sb3_moments, *sb3_others = trained(tiny(**network), tmp_path / "sb3")
    assert list(weights) == list(sb3_weights)
    assert all(torch.equal(weight, sb3_weights[name]) for name, weight in weights.items())
    for number, moment in moments.items():
        assert all(torch.equal(table, sb3_moments[number][name]) for name, table in moment.items())
    assert repr(others) == repr(sb3_others)


def model_of(wanted):
    _, practice = scenarios_of(wanted)
    return dialect.build(wanted, practice, LanderVecEnv(practice, wanted.num_envs))


def test_a_minibatch_shows_the_features_of_the_observations_that_were_flown():
    wanted = tiny()
    model = model_of(wanted)
    buffer, rng = model.rollout_buffer, np.random.default_rng(0)
    features = Features(scenarios_of(wanted)[1])
    for turn in range(2):  # a new rollout forgets the features of the last one
        buffer.reset()
        buffer.full = True
        for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
            table = getattr(buffer, name)
            table[:] = rng.normal(size=table.shape) + turn
        flown = buffer.observations.swapaxes(0, 1).reshape(-1, buffer.observations.shape[-1]).copy()
        returns = buffer.returns.swapaxes(0, 1).reshape(-1).copy()
        shown = {
            float(value): features(torch.from_numpy(row[None]))[0] for value, row in zip(returns, flown, strict=True)
        }
        count = 0
        for batch in buffer.get(128):
            for value, row in zip(batch.returns.tolist(), batch.observations, strict=True):
                torch.testing.assert_close(row, shown[value], rtol=0.0, atol=1e-6)
                count += 1
        assert count == wanted.num_envs * wanted.ppo.steps


def test_gradients_are_those_of_both_networks():
    torch.manual_seed(0)
    networks, features = TwoNetworks(7, [5, 4], nn.Tanh, "cpu"), torch.randn(33, 7)
    of_policy, of_value = networks(features)
    (of_policy.sin().sum() + of_value.square().sum()).backward()
    found = [weight.grad.clone() for weight in networks.parameters()]
    networks.zero_grad()
    (networks.policy_net(features).sin().sum() + networks.value_net(features).square().sum()).backward()
    assert len(found) == 8
    assert all(torch.equal(one, weight.grad) for one, weight in zip(found, networks.parameters(), strict=True))
    with torch.no_grad():
        assert all(map(torch.equal, networks(features), (of_policy, of_value)))


def test_what_one_network_raises_is_raised():
    networks = TwoNetworks(7, [5], nn.Tanh, "cpu")
    networks.value_net[1].forward = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        networks(torch.ones(3, 7))


def test_the_news_of_ended_episodes_are_kept_as_sb3_keeps_them(monkeypatch):
    infos = [{}, {"episode": {"r": 1.0}, "is_success": True}, {}, {"episode": {"r": 2.0}, "is_success": False}]
    dones = np.array([False, True, False, True])
    kept = []
    for kind in (None, (PPO, "MlpPolicy")):
        if kind is not None:
            monkeypatch.setitem(dialect.ON_POLICY, "sb3.ppo", kind)
        model = model_of(tiny())
        model._setup_learn(1, None)
        model._update_info_buffer(infos, dones)
        kept.append((list(model.ep_info_buffer), list(model.ep_success_buffer)))
    assert kept[0] == kept[1] == ([{"r": 1.0}, {"r": 2.0}], [True, False])


def test_physics_and_networks_share_the_threads_that_were_asked_for(tmp_path, monkeypatch):
    seen = []

    class Watched(LanderVecEnv):
        def step_wait(self):
            seen.append((torch.get_num_threads(), self.descent.threads))
            return super().step_wait()

    monkeypatch.setattr(learn_sb3, "LanderVecEnv", Watched)
    wanted = tiny().model_copy(update={"threads": 4, "num_envs": 512, "total_steps": 512 * 32})
    trained(wanted, tmp_path / "run")
    assert set(seen) == {(2, 2)}
    assert torch.get_num_threads() == 1
