"""A policy that ``python -m agents.export`` wrote, flown by onnxruntime: ``--pilots path/to/policy.onnx``."""

from pathlib import Path

import numpy as np
import torch

from agents.policy.network import PolicyFileError
from agents.policy.onnx_file import read_onnx, require
from lunar_env import Scenario

SHARES = ("propellant",)  # in any scenario a share of the fullest tanks, and taken as such by agents/policy/features.py


def is_onnx_pilot(name: str) -> bool:
    """Whether a name is a path of an ONNX file."""
    return name.endswith(".onnx")


class OnnxPilot:
    """Flies the graph in an ONNX file, in any scenario that shows it what it was trained to see."""

    def __init__(self, path: Path, scenario: Scenario, device: torch.device | str = "cpu") -> None:
        runtime = require("onnxruntime", str(path))
        data, self.metadata = read_onnx(path)
        self.metadata.require_fits(path, scenario)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # such small layers gain nothing from more, and these would wait spinning
        options.log_severity_level = 4  # what is wrong is said below, in a line
        try:
            self.session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # a graph that is none makes onnxruntime raise errors of many kinds
            raise PolicyFileError(f"onnxruntime cannot load {path} ({error!r}); export it again") from None
        self._require_interface(path, len(scenario.action_names))
        self.device = torch.device(device)
        self.rescale = torch.tensor(self._rescale(scenario), dtype=torch.float32, device="cpu")  # (size,)
        self.state: torch.Tensor | None = None  # (N, state_size) what it remembers

    def reset(self, mask: torch.Tensor) -> None:
        """Forget what was remembered of the masked landers."""
        if self.state is None or len(self.state) != len(mask):
            self.state = torch.zeros(len(mask), self.metadata.state_size, dtype=torch.float32, device="cpu")
        self.state = torch.where(mask.cpu()[:, None], 0.0, self.state)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, action_size) in [-1, 1] for observations (N, size)."""
        state = (
            torch.zeros(len(observation), self.metadata.state_size, dtype=torch.float32, device="cpu")
            if self.state is None
            else self.state
        )
        action, self.state = self.run(observation.cpu(), state)
        return action.to(self.device)

    def run(self, observation: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, size) and (N, state_size) to the action (N, action_size), clipped, and the new state; all on the CPU."""
        inputs = {"observation": np.asarray(observation * self.rescale, dtype=np.float32)}
        if not self.metadata.state_size:
            return torch.from_numpy(self.session.run(["action"], inputs)[0]), state
        inputs["state"] = np.asarray(state, dtype=np.float32)
        action, following = self.session.run(["action", "next_state"], inputs)
        return torch.from_numpy(action), torch.from_numpy(following)

    def _rescale(self, scenario: Scenario) -> list[float]:
        """What turns an observation of this scenario into one of the scenario that it was trained on; 1 in the same."""
        channels = zip(scenario.observation_table().channels, self.metadata.scales, strict=True)
        factors = [1.0 if channel.name in SHARES else channel.scale / scale for channel, scale in channels]
        return factors * self.metadata.history

    def _require_interface(self, path: Path, action_size: int) -> None:
        """Refuse a graph that takes or gives something else than its metadata and the scenario say."""
        memory = self.metadata.state_size
        takes = {"observation": self.metadata.size} | ({"state": memory} if memory else {})
        gives = {"action": action_size} | ({"next_state": memory} if memory else {})
        for wanted, nodes in ((takes, self.session.get_inputs()), (gives, self.session.get_outputs())):
            found = {node.name: (node.type, node.shape) for node in nodes}
            # A first size that is a number would be that of the one batch that the graph can fly.
            good = {
                name: len(shape) == 2 and not isinstance(shape[0], int) and (kind, shape[1]) == ("tensor(float)", size)
                for (name, (kind, shape)), size in zip(found.items(), map(wanted.get, found), strict=True)
            }
            if set(good) != set(wanted) or not all(good.values()):
                raise PolicyFileError(
                    f"{path} takes or gives {found}; needed are float tensors of any number of rows and so many "
                    f"columns: {wanted}; export it again"
                )
