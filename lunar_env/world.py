"""The world of a descent: all that an episode may draw, and what holds for the whole batch."""

from dataclasses import dataclass

import warp as wp

from lunar_env.actuators import Attitude
from lunar_env.control import Guidance
from lunar_env.dynamics import Engine, Mass, Moon
from lunar_env.faults import Faults, FaultsDrawn
from lunar_env.ground import Gear
from lunar_env.navigation import Navigation
from lunar_env.observation import Scales
from lunar_env.quantities import Number, mirrored, number, parts, twin
from lunar_env.sensors import Beam, RangeFinder, RangeFinderDrawn
from lunar_env.state import Lander, Reading, Record, Sample, Surface
from lunar_env.task import Limits, Reward
from lunar_env.terrain import Maps, NoMaps, Terrain

wp.set_module_options({"enable_backward": False})

NEXT_STEP, SAME_STEP, DISABLED = wp.constant(0), wp.constant(1), wp.constant(2)


@dataclass(frozen=True)
class Start:
    """Where an episode begins."""

    altitude: Number = number(1000.0, "m", "of the footpads above the pad's level", low=0.1, high=1e6)
    distance: Number = number(
        0.0, "m", "downrange distance still to go to the pad, along the surface", low=-5.4e6, high=5.4e6
    )
    cross_distance: Number = number(0.0, "m", "offset from the approach plane", low=-1e5, high=1e5)
    speed: Number = number(0.0, "m/s", "downrange, along the local horizontal", low=-1e4, high=1e4)
    cross_speed: Number = number(0.0, "m/s", "along y", low=-1e3, high=1e3)
    descent_rate: Number = number(30.0, "m/s", "along the local vertical", low=-1e4, high=1e4)
    tilt: Number = number(0.0, "rad", "of the thrust axis, leaning against the motion", low=-3.2, high=3.2)
    pitch_rate: Number = number(0.0, "rad/s", "about the body's y axis", low=-1.0, high=1.0)
    throttle: Number = number(0.0, "-", "thrust that flows at the start", low=0.0, high=1.0)
    propellant: Number = number(100.0, "kg", "loaded", low=0.0, high=1e6)
    burnt: Number = number(0.0, "-", "share of the load that is gone when the episode begins", low=0.0, high=1.0)
    progress: Number = number(
        0.0,
        "-",
        "0 starts here, 1 at 60 m; for training along the whole descent; below 0 counts as 0",
        low=-10.0,
        high=1.0,
    )
    deceleration: Number = number(
        1.0, "m/s^2", "with which a start on the way can just stop; faster ones are slowed", low=0.0, high=1e3
    )


@dataclass(frozen=True)
class World:
    """Everything that an episode may draw."""

    moon: Moon = Moon()
    mass: Mass = Mass()
    engine: Engine = Engine()
    attitude: Attitude = Attitude()
    guidance: Guidance = Guidance()
    gear: Gear = Gear()
    navigation: Navigation = Navigation()
    terrain: Terrain = Terrain()
    limits: Limits = Limits()
    reward: Reward = Reward()
    # In a drawn row the range finders follow the struct of the parts above, then come the faults and the start.
    sensors: tuple[RangeFinder, ...] = parts((RangeFinder(),), RangeFinder, "range finders, in the observation's order")
    faults: Faults = Faults()
    start: Start = Start()


# What every tick needs. Faults are read where they act, a start when an episode begins.
WorldDrawn = mirrored(World, "faults", "start")
StartDrawn = mirrored(Start)


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
    numbers: int  # how many numbers an episode draws
    ceiling: float  # [m] above which a lander is lost
    extent: float  # [m] of downrange or cross-range beyond which a lander is lost
    spin: float  # [rad/s] beyond which a lander is lost: a radian in a substep is more than the integration can follow
    scales: Scales


@wp.struct
class Tables:
    """The batch: what changes, what is fixed, and where results go."""

    landers: wp.array(dtype=Lander)
    worlds: wp.array(dtype=WorldDrawn)
    surfaces: wp.array(dtype=Surface)
    faults: wp.array(dtype=FaultsDrawn)
    finders: wp.array2d(dtype=RangeFinderDrawn)  # (landers, range finders)
    starts: wp.array(dtype=StartDrawn)
    numbers: wp.array2d(dtype=float)  # the same memory as ``worlds``, ``finders``, ``faults`` and ``starts``
    readings: wp.array2d(dtype=Reading)  # (landers, beams)
    delay_line: wp.array3d(dtype=Sample)  # (slots, landers, beams)
    beams: wp.array(dtype=Beam)  # of all range finders
    maps: Maps
    begun: wp.array2d(dtype=int)  # (landers, faults) tick at which a fault began; -1 before
    lows: wp.array(dtype=float)  # lower end of each drawn number
    highs: wp.array(dtype=float)  # upper end
    kinds: wp.array(dtype=int)  # 0 uniform, 1 logarithmic, 2 chance
    names: wp.array(dtype=int)  # hash of its path: what its draw is counted by
    fault_columns: wp.array(dtype=int)  # of each fault's first number in ``numbers``
    actions: wp.array2d(dtype=float)
    observation: wp.array2d(dtype=float)
    final_observation: wp.array2d(dtype=float)
    reward: wp.array(dtype=float)
    outcome: wp.array(dtype=int)
    ended: wp.array(dtype=Record)


PlainTables = twin("PlainTables", Tables, maps=NoMaps)  # of a plain descent, see builds.py


@wp.func
def whole(tables: Tables) -> bool:
    """Whether this build has all parts. What a plain one lacks is then left out of the compiled code."""
    return True


@wp.func
def whole(tables: PlainTables) -> bool:  # noqa: D103, F811
    return False
