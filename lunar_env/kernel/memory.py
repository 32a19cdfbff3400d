"""The memory of a batch: every table that changes, as torch tensors, and the names of what is in them."""

import math
from collections.abc import Iterator
from typing import Any

import torch

from lunar_env.faults.kinds import NAMES, FaultsDrawn
from lunar_env.kernel.layout import Column, in_rows, layout, put_rows, shared, structs, words
from lunar_env.kernel.tables import Lander, RareDrawn, StartDrawn, WorldDrawn, fixed_row
from lunar_env.scenario import Scenario
from lunar_env.sensors.range_finder import RangeFinderDrawn
from lunar_env.state import Reading, Sample, Surface
from lunar_env.task import Record
from lunar_env.vehicle.lanes import WIDTH
from lunar_env.vehicle.tiles import SECTOR, WARP, tile_width


def drawn_parts(scenario: Scenario) -> list[int]:
    """Words of the drawn numbers of one lander: of the world, the range finders, the faults, the start and the rare."""
    finders = len(scenario.sensors) * words(RangeFinderDrawn)
    return [words(WorldDrawn), finders, words(FaultsDrawn), words(StartDrawn), words(RareDrawn)]


def shapes_of(scenario: Scenario, num_landers: int, width: int) -> dict[str, tuple[int, ...]]:
    """The shape of each table of a batch, in tiles of a width, by name; all hold numbers of four bytes."""
    every_beam, size = sum(scenario.beams().values()), scenario.observation_table().size
    tiles, abreast = -(-num_landers // width), -(-num_landers // WIDTH) * WIDTH
    return {
        "lander": (tiles, words(Lander) + every_beam * words(Reading), width),
        "drawn": (tiles, sum(drawn_parts(scenario)), width),
        "surface": (tiles, words(Surface), width),
        "delay_line": (num_landers, scenario.delay_slots, every_beam, SECTOR // 4),
        "begun": (num_landers, len(NAMES)),
        "observation": (abreast, size),
        "final_observation": (abreast, size),
        "rewards": (abreast,),
        "outcomes": (abreast,),
        "ended": (num_landers, words(Record)),
    }


def bytes_of(scenario: Scenario, num_landers: int) -> int:
    """What a batch needs: its tables, its actions and mask, and what a step copies for whoever asked for it."""
    shapes = shapes_of(scenario, WARP, WARP)  # of one tile
    tables = sum(math.prod(shape) for shape in shapes.values()) // WARP
    copies = sum(math.prod(shapes[name]) for name in ("observation", "final_observation", "ended")) // WARP
    return 4 * (tables + copies + 8) * num_landers


class State:
    """The tables of a batch of landers: everything a snapshot needs, as torch tensors on the batch's device.

    Args:
        scenario: what is flown.
        num_landers: N.
        device: where they stand.
        width: landers in a tile, if not those of the device: ``tiles.WARP`` for the tables of a GPU in a CPU's memory.
    """

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device, width: int | None = None) -> None:
        finders = scenario.beams()
        width = width or tile_width(device)
        shapes = shapes_of(scenario, num_landers, width)
        whole = ("begun", "outcomes")
        # Where a warp's threads write a number of their landers each, these numbers lie side by side.
        by_column = ("observation", "final_observation", "begun")

        def zeros(name: str) -> torch.Tensor:
            shape, dtype = shapes[name], torch.int32 if name in whole else torch.float32
            if width == WARP and name in by_column:
                return torch.zeros(shape[::-1], dtype=dtype, device=device).T
            return torch.zeros(shape, dtype=dtype, device=device)

        self.num_landers = num_landers
        self.lander, self.surface = zeros("lander"), zeros("surface")
        # An episode draws what is drawn; all other numbers stand here from the start.
        self.drawn = zeros("drawn").copy_(torch.from_numpy(fixed_row(scenario)).to(device)[:, None])
        self._parts = self.drawn.split(drawn_parts(scenario), dim=1)
        self.delay_line, self.begun = zeros("delay_line"), zeros("begun")
        # Eight landers are written at a time: rows beyond the batch are there, and nobody sees them.
        self.observation = zeros("observation")[:num_landers]
        self.final_observation = zeros("final_observation")[:num_landers]
        self.rewards, self.outcomes = zeros("rewards")[:num_landers], zeros("outcomes")[:num_landers]
        self.ended = zeros("ended")
        self._columns = self._named(finders)

    def _named(self, finders: dict[str, int]) -> dict[str, Column]:
        """Where every quantity stands, by its name."""
        world, finder_table, faults, start, rare = self._parts
        named = {
            **_named("", self.lander, Lander),
            **_named("drawn.", world, WorldDrawn),
            **_named("drawn.faults.", faults, FaultsDrawn),
            **_named("drawn.start.", start, StartDrawn),
            **_named("drawn.", rare, RareDrawn),
            **_named("surface.", self.surface, Surface),
        }
        first = words(Lander)
        for i, (name, count) in enumerate(finders.items()):
            own = finder_table[:, i * words(RangeFinderDrawn) : (i + 1) * words(RangeFinderDrawn)]
            named |= _named(f"drawn.{name}.", own, RangeFinderDrawn)
            readings = self.lander[:, first : first + count * words(Reading)]
            named |= {f"{name}.{quantity}": column for quantity, column in _of_beams(readings, count)}
            first += count * words(Reading)
        return named

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            raise KeyError(f"unknown quantity {name!r}; known: {', '.join(self._columns)}")
        return self._columns[name]

    def __getitem__(self, name: str) -> torch.Tensor:
        """One quantity of all landers as it is now, such as ``state["motion.position"]``, shape (N, 3): a copy."""
        return self._column(name).read(self.num_landers)

    def __setitem__(self, name: str, values: torch.Tensor | float) -> None:
        """Give one quantity of all landers other values, of the shape of ``state[name]``, or one number for all."""
        self._column(name).write(values, self.num_landers)

    def drawn_numbers(self, places: torch.Tensor) -> torch.Tensor:
        """The drawn numbers (N, P) at some places (P,) of their order in the scenario: a copy."""
        return self.drawn[:, places].transpose(1, 2).flatten(0, 1)[: self.num_landers]

    def row(self, number: int) -> list[torch.Tensor]:
        """The lander, drawn and surface tables of one lander on the CPU, each (1, words, width) with it in front."""
        tile, lane = divmod(number, self.lander.shape[2])
        tables = (self.lander, self.drawn, self.surface)
        return [table[tile : tile + 1].roll(-lane, dims=2)[:, :, :WIDTH].contiguous().cpu() for table in tables]

    def names(self) -> list[str]:
        """Names of all quantities."""
        return list(self._columns)

    def put_into(self, tables: Any) -> None:
        """Let a kernel's ``Tables`` see this memory. The state must outlive them."""
        tables.landers, tables.surfaces = shared(self.lander), shared(self.surface)
        tables.numbers = shared(self.drawn)
        tables.worlds, tables.finders, tables.faults, tables.starts, tables.rare = map(shared, self._parts)
        tables.delay_line = structs(self.delay_line, Sample)
        tables.begun = shared(self.begun, torch.int32)
        tables.observation = shared(self.observation)
        tables.final_observation = shared(self.final_observation)
        tables.reward = shared(self.rewards)
        tables.outcome = shared(self.outcomes, torch.int32)
        tables.ended = structs(self.ended, Record)

    def tables(self) -> dict[str, torch.Tensor]:
        """The raw tables by name."""
        return {"lander": self.lander, "drawn": self.drawn, "surface": self.surface} | self._rows()

    def _rows(self) -> dict[str, torch.Tensor]:
        return {
            "delay_line": self.delay_line,
            "begun": self.begun,
            "observation": self.observation,
            "outcome": self.outcomes,
            "final": self.final_observation,
            "ended": self.ended,
            "reward": self.rewards,
        }

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of everything that changes: a row for each lander in every table, whatever its place in memory."""
        rows = self._rows()
        tiled = {name: in_rows(table)[: self.num_landers] for name, table in self.tables().items() if name not in rows}
        return tiled | {name: table.clone() for name, table in rows.items()}

    def restore(self, snapshot: dict[str, torch.Tensor]) -> None:
        """Put a snapshot back, bit for bit."""
        rows = self._rows()
        for name, table in self.tables().items():
            saved = snapshot.get(name)
            needed = tuple(table.shape) if name in rows else (self.num_landers, table.shape[1])
            if saved is None or saved.shape != needed:
                shape = None if saved is None else tuple(saved.shape)
                raise ValueError(
                    f"snapshot table {name!r} has shape {shape}, this batch needs {needed}; "
                    "restore into a batch of the same scenario and size"
                )
        for name, table in self.tables().items():
            if name in rows:
                table.copy_(snapshot[name])
            else:
                put_rows(table, snapshot[name].to(table.device))


def _named(prefix: str, table: torch.Tensor, struct: Any) -> dict[str, Column]:
    """The columns of a table in tiles that begins with a struct."""
    return {prefix + name: Column(table, *place) for name, *place in layout(struct)}


def _of_beams(table: torch.Tensor, count: int) -> Iterator[tuple[str, Column]]:
    """The columns of the readings of a range finder's beams: (N,) of one beam, (N, beams) of several."""
    size = words(Reading)
    for name, first, _, is_whole in layout(Reading):
        # Of several beams the same word, one struct after the other.
        yield name, Column(table[:, first::size], 0, 0 if count == 1 else count, is_whole)
