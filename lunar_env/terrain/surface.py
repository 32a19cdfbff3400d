"""The ground: one height field over the site, zero at the pad. Beams, touchdown and pictures all read this surface.

Its parts, each of which may be absent:

- an inclined plane that levels off away from the pad, so that the slope at the pad is the number the scenario says;
- rolling relief that fades out towards the pad;
- a map of heights: procedural mare or highland (relief.py), or an elevation model from a file (elevation.py), turned
  and shifted by drawn numbers so that every episode meets other ground, and lowered so that the pad lies at zero;
- a named step across the approach: a crater rim.
"""

from dataclasses import dataclass
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number, setting, twin
from lunar_env.state import Surface
from lunar_env.vehicle.compare import alike, anywhere, below, greatest, select, sine

# Warp looks the operators up by these names: + is add, - is sub, * is mul, / is div.
from lunar_env.vehicle.lanes import add, div, mul, sub  # noqa: F401

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
    map: str = setting("none", '"none", "mare", "highland", "crater_rim", or the path of an elevation model')
    map_seed: int = setting(0, "of the procedural map", low=0, high=2**63 - 1)
    map_spacing: float = setting(
        0.0, "between the nodes of a file that does not say; 0 for what it says", unit="m", low=0.0, high=1e5
    )
    roughness: Number = number(1.0, "-", "multiplies the map's heights", low=0.0, high=100.0)
    turn: Number = number(0.0, "rad", "of the map about the pad", low=-7.0, high=7.0)
    shift_x: Number = number(0.0, "m", "of the map along its first axis", low=-1e6, high=1e6)
    shift_y: Number = number(0.0, "m", "of the map along its second axis", low=-1e6, high=1e6)
    step_height: Number = number(
        0.0, "m", "of the ground uprange of the rim, above the pad's level", low=-1e4, high=1e4
    )
    step_distance: Number = number(5_000.0, "m", "of the rim from the pad, uprange", low=-1e6, high=1e6)
    step_width: Number = number(500.0, "m", "over which the ground drops at the rim", low=0.1, high=1e5)
    albedo: Number = number(0.12, "-", "normal albedo; mare 0.07, highland 0.16 [R]", low=0.0, high=1.0)


TerrainDrawn = mirrored(Terrain)

FAR_SIDE = wp.constant(0.1)  # of the radius: the site's map ends 84 degrees away
BLOCK = wp.constant(4)  # nodes along each side of a block of the cone tables


@wp.struct
class Maps:
    """The maps of a batch: a coarse one, and a fine one on top of it."""

    coarse: wp.array2d(dtype=float)  # [m]
    fine: wp.array2d(dtype=float)  # [m]
    coarse_cones: wp.array3d(dtype=float)  # by way and block of cells, see ``steepest_seen``
    fine_cones: wp.array3d(dtype=float)
    per_coarse: float  # [1/m] nodes per metre
    per_fine: float  # [1/m]
    levels: int  # 0 for none, 1 for the coarse one alone, 2
    periodic: int  # 1 if the maps repeat; 0 if the pad is in the middle and the edge goes on outside
    top: float  # [m] a height that their sum never exceeds
    fine_span: float  # [m] between the highest and the lowest of the fine map
    steepest: float  # a gradient that their sum never exceeds


NoMaps = twin("NoMaps", Maps)  # given instead of ``Maps``, it leaves rough ground out of the compiled code


@wp.func
def surface_of(terrain: TerrainDrawn, maps: Any) -> Surface:
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
    if terrain.step_height != 0.0:
        surface.step_height = terrain.step_height
        surface.step_distance = terrain.step_distance
        surface.per_step = 1.0 / terrain.step_width
        surface.top = surface.top + wp.max(terrain.step_height, 0.0)
    if maps.levels > 0 and terrain.roughness > 0.0:
        surface.roughness = terrain.roughness
        surface.turn_x = wp.cos(terrain.turn)
        surface.turn_y = wp.sin(terrain.turn)
        surface.shift_x = terrain.shift_x
        surface.shift_y = terrain.shift_y
        period = float(maps.fine.shape[0]) / maps.per_fine
        surface.fine_shift_x = terrain.shift_x - wp.floor(terrain.shift_x / period) * period
        surface.fine_shift_y = terrain.shift_y - wp.floor(terrain.shift_y / period) * period
        surface.level = map_shape(0.0, 0.0, surface, maps)[0]
        surface.top = surface.top + terrain.roughness * maps.top - surface.level
    return surface


