"""Fly pilots of your own: ``python -m lunar_env.flying FILE.py:NAME [FILE.py:NAME ...] [--scenario NAME]``.

A pilot is a class of ``lunar_env.Pilot`` or a function from observations to actions. All fly the same episodes, each
once to its end. Prints how many landed, with the 95 % Wilson interval, and how the others ended.
"""

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lunar_env.descent import Descent
from lunar_env.flying.episodes import MOST_EPISODES, Endings, fly, maker_of
from lunar_env.flying.pilot import PilotError
from lunar_env.flying.statistics import spread
from lunar_env.flying.wishes import own_copy, shown_to, wished, wishes_in_words
from lunar_env.inputs.files import require_writable
from lunar_env.pages.reader import while_read
from lunar_env.task import TOUCHED, Outcome


def main() -> int:
    """The command line. Returns 0, 1 if a pilot failed, 2 for a wrong request, 130 if interrupted."""
    description = (__doc__ or "").split("\n\n")[-1]
    parser = argparse.ArgumentParser(
        "python -m lunar_env.flying",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("pilots", nargs="+", metavar="FILE.py:NAME", help="a class of Pilot or a function in a file")
    parser.add_argument("--scenario", default="resilience", help="a name from `python -m lunar_env`")
    parser.add_argument("--episodes", type=int, default=1_000, help="flown by each pilot")
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the episodes, the same for every pilot")
    parser.add_argument("--device", default="cpu", help="where landers and pilots compute")
    parser.add_argument("--out", type=Path, default=None, help="also write every episode into this .npz file")
    chosen = parser.parse_args()
    try:
        scenario = own_copy(chosen.scenario)
        makers = {label: maker_of(pilot) for label, pilot in zip(labels(chosen.pilots), chosen.pilots, strict=True)}
        if not 1 <= chosen.episodes <= MOST_EPISODES:
            raise ValueError(f"--episodes must be at least 1 and at most {MOST_EPISODES:,}, got {chosen.episodes}")
        if chosen.out and not chosen.out.parent.is_dir():
            raise ValueError(f"no folder {chosen.out.parent} for --out; make it first")
        Descent(scenario, device=chosen.device, seed=chosen.seed)  # refused now if the device or the seed is wrong
        for maker in makers.values():
            with contextlib.suppress(PilotError):  # its line will say so
                shown_to(maker, scenario)  # or what a pilot wishes for
        if chosen.out:
            require_writable(chosen.out)
    except (KeyError, ValueError, TypeError, RuntimeError, OSError) as error:
        print(f"error: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 2
    flown = {}
    try:
        for name, maker in makers.items():
            try:
                endings = fly(maker, scenario, chosen.episodes, chosen.seed, device=chosen.device)
            except Exception as error:  # a pilot's own failure must not cost the others their results
                what = f"it {error}" if isinstance(error, PilotError) else f"{type(error).__name__}: {error}"
                print(f"{name} failed: {what}", file=sys.stderr)
            else:
                flown[name] = endings
                print(report(name, endings))
                if wishes := wished(scenario, shown_to(makers[name], scenario)):
                    print(f"  it flies with {wishes_in_words(wishes)}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if chosen.out:
        with open(chosen.out, "wb") as file:  # under exactly this name
            np.savez_compressed(file, **arrays(flown))  # type: ignore[arg-type]
        print(f"every episode is in {chosen.out}")
    return int(len(flown) < len(makers) or any(endings.failures for endings in flown.values()))


def labels(pilots: Sequence[str]) -> list[str]:
    """What each pilot goes by: the part behind its file, or all of it where two would be called alike."""
    names = [pilot.rpartition(":")[2] for pilot in pilots]
    if len(set(pilots)) < len(pilots):
        raise ValueError(f"a pilot is named twice: {', '.join(pilots)}")
    return [pilot if names.count(name) > 1 else name for pilot, name in zip(pilots, names, strict=True)]


def report(name: str, endings: Endings) -> str:
    """What is printed of one pilot."""
    counted = Counter(Outcome(code).name.lower().replace("_", " ") for code in endings.outcome)
    others = ", ".join(f"{count:,} {words}" for words, count in counted.most_common() if words != "landed")
    speed = spread(endings.record["descent_rate"][np.isin(endings.outcome, TOUCHED)])
    touchdown = f"; down at {speed['mean']:.1f} m/s in the mean, {speed['worst']:.1f} at worst" if speed else ""
    return f"{name}: {endings}{touchdown}" + (f"\n  the others: {others}" if others else "")


def arrays(flown: dict[str, Endings]) -> dict[str, np.ndarray]:
    """Every episode of every pilot: ``pilot/outcome`` and the numbers of the record."""
    found = {f"{pilot}/outcome": endings.outcome for pilot, endings in flown.items()}
    for pilot, endings in flown.items():
        found |= {f"{pilot}/{name}": column for name, column in endings.record.items()}
    return found


if __name__ == "__main__":
    sys.exit(while_read(main))
