"""The ground: one height field over the site, zero at the pad. Beams, touchdown and pictures all read this surface.

Its parts, each of which may be absent:

- an inclined plane that levels off away from the pad, so that the slope at the pad is the number the scenario says;
- rolling relief that fades out towards the pad;
- a map of heights: procedural mare or highland (relief.py), or an elevation model from a file (elevation.py), turned
  and shifted by drawn numbers so that every episode meets other ground, and cleared around the pad;
- a named step across the approach: a crater rim.
"""

from dataclasses import dataclass

import warp as wp

from lunar_env.quantities import Number, mirrored, number, setting
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
    map: str = setting("none", '"none", "mare", "highland", or the path of an elevation model')
    map_seed: int = setting(0, "of the procedural map", low=0)
    map_spacing: float = setting(
        0.0, "between the nodes of a file that does not say; 0 for what it says", unit="m", low=0.0
    )
    roughness: Number = number(1.0, "-", "multiplies the map's heights", low=0.0, high=100.0)
    turn: Number = number(0.0, "rad", "of the map about the pad", low=-7.0, high=7.0)
    shift_x: Number = number(0.0, "m", "of the map along its first axis", low=-1e6, high=1e6)
    shift_y: Number = number(0.0, "m", "of the map along its second axis", low=-1e6, high=1e6)
    clearing: Number = number(20.0, "m", "radius around the pad within which the map fades out", low=0.1, high=1e6)
    step_height: Number = number(
        0.0, "m", "of the ground uprange of the rim, above the pad's level", low=-1e4, high=1e4
    )
    step_distance: Number = number(5_000.0, "m", "of the rim from the pad, uprange", low=-1e6, high=1e6)
    step_width: Number = number(500.0, "m", "over which the ground drops at the rim", low=0.1, high=1e5)
    albedo: Number = number(0.12, "-", "normal albedo; mare 0.07, highland 0.16 [R]", low=0.0, high=1.0)


TerrainDrawn = mirrored(Terrain)


@wp.struct
class Maps:
    """The maps of a batch: a coarse one, and a fine one on top of it."""

    coarse: wp.array2d(dtype=float)  # [m]
    fine: wp.array2d(dtype=float)  # [m]
    per_coarse: float  # [1/m] nodes per metre
    per_fine: float  # [1/m]
    levels: int  # 0 for none, 1 for the coarse one alone, 2
    periodic: int  # 1 if the maps repeat; 0 if the pad is in the middle and the rim goes on outside
    top: float  # [m] a height that their sum never exceeds
    steepest: float  # a gradient that their sum never exceeds


@wp.func
def surface_of(terrain: TerrainDrawn, maps: Maps) -> Surface:
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
    # The levelled plane r s / (1 + r^2/L^2) peaks at r = L with half of L s, and is steepest at the pad. What fades
    # out towards the pad as 1 - 1 / (1 + r^2/L^2) adds at most 0.65 of its height over L to its own gradient.
    surface.top = 0.5 * rise * terrain.levelling + terrain.relief
    surface.steepest = rise + terrain.relief * (surface.wave + 0.65 / terrain.levelling)
    if maps.levels > 0:
        surface.roughness = terrain.roughness
        surface.turn_x = wp.cos(terrain.turn)
        surface.turn_y = wp.sin(terrain.turn)
        surface.shift_x = terrain.shift_x
        surface.shift_y = terrain.shift_y
        surface.clearing = 1.0 / (terrain.clearing * terrain.clearing)
        surface.top = surface.top + terrain.roughness * maps.top
        steepest = maps.steepest + 0.65 * maps.top / terrain.clearing
        surface.steepest = surface.steepest + terrain.roughness * steepest
    if terrain.step_height != 0.0:
        surface.step_height = terrain.step_height
        surface.step_distance = terrain.step_distance
        surface.per_step = 1.0 / terrain.step_width
        surface.top = surface.top + wp.max(terrain.step_height, 0.0)
        surface.steepest = surface.steepest + 1.5 * wp.abs(terrain.step_height) * surface.per_step
    return surface


@wp.func
def on_map(heights: wp.array2d(dtype=float), u: float, v: float, periodic: int) -> wp.vec3:
    """Height [m] at (u, v) in units of nodes, and its change per node: bilinear between the four nodes around."""
    i = int(wp.floor(u))
    j = int(wp.floor(v))
    a = u - float(i)
    b = v - float(j)
    i1 = i + 1
    j1 = j + 1
    if periodic == 1:  # the size is a power of two
        i, j = i & (heights.shape[0] - 1), j & (heights.shape[1] - 1)
        i1, j1 = i1 & (heights.shape[0] - 1), j1 & (heights.shape[1] - 1)
    else:
        i, j = wp.clamp(i, 0, heights.shape[0] - 1), wp.clamp(j, 0, heights.shape[1] - 1)
        i1, j1 = wp.clamp(i1, 0, heights.shape[0] - 1), wp.clamp(j1, 0, heights.shape[1] - 1)
    h00, h10 = heights[i, j], heights[i1, j]
    h01, h11 = heights[i, j1], heights[i1, j1]
    low = h00 + (h10 - h00) * a
    high = h01 + (h11 - h01) * a
    return wp.vec3(low + (high - low) * b, (h10 - h00) * (1.0 - b) + (h11 - h01) * b, high - low)


