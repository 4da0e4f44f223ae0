"""Points as WKB without an object for each, held against shapely; and what is no such point is left to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from connectors.plain_points import places_of, wkb_of
from connectors.wfs_axes import swapped

POINT = shapely.to_wkb(shapely.Point(117.5, 34.5))
number = st.floats(allow_nan=False, allow_infinity=False)
OTHERS = {
    "height": shapely.to_wkb(shapely.Point(117.5, 34.5, 9)),
    "big endian": shapely.to_wkb(shapely.Point(117.5, 34.5), byte_order=0),
    "SRID": shapely.to_wkb(shapely.set_srid(shapely.Point(117.5, 34.5), 4490), include_srid=True),
    "no place": shapely.to_wkb(shapely.Point()),
    "half a place": shapely.to_wkb(shapely.Point(117.5, math.nan)),
    "beyond all": shapely.to_wkb(shapely.Point(math.inf, 34.5)),
    "line": shapely.to_wkb(shapely.LineString([(117, 34), (118, 35)])),
    "as long": b"x" * len(POINT),
    "nothing": b"",
}


@given(st.lists(st.tuples(number, number), min_size=1, max_size=4))
def test_points_are_as_shapely_writes_them(places: list[tuple[float, float]]) -> None:
    points = wkb_of(np.array(places))
    assert points == [shapely.to_wkb(shapely.Point(place)) for place in places]
    found = places_of(points)
    assert found is not None
    assert [tuple(place) for place in found.tolist()] == places


def test_of_no_points_there_are_no_places() -> None:
    found = places_of([])
    assert found is not None
    assert found.shape == (0, 2)


@pytest.mark.parametrize("other", OTHERS)
def test_anything_else_is_no_plain_point(other: str) -> None:
    assert places_of([POINT, OTHERS[other]]) is None


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("other", OTHERS)
def test_points_are_turned_alike_whatever_is_beside_them(other: str, turn: bool) -> None:
    plain = [POINT, None, shapely.to_wkb(shapely.Point(-0.0, 34.25))]
    with_another = swapped([*plain, OTHERS[other]], turn=turn)
    assert swapped(plain, turn=turn) == with_another[:3]
    assert with_another[0] == shapely.to_wkb(shapely.Point(34.5, 117.5) if turn else shapely.Point(117.5, 34.5))


def test_where_no_geometry_is_nothing_is_turned() -> None:
    assert swapped([None, None], turn=True) == [None, None]
    assert swapped([], turn=True) == []
