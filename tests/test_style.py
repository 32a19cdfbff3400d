"""What a reader may rely on in both packages: short functions, plain control flow, docstrings and types."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers import ROOT

FILES = [path for package in ("lunar_env", "agents") for path in sorted((ROOT / package).rglob("*.py"))]
LONGEST = 60  # lines of a function, its docstring included
MOST_BRANCHES = 15  # cyclomatic complexity
EXCEPTIONS = 2  # functions that may have more branches
DOCUMENTED = 0.98  # of what is public

Definition = ast.FunctionDef | ast.ClassDef


def definitions(node: ast.AST, nested: bool = False) -> Iterator[tuple[Definition, bool]]:
    """All functions and classes below a node, and whether they stand inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield child, nested
        yield from definitions(child, nested or isinstance(child, ast.FunctionDef))


def all_definitions() -> list[tuple[Path, Definition, bool]]:
    """Of both packages, each with its file."""
    trees = [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in FILES]
    return [(path.relative_to(ROOT), node, nested) for path, tree in trees for node, nested in definitions(tree)]


def public(node: Definition, nested: bool) -> bool:
    """Whether others may use it. Of functions of one name, told apart by Warp, the first has the docstring."""
    return not (nested or node.name.startswith("_"))


def compiled(node: ast.FunctionDef) -> bool:
    """Whether Warp compiles it, which infers what a function returns."""
    return any(ast.unparse(decorator).startswith("wp.") for decorator in node.decorator_list)


def test_a_function_fits_a_screen() -> None:
    for path, node, _ in all_definitions():
        lines = (node.end_lineno or 0) - node.lineno + 1
        assert isinstance(node, ast.ClassDef) or lines <= LONGEST, f"{path}: {node.name} has {lines} lines; split it"


def test_few_functions_branch_much() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=C901", "--output-format=concise"]
    limit = f"--config=lint.mccabe.max-complexity={MOST_BRANCHES}"
    done = subprocess.run([*command, limit, "lunar_env", "agents"], cwd=ROOT, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if "C901" in line]
    assert done.returncode in (0, 1) and len(found) <= EXCEPTIONS, done.stdout + done.stderr


def test_what_is_public_has_a_docstring() -> None:
    counted: dict[tuple[Path, str], bool] = {}
    for path, node, nested in all_definitions():
        if public(node, nested):
            key = (path, node.name)
            counted[key] = counted.get(key, False) or ast.get_docstring(node) is not None
    without = [f"{path}: {name}" for (path, name), has in counted.items() if not has]
    assert len(without) <= (1.0 - DOCUMENTED) * len(counted), without


def test_every_public_function_is_typed() -> None:
    for path, node, nested in all_definitions():
        if isinstance(node, ast.ClassDef) or not public(node, nested):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        untyped = [one.arg for one in arguments if one.annotation is None and one.arg not in ("self", "cls")]
        assert not untyped, f"{path}: {node.name} leaves {untyped} untyped"
        assert node.returns is not None or compiled(node), f"{path}: {node.name} does not say what it returns"
