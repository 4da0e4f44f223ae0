"""The probe of a geographic source: one feature whose true place is known tells whether the declared CRS is the real.

A file says what it is in, but not whether that is true: swapped axes and shifted coordinates look like any others.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from pyproj import CRS, Transformer

from connectors.base import Request
from connectors.coordinates import Shifted
from connectors.errors import SetAsideError
from connectors.geo_options import Probed
from connectors.options import part_of
from connectors.rows import as_text

__all__ = ["Probe", "probe_of"]

_TRUE: Final = "EPSG:4490"
_METRES_A_DEGREE: Final = 111_320.0

_Geometries = npt.NDArray[Any]


class Probe:
    """Looks at all rows of a delivery while they pass; use a new one for each.

    Args:
        column: The column that names the feature.
        value: Its value there.
        near: Its true longitude and latitude in degrees.
        within_m: How many metres from there its geometry may lie at most.
        crs: What the source declares.
    """

    def __init__(self, column: str, value: str, near: tuple[float, float], within_m: float, crs: CRS | Shifted) -> None:
        self.column = column
        self._value = value
        self._near = near
        self._within = within_m
        self._crs = crs
        self._found: list[bytes] = []

    def look(self, names: pa.Array, geometries: pa.Array) -> bool:
        """Look for the feature and say whether it was met.

        Args:
            names: The column's values, of any type.
            geometries: WKB, longitude or easting first.
        """
        for place, name in enumerate(names.to_pylist()):
            if name is not None and as_text(name) == self._value and geometries[place].is_valid:
                self._found.append(geometries[place].as_py())
        return bool(self._found)

    def settle(self, where: str, *, must_be_there: bool) -> None:
        """Say whether the feature was where it should be.

        Args:
            where: The delivery as errors name it.
            must_be_there: Whether the delivery is complete, so that the feature has to be in it.

        Raises:
            SetAsideError: `crs_mismatch`; with what would fit, where something does.
        """
        came = shapely.from_wkb(np.array(self._found, dtype=object), on_invalid="ignore")
        came = came[~shapely.is_missing(came) & ~shapely.is_empty(came)]
        if len(came) == 0:
            if must_be_there:
                raise self._mismatch(where, "the feature of the probe is not in it")
            return
        distance = self._distance(came, self._crs)
        if distance > self._within:
            far = f"{distance:.0f} m away" if math.isfinite(distance) else "nowhere on Earth"
            raise self._mismatch(where, f"the feature of the probe is {far}{self._explained(came)}")

    def _distance(self, geometries: _Geometries, crs: CRS | Shifted) -> float:
        degrees = shapely.transform(geometries, lambda points: _true(points, crs))
        east = _METRES_A_DEGREE * math.cos(math.radians(self._near[1]))
        metres = shapely.transform(degrees, lambda points: (points - self._near) * (east, _METRES_A_DEGREE))
        distances = shapely.distance(metres, shapely.Point(0, 0))
        return float(np.nanmin(distances)) if np.isfinite(distances).any() else math.inf

    def _explained(self, geometries: _Geometries) -> str:
        swapped = shapely.transform(geometries, lambda points: points[:, ::-1])
        if self._distance(swapped, self._crs) <= self._within:
            return "; axes swapped: it fits with its coordinates exchanged"
        if isinstance(self._crs, Shifted) or self._crs.is_geographic:
            for other in (*Shifted, CRS.from_user_input(_TRUE)):
                if self._distance(geometries, other) <= self._within:
                    return f"; looks like {other if isinstance(other, Shifted) else other.name}"
        return ""

    def _mismatch(self, where: str, came: str) -> SetAsideError:
        name = self._crs if isinstance(self._crs, Shifted) else self._crs.name
        return SetAsideError(
            where,
            came,
            f"the feature of the contract's `probe` within {self._within:g} m of its place, in {name}",
            "ask the department in which CRS and axis order it exports, then correct the contract or the export",
            reason="crs_mismatch",
        )


def probe_of(request: Request, crs: CRS | Shifted) -> Probe | None:
    """Return the probe of a contract's option `probe`, None where it has none.

    Its form: `{where: {column: value}, near: [longitude, latitude], within_m: 2000}`.

    Raises:
        StopError: It has another form.
    """
    told = part_of(Probed, request).probe
    if told is None:
        return None
    ((column, value),) = told.where.items()
    return Probe(column, str(as_text(value)), told.near, told.within_m, crs)


def _true(points: npt.NDArray[Any], crs: CRS | Shifted) -> npt.NDArray[Any]:
    if isinstance(crs, Shifted):
        return crs.to_true(points)
    transformer = Transformer.from_crs(crs, _TRUE, always_xy=True)
    return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))
