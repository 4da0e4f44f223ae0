"""Maps: whatever the geometry, paths are numbers inside the view box, and distances on them are true."""

from __future__ import annotations

import itertools
import math
import re

import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.portal.map import Area, Frame, bands, draw, label_place, svg_path

VILLAGE = shapely.Point(117.42, 34.38).buffer(0.02)
FRAME = Frame.around(VILLAGE)

near = st.tuples(st.floats(117.38, 117.46), st.floats(34.34, 34.42))
anywhere = st.tuples(st.floats(-200, 200), st.floats(-100, 100))
rings = st.lists(near | anywhere, min_size=3, max_size=12)


def numbers(path: str) -> list[tuple[float, float]]:
    """Points of path data; fails on anything but M, L, Z and numbers."""
    assert re.fullmatch(r"(M-?[\d.]+,-?[\d.]+(L-?[\d.]+,-?[\d.]+)*Z)*", path), path
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)]


@given(st.lists(rings, min_size=1, max_size=3))
def test_paths_stay_inside_the_view_box_whatever_comes(shapes: list[list[tuple[float, float]]]) -> None:
    # Rings as they come: crossing themselves, flat, half a world away, off the Earth.
    polygons = [shapely.Polygon(points) for points in shapes]
    geometries = [*polygons, shapely.GeometryCollection(polygons), shapely.Polygon(), shapely.Point(shapes[0][0])]
    for projected in FRAME.project(geometries):
        for x, y in numbers(svg_path(projected)):
            assert math.isfinite(x + y)
            assert 0 <= x <= FRAME.width
            assert 0 <= y <= FRAME.height
        place = label_place(projected, 0)
        assert place is None or (0 <= place[0] <= FRAME.width and 0 <= place[1] <= FRAME.height)


@settings(max_examples=30)
@given(st.tuples(st.floats(-179, 179), st.floats(-84, 84)), st.floats(1e-7, 0.5), st.floats(1e-7, 0.5))
def test_any_village_fills_its_frame(corner: tuple[float, float], width: float, height: float) -> None:
    village = shapely.box(corner[0], corner[1], corner[0] + width, corner[1] + height)
    frame = Frame.around(village)
    points = numbers(svg_path(frame.project([village])[0]))
    if width > 1e-4 and height > 1e-4:
        across = max(x for x, _ in points) - min(x for x, _ in points)
        up = max(y for _, y in points) - min(y for _, y in points)
        assert across / frame.width > 0.8 or up / frame.height > 0.8


@pytest.mark.parametrize("village", [shapely.Polygon(), shapely.box(400_000, 3_800_000, 400_100, 3_800_100)])
def test_a_village_that_is_nowhere_is_refused(village: shapely.Polygon) -> None:
    with pytest.raises(ValueError, match="longitudes and latitudes"):
        Frame.around(village)


def test_north_is_up_and_east_is_right() -> None:
    west, east, north = (
        shapely.box(x, y, x + 0.001, y + 0.001) for x, y in ((117.41, 34.38), (117.43, 34.38), (117.41, 34.39))
    )
    at = [shapely.centroid(shape) for shape in FRAME.project([west, east, north])]
    assert at[1].x > at[0].x
    assert at[2].y < at[0].y


def test_the_scale_bar_is_true() -> None:
    drawn = draw(VILLAGE, [])
    assert drawn.scale_length <= drawn.width / 4
    assert str(drawn.scale_metres)[0] in "125"
    # As long as the bar, laid on the ground by the ellipsoid.
    geod = pyproj.Geod(ellps="GRS80")
    longitude, latitude, _ = geod.fwd(117.42, 34.38, 90, drawn.scale_metres)
    line = FRAME.project([shapely.box(117.42, 34.38, longitude, latitude + 1e-6)])[0]
    assert line.bounds[2] - line.bounds[0] == pytest.approx(drawn.scale_length, abs=0.1)


@given(st.integers(0, 10_000_000))
def test_bands_cover_all_residents_once(most: int) -> None:
    found = bands(most)
    assert 1 <= len(found) <= 5
    assert found[0].low == 0
    assert found[-1].low <= most <= found[-1].high
    assert all(below.high + 1 == above.low for below, above in itertools.pairwise(found))
    assert len({band.high - band.low for band in found}) == 1


def test_areas_get_the_colour_of_their_band_and_the_far_ones_are_left_out() -> None:
    halves = [shapely.box(117.40, 34.36, 117.42, 34.40), shapely.box(117.42, 34.36, 117.44, 34.40)]
    grids = [Area("001", "第一网格", halves[0], 90), Area("002", "第二网格", halves[1], 10)]
    far = Area("far", "远村", shapely.box(118, 35, 118.1, 35.1))
    beside = Area("beside", "邻村", shapely.box(117.44, 34.36, 117.48, 34.40))
    drawn = draw(VILLAGE, grids, [far, beside], [shapely.box(117.41, 34.38, 117.4105, 34.3805)])
    assert [shape.band for shape in drawn.areas] == [len(drawn.bands) - 1, 0]
    assert [shape.area.code for shape in drawn.neighbours] == ["beside"]
    assert all(shape.label for shape in drawn.areas)
    assert drawn.areas[0].label[0] < drawn.areas[1].label[0]  # type: ignore[index]
    assert numbers(drawn.buildings)
