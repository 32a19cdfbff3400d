"""The ground: a smooth height field over the site, zero at the pad.

An inclined plane that levels off away from the pad, and rolling relief that fades out towards it, so that the slope
at the pad is the number the scenario says. Beams, touchdown and pictures read this one surface.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env.quantities import Number, mirrored, number

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
def surface(x: float, y: float, terrain: TerrainDrawn) -> wp.vec3:
    """Height [m] of the ground at site coordinates (x, y) [m], and its gradient along x and y."""
    distance = (x * x + y * y) / (terrain.levelling * terrain.levelling)
    near = 1.0 / (1.0 + distance)
    near_slope = -2.0 * near * near / (terrain.levelling * terrain.levelling)  # d near / d x = near_slope * x

    rise = wp.tan(terrain.slope)
    rise_x = rise * wp.cos(terrain.slope_direction)
    rise_y = rise * wp.sin(terrain.slope_direction)
    plane = rise_x * x + rise_y * y

    wave = 6.2831853 / terrain.wavelength
    sin_x = wp.sin(wave * x + terrain.phase_x)
    cos_x = wp.cos(wave * x + terrain.phase_x)
    sin_y = wp.sin(wave * y + terrain.phase_y)
    cos_y = wp.cos(wave * y + terrain.phase_y)
    rolling = terrain.relief * sin_x * sin_y

    height = near * plane + (1.0 - near) * rolling
    common = near_slope * (plane - rolling)
    slope_x = common * x + near * rise_x + (1.0 - near) * terrain.relief * wave * cos_x * sin_y
    slope_y = common * y + near * rise_y + (1.0 - near) * terrain.relief * wave * sin_x * cos_y
    return wp.vec3(height, slope_x, slope_y)


@wp.func
def highest(terrain: TerrainDrawn) -> float:
    """A height [m] that the ground never exceeds: the levelled plane peaks at half its levelling distance."""
    return 0.5 * wp.tan(terrain.slope) * terrain.levelling + terrain.relief


@wp.func
def ground_below(position: wp.vec3, radius: float, terrain: TerrainDrawn) -> wp.vec3:
    """Height and gradient of the ground on the local vertical of a position."""
    onto_sphere = radius / (radius + position[2])
    return surface(position[0] * onto_sphere, position[1] * onto_sphere, terrain)
