"""Points in polygons: which grid a standard address lies in. Vectorised by shapely, streamed by Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

__all__ = ["GridIndex"]


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
            found = np.full(len(points), None, dtype=object)
            hits, polygons = self.tree.query(points, predicate="intersects")
            order = np.lexsort((-polygons, hits))  # the lowest code is written last and stays
            found[hits[order]] = self.codes[polygons[order]]
            yield pa.record_batch(
                {
                    "address_code": batch["address_code"],
                    "longitude": pa.array(shapely.get_x(points), pa.float64(), from_pandas=True),
                    "latitude": pa.array(shapely.get_y(points), pa.float64(), from_pandas=True),
                    "grid_code": pa.array(found, pa.string()),
                }
            )
