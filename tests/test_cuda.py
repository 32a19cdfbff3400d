"""The kernels are one source for CPU and CUDA: it compiles for a GPU everywhere, and agrees with the CPU on one."""

import warnings

import pytest
import torch

pytest.importorskip("rsl_rl")

from agents.policy.feature_kernel import show, show_truth
from agents.training.ends import add_ends
from agents.training.experiment import Experiment
from agents.training.rsl_rl.learner import Learner
from agents.training.rsl_rl.returns import estimate
from lunar_env import Descent, load_scenario
from lunar_env.kernel.builds import FULL, PLAIN, WHOLE
from lunar_env.kernel.cache import gpu_folder, machine_code, start_warp
from lunar_env.kernel.critic import tell_a_critic
from lunar_env.kernel.next_episode import count_on
from lunar_env.kernel.truth import tell

HOPPER = 90


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel", [PLAIN.advance, PLAIN.reset, WHOLE.advance, WHOLE.reset, FULL.advance, FULL.reset, tell]
)
def test_the_kernels_compile_for_a_gpu_without_one(tmp_path, kernel):
    start_warp()
    binary = machine_code(kernel.module, HOPPER, tmp_path)
    assert binary.name == f"{gpu_folder(kernel.module)}.sm{HOPPER}.cubin", "where Warp looks for it"
    assert binary.stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [tell_a_critic, count_on, show, show_truth, add_ends, estimate])
def test_the_small_kernels_of_a_training_compile_for_a_gpu_without_one(tmp_path, kernel):
    start_warp()
    binary = machine_code(kernel.module, HOPPER, tmp_path)
    assert binary.name == f"{gpu_folder(kernel.module)}.sm{HOPPER}.cubin", "where Warp looks for it"
    assert binary.stat().st_size > 1_000


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cpu_and_gpu_fly_the_same_descents():
    """Both round differently; 500 ticks apart, the altitude must agree to 0.1 m and the speed to 0.01 m/s."""
    scenario = load_scenario("resilience", decision_period=0.1)
    there, here = (Descent(scenario, num_envs=64, device=device, seed=3) for device in ("cuda", "cpu"))
    action = torch.zeros(64, there.action_size)
    for _ in range(500):
        there.step(action.cuda())
        here.step(action)
    truth, twin = there.truth(), here.truth()
    assert torch.allclose(truth["height"].cpu(), twin["height"], rtol=0.0, atol=0.1)
    assert torch.allclose(truth["descent_rate"].cpu(), twin["descent_rate"], rtol=0.0, atol=0.01)
    assert (there.state["altimeter.valid"].cpu() == here.state["altimeter.valid"]).float().mean() > 0.98


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_two_runs_on_a_gpu_are_bit_identical():
    ends = []
    for _ in range(2):
        descent = Descent("resilience", num_envs=4096, device="cuda", seed=3)
        for k in range(50):
            descent.step(torch.full((4096, 3), -0.2 + 0.01 * k, device="cuda"))
        ends.append(descent.snapshot()["lander"].cpu())
    assert torch.equal(ends[0].view(torch.int32), ends[1].view(torch.int32))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_step_can_be_captured_in_a_graph_and_replayed():
    graphed, plain = (Descent("resilience", num_envs=1024, device="cuda", seed=3) for _ in range(2))
    action = torch.full((1024, 3), -0.1, device="cuda")
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what is loaded on first use must not be captured
        graphed.step(action)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        transition = graphed.step(action)
    for _ in range(30):
        graph.replay()
    for _ in range(31):
        expected = plain.step(action)
    assert torch.equal(
        graphed.snapshot()["lander"].cpu().view(torch.int32), plain.snapshot()["lander"].cpu().view(torch.int32)
    )
    assert torch.equal(transition.observation.cpu(), expected.observation.cpu())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("memory", "critic"), [("none", "same"), ("none", "privileged"), ("gru", "privileged")])
def test_a_rollout_on_a_gpu_never_waits_for_it_and_an_update_once(tmp_path, memory, critic):
    numbers = {"ppo": {"steps": 8, "batch_size": 512}, "network": {"memory": memory, "critic": critic}}
    wanted = Experiment.model_validate(
        {"scenario": "resilience", "algorithm": "rsl_rl.ppo", "device": "cuda", **numbers}
    )
    scenario = load_scenario("resilience")
    learner = Learner(wanted, scenario, scenario, tmp_path)
    for _ in range(2):  # done as it is, and recorded
        learner.rollout()
        learner.update()
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner.rollout()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    if memory != "none":
        return  # the library finds out how long the flights were, minibatch by minibatch
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            learner.update()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert len(waits) <= 1, [str(wait.message) for wait in waits]
