"""What training asks of a GPU: so few kernels a decision, all from a recording, and one wait an update.

Counted on a CPU through the path of a GPU, with a stand-in for the recorder that does the work and says so. An
operation of torch is taken for one kernel; the CPU's GRU and LSTM are made of more than a GPU's.
"""

import copy
import sys

import pytest
import torch
from counting import counted

pytest.importorskip("rsl_rl")
pytest.importorskip("tensorboard")
pytest.importorskip("safetensors")

from rsl_rl.algorithms import PPO
from rsl_rl.modules.distribution import GaussianDistribution

from agents.training.experiment import Experiment
from agents.training.rsl_rl.learner import Learner
from agents.training.rsl_rl.ppo import Gaussian
from lunar_env import load_scenario

STEPS, LANDERS = 8, 16
KINDS = {
    "readings": ("resilience", {"history": 6}, {"critic": "same"}, {}),
    "truth": ("vertical", {"observation": "truth"}, {"critic": "same"}, {"last_deviation": [0.1]}),
    "privileged": ("resilience", {"history": 6}, {"critic": "privileged"}, {}),
    "differences": ("any_fault", {"history": 2}, {"critic": "privileged", "differences": True}, {}),
    "beams": ("gaudet_beams", {"history": 2}, {"critic": "privileged"}, {"desired_kl": 0.01}),
}
REMEMBERING = {
    "gru": ("resilience", {}, {"critic": "privileged", "memory": "gru", "memory_size": 12}, {}),
    "lstm": ("planar", {"time_limit": 20.0}, {"critic": "same", "memory": "lstm", "memory_size": 12}, {}),
}
CURRICULUM = {"start": 0.25, "step": 0.25, "promote_at": 0.1, "episodes": 10}


class StandIn:
    """Does at every call what would be recorded, and counts it as such."""

    counting = None

    def __call__(self, work):
        """The work, as ``Recorded`` gives it back."""

        def again():
            if self.counting is None:
                return work()
            with self.counting.recorded():
                return work()

        return again


@pytest.fixture(autouse=True)
def adam_of_a_gpu(monkeypatch):
    """The optimiser that can be recorded is for GPUs; its formulas do not mind where they are worked out."""
    module = sys.modules[torch.optim.Adam.__module__]
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda *_, **__: ["cpu", "cuda"])


def learner(folder, kind, recorder, **further):
    name, changes, network, ppo = {**KINDS, **REMEMBERING}[kind]
    numbers = {"steps": STEPS, "batch_size": 32, "epochs": 2, **ppo}
    wanted = Experiment.model_validate(
        {"scenario": name, "algorithm": "rsl_rl.ppo", "num_envs": LANDERS, "changes": changes, "threads": 1,
         "network": {"hidden": (16, 16), **network}, "ppo": numbers, **further}
    )  # fmt: skip
    scenario = load_scenario(name, **changes)
    practice = load_scenario(scenario, **{"start.progress": 0.9})  # some touch down soon
    return Learner(wanted, practice, scenario, folder, recorder)


