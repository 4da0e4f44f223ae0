"""Which coordinate comes first: told by where a CRS is used, since servers keep to the rule and to its opposite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from connectors.plain_points import places_of, wkb_of

__all__ = ["area_of", "fitting", "swapped"]

Bounds = tuple[float, float, float, float]

_DEGREES_BEYOND: Final = 0.25
_METRES_BEYOND: Final = 1.0
"""How far beyond its area a CRS may be used, in parts of the area: a province is wider than one zone of 3 degrees."""


@lru_cache
def area_of(crs: CRS) -> Bounds | None:
    """Return where coordinates of a CRS can lie, x before y; None where the register does not say."""
    area = crs.area_of_use
    if area is None:
        return None
    try:
        forward = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
        west, south, east, north = forward.transform_bounds(area.west, area.south, area.east, area.north)
    except ProjError:
        return None
    if not all(map(np.isfinite, (west, south, east, north))) or west >= east:
        return None
    part = _DEGREES_BEYOND if crs.is_geographic else _METRES_BEYOND
    across, along = part * (east - west), part * (north - south)
    west, south, east, north = west - across, south - along, east + across, north + along
    if crs.is_geographic:
        return max(west, -180), max(south, -90), min(east, 180), min(north, 90)
    return west, south, east, north


def fitting(shapes: Sequence[bytes | None], crs: CRS) -> tuple[Literal["xy", "yx"] | None, bool]:
    """Return the order in which most geometries lie within the area of a CRS, and whether some lie in neither.

    No order is returned where no geometry lies within the area either way; then nothing is known yet.
    """
    boxes = shapely.bounds(_geometries(shapes))
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return None, False
    area = area_of(crs)
    if area is None:
        return "xy", False
    straight, turned = _within(boxes, area), _within(boxes[:, [1, 0, 3, 2]], area)
    outside = bool((~straight & ~turned).any())
    if not straight.any() and not turned.any():
        return None, outside
    return ("xy" if straight.sum() >= turned.sum() else "yx"), outside


def _within(boxes: Any, area: Bounds) -> Any:
    west, south, east, north = area
    return (boxes[:, 0] >= west) & (boxes[:, 1] >= south) & (boxes[:, 2] <= east) & (boxes[:, 3] <= north)


def swapped(shapes: Sequence[bytes | None], *, turn: bool) -> list[bytes | None]:
    """Return geometries as WKB of one form, with `turn` the first two coordinates exchanged; what is no WKB is null."""
    places = places_of([shape for shape in shapes if shape is not None])
    if places is not None:
        points = iter(wkb_of(places[:, ::-1]))
        return [None if shape is None else next(points) for shape in shapes] if turn else list(shapes)
    geometries = _geometries(shapes)
    if turn:
        for high in (False, True):
            chosen = shapely.has_z(geometries) == high
            geometries[chosen] = shapely.transform(geometries[chosen], _exchange, include_z=high)
    wkb: list[bytes | None] = shapely.to_wkb(geometries).tolist()
    return wkb


def _geometries(shapes: Sequence[bytes | None]) -> Any:
    return shapely.from_wkb(np.array(shapes, dtype=object), on_invalid="ignore")


def _exchange(coordinates: Any) -> Any:
    return coordinates[:, [1, 0, *range(2, coordinates.shape[1])]]
