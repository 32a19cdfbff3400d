"""How a descent may end: one place says which ends meet the ground, and the physics agrees."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import ROOT

from lunar_env import Descent, Outcome, load_scenario
from lunar_env.task import TOUCHED

SOURCES = [path for room in ("lunar_env", "agents", "tests") for path in sorted((ROOT / room).rglob("*.py"))]
GROUND = {outcome.name for outcome in TOUCHED}
OWNER = ROOT / "lunar_env" / "task.py"


def test_an_outcome_touched_exactly_where_the_descent_ended_on_the_ground() -> None:
    scenario = load_scenario("vertical", time_limit=40.0, ceiling=1_100.0, history=1)
    descent = Descent(scenario, 300, seed=3, autoreset="disabled")
    descent.reset(seed=3)
    action = torch.linspace(-1.0, 1.0, 300)[:, None].expand(-1, descent.action_size).clone()
    action[:5] = torch.nan
    for _ in range(scenario.steps):
        done = descent.step(action).done
        if bool(done.all()):
            break
    outcomes = [Outcome(code) for code in descent.state["episode.outcome"].tolist()]
    assert {Outcome.CRASHED, Outcome.OUT_OF_TIME, Outcome.INVALID} <= set(outcomes)
    for outcome, height in zip(outcomes, descent.truth()["height"].tolist(), strict=True):
        assert outcome.touched == (height < 0.5), (outcome, height)


def outcome_names(node: ast.AST) -> Iterator[str]:
    """The names in capitals that a node says of itself: an attribute, a name, the words of a string."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from re.findall(r"\w+", node.value)


def lists_of_outcomes(source: str) -> Iterator[tuple[int, set[str]]]:
    """Line and outcomes of all that lists some: a tuple, list, set or dictionary, a chain of comparisons, a string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict | ast.BoolOp):
            inside = ast.walk(node)
        elif isinstance(node, ast.Constant):
            inside = iter([node])
        else:
            continue
        said = {name.upper() for one in inside for name in outcome_names(one)}
        yield node.lineno, said & set(Outcome.__members__)


@pytest.mark.parametrize(
    "source",
    [
        "x = (Outcome.LANDED, Outcome.CRASHED, Outcome.TIPPED_OVER, Outcome.OUT_OF_PROPELLANT)",
        "x = [Outcome[n] for n in ('LANDED', 'TIPPED_OVER', 'CRASHED', 'OUT_OF_PROPELLANT')]",
        "x = {'crashed', 'landed', 'tipped_over', 'out_of_propellant'}",
        "x = 'landed crashed tipped_over out_of_propellant'.split()",
        "x = o == LANDED or o == CRASHED or o == TIPPED_OVER or o == OUT_OF_PROPELLANT",
    ],
)
def test_a_copy_of_the_list_would_be_found(source: str) -> None:
    assert GROUND in [said for _, said in lists_of_outcomes(source)]


def test_only_the_task_lists_the_ends_that_meet_the_ground() -> None:
    for path in SOURCES:
        lines = [line for line, said in lists_of_outcomes(path.read_text(encoding="utf-8")) if said == GROUND]
        if path == OWNER:
            assert len(lines) == 1
        elif path != Path(__file__).resolve():
            assert not lines, f"{path.name}, line {lines}: ask Outcome.touched, or take lunar_env.task.TOUCHED"
