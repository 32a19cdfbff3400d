"""An experiment as a TOML file: a preset, changes, an algorithm and its numbers. Unknown keys are errors."""

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from agents.policy.network import LARGEST
from agents.reading import CHECKOUT, UnreadableError, found, looked_in, parse_toml, read_toml
from agents.seeds import EVALUATION, TRAINING, within
from agents.training.algorithms import algorithm_of, refuse_the_impossible
from lunar_env.flying.pilot import PILOTS_OWN
from lunar_env.kernel.room import MOST_LANDERS, MOST_THREADS
from lunar_env.quantities import shown

MOST_STEPS = 10**13  # decisions of a training: a fast GPU flies for a week or two on them
MOST_EPISODES = 10_000_000  # of a comparison, of which every one is kept

Deviation = Annotated[float, Field(gt=0.0, le=1e3)]
Mean = Annotated[float, Field(ge=-1e3, le=1e3)]
Layer = Annotated[int, Field(ge=1, le=LARGEST)]


class Strict(BaseModel):
    """A frozen table in which an unknown key is an error, and every number a finite one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_word_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic would take true for 1, and "5" for 5."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = {annotation, *get_args(annotation)}
        kinds |= {inner for kind in kinds for inner in get_args(kind)}  # of Annotated
        if kinds & {int, float}:
            for item in value if isinstance(value, list | tuple) else [value]:
                if isinstance(item, bool | str):
                    raise ValueError(f"must be a {'' if float in kinds else 'whole '}number, got {shown(item)}")
        return value


class Ppo(Strict):
    """Proximal policy optimisation, in the names of Stable-Baselines3."""

    steps: int = Field(32, ge=2, le=100_000, description="decisions of every lander between two updates")
    batch_size: int = Field(4096, ge=2, le=10**9)
    epochs: int = Field(5, ge=1, le=10_000, description="passes over the data of one update")
    learning_rate: float = Field(1e-3, gt=0.0, le=1e3, description="falls linearly to 3 % of this")
    discount: float = Field(0.998, gt=0.0, le=1.0)
    gae_lambda: float = Field(0.97, ge=0.0, le=1.0)
    clip: float = Field(0.2, gt=0.0, le=1e3)
    entropy: float = Field(0.0, ge=0.0, le=1e6)
    desired_kl: float = Field(
        0.0,
        ge=0.0,
        le=1e3,
        description="divergence of the policy in an update near which it is kept by changing the learning rate; 0 lets "
        "the learning rate fall",
    )
    last_deviation: tuple[Deviation, ...] = Field(
        (),
        description="standard deviation in which a training ends, per action or for all: it falls geometrically to it "
        "from network.deviation; empty to let it be learned",
    )
    critic_first: int = Field(
        0,
        ge=0,
        le=10**9,
        description="updates in which the value function learns alone; for a policy that begins well",
    )


class OffPolicy(Strict):
    """Soft actor-critic and its kin, in the names of Stable-Baselines3."""

    buffer: int = Field(300_000, ge=1, le=10**9, description="transitions that are kept to learn from")
    batch_size: int = Field(512, ge=2, le=10**9)
    learning_rate: float = Field(1e-3, gt=0.0, le=1e3)
    discount: float = Field(0.998, gt=0.0, le=1.0)
    blending: float = Field(0.005, gt=0.0, le=1.0, description="of the critic into its slow twin, at each update")
    steps: int = Field(1, ge=1, le=100_000, description="decisions of every lander between two rounds of updates")
    updates: int = Field(8, ge=1, le=100_000, description="in each round")
    start: int = Field(
        10_000, ge=0, le=MOST_STEPS, description="decisions of all landers together before the first update"
    )


class Network(Strict):
    """The policy and, of the same size, the value function."""

    hidden: tuple[Layer, ...] = Field((64, 64), max_length=64)
    deviation: tuple[Deviation, ...] = Field((0.5,), description="initial standard deviation, per action or for all")
    bias: tuple[Mean, ...] = Field((0.0,), description="initial mean action, per action or for all")
    memory: Literal["none", "gru", "lstm"] = Field("none", description="recurrent cell before the policy's layers")
    memory_size: int = Field(64, ge=1, le=LARGEST, description="numbers that a memory shows to the layers")
    differences: bool = Field(
        False, description="whether it is shown the newest reading and what changed since those before, not all of them"
    )
    start: str = Field(
        "", description="folder of the policy whose weights the training begins with; empty for fresh ones"
    )
    critic: Literal["same", "privileged"] = Field(
        "same", description="what the value function sees: what the pilot sees, or the truth and the faults as well"
    )


class Curriculum(Strict):
    """Practice on mild faults first, on worse ones once enough flights land."""

    start: float = Field(0.0, ge=0.0, le=1.0, description="severity of the faults at first; 1 is the scenario itself")
    step: float = Field(0.1, gt=0.0, le=1.0, description="by which the severity rises")
    promote_at: float = Field(0.9, gt=0.0, le=1.0, description="share of landings, while exploring, at which it rises")
    episodes: int = Field(
        2000, ge=1, le=10**9, description="that it is judged by; with few for each lander, short ones weigh more"
    )


class Stage(Strict):
    """A later part of the training, with another practice."""

    after: float = Field(gt=0.0, lt=1.0, description="share of the decisions at which it begins")
    practice: dict[str, Any] = Field(description="changes to the practice of the stage before")


class Imitation(Strict):
    """The beginning of a training, or all of it, that learns to fly as another pilot does."""

    pilot: str = Field(description="as --pilots names it; it has to fly with the scenario's control mode and period")
    steps: int = Field(
        ge=1, le=MOST_STEPS, description="decisions of all landers together, of the training's total_steps"
    )
    learning_rate: float = Field(2e-3, gt=0.0, le=1e3, description="falls linearly to 3 % of this")


class Evaluation(Strict):
    """What the run ends with."""

    episodes: int = Field(1000, ge=1, le=MOST_EPISODES)
    seed: Annotated[int, AfterValidator(partial(within, EVALUATION))] = EVALUATION[0]
    pilots: tuple[str, ...] = Field(("as_flown", "cautious"), max_length=100)
    flight: str = Field(
        "", description="scenario whose first episode is drawn in the report; empty for the trained one"
    )


class Experiment(Strict):
    """One training run. Not every algorithm can do all of it: agents/training/algorithms.py says which can what."""

    scenario: str
    changes: dict[str, Any] = Field({}, description="to the scenario, in training and evaluation")
    practice: dict[str, Any] = Field({}, description="changes to the scenario in training only")
    algorithm: str = Field("sb3.ppo", description="a row of agents/training/algorithms.py")
    device: str = Field("cpu", description="of physics, rollouts and learning")
    seed: Annotated[int, AfterValidator(partial(within, TRAINING))] = TRAINING[0]
    num_envs: int = Field(1024, ge=1, le=MOST_LANDERS)
    total_steps: int = Field(8_000_000, ge=1, le=MOST_STEPS, description="decisions of all landers together")
    checkpoint_every: float = Field(60.0, gt=0.0, le=1e9, description="seconds between checkpoints")
    threads: int = Field(0, ge=0, le=MOST_THREADS, description="of torch; 0 for one per core")
    ppo: Ppo = Ppo()
    off_policy: OffPolicy = OffPolicy()
    network: Network = Network()
    stages: tuple[Stage, ...] = Field(
        (), max_length=1_000, description="of the practice, in order; [[stages]] in the file"
    )
    curriculum: Curriculum | None = Field(None, description="of the practice; none if the table is left out")
    imitation: Imitation | None = Field(None, description="before rewards count; none if the table is left out")
    evaluation: Evaluation = Evaluation()

    @property
    def pilots_card(self) -> dict[str, Any]:
        """What a policy's card has to say of it, so that it flies elsewhere as it was trained."""
        wishes = {path: value for path, value in self.changes.items() if path.split(".")[0] in PILOTS_OWN}
        return {"seed": self.seed, "wishes": wishes, "differences": self.network.differences}

    @field_validator("algorithm")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return algorithm_of(name).name

    @model_validator(mode="after")
    def _fits_the_algorithm(self) -> "Experiment":
        """Refuse what the algorithm would ignore."""
        refuse_the_impossible(algorithm_of(self.algorithm), self)
        return self

    @model_validator(mode="after")
    def _has_one_practice_at_a_time(self) -> "Experiment":
        if self.stages and self.curriculum is not None:
            raise ValueError("stages may change the practice, but not together with a curriculum; leave one out")
        if any(later.after <= stage.after for stage, later in pairwise(self.stages)):
            raise ValueError("stages: each must begin after the one before")
        if self.imitation is not None and self.imitation.steps > self.total_steps:
            raise ValueError("imitation.steps must be at most total_steps, of which it is the beginning")
        return self


