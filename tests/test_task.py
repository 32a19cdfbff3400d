"""What a descent is for: every reward term has one owner, from which all who tell of it take its name."""

import ast
from pathlib import Path

import torch
from helpers import ROOT

from lunar_env import Descent
from lunar_env.env import RECORD, LanderEnv
from lunar_env.state import Facts
from lunar_env.task import TERMS, record_fields


def test_a_record_has_the_sum_of_every_term_beside_the_facts():
    assert record_fields() == [*Facts.cls.__annotations__, "reward", *TERMS]
    assert set(TERMS) <= set(RECORD)
    assert all(f"- ``{name}``: {meaning}" in LanderEnv.__doc__ for name, meaning in TERMS.items())


def test_the_terms_of_every_episode_sum_to_its_reward():
    descent = Descent("planar", num_envs=64, seed=4)
    action = torch.rand(64, descent.action_size) * 2.0 - 1.0
    total, ended = torch.zeros(64), torch.zeros(64, dtype=torch.bool)
    while not bool(ended.all()):
        step = descent.step(action)
        total += torch.where(ended, 0.0, step.reward)
        first = step.done & ~ended
        terms = torch.stack([step.ended[name] for name in TERMS]).sum(dim=0)
        assert torch.allclose(terms[first], total[first], atol=1e-3)
        assert torch.allclose(step.ended["reward"][first], total[first], atol=1e-3)
        ended |= step.done


def test_nobody_else_writes_down_the_names_of_the_terms():
    for path in (*ROOT.glob("lunar_env/**/*.py"), *ROOT.glob("agents/**/*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        owner = path.relative_to(ROOT) == Path("lunar_env/task.py")
        assert owner or not {"approach", "propellant_cost"} & strings, f"{path}: take the names from task.TERMS"
