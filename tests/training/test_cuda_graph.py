"""A decision of a training is the same at once, step by step, and from a recording; test_device_path.py counts."""

import pytest
import torch

pytest.importorskip("rsl_rl")

from agents.training.experiment import Experiment
from agents.training.rsl_rl.cuda_graph import Recorded
from agents.training.rsl_rl.dialect import Descents
from lunar_env import load_scenario

KINDS = {
    "truth": ("vertical", {"observation": "truth"}, {}),
    "readings": ("resilience", {"history": 4}, {"critic": "same"}),
    "differences": ("any_fault", {"history": 2}, {"critic": "privileged", "differences": True}),
    "beams": ("gaudet_beams", {"history": 2}, {"critic": "privileged"}),
    "laser": ("vertical", {"observation": "beams", "history": 8}, {"critic": "privileged"}),
}


def same(one, other):
    return all(torch.equal(one[name], table) for name, table in other.items())


def near(one, other):
    """As near as the kernel of the features is to their formulas: see tests/policy/test_feature_kernel.py."""
    return all(torch.allclose(one[name], table, rtol=2e-6, atol=1e-5) for name, table in other.items())


def descents_of(kind, device="cpu", num_envs=16, at_once=True):
    name, changes, network = KINDS[kind]
    numbers = {"scenario": name, "algorithm": "rsl_rl.ppo", "num_envs": num_envs, "changes": changes}
    practice = load_scenario(name, **changes, **{"start.progress": 0.9})  # some touch down soon
    return Descents(
        Experiment.model_validate({**numbers, "network": network}), practice, torch.device(device), 0, at_once
    )


@pytest.mark.parametrize("kind", KINDS)
def test_asked_for_at_once_or_step_by_step_a_decision_is_the_same(kind):
    at_once, by_steps = descents_of(kind), descents_of(kind, at_once=False)
    action, ended = torch.full((16, at_once.descent.action_size), -0.1), 0
    for _ in range(60):
        seen, flown, final = at_once.step(action)
        expected, reference, last = by_steps.step(action)
        assert torch.equal(flown.outcome, reference.outcome)
        assert torch.equal(flown.reward, reference.reward)
        assert torch.equal(flown.done, reference.done)
        assert near(seen, expected)
        assert last is None or near(final, last)
        ended += int(reference.done.sum())
    assert ended > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_decision_is_the_same_bit_for_bit(kind):
    recorded, plain = (descents_of(kind, "cuda", 512) for _ in range(2))
    action = torch.full((512, plain.descent.action_size), -0.1, device="cuda")
    kept, ended = {}, 0

    def work():
        seen, flown, final = recorded.fly(action)
        kept.update(seen=seen, outcome=flown.outcome, reward=flown.reward, final=final)

    fly = Recorded(work, torch.device("cuda", torch.cuda.current_device()))
    for _ in range(60):
        fly()
        expected, reference, last = plain.fly(action)
        assert torch.equal(kept["outcome"], reference.outcome)
        assert torch.equal(kept["reward"], reference.reward)
        assert same(kept["seen"], expected)
        assert same(kept["final"], last)
        ended += int(reference.done.sum())
        action -= 0.01
    assert fly.graph is not None
    assert ended > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_is_recorded_is_not_done_by_recording_it():
    total, given = torch.zeros(3, device="cuda"), torch.zeros(3, device="cuda")
    add = Recorded(lambda: total.add_(given), torch.device("cuda", torch.cuda.current_device()))
    sums = []
    for k in (1.0, 2.0, 3.0):
        given.fill_(k)
        add()
        sums.append(total.tolist())
    assert sums == [[1.0] * 3, [3.0] * 3, [6.0] * 3]
