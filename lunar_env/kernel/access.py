"""The access of kernels to the tables of a batch: each part of a lander by its name, whatever its place in memory."""

from typing import Any

import warp as wp

from lunar_env.kernel.layout import word_of, words
from lunar_env.kernel.tables import Lander, RareDrawn, StartDrawn, WorldDrawn
from lunar_env.sensors.range_finder import RangeFinderDrawn
from lunar_env.state import Belief, Episode, Motion, Reading, Sample, Surface
from lunar_env.task import Record
from lunar_env.vehicle.body import BodyDrawn
from lunar_env.vehicle.dynamics import Forcing
from lunar_env.vehicle.lanes import Mask, abreast
from lunar_env.vehicle.rotation import RotationDrawn
from lunar_env.vehicle.tiles import LOAD, LOAD_LANES, LOAD_SECTOR, PUT, STORE, STORE_SECTOR, STORE_WHERE, TAKE

wp.set_module_options({"enable_backward": False})

# Where the parts of a lander begin in its table, in words; readings follow.
REST, BELIEF, EPISODE, RECORD = (wp.constant(word_of(Lander, part)) for part in ("rest", "belief", "episode", "record"))
READINGS, READING = wp.constant(words(Lander)), wp.constant(words(Reading))
FINDER = wp.constant(words(RangeFinderDrawn))
ROTATION = wp.constant(word_of(RareDrawn, "rotation"))

PARTS = (
    Motion,
    Belief,
    Episode,
    Record,
    Reading,
    Surface,
    WorldDrawn,
    RangeFinderDrawn,
    Lander,
    StartDrawn,
    BodyDrawn,
    RotationDrawn,
    Forcing,
)
for struct in PARTS:

    @wp.func_native(LOAD)
    def load(table: wp.array3d(dtype=float), row: int, first: int, value: wp.ref[struct]): ...  # type: ignore[type-arg]

    @wp.func_native(STORE)
    def store(table: wp.array3d(dtype=float), row: int, first: int, value: wp.ref[struct]): ...  # type: ignore[type-arg]

    abreast_of = abreast(struct)

    @wp.func_native(LOAD_LANES)
    def load(table: wp.array3d(dtype=float), row: int, first: int, value: wp.ref[abreast_of]): ...  # type: ignore[type-arg]

    @wp.func_native(STORE_WHERE)
    def store_where(table: wp.array3d(dtype=float), row: int, first: int, value: wp.ref[abreast_of], where: Mask): ...  # type: ignore[type-arg]

    @wp.func_native(PUT)
    def put_lane(group: wp.ref[abreast_of], lane: int, value: wp.ref[struct]): ...  # type: ignore[type-arg]

    @wp.func_native(TAKE)
    def take_lane(group: wp.ref[abreast_of], lane: int, value: wp.ref[struct]): ...  # type: ignore[type-arg]


# Of eight landers abreast.
Motions, Beliefs, Episodes, Records = abreast(Motion), abreast(Belief), abreast(Episode), abreast(Record)
Worlds, Surfaces, Forcings, Readings = abreast(WorldDrawn), abreast(Surface), abreast(Forcing), abreast(Reading)


@wp.func
def lander_of(tables: Any, row: int) -> Lander:
    """All that changes of a lander but its readings."""
    lander = Lander()
    load(tables.landers, row, 0, lander)
    return lander


@wp.func
def keep_lander(tables: Any, row: int, lander: Lander):
    """Write it back."""
    store(tables.landers, row, 0, lander)


@wp.func
def episode_of(tables: Any, row: int) -> Episode:
    """Which descent a lander flies."""
    episode = Episode()
    load(tables.landers, row, EPISODE, episode)
    return episode


@wp.func
def world_of(tables: Any, row: int) -> WorldDrawn:
    """The drawn numbers that every tick needs."""
    world = WorldDrawn()
    load(tables.worlds, row, 0, world)
    return world


@wp.func
def start_of(tables: Any, row: int) -> StartDrawn:
    """The drawn numbers of the start."""
    start = StartDrawn()
    load(tables.starts, row, 0, start)
    return start


@wp.func
def body_of(tables: Any, row: int) -> BodyDrawn:
    """Where mass and thrust are."""
    body = BodyDrawn()
    load(tables.rare, row, 0, body)
    return body


@wp.func
def rotation_of(tables: Any, row: int) -> RotationDrawn:
    """How the body below turns."""
    rotation = RotationDrawn()
    load(tables.rare, row, ROTATION, rotation)
    return rotation


@wp.func
def finder_of(tables: Any, row: int, number: int) -> RangeFinderDrawn:
    """The drawn numbers of one range finder."""
    finder = RangeFinderDrawn()
    load(tables.finders, row, number * FINDER, finder)
    return finder


@wp.func
def surface_of_row(tables: Any, row: int) -> Surface:
    """The ground of a lander's episode."""
    surface = Surface()
    load(tables.surfaces, row, 0, surface)
    return surface


@wp.func
def keep_surface(tables: Any, row: int, surface: Surface):
    """Write it down."""
    store(tables.surfaces, row, 0, surface)


@wp.func
def reading_of(tables: Any, row: int, beam: int) -> Reading:
    """What the interface of one beam shows."""
    reading = Reading()
    load(tables.landers, row, READINGS + beam * READING, reading)
    return reading


@wp.func
def keep_reading(tables: Any, row: int, beam: int, reading: Reading):
    """Write it back."""
    store(tables.landers, row, READINGS + beam * READING, reading)


@wp.func_native(LOAD_SECTOR)
def load_sample(samples: wp.array3d(dtype=Sample), row: int, slot: int, beam: int, value: wp.ref[Sample]): ...  # type: ignore[type-arg]


@wp.func_native(STORE_SECTOR)
def store_sample(samples: wp.array3d(dtype=Sample), row: int, slot: int, beam: int, value: wp.ref[Sample]): ...  # type: ignore[type-arg]


@wp.func
def sample_of(tables: Any, row: int, slot: int, beam: int) -> Sample:
    """What stands in one slot of a beam's delay line."""
    sample = Sample()
    load_sample(tables.delay_line, row, slot, beam, sample)
    return sample


@wp.func
def keep_sample(tables: Any, row: int, slot: int, beam: int, sample: Sample):
    """Put a sample into its slot."""
    store_sample(tables.delay_line, row, slot, beam, sample)
