"""What the tags of a GeoTIFF say of places and units: metres between nodes, which way is up, metres per stored unit.

The numbers are those of OGC GeoTIFF 1.1 and of the two tags that GDAL adds. A tag may hold anything, for strangers
write them: text where numbers belong, a comma for the decimal point, one number of three.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunar_env.terrain.grids import GridRefusedError, refuse_spacing

PIXEL_SCALE, TRANSFORMATION = 33550, 34264
GEO_KEYS, GEO_DOUBLES = 34735, 34736
BAND_METADATA, NO_DATA = 42112, 42113  # GDAL's: XML, and the value that marks a hole

MODEL_TYPE, PROJECTED, GEOGRAPHIC, GEOCENTRIC = 1024, 1, 2, 3  # a key, and its values
GEOGRAPHIC_KEYS, PROJECTED_KEYS = range(2048, 2062), range(3072, 3096)
LINEAR_UNIT, LINEAR_UNIT_SIZE, VERTICAL_UNIT, USER_DEFINED = 3076, 3077, 4099, 32767
METRES = {9001: 1.0, 9002: 0.3048, 9003: 1200.0 / 3937.0, 9036: 1000.0}  # EPSG codes of units of length
NAMES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "km": 1000.0, "kilometre": 1000.0}
NAMES |= {"kilometer": 1000.0, "ft": 0.3048, "foot": 0.3048, "us survey foot": 1200.0 / 3937.0, "cm": 0.01, "mm": 0.001}

UNSTATED = 0.5  # [m] finer pixels are taken for degrees, where the file says nothing of a projection


@dataclass(frozen=True)
class Tags:
    """The tags of an image by their numbers."""

    values: dict[int, Any]

    @property
    def no_data(self) -> Any:
        """The mark for holes as it stands there."""
        return self.values.get(NO_DATA)


@dataclass(frozen=True)
class Place:
    """How the pixels lie on the ground."""

    spacing: float  # [m] between nodes
    from_the_right: bool = False  # columns run west
    from_below: bool = False  # rows run north


def placed(path: Path, tags: Tags) -> Place:
    """Where the pixels lie. Raises ValueError, with the remedy, for degrees, oblongs, turned grids, unknown scales."""
    along_x, along_y = _steps(path, tags)
    size_x, size_y = abs(along_x), abs(along_y)
    keys = _keys(path, tags)
    model = keys.get(MODEL_TYPE, 0)
    if _geographic(keys):
        raise GridRefusedError(
            f"{path}: the pixel scale must be in metres, got {size_x:g} degrees; "
            "project the map, for example with gdalwarp, or give metres between nodes"
        )
    if model == GEOCENTRIC:
        raise GridRefusedError(
            f"{path}: the map must be projected, got geocentric coordinates (GTModelType {model}); "
            "project it, for example with gdalwarp, or give metres between nodes"
        )
    if not (math.isfinite(size_x) and math.isfinite(size_y) and size_x > 0.0):
        raise GridRefusedError(
            f"{path}: the pixel scale must be above 0 m and finite, got {along_x} and {along_y}; give the spacing"
        )
    # Decimal fractions that were computed along two ways may differ in their last digits.
    if not math.isclose(size_x, size_y, rel_tol=1e-6):
        raise GridRefusedError(
            f"{path}: the pixel scale must be the same along x and y, got {size_x:g} m and {size_y:g} m; "
            "resample the map, for example with gdalwarp -tr"
        )
    if model != PROJECTED and size_x < UNSTATED:
        raise GridRefusedError(
            f"{path}: the file does not say in what its pixel scale of {size_x:g} is (no GTModelType), and metres are "
            "unlikely; project the map, for example with gdalwarp, or give metres between nodes"
        )
    spacing = size_x * _linear_unit(path, tags, keys)
    refuse_spacing(path, spacing, "the pixel scale")
    return Place(spacing, from_the_right=along_x < 0.0, from_below=along_y < 0.0)


def unit_of_heights(path: Path, tags: Tags) -> float:
    """Metres per unit of the stored numbers: GDAL's scale, 0.5 in maps of LOLA, times the unit's length."""
    metadata = text_of(tags.values.get(BAND_METADATA))
    scale = _item(metadata, "scale")
    per_unit = _number(scale) if scale is not None else 1.0
    if not 0.0 < per_unit < math.inf:
        raise GridRefusedError(
            f"{path}: the scale of its band must be a number above 0, with a point, got {scale!r}; "
            "write it anew, for example with gdal_edit -scale"
        )
    name, code = _item(metadata, "unittype"), _keys(path, tags).get(VERTICAL_UNIT)
    if name:
        length = NAMES.get(name.strip().lower())
    else:
        length = METRES.get(code) if code else 1.0
    if length is None:
        raise GridRefusedError(
            f"{path}: heights must be in a unit that is known here ({', '.join(NAMES)}), got {name or code!r}; "
            "convert them to metres"
        )
    return per_unit * length


def text_of(value: Any) -> str:
    """A tag's value as text, without what closes it."""
    if value is None:
        return ""
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip("\0 \n\t")


