"""``python -m lunar_env``: what there is, by name."""

import argparse
import sys
import textwrap
from collections.abc import Iterable

from lunar_env.faults.kinds import KINDS
from lunar_env.missions import MISSIONS, PRESETS, gym_id
from lunar_env.pages.reader import while_read
from lunar_env.sensors.devices import INERTIAL_UNITS, RANGE_FINDERS

COMMANDS = {
    "python -m lunar_env": "this list",
    "python -m lunar_env.flying FILE.py:NAME": "fly a pilot of your own, with the interval of its landing rate",
    "python -m lunar_env.missions": "fly every mission again beside its published figures",
    "python -m lunar_env.bench": "speed beside other environments",
}


def main() -> int:
    """Print scenarios, missions, faults, devices and commands."""
    argparse.ArgumentParser("python -m lunar_env", description="What there is, by name.").parse_args()
    missions = {}
    for mission in MISSIONS:
        missions[mission.name] = f"{mission.title}, {mission.date}"
        if mission.planned is not None:
            missions[mission.planned.name] = "the same without its fault"
    scenarios = {name: preset for name, preset in PRESETS.items() if name not in missions}
    print(section("Scenarios", ((name, f"{gym_id(name)}: {preset.summary}") for name, preset in scenarios.items())))
    print(section("Missions, each a scenario too", missions.items()))
    print(section("Faults", ((name, (kind.__doc__ or "").splitlines()[0]) for name, kind in KINDS.items())))
    devices = {
        name: f"range finder, {finder.beams} beam{'s' * (finder.beams > 1)}" for name, finder in RANGE_FINDERS.items()
    }
    devices |= {name: f"inertial unit: {unit.summary}" for name, unit in INERTIAL_UNITS.items()}
    print(section("Devices", devices.items()))
    print(section("Commands", COMMANDS.items()))
    print(
        "Training, the shipped pilots and their pages need the checkout: git clone it, then\n"
        "pip install -e '.[train,report]', and python -m agents.train, agents.evaluate and so on."
    )
    return 0


def section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A title over names with what they are, wrapped to 100 columns."""
    lines = [f"{title}:"]
    for name, words in rows:
        lines += textwrap.wrap(f"{name:<28} {words}", 100, initial_indent="  ", subsequent_indent=" " * 31)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(while_read(main))
