"""The study of a search in a database: who proposes numbers, who stops trials, and what becomes of killed ones."""

import contextlib
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from agents.search.plan import Plan, flat
from agents.training.experiment import ConfigError

HEARTBEAT, GRACE = 15, 60  # [s] between two signs of life of a trial, and without one until it counts as killed
KILLS = 3  # of trials with the same numbers, until they are not tried again: they may be what kills them
ATTEMPTS = 5  # to open a database, a second apart: of processes that begin together, one makes the tables


@contextlib.contextmanager
def opened_study(plan: Plan, url: str) -> Iterator[optuna.Study]:
    """The study of a plan in a database: a new one, or the one that others have begun."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"--storage is an address such as sqlite:///study.db, got {url!r}") from None
    if address.password is not None:  # a list of processes would show it, and each trial's run.json
        raise ConfigError(
            f"--storage {address.render_as_string(hide_password=True)}: leave the password to a file or a variable of "
            "the database's own, such as ~/.pgpass or PGPASSWORD"
        )
    try:
        storage = open_storage(address)
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        raise ConfigError(f"cannot open the study in {url}: {error}") from None
    try:
        yield joined(plan, storage)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def joined(plan: Plan, storage: optuna.storages.RDBStorage) -> optuna.Study:
    """The study, if it asks for what the plan does."""
    pruning = plan.search.pruning
    study = optuna.create_study(
        storage=storage,
        study_name=plan.name,
        sampler=Sampler(plan.seed),
        pruner=optuna.pruners.MedianPruner(pruning.startup, round(pruning.warmup * pruning.reports)),
        direction="maximize",
        load_if_exists=True,
    )
    asked = plan.record()
    kept = study.user_attrs.get("search")
    if kept is None:
        study.set_user_attr("search", asked)
    elif kept != asked:
        raise ConfigError(
            f"study {plan.name!r} asks for something else: {differences(kept, asked)}; "
            "put it back, or choose another name for the file, another --seed, or another --out or --storage"
        )
    return study


def open_storage(address: URL) -> optuna.storages.RDBStorage:
    """The database. A running trial keeps writing a heartbeat into it, so that a killed one is noticed."""
    # SQLite makes others wait for who writes; a server may have closed a connection that a long trial left idle.
    engine = {"connect_args": {"timeout": 60}} if address.drivername.startswith("sqlite") else {"pool_pre_ping": True}
    attempts = ATTEMPTS
    while True:
        try:
            with quiet():
                return optuna.storages.RDBStorage(
                    str(address),
                    engine_kwargs=engine,
                    heartbeat_interval=HEARTBEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=repeat,
                )
        except (SQLAlchemyError, StorageInternalError):
            attempts -= 1
            if not attempts:
                raise
            time.sleep(1.0)


def differences(kept: dict[str, Any], asked: dict[str, Any]) -> str:
    """In which entries two records of a plan differ."""
    was, now = dict(flat(kept)), dict(flat(asked))
    paths = sorted(path for path in was.keys() | now.keys() if was.get(path) != now.get(path))
    return "; ".join(f"{path}: was {was.get(path)!r}, is {now.get(path)!r}" for path in paths)


def fail_the_killed(study: optuna.Study) -> None:
    """Mark trials without a sign of life as failed; their numbers are tried again."""
    with quiet():
        optuna.storages.fail_stale_trials(study)


def repeat(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    """Let a later trial try the numbers of one that something else has stopped."""
    kills = trial.user_attrs.get("kills", 0) + 1
    if kills < KILLS:
        study.enqueue_trial(trial.params, user_attrs={"kills": kills})


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that the search file asks for: those that were killed or interrupted are not."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or "error" in trial.user_attrs


class Sampler(optuna.samplers.BaseSampler):
    """Tree-structured Parzen estimator whose chance depends on the seed and the trial's number, and on nothing else.

    Optuna's own would begin its random numbers anew in every process: one that goes on or joins would propose again
    what has been tried.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.inner = optuna.samplers.TPESampler()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Begin the random numbers of this trial."""
        seed = int(np.random.SeedSequence((self.seed, trial.number)).generate_state(1)[0])
        self.inner = optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # keeps off what others are trying now
        self.inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the estimator does."""
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the estimator does."""
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the estimator does."""
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """As the estimator does."""
        self.inner.after_trial(study, trial, state, values)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Heartbeats and the pictures are experimental in Optuna, which warns of it at every use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
