"""The command line: compile, walk, show, write."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from lunar_env.bench.machine_code.cubin import require_architecture, require_tool
from lunar_env.bench.machine_code.machine import EmulationError
from lunar_env.bench.machine_code.measure import measure
from lunar_env.bench.machine_code.page import BEGIN, END, markdown
from lunar_env.inputs.files import require_writable
from lunar_env.pages.markers import replaced


def main(argv: Sequence[str] | None = None) -> int:
    """Compile, walk, show, write. 1 if a floor is missed and ``--check`` was given."""
    parser = argparse.ArgumentParser(
        "python -m lunar_env.bench.machine_code", description="What a GPU would run, counted without one."
    )
    parser.add_argument("--arch", type=int, default=90, help="90 for sm_90; 80 to 90 can be walked")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the tables between this page's markers")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a floor is missed")
    chosen = parser.parse_args(argv)
    try:
        require_tool()
        require_architecture(chosen.arch)
        if chosen.markdown:  # a page without markers is refused now, not after a minute
            replaced(chosen.markdown, "", BEGIN, END)
        if chosen.json:
            chosen.json.parent.mkdir(parents=True, exist_ok=True)
            require_writable(chosen.json, "--json")
        figures = measure(chosen.arch)
    except (ImportError, OSError, ValueError, EmulationError) as error:
        parser.error(str(error))
    text = markdown(figures)
    print(text)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if chosen.markdown:
        chosen.markdown.write_text(replaced(chosen.markdown, text, BEGIN, END), encoding="utf-8")
    return int(chosen.check and any(claim["verdict"] == "missed" for claim in figures["claims"]))
