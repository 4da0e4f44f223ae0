"""Borders tile: no gap, no overlap, every part in one piece, in each reference system."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from samples.community import Community
from samples.divisions import find_counties
from samples.draw import generator
from samples.geography import GEOGRAPHIC, PLANE, county_outline, draw_territory, transform
from samples.split import mend, split


@given(st.lists(st.floats(0.2, 5), min_size=1, max_size=12), st.integers(0, 50), st.integers(0, 5))
@settings(deadline=None)
def test_split_gives_every_point_away_and_every_part_its_share(weights, more, seed):
    points = generator(seed, "points").random((len(weights) * 4 + more, 2))
    label = split(generator(seed, "cuts"), points, weights)
    counts = np.bincount(label, minlength=len(weights))
    assert counts.sum() == len(points)
    assert counts.min() >= 1
    assert np.all(np.abs(counts - len(points) * np.array(weights) / sum(weights)) < len(weights) + 1)


def test_split_refuses_more_parts_than_points():
    with pytest.raises(ValueError, match="2 points cannot be divided among 3 parts"):
        split(generator(1, "cuts"), np.zeros((2, 2)), [1, 1, 1])


def test_mend_gives_loose_pieces_to_neighbours_of_the_same_parent():
    line = np.column_stack((np.arange(6), np.arange(1, 7)))
    mended = mend(np.array([0, 0, 1, 0, 1, 1, 1]), np.zeros(7, dtype=np.int64), line)
    assert mended.tolist() == [0, 0, 0, 1, 1, 1, 1]
    parents = np.array([0, 0, 0, 1, 1, 1, 1])
    # Point 3 is alone in its parent's part of the line beside 4; it must not join part 1 of the other parent.
    kept = mend(np.array([0, 0, 1, 2, 3, 2, 2]), parents, line)
    assert kept[:3].tolist() == [0, 0, 1]
    assert kept[3] == 3


@pytest.mark.parametrize("code", ["320305", "320102", "321371"])
def test_towns_units_and_grids_tile_the_county(code):
    (county,) = find_counties(code)
    grids = np.arange(len(county.units)) % 5 + 1
    land = draw_territory(2, county, grids)
    assert np.array_equal(np.bincount(land.grid_unit), grids)
    area = shapely.area(land.grids)
    assert np.allclose(np.bincount(land.grid_unit, weights=area), shapely.area(land.units), rtol=1e-9)
    towns = np.array([unit.town for unit in county.units])
    assert np.allclose(np.bincount(towns, weights=shapely.area(land.units)), shapely.area(land.towns), rtol=1e-9)
    for shapes in (land.towns, land.units, land.grids, transform(land.grids, PLANE, GEOGRAPHIC, 9)):
        assert shapely.is_valid(shapes).all()
        assert shapely.coverage_is_valid(shapes)
    assert np.isclose(shapely.union_all(land.units).area, shapely.area(land.grids).sum(), rtol=1e-9)
    assert set(shapely.get_type_id(land.grids).tolist()) == {shapely.GeometryType.POLYGON}


def test_a_county_has_a_realistic_size_and_place():
    (county,) = find_counties("320305")
    land = draw_territory(1, county, np.ones(134, dtype=np.int64))
    assert 400e6 < shapely.area(land.units).sum() < 800e6
    x, y = shapely.get_coordinates(transform(shapely.union_all(land.towns).centroid, PLANE, GEOGRAPHIC, 6))[0]
    assert 116.3 < x < 118.5
    assert 33.7 < y < 35.0


def test_neighbouring_counties_do_not_overlap():
    outlines = [county_outline(county) for county in find_counties("3203")]
    for index, outline in enumerate(outlines):
        for other in outlines[index + 1 :]:
            assert outline.intersection(other).area < 1
    land = [
        draw_territory(1, find_counties(code)[0], np.ones(n, dtype=np.int64))
        for code, n in (("320302", 73), ("320303", 88))
    ]
    assert shapely.union_all(land[0].units).intersection(shapely.union_all(land[1].units)).area == 0


def test_grids_of_a_unit_are_numbered_from_west_to_east(community: Community):
    (county,) = find_counties("320305")
    land = draw_territory(1, county, np.full(134, 3))
    middle = shapely.get_x(shapely.centroid(land.grids)).reshape(-1, 3)
    # The order is by the middle of the cells in steps of 500 m, so only clear cases are asserted.
    clear = np.ptp(middle, axis=1) > 1500
    assert clear.sum() > 20
    assert np.all(middle[clear, 2] > middle[clear, 0])
