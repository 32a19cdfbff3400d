"""How well an experiment learns: ``python -m agents.curves configs/NAME.toml [--seeds 5] [--ship runs/NAME]``.

Trains it once for each seed, and draws the landing rate over decisions and over time with the interquartile mean of
the seeds. Called again it goes on: what is finished is kept. Writes curve.json and curve.png; ``--draw`` puts several
of them into one picture.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tqdm import tqdm

from agents import train
from agents.command import answer, require_count
from agents.lock import held
from agents.pictures.curves import write_figure
from agents.reading import read_json
from agents.run_folder import RunFolderError, lock_folder, make_folder, provenance, write_json, write_text
from agents.scoring.comparison import comparison
from agents.scoring.interquartile import FEW, RESAMPLES
from agents.scoring.learning_curve import curves, read_updates, summed_up
from agents.scoring.selection import CHOSEN_BY, best, refuse_taken, ship, validate
from agents.training.checkpoint import NEWEST, PREVIOUS
from agents.training.experiment import MOST_EPISODES, ConfigError, Experiment, experiment, load_experiment
from agents.training.prepare import scenarios_of
from lunar_env.pages.markers import replaced

CURVE, PICTURE = "curve.json", "curve.png"
QUOTED = ("seed", "episodes", "landed", "landed_strict", "wilson", "wilson_strict")  # of a validation


@dataclass(frozen=True)
class Arguments:
    """Train an experiment with several seeds, and draw how it learns."""

    config: Annotated[Path | None, tyro.conf.Positional] = None
    """TOML file of the experiment; not needed with --draw."""
    seeds: int = 5
    """Trainings: with the seeds 0, 1, and so on, up to 1,000 of them."""
    set: tuple[str, ...] = ()
    """Changes to the experiment, as key.path=value."""
    out: Path | None = None
    """Folder of the trainings, by default runs/curves/NAME; with --draw the PNG."""
    episodes: int = 1_000
    """That each trained policy flies in the end, on descents kept for choosing among policies."""
    ship: Path | None = None
    """New folder for the policy that flew those best."""
    draw: tuple[Path, ...] = ()
    """Folders of finished curves to draw together and to compare in a table, instead of training."""
    page: Path | None = None
    """With --draw: Markdown page that gets the table between its markers."""


def main() -> int:
    """The command line. Returns the exit code."""
    return answer(
        "agents.curves", Arguments, run, __doc__, interrupted="the same command goes on from the newest checkpoint"
    )


def run(arguments: Arguments) -> None:
    """Train, or draw what was trained."""
    if arguments.draw:
        draw_together(arguments)
    else:
        train_and_draw(arguments)


def train_and_draw(arguments: Arguments) -> None:
    """Train what is not trained yet, gather, draw, ship."""
    wanted = experiments(arguments)
    config: Any = arguments.config  # which is there
    out = arguments.out or Path("runs/curves") / config.stem
    make_folder(out)
    with contextlib.ExitStack() as locks:
        lock_folder(out, locks)
        curve_in(arguments, wanted, out)


def curve_in(arguments: Arguments, wanted: list[Experiment], out: Path) -> None:
    """Do so in a folder that is this process's alone."""
    folders = [out / f"seed{each.seed}" for each in wanted]
    runs = []
    for each, folder in zip(wanted, folders, strict=True):
        print(f"seed {each.seed} of 0 to {len(wanted) - 1}")
        runs.append(trained(each, arguments, folder))
    with tqdm(total=len(wanted) * arguments.episodes, unit="episode") as bar:
        scenario, _ = scenarios_of(wanted[0])
        rows = [validate(folder, scenario, arguments.episodes, bar) for folder in folders]
    curve = gather(arguments, wanted[0], folders, runs, rows)
    write_json(out / CURVE, curve)
    write_figure(out / PICTURE, {out.name: curve})
    print(summary_of(curve))
    if arguments.ship is not None:
        number = best(rows)
        ship(folders[number], arguments.ship, origin_of(curve, number))
        for name in (CURVE, PICTURE):
            shutil.copyfile(out / name, arguments.ship / name)
        print(f"seed {number} is chosen by {CHOSEN_BY}; its policy is in {arguments.ship}")
    print(f"curves: {out / CURVE}, picture: {out / PICTURE}")


def experiments(arguments: Arguments) -> list[Experiment]:
    """The experiment with each seed. Refuses what cannot be, before anything is trained."""
    if arguments.config is None:
        raise ConfigError("name a configuration, such as configs/resilience.toml, or --draw folders of finished curves")
    require_count("seeds", arguments.seeds, 1, 1_000)
    require_count("episodes", arguments.episodes, 1, MOST_EPISODES)
    if any(change.partition("=")[0] == "seed" for change in arguments.set):
        raise ConfigError("--set seed=... would make all trainings one; say how many there shall be: --seeds 5")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise ConfigError("curves train one seed after the other in one process; start them without torchrun")
    if arguments.ship is not None:
        refuse_taken(arguments.ship)
    wanted = [load_experiment(arguments.config, (*arguments.set, f"seed={seed}")) for seed in range(arguments.seeds)]
    return wanted


