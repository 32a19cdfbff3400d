"""The features of a policy as one kernel: what ``Features`` works out in some hundred steps, in one.

For training on a GPU, where each step of torch's is a launch. The formulas of features.py, beam_features.py and
differences.py are what counts; they are what gradients and ONNX files are made of, and a test holds this against them.
One thread works out what is shown of one reading of one lander.
"""

from typing import Any

import torch
import warp as wp

from agents.policy.feature_formulas import Shown, put, show_beams, show_change, show_instruments, signed_log
from agents.policy.feature_plan import BeamPlan, FeaturePlan, beams_of, plan_of
from agents.policy.features import METRIC, Features
from lunar_env import Descent
from lunar_env.kernel.cache import start_warp
from lunar_env.kernel.layout import shared
from lunar_env.kernel.streams import launch

wp.set_module_options({"enable_backward": False})


@wp.kernel
def show(
    observation: wp.array2d(dtype=float),
    scale: wp.array(dtype=float),
    beams: wp.array(dtype=BeamPlan),
    plan: FeaturePlan,
    out: wp.array2d(dtype=float),
):
    """The features of each lander's readings, or of its newest and of what changed between them."""
    row, number = wp.tid()  # type: ignore[misc]
    now = Shown()
    now.observation = observation
    now.scale = scale
    now.row = row
    now.first = number * plan.channels
    start = number * plan.size
    newest = plan.history - 1
    if plan.differences == 1:
        start = 0
        if number < newest:
            before = now
            now.first = now.first + plan.channels
            show_change(before, now, plan, beams, out, plan.size + number * plan.change_size)
    if plan.differences == 0 or number == newest:
        column = int(0)
        if plan.inertial == 1:
            column = show_instruments(now, plan, beams, out, start)
        else:
            column = show_beams(now, plan, beams, out, start)
        if plan.propellant >= 0:
            share = now.observation[row, now.first + plan.propellant]
            column = put(out, row, column, 2.0 * share - 1.0)
        for i in range(plan.actions):
            out[row, column + i] = now.observation[row, now.first + plan.action + i]


@wp.kernel
def show_truth(
    numbers: wp.array2d(dtype=float), scales: wp.array(dtype=float), metric: int, out: wp.array2d(dtype=float)
):
    """See features.truth_features: every number in proportion, then the metric ones as logarithms."""
    row, i = wp.tid()  # type: ignore[misc]
    value = numbers[row, i]
    out[row, i] = value / scales[i]
    if i < metric:
        out[row, numbers.shape[1] + i] = signed_log(value, 2.0) / 3.0


class FeatureKernel:
    """``Features`` as one launch, on a GPU or a CPU, without gradients.

    Args:
        features: whose numbers it works out.
        device: of the observations.
    """

    def __init__(self, features: Features, device: torch.device) -> None:
        self.size, self.history, self.device = features.size, features.table.history, device
        start_warp()
        self.plan = plan_of(features)
        self.beams: Any = wp.array(beams_of(features), dtype=BeamPlan, device=wp.device_from_torch(device))
        self.scale = features.scale.to(device).contiguous()

    @torch.no_grad()
    def __call__(self, observation: torch.Tensor) -> torch.Tensor:
        """Observations (N, history x channels) to features (N, size), on torch's current stream."""
        out = torch.empty(len(observation), self.size, dtype=torch.float32, device=self.device)
        inputs = [shared(observation), shared(self.scale), self.beams, self.plan]
        launch(show, (len(observation), self.history), [*inputs, shared(out)], out.device)
        return out


@torch.no_grad()
def truth_features_at_once(descent: Descent) -> torch.Tensor:
    """``truth_features``, (N, 23 + 3 F), as two launches."""
    numbers = descent.true_numbers()
    rows, size = numbers.shape
    out = torch.empty(rows, size + METRIC, dtype=torch.float32, device=numbers.device)
    launch(show_truth, (rows, size), [shared(numbers), shared(descent.true_scales), METRIC, shared(out)], out.device)
    return out
