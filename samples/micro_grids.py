"""Micro-grids (微网格): a town's grid of many households is cut into strips of about sixty, from west to east."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from samples.community import Community
from samples.draw import Ints

__all__ = ["HOUSEHOLDS_A_MICRO_GRID", "MicroGrids", "cut_micro_grids"]

HOUSEHOLDS_A_MICRO_GRID = 60
"""Cities cut them to 50 to 100 households; villages in the country have none."""


@dataclass(frozen=True)
class MicroGrids:
    """One entry a micro-grid, in order of grids; `shape` is in metres of the plane system.

    Attributes:
        grid: Index of the grid it is cut from.
        number: From 1 within its grid.
    """

    grid: Ints
    number: Ints
    shape: Any


def cut_micro_grids(community: Community) -> MicroGrids:
    """Cut the grids of urban units that have more than a micro-grid's households, each strip with equally many."""
    addresses, territory = community.addresses, community.territory
    home_of = community.dwelling_address
    grid_of = community.buildings.grid[addresses.building[home_of]]
    urban = np.array([unit.urban for unit in community.county.units])[territory.grid_unit]
    households = np.bincount(grid_of, minlength=len(urban))
    found: list[tuple[int, int, Any]] = []
    for grid in np.flatnonzero(urban & (households > HOUSEHOLDS_A_MICRO_GRID)):
        parts = -(-int(households[grid]) // HOUSEHOLDS_A_MICRO_GRID)
        east = addresses.point[home_of[grid_of == grid], 0]
        strips = _strips(territory.grids[grid], np.quantile(east, np.arange(1, parts) / parts))
        found += [(int(grid), number, shape) for number, shape in enumerate(strips, 1)]
    numbers = np.array([[grid, number] for grid, number, _ in found], dtype=np.int64).reshape(-1, 2)
    return MicroGrids(numbers[:, 0], numbers[:, 1], np.array([shape for _, _, shape in found], dtype=object))


def _strips(polygon: Any, cuts: Any) -> list[Any]:
    west, south, east, north = polygon.bounds
    edges = [west, *cuts.tolist(), east]
    boxes = [shapely.box(left, south, right, north) for left, right in pairwise(edges)]
    return [part for part in (shapely.intersection(polygon, box) for box in boxes) if part.area > 0]
