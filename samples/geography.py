"""Synthetic borders: a county where it roughly lies, tiled without gap by towns, units and grids with common vertices.

Every polygon is a union of small Voronoi cells whose vertices are rounded once, so neighbours agree to the last digit.
Nothing here is a real border: the province is a rough outline and everything inside is drawn by chance.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from samples.divisions import County, read_rows
from samples.draw import Bools, Floats, Ints, generator
from samples.split import mend, split

PLANE = "EPSG:4548"  # metres, central meridian 117E
GEOGRAPHIC = "EPSG:4490"
# Rough corners of the province and centres of the thirteen prefectures, degrees, to a tenth or so.
OUTLINE = (
    "116.4 34.7,116.8 34.95,117.6 34.6,118.2 34.5,118.5 34.7,119.2 35.1,119.4 34.75,120.2 34.35,120.6 33.7,120.9 33.0,"
    "121.0 32.6,121.5 32.1,121.9 31.7,121.3 31.5,120.9 31.0,120.5 30.8,119.9 31.1,119.5 31.15,118.9 31.2,118.7 31.5,"
    "118.4 31.9,118.6 32.5,119.1 32.5,119.1 32.9,118.3 32.9,118.2 33.3,117.9 33.4,117.8 33.8,117.3 34.0,116.9 34.2"
)
CENTRES = {
    "3201": (118.80, 32.06),
    "3202": (120.31, 31.49),
    "3203": (117.28, 34.20),
    "3204": (119.97, 31.81),
    "3205": (120.59, 31.30),
    "3206": (120.89, 31.98),
    "3207": (119.22, 34.60),
    "3208": (119.02, 33.61),
    "3209": (120.16, 33.35),
    "3210": (119.41, 32.39),
    "3211": (119.45, 32.20),
    "3212": (119.92, 32.46),
    "3213": (118.28, 33.96),
}
COARSE_STEP = 3_000.0  # metres between the points the province is divided with
CELLS_A_UNIT = 48
CELLS_A_GRID = 10
JITTER = 0.36


@dataclass(frozen=True)
class Territory:
    """The polygons of a county in metres of `PLANE`, and the unit of each grid; grids are in the order of units."""

    towns: Any
    units: Any
    grids: Any
    grid_unit: Ints


def draw_territory(seed: int, county: County, grids_by_unit: Ints) -> Territory:
    """Draw a county whose units have the given numbers of grids.

    Raises:
        ValueError: the county's coarse outline is too small for its units; the code list has no such county today.
    """
    rng = generator(seed, "geography", county.code)
    weights = np.array([0.7 if unit.urban else 1.25 for unit in county.units])
    weights *= 0.7 + 0.6 * rng.random(len(weights))
    share = weights / weights.sum()
    wanted = int(max(CELLS_A_UNIT * len(share), (grids_by_unit * CELLS_A_GRID / share).max()))
    points, cells, edges = _cells(rng, county_outline(county), wanted)
    town_of = np.array([unit.town for unit in county.units])
    whole = np.zeros(len(points), dtype=np.int64)
    town_label = split(rng, points, list(np.bincount(town_of, weights=weights, minlength=len(county.towns))))
    town_label = mend(town_label, whole, edges)
    unit_label = mend(_split_again(rng, points, town_label, town_of, weights), town_label, edges)
    owner = np.repeat(np.arange(len(share)), grids_by_unit)
    grid_label = mend(_split_again(rng, points, unit_label, owner, np.ones(len(owner))), unit_label, edges)
    grid_label = _west_to_east(points, grid_label, owner)
    grids = _unions(cells, grid_label)
    units = _unions(grids, owner)
    return Territory(_unions(units, town_of), units, grids, owner)


def transform(shapes: Any, source: str, target: str, decimals: int) -> Any:
    """Carry geometries to another reference system, x or longitude first; equal rounding keeps borders common."""
    convert = Transformer.from_crs(source, target, always_xy=True)

    def move(coordinates: Floats) -> Floats:
        return np.round(np.column_stack(convert.transform(coordinates[:, 0], coordinates[:, 1])), decimals)

    return shapely.transform(shapes, move)


@lru_cache(maxsize=1)
def _province() -> tuple[Floats, Any, Ints, tuple[str, ...]]:
    """The coarse points of the province, their cells, the county of each, the county codes: the same for every seed."""
    corners = np.array([[float(value) for value in pair.split()] for pair in OUTLINE.split(",")])
    convert = Transformer.from_crs(GEOGRAPHIC, PLANE, always_xy=True)
    outline = shapely.Polygon(np.column_stack(convert.transform(corners[:, 0], corners[:, 1])))
    rng = generator(0, "province")
    points = _lattice(rng, outline.bounds, COARSE_STEP)
    points = points[shapely.contains_xy(outline, points)]
    villages = [row["code"][:6] for row in read_rows() if row["level"] == "village"]
    codes, counts = np.unique(villages, return_counts=True)
    prefectures = np.array([code[:4] for code in codes])
    centres = np.array([CENTRES[name] for name in CENTRES])
    anchors = np.column_stack(convert.transform(centres[:, 0], centres[:, 1]))
    sizes = [float(counts[prefectures == name].sum()) for name in CENTRES]
    prefecture_label = split(rng, points, sizes, anchors)
    owner = np.searchsorted(np.array(list(CENTRES)), prefectures)
    label = _split_again(rng, points, prefecture_label, owner, counts.astype(np.float64))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points), ordered=True))
    return points, cells, label, tuple(codes)


def county_outline(county: County) -> Any:
    """The rough outline of a county in metres; outlines of two counties do not overlap."""
    points, cells, label, codes = _province()
    mine = label == codes.index(county.prefix)
    return shapely.union_all(cells[mine]).intersection(shapely.MultiPoint(points[mine]).buffer(COARSE_STEP))


def _lattice(rng: np.random.Generator, bounds: Any, step: float) -> Floats:
    columns = np.arange(bounds[0] - step, bounds[2] + step, step)
    rows = np.arange(bounds[1] - step, bounds[3] + step, step)
    points = np.stack(np.meshgrid(columns, rows), axis=-1)
    points[1::2, :, 0] += step / 2
    return (points + (rng.random(points.shape) * 2 - 1) * JITTER * step).reshape(-1, 2)


def _cells(rng: np.random.Generator, outline: Any, wanted: int) -> tuple[Floats, Any, Ints]:
    """About `wanted` points inside the outline, the Voronoi cell of each, and which are neighbours.

    The cells at the rim make the county's crooked border.
    """
    step = float(np.sqrt(outline.area / wanted))
    points = _lattice(rng, outline.buffer(2 * step).bounds, step)
    points = points[shapely.contains_xy(outline.buffer(2.5 * step), points)]
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points), ordered=True))
    # Half a step inside, so that the cells of two neighbouring counties do not overlap.
    inside = shapely.contains_xy(outline.buffer(-0.7 * step), points)
    rounded = shapely.transform(cells[inside], lambda coordinates: np.round(coordinates, 2))
    return points[inside], rounded, _neighbours(points, inside)


def _neighbours(points: Floats, inside: Bools) -> Ints:
    """Pairs of inner points whose cells meet, as indices among the inner points."""
    triangles = shapely.delaunay_triangles(shapely.MultiPoint(points), only_edges=True)
    ends = shapely.get_coordinates(shapely.get_parts(triangles))
    order = np.lexsort((points[:, 1], points[:, 0]))
    # The triangulation gives the points back unchanged, so an exact look-up by coordinates finds them.
    keys = points[order, 0] + 1j * points[order, 1]
    index = order[np.searchsorted(keys, ends[:, 0] + 1j * ends[:, 1])].reshape(-1, 2)
    number = np.cumsum(inside) - 1
    return np.asarray(number[index[inside[index].all(axis=1)]], dtype=np.int64)


def _split_again(rng: np.random.Generator, points: Floats, label: Ints, owner: Ints, weights: Floats) -> Ints:
    """Divide the points of each part of `label` among the smaller parts it owns; parts owned lie in a row."""
    finer = np.empty(len(points), dtype=np.int64)
    for part in range(int(label.max()) + 1):
        mine, owned = np.flatnonzero(label == part), np.flatnonzero(owner == part)
        finer[mine] = owned[split(rng, points[mine], list(weights[owned]))]
    return finer


def _west_to_east(points: Floats, label: Ints, owner: Ints) -> Ints:
    """Number the grids of each unit from west to east, those in a line from north to south."""
    size = np.bincount(label, minlength=len(owner))
    middle = [np.bincount(label, weights=points[:, axis], minlength=len(owner)) / size for axis in (0, 1)]
    order = np.lexsort((-middle[1], np.round(middle[0] / 500), owner))
    number = np.empty(len(owner), dtype=np.int64)
    number[order] = np.arange(len(owner))
    return number[label]


def _unions(shapes: Any, label: Ints) -> Any:
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(int(label.max()) + 1))
    groups = np.split(shapes[order], starts[1:])
    return np.array([shapely.coverage_union_all(group) for group in groups])
