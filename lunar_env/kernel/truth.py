"""The true state of each lander, and its faults as labels: for critics, plots and tests, never for a pilot."""

import torch
import warp as wp

from lunar_env.faults.kinds import NAMES, magnitude_of
from lunar_env.kernel.access import load
from lunar_env.kernel.memory import State
from lunar_env.kernel.tables import Lander, Settings, WorldDrawn
from lunar_env.quantities import leaves
from lunar_env.scenario import Scenario, possible_faults
from lunar_env.state import Surface
from lunar_env.terrain.contact import height_above_ground, lateral_velocity
from lunar_env.terrain.surface import Maps
from lunar_env.vehicle.frames import thrust_axis, up_at

wp.set_module_options({"enable_backward": False})


@wp.struct
class Truth:
    """The true motion in the numbers people ask for."""

    time: float  # [s] flown
    height: float  # [m] of the footpads above the ground
    descent_rate: float  # [m/s] along the local vertical
    lateral_speed: float  # [m/s]
    tilt: float  # [rad] of the thrust axis from the local vertical


@wp.kernel
def tell(
    landers: wp.array3d(dtype=float),
    worlds: wp.array3d(dtype=float),
    surfaces: wp.array3d(dtype=float),
    maps: Maps,
    settings: Settings,
    truths: wp.array(dtype=Truth),
):
    """Work out the truth of every lander."""
    row = wp.tid()
    lander, world, surface = Lander(), WorldDrawn(), Surface()
    load(landers, row, 0, lander)
    load(worlds, row, 0, world)
    load(surfaces, row, 0, surface)
    motion = lander.motion
    up = up_at(motion.position, world.moon.radius)
    truth = Truth()
    truth.time = float(lander.episode.tick) * settings.seconds
    if lander.episode.outcome != 0:
        truth.time = lander.record.duration
    truth.height = height_above_ground(motion.position, world.moon.radius, surface, maps, world.gear)
    truth.descent_rate = -wp.dot(motion.velocity, up)
    truth.lateral_speed = wp.length(lateral_velocity(motion, world.moon.radius))
    truth.tilt = wp.acos(wp.clamp(wp.dot(thrust_axis(motion.attitude), up), -1.0, 1.0))
    truths[row] = truth


class Labels:
    """The faults that episodes of a scenario can have, as labels and as numbers for a critic."""

    def __init__(self, scenario: Scenario, device: torch.device) -> None:
        self.names = possible_faults(scenario)
        paths = [leaf.path for leaf in leaves(scenario)]
        onsets = [paths.index(f"faults.{name}.onset") for name in self.names]
        magnitudes = [paths.index(f"faults.{name}.{magnitude_of(name)}") for name in self.names]
        self._onsets, self._magnitudes = (
            torch.tensor(c, dtype=torch.int64, device=device).long() for c in (onsets, magnitudes)
        )
        self._codes = torch.tensor([NAMES.index(name) for name in self.names], dtype=torch.int32, device=device)

    def of(self, state: State) -> dict[str, torch.Tensor]:
        """``present`` and ``acting``, (N, F) bool; ``onset`` [s] and ``magnitude``, zero where it is not present."""
        present, acting = (state["episode." + name][:, None] >> self._codes & 1 == 1 for name in ("faults", "acting"))
        onset, magnitude = (state.drawn_numbers(places) * present for places in (self._onsets, self._magnitudes))
        return {"present": present, "acting": acting, "onset": onset, "magnitude": magnitude}