@wp.func
def greatest_slope(surface: Surface, maps: Any) -> float:
    """A gradient that the ground never exceeds."""
    step = 1.5 * wp.abs(surface.step_height) * surface.per_step
    return surface.roughness * maps.steepest + surface.steepest + step


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
def turned(x: float, y: float, surface: Surface) -> wp.vec2:
    """A point of the site in the axes of the map, from the pad."""
    return wp.vec2(surface.turn_x * x + surface.turn_y * y, surface.turn_x * y - surface.turn_y * x)


@wp.func
def on_coarse(at: wp.vec2, surface: Surface, maps: Any) -> wp.vec2:
    """Coordinates on the coarse map in nodes."""
    u = (at[0] + surface.shift_x) * maps.per_coarse
    v = (at[1] + surface.shift_y) * maps.per_coarse
    if maps.periodic == 0:  # the pad is in the middle
        u = u + 0.5 * float(maps.coarse.shape[0] - 1)
        v = v + 0.5 * float(maps.coarse.shape[1] - 1)
    return wp.vec2(u, v)


@wp.func
def on_fine(at: wp.vec2, surface: Surface, maps: Any) -> wp.vec2:
    """Coordinates on the fine map in nodes."""
    return wp.vec2(at[0] + surface.fine_shift_x, at[1] + surface.fine_shift_y) * maps.per_fine


@wp.func
def map_shape(x: float, y: float, surface: Surface, maps: Any) -> wp.vec3:
    """Height [m] of the map at (x, y) above the pad, and its gradient along x and y."""
    at = turned(x, y, surface)
    node = on_coarse(at, surface, maps)
    seen = on_map(maps.coarse, node[0], node[1], maps.periodic)
    height = seen[0]
    along_u = seen[1] * maps.per_coarse
    along_v = seen[2] * maps.per_coarse
    if maps.levels == 2:
        node = on_fine(at, surface, maps)
        seen = on_map(maps.fine, node[0], node[1], 1)
        height = height + seen[0]
        along_u = along_u + seen[1] * maps.per_fine
        along_v = along_v + seen[2] * maps.per_fine
    return wp.vec3(
        surface.roughness * height - surface.level,
        surface.roughness * (surface.turn_x * along_u - surface.turn_y * along_v),
        surface.roughness * (surface.turn_y * along_u + surface.turn_x * along_v),
    )


@wp.func
def cone_at(cones: wp.array3d(dtype=float), way: int, u: float, v: float, periodic: int) -> float:
    """The entry of a table of blocks at (u, v) in units of blocks."""
    i = int(wp.floor(u))
    j = int(wp.floor(v))
    if periodic == 1:
        return cones[way, i & (cones.shape[1] - 1), j & (cones.shape[2] - 1)]
    return cones[way, wp.clamp(i, 0, cones.shape[1] - 1), wp.clamp(j, 0, cones.shape[2] - 1)]


@wp.func
def steepest_seen(x: float, y: float, along_x: float, along_y: float, surface: Surface, maps: Any) -> wp.vec2:
    """The steepest slopes from the ground at (x, y) up to other ground in a direction: coarse and fine map's.

    The named step is left out. Nothing that way rises above a cone of their sum that stands on the point (cone step
    mapping, Dummer 2006).
    """
    coarse = surface.steepest
    fine = float(0.0)
    if surface.roughness > 0.0:
        at = turned(x, y, surface)
        along = turned(along_x, along_y, surface)
        way = wp.where(along[0] < 0.0, 2, 0) + wp.where(along[1] < 0.0, 1, 0)
        per_block = 1.0 / float(BLOCK)
        block = on_coarse(at, surface, maps) * per_block
        coarse = coarse + surface.roughness * cone_at(maps.coarse_cones, way, block[0], block[1], maps.periodic)
        if maps.levels == 2:
            block = on_fine(at, surface, maps) * per_block
            fine = surface.roughness * cone_at(maps.fine_cones, way, block[0], block[1], 1)
    return wp.vec2(coarse, fine)


@wp.func
def through_cell(x: float, y: float, along_x: float, along_y: float, surface: Surface, maps: Any) -> float:
    """How many times (along_x, along_y) lead from (x, y) to the end of the cell there; of smooth ground, a metre."""
    times = 1.0 / wp.max(wp.sqrt(along_x * along_x + along_y * along_y), 1.0e-6)
    if surface.roughness > 0.0:
        at = turned(x, y, surface)
        along = turned(along_x, along_y, surface)
        node = on_fine(at, surface, maps)
        per_metre = maps.per_fine
        if maps.levels == 1:
            node = on_coarse(at, surface, maps)
            per_metre = maps.per_coarse
        for axis in range(2):
            ahead = node[axis] - wp.floor(node[axis])
            if along[axis] > 0.0:
                ahead = 1.0 - ahead
            times = wp.min(times, ahead / wp.max(wp.abs(along[axis]) * per_metre, 1.0e-6))
    return times


