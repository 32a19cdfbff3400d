"""Packages of the extras: what brings each, and the one message that is given where one is missing.

An extra's package is imported where it is used. Who finds it missing raises what ``missing`` says, or asks ``need``
for the module, so that the message has one form everywhere: what for, which package, and what to type.
"""

import importlib
from pathlib import Path
from types import ModuleType

# Module: (package on the index, the smallest extra that brings it).
BROUGHT_BY = {
    "clarabel": ("clarabel", "convex"),
    "cvxpy": ("cvxpy", "convex"),
    "matplotlib": ("matplotlib", "report"),
    "nvdisasm": ("nvidia-cuda-nvdisasm", "disassembly"),  # a program, no module
    "onnx": ("onnx", "export"),
    "onnxruntime": ("onnxruntime", "export"),
    "onnxscript": ("onnxscript", "export"),
    "optuna": ("optuna", "search"),
    "pydantic": ("pydantic", "train"),
    "pygame": ("pygame-ce", "render"),
    "rsl_rl": ("rsl-rl-lib", "train"),
    "safetensors": ("safetensors", "train"),
    "sb3_contrib": ("sb3-contrib", "train"),
    "scipy": ("scipy", "train"),
    "stable_baselines3": ("stable-baselines3", "train"),
    "tensorboard": ("tensorboard", "train"),
    "tifffile": ("tifffile", "terrain"),
    "tqdm": ("tqdm", "train"),
    "tyro": ("tyro", "train"),
}

CHECKOUT = (Path(__file__).parents[2] / "pyproject.toml").is_file()  # else this is an installed wheel


def missing(purpose: str, *modules: str) -> str:
    """What to say where modules are missing: "a GeoTIFF needs tifffile: pip install 'lunar-env[terrain]'".

    Args:
        purpose: what needs them, as the sentence begins.
        modules: names as imported, keys of ``BROUGHT_BY``.

    Returns:
        One line. In a checkout it installs the checkout itself: ``pip install -e '.[terrain]'``.
    """
    packages = " and ".join(BROUGHT_BY[module][0] for module in modules)
    return f"{purpose} needs {packages}: {install(*(BROUGHT_BY[module][1] for module in modules))}"


def install(*extras: str) -> str:
    """The line that installs extras: of the checkout where this is one, else of the package."""
    names = ",".join(dict.fromkeys(extras))
    return f"pip install -e '.[{names}]'" if CHECKOUT else f"pip install 'lunar-env[{names}]'"


def need(purpose: str, module: str) -> ModuleType:
    """A module of an extra, imported now.

    Args:
        purpose: what needs it, as the sentence begins.
        module: a dotted name whose first part is a key of ``BROUGHT_BY``.

    Raises:
        ImportError: it is not installed, or something that it needs is not; the message of ``missing``.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(missing(purpose, module.split(".")[0])) from error
