"""Take a policy along: ``python -m agents.export runs/DIR [--to onnx,torch] [--out DIR]``.

Writes policy.onnx, for onnxruntime, and policy.pt2, for ``torch.export.load``: features, network and clipping as one
graph, which takes observations as the environment gives them. Beside them MODEL_CARD.md. A file is written only after
it was run on random observations and gave what the policy itself gives.
"""

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import nn

from agents.command import answer
from agents.pages.model_card import write_model_card
from agents.pilots import SHIPPED
from agents.policy.metadata import PolicyMetadata, metadata_of, trained_scenario
from agents.policy.network import LearnedPilot, PolicyFileError, load_policy, read_card
from agents.policy.onnx_file import pack_onnx, require
from agents.policy.onnx_pilot import OnnxPilot
from agents.run_folder import make_folder, write_atomic, write_json
from lunar_env import Scenario

KINDS = ("onnx", "torch")
ONNX, TORCH, TORCH_METADATA = "policy.onnx", "policy.pt2", "policy.pt2.json"
OPSET = 20  # every onnxruntime from 1.17 on runs it
TOLERANCE = 1e-5  # of actions in [-1, 1]: the rounding of float32 in another order of operations stays below
CHECKED = (37, 40)  # landers and decisions of the self-check

Graph = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Arguments:
    """Write a trained policy as files that fly without this project."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a run, or a shipped pilot."""
    to: str = ",".join(KINDS)
    """What to write: onnx, torch, or both, separated by a comma."""
    out: Path | None = None
    """Where the files go; by default into the run's folder. Replaces what is there."""