@wp.func
def step_shape(x: float, surface: Surface) -> wp.vec3:
    """Height [m] of the named step at x and its gradient: s^2 (3 - 2 s) from the pad's level up to the rim's."""
    s = wp.clamp(0.5 - (x + surface.step_distance) * surface.per_step, 0.0, 1.0)
    return surface.step_height * wp.vec3(s * s * (3.0 - 2.0 * s), -6.0 * s * (1.0 - s) * surface.per_step, 0.0)


@wp.func
def off_step(x: float, surface: Surface) -> float:
    """Horizontal distance [m] from x to where the named step can rise; 0 on it."""
    if surface.step_height == 0.0:
        return 1.0e9
    return wp.max(wp.abs(x + surface.step_distance) * surface.per_step - 0.5, 0.0) / surface.per_step


@wp.func
def rough(surface: Surface, maps: Maps) -> bool:
    """Whether there is more than the smooth ground: a map or a step."""
    return surface.roughness > 0.0 or surface.step_height != 0.0


@wp.func
def rough(surface: Surface, maps: NoMaps) -> bool:  # noqa: D103, F811
    return False


@wp.func
def smooth_height(x: Any, y: Any, surface: Any):
    """Height [m] of the ground at site coordinates (x, y) [m], without map and step.

    near (s_x x + s_y y) + (1 - near) A sin(k x + p_x) sin(k y + p_y), with near = 1 / (1 + r^2 / L^2).
    """
    near = 1.0 / (1.0 + (x * x + y * y) * surface.levelling)
    plane = surface.rise_x * x + surface.rise_y * y
    rolling = alike(0.0, x)
    rolls = below(0.0, surface.relief)
    if anywhere(rolls):
        sines = sine(surface.wave * x + surface.phase_x) * sine(surface.wave * y + surface.phase_y)
        rolling = select(rolls, surface.relief * sines, rolling)
    return near * plane + (1.0 - near) * rolling


@wp.func
def ground_height(x: float, y: float, surface: Surface, maps: Any) -> float:
    """Height [m] of the ground at site coordinates (x, y) [m].

    That of ``smooth_height``; map and step come on top.
    """
    if rough(surface, maps):
        return ground_shape(x, y, surface, maps)[0]
    return smooth_height(x, y, surface)


@wp.func
def ground_shape(x: float, y: float, surface: Surface, maps: Any) -> wp.vec3:
    """Height [m] of the ground at (x, y) and its gradient along x and y."""
    near = 1.0 / (1.0 + (x * x + y * y) * surface.levelling)
    fade = -2.0 * near * near * surface.levelling  # d near / dx = fade x
    plane = surface.rise_x * x + surface.rise_y * y
    rolling = float(0.0)
    rolling_x = float(0.0)
    rolling_y = float(0.0)
    if surface.relief > 0.0:
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
    if rough(surface, maps):
        if surface.roughness > 0.0:
            shape = shape + map_shape(x, y, surface, maps)
        shape = shape + step_shape(x, surface)
    return shape


@wp.func
def onto_sphere(position: Any, radius: Any):
    """What the horizontal coordinates of a position are multiplied by to give those of the ground below it."""
    return radius / greatest(radius + position.z, FAR_SIDE * radius)


@wp.func
def height_below(position: wp.vec3, radius: float, surface: Surface, maps: Any) -> float:
    """Height [m] of the ground on the local vertical of a position."""
    scale = onto_sphere(position, radius)
    return ground_height(position[0] * scale, position[1] * scale, surface, maps)


@wp.func
def smooth_height_below(position: Any, radius: Any, surface: Any):
    """The same without map and step."""
    scale = onto_sphere(position, radius)
    return smooth_height(position.x * scale, position.y * scale, surface)


@wp.func
def shape_below(position: wp.vec3, radius: float, surface: Surface, maps: Any) -> wp.vec3:
    """Height [m] and gradient of the ground on the local vertical of a position."""
    scale = onto_sphere(position, radius)
    return ground_shape(position[0] * scale, position[1] * scale, surface, maps)
