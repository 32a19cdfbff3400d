"""From a batch of landers to the picture of one: what ``rendering.draw`` needs, read off a ``Descent``."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import warp as wp
from gymnasium.error import DependencyNotInstalled

from lunar_env.descent import Descent
from lunar_env.extras import missing
from lunar_env.kernel.access import load
from lunar_env.kernel.layout import shared
from lunar_env.kernel.streams import launch
from lunar_env.kernel.tables import WorldDrawn
from lunar_env.rendering.scene import Scene
from lunar_env.state import Motion, Surface
from lunar_env.task import Outcome
from lunar_env.terrain.contact import height_above_ground, lateral_velocity
from lunar_env.terrain.maps import load_maps
from lunar_env.terrain.surface import Maps, ground_height
from lunar_env.vehicle.frames import thrust_axis, to_local, up_at

wp.set_module_options({"enable_backward": False})


@wp.struct
class View:
    """One lander as seen from the side."""

    altitude: float  # [m] of the footpads above the ground below
    forward: float  # [m/s] downrange
    up: float  # [m/s]
    lateral: float  # [m/s] horizontal, in any direction
    tilt: float  # [rad] of the thrust axis in the drawing plane, positive downrange


@wp.kernel
def view(
    landers: wp.array3d(dtype=float),
    worlds: wp.array3d(dtype=float),
    surfaces: wp.array3d(dtype=float),
    maps: Maps,
    views: wp.array(dtype=View),
):
    """Look at each lander along the cross-range axis."""
    i = wp.tid()
    motion, world, surface = Motion(), WorldDrawn(), Surface()
    load(landers, i, 0, motion)
    load(worlds, i, 0, world)
    load(surfaces, i, 0, surface)
    up = up_at(motion.position, world.moon.radius)
    velocity = to_local(motion.velocity, up)
    axis = to_local(thrust_axis(motion.attitude), up)
    seen = View()
    seen.altitude = height_above_ground(motion.position, world.moon.radius, surface, maps, world.gear)
    seen.forward = velocity[0]
    seen.up = velocity[2]
    seen.lateral = wp.length(lateral_velocity(motion, world.moon.radius))
    seen.tilt = wp.atan2(axis[0], axis[2])
    views[i] = seen


@wp.kernel
def profile(
    surfaces: wp.array3d(dtype=float), x: wp.array(dtype=float), y: float, maps: Maps, height: wp.array(dtype=float)
):
    """Heights [m] of the ground along a line of constant y [m]."""
    i = wp.tid()
    surface = Surface()
    load(surfaces, 0, 0, surface)
    height[i] = ground_height(x[i], y, surface, maps)


def picture(descent: Descent, row: int = 0) -> np.ndarray:
    """One lander as uint8 (height, width, 3); touches no display."""
    try:
        from lunar_env.rendering.draw import draw
    except ImportError as error:
        raise DependencyNotInstalled(missing("rendering", "pygame")) from error
    return draw(scene_of(descent, row))


def scene_of(descent: Descent, row: int = 0) -> Scene:
    """The scene of one row of a batch, as it is now. It does not change when the lander flies on."""
    state = descent.state
    lander, drawn, surface = state.row(row)
    terrain = descent.scenario.terrain
    maps, _ = load_maps(terrain.map, terrain.map_seed, terrain.map_spacing, torch.device("cpu"))
    views = wp.zeros(1, dtype=View, device="cpu")
    launch(view, 1, [shared(lander), shared(drawn), shared(surface), maps, views], torch.device("cpu"))
    altitude, forward, up, lateral, tilt = views.numpy()[0].tolist()

    def one(name: str) -> float:
        return state[name][row].item()

    position = state["motion.position"][row].tolist()
    seen = descent.observations.read(state.observation[row])
    finder = descent.scenario.sensors[0].name
    reading = {name: state[f"{finder}.{name}"][row].flatten()[0].item() for name in ("valid", "range", "range_tick")}
    answered = reading["range_tick"] > 0
    return Scene(
        time=one("record.duration"),
        altitude=altitude,
        downrange=position[0],
        ground=ground_profile(surface, maps, position[1]),
        ground_clearance=one("drawn.gear.centre_height"),
        velocity=(forward, up),
        lateral_speed=lateral,
        tilt=tilt,
        throttle=one("motion.throttle"),
        propellant_fraction=one("motion.propellant") / max(one("episode.start_propellant"), 1e-6),
        beam=reading["valid"] > 0.5,
        measured_altitude=reading["range"] if answered else float("nan"),
        reading_age=(one("episode.tick") - reading["range_tick"]) * descent.scenario.tick,
        believed_altitude=seen["altitude"].item() if "altitude" in seen else float("nan"),
        outcome=Outcome(int(one("episode.outcome"))).name.lower(),
        scenario=descent.scenario.name,
        foot_span=one("drawn.gear.foot_distance"),
    )


def ground_profile(surface: torch.Tensor, maps: Maps, y: float) -> Callable[[np.ndarray], np.ndarray]:
    """The ground below one lander, its ``Surface`` (1, words, width), along x at one y [m]: heights [m] for any x."""

    def ground(downrange: np.ndarray) -> np.ndarray:
        x = np.ascontiguousarray(downrange, dtype=np.float32)
        height = np.empty_like(x)
        given: list[Any] = [wp.array(a.ravel(), dtype=float, device="cpu", copy=False) for a in (x, height)]
        launch(profile, x.size, [shared(surface), given[0], y, maps, given[1]], torch.device("cpu"))
        return height

    return ground