@wp.func
def map_shape(x: float, y: float, surface: Surface, maps: Maps) -> wp.vec3:
    """Height [m] of the map at (x, y) and its gradient along x and y, faded out at the pad."""
    u = surface.turn_x * x + surface.turn_y * y + surface.shift_x
    v = surface.turn_x * y - surface.turn_y * x + surface.shift_y
    start_u = float(0.0)
    start_v = float(0.0)
    if maps.periodic == 0:
        start_u = 0.5 * float(maps.coarse.shape[0] - 1)
        start_v = 0.5 * float(maps.coarse.shape[1] - 1)
    seen = on_map(maps.coarse, u * maps.per_coarse + start_u, v * maps.per_coarse + start_v, maps.periodic)
    height = seen[0]
    along_u = seen[1] * maps.per_coarse
    along_v = seen[2] * maps.per_coarse
    if maps.levels == 2:
        seen = on_map(maps.fine, u * maps.per_fine, v * maps.per_fine, 1)
        height = height + seen[0]
        along_u = along_u + seen[1] * maps.per_fine
        along_v = along_v + seen[2] * maps.per_fine
    near = 1.0 / (1.0 + (x * x + y * y) * surface.clearing)
    fade = 2.0 * near * near * surface.clearing * height  # d (1 - near) / dx = 2 near^2 x / L^2
    full = 1.0 - near
    return surface.roughness * wp.vec3(
        full * height,
        full * (surface.turn_x * along_u - surface.turn_y * along_v) + fade * x,
        full * (surface.turn_y * along_u + surface.turn_x * along_v) + fade * y,
    )


@wp.func
def step_shape(x: float, surface: Surface) -> wp.vec3:
    """Height [m] of the named step at x and its gradient: s^2 (3 - 2 s) from the pad's level up to the rim's."""
    s = wp.clamp(0.5 - (x + surface.step_distance) * surface.per_step, 0.0, 1.0)
    return surface.step_height * wp.vec3(s * s * (3.0 - 2.0 * s), -6.0 * s * (1.0 - s) * surface.per_step, 0.0)


@wp.func
def rough(surface: Surface) -> bool:
    """Whether there is more than the smooth ground: a map or a step."""
    return surface.roughness > 0.0 or surface.step_height != 0.0


@wp.func
def ground_height(x: float, y: float, surface: Surface, maps: Maps) -> float:
    """Height [m] of the ground at site coordinates (x, y) [m].

    near (s_x x + s_y y) + (1 - near) A sin(k x + p_x) sin(k y + p_y), with near = 1 / (1 + r^2 / L^2); map and step
    come on top.
    """
    if rough(surface):
        return ground_shape(x, y, surface, maps)[0]
    near = 1.0 / (1.0 + (x * x + y * y) * surface.levelling)
    plane = surface.rise_x * x + surface.rise_y * y
    rolling = float(0.0)
    if surface.relief > 0.0:
        sines = wp.sin(surface.wave * x + surface.phase_x) * wp.sin(surface.wave * y + surface.phase_y)
        rolling = surface.relief * sines
    return near * plane + (1.0 - near) * rolling


@wp.func
def ground_shape(x: float, y: float, surface: Surface, maps: Maps) -> wp.vec3:
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
    shape = wp.vec3(
        near * plane + (1.0 - near) * rolling,
        change * x + near * surface.rise_x + (1.0 - near) * rolling_x,
        change * y + near * surface.rise_y + (1.0 - near) * rolling_y,
    )
    if rough(surface):
        if surface.roughness > 0.0:
            shape = shape + map_shape(x, y, surface, maps)
        shape = shape + step_shape(x, surface)
    return shape


@wp.func
def height_below(position: wp.vec3, radius: float, surface: Surface, maps: Maps) -> float:
    """Height [m] of the ground on the local vertical of a position."""
    onto_sphere = radius / (radius + position[2])
    return ground_height(position[0] * onto_sphere, position[1] * onto_sphere, surface, maps)


@wp.func
def shape_below(position: wp.vec3, radius: float, surface: Surface, maps: Maps) -> wp.vec3:
    """Height [m] and gradient of the ground on the local vertical of a position."""
    onto_sphere = radius / (radius + position[2])
    return ground_shape(position[0] * onto_sphere, position[1] * onto_sphere, surface, maps)
