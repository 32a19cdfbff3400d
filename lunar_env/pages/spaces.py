"""What goes into each scenario and what comes out, as a page: the numbers of an action, those of an observation."""

from collections.abc import Iterable

from lunar_env.missions import load_scenario, scenarios
from lunar_env.quantities import middle
from lunar_env.scenario import Scenario

INTRODUCTION = """# Action and observation of each scenario

Every number of an action lies in [-1, 1] and holds for one decision period. What it means is the scenario's control
mode; `control=` takes another one: `gym.make("Lunar/Descent-v0", scenario="resilience", control="body")`. Every number
of an observation is `value / scale`, clipped to `[min, max] / scale`: what a learner gets is scaled already.
`env.get_wrapper_attr("observations")` is the table of an environment at hand, `scenario.observation_table()` that of a
scenario; [observations.md](observations.md) says how to read one by name.

## Control modes

| control | numbers of an action |
|---|---|
| `throttle` | throttle; the autopilot keeps the thrust axis vertical |
| `planar` | throttle; pitch rate, which is tracked within the torque limit, positive leans the thrust downrange |
| `descent_rate` | rate of descent, 0 at -1 and the most at 1, as ((a + 1) / 2)²; lateral speed along x and \
along y, as a·abs(a). A loop tracks them on inertial velocity, the vertical first |
| `thrust_vector` | thrust along x, y and up as a share of the most; up below 0 counts as 0, a length above 1 \
as 1. The autopilot turns the vehicle there |
| `body` | throttle; torque about the body's x, y and z axes as a share of the most |

With `discrete=True`, for `planar` alone, an action is a whole number: 0, 1, 2 with the engine off, 3, 4, 5 with full
throttle; each three turn left, not at all and right with the most.

## The throttle, and an engine with a least throttle

A throttle of -1 to 1 asks for a share w = (a + 1) / 2 of the most thrust; in the mode `thrust_vector` w is the length
of the action, in `descent_rate` what the loop asks for. An engine that cannot burn below a least share m
(`engine.minimum_throttle`) makes of it, with its limit s (`engine.shutdown`, a share of m):

- w below s·m: off;
- w from s·m to m: m;
- w above m: w.

So with m = 0.25 and s = 0.5 a throttle below -0.75 is off, from there to -0.5 it is a quarter of the thrust, above that
it is what it says. With s = 0 nothing turns the engine off, and -1 is the least throttle. The thrust follows with the
lag of the valve (`engine.lag`). The sections below give these limits for each scenario.
"""


def page() -> str:
    """The page: modes, the throttle, then a section for all scenarios that share their numbers."""
    groups: dict[object, list[Scenario]] = {}
    for scenario in map(load_scenario, scenarios()):
        table = scenario.observation_table()
        period, limits = scenario.decision_period, engine_limits(scenario)
        key = (tuple(actions(scenario)), limits, period, table.channels, table.history)
        groups.setdefault(key, []).append(scenario)
    index = "\n".join(
        f"| {', '.join(f'`{one.name}`' for one in alike)} | `{alike[0].control}` | {len(alike[0].action_names)} "
        f"| {alike[0].observation_table().size} | [tables](#{alike[0].name}) |"
        for alike in groups.values()
    )
    head = "| scenarios | control | action | observation | |\n|---|---|---|---|---|\n"
    return "\n".join([INTRODUCTION, "## All scenarios\n", head + index + "\n", *map(section, groups.values())])


def section(alike: Iterable[Scenario]) -> str:
    """Scenarios that share their numbers: what each number of their actions and observations is."""
    first, *others = alike
    also = f"Also {', '.join(f'`{one.name}`' for one in others)}.\n\n" if others else ""
    rows = "\n".join(f"| {i} | {row} |" for i, row in enumerate(actions(first)))
    table = first.observation_table()
    past = f" of each of {table.history} readings, the newest last" if table.history > 1 else ""
    return (
        f"## `{first.name}`\n\n{also}"
        f"Control `{first.control}`, a decision every {first.decision_period:g} s.\n\n"
        f"| # | action | unit | -1 | 0 | 1 |\n|---|---|---|---|---|---|\n{rows}\n\n{engine_limits(first)}\n\n"
        f"Observation{past}:\n\n{table.markdown()}\n"
    )


def actions(scenario: Scenario) -> list[str]:
    """A row for each number of an action: name, unit, and what -1, 0 and 1 are. What is drawn goes by its middle."""
    thrust = middle(scenario.engine.maximum_thrust)
    fall, aside = middle(scenario.guidance.maximum_descent_rate), middle(scenario.guidance.maximum_lateral_speed)
    turn, torque = middle(scenario.attitude.rate_limit), middle(scenario.attitude.maximum_torque)
    meanings = {
        "throttle": ("N", *_throttle(scenario)),
        "descent_rate": ("m/s", "0", f"{fall / 4.0:g}", f"{fall:g}"),
        "thrust_up": ("N", "0", "0", f"{thrust:g}"),
        **{f"lateral_speed_{axis}": ("m/s", f"{-aside:g}", "0", f"{aside:g}") for axis in "xy"},
        **{f"thrust_{axis}": ("N", f"{-thrust:g}", "0", f"{thrust:g}") for axis in "xy"},
        "pitch_rate": ("rad/s", f"{-turn:g}", "0", f"{turn:g}"),
        **{f"torque_{axis}": ("N m", f"{-torque:g}", "0", f"{torque:g}") for axis in "xyz"},
    }
    return [" | ".join((f"`{name}`", *meanings[name])) for name in scenario.action_names]


def _throttle(scenario: Scenario) -> tuple[str, str, str]:
    """Thrust [N] at a throttle of -1, 0 and 1."""
    engine = scenario.engine
    most, least, shutdown = map(middle, (engine.maximum_thrust, engine.minimum_throttle, engine.shutdown))
    low, half, full = (
        f"{most * (0.0 if share < shutdown * least else max(share, least)):g}" for share in (0.0, 0.5, 1.0)
    )
    return low, half, full


def engine_limits(scenario: Scenario) -> str:
    """Where the engine is off and where it burns at its least, in the numbers that the scenario's control takes."""
    least, shutdown = middle(scenario.engine.minimum_throttle), middle(scenario.engine.shutdown)
    burns = f"its least of {least * middle(scenario.engine.maximum_thrust):g} N"
    if scenario.control in ("throttle", "planar", "body"):
        off = f"off below {2.0 * shutdown * least - 1.0:.3g}, " if shutdown > 0.0 else "never off, "
        return f"The engine: {off}{burns} up to a throttle of {2.0 * least - 1.0:.3g}."
    off = f"off below w = {shutdown * least:.3g}, " if shutdown > 0.0 else "never off, "
    asked = "the length of the action" if scenario.control == "thrust_vector" else "what the loop asks for"
    return f"The engine: {off}{burns} up to w = {least:.3g}; w is {asked}."