@pytest.mark.parametrize("further", [{}, {"curriculum": CURRICULUM}], ids=["", "curriculum"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_is_at_most_sixty_kernels_of_a_recording_and_none_outside_of_it(kind, further, tmp_path):
    if further and kind not in ("privileged", "differences"):
        pytest.skip("no fault to be eased")
    recorder = StandIn()
    made = learner(tmp_path, kind, recorder, **further)
    made.rollout()
    made.update()
    with counted() as counting:
        recorder.counting = counting
        made.rollout()
    assert counting.inside.kernels["warp show"] == 2 * STEPS, "the path is not a GPU's"
    assert 30 * STEPS < counting.inside.kernels.total() <= 60 * STEPS, counting.inside
    assert counting.outside.kernels.total() <= 5 * STEPS, counting.outside
    assert counting.inside.waits.total() == counting.outside.waits.total() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_waits_once_and_learns_from_recordings(kind, tmp_path):
    recorder = StandIn()
    made = learner(tmp_path, kind, recorder)
    made.rollout()
    made.update()
    made.rollout()
    with counted() as counting:
        recorder.counting = counting
        losses = made.update()
    assert set(losses) == {"value", "surrogate", "entropy"}
    assert counting.outside.waits.total() == 1, counting.outside
    assert counting.inside.waits.total() == 0, counting.inside
    minibatches = 2 * made.algorithm.num_mini_batches
    assert counting.inside.kernels.total() > 100 * minibatches
    assert counting.outside.kernels.total() < 100 + minibatches
    with counted() as counting:
        metrics = made.metrics(losses, 1.0)
    assert metrics["episodes"] >= 0
    # One for the sums; the landing rate is kept, and read, by the processor.
    assert counting.outside.waits == {"tolist": 1, "lift_fresh": 1, "__float__": 1}


@pytest.mark.parametrize("kind", REMEMBERING)
def test_with_a_memory_a_rollout_waits_for_nothing_either(kind, tmp_path):
    recorder = StandIn()
    made = learner(tmp_path, kind, recorder)
    made.rollout()
    made.update()
    with counted() as counting:
        recorder.counting = counting
        made.rollout()
    assert counting.inside.kernels.total() <= 72 * STEPS, counting.inside
    assert counting.outside.kernels.total() == 0
    assert counting.inside.waits.total() == counting.outside.waits.total() == 0


@pytest.mark.parametrize("kind", [*KINDS, *REMEMBERING])
def test_the_path_of_a_gpu_learns_what_that_of_a_cpu_learns(kind, tmp_path):
    ways = [learner(tmp_path, kind, recorder) for recorder in (None, StandIn())]
    for made in ways:
        torch.manual_seed(5)
        for _ in range(3):
            made.rollout()
            made.update()
    cpu, gpu = (torch.cat([p.flatten() for p in made.algorithm.actor.parameters()]) for made in ways)
    start = torch.cat([p.flatten() for p in learner(tmp_path, kind, None).algorithm.actor.parameters()])
    moved = (cpu - start).abs().max()
    assert moved > 0.005
    # Features and optimiser round otherwise, and what they differ in grows with each rollout.
    assert (cpu - gpu).abs().max() < 0.005 * moved


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", [*KINDS, *REMEMBERING])
def test_a_gpu_learns_from_recordings_what_it_learns_without(kind, tmp_path, monkeypatch):
    ends = []
    for recorded in (True, False):
        if not recorded:
            monkeypatch.setattr("agents.training.rsl_rl.learner.Recorded", lambda work, device: work)
        made = learner(tmp_path, kind, None, device="cuda")
        start = torch.cat([p.detach().flatten() for p in made.algorithm.actor.parameters()]).clone()
        torch.manual_seed(5)
        for _ in range(4):
            made.rollout()
            made.update()
        assert (getattr(made._recorded, "graph", None) is not None) == recorded
        ends.append(torch.cat([p.detach().flatten() for p in made.algorithm.actor.parameters()]).clone())
    moved = (ends[0] - start).abs().max()
    assert moved > 0.005
    assert (ends[0] - ends[1]).abs().max() < 0.005 * moved


def likelihoods_as_they_were_flown(made):
    """Of each decision's actions by itself, as the library works them out."""
    storage, distribution = made.algorithm.storage, copy.deepcopy(made.algorithm.actor.distribution)
    found = []
    for mean, deviation, action in zip(*storage.distribution_params, storage.actions, strict=True):
        distribution._distribution = torch.distributions.Normal(mean, deviation)
        found.append(distribution.log_prob(action))
    return torch.stack(found)


def test_exploration_is_drawn_as_the_library_draws_it():
    ours = Gaussian(3, std_type="log")
    for landers in (1, 7, 64):
        mean = torch.randn(landers, 3)
        ours.update(mean)
        torch.manual_seed(4)
        drawn = ours.sample()
        torch.manual_seed(4)
        assert torch.equal(drawn, GaussianDistribution.sample(ours))


@pytest.mark.parametrize("kind", ["readings", "beams", "gru", "lstm"])
def test_returns_likelihoods_and_an_update_are_those_of_the_library_bit_for_bit(kind, tmp_path):
    made = learner(tmp_path, kind, None)
    made.rollout()
    made.update()
    made.rollout()
    ours, theirs = made.algorithm, copy.deepcopy(made.algorithm)
    returns, advantages = ours.storage.returns.clone(), ours.storage.advantages.clone()
    with torch.no_grad():
        PPO.compute_returns(theirs, made.seen)
    assert torch.equal(theirs.storage.returns, returns)
    assert torch.equal(theirs.storage.advantages, advantages)
    assert torch.equal(ours.storage.actions_log_prob.squeeze(-1), likelihoods_as_they_were_flown(made))
    torch.manual_seed(1)
    losses = ours.update()
    torch.manual_seed(1)
    assert losses == PPO.update(theirs)
    for mine, other in zip(ours.actor.parameters(), theirs.actor.parameters(), strict=True):
        assert torch.equal(mine, other)
    for mine, other in zip(ours.critic.parameters(), theirs.critic.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_what_the_counting_is_built_on_is_seen():
    table, mask = torch.zeros(3, 4), torch.tensor([True, False, True])
    waits = {
        "item": lambda: table[0, 0].item(),
        "__bool__": lambda: bool(table.any()),
        "tolist": lambda: table.tolist(),
        "cpu": lambda: table.cpu(),
        "nonzero": lambda: mask.nonzero(),
        "index": lambda: table[mask],
        "normal": lambda: torch.normal(table, table),
        "lift_fresh": lambda: torch.tensor([1.0]) + table[0],
        "masked_select": lambda: table.masked_select(mask[:, None]),
    }
    for name, ask in waits.items():
        with counted() as counting, counting.recorded():
            ask()
        assert counting.inside.waits == {name: 1}
        assert not counting.outside.waits
    with counted() as counting:
        table.view(-1)[2:].unsqueeze(0)  # names only
        torch.where(mask[:, None], table, 0.0)
        table.masked_fill_(mask[:, None], 0.0)
    assert counting.outside.waits.total() == 0
    assert set(counting.outside.kernels) == {"scalar_tensor", "where", "masked_fill_"}
