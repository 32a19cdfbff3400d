"""The kernels are one source for CPU and CUDA: it compiles for a GPU everywhere, and agrees with the CPU on one."""

import pytest
import torch
import warp as wp

from lunar_env import Descent, load_scenario
from lunar_env.builds import PLAIN, WHOLE
from lunar_env.truth import tell

HOPPER = 90


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [PLAIN.advance, PLAIN.reset, WHOLE.advance, WHOLE.reset, tell])
def test_the_kernels_compile_for_a_gpu_without_one(tmp_path, kernel):
    wp.init()
    wp.compile_aot_module(kernel.module, arch=HOPPER, module_dir=str(tmp_path))
    (binary,) = tmp_path.glob(f"*.sm{HOPPER}.cubin")
    assert binary.stat().st_size > 10_000


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
        ends.append(descent.state.lander.cpu())
    assert torch.equal(ends[0].view(torch.int32), ends[1].view(torch.int32))
