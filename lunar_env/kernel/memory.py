"""The memory of a batch: every table that changes, as torch tensors, and the names of what is in them."""

import math
from typing import Any

import torch

from lunar_env.faults.kinds import NAMES, FaultsDrawn
from lunar_env.kernel.layout import columns, shared, structs, words
from lunar_env.kernel.tables import Lander, StartDrawn, WorldDrawn, fixed_row
from lunar_env.scenario import Scenario
from lunar_env.sensors.range_finder import RangeFinderDrawn
from lunar_env.state import Reading, Sample, Surface
from lunar_env.task import Record


def drawn_parts(scenario: Scenario) -> list[int]:
    """Words of the drawn numbers of one lander: of the world, the range finders, the faults and the start."""
    finders = len(scenario.sensors) * words(RangeFinderDrawn)
    return [words(WorldDrawn), finders, words(FaultsDrawn), words(StartDrawn)]


def shapes_of(scenario: Scenario, num_landers: int) -> dict[str, tuple[int, ...]]:
    """The shape of each table of a batch, by name; all hold numbers of four bytes."""
    every_beam, size = sum(scenario.beams().values()), scenario.observation_table().size
    return {
        "lander": (num_landers, words(Lander) + every_beam * words(Reading)),
        "drawn": (num_landers, sum(drawn_parts(scenario))),
        "surface": (num_landers, words(Surface)),
        "delay_line": (scenario.delay_slots, num_landers, every_beam, words(Sample)),
        "begun": (num_landers, len(NAMES)),
        "observation": (num_landers, size),
        "final_observation": (num_landers, size),
        "rewards": (num_landers,),
        "outcomes": (num_landers,),
        "ended": (num_landers, words(Record)),
    }


def bytes_of(scenario: Scenario, num_landers: int) -> int:
    """What a batch needs: its tables, its actions and mask, and what a step copies for whoever asked for it."""
    shapes = shapes_of(scenario, num_landers)
    tables = sum(math.prod(shape) for shape in shapes.values())
    copies = sum(math.prod(shapes[name]) for name in ("observation", "final_observation", "ended"))
    return 4 * (tables + copies + 8 * num_landers)


class State:
    """The tables of a batch of landers: everything a snapshot needs, as torch tensors on the batch's device."""

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device) -> None:
        finders = scenario.beams()
        shapes = shapes_of(scenario, num_landers)
        whole = ("begun", "outcomes")

        def zeros(name: str) -> torch.Tensor:
            return torch.zeros(shapes[name], dtype=torch.int32 if name in whole else torch.float32, device=device)

        # What belongs to a lander lies side by side in its row, so that memory is fetched once.
        self.lander = zeros("lander")
        self.reading = self.lander[:, words(Lander) :].unflatten(1, (sum(finders.values()), words(Reading)))
        # An episode draws what is drawn; all other numbers stand here from the start.
        self.drawn = torch.from_numpy(fixed_row(scenario)).to(device).repeat(num_landers, 1)
        self.drawn_world, drawn_finders, self.drawn_faults, self.drawn_start = self.drawn.split(
            drawn_parts(scenario), dim=1
        )
        self.drawn_finders = drawn_finders.unflatten(1, (len(finders), words(RangeFinderDrawn)))
        self.surface = zeros("surface")
        self.delay_line = zeros("delay_line")
        self.begun = zeros("begun")
        self.observation = zeros("observation")
        self.final_observation = zeros("final_observation")
        self.rewards = zeros("rewards")
        self.outcomes = zeros("outcomes")
        self.ended = zeros("ended")
        self._columns = self._named(finders)

    def _named(self, finders: dict[str, int]) -> dict[str, torch.Tensor]:
        """A view of every quantity by its name."""
        named = {
            **columns(self.lander, Lander),
            **_prefixed("drawn.", columns(self.drawn_world, WorldDrawn)),
            **_prefixed("drawn.faults.", columns(self.drawn_faults, FaultsDrawn)),
            **_prefixed("drawn.start.", columns(self.drawn_start, StartDrawn)),
            **_prefixed("surface.", columns(self.surface, Surface)),
        }
        first = 0
        for i, (name, count) in enumerate(finders.items()):
            named |= _prefixed(f"drawn.{name}.", columns(self.drawn_finders[:, i], RangeFinderDrawn))
            for quantity, view in columns(self.reading[:, first : first + count], Reading).items():
                named[f"{name}.{quantity}"] = view[:, 0] if count == 1 else view
            first += count
        return named

    def __getitem__(self, name: str) -> torch.Tensor:
        """A live view of one quantity of all landers, such as ``state["motion.position"]``, shape (N, 3)."""
        if name not in self._columns:
            raise KeyError(f"unknown quantity {name!r}; known: {', '.join(self._columns)}")
        return self._columns[name]

    def names(self) -> list[str]:
        """Names of all quantities."""
        return list(self._columns)

    def put_into(self, tables: Any) -> None:
        """Let a kernel's ``Tables`` see this memory. The state must outlive them."""
        tables.landers = structs(self.lander, Lander)
        tables.worlds = structs(self.drawn_world, WorldDrawn)
        tables.surfaces = structs(self.surface, Surface)
        tables.finders = structs(self.drawn_finders, RangeFinderDrawn)
        tables.faults = shared(self.drawn_faults)
        tables.starts = structs(self.drawn_start, StartDrawn)
        tables.numbers = shared(self.drawn)
        tables.readings = structs(self.reading, Reading)
        tables.delay_line = structs(self.delay_line, Sample)
        tables.begun = shared(self.begun, torch.int32)
        tables.observation = shared(self.observation)
        tables.final_observation = shared(self.final_observation)
        tables.reward = shared(self.rewards)
        tables.outcome = shared(self.outcomes, torch.int32)
        tables.ended = structs(self.ended, Record)

    def tables(self) -> dict[str, torch.Tensor]:
        """The raw tables by name."""
        return {
            "lander": self.lander,
            "drawn": self.drawn,
            "surface": self.surface,
            "delay_line": self.delay_line,
            "begun": self.begun,
            "observation": self.observation,
            "outcome": self.outcomes,
            "final": self.final_observation,
            "ended": self.ended,
            "reward": self.rewards,
        }

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of everything that changes."""
        return {name: table.clone() for name, table in self.tables().items()}

    def restore(self, snapshot: dict[str, torch.Tensor]) -> None:
        """Put a snapshot back, bit for bit."""
        for name, table in self.tables().items():
            saved = snapshot.get(name)
            if saved is None or saved.shape != table.shape:
                shape = None if saved is None else tuple(saved.shape)
                raise ValueError(
                    f"snapshot table {name!r} has shape {shape}, this batch needs {tuple(table.shape)}; "
                    "restore into a batch of the same scenario and size"
                )
        for name, table in self.tables().items():
            table.copy_(snapshot[name])


def _prefixed(prefix: str, views: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: view for name, view in views.items()}
