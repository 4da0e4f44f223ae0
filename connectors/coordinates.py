"""The shifted coordinates of Chinese web maps, GCJ-02 and BD-09, to the true ones and back.

GCJ-02 moves each point of the mainland by up to 700 metres; BD-09 moves that once more. Neither has an EPSG code and no
law publishes the formula: the one that all map libraries share is used, solved backwards to less than a tenth of a
millimetre. True coordinates are WGS 84, which agrees with CGCS2000 (EPSG:4490) within decimetres.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyproj import CRS

__all__ = ["Shifted", "declared_crs"]

Points = npt.NDArray[np.float64]
"""One row a point: longitude, latitude; in degrees."""

_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
"""Outside of this box the formula moves nothing."""
_AXIS: Final = 6_378_245.0
_ECCENTRICITY: Final = 0.006693421622965943
"""Of the Krasovsky ellipsoid, as the formula has it."""
_BD_TURN: Final = np.pi * 3000 / 180
_CLOSE: Final = 1e-12
_MOST_STEPS: Final = 30


class Shifted(StrEnum):
    """A CRS that only moves true longitudes and latitudes."""

    GCJ_02 = "GCJ-02"
    BD_09 = "BD-09"

    def from_true(self, points: Points) -> Points:
        """Shift true coordinates."""
        return _where_it_applies(points, _gcj if self is Shifted.GCJ_02 else _bd)

    def to_true(self, points: Points) -> Points:
        """Take the shift back."""
        return _where_it_applies(points, lambda shifted: _solved(_gcj if self is Shifted.GCJ_02 else _bd, shifted))


def declared_crs(name: Any) -> CRS | Shifted:
    """Return the CRS a contract names: `GCJ-02`, `BD-09`, or what PROJ knows, such as `EPSG:4549`.

    Raises:
        pyproj.exceptions.CRSError: There is none of that name.
    """
    plain = str(name).upper().replace("-", "").replace("_", "").replace(" ", "")
    for shifted in Shifted:
        if plain == shifted.replace("-", ""):
            return shifted
    return CRS.from_user_input(name)


def _where_it_applies(points: Points, change: Callable[[Points], Points]) -> Points:
    longitude, latitude = points[:, 0], points[:, 1]
    inside = (longitude >= _WEST) & (longitude <= _EAST) & (latitude >= _SOUTH) & (latitude <= _NORTH)
    changed = points.astype(np.float64, copy=True)
    changed[inside, :2] = change(points[inside, :2])
    return changed


def _solved(shift: Callable[[Points], Points], target: Points) -> Points:
    """Find what is shifted onto `target`: the shift hardly changes over its own length, so each step nears fast."""
    found = target.copy()
    for _ in range(_MOST_STEPS):
        miss = shift(found) - target
        found -= miss
        if not miss.size or np.abs(miss).max() < _CLOSE:
            break
    return found


def _gcj(points: Points) -> Points:
    longitude, latitude = points[:, 0], points[:, 1]
    x, y = longitude - 105.0, latitude - 35.0
    radians = latitude * np.pi / 180
    magic = 1 - _ECCENTRICITY * np.sin(radians) ** 2
    north = _northing(x, y) * 180 / (_AXIS * (1 - _ECCENTRICITY) / (magic * np.sqrt(magic)) * np.pi)
    east = _easting(x, y) * 180 / (_AXIS / np.sqrt(magic) * np.cos(radians) * np.pi)
    return np.column_stack([longitude + east, latitude + north])


def _bd(points: Points) -> Points:
    x, y = _gcj(points).T
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * _BD_TURN)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * _BD_TURN)
    return np.column_stack([radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006])


def _waves(values: Points, *waves: tuple[float, float]) -> Points:
    """Return two thirds of a sum of sines, each of an amplitude and a period's part of pi."""
    total = np.zeros_like(values)
    for amplitude, pace in waves:
        total += amplitude * np.sin(values * np.pi * pace)
    return total * 2 / 3


def _northing(x: Points, y: Points) -> Points:
    even = -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    return even + _waves(x, (20, 6), (20, 2)) + _waves(y, (20, 1), (40, 1 / 3), (160, 1 / 12), (320, 1 / 30))


def _easting(x: Points, y: Points) -> Points:
    even = 300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    return even + _waves(x, (20, 6), (20, 2), (20, 1), (40, 1 / 3), (150, 1 / 12), (300, 1 / 30))
