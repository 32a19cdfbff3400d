"""The command line: ``python -m agents.gpu``, or ``make gpu-check``."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from agents.command import answer
from agents.gpu.floors import claims, named
from agents.gpu.page import BEGIN, END, markdown
from agents.gpu.parts import PARTS, ask
from agents.run_folder import make_folder, provenance, write_json, write_text
from lunar_env.kernel.launch import checked_device
from lunar_env.pages.markers import replaced


@dataclass(frozen=True)
class Arguments:
    """Ask a machine with a GPU everything at once, within eight minutes."""

    device: str = "cuda"
    """A CUDA device; with cpu the same is done as a trial, and no figure counts."""
    quick: bool = False
    """Each part for moments only: a look, not a figure to quote."""
    only: tuple[str, ...] = ()
    """Parts to run, by name; all if none is named."""
    reference: Path | None = None
    """Flights of a CPU, from `python -m agents.gpu.pack`; without it they are flown here."""
    out: Path = Path("runs/gpu.json")
    """All figures."""
    page: Path | None = None
    """Page that gets the tables between its markers."""
    check: bool = False
    """Exit with 1 if a floor is missed, or was not measured."""


def main() -> int:
    """The command line. Returns the exit code: 1 if a floor is missed and --check was given, 2 for a wrong request."""
    stays = "what the finished parts found is in the file of --out; go on with --only"
    return answer("agents.gpu", Arguments, run, __doc__, interrupted=stays)


def run(arguments: Arguments) -> int:
    """Ask part by part, and write what is known after each. Returns the exit code, 0 or 1."""
    if unknown := [name for name in arguments.only if name not in PARTS]:
        raise ValueError(f"--only knows {', '.join(map(repr, PARTS))}; got {unknown[0]!r}")
    if arguments.page is not None:
        replaced(arguments.page, "", BEGIN, END)  # refused now, not after minutes
    if arguments.reference is not None and not arguments.reference.is_file():
        raise ValueError(f"--reference {arguments.reference} is no file; python -m agents.gpu.pack makes one")
    checked_device(arguments.device)
    make_folder(arguments.out.parent)
    figures: dict[str, Any] = {"conditions": conditions(arguments.device), "parts": {}, "claims": []}
    with tqdm(arguments.only or PARTS, unit="part") as bar:
        for name in bar:
            bar.set_postfix_str(name)
            figures["parts"][name] = ask(name, arguments.device, arguments.quick, arguments.reference)
            values = named(figures["parts"])
            figures["claims"] = [claim.row(values) for claim in claims()]
            write_json(arguments.out, figures)
    text = markdown(figures)
    print(text)
    if arguments.page is not None:
        write_text(arguments.page, replaced(arguments.page, text, BEGIN, END))
    missed = [one["label"] for one in figures["claims"] if one["verdict"] != "pass"]
    print(f"{len(figures['claims']) - len(missed)} of {len(figures['claims'])} floors met; figures: {arguments.out}")
    return int(arguments.check and bool(missed))


def conditions(device: str) -> Mapping[str, str]:
    """What holds for all figures."""
    origin = provenance(device)
    found = {
        "device": torch.cuda.get_device_name(device) if device != "cpu" else "cpu: a trial, no figure of a GPU",
        "driver": _driver() if device != "cpu" else "none",
        "versions": ", ".join(f"{name} {version}" for name, version in origin["packages"].items())
        + f", Python {origin['python']}",
        "commit": origin["commit"] + (", with changes" if origin["uncommitted_changes"] else ""),
        "processor": f"{os.cpu_count()} cores",
    }
    return found


def _driver() -> str:
    """Version, clocks and memory as the driver tells them."""
    query = "driver_version,memory.total,clocks.max.sm,clocks.max.mem"
    try:
        said = subprocess.run(
            ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "unknown, for there is no nvidia-smi"
    return f"{query}: {' '.join(said.stdout.split())}"


if __name__ == "__main__":
    sys.exit(main())
