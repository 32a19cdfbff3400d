"""Write the pages of docs/ that the code itself knows: ``python docs/generate.py``."""

import dataclasses
import sys
from pathlib import Path

import torch

from lunar_env import Descent, load_scenario, scenarios
from lunar_env.faults.kinds import KINDS, NAMES, Fault, magnitude_of
from lunar_env.flight_computer.orbit import flight_computer
from lunar_env.missions import MISSIONS
from lunar_env.pages import spaces
from lunar_env.quantities import Range
from lunar_env.rendering.view import picture
from lunar_env.scenario import Scenario
from lunar_env.sensors.devices import INERTIAL_UNITS, RANGE_FINDERS, InertialUnit
from lunar_env.sensors.range_finder import RangeFinder

HERE = Path(__file__).parent
WRITTEN = "<!-- Written by `python docs/generate.py`; change the code, not this page. -->\n"


def observations() -> str:
    """What a pilot sees, for the missions and for the first lesson."""
    table = load_scenario("resilience").observation_table()
    lesson = load_scenario("vertical").observation_table()
    return f"""{WRITTEN}
# What a pilot sees

Each number of an observation is `value / scale`, clipped to `[min, max] / scale`. `scenario.observation_table()` is
this table as data, and its `read(observation)` gives the numbers back by name in SI units. Local-vertical axes: x
downrange, y cross-range, z up. Quaternions turn body axes into site axes, scalar last; the body's z axis is the
thrust axis. With `history=k` an observation is k readings in a row, the newest last.

With `observation="truth"` the row has the same places and holds the true height above ground in `altimeter_range`,
always valid and of age 0, and no inertial error.

With `observation="beams"` the row holds what the range finders tell and the last command, nothing else: no altitude,
no velocity, no attitude, no propellant, no clock. Classical pilots refuse to fly on that.

Two examples follow; [spaces.md](spaces.md) has the numbers of every scenario, and of its actions.

## `resilience` (control `descent_rate`)

{table.markdown()}

## `vertical` (control `throttle`)

Scales that follow from the scenario differ; the names and their order do not.

{lesson.markdown()}
"""


def numbers() -> str:
    """Every number of a scenario with its default, unit and meaning, and what each preset makes of it."""
    plain = Scenario()
    rows = "\n".join(
        f"| `{path}` | {item.metadata.get('unit', '')} | {shown(value)} | {item.metadata['meaning']} |"
        for path, item, value in fields_of(plain)
    )
    presets = "\n\n".join(preset_section(load_scenario(name), plain) for name in scenarios())
    return f"""{WRITTEN}
# Scenarios

A number is fixed; two numbers in brackets are the ends of a range, drawn anew for every episode (log: uniform in the
logarithm). Any of them can be changed: `load_scenario("resilience", **{{"altimeter.delay": 0.3}})`.
Marks: [V] primary source, [V2] secondary source, [R] recalled, [C] computed, [P] proposed by this project. A preset's
own sources and marks stand beside its numbers in `lunar_env/missions/`.

## Presets

Each with the numbers in which it differs from the defaults below.

{presets}

## Numbers and defaults

A range finder's numbers go by its name, as `altimeter.delay`; docs/sensors.md lists real ones.

| number | unit | default | meaning |
|---|---|---|---|
{rows}
"""


def preset_section(preset: Scenario, plain: Scenario) -> str:
    """One preset: its sentence, and the numbers that are its own."""
    own = differences(preset, plain)
    text = "; ".join(own)
    for other in map(load_scenario, scenarios()):
        if other.name == preset.name:
            break
        less = differences(preset, other)
        if len(less) < len(own) / 3:  # it is a variant
            own, text = less, f"As `{other.name}`, but: " + "; ".join(less)
    return f"### `{preset.name}`\n\n{preset.summary}.\n\n{text}."


def differences(preset: Scenario, other: Scenario) -> list[str]:
    """The numbers of a preset that another scenario does not have; a known device goes by its name."""
    theirs = {path: value for path, _, value in fields_of(other)}
    known = {finder: name for name, finder in RANGE_FINDERS.items()}
    devices = {finder.name: known[finder] for finder in preset.sensors if finder in known}
    parts = [
        f"`{name}` is `{known_as}`" for name, known_as in devices.items() if preset.sensor(name) not in other.sensors
    ]
    parts += [f"no `{finder.name}`" for finder in other.sensors if finder.name not in preset.beams()]
    return parts + [
        f"`{path}` {shown(value)}"
        for path, _, value in fields_of(preset)
        if path.split(".")[0] not in devices and (path not in theirs or theirs[path] != value)
    ]


def fields_of(part: object, path: str = "") -> list[tuple[str, dataclasses.Field, object]]:
    """All numbers and settings below a part, with their paths and values."""
    found = []
    for item in dataclasses.fields(part):  # type: ignore[arg-type]
        where, value = f"{path}.{item.name}" if path else item.name, getattr(part, item.name)
        if dataclasses.is_dataclass(item.type):
            found += fields_of(value, where)
        elif "parts" in item.metadata:
            found += [number for one in value for number in fields_of(one, one.name)]
        elif item.name not in ("name", "summary"):
            found.append((where, item, value))
    return found


