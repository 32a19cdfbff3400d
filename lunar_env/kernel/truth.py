"""What really is: for critics, plots and tests, never for a pilot."""

import warp as wp

from lunar_env.kernel.tables import Settings, WorldDrawn
from lunar_env.state import Lander, Surface
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
