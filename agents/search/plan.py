"""A search as a TOML file: an experiment, changes to it, and the numbers to look for. Unknown keys are errors."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import optuna
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from agents.command import REFUSALS, words_of
from agents.reading import UnreadableError, found, looked_in, read_toml
from agents.seeds import SEARCH, within
from agents.training.algorithms import algorithm_of
from agents.training.experiment import MOST_EPISODES, ConfigError, Experiment, Strict, load_experiment
from agents.training.prepare import learner_of, scenarios_of
from lunar_env.quantities import shown

FARTHEST = 1e15  # what can be searched for: whole numbers up to there are floats as well
MOST_TRIALS = 1_000_000  # of a study


def number(value: Any) -> Any:
    """A finite number of TOML, whole or not."""
    if type(value) not in (int, float) or not -FARTHEST <= value <= FARTHEST:  # which a NaN does not
        raise ValueError(f"must be a finite number, got {shown(value)}, and at most {FARTHEST:.0e}")
    return value


def choice(value: Any) -> Any:
    """Anything of TOML but a table and a date."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool | str):
            continue
        if type(item) not in (int, float) or not -FARTHEST <= item <= FARTHEST:
            raise ValueError(f"must be true, false, a finite number, a text or a list of these, got {shown(value)}")
    return value


Number = Annotated[int | float, BeforeValidator(number)]
Choice = Annotated[Any, BeforeValidator(choice)]


class Interval(Strict):
    """All numbers between two, both included: whole ones if both are whole."""

    low: Number
    high: Number
    log: bool = Field(False, description="even in the logarithm")
    step: Number | None = Field(None, description="from one number to the next")

    @model_validator(mode="after")
    def _can_be_drawn_from(self) -> "Interval":
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, got {self.low}")
        if self.step is None:
            return self
        if self.log:
            raise ValueError(f"log and a step of {self.step} exclude each other; leave one out")
        if self.whole and not isinstance(self.step, int):
            raise ValueError(f"between whole numbers a step is whole, got {self.step}; or write low = {self.low}.0")
        steps = (self.high - self.low) / self.step if self.step > 1e-300 else 0.0
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-9 * steps:
            raise ValueError(f"step must lead from {self.low} to {self.high} in whole steps, got {self.step}")
        return self

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def samples(self) -> list[str]:
        """Both ends, and one between them, which is not whole unless all are: as TOML."""
        between = self.low + (self.step or (self.high - self.low) / math.pi)
        return [json.dumps(value) for value in (self.low, self.high, int(between) if self.whole else between)]

    def suggest(self, trial: optuna.Trial, path: str) -> str:
        """What a trial takes, as TOML."""
        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return json.dumps(trial.suggest_int(path, low, high, step=step, log=self.log))
        return json.dumps(trial.suggest_float(path, self.low, self.high, step=self.step, log=self.log))


class Choices(Strict):
    """A few values without an order."""

    values: tuple[Choice, ...] = Field(min_length=2)

    @model_validator(mode="before")
    @classmethod
    def _is_a_list(cls, values: Any) -> Any:
        return {"values": values}

    @model_validator(mode="after")
    def _are_different(self) -> "Choices":
        if len(set(self.samples())) < len(self.values):
            raise ValueError(f"choices must differ from each other, got {', '.join(self.samples())}")
        return self

    def samples(self) -> list[str]:
        """All of them, as TOML."""
        return [json.dumps(value) for value in self.values]

    def suggest(self, trial: optuna.Trial, path: str) -> str:
        """What a trial takes, as TOML. The study knows it as this text: a list is nothing that it could keep."""
        return str(trial.suggest_categorical(path, self.samples()))


ENTRY = Discriminator(
    lambda entry: "table" if isinstance(entry, dict) else "list" if isinstance(entry, list) else None,
    custom_error_type="entry",
    custom_error_message="must be { low = ..., high = ... }, with log or step, or a list of choices",
)
Entry = Annotated[Annotated[Interval, Tag("table")] | Annotated[Choices, Tag("list")], ENTRY]


class Validation(Strict):
    """The descents that trials are compared on, the same for all."""

    episodes: int = Field(500, ge=1, le=MOST_EPISODES)
    seed: Annotated[int, AfterValidator(partial(within, SEARCH))] = SEARCH[0]


class Pruning(Strict):
    """When a trial is stopped: if its best landing rate so far is below the median of the others' at that moment."""

    reports: int = Field(20, ge=1, le=10_000, description="moments of a training, evenly spread over its decisions")
    warmup: float = Field(0.5, ge=0.0, le=1.0, description="share of a training that is never cut short; 1 for all")
    startup: int = Field(5, ge=1, le=MOST_TRIALS, description="trials that must be complete before one is stopped")