def trained(wanted: Experiment, arguments: Arguments, folder: Path) -> dict[str, Any]:
    """What ``run.json`` tells of the training in ``folder``: finished long ago, gone on with, or begun now."""
    config = folder / "config.json"
    if config.exists():
        require_same(folder, experiment(read(config).get("experiment", {}), str(config)), wanted)
        record = read(folder / "run.json") if (folder / "run.json").exists() else {}
        if "training" in record:
            print(f"{folder} is finished and kept")
            return record
        if (folder / NEWEST).exists() or (folder / PREVIOUS).exists():
            return train.trained(train.Arguments(resume=folder))[2]
        with held(folder):  # or another process has only just begun there
            shutil.rmtree(folder)  # killed before its first checkpoint: nothing is lost
    changes = (*arguments.set, f"seed={wanted.seed}")
    return train.trained(train.Arguments(arguments.config, changes, out=folder))[2]


def require_same(folder: Path, there: Experiment, wanted: Experiment) -> None:
    """Refuse to take the training of another experiment for one of this."""
    old, new = there.model_dump(), wanted.model_dump()
    changed = [f"{key} was {old[key]!r} and is {new[key]!r}" for key in new if old[key] != new[key]]
    if changed:
        raise RunFolderError(f"{folder} is of another experiment ({', '.join(changed)}); choose another --out")


def read(path: Path) -> dict[str, Any]:
    """A JSON file of ours. Raises RunFolderError for one that is missing or broken."""
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise RunFolderError(f"{path} is missing or broken ({error}); run python -m agents.curves again") from None


def gather(
    arguments: Arguments,
    wanted: Experiment,
    folders: Sequence[Path],
    runs: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Everything that ``curve.json`` holds."""
    shares = np.array([[row["landed"] / row["episodes"]] for row in rows])
    return {
        "config": str(arguments.config),
        "set": list(arguments.set),
        "experiment": wanted.model_dump(mode="json", exclude={"seed"}),
        "measured": "share of the practice's episodes that landed, of those that ended since the point before",
        "statistic": "interquartile mean over the seeds, with the 95 % percentile bootstrap interval of "
        f"{RESAMPLES:,} resamples of the seeds at each point (Agarwal et al. 2021)",
        **curves([read_updates(folder) for folder in folders]),
        "runs": [
            {
                "seed": record["seed"],
                "steps": record["training"]["steps"],
                "seconds": record["training"]["seconds"],
                **{key: record[key] for key in ("commit", "uncommitted_changes", "device", "threads", "system")},
                "validation": {key: row[key] for key in QUOTED} | {"propellant": row["propellant"]["mean"]},
            }
            for record, row in zip(runs, rows, strict=True)
        ],
        # One point: the share that the trained policies landed in the end, without noise.
        "validation": {key: values for key, values in summed_up(np.zeros(0), shares).items() if key != "grid"},
        "provenance": provenance(wanted.device),
    }


def summary_of(curve: dict[str, Any]) -> str:
    """What came out, in a few lines for the screen."""
    lines = []
    for entry in curve["runs"]:
        row = entry["validation"]
        low, high = row["wilson"]
        lines.append(
            f"seed {entry['seed']}: landed {row['landed']}/{row['episodes']} [{low:.4f}, {high:.4f}], "
            f"strictly {row['landed_strict']}, {row['propellant']:.1f} kg, after {entry['seconds'] / 60:.1f} min"
        )
    ends = {key: curve["validation"][key][0] for key in ("interquartile_mean", "low", "high")}
    middle = f"interquartile mean of the landing rates: {ends['interquartile_mean']:.4f}"
    if ends["low"] != ends["high"]:  # a single seed has no interval, and seeds that are all alike tell of none
        middle += f" [{ends['low']:.4f}, {ends['high']:.4f}]"
    if len(lines) < FEW:
        middle += f"; of fewer than {FEW} seeds intervals are wide, and may still be too narrow"
    return "\n".join([*lines, middle])


def origin_of(curve: dict[str, Any], number: int) -> dict[str, Any]:
    """How a shipped policy came to be, for its card, which has seed, steps and commit already."""
    return {
        "config": curve["config"],
        "set": curve["set"],
        "chosen": {"by": CHOSEN_BY, "of_seeds": len(curve["runs"]), "validation": curve["runs"][number]["validation"]},
    }


def draw_together(arguments: Arguments) -> None:
    """One picture of several finished curves, each under the name of its folder."""
    if arguments.out is None or arguments.out.suffix != ".png":
        raise ConfigError(f"--draw needs the picture's name as --out FILE.png, got {arguments.out}")
    if arguments.config is not None or arguments.ship is not None:
        raise ConfigError("--draw trains nothing; give no configuration and no --ship with it")
    names = [folder.name for folder in arguments.draw]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in arguments.draw]
    make_folder(arguments.out.parent)
    if arguments.page is not None:
        replaced(arguments.page, "")  # refused now
    finished = {name: read(folder / CURVE) for name, folder in zip(names, arguments.draw, strict=True)}
    write_figure(arguments.out, finished)
    table = comparison(finished)
    print(table)
    if arguments.page is not None:
        write_text(arguments.page, replaced(arguments.page, table))
    print(f"picture of {', '.join(names)}: {arguments.out}")


if __name__ == "__main__":
    sys.exit(main())