def _steps(path: Path, tags: Tags) -> tuple[float, float]:
    """Units of the map per column to the east and per row to the south, which are both above 0 on most."""
    scale, matrix = tags.values.get(PIXEL_SCALE), tags.values.get(TRANSFORMATION)
    if scale is not None:
        east, south, *_ = _numbers(path, "ModelPixelScaleTag", scale, 2)
        return east, south
    if matrix is None:
        raise GridRefusedError(
            f"{path}: no spacing, for the file has no ModelPixelScaleTag ({PIXEL_SCALE}); give metres between nodes"
        )
    east, turned, _, _, leaning, north, *_ = _numbers(path, "ModelTransformationTag", matrix, 16)
    size = math.hypot(east, leaning)
    if not math.hypot(turned, leaning) <= 1e-6 * size:
        raise GridRefusedError(
            f"{path}: the grid must lie along east and north, got one turned by "
            f"{math.degrees(math.atan2(leaning, east)):.3g} degrees (ModelTransformationTag); "
            "turn it back, for example with gdalwarp, or give metres between nodes and it is taken as it stands"
        )
    return east, -north


def _numbers(path: Path, tag: str, value: Any, least: int) -> tuple[float, ...]:
    """The numbers of a tag, at least so many."""
    listed = value if isinstance(value, tuple | list) else (value,)
    if not all(isinstance(one, int | float) for one in listed) or len(listed) < least:
        raise GridRefusedError(
            f"{path}: {tag} must hold at least {least} numbers, got {value!r}; write them as numbers with a decimal "
            "point, for example with gdal_edit, or give metres between nodes"
        )
    return tuple(map(float, listed))


def _keys(path: Path, tags: Tags) -> dict[int, int]:
    """The geokeys that stand in the directory itself, and for others the place of their value."""
    listed = tags.values.get(GEO_KEYS)
    if listed is None:
        return {}
    entries = [int(one) for one in _numbers(path, "GeoKeyDirectoryTag", listed, 4)]
    return {entries[i]: entries[i + 3] for i in range(4, len(entries) - 3, 4)}


def _geographic(keys: dict[int, int]) -> bool:
    """Whether the coordinates are longitude and latitude: said, or the only system that is named."""
    if MODEL_TYPE in keys and keys[MODEL_TYPE] in (PROJECTED, GEOGRAPHIC, GEOCENTRIC):
        return keys[MODEL_TYPE] == GEOGRAPHIC
    return any(key in GEOGRAPHIC_KEYS for key in keys) and not any(key in PROJECTED_KEYS for key in keys)


def _linear_unit(path: Path, tags: Tags, keys: dict[int, int]) -> float:
    """Metres per unit of the projection."""
    code = keys.get(LINEAR_UNIT, 0) or 9001
    if code == USER_DEFINED and LINEAR_UNIT_SIZE in keys:
        doubles = _numbers(path, "GeoDoubleParamsTag", tags.values.get(GEO_DOUBLES, ()), keys[LINEAR_UNIT_SIZE] + 1)
        return doubles[keys[LINEAR_UNIT_SIZE]]
    if code not in METRES:
        raise GridRefusedError(
            f"{path}: the unit of the projection must be metre, foot or kilometre, got ProjLinearUnits {code}; "
            "project the map in metres, for example with gdalwarp, or give metres between nodes"
        )
    return METRES[code]


def _item(metadata: str, role: str) -> str | None:
    """The text of an item of GDAL's metadata, of the first band."""
    found = re.search(rf'role="{role}"[^>]*>([^<]*)<', metadata)
    return found[1] if found else None


def _number(text: str) -> float:
    """A number in a text with a decimal point; not a number for all else."""
    try:
        return float(text)
    except ValueError:
        return math.nan
