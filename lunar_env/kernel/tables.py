"""The batch as a kernel sees it: what holds for all landers, the tables of what changes, and the drawn numbers."""

import zlib

import numpy as np
import warp as wp

from lunar_env.faults.kinds import NAMES
from lunar_env.kernel.layout import words
from lunar_env.observation import CORE, Scales
from lunar_env.quantities import Leaf, ends, leaves, mirrored, twin, whole_ticks
from lunar_env.random import mixed
from lunar_env.scenario import Scenario, Start, World
from lunar_env.sensors.inertial import SHARES
from lunar_env.sensors.range_finder import Beam
from lunar_env.state import Belief, Episode, Motion, Sample
from lunar_env.task import Record
from lunar_env.terrain.surface import Maps, NoMaps
from lunar_env.vehicle.body import BodyDrawn
from lunar_env.vehicle.control import MODES
from lunar_env.vehicle.rotation import RotationDrawn

wp.set_module_options({"enable_backward": False})

NEXT_STEP, SAME_STEP, DISABLED = wp.constant(0), wp.constant(1), wp.constant(2)


# What every tick needs. Faults are read where they act, a start when an episode begins.
WorldDrawn = mirrored(World, "faults", "start", "body", "rotation")
StartDrawn = mirrored(Start)


@wp.struct
class RareDrawn:
    """What only the full build asks for, see builds.py."""

    body: BodyDrawn
    rotation: RotationDrawn


@wp.struct
class Lander:
    """One row of the batch."""

    motion: Motion
    rest: Motion  # what float32 rounding would have dropped from ``motion``; see dynamics.substep
    belief: Belief
    episode: Episode
    record: Record


@wp.struct
class Settings:
    """Counts and choices that hold for the whole batch."""

    mode: int  # control mode
    truth: int  # 1 if the pilot sees the truth
    misjudges: int  # 1 if what it sees may be off by a share of itself
    autoreset: int  # NEXT_STEP, SAME_STEP or DISABLED
    ticks: int  # physics ticks per decision
    substeps: int  # Runge-Kutta substeps per tick
    seconds: float  # [s] per tick
    tick_limit: int  # ticks after which an episode is out of time
    beams: int  # of all range finders
    slots: int  # length of the delay line
    history: int  # readings in an observation
    beam_columns: int  # numbers of one reading that tell of range finders
    core: int  # numbers that follow them: 15, or none if the pilot sees beams only
    action_size: int
    numbers: int  # how many numbers an episode draws; the others are fixed
    ceiling: float  # [m] above which a lander is lost
    extent: float  # [m] of downrange or cross-range beyond which a lander is lost
    spin: float  # [rad/s] beyond which a lander is lost: a radian in a substep is more than the integration can follow
    scales: Scales


@wp.struct
class Draw:
    """A number that an episode draws. All of it side by side, for an index costs a GPU more than a load."""

    place: int  # in ``Tables.numbers``
    low: float  # lower end
    high: float  # upper end
    kind: int  # 0 uniform, 1 logarithmic, 2 chance
    name: wp.uint64  # mixed hash of its path: what its draw is counted by


@wp.struct
class Tables:
    """The batch: what changes, what is fixed, and where results go."""

    # In tiles (vehicle/tiles.py), reached by the functions of access.py.
    landers: wp.array3d(dtype=float)  # ``Lander``, then a ``Reading`` for each beam
    surfaces: wp.array3d(dtype=float)  # ``Surface``
    numbers: wp.array3d(dtype=float)  # all drawn numbers; of them
    worlds: wp.array3d(dtype=float)  # ``WorldDrawn``
    finders: wp.array3d(dtype=float)  # ``RangeFinderDrawn`` of each range finder
    faults: wp.array3d(dtype=float)  # those of all faults, see faults/effects.py
    starts: wp.array3d(dtype=float)  # ``StartDrawn``
    rare: wp.array3d(dtype=float)  # ``RareDrawn``
    # In rows.
    delay_line: wp.array3d(dtype=Sample)  # (landers, slots, beams)
    beams: wp.array(dtype=Beam)  # of all range finders
    maps: Maps
    begun: wp.array2d(dtype=int)  # (landers, faults) tick at which a fault began; -1 before
    draws: wp.array(dtype=Draw)  # the numbers that are drawn
    fault_columns: wp.array(dtype=int)  # of each fault's first number in ``numbers``
    actions: wp.array2d(dtype=float)
    observation: wp.array2d(dtype=float)
    final_observation: wp.array2d(dtype=float)
    reward: wp.array(dtype=float)
    outcome: wp.array(dtype=int)
    ended: wp.array(dtype=Record)


