"""Speed beside other environments, in one run: ``python -m lunar_env.bench [--quick] [--device cuda] [--check]``.

All contestants take turns, round by round, so that whatever else the machine does hits them alike. What counts is the
median of the rounds, and the ratio of two medians. Actions are random and drawn beforehand; resets are included;
compilation and warm-up are not. Our batches begin with their landers spread along their flights, so that resets come
at their lasting rate.
"""

from lunar_env.bench.command import main
from lunar_env.bench.contestants import ENVPOOL, FLYING, LUNAR_LANDER, ROUGH, ROWS, SINGLE, TRAINING, core, has, row
from lunar_env.bench.floors import CACHED, COMPILED, Claim, claims
from lunar_env.bench.measure import Contestant, Measurement, compete
from lunar_env.bench.tables import markdown, report
from lunar_env.pages.markers import BEGIN, END, replaced

__all__ = [
    "BEGIN",
    "CACHED",
    "COMPILED",
    "END",
    "ENVPOOL",
    "FLYING",
    "LUNAR_LANDER",
    "ROUGH",
    "ROWS",
    "SINGLE",
    "TRAINING",
    "Claim",
    "Contestant",
    "Measurement",
    "claims",
    "compete",
    "core",
    "has",
    "main",
    "markdown",
    "replaced",
    "report",
    "row",
]
