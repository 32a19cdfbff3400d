"""The true numbers of each lander that a critic may see, all of them in one launch: motion, belief and faults."""

from typing import Any

import torch
import warp as wp

from lunar_env.faults.kinds import NAMES, magnitude_of
from lunar_env.kernel.access import load
from lunar_env.kernel.layout import shared
from lunar_env.kernel.tables import Lander, WorldDrawn
from lunar_env.quantities import leaves
from lunar_env.scenario import Scenario, possible_faults
from lunar_env.state import Surface
from lunar_env.terrain.contact import height_above_ground
from lunar_env.terrain.surface import Maps
from lunar_env.vehicle.tiles import number_of

wp.set_module_options({"enable_backward": False})

MOVING = 13  # numbers before those of the faults


@wp.kernel
def tell_a_critic(
    landers: wp.array3d(dtype=float),
    worlds: wp.array3d(dtype=float),
    surfaces: wp.array3d(dtype=float),
    numbers: wp.array3d(dtype=float),
    maps: Maps,
    faults: wp.array2d(dtype=int),
    rows: wp.array2d(dtype=float),
):
    """Write the row of every lander; of each fault ``faults`` has its bit, and where its two numbers are drawn."""
    row = wp.tid()
    lander, world, surface = Lander(), WorldDrawn(), Surface()
    load(landers, row, 0, lander)
    load(worlds, row, 0, world)
    load(surfaces, row, 0, surface)
    motion = lander.motion
    rows[row, 0] = height_above_ground(motion.position, world.moon.radius, surface, maps, world.gear)
    for i in range(3):
        rows[row, 1 + i] = motion.position[i]
        rows[row, 4 + i] = motion.velocity[i]
        rows[row, 7 + i] = lander.belief.position_error[i]
        rows[row, 10 + i] = lander.belief.velocity_error[i]
    count = faults.shape[0]
    for i in range(count):
        bit = faults[i, 0]
        present = float((lander.episode.faults >> bit) & 1)
        rows[row, 13 + i] = float((lander.episode.acting >> bit) & 1)
        rows[row, 13 + count + i] = number_of(numbers, row, faults[i, 1]) * present
        rows[row, 13 + 2 * count + i] = number_of(numbers, row, faults[i, 2]) * present


class TrueNumbers:
    """The rows for a critic, (N, 13 + 3 F), and what each number is divided by to lie in about [-1, 1].

    Height above ground, position (3), velocity (3), position error of the belief (3) and velocity error (3), in SI
    units; then, for each of the F faults that the scenario can have, whether it acts, its onset and its magnitude, the
    last two zero where it is not present.
    """

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device) -> None:
        names, paths = possible_faults(scenario), [leaf.path for leaf in leaves(scenario)]
        places = [
            (NAMES.index(name), *(paths.index(f"faults.{name}.{number}") for number in ("onset", magnitude_of(name))))
            for name in names
        ]
        self.shape, self.device = (num_landers, MOVING + 3 * len(names)), device
        self.faults = torch.tensor(places, dtype=torch.int32, device=device).view(-1, 3)
        self.scales = torch.tensor(self._scales_of(scenario, names), dtype=torch.float32, device=device)

    @staticmethod
    def _scales_of(scenario: Scenario, names: tuple[str, ...]) -> list[float]:
        numbers = {leaf.path: leaf for leaf in leaves(scenario)}
        magnitudes = [numbers[f"faults.{name}.{magnitude_of(name)}"] for name in names]
        return [
            *4 * [scenario.ceiling], *3 * [scenario.top_speed], *3 * [1_000.0], *3 * [1.0],
            *len(names) * [1.0], *len(names) * [scenario.time_limit],
            *(max(abs(leaf.low), abs(leaf.high), 1e-6) for leaf in magnitudes),
        ]  # fmt: skip

    def inputs(self, tables: Any, maps: Maps) -> tuple[torch.Tensor, list[Any]]:
        """A table to be written, and what the kernel takes to write it."""
        rows = torch.empty(self.shape, dtype=torch.float32, device=self.device)
        known = [tables.landers, tables.worlds, tables.surfaces, tables.numbers, maps]
        return rows, [*known, shared(self.faults, torch.int32), shared(rows)]
