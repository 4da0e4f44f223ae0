"""Whatever comes as a geometry is placed or said; what has been read once reads the same again, without a word."""

from __future__ import annotations

import datetime as dt
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyproj import CRS

from connectors.coordinates import Shifted
from hub.conform.geometry import placed
from hub.reasons import Reason
from tests.hub.conform.reading import AS_OF, CODELISTS, column, read, read_values

LOWEST, HIGHEST = (73.0, 18.0), (136.0, 54.0)
SYSTEMS = [CRS.from_epsg(4490), CRS.from_epsg(4549), Shifted.GCJ_02, Shifted.BD_09]

number = st.floats(allow_nan=True, allow_infinity=True) | st.floats(10, 140) | st.floats(300_000, 4_500_000)
pair = st.tuples(number, number)
county = st.tuples(st.floats(117, 118), st.floats(34, 35))


def as_wkb(kind: int, rings: list[list[tuple[float, float]]]) -> bytes:
    """Little-endian WKB of a point (1), a line (2) or a polygon (3), also of one that no library would write."""
    points = [struct.pack(f"<{2 * len(ring)}d", *(value for point in ring for value in point)) for ring in rings]
    counted = [struct.pack("<I", len(ring)) + packed for ring, packed in zip(rings, points, strict=True)]
    inner = {
        1: lambda: points[0][:16],
        2: lambda: counted[0],
        3: lambda: struct.pack("<I", len(rings)) + b"".join(counted),
    }
    return struct.pack("<BI", 1, kind) + inner[kind]()


ring = st.lists(pair, min_size=1, max_size=6) | st.lists(county, min_size=3, max_size=8).map(
    lambda ring: [*ring, ring[0]]
)
wkb = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.builds(as_wkb, st.sampled_from([1, 2, 3]), st.lists(ring, min_size=1, max_size=3)),
)


@settings(max_examples=100)
@given(came=st.lists(wkb, max_size=8), crs=st.sampled_from(SYSTEMS), operation=st.sampled_from(["point", "geometry"]))
@example(came=[b"", b"\x01", shapely.to_wkb(shapely.Point())], crs=SYSTEMS[0], operation="point")
def test_any_bytes_are_a_valid_geometry_of_the_country_or_said(
    came: list[bytes | None], crs: CRS | Shifted, operation: str
) -> None:
    found = placed(pa.array(came, pa.binary()), crs, operation)
    for sent, geometry, reason, original in zip(came, found.geometry, found.reason, found.original, strict=True):
        # Nothing that came is lost without a reason, and with one it is kept as it came.
        assert (geometry is None) <= (sent is None or reason is not None)
        assert (original is not None) == (reason is not None)
        assert reason is None or reason in set(Reason)
        if geometry is not None:
            bounds = np.array(geometry.bounds)
            assert shapely.is_valid(geometry)
            assert (bounds[:2] >= LOWEST).all()
            assert (bounds[2:] <= HIGHEST).all()
            assert operation != "point" or geometry.geom_type == "Point"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(73.1, 135.9), st.floats(18.1, 53.9)), min_size=1, max_size=8))
def test_a_placed_geometry_is_placed_as_it_is(points: list[tuple[float, float]]) -> None:
    sent = pa.array([shapely.to_wkb(shapely.Point(point)) for point in points], pa.binary())
    found = placed(sent, CRS.from_epsg(4490), "point")
    again = placed(pa.array(shapely.to_wkb(found.geometry), pa.binary()), CRS.from_epsg(4490), "point")
    assert not again.reason.any()
    assert np.array_equal(shapely.to_wkb(found.geometry), shapely.to_wkb(again.geometry))


LIKELY = "0123456789０１９Xx*'-./:+, \u3000年月日TZ男女M张李·•"
texts = st.one_of(st.none(), st.text(max_size=20), st.text(LIKELY, max_size=20))
AGAIN: dict[str, dict[str, Any]] = {
    "text": {},
    "person_name": {},
    "phone": {},
    "code": {"codelist": "sex"},
    "division_code": {},
    "resident_id": {},
    "credit_code": {},
    "integer": {"kind": "integer"},
    "number": {"kind": "number"},
    "date": {"kind": "date"},
    "timestamp": {"kind": "timestamp"},
}


def written(value: Any) -> str | None:
    """A value as a department that does everything right would write it."""
    if isinstance(value, float):
        return repr(value)
    return None if value is None else str(value)


@pytest.mark.parametrize("operation", AGAIN)
@settings(max_examples=15)
@given(came=st.lists(texts, min_size=1, max_size=30))
def test_what_was_read_reads_the_same_again(operation: str, came: list[str | None]) -> None:
    first = [value for value, _ in read_values(operation, came, **AGAIN[operation])]
    second = read_values(operation, [written(value) for value in first], **AGAIN[operation])
    assert [value for value, _ in second] == first
    # What is flagged and kept as it came is flagged again; all else has been repaired once and for all.
    kept = {Reason.NAME_PRIVATE_USE, Reason.CREDIT_CODE_INNER}
    assert {rule for _, rule in second} <= {None, *kept}


@settings(max_examples=20)
@given(st.lists(texts, min_size=1, max_size=30))
def test_a_code_is_one_of_its_list_or_nothing(came: list[str | None]) -> None:
    for operation, name in (("code", "sex"), ("division_code", "division")):
        options = {"codelist": name} if operation == "code" else {}
        for text, (value, rule) in zip(came, read_values(operation, came, **options), strict=True):
            assert value is None or value in CODELISTS[name].titles, text
            assert (
                rule is not None or value is not None or not (text or "").strip("\u3000\u00a0\ufeff\u200b \t\n\r\v\f")
            )


days = st.dates(dt.date(1, 1, 2), dt.date(9999, 12, 30))


@settings(max_examples=20)
@given(st.lists(st.none() | days, min_size=1, max_size=30))
def test_typed_days_pass_within_their_bounds_or_are_said(came: list[dt.date | None]) -> None:
    table = pa.table({"x": pa.array(came, pa.date32())})
    found = read([column("date", kind="date")], table)
    for place, day in enumerate(came, 1):
        possible = day is not None and dt.date(1890, 1, 1) <= day <= AS_OF.replace(year=AS_OF.year + 50)
        assert found.rows[place]["x"] == (day if possible else None)
        assert ((place, "x") in found.issues) == (day is not None and not possible)
