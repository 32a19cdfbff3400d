"""What a search has found: a sentence, search.json, the command that trains with the best numbers, and two pictures."""

import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from agents.run_folder import write_atomic, write_json
from agents.search.plan import Plan
from agents.search.study import counts, quiet
from lunar_env.extras import missing


def write_result(plan: Plan, study: optuna.Study, out: Path) -> bool:
    """Write search.json and the pictures, and print the best. Returns whether any trial is complete."""
    trials = study.get_trials(deepcopy=False)
    found = best(trials)
    result: dict[str, Any] = {"study": plan.name, "asked": plan.record(), "trials": tally(trials)}
    if found is None:
        write_json(out / "search.json", result)
        print(f"no trial is complete: {tally_in_words(trials)}; numbers: {out / 'search.json'}")
        return False
    again = ("python", "-m", "agents.train", str(plan.base), "--set", *plan.overrides, *found.user_attrs["set"])
    result["best"] = {"trial": found.number, "value": found.value, **found.user_attrs}
    result["command"] = shlex.join(again)
    write_json(out / "search.json", result)
    drawn = draw(study, out)
    print(f"best of {tally_in_words(trials)}: {sentence(found)}, run {found.user_attrs['folder']}")
    print(f"results: {', '.join(map(str, [out / 'search.json', *drawn]))}")
    print(f"train with its numbers: {result['command']}")
    print(f"evaluate it as it is: python -m agents.train --resume {shlex.quote(found.user_attrs['folder'])}")
    return True


def best(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The complete trial of the highest value; of equal ones that with more strict landings, then the softer one."""

    def rank(trial: FrozenTrial) -> tuple[float, ...]:
        row = trial.user_attrs["validation"]
        speed = float("inf") if row["touchdown_speed"] is None else row["touchdown_speed"]
        return trial.values[0], row["landed_strict"], -speed, -trial.number

    return max((trial for trial in trials if trial.state == TrialState.COMPLETE), key=rank, default=None)


def tally(trials: list[FrozenTrial]) -> dict[str, int]:
    """How the trials of a study ended."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    return {
        "complete": sum(trial.state == TrialState.COMPLETE for trial in trials),
        "stopped early": sum(trial.state == TrialState.PRUNED for trial in trials),
        "failed": sum(counts(trial) for trial in failed),
        "killed": sum(not counts(trial) for trial in failed),
        "running": sum(trial.state == TrialState.RUNNING for trial in trials),
    }


def tally_in_words(trials: list[FrozenTrial]) -> str:
    """How the trials of a study ended, as words."""
    return ", ".join(f"{count} {state}" for state, count in tally(trials).items() if count) or "no trials"


def sentence(trial: FrozenTrial) -> str:
    """How one trial ended."""
    if trial.state == TrialState.COMPLETE:
        row = trial.user_attrs["validation"]
        low, high = row["wilson"]
        speed = "no touchdown" if row["touchdown_speed"] is None else f"{row['touchdown_speed']:.2f} m/s"
        return (
            f"trial {trial.number} landed {row['landed']} of {row['episodes']} [{low:.4f}, {high:.4f}], "
            f"{row['landed_strict']} strictly, touchdown {speed}"
        )
    if trial.state == TrialState.PRUNED:
        return f"trial {trial.number} stopped early: {max(trial.intermediate_values.values()):.3f} landed at best"
    return f"trial {trial.number} failed: {trial.user_attrs.get('error', 'killed')}"


def draw(study: optuna.Study, out: Path) -> list[Path]:
    """history.png, and importance.png if there is something to compare. Nothing without matplotlib."""
    try:
        import matplotlib
        from matplotlib import pyplot
        from optuna.visualization import matplotlib as pictures
    except ImportError:
        print(missing("the pictures", "matplotlib"), file=sys.stderr)
        return []
    values = {trial.values[0] for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    plots: dict[str, Callable[..., Any]] = {"history.png": pictures.plot_optimization_history}
    if len(values) > 1:
        plots["importance.png"] = pictures.plot_param_importances
    pyplot.switch_backend("Agg")
    for name, plot in plots.items():
        with quiet(), matplotlib.rc_context():  # Optuna changes the style of whatever is drawn after it
            figure = plot(study).get_figure()
            write_atomic(out / name, partial(figure.savefig, format="png", bbox_inches="tight"))
            pyplot.close(figure)
    return [out / name for name in plots]
