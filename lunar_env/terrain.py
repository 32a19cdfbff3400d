"""The ground: a smooth height field over the site, zero at the pad.

An inclined plane that levels off away from the pad, and rolling relief that fades out towards it, so that the slope
at the pad is the number the scenario says. Beams, touchdown and pictures read this one surface.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env.quantities import Number, mirrored, number
from lunar_env.state import Surface

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class Terrain:
    """Shape and brightness of the ground."""

    slope: Number = number(0.0, "rad", "of the plane through the pad", low=0.0, high=0.7)
    slope_direction: Number = number(0.0, "rad", "uphill, from downrange towards +y", low=-7.0, high=7.0)
    levelling: Number = number(500.0, "m", "distance at which plane and relief change roles", low=1.0, high=1e6)
    relief: Number = number(0.0, "m", "amplitude of the rolling relief far from the pad", low=0.0, high=5e3)
    wavelength: Number = number(3000.0, "m", "of the rolling relief", low=10.0, high=1e6)
    phase_x: Number = number(0.0, "rad", "of the relief along x", low=-7.0, high=7.0)
    phase_y: Number = number(0.0, "rad", "of the relief along y", low=-7.0, high=7.0)
    albedo: Number = number(0.12, "-", "normal albedo; mare 0.07, highland 0.16 [R]", low=0.0, high=1.0)


TerrainDrawn = mirrored(Terrain)


@wp.func
def surface_of(terrain: TerrainDrawn) -> Surface:
    """What every look at the ground needs, worked out once per episode."""
    rise = wp.tan(terrain.slope)
    surface = Surface()
    surface.rise_x = rise * wp.cos(terrain.slope_direction)
    surface.rise_y = rise * wp.sin(terrain.slope_direction)
    surface.levelling = 1.0 / (terrain.levelling * terrain.levelling)
    surface.relief = terrain.relief
    surface.wave = 6.2831853 / terrain.wavelength
    surface.phase_x = terrain.phase_x
    surface.phase_y = terrain.phase_y
    # The levelled plane r s / (1 + r^2/L^2) peaks at r = L with half of L s.
    surface.top = 0.5 * rise * terrain.levelling + terrain.relief
    return surface


@wp.func
def ground_height(x: float, y: float, surface: Surface) -> float:
    """Height [m] of the ground at site coordinates (x, y) [m].

    near (s_x x + s_y y) + (1 - near) A sin(k x + p_x) sin(k y + p_y), with near = 1 / (1 + r^2 / L^2).
    """
    near = 1.0 / (1.0 + (x * x + y * y) * surface.levelling)
    plane = surface.rise_x * x + surface.rise_y * y
    rolling = float(0.0)
    if surface.relief > 0.0:
        sines = wp.sin(surface.wave * x + surface.phase_x) * wp.sin(surface.wave * y + surface.phase_y)
        rolling = surface.relief * sines
    return near * plane + (1.0 - near) * rolling


@wp.func
def ground_shape(x: float, y: float, surface: Surface) -> wp.vec3:
    """Height [m] of the ground at (x, y) and its gradient along x and y."""
    near = 1.0 / (1.0 + (x * x + y * y) * surface.levelling)
    fade = -2.0 * near * near * surface.levelling  # d near / dx = fade x
    plane = surface.rise_x * x + surface.rise_y * y
    along_x = surface.wave * x + surface.phase_x
    along_y = surface.wave * y + surface.phase_y
    rolling = surface.relief * wp.sin(along_x) * wp.sin(along_y)
    rolling_x = surface.relief * surface.wave * wp.cos(along_x) * wp.sin(along_y)
    rolling_y = surface.relief * surface.wave * wp.sin(along_x) * wp.cos(along_y)
    change = fade * (plane - rolling)
    return wp.vec3(
        near * plane + (1.0 - near) * rolling,
        change * x + near * surface.rise_x + (1.0 - near) * rolling_x,
        change * y + near * surface.rise_y + (1.0 - near) * rolling_y,
    )


@wp.func
def height_below(position: wp.vec3, radius: float, surface: Surface) -> float:
    """Height [m] of the ground on the local vertical of a position."""
    onto_sphere = radius / (radius + position[2])
    return ground_height(position[0] * onto_sphere, position[1] * onto_sphere, surface)


@wp.func
def shape_below(position: wp.vec3, radius: float, surface: Surface) -> wp.vec3:
    """Height [m] and gradient of the ground on the local vertical of a position."""
    onto_sphere = radius / (radius + position[2])
    return ground_shape(position[0] * onto_sphere, position[1] * onto_sphere, surface)
