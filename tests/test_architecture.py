"""Imports run one way. A new module of lunar_env gets its place in ORDER, or these tests fail."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "lunar_env"

# Each module may import those above it and none below. Modules in one tuple are halves of one idea and may
# import each other, and so may the files of a subpackage, which is listed by its name.
ORDER: list[str | tuple[str, ...]] = [
    "quantities",
    "random",
    ("relief", "elevation"),
    "lanes",
    "state",
    # the stages of a tick
    "terrain",
    "maps",
    "dynamics",
    "actuators",
    "control",
    "navigation",
    "ground",
    "faults",
    "fault_effects",
    "beams",
    "sensors",
    "devices",
    "task",
    "observation",
    "world",
    "onset",
    "sensing",
    "respawn",
    # what strings them together
    "step",
    "abreast",
    "truth",
    "scenario",
    "altitude_filter",
    "autopilot",
    "orbit_autopilot",
    "flights",
    "missions",
    "builds",
    "descent",
    "recorded",
    "replays",
    "catalogue",
    # the shells
    ("instruments", "rendering"),
    "scene",
    "differentiable",
    "env",
    "vector_env",
    "sb3",
    "checker",
    "__init__",
    # a program, which may use the package as anyone does
    "bench",
    "__main__",
]

# All that an import of lunar_env needs beside the standard library.
CORE_PACKAGES = {"warp", "torch", "numpy", "gymnasium"}

# Modules that need more. They are imported on demand only, never from the top of another module.
OPTIONAL_PACKAGES = {
    "sb3": {"stable_baselines3"},
    "instruments": {"pygame"},
    "rendering": {"pygame"},
}

RANK = {name: rank for rank, entry in enumerate(ORDER) for name in (entry if isinstance(entry, tuple) else (entry,))}


def module_of(path: Path) -> str:
    """The name in ORDER that a source file belongs to."""
    return "__main__" if path.name == "__main__.py" else path.relative_to(PACKAGE).with_suffix("").parts[0]


FILES = sorted(PACKAGE.rglob("*.py"))
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
HOW_TO_ADD = f"to ORDER in tests/{Path(__file__).name}, below all that it imports"


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of all that a file imports; ``from a import b`` gives ``a.b``."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in _run_on_import(tree) if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                folder = ("lunar_env", *path.relative_to(PACKAGE).parent.parts)
                base = [*folder[: len(folder) - node.level + 1], *base]
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)


def _run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run on import: no function bodies, nothing that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _run_on_import(child)


def own_module(name: str) -> str | None:
    """The name in ORDER that a dotted import reaches, or None if it is not ours."""
    package, *rest = name.split(".")
    if package != "lunar_env":
        return None
    is_module = rest and ((PACKAGE / f"{rest[0]}.py").exists() or (PACKAGE / rest[0]).is_dir())
    return rest[0] if is_module else "__init__"


def test_every_module_has_a_place_and_every_place_a_module() -> None:
    found = {module_of(path) for path in FILES}
    unknown, vanished = found - set(RANK), set(RANK) - found
    assert not unknown, f"add each of {sorted(unknown)} {HOW_TO_ADD}"
    assert not vanished, f"remove {sorted(vanished)} from ORDER in tests/{Path(__file__).name}: not there"


@EACH_FILE
def test_imports_run_one_way(path: Path) -> None:
    here = module_of(path)
    assert here in RANK, f"add {here!r} {HOW_TO_ADD}"
    for line, name in imports(path):
        there = own_module(name)
        if there is None or there == here:
            continue
        assert there in RANK, f"add {there!r} {HOW_TO_ADD}"
        assert RANK[there] <= RANK[here], f"{path.name}:{line} imports {name}; {there!r} comes after {here!r}"


@EACH_FILE
def test_the_moon_does_not_know_its_pilots(path: Path) -> None:
    for line, name in imports(path):
        assert name.split(".")[0] != "agents", f"{path.name}:{line} imports {name}"


@EACH_FILE
def test_only_core_packages_are_imported_at_the_top(path: Path) -> None:
    here = module_of(path)
    assert here in RANK, f"add {here!r} {HOW_TO_ADD}"
    allowed = {"lunar_env", *CORE_PACKAGES, *OPTIONAL_PACKAGES.get(here, ()), *sys.stdlib_module_names}
    for line, name in imports(path, top_level_only=True):
        package = name.split(".")[0]
        assert package in allowed, f"{path.name}:{line} imports {package} at the top; do so where it is used"
        there = own_module(name)
        needs_extra = there in OPTIONAL_PACKAGES and RANK[there] != RANK[here]
        assert not needs_extra, f"{path.name}:{line} imports {there!r} at the top, which needs an extra"


def test_the_package_imports_without_any_extra() -> None:
    extras = ["stable_baselines3", "sb3_contrib", "tensorboard", "pydantic", "tyro", "safetensors", "scipy"]
    extras += ["tqdm", "rich", "matplotlib", "pygame", "moviepy", "imageio_ffmpeg", "envpool", "Box2D", "tifffile"]
    hidden = f"import sys; sys.modules.update(dict.fromkeys({extras})); import lunar_env"
    done = subprocess.run([sys.executable, "-c", hidden], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