PlainTables = twin("PlainTables", Tables, maps=NoMaps)  # of a plain descent, see builds.py
FullTables = twin("FullTables", Tables)  # of a vehicle that is not as drawn, or a body that turns


@wp.func
def whole(tables: Tables) -> bool:
    """Whether this build has all parts. What a plain one lacks is then left out of the compiled code."""
    return True


@wp.func
def whole(tables: FullTables) -> bool:  # noqa: D103, F811
    return True


@wp.func
def whole(tables: PlainTables) -> bool:  # noqa: D103, F811
    return False


def settings_of(scenario: Scenario, autoreset: int, max_decisions: int | None = None) -> Settings:
    """The counts and choices as the kernel wants them; ``max_decisions`` cuts an episode off before its time limit."""
    settings = Settings()
    settings.mode = MODES.index(scenario.control)
    settings.truth = int(scenario.observation == "truth")
    settings.misjudges = int(any(any(ends(getattr(scenario.navigation, name))) for name in SHARES))
    settings.autoreset = autoreset
    settings.ticks = whole_ticks("decision_period", scenario.decision_period, scenario.tick)
    settings.substeps = scenario.substeps
    settings.seconds = scenario.tick
    settings.tick_limit = whole_ticks("time_limit", scenario.time_limit, scenario.tick)
    if max_decisions is not None:
        settings.tick_limit = min(settings.tick_limit, max_decisions * settings.ticks)
    settings.beams = sum(scenario.beams().values())
    settings.beam_columns = sum(finder.beams * (4 if finder.doppler else 3) for finder in scenario.sensors)
    settings.core = 0 if scenario.observation == "beams" else CORE
    settings.slots = scenario.delay_slots
    settings.history = scenario.history
    settings.action_size = len(scenario.action_names)
    settings.numbers = len(drawn_places(leaves(scenario)))
    settings.ceiling = scenario.ceiling
    settings.extent = scenario.extent
    settings.spin = scenario.substeps / scenario.tick
    settings.scales = scenario.scales()
    return settings


def drawn_places(numbers: list[Leaf]) -> list[int]:
    """The places of the numbers that an episode draws: ranges, and chances that are neither 0 nor 1."""
    return [j for j, leaf in enumerate(numbers) if leaf.low < leaf.high or (leaf.probability and 0.0 < leaf.low < 1.0)]


def fixed_row(scenario: Scenario) -> np.ndarray:
    """(numbers,) what stands in a row of drawn numbers where nothing is drawn."""
    return np.array([leaf.low for leaf in leaves(scenario)], dtype=np.float32)


def packed(scenario: Scenario, widest: Scenario | None = None) -> dict[str, np.ndarray]:
    """What the kernel's ``Tables`` hold about the drawn numbers, by name.

    Args:
        scenario: whose numbers are drawn.
        widest: the batch's own scenario, where the other is drawn from instead: it says which numbers are drawn.
    """
    numbers = leaves(scenario)
    paths = [leaf.path for leaf in numbers]
    places = drawn_places(leaves(widest or scenario))
    return {
        "draws": _draws(places, [numbers[j] for j in places]),
        "fault_columns": np.array([paths.index(f"faults.{name}.probability") for name in NAMES], dtype=np.int32),
        "beams": _beams(scenario),
    }


def _draws(places: list[int], drawn: list[Leaf]) -> np.ndarray:
    """(drawn, words of a Draw) as the kernel's ``Draw`` lists them, integers as the bits of a float."""
    table = np.zeros((len(drawn), words(Draw)), dtype=np.float32)
    whole = table.view(np.int32)
    for row, (place, leaf) in enumerate(zip(places, drawn, strict=True)):
        whole[row, 0], whole[row, 3] = place, _kind(leaf)
        table[row, 1:3] = leaf.low, leaf.high
        # By its path, so that a number that is added later changes no other's draws.
        whole[row, 4:] = np.array([mixed(zlib.crc32(leaf.path.encode()))], dtype=np.uint64).view(np.int32)
    return table


def _beams(scenario: Scenario) -> np.ndarray:
    """(beams, words of a Beam) as the kernel's ``Beam`` lists them, integers as the bits of a float."""
    table = np.zeros((sum(scenario.beams().values()), words(Beam)), dtype=np.float32)
    whole, first = table.view(np.int32), 0
    for number, finder in enumerate(scenario.sensors):
        rows = slice(first, first + finder.beams)
        period, jitter = (
            whole_ticks(finder.name, seconds, scenario.tick) for seconds in (finder.period, finder.jitter)
        )
        table[rows, :3] = finder.directions()
        whole[rows, 3:] = number, first, period, jitter, finder.doppler, -1 if finder.faulty else 0
        first += finder.beams
    return table


def _kind(leaf: Leaf) -> int:
    return 2 if leaf.probability else int(leaf.log)
