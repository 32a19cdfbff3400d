"""The command line: measure, show, write."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lunar_env.bench.contestants import SIZES, THREADS, contestants
from lunar_env.bench.floors import CACHED, COMPILED, claims
from lunar_env.bench.measure import compete, first_step, progress
from lunar_env.bench.tables import conditions, load_average, markdown, report
from lunar_env.inputs.files import require_writable
from lunar_env.kernel.launch import checked_device
from lunar_env.pages.markers import replaced


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, write. 1 if a floor is missed and ``--check`` was given."""
    parser = argparse.ArgumentParser("python -m lunar_env.bench", description="Speed beside other environments.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a figure to quote")
    parser.add_argument("--device", choices=tuple(SIZES), default="cpu", help="where the physics runs")
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"), help="where the figures go")
    parser.add_argument("--from", type=Path, dest="source", metavar="FILE", help="measure nothing, show these figures")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the tables between this page's markers")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a floor is missed")
    chosen = parser.parse_args(argv)
    try:
        checked_device(chosen.device)
        if chosen.markdown:  # a page without markers is refused now, not after minutes
            replaced(chosen.markdown, "")
        if chosen.source:
            figures = json.loads(chosen.source.read_text(encoding="utf-8-sig"))
        else:
            chosen.out.parent.mkdir(parents=True, exist_ok=True)
            require_writable(chosen.out)
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    torch.set_num_threads(THREADS)
    if not chosen.source:
        figures = measure(chosen.device, chosen.quick)
        chosen.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    text = markdown(figures)
    print(text)
    if chosen.markdown:
        page = replaced(chosen.markdown, text)
        chosen.markdown.write_text(page, encoding="utf-8")
    print(f"All figures, round by round: {chosen.source or chosen.out}")
    return int(chosen.check and any(claim["verdict"] == "missed" for claim in figures["claims"]))


def measure(device: str, quick: bool) -> dict[str, Any]:
    """Everything, as a report."""
    load = load_average()
    rounds, seconds, rollouts, starts = (3, 0.1, 1, 1) if quick else (5, 0.4, 3, 3)
    progress("building the contestants")
    measured = compete(contestants(device, rollouts), rounds, seconds)
    for where in dict.fromkeys(("cpu", device)):
        measured += [first_step(CACHED, where, starts, cached=True), first_step(COMPILED, where, 1, cached=False)]
    setting = {
        "rounds": f"{rounds} of about {seconds:g} s, contestants taking turns",
        "load average": f"{load} before, {load_average()} after",
    }
    return report(measured, conditions(device) | setting, claims(device))