class Search(Strict):
    """What to look for, and how."""

    experiment: str = Field(description="TOML file, as seen from this one or from the current folder")
    trials: int = Field(40, ge=1, le=MOST_TRIALS, description="of all processes together")
    objective: Literal["landed", "landed_strict"] = Field("landed", description="as the evaluation counts them")
    overrides: dict[str, Choice] = Field({}, description="changes to the experiment, by path")
    validation: Validation = Validation()
    pruning: Pruning = Pruning()
    space: dict[str, Entry] = Field(min_length=1)


@dataclass(frozen=True)
class Plan:
    """A search that can be begun."""

    name: str
    search: Search
    base: Path  # of the experiment
    overrides: tuple[str, ...]  # of every trial, as key.path=value
    seed: int

    def experiment(self, *overrides: str) -> Experiment:
        """What a trial trains with its own overrides."""
        return load_experiment(self.base, (*self.overrides, *overrides))

    def record(self) -> dict[str, Any]:
        """All that makes trials comparable: what joins a study has to agree."""
        asked = self.search.model_dump(mode="json", include={"objective", "validation", "pruning"})
        space = {path: entry.model_dump(mode="json", exclude_none=True) for path, entry in self.search.space.items()}
        return {"experiment": self.experiment().model_dump(mode="json"), **asked, "space": space, "seed": self.seed}


def load_plan(path: Path, overrides: tuple[str, ...], seed: int) -> Plan:
    """Read a search file, and refuse what could not be trained.

    Args:
        path: of the TOML file.
        overrides: to the experiment, as key.path=value, after those in the file.
        seed: of what draws the trials' numbers.
    """
    search = load_search(path)
    fixed = [f"{key}={json.dumps(value)}" for key, value in search.overrides.items()]
    newest = {override.partition("=")[0]: override for override in (*fixed, *overrides)}
    beside = Path(os.path.normpath(path.parent / search.experiment))
    base = beside if beside.exists() else found(Path(search.experiment))
    plan = Plan(f"{path.stem}_s{seed}", search, base, tuple(newest.values()), seed)
    wanted = plan.experiment()
    scenarios_of(wanted)
    learner_of(wanted.algorithm)
    for key, entry in search.space.items():
        check_entry(plan, wanted, key, entry)
    return plan


def check_entry(plan: Plan, wanted: Experiment, key: str, entry: Interval | Choices) -> None:
    """Refuse a path that the experiment lacks, or that changes nothing, and values that it does not take."""
    if key in (override.partition("=")[0] for override in plan.overrides):
        raise ConfigError(f"{key} is in [space] and among the overrides as well; leave one out")
    table = key.partition(".")[0]
    if table == algorithm_of(wanted.algorithm).ignores and "algorithm" not in plan.search.space:
        raise ConfigError(f"space.{key}: {wanted.algorithm} does not use it")
    if key == "seed" or table == "evaluation":
        raise ConfigError(f"space.{key}: cannot be searched for, a pilot is not better for it")
    for value in entry.samples():
        try:
            scenarios_of(plan.experiment(f"{key}={value}"))
        except REFUSALS as error:
            raise ConfigError(f"space.{key} at {value}: {words_of(error)}") from None


def load_search(path: Path) -> Search:
    """Read a search file, in which a path may be quoted as a whole or stand in nested tables."""
    try:
        tree = read_toml(found(path))
    except OSError as error:
        raise ConfigError(
            f"cannot read {looked_in(path)}: {error.strerror}; there is configs/search/resilience.toml"
        ) from None
    except UnreadableError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for table in ("overrides", "space"):
        if isinstance(tree.get(table), dict):
            tree[table] = dict(flat(tree[table]))
    try:
        return Search.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(map(explained, error.errors()))}") from None


def flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested tables by their paths; what has a low or a high is a value."""
    for key, value in tree.items():
        if isinstance(value, dict) and not {"low", "high"} & value.keys():
            yield from flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def explained(item: Any) -> str:
    """A line for a value that is refused."""
    place = [str(part) for part in item["loc"] if part not in ("table", "list", "values")]
    path = ".".join(place)
    if item["type"] == "extra_forbidden":
        owner: Any = Search
        if len(place) > 1:
            owner = {"validation": Validation, "pruning": Pruning, "space": Interval}[place[0]]
        return f"unknown key {path!r}; {owner.__name__} has: {', '.join(owner.model_fields)}"
    if item["type"] == "missing":
        return f"{path} is missing"
    if item["type"] == "value_error":  # one of ours, which names the value
        return f"{path}: {item['ctx']['error']}"
    return f"{path}: {item['msg']}, got {shown(item['input'])}"
