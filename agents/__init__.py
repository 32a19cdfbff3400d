"""The pilots: classical and learned, their training and their evaluation. Run from the checkout."""

import importlib.util
import os
import sys
from collections.abc import Iterable

# Torch's threads spin while they wait, and take the core from the threads that fly the landers. Set before torch is
# imported, this makes them sleep instead: twice the training speed on two busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from lunar_env.extras import missing  # after the line above, for it imports torch

# All rooms need these; what a single one needs it asks for itself.
EVERYWHERE = ("pydantic", "safetensors", "scipy", "tqdm", "tyro")
# What a command cannot end without, so that it is missed before hours of flying and not after them.
COMMANDS_NEED = {
    "agents.curves": ("matplotlib", "tensorboard"),
    "agents.evaluate": ("matplotlib",),
    "agents.frontier": ("cvxpy", "clarabel", "matplotlib"),
    "agents.results": ("cvxpy", "clarabel", "matplotlib"),
    "agents.search": ("optuna", "tensorboard"),
    "agents.train": ("matplotlib", "tensorboard"),
}


def require(purpose: str, modules: Iterable[str]) -> None:
    """Raise ImportError with the remedy if one of the modules is not installed. Imports none of them."""
    lacking = [name for name in modules if not importlib.util.find_spec(name)]
    if lacking:
        raise ImportError(missing(purpose, *lacking))


def command_line() -> str:
    """The module that ``python -m`` is about to run, "" if the package is imported in another way."""
    if sys.argv[:1] != ["-m"] or "-m" not in sys.orig_argv[:-1]:  # -m stands there until the module runs
        return ""
    return sys.orig_argv[sys.orig_argv.index("-m") + 1]


_command = command_line()
try:
    require("agents", EVERYWHERE)
    require(_command, COMMANDS_NEED.get(_command, ()))
except ImportError as error:
    if not _command:
        raise
    print(f"error: {error}", file=sys.stderr)  # a command answers in one line: agents/command.py
    sys.exit(2)