class Remembering(nn.Module):
    """Observation (N, size) and state (N, state_size) to the action (N, actions), clipped, and the new state."""

    def __init__(self, pilot: LearnedPilot) -> None:
        super().__init__()
        self.features, self.network = pilot.features, pilot.network

    def forward(self, observation: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One decision."""
        action, state = self.network(self.features(observation), state)
        return action.clamp(-1.0, 1.0), state


class Forgetting(nn.Module):
    """The same without a memory: the observation (N, size) alone to the action (N, actions)."""

    def __init__(self, pilot: LearnedPilot) -> None:
        super().__init__()
        self.whole = Remembering(pilot)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """One decision."""
        return self.whole(observation, observation[:, :0])[0]


def main() -> int:
    """The command line. Returns the exit code."""
    stays = "whatever file is there is a whole one; the same command begins anew"
    return answer("agents.export", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> None:
    """Export what was asked for, and say how well it flies."""
    folder = SHIPPED.get(str(arguments.run), arguments.run)
    files, difference = export_policy(folder, tuple(arguments.to.split(",")), arguments.out or folder)
    print(f"wrote {', '.join(map(str, files))}; largest difference from the policy itself: {difference:.1e}")


def export_policy(folder: Path, kinds: tuple[str, ...], out: Path) -> tuple[list[Path], float]:
    """Write the policy of a run for others to fly, and its card.

    Args:
        folder: of the run.
        kinds: some of ``KINDS``.
        out: where the files go.

    Returns:
        The files, and by how much their actions and states differ at most from those of the policy itself.

    Raises:
        PolicyFileError: there is no policy to be used, a package is missing, or a graph flies differently.
    """
    if not kinds or set(kinds) - set(KINDS):
        raise ValueError(f"--to takes {' and '.join(KINDS)}, separated by a comma, got {','.join(kinds)!r}")
    scenario = trained_scenario(folder)
    pilot = load_policy(folder, scenario)
    network = pilot.network.requires_grad_(False)
    card = read_card(folder)
    commit = str(card.get("commit", "unknown"))
    metadata = metadata_of(scenario, card["wishes"], card["differences"], network.memory, network.state_size, commit)
    make_folder(out)

    program, contents, differences = traced(pilot, metadata), {}, []
    if "onnx" in kinds:
        contents[ONNX] = onnx_bytes(program, metadata)
        differences.append(largest_difference(ONNX, onnx_graph(contents[ONNX], scenario), pilot, scenario))
    if "torch" in kinds:
        contents[TORCH] = torch_bytes(program)
        differences.append(largest_difference(TORCH, torch_graph(contents[TORCH], metadata), pilot, scenario))
    for name, content in contents.items():
        write_atomic(out / name, partial(put_bytes, content=content))
    files = [out / name for name in contents]
    if TORCH in contents:
        write_json(out / TORCH_METADATA, metadata.as_dict())
        files.append(out / TORCH_METADATA)
    return [*files, write_model_card(folder, out)], max(differences)


def traced(pilot: LearnedPilot, metadata: PolicyMetadata) -> torch.export.ExportedProgram:
    """The graph of one decision of any number of landers, without a trace of the machine that wrote it."""
    landers = {0: torch.export.Dim("batch")}
    observation, state = (
        torch.zeros(2, metadata.size, dtype=torch.float32, device="cpu"),
        torch.zeros(2, metadata.state_size, dtype=torch.float32, device="cpu"),
    )
    with quiet():
        if metadata.state_size:
            program = torch.export.export(Remembering(pilot), (observation, state), dynamic_shapes=(landers, landers))
        else:
            program = torch.export.export(Forgetting(pilot), (observation,), dynamic_shapes=(landers,))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    program.example_inputs = None  # they would be pickled into the file
    return program


def onnx_bytes(program: torch.export.ExportedProgram, metadata: PolicyMetadata) -> bytes:
    """The content of policy.onnx."""
    require("onnx", ONNX)
    require("onnxscript", ONNX)
    taken = 2 if metadata.state_size else 1
    with quiet():
        exported: Any = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=["observation", "state"][:taken],
            output_names=["action", "next_state"][:taken],
            dynamic_shapes=({0: "batch"}, {0: "batch"})[:taken],
            verbose=False,
        )
    return pack_onnx(exported.model_proto, metadata)


def torch_bytes(program: torch.export.ExportedProgram) -> bytes:
    """The content of policy.pt2."""
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer)
    return buffer.getvalue()


def onnx_graph(content: bytes, scenario: Scenario) -> Graph:
    """What policy.onnx computes, read and run as the evaluation does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ONNX
        path.write_bytes(content)
        return OnnxPilot(path, scenario).run


def torch_graph(content: bytes, metadata: PolicyMetadata) -> Graph:
    """What policy.pt2 computes. For files of one's own only: ``torch.export.load`` can be made to run code."""
    with quiet():
        module = torch.export.load(io.BytesIO(content)).module()
    return module if metadata.state_size else lambda observation, state: (module(observation), state)


@torch.no_grad()
def largest_difference(name: str, graph: Graph, pilot: LearnedPilot, scenario: Scenario) -> float:
    """By how much a graph's actions and states differ at most from a pilot's, over random observations and resets.

    Raises:
        PolicyFileError: by more than ``TOLERANCE``.
    """
    landers, decisions = CHECKED
    low, high = map(torch.from_numpy, scenario.observation_table().bounds())
    random = torch.Generator().manual_seed(0)
    state, difference = (
        torch.zeros(landers, pilot.network.state_size, dtype=torch.float32, device="cpu"),
        torch.zeros((), dtype=torch.float32, device="cpu"),
    )
    for _ in range(decisions):
        observation = low + (high - low) * torch.rand(
            landers, len(low), generator=random, dtype=torch.float32, device="cpu"
        )
        state = torch.where(
            torch.rand(landers, 1, generator=random, dtype=torch.float32, device="cpu") < 0.1, 0.0, state
        )  # some begin anew
        found = graph(observation, state)
        pilot.state = state
        wanted = (pilot.act(observation), pilot.state)
        state = pilot.state
        for one, other in zip(wanted, found, strict=True):
            difference = torch.maximum(difference, (one - other).abs().amax() if one.numel() else difference)
    if not difference <= TOLERANCE:
        raise PolicyFileError(
            f"{name} would differ from the policy by {float(difference):.1e}, allowed are {TOLERANCE:.0e}; not written"
        )
    return float(difference)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the exporters say of themselves off the screen; errors come through."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def put_bytes(path: Path, content: bytes) -> None:
    """Write a file in place."""
    path.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
