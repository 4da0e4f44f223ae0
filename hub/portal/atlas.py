"""The borders of the live release: a village's map with its grids, a division's map with its villages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import shapely
from shapely.geometry.base import BaseGeometry

from hub.context import Hub
from hub.geography import GRID_DIGITS
from hub.portal.live import LiveRelease, base_rows
from hub.portal.map import Area, Map, draw

__all__ = ["Atlas", "Grid"]

_KEPT = 64
_AROUND = 0.6  # of a village's own extent: how far its neighbours are looked for


@dataclass(frozen=True)
class Grid:
    """A grid and how many residents it has; without a code, the residents whose address lies in no grid of theirs."""

    code: str | None
    name: str | None
    kind_code: str | None
    residents: int
    geometry: BaseGeometry | None


@dataclass(frozen=True)
class _Borders:
    """All villages that have a border, with an index over them."""

    codes: list[str]
    names: list[str]
    geometries: npt.NDArray[np.object_]
    tree: shapely.STRtree


class Atlas:
    """Draws maps from base tables; a release never changes, so what was drawn for it is kept for a while."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._kept_grids = lru_cache(_KEPT)(self._read_grids)
        self._kept_map = lru_cache(_KEPT)(self._draw_village)
        self._kept_division = lru_cache(_KEPT)(self._draw_division)
        self._kept_borders = lru_cache(1)(self._read_borders)

    def grids(self, release: LiveRelease, code: str) -> tuple[Grid, ...]:
        """Grids of a village by code; where residents lie in none of them, a last one without a code."""
        return self._kept_grids(release, code)

    def village_map(self, release: LiveRelease, code: str) -> Map | None:
        """A village with its grids, buildings and neighbours; None where the release holds no border of it."""
        return self._kept_map(release, code)

    def division_map(self, release: LiveRelease, residents: Mapping[str, int]) -> Map | None:
        """The villages of a division, coloured by residents; None where none of them has a border.

        Args:
            release: The live release.
            residents: Village code -> residents.
        """
        return self._kept_division(release, tuple(sorted(residents.items())))

    def _read_grids(self, release: LiveRelease, code: str) -> tuple[Grid, ...]:
        inside = pc.field("division_code") == code
        columns = ("grid_code", "grid_name", "grid_kind_code", "geometry")
        whole = inside & (pc.utf8_length(pc.field("grid_code")) == GRID_DIGITS)
        rows = base_rows(self._hub, release, "grid", columns, whole).sort_by("grid_code").to_pylist()
        living = base_rows(self._hub, release, "residence", ["grid_code"], inside & pc.field("is_current"))
        counted = {row["values"]: row["counts"] for row in living["grid_code"].value_counts().to_pylist()}
        grids = [
            Grid(
                row["grid_code"],
                row["grid_name"],
                row["grid_kind_code"],
                counted.pop(row["grid_code"], 0),
                shapely.from_wkb(row["geometry"]),
            )
            for row in rows
        ]
        outside = sum(counted.values())
        return (*grids, Grid(None, None, None, outside, None)) if outside else tuple(grids)

    def _draw_village(self, release: LiveRelease, code: str) -> Map | None:
        borders = self._kept_borders(release)
        if code not in borders.codes:
            return None
        own = borders.codes.index(code)
        village = borders.geometries[own]
        west, south, east, north = village.bounds
        around = shapely.box(west, south, east, north).buffer(_AROUND * max(east - west, north - south))
        near = [index for index in borders.tree.query(around) if index != own]
        grids = [
            Area(grid.code or "", grid.name or "", grid.geometry, grid.residents)
            for grid in self.grids(release, code)
            if grid.geometry is not None
        ]
        buildings = base_rows(self._hub, release, "building", ["geometry"], pc.field("division_code") == code)
        footprints = shapely.from_wkb(buildings["geometry"].drop_null().to_pylist())
        return draw(village, grids, [self._area(borders, index) for index in near], list(footprints))

    def _draw_division(self, release: LiveRelease, residents: tuple[tuple[str, int], ...]) -> Map | None:
        borders = self._kept_borders(release)
        counted = dict(residents)
        inside = [index for index, code in enumerate(borders.codes) if code in counted]
        if not inside:
            return None
        areas = [self._area(borders, index, counted[borders.codes[index]]) for index in inside]
        return draw(shapely.union_all(borders.geometries[inside]), areas)

    def _read_borders(self, release: LiveRelease) -> _Borders:
        columns = ["division_code", "division_name", "geometry"]
        with_border = (pc.field("division_level_code") == "village") & pc.field("geometry").is_valid()
        rows = base_rows(self._hub, release, "division", columns, with_border).sort_by("division_code")
        geometries = np.array(shapely.from_wkb(rows["geometry"].to_pylist()), dtype=object)
        return _Borders(
            rows["division_code"].to_pylist(),
            rows["division_name"].to_pylist(),
            geometries,
            shapely.STRtree(geometries),
        )

    def _area(self, borders: _Borders, index: int, residents: int = 0) -> Area:
        return Area(borders.codes[index], borders.names[index], borders.geometries[index], residents)
