"""The algorithms that train: a row for each says what it can do, and which function trains with it.

Whoever wants to know asks the row; nobody reads it out of a name. To add one: a folder beside this file with its
learner, and a row in the table.
"""

import importlib
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from functools import reduce
from typing import Any

from pydantic import BaseModel


def can(key: str, without: str) -> bool:
    """A field of a row: whether the algorithm can do what a key of an experiment asks for. By default it can not.

    Args:
        key: as a file names it, a table with its brackets.
        without: what is said of an algorithm that can not.
    """
    return field(default=False, metadata={"key": key, "without": without})


@dataclass(frozen=True)
class Algorithm:
    """What an algorithm can do.

    A field with a key is checked against what the experiment has there: a value other than the default needs an
    algorithm that can do something with it; where a field lists values, the experiment's has to be among them.
    """

    name: str  # as ``algorithm`` in an experiment has it
    learner: str  # dotted path of the function that trains, with the arguments of agents.training.sb3.learner.learn
    off_policy: bool = False  # whether its numbers are those of [off_policy]; else of [ppo]
    several_processes: bool = False  # whether those that torchrun starts can learn together
    memories: tuple[str, ...] = field(default=("none",), metadata={"key": "network.memory"})
    privileged_critic: bool = can("network.critic", "has no privileged critic")
    start: bool = can("network.start", "begins with fresh weights")
    critic_first: bool = can("ppo.critic_first", "lets its value function and its policy begin together")
    desired_kl: bool = can("ppo.desired_kl", "lets its learning rate fall")
    last_deviation: bool = can("ppo.last_deviation", "learns how far to explore")
    stages: bool = can("[[stages]]", "has one practice from its beginning to its end")
    curriculum: bool = can("[curriculum]", "has no curriculum")
    imitation: bool = can("[imitation]", "imitates nobody")
    any_device: bool = can("device", "learns on the CPU")

    @property
    def ignores(self) -> str:
        """The table of an experiment that holds another kind's numbers."""
        return "ppo" if self.off_policy else "off_policy"

    def load_learner(self) -> Callable[..., dict[str, Any]]:
        """The function that trains. Its library is imported here, and not before."""
        module, _, name = self.learner.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def takes(self, capability: "Field[Any]", value: Any, default: Any) -> bool:
        """Whether it can do something with a value that an experiment has at a capability's key."""
        allowed = getattr(self, capability.name)
        return value in allowed if isinstance(allowed, tuple) else allowed or value == default


SB3 = "agents.training.sb3.learner.learn"
ALGORITHMS = {
    row.name: row
    for row in (
        Algorithm("sb3.ppo", SB3),
        Algorithm("sb3.sac", SB3, off_policy=True),
        Algorithm("sb3contrib.tqc", SB3, off_policy=True),
        Algorithm("sb3contrib.recurrent_ppo", SB3, memories=("lstm",)),
        Algorithm(
            "rsl_rl.ppo",
            "agents.training.rsl_rl.learner.learn",
            several_processes=True,
            memories=("none", "gru", "lstm"),
            privileged_critic=True,
            start=True,
            critic_first=True,
            desired_kl=True,
            last_deviation=True,
            stages=True,
            curriculum=True,
            imitation=True,
            any_device=True,
        ),
    )
}


def algorithm_of(name: str) -> Algorithm:
    """The row of an algorithm. Raises ValueError for an unknown name."""
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(map(repr, ALGORITHMS))}, got {name!r}")
    return ALGORITHMS[name]


def names_of(rows: list[Algorithm]) -> str:
    """Who is meant, in words."""
    return " or ".join(row.name for row in rows) or "no algorithm"


def refuse_the_impossible(row: Algorithm, experiment: BaseModel) -> None:
    """Raise ValueError if an experiment asks its algorithm for what that cannot do; the message says which can."""
    for capability in fields(Algorithm):
        if "key" not in capability.metadata:
            continue
        key = capability.metadata["key"]
        *tables, last = key.strip("[]").split(".")
        table = reduce(getattr, tables, experiment)
        value, default = getattr(table, last), type(table).model_fields[last].default
        if row.takes(capability, value, default):
            continue
        able = names_of([other for other in ALGORITHMS.values() if other.takes(capability, value, default)])
        asked = key if key.startswith("[") else f"{key} = {value!r}"
        if "without" in capability.metadata:
            raise ValueError(f"{row.name} {capability.metadata['without']}; {able} knows {asked}, or leave {key} out")
        allowed = " or ".join(map(repr, getattr(row, capability.name)))
        raise ValueError(f"{key} of {row.name} must be {allowed}, got {value!r}; {able} knows that")
