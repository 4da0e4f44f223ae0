"""Points in polygons and polygons beside polygons: the grid of an address, borders that tile, areas in square metres.

Vectorised by shapely; geometries are WKB in EPSG:4490, longitude first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

__all__ = ["GRID_DIGITS", "LOCATED", "GridIndex", "Locator", "areas", "gaps", "outside", "overlaps", "shapes_of"]

Shapes = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]

GRID_DIGITS = 15
"""Digits of a grid's code; that of a micro-grid (微网格), which lies in a grid, has three more."""

_AUTHALIC_RADIUS_M = 6_371_007.2
"""Radius of the sphere that has the ellipsoid's area; areas by it are right to half a percent."""


@dataclass(frozen=True)
class GridIndex:
    """An index over grid polygons.

    Attributes:
        codes: Grid codes, sorted, so that a point on a border goes to the lowest code, always the same.
    """

    codes: npt.NDArray[np.object_]
    tree: shapely.STRtree

    @classmethod
    def build(cls, grids: pa.Table) -> GridIndex:
        """Index a table with columns `grid_code` and `geometry` (WKB, EPSG:4490)."""
        ordered = grids.sort_by("grid_code")
        polygons = shapely.from_wkb(ordered["geometry"].to_numpy(zero_copy_only=False))
        return cls(ordered["grid_code"].to_numpy(zero_copy_only=False), shapely.STRtree(polygons))

    def codes_at(self, points: Shapes) -> npt.NDArray[np.object_]:
        """The code of the polygon each point lies in, the lowest of several; None where there is none."""
        found = np.full(len(points), None, dtype=object)
        hits, polygons = self.tree.query(points, predicate="intersects")
        order = np.lexsort((-polygons, hits))  # the lowest code is written last and stays
        found[hits[order]] = self.codes[polygons[order]]
        return found


@dataclass(frozen=True)
class Locator:
    """Where addresses lie: in which grid, and in which micro-grid of it."""

    grids: GridIndex
    micro_grids: GridIndex

    @classmethod
    def build(cls, grids: pa.Table) -> Locator:
        """Index a table with columns `grid_code` (18 digits: a micro-grid) and `geometry` (WKB, EPSG:4490)."""
        is_micro = pc.greater(pc.utf8_length(grids["grid_code"]), GRID_DIGITS)
        return cls(GridIndex.build(grids.filter(pc.invert(is_micro))), GridIndex.build(grids.filter(is_micro)))

    def locate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Turn `address_code`, `geometry` (WKB points) into `LOCATED`.

        A point outside every grid has null codes; so has the micro-grid code of one that lies in another grid's.
        """
        for batch in batches:
            points = shapely.from_wkb(batch["geometry"].to_numpy(zero_copy_only=False))
            grids, micro_grids = self.grids.codes_at(points), self.micro_grids.codes_at(points)
            pairs = zip(grids, micro_grids, strict=True)
            inside = [micro if grid and micro and micro.startswith(grid) else None for grid, micro in pairs]
            yield pa.record_batch(
                [
                    batch["address_code"],
                    pa.array(shapely.get_x(points), pa.float64(), from_pandas=True),
                    pa.array(shapely.get_y(points), pa.float64(), from_pandas=True),
                    pa.array(grids, pa.string()),
                    pa.array(inside, pa.string()),
                ],
                schema=LOCATED,
            )


LOCATED = pa.schema(
    [
        ("address_code", pa.string()),
        ("longitude", pa.float64()),
        ("latitude", pa.float64()),
        ("grid_code", pa.string()),
        ("micro_grid_code", pa.string()),
    ]
)
"""What `Locator.locate` gives."""


def shapes_of(column: pa.ChunkedArray) -> Shapes:
    """Polygons of a WKB column on a plane in which areas are square metres; None stays None.

    The plane is the equal-area cylinder, so forms are distorted and distances on it mean nothing.
    """
    shapes = shapely.from_wkb(np.array(column.to_pylist(), dtype=object))
    flat: Shapes = shapely.transform(shapes, _to_equal_area)
    invalid = ~shapely.is_valid(flat) & ~shapely.is_missing(flat)
    flat[invalid] = shapely.make_valid(flat[invalid])
    return flat


def _to_equal_area(degrees: Floats) -> Floats:
    radians = np.radians(degrees)
    flat: Floats = np.column_stack((radians[:, 0], np.sin(radians[:, 1]))) * _AUTHALIC_RADIUS_M
    return flat


def areas(shapes: Shapes) -> Floats:
    """Areas in square metres; NaN where there is no shape."""
    return np.where(shapely.is_missing(shapes), np.nan, shapely.area(shapes))


def overlaps(shapes: Shapes, groups: Sequence[str]) -> Floats:
    """For each shape the area it shares with others of its group, in square metres; NaN where there is no shape."""
    kind = np.asarray(groups, dtype=object)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = (one < other) & (kind[one] == kind[other])
    one, other = one[pairs], other[pairs]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    found = np.bincount(one, shared, len(shapes)) + np.bincount(other, shared, len(shapes))
    return np.where(shapely.is_missing(shapes), np.nan, found)


def outside(shapes: Shapes, wholes: Shapes) -> Floats:
    """For each shape the area that lies outside its own whole, in square metres; NaN where either is missing."""
    missing = shapely.is_missing(shapes) | shapely.is_missing(wholes)
    return np.where(missing, np.nan, shapely.area(shapely.difference(shapes, wholes)))


def gaps(wholes: Shapes, parts: Sequence[Shapes]) -> Floats:
    """For each whole the area that its parts leave uncovered, in square metres.

    NaN where the whole has no shape, no parts, or a part without shape: then nothing can be said.
    """
    found = np.full(len(wholes), np.nan)
    for place, (whole, own) in enumerate(zip(wholes, parts, strict=True)):
        if whole is not None and len(own) and not shapely.is_missing(own).any():
            found[place] = shapely.area(shapely.difference(whole, shapely.union_all(own)))
    return found
