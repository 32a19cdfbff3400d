"""A decision of a training is work that a GPU can be asked for at once, and can be recorded."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

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
# What makes the CPU wait for an answer, or needs a number that only the CPU has.
WAITS = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "unique", "lift_fresh", "lift"}


def same(one, other):
    return all(torch.equal(one[name], table) for name, table in other.items())


class Watched(TorchDispatchMode):
    """The names of all that torch is asked for."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Note the name, and do it."""
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


def descents_of(kind, device="cpu", num_envs=16):
    name, changes, network = KINDS[kind]
    numbers = {"scenario": name, "algorithm": "rsl_rl.ppo", "num_envs": num_envs, "changes": changes}
    practice = load_scenario(name, **changes, **{"start.progress": 0.9})  # some touch down soon
    return Descents(Experiment.model_validate({**numbers, "network": network}), practice, torch.device(device), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_decision_waits_for_the_cpu(kind):
    descents = descents_of(kind)
    action = torch.zeros(16, descents.descent.action_size)
    descents.fly(action)
    with Watched() as watched:
        descents.fly(action)
    assert "copy_" in watched.names
    assert not watched.names & WAITS


def test_the_watcher_sees_what_would_wait():
    table = torch.zeros(3, 4)
    for wrong in (lambda: table[:, [0, 2]], lambda: bool(table.any()), lambda: torch.tensor([1.0]) + table[0]):
        with Watched() as watched:
            wrong()
        assert watched.names & WAITS


@pytest.mark.parametrize("kind", ["differences", "beams"])
def test_asked_for_at_once_or_step_by_step_a_decision_is_the_same(kind):
    at_once, by_steps = descents_of(kind), descents_of(kind)
    action, ended = torch.full((16, at_once.descent.action_size), -0.1), 0
    for _ in range(60):
        seen, transition, final = at_once.fly(action)
        expected, reference, last = by_steps.step(action)
        assert torch.equal(transition.outcome, reference.outcome)
        assert torch.equal(transition.reward, reference.reward)
        assert same(seen, expected)
        assert last is None or same(final, last)
        ended += int(reference.done.sum())
    assert ended > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_decision_is_the_same_bit_for_bit(kind):
    recorded, plain = (descents_of(kind, "cuda", 512) for _ in range(2))
    action, ended = torch.full((512, plain.descent.action_size), -0.1, device="cuda"), 0
    for k in range(60):
        seen, transition, final = recorded.step(action - 0.01 * k)
        expected, reference, last = plain.fly(action - 0.01 * k)
        assert torch.equal(transition.outcome, reference.outcome)
        assert torch.equal(transition.reward, reference.reward)
        assert same(seen, expected)
        assert same(final, last)
        ended += int(reference.done.sum())
    assert recorded.recorded.graph is not None
    assert ended > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_is_recorded_is_not_done_by_recording_it():
    total = torch.zeros(3, device="cuda")
    add = Recorded(lambda given: total.add_(given).clone())
    sums = [add(torch.full((3,), float(k), device="cuda")).tolist() for k in (1, 2, 3)]
    assert sums == [[1.0] * 3, [3.0] * 3, [6.0] * 3]
