"""Circles of daily life (便民生活圈): how many residents have each type of business near enough.

Near is the straight line: within 1,000 m (a quarter of an hour on foot) in urban villages, 3,000 m in rural ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from pyproj import Transformer

from hub.indicators.formulas import CIRCLE_MEASURES, Circle

__all__ = ["Cells", "covered"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CELL_M = 200.0
_NET = 1 << 32
"""More cells than any plane has from south to north."""
_REACH_M = _CELL_M * 2**0.5 / 2
"""From the middle of a cell to its corner."""


@dataclass(frozen=True)
class Cells:
    """Points in metres with the cells of a fine net they lie in, so that most are answered for by their cell.

    Attributes:
        points: x and y, one row a point.
        middles: The same of the middle of each cell that has points.
        of_point: For each point the place of its cell in `middles`.
    """

    points: Floats
    middles: Floats
    of_point: npt.NDArray[np.int64]

    @classmethod
    def of(cls, points: Floats) -> Cells:
        """Lay the net over points."""
        column, row = np.floor(points / _CELL_M).astype(np.int64).T
        numbers, of_point = np.unique(column * _NET + row, return_inverse=True)
        row_of = (numbers + _NET // 2) % _NET - _NET // 2
        cells = np.column_stack(((numbers - row_of) // _NET, row_of))
        return cls(points, (cells + 0.5) * _CELL_M, of_point)

    def near(self, places: Floats, radius: float) -> Bools:
        """Which points have a place within `radius` metres; exactly so far is near.

        Only in cells on the rim of a circle must each point be asked.
        """
        found = np.zeros(len(self.points), dtype=np.bool_)
        if not len(self.points) or not len(places):
            return found
        tree = shapely.STRtree(shapely.points(places))
        middle = _distance(tree, self.middles, radius + _REACH_M)
        found[:] = (middle + _REACH_M <= radius)[self.of_point]
        rim = np.flatnonzero(((middle + _REACH_M > radius) & np.isfinite(middle))[self.of_point])
        found[rim] = _distance(tree, self.points[rim], radius) <= radius
        return found


def _distance(tree: shapely.STRtree, points: Floats, most: float) -> Floats:
    """Distance of each point to its nearest place; infinite where that is farther than `most`."""
    found = np.full(len(points), np.inf)
    hits, distance = tree.query_nearest(
        shapely.points(points), max_distance=most, return_distance=True, all_matches=False
    )
    found[hits[0]] = distance
    return found


def covered(homes: pa.Table, shops: pa.Table, circle: Circle) -> pa.Table:
    """Count residents by village who have each type of business, and all of them, near.

    Args:
        homes: `division_code`, `longitude`, `latitude`, `residents`, `is_urban`: a row for each place people live at,
            in villages that are urban or rural; a place has coordinates.
        shops: `industry_code`, `longitude`, `latitude`.
        circle: What is near.

    Returns:
        `division_code`, the measures of `CIRCLE_MEASURES`, and `near_<type>` of urban villages.
    """
    names = [f"near_{name}" for name in circle.industries]
    residents = homes["residents"].to_numpy().astype(np.float64)
    urban = homes["is_urban"].to_numpy(zero_copy_only=False).astype(np.bool_)
    villages, village = np.unique(np.array(homes["division_code"].to_pylist(), dtype=str), return_inverse=True)
    plane = _plane(homes, shops)
    points, places = plane(homes), plane(shops)
    industry = np.array(shops["industry_code"].to_pylist(), dtype=str)
    kinds = ((urban, circle.urban_m), (~urban, circle.rural_m))
    parts = [(mine, Cells.of(points[mine]), radius) for mine, radius in kinds]
    has: dict[str, Bools] = {}
    for name, codes in circle.industries.items():
        own = places[np.isin(industry, codes)]
        reached = np.zeros(len(points), dtype=np.bool_)
        for mine, cells, radius in parts:
            reached[mine] = cells.near(own, radius)
        has[f"near_{name}"] = reached
    everything = np.logical_and.reduce([has[name] for name in names])
    told = {
        "circle_residents": urban,
        "near_all": urban & everything,
        "rural_residents": ~urban,
        "near_all_rural": ~urban & everything,
        **{name: urban & has[name] for name in names},
    }
    counts = {name: np.bincount(village, residents * mask, len(villages)) for name, mask in told.items()}
    codes = pa.array(villages.tolist(), pa.string())
    return pa.table({"division_code": codes, **{name: counts[name] for name in (*CIRCLE_MEASURES, *names)}})


def _plane(homes: pa.Table, shops: pa.Table) -> Any:
    """What lays degrees of EPSG:4490 on a plane in metres about the middle of the homes."""
    longitude = homes["longitude"].to_numpy()
    middle = float(np.median(longitude)) if len(longitude) else 0.0
    crs = f"+proj=tmerc +lat_0=0 +lon_0={middle:.6f} +k=1 +ellps=GRS80 +units=m +no_defs"
    transformer = Transformer.from_crs("EPSG:4490", crs, always_xy=True)

    def laid(table: pa.Table) -> Floats:
        x, y = transformer.transform(table["longitude"].to_numpy(), table["latitude"].to_numpy())
        return np.column_stack((x, y)).reshape(-1, 2)

    return laid
