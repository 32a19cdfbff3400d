"""The true state of each lander, and its faults as labels: for critics, plots and tests, never for a pilot."""

import torch
import warp as wp

from lunar_env.faults.kinds import NAMES, magnitude_of
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
    landers: wp.array(dtype=Lander),
    worlds: wp.array(dtype=WorldDrawn),
    surfaces: wp.array(dtype=Surface),
    maps: Maps,
    settings: Settings,
    truths: wp.array(dtype=Truth),
):
    """Work out the truth of every lander."""
    row = wp.tid()
    lander = landers[row]
    world = worlds[row]
    motion = lander.motion
    up = up_at(motion.position, world.moon.radius)
    truth = Truth()
    truth.time = float(lander.episode.tick) * settings.seconds
    if lander.episode.outcome != 0:
        truth.time = lander.record.duration
    truth.height = height_above_ground(motion.position, world.moon.radius, surfaces[row], maps, world.gear)
    truth.descent_rate = -wp.dot(motion.velocity, up)
    truth.lateral_speed = wp.length(lateral_velocity(motion, world.moon.radius))
    truth.tilt = wp.acos(wp.clamp(wp.dot(thrust_axis(motion.attitude), up), -1.0, 1.0))
    truths[row] = truth


class Labels:
    """The faults that episodes of a scenario can have, as labels and as numbers for a critic."""

    def __init__(self, scenario: Scenario, device: torch.device) -> None:
        self.names = possible_faults(scenario)
        numbers = leaves(scenario)
        paths = [leaf.path for leaf in numbers]
        onsets = [paths.index(f"faults.{name}.onset") for name in self.names]
        magnitudes = [paths.index(f"faults.{name}.{magnitude_of(name)}") for name in self.names]
        scales = [max(abs(numbers[i].low), abs(numbers[i].high), 1e-6) for i in magnitudes]
        self._onsets, self._magnitudes = (
            torch.tensor(c, dtype=torch.int64, device=device).long() for c in (onsets, magnitudes)
        )
        self._codes = torch.tensor([NAMES.index(name) for name in self.names], dtype=torch.int32, device=device)
        self._scales = torch.tensor(scales, dtype=torch.float32, device=device)

    def of(self, state: State) -> dict[str, torch.Tensor]:
        """``present`` and ``acting``, (N, F) bool; ``onset`` [s] and ``magnitude``, zero where it is not present."""
        present, acting = (state["episode." + name][:, None] >> self._codes & 1 == 1 for name in ("faults", "acting"))
        onset, magnitude = (state.drawn[:, columns] * present for columns in (self._onsets, self._magnitudes))
        return {"present": present, "acting": acting, "onset": onset, "magnitude": magnitude}

    def scaled(self, state: State, time_limit: float) -> list[torch.Tensor]:
        """Whether each acts, its onset and its magnitude, (N, F) each, scaled to about [-1, 1]."""
        label = self.of(state)
        return [label["acting"].float(), label["onset"] / time_limit, label["magnitude"] / self._scales]
