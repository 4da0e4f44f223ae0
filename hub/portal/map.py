"""A map as plain shapes for an inline SVG: projected to metres, north up, cut to the view box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

__all__ = ["Area", "Band", "Frame", "Map", "Shape", "bands", "draw", "label_place", "svg_path"]

_MARGIN = 0.06
_SIMPLIFY = 0.4  # view-box units: finer than a screen shows
_LABEL_RADIUS = 18.0
_NEIGHBOUR_LABEL_RADIUS = 34.0
_BANDS = 5


@dataclass(frozen=True)
class Area:
    """Something to draw: a polygon in EPSG:4490, longitude first, and how many residents it has."""

    code: str
    name: str
    geometry: BaseGeometry
    residents: int = 0


@dataclass(frozen=True)
class Band:
    """One colour of the map: from so many residents to so many, both included."""

    low: int
    high: int


@dataclass(frozen=True)
class Shape:
    """One area in view-box units.

    Attributes:
        path: SVG path data.
        label: Where its label has room, or None.
        band: Index of its colour.
    """

    area: Area
    path: str
    label: tuple[float, float] | None
    band: int = 0


@dataclass(frozen=True)
class Map:
    """All that the SVG needs; lengths in view-box units.

    Attributes:
        outline: Path data of the border of what the map is about.
        buildings: Path data of all buildings together.
        scale_metres: What the scale bar stands for.
        scale_length: How long the bar is.
    """

    width: int
    height: int
    outline: str
    neighbours: tuple[Shape, ...]
    areas: tuple[Shape, ...]
    buildings: str
    bands: tuple[Band, ...]
    scale_metres: int
    scale_length: float


@dataclass(frozen=True)
class Frame:
    """From longitude and latitude to view-box units: a transverse Mercator about the middle, then scaled and flipped.

    Attributes:
        scale: View-box units a metre.
        left: Metres east of the middle at the left edge.
        top: Metres north of the middle at the top edge.
    """

    width: int
    height: int
    transformer: pyproj.Transformer
    scale: float
    left: float
    top: float

    @classmethod
    def around(cls, geometry: BaseGeometry, width: int = 720, height: int = 540) -> Frame:
        """Make the frame in which a geometry fills the view box but for a margin.

        Raises:
            ValueError: The geometry is empty or not on Earth.
        """
        west, south, east, north = geometry.bounds
        if not (-180 <= west <= east <= 180 and -85 <= south <= north <= 85):
            raise ValueError("a map needs a geometry with longitudes and latitudes")
        place = f"+proj=tmerc +lon_0={(west + east) / 2:.6f} +lat_0={(south + north) / 2:.6f} +ellps=GRS80 +units=m"
        transformer = pyproj.Transformer.from_crs("EPSG:4490", place, always_xy=True)
        left, bottom, right, top = transformer.transform_bounds(west, south, east, north)
        across, up = max(right - left, 1.0), max(top - bottom, 1.0)
        scale = (1 - 2 * _MARGIN) * min(width / across, height / up)
        middle_x, middle_y = (left + right) / 2, (bottom + top) / 2
        return cls(width, height, transformer, scale, middle_x - width / 2 / scale, middle_y + height / 2 / scale)

    def project(self, geometries: Sequence[BaseGeometry]) -> list[BaseGeometry]:
        """Bring geometries into view-box units and cut them to the view box; what is not in sight becomes empty."""
        if not geometries:
            return []
        moved = shapely.transform(np.array(geometries, dtype=object), self._move)
        # A point the projection cannot show comes out as infinite.
        moved[~np.isfinite(shapely.bounds(moved)).all(axis=1)] = shapely.Polygon()
        box = shapely.box(0, 0, self.width, self.height)
        return list(shapely.intersection(shapely.make_valid(moved), box))

    def _move(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        east, north = self.transformer.transform(points[:, 0], points[:, 1])
        return np.column_stack([(east - self.left) * self.scale, (self.top - north) * self.scale])


def draw(
    outline: BaseGeometry,
    areas: Sequence[Area],
    neighbours: Sequence[Area] = (),
    buildings: Sequence[BaseGeometry] = (),
) -> Map:
    """Draw areas coloured by residents, with buildings over and neighbours' outlines under them.

    Args:
        outline: The border of what the map is about; it fills the view box.
        areas: What is coloured: a village's grids, a town's villages.
        neighbours: What lies around.
        buildings: Footprints.

    Raises:
        ValueError: The outline is empty or not on Earth.
    """
    frame = Frame.around(outline)
    legend = bands(max((area.residents for area in areas), default=0))
    metres, length = _scale_bar(frame)
    return Map(
        width=frame.width,
        height=frame.height,
        outline="".join(svg_path(shape) for shape in frame.project([outline])),
        neighbours=_shapes(frame, neighbours, _NEIGHBOUR_LABEL_RADIUS, ()),
        areas=_shapes(frame, areas, _LABEL_RADIUS, legend),
        buildings="".join(svg_path(shape) for shape in frame.project(buildings)),
        bands=legend,
        scale_metres=metres,
        scale_length=length,
    )


def bands(most: int) -> tuple[Band, ...]:
    """Cut 0 … `most` residents into at most five bands of equal, round width."""
    width = _round_up((most + 1) / _BANDS)
    return tuple(Band(low, low + width - 1) for low in range(0, most + 1, width))


def svg_path(projected: BaseGeometry) -> str:
    """SVG path data of the polygons of a geometry in view-box units, to a tenth of a unit."""
    polygons = _polygons(shapely.simplify(projected, _SIMPLIFY))
    return "".join(_ring(ring.coords) for polygon in polygons for ring in (polygon.exterior, *polygon.interiors))


def label_place(projected: BaseGeometry, radius: float) -> tuple[float, float] | None:
    """The middle of the largest circle inside a geometry, if its radius is at least so large."""
    largest = max(_polygons(projected), key=lambda polygon: polygon.area, default=None)
    if largest is None:
        return None
    spoke = shapely.maximum_inscribed_circle(largest, tolerance=1.0)
    x, y = spoke.coords[0]
    return (round(x, 1), round(y, 1)) if spoke.length >= radius else None


def _shapes(frame: Frame, areas: Sequence[Area], radius: float, legend: Sequence[Band]) -> tuple[Shape, ...]:
    projected = frame.project([area.geometry for area in areas])
    return tuple(
        Shape(area, svg_path(shape), label_place(shape, radius), _band(area.residents, legend))
        for area, shape in zip(areas, projected, strict=True)
        if not shape.is_empty
    )


def _band(residents: int, legend: Sequence[Band]) -> int:
    return next((index for index, band in enumerate(legend) if band.low <= residents <= band.high), 0)


def _scale_bar(frame: Frame) -> tuple[int, float]:
    """The longest of 1, 2, 5, 10, … metres that takes at most a quarter of the width."""
    room = frame.width / 4 / frame.scale
    magnitude = 10 ** math.floor(math.log10(max(room, 1.0)))
    metres = next((step * magnitude for step in (5, 2) if step * magnitude <= room), magnitude)
    return metres, round(metres * frame.scale, 1)


def _round_up(value: float) -> int:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on."""
    magnitude = 10 ** max(math.floor(math.log10(value)), 0) if value > 0 else 1
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value)


def _polygons(geometry: BaseGeometry) -> list[shapely.Polygon]:
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if isinstance(part, shapely.Polygon) and not part.is_empty]


def _ring(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in list(points)[:-1]) + "Z"
