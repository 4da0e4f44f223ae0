"""Points in polygons and polygons beside polygons: the grid of an address, borders that tile, areas in square metres.

Vectorised by shapely; geometries are WKB in EPSG:4490, longitude first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

__all__ = ["GridIndex", "areas", "gaps", "outside", "overlaps", "shapes_of"]

Shapes = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]

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

    def locate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Turn `address_code`, `geometry` (WKB points) into `address_code`, `longitude`, `latitude`, `grid_code`.

        A point outside every grid has a null grid code.
        """
        for batch in batches:
            points = shapely.from_wkb(batch["geometry"].to_numpy(zero_copy_only=False))
            yield pa.record_batch(
                {
                    "address_code": batch["address_code"],
                    "longitude": pa.array(shapely.get_x(points), pa.float64(), from_pandas=True),
                    "latitude": pa.array(shapely.get_y(points), pa.float64(), from_pandas=True),
                    "grid_code": pa.array(self.codes_at(points), pa.string()),
                }
            )

    def codes_at(self, points: Shapes) -> npt.NDArray[np.object_]:
        """The code of the polygon each point lies in, the lowest of several; None where there is none."""
        found = np.full(len(points), None, dtype=object)
        hits, polygons = self.tree.query(points, predicate="intersects")
        order = np.lexsort((-polygons, hits))  # the lowest code is written last and stays
        found[hits[order]] = self.codes[polygons[order]]
        return found


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