class ConfigError(ValueError):
    """Raised when an experiment's file or an override cannot be used; the message says where and what is allowed."""


def load_experiment(path: Path, overrides: tuple[str, ...] = ()) -> Experiment:
    """Read a TOML file and ``key.path=value`` overrides (values as in TOML; a bare word is a string)."""
    try:
        tree = read_toml(found(path))
    except FileNotFoundError:
        known = ", ".join(sorted(str(p.relative_to(CHECKOUT)) for p in (CHECKOUT / "configs").glob("*.toml")))
        raise ConfigError(f"no configuration {looked_in(path)}; there are: {known}") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnreadableError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for override in overrides:
        _apply(tree, override)
    return experiment(tree, str(path))


def experiment(tree: dict[str, Any], where: str) -> Experiment:
    """The experiment in a tree of plain values."""
    try:
        return Experiment.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(map(_explain, error.errors()))}") from None


def _explain(item: Any) -> str:
    path = ".".join(map(str, item["loc"]))
    if item["type"] == "value_error":  # one of ours, which names the value; of a whole table, the keys too
        return f"{path}: {item['ctx']['error']}" if path else str(item["ctx"]["error"])
    if item["type"] == "extra_forbidden":
        owner: Any = Experiment
        for part in item["loc"][:-1]:
            table = owner.model_fields[part].annotation
            owner = next(iter(get_args(table)), table)  # one that may be left out stands before None
        return f"unknown key {path!r}; {owner.__name__} has: {', '.join(owner.model_fields)}"
    return f"{path}: {item['msg']}, got {shown(item['input'])}"


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"an override reads key=value, got {override!r}")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except UnreadableError:
        value = text
    # Scenario keys are dotted paths of their own: as one key, the change joins the others instead of replacing them.
    *tables, last = key.split(".", 1) if key.startswith(("changes.", "practice.")) else key.split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"override {override!r}: {table!r} is a value, not a table")
    tree[last] = value


def per_action(where: str, values: tuple[float, ...], actions: int) -> torch.Tensor:
    """One number for each action; a single one serves all."""
    if len(values) not in (1, actions):
        raise ValueError(f"{where} needs 1 or {actions} numbers, got {len(values)}")
    return torch.tensor(values * (actions // len(values)), dtype=torch.float32, device="cpu")