def sensors() -> str:
    """Every device with its data sheet."""
    finders = "\n\n".join(
        f"### `{name}`\n\n" + "; ".join(f"`{path}` {shown(value)}" for path, value in differing(finder)) + "."
        for name, finder in RANGE_FINDERS.items()
    )
    sheet = dataclasses.fields(InertialUnit)[1:]
    head = "| unit | " + " | ".join(f"{item.name} [{item.metadata['unit']}]" for item in sheet) + " | what it is |\n"
    units = "\n".join(
        f"| `{name}` | " + " | ".join(f"{getattr(unit, item.name):.3g}" for item in sheet) + f" | {unit.summary} |"
        for name, unit in INERTIAL_UNITS.items()
    )
    return f"""{WRITTEN}
# Sensors

A scenario lists its range finders:
`load_scenario("resilience", sensors=["series_1_laser", "navigation_doppler_lidar"])`. The observation has, for each
beam, range, valid flag and age, and closing speed if the instrument is a Doppler one; a beam of several goes by its
number, `doppler_lidar_range_2`. Numbers are changed by the sensor's name:
`{{"doppler_lidar.noise": 0.5}}`. A sensor with `faulty=False` is one that the scenario's altimeter faults spare. An
inertial unit gives a scenario's navigation: `navigation=STIM300.navigation(altitude_error=Range(-100.0, 100.0))`.
Sources and marks stand beside the numbers in `lunar_env/sensors/devices.py`; what carries none is assumed.

## Range finders

What differs from a perfect laser with a lag; every number's meaning stands in scenarios.md.

{finders}

## Inertial units

{head}{"|---" * (len(sheet) + 2)}|
{units}
"""


def differing(finder: RangeFinder) -> list[tuple[str, object]]:
    """The numbers and settings of a device that are not the default ones."""
    plain = RangeFinder()
    names = [item.name for item in dataclasses.fields(finder)]
    return [(name, getattr(finder, name)) for name in names if getattr(finder, name) != getattr(plain, name)]


def shown(value: object) -> str:
    """A value as the page prints it."""
    if isinstance(value, Range):
        return f"[{value.low:g}, {value.high:g}]" + (" log" if value.log else "")
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)


def faults() -> str:
    """Every fault: what it is, where it happened, its numbers."""
    rows = []
    for code, name in enumerate(NAMES):
        kind = KINDS[name]
        own = dataclasses.fields(kind)[len(dataclasses.fields(Fault)) :]
        numbers = "<br>".join(f"`{item.name}` [{item.metadata['unit']}] {item.metadata['meaning']}" for item in own)
        replay, training = (
            ", ".join(f"`{key}` {shown(value)}" for key, value in part.items()) for part in (kind.replay, kind.training)
        )
        mode = str(kind.mode) if kind.mode else "-"
        rows.append(
            f"| {code} | `{name}` | {mode} | {(kind.__doc__ or '').strip()} | {kind.missions} | {numbers} "
            f"| `{magnitude_of(name)}`, {kind.neutral:g} | {replay or '-'} | {training} |"
        )
    table = "\n".join(rows)
    return f"""{WRITTEN}
# Faults

What went wrong on real missions, by name. `load_scenario("resilience", **with_fault("dust", height=20.0))` gives every
episode a fault; `KINDS["dust"].training` are ranges for training, `.replay` the numbers of the mission. All faults
share `probability`, `onset` [s], `below` [m above the ground] and `duration` [s]: a fault begins at the first tick that
is late enough and low enough, and acts for its duration. The code is its bit in `info["acting_faults"]`; the mode is
its number in the list that the project follows. At the neutral value of its magnitude a fault changes nothing, bit for
bit. Marks: [V] primary source, [V2] secondary, [R] recalled, [P] proposed by this project, as all training ranges are.

| code | name | mode | what happens | where | its own numbers | magnitude, neutral | replay | training |
|---|---|---|---|---|---|---|---|---|
{table}
"""


def hostile() -> str:
    """Every wrong input that the tests give, and its answer."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from hostile import CASES, SHELL_CASES, answer_in_words

    cases = [*SHELL_CASES, *CASES]
    sections = []
    for area in dict.fromkeys(case.area for case in cases):
        rows = "\n".join(f"| {case.given} | {answer_in_words(case)} |" for case in cases if case.area == area)
        sections.append(f"## {area}\n\n| given | answer |\n|---|---|\n{rows}\n")
    body = "\n".join(sections)
    return f"""{WRITTEN}
# Wrong input, and its answer

{len(cases)} inputs that are wrong, or look as if they were, and the answer that each gets. `tests/test_hostile.py`
gives them all; the first sections to every environment: `LanderEnv`, `LanderVectorEnv` (NumPy and torch),
and `LanderVecEnv` for Stable-Baselines3, which all answer alike. Two rules: what has not the form of an input is
refused in words that name the value and what is allowed; a number that is not finite ends the lander that was given it
as `invalid`, and touches no other. An error's words are shortened here.

{body}"""


def all_spaces() -> str:
    """Actions and observations of every scenario."""
    return f"{WRITTEN}\n{spaces.page()}"


def draw_frame(path: Path) -> None:
    """The picture in README.md: the accident, flown by its own flight computer, near the last telemetry of the flight.

    Lander 4 of seed 1 is one of the closest of the first hundred: the flight was at 192 m and 42 m/s then.
    """
    import pygame

    [mission] = [one for one in MISSIONS if one.flown.name == "resilience_replay"]
    descent = Descent(mission.flown, num_envs=5, seed=1)
    autopilot = flight_computer(mission.plan, mission.flown, 5)
    autopilot.reset(torch.ones(5, dtype=torch.bool))
    observation = descent.state.observation.clone()
    for _ in range(147):
        observation = descent.step(autopilot.act(observation)).observation
    frame = picture(descent, 4)
    size = (frame.shape[1], frame.shape[0])
    pygame.image.save(pygame.image.frombytes(frame.tobytes(), size, "RGB"), path)


PAGES = {
    "hostile.md": hostile,
    "observations.md": observations,
    "scenarios.md": numbers,
    "faults.md": faults,
    "sensors.md": sensors,
    "spaces.md": all_spaces,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
    draw_frame(HERE / "frame.png")
    print(f"wrote {', '.join(PAGES)} and frame.png in {HERE}")
