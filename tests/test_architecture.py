"""Imports run one way, between the rooms of each package and between the packages, and a file stands in a room."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT

# Each room, a folder or a file at the top, may import those above it and none below.
ORDER: dict[str, tuple[str, ...]] = {
    "lunar_env": (
        "extras",
        "quantities",
        "random",
        "state",
        # one lander
        "vehicle",
        "terrain",
        "faults",
        "sensors",
        "task",
        "observation",
        # what is fixed about its descent
        "scenario",
        "changes",
        # the batch
        "kernel",
        "missions",
        "inputs",
        "descent",
        # who flies it
        "flying",
        "flight_computer",
        "pages",
        "replays",
        # the shells
        "rendering",
        "env",
        "vector_env",
        "sb3",
        "differentiable",
        "checker",
        "__init__",
        # programs, which may use the package as anyone does
        "bench",
        "__main__",
    ),
    "agents": (
        "__init__",
        "seeds",
        "reading",
        "lock",
        "run_folder",
        "command",
        "guidance",
        "navigation",
        "policy",
        "pilots",
        "limits",
        "scoring",
        "pictures",
        "pages",
        "training",
        # the commands
        "evaluate",
        "export",
        "frontier",
        "results",
        "train",
        "curves",
        "search",
        "gpu",
    ),
}

# What a newcomer sees first.
AT_THE_TOP = {"lunar_env": 16, "agents": 12}

# All that an import of lunar_env needs beside the standard library.
CORE_PACKAGES = {"warp", "torch", "numpy", "gymnasium"}

# Files that need more. They are imported on demand only, never from the top of another file but each other's.
OPTIONAL_PACKAGES = {
    "lunar_env.sb3": {"stable_baselines3"},
    "lunar_env.rendering.instruments": {"pygame"},
    "lunar_env.rendering.draw": {"pygame"},
}

FILES = {package: sorted((ROOT / package).rglob("*.py")) for package in ORDER}
EVERY_FILE = [path for files in FILES.values() for path in files]
EACH_FILE = pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: str(path.relative_to(ROOT)))
EACH_FILE_OF_THE_MOON = pytest.mark.parametrize(
    "path", FILES["lunar_env"], ids=lambda path: str(path.relative_to(ROOT))
)
EACH_PACKAGE = pytest.mark.parametrize("package", ORDER)


def name_of(path: Path) -> str:
    """The dotted name of a source file; a folder's for its ``__init__.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in EVERY_FILE}


def room_of(name: str) -> str:
    """The room of a source file by its dotted name."""
    package, *rest = name.split(".")
    if package == "lunar_env" and rest[-1:] == ["__main__"]:
        return "__main__"
    return rest[0] if rest else "__init__"


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a source file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path, *, on_import_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of all that a file imports; ``from a import b`` gives ``a.b``."""
    for node in _run_on_import(parsed(path)) if on_import_only else ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}:{node.lineno} imports by dots; write the whole name"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run on import: no function bodies, nothing that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _run_on_import(child)


def own_file(name: str) -> str | None:
    """The source file, by its dotted name, that a dotted import reaches; None if it is not ours."""
    if name.split(".")[0] not in ORDER:
        return None
    while name not in NAMES:
        name = name.rpartition(".")[0]
    return name


@EACH_PACKAGE
def test_every_room_has_a_place_and_every_place_a_room(package: str) -> None:
    found = {room_of(name) for name in NAMES if name.split(".")[0] == package}
    unknown, vanished = found - set(ORDER[package]), set(ORDER[package]) - found
    assert not unknown, f"give {sorted(unknown)} a place in ORDER in {Path(__file__).name}, below all that it imports"
    assert not vanished, f"remove {sorted(vanished)} from ORDER in {Path(__file__).name}: not there"
    assert len(set(ORDER[package])) == len(ORDER[package])


@EACH_PACKAGE
def test_few_files_stand_at_the_top(package: str) -> None:
    files = sorted(path.name for path in (ROOT / package).glob("*.py"))
    assert len(files) <= AT_THE_TOP[package], f"put the newest of {files} into a room"


@EACH_FILE
def test_imports_run_one_way(path: Path) -> None:
    here = name_of(path)
    package = here.split(".")[0]
    for line, name in imports(path):
        there = own_file(name)
        if there is None or there.split(".")[0] != package or room_of(there) == room_of(here):
            continue
        places = [ORDER[package].index(room_of(one)) for one in (there, here)]
        assert places[0] < places[1], f"{path.name}:{line} imports {name}; {room_of(there)!r} comes after in ORDER"


@EACH_PACKAGE
def test_no_files_import_each_other_in_a_circle(package: str) -> None:
    reached = {}
    for name, path in NAMES.items():
        if name.split(".")[0] == package:
            reached[name] = {own_file(one) for _, one in imports(path)} - {None, name}
            # A room's __init__ runs whenever one of its files is imported, which is no circle of its own.
            reached[name] -= {name.rpartition(".")[0]}
    while free := [name for name, those in reached.items() if not those & set(reached)]:
        for name in free:
            del reached[name]
    assert not reached, f"these import each other in a circle, or such a circle: {sorted(reached)}"


@EACH_FILE_OF_THE_MOON
def test_the_moon_does_not_know_its_pilots(path: Path) -> None:
    for line, name in imports(path):
        assert name.split(".")[0] != "agents", f"{path.name}:{line} imports {name}"


@EACH_FILE_OF_THE_MOON
def test_only_core_packages_are_imported_at_the_top(path: Path) -> None:
    here = name_of(path)
    allowed = {"lunar_env", *CORE_PACKAGES, *OPTIONAL_PACKAGES.get(here, ()), *sys.stdlib_module_names}
    for line, name in imports(path, on_import_only=True):
        package = name.split(".")[0]
        assert package in allowed, f"{path.name}:{line} imports {package} at the top; do so where it is used"
        needs_extra = own_file(name) in OPTIONAL_PACKAGES and here not in OPTIONAL_PACKAGES
        assert not needs_extra, f"{path.name}:{line} imports {name!r} at the top, which needs an extra"


@EACH_FILE
def test_a_name_says_what_the_value_is(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        parts = {"FunctionDef": "name", "ClassDef": "name", "Name": "id", "arg": "arg", "Attribute": "attr"}
        name = getattr(node, parts.get(type(node).__name__, ""), "")
        assert "told" not in name.lower().split("_"), f"{path.name}:{node.lineno}: call {name!r} what it is"


def test_no_two_classes_share_a_name() -> None:
    found: dict[str, list[str]] = {}
    for name, path in NAMES.items():
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and node.name != "Arguments":  # each command has its own
                found.setdefault(node.name, []).append(name)
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_the_package_imports_without_any_extra() -> None:
    extras = ["stable_baselines3", "sb3_contrib", "tensorboard", "pydantic", "tyro", "safetensors", "scipy"]
    extras += ["tqdm", "rich", "matplotlib", "pygame", "moviepy", "imageio_ffmpeg", "envpool", "Box2D", "tifffile"]
    hidden = f"import sys; sys.modules.update(dict.fromkeys({extras})); import lunar_env"
    done = subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
