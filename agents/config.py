"""An experiment as a TOML file: a preset, changes, an algorithm and its numbers. Unknown keys are errors."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Strict(BaseModel):
    """Frozen, and deaf to nothing: a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ppo(Strict):
    """Proximal policy optimisation, in the names of Stable-Baselines3."""

    steps: int = Field(32, ge=2, description="decisions of every lander between two updates")
    batch_size: int = Field(4096, ge=2)
    epochs: int = Field(5, ge=1, description="passes over the data of one update")
    learning_rate: float = Field(1e-3, gt=0.0, description="falls linearly to 3 % of this")
    discount: float = Field(0.998, gt=0.0, le=1.0)
    gae_lambda: float = Field(0.97, ge=0.0, le=1.0)
    clip: float = Field(0.2, gt=0.0)
    entropy: float = Field(0.0, ge=0.0)


class Network(Strict):
    """The policy and, of the same size, the value function."""

    hidden: tuple[int, ...] = (64, 64)
    deviation: tuple[float, ...] = Field((0.5,), description="initial standard deviation, per action or for all")
    bias: tuple[float, ...] = Field((0.0,), description="initial mean action, per action or for all")


class Evaluation(Strict):
    """What the run ends with."""

    episodes: int = Field(1000, ge=1)
    seed: int = Field(1_000_000, ge=1_000_000, lt=2**32, description="training seeds lie below, resumed ones above")
    pilots: tuple[str, ...] = ("as_flown", "cautious")
    flight: str = Field(
        "", description="scenario whose first episode is drawn in the report; empty for the trained one"
    )


class Experiment(Strict):
    """One training run."""

    scenario: str
    changes: dict[str, Any] = Field({}, description="to the scenario, in training and evaluation")
    practice: dict[str, Any] = Field({}, description="changes to the scenario in training only")
    algorithm: Literal["sb3.ppo"] = "sb3.ppo"
    seed: int = Field(0, ge=0, lt=1_000_000)
    num_envs: int = Field(1024, ge=1)
    total_steps: int = Field(8_000_000, ge=1, description="decisions of all landers together")
    checkpoint_every: float = Field(60.0, gt=0.0, description="seconds between checkpoints")
    threads: int = Field(0, ge=0, description="of torch; 0 for one per core")
    ppo: Ppo = Ppo()
    network: Network = Network()
    evaluation: Evaluation = Evaluation()


class ConfigError(ValueError):
    """Raised when an experiment's file or an override cannot be used; the message says where and what is allowed."""


def load_experiment(path: Path, overrides: tuple[str, ...] = ()) -> Experiment:
    """Read a TOML file and ``key.path=value`` overrides (values as in TOML; a bare word is a string)."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(str(p) for p in Path("configs").glob("*.toml"))) or "none here"
        raise ConfigError(f"no configuration {path}; in configs/: {known}") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for override in overrides:
        _apply(tree, override)
    return experiment(tree, str(path))


def experiment(tree: dict[str, Any], where: str) -> Experiment:
    """The experiment in a tree of plain values."""
    try:
        return Experiment.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise ConfigError(f"{where}:\n  " + "\n  ".join(lines)) from None


def _explain(item: Any) -> str:
    path = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        owner: Any = Experiment
        for part in item["loc"][:-1]:
            owner = owner.model_fields[part].annotation
        return f"unknown key {path!r}; {owner.__name__} has: {', '.join(owner.model_fields)}"
    return f"{path}: {item['msg']}, got {item['input']!r}"


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"an override reads key=value, got {override!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    # Scenario keys are dotted paths of their own: as one key, the change joins the others instead of replacing them.
    *tables, last = key.split(".", 1) if key.startswith(("changes.", "practice.")) else key.split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"override {override!r}: {table!r} is a value, not a table")
    tree[last] = value
