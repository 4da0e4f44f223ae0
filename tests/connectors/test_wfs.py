"""A Web Feature Service, as a real HTTP server on loopback and, for its many forms, without sockets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from connectors.base import BATCH_ROWS, Connection, Request
from connectors.coordinates import Shifted
from connectors.errors import ChangedError, RetryError, SetAsideError, StopError
from connectors.service_crs import ServiceCrs
from connectors.wfs_axes import area_of, fitting, swapped
from tests.connectors.servers import Answer, Asked, WebServer
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of, walked
from tests.connectors.web_servers import WIRE, Wfs, wired

POINT = (117.5, 34.5)
Feature = tuple[str, dict[str, str | None], tuple[float, float] | None]


def feature(number: int, point: tuple[float, float] | None = POINT, **columns: str | None) -> Feature:
    return f"bzdz.{number}", {"dzbm": f"{number:04}", "dzqc": None, **columns}, point


def source_at(place: str, service: Wfs, fields: tuple[str, ...] = ("dzbm",), **options: Any) -> Source:
    pull = {"type_name": "h:bzdz", "sort_by": "dzbm", "crs": "EPSG:4490", "page_size": 2, **options}
    rows = [
        {
            name: (None if point is None else shapely.to_wkb(shapely.Point(point)))
            if name == "geometry"
            else columns[name]
            for name in fields
        }
        for _, columns, point in service.features
    ]
    auth = {"auth": {"kind": "query", "name": "tk"}}
    connection = Connection("natural_resources", "map_service", "wfs", f"{place}/wfs?map=a", SECRET, auth)
    return Source(connection, Request("natural_resources/bzdz", fields, pull), rows)


def numbered(count: int) -> list[Feature]:
    return [feature(number) for number in range(count)]


class Suite(ConnectorSuite):
    """The suite over one output format."""

    json: bool

    def at(self, web: WebServer, features: list[Feature], fields: tuple[str, ...], **options: Any) -> Source:
        service = Wfs(features, self.json)
        web.respond = service.respond
        return source_at(web.url, service, fields, **options)

    @pytest.fixture
    def source(self, web: WebServer) -> Source:
        features = [feature(1, dzqc="湖㳇镇1号 & <2>"), feature(2, dzqc=""), feature(3, None)]
        if not self.json:
            features[0] = feature(1, dzqc="湖㳇镇1号")
        return self.at(web, features, ("dzbm", "dzqc", "geometry"))

    @pytest.fixture
    def empty(self, web: WebServer) -> Source:
        return self.at(web, [], ("dzbm", "geometry"))

    @pytest.fixture
    def many(self, web: WebServer) -> Source:
        return self.at(web, numbered(BATCH_ROWS + 1), ("dzbm",), page_size=12_000, pages_a_chunk=3)


@pytest.mark.integration
class TestGeoJson(Suite):
    json = True

    @pytest.fixture
    def hostile(self, web: WebServer) -> Source:
        columns: dict[str, str | None] = dict.fromkeys(HOSTILE_NAMES, "x")
        return self.at(web, [("a", columns, POINT)], HOSTILE_NAMES)


@pytest.mark.integration
class TestGml(Suite):
    json = False

    @pytest.fixture
    def hostile(self) -> None:
        return None

    @pytest.fixture
    def refused(self, web: WebServer) -> list[Source]:
        given = self.at(web, numbered(1), ("dzbm",))
        names = {name: replace(given.request, options={**given.request.options, "type_name": name}) for name in "'? &"}
        return [replace(given, request=request) for request in names.values()]


def read(service: Wfs, fields: tuple[str, ...] = ("dzbm", "geometry"), **options: Any) -> list[dict[str, Any]]:
    with wired(service.respond):
        return rows_of(offer_of(source_at(WIRE, service, fields, **options)))


def points(rows: list[dict[str, Any]]) -> list[tuple[float, float] | None]:
    shapes = [row["geometry"] and shapely.from_wkb(row["geometry"]) for row in rows]
    return [shape and (shape.x, shape.y) for shape in shapes]


@settings(deadline=None)  # GDAL takes its time at the first page of GML
@given(
    count=st.integers(0, 9),
    size=st.integers(1, 4),
    cap=st.integers(1, 4),
    pages=st.integers(1, 3),
    json=st.booleans(),
    matched=st.sampled_from([None, "unknown"]),
)
def test_each_feature_comes_once(count: int, size: int, cap: int, pages: int, json: bool, matched: str | None) -> None:
    service = Wfs(numbered(count), json, cap=cap, matched=matched)
    rows = read(service, ("dzbm",), page_size=size, pages_a_chunk=pages)
    assert rows == [{"dzbm": f"{number:04}"} for number in range(count)]


def test_every_page_is_asked_for_sorted_and_in_the_declared_crs() -> None:
    service = Wfs(numbered(3))
    read(service, sort_by="dzbm DESC,dzqc")
    pages = [query for query in service.asked if "startIndex" in query]
    assert [query["startIndex"] for query in pages] == ["0", "2"]
    for query in pages:
        assert query["sortBy"] == "dzbm DESC,dzqc"
        assert query["srsName"] == "urn:ogc:def:crs:EPSG::4490"
        assert (query["map"], query["tk"], query["count"]) == ("a", SECRET, "2")
        assert query["outputFormat"] == "application/json"


def test_gml_may_be_asked_for_where_geojson_is_offered() -> None:
    service = Wfs(numbered(1))
    assert points(read(service, format="gml")) == [POINT]
    assert all("outputFormat" not in query for query in service.asked)


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("north_first", [True, False])
@pytest.mark.parametrize(
    "crs", ["urn:ogc:def:crs:EPSG::4490", "EPSG:4490", "http://www.opengis.net/def/crs/EPSG/0/4490", ""]
)
def test_longitude_comes_first_whatever_the_server_does(json: bool, north_first: bool, crs: str) -> None:
    service = Wfs([feature(1), feature(2, (118.25, 33.75))], json, crs, north_first)
    assert points(read(service)) == [POINT, (118.25, 33.75)]


@pytest.mark.parametrize("north_first", [True, False])
@pytest.mark.parametrize("json", [True, False])
def test_projected_coordinates_come_east_first(json: bool, north_first: bool) -> None:
    forward = Transformer.from_crs("EPSG:4490", "EPSG:4549", always_xy=True)
    # 徐州 lies west of the zone's own area, as part of a province does.
    east, north = (round(value, 3) for value in forward.transform(117.2, 34.3))
    service = Wfs([feature(1, (east, north))], json, "urn:ogc:def:crs:EPSG::4549", north_first)
    assert points(read(service, crs="EPSG:4549")) == [(east, north)]
    assert service.asked[-1]["srsName"] == "urn:ogc:def:crs:EPSG::4549"


@pytest.mark.parametrize("shifted", list(Shifted))
@pytest.mark.parametrize("label", ["urn:ogc:def:crs:EPSG::4490", "urn:ogc:def:crs:EPSG::4326", ""])
@pytest.mark.parametrize("north_first", [True, False])
@pytest.mark.parametrize("json", [True, False])
def test_shifted_coordinates_come_as_they_are(shifted: Shifted, label: str, north_first: bool, json: bool) -> None:
    # West of 90 degrees both orders are on Earth: only that the place is in China tells them apart.
    places = np.array([POINT, (87.6, 43.8)])
    moved = [tuple(point) for point in shifted.from_true(places)]
    service = Wfs([feature(number, point) for number, point in enumerate(moved, 1)], json, label, north_first)
    near = {"where": {"dzbm": "0001"}, "near": list(POINT), "within_m": 10}
    for found, point in zip(points(read(service, crs=shifted.value, probe=near)), moved, strict=True):
        assert found == pytest.approx(point, abs=1e-9)
    assert service.asked[-1]["srsName"] == "urn:ogc:def:crs:EPSG::4490"


@pytest.mark.parametrize("shifted", list(Shifted))
def test_shift_that_is_another_than_declared_is_found_by_the_probe(shifted: Shifted) -> None:
    service = Wfs([feature(1)])
    near = {"where": {"dzbm": "0001"}, "near": list(POINT), "within_m": 100}
    with pytest.raises(SetAsideError, match="looks like China Geodetic") as caught:
        read(service, crs=shifted.value, probe=near)
    assert caught.value.reason == "crs_mismatch"


@pytest.mark.parametrize(("crs", "point"), [("urn:ogc:def:crs:EPSG::4549", POINT), ("", (400_000.0, 3_800_000.0))])
def test_shifted_coordinates_are_degrees(crs: str, point: tuple[float, float]) -> None:
    with pytest.raises(SetAsideError) as caught:
        read(Wfs([feature(1, point)], crs=crs), crs="GCJ-02")
    assert caught.value.reason == "crs_mismatch"
    assert "GCJ-02" in caught.value.allowed


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        (["urn:ogc:def:crs:EPSG::3857", "urn:ogc:def:crs:EPSG::4490"], "urn:ogc:def:crs:EPSG::4490"),
        (["http://www.opengis.net/def/crs/OGC/1.3/CRS84"], "http://www.opengis.net/def/crs/OGC/1.3/CRS84"),
        (["urn:ogc:def:crs:EPSG::3857", "nonsense"], None),
        ([], None),
    ],
)
def test_shifted_coordinates_are_asked_for_in_degrees(offered: list[str], name: str | None) -> None:
    assert ServiceCrs("BD-09", "auto", "t/d").among(offered) == name


def test_one_faulty_point_does_not_turn_the_others() -> None:
    service = Wfs([feature(1), feature(2, (34.5, 117.5)), feature(3, (0.0, 0.0)), feature(4)])
    assert points(read(service)) == [POINT, (34.5, 117.5), (0.0, 0.0), POINT]


def test_the_order_found_on_the_first_page_holds_for_all_chunks() -> None:
    service = Wfs([feature(1), feature(2), feature(3, (34.5, 117.5))], north_first=True)
    rows = read(service, page_size=2, pages_a_chunk=1)
    assert points(rows) == [POINT, POINT, (34.5, 117.5)]


def test_the_contract_may_say_the_order() -> None:
    service = Wfs([feature(1, (34.5, 117.5))])
    assert points(read(service, axis_order="yx")) == [POINT]
    assert points(read(service, axis_order="xy")) == [(34.5, 117.5)]


@pytest.mark.parametrize(
    ("crs", "point"),
    [("urn:ogc:def:crs:EPSG::4549", (400_000.0, 3_800_000.0)), ("", (400_000.0, 3_800_000.0)), ("EPSG:999999", POINT)],
)
@pytest.mark.parametrize("json", [True, False])
def test_coordinates_in_another_crs_are_set_aside(json: bool, crs: str, point: tuple[float, float]) -> None:
    if not json and crs == "EPSG:999999":
        crs = "urn:ogc:def:crs:EPSG::3857"
    with pytest.raises(SetAsideError) as caught:
        read(Wfs([feature(1, point)], json, crs))
    assert caught.value.reason == "crs_mismatch"


@pytest.mark.parametrize("matched", [4, 6])
def test_other_number_than_the_hits_is_an_outage(matched: int) -> None:
    with pytest.raises(ChangedError, match=f"5 rows came where the total is {matched}|6 rows"):
        read(Wfs(numbered(5), matched=matched), page_size=3)


def test_hits_that_change_between_chunks_are_a_change() -> None:
    service = Wfs(numbered(4))
    with wired(service.respond):
        offer = offer_of(source_at(WIRE, service, pages_a_chunk=1))
        chunk = offer.plan()[0]
        list(offer.read(chunk))
        following = offer.after(chunk, offer.note(chunk))
        service.matched = 5
        assert following is not None
        with pytest.raises(ChangedError, match="the total went from 4 to 5"):
            list(offer.read(following))


@pytest.mark.parametrize("json", [True, False])
def test_service_that_ignores_where_to_start_is_noticed(json: bool) -> None:
    with pytest.raises(RetryError, match="a row came twice"):
        read(Wfs(numbered(4), json, ignores_start=True))


def test_service_that_ignores_where_to_start_and_names_nothing_is_noticed() -> None:
    features: list[Feature] = [("", columns, point) for _, columns, point in numbered(4)]
    with pytest.raises(StopError, match="page 2 is the same as the page before"):
        read(Wfs(features, ignores_start=True))


def test_column_that_is_null_in_every_feature_is_no_drift() -> None:
    service = Wfs([("a", {"dzbm": "1"}, POINT)], json=False, columns=("dzbm", "dzqc"))
    with wired(service.respond):
        given = source_at(WIRE, service)
        offer = offer_of(replace(given, request=replace(given.request, fields=("dzbm", "dzqc"))))
        assert rows_of(offer) == [{"dzbm": "1", "dzqc": None}]
    assert offer.available == {"dzbm": "string", "dzqc": "string", "geometry": "geometry"}


@pytest.mark.parametrize(
    ("code", "error"),
    [("InvalidParameterValue", StopError), ("张三的姓名", StopError), ("NoApplicableCode", RetryError)],
)
@pytest.mark.parametrize("status", [200, 400, 404])
def test_exception_report_is_read(code: str, error: type[Exception], status: int) -> None:
    with wired(lambda _: Wfs.exception(code, status)), pytest.raises(error) as caught:
        rows_of(offer_of(source_at(WIRE, Wfs([]))))
    assert "张三" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b""])
def test_refusal_of_another_form_stops(body: bytes) -> None:
    with wired(lambda _: Answer(body, 404)), pytest.raises(StopError, match="HTTP 404"):
        rows_of(offer_of(source_at(WIRE, Wfs([]))))


def test_unknown_type_stops() -> None:
    with pytest.raises(StopError, match="no such feature type"):
        read(Wfs([]), type_name="h:other")


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        b"<wfs:FeatureCollection xmlns:wfs='http://www.opengis.net/wfs/2.0' numberReturned='2'/>",
        b"<other/>",
        b"[]",
    ],
)
def test_page_that_is_broken_is_an_outage(body: bytes) -> None:
    service = Wfs(numbered(1))

    def respond(asked: Asked) -> Answer:
        return Answer(body) if "startIndex" in asked.query else service.respond(asked)

    with wired(respond), pytest.raises(RetryError, match="not whole or not of the agreed form"):
        rows_of(offer_of(source_at(WIRE, service)))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"sort_by": None}, "sort_by: Input should be a valid string"),
        ({"sort_by": "a; b"}, "sort_by"),
        ({"sort_by": "a ASCENDING"}, "sort_by"),
        ({"crs": None}, "crs: Input should be a valid string"),
        ({"crs": "EPSG:0"}, "crs: 'EPSG:0' is no CRS of places"),
        ({"crs": "EPSG:4490+5773"}, "is not a CRS of a register"),
        ({"type_name": "a b"}, "type_name"),
        ({"axis_order": "north"}, "axis_order"),
        ({"format": "shp"}, "format"),
        ({"page_size": -1}, "page_size"),
    ],
)
def test_wrong_options_stop(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(StopError, match=fault):
        offer_of(source_at(WIRE, Wfs([]), **options))


def test_increment_is_refused() -> None:
    given = source_at(WIRE, Wfs([]))
    with pytest.raises(StopError, match="mode: Input should be 'snapshot'"):
        offer_of(replace(given, request=replace(given.request, mode="increment")))


def test_notes_hold_no_host_and_no_key() -> None:
    service = Wfs(numbered(3))
    with wired(service.respond):
        walk = walked(offer_of(source_at(WIRE, service, pages_a_chunk=1)))
    assert "example" not in repr(walk)
    assert SECRET not in repr(walk)


@pytest.mark.parametrize("code", [4490, 4326, 4549, 4527, 3857])
def test_places_in_jiangsu_lie_within_the_area_of_their_crs(code: int) -> None:
    crs = CRS.from_epsg(code)
    area = area_of(crs)
    assert area is not None
    x, y = Transformer.from_crs("EPSG:4490", crs, always_xy=True).transform(119.9, 31.2)
    shape = shapely.to_wkb(shapely.Point(x, y))
    assert fitting([shape], crs) == ("xy", False)
    if code != 3857:  # its area is a square: nothing tells x from y there
        assert fitting(swapped([shape], turn=True), crs) == ("yx", False)


shapes = st.lists(
    st.none()
    | st.builds(shapely.Point, st.floats(-9, 9), st.floats(-9, 9))
    | st.builds(shapely.Point, st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9))
    | st.builds(shapely.box, st.floats(-9, 0), st.floats(-9, 0), st.floats(1, 9), st.floats(1, 9))
)


@given(shapes)
def test_exchanging_twice_changes_nothing_and_keeps_height(several: list[Any]) -> None:
    wkb = [None if shape is None else shapely.to_wkb(shape) for shape in several]
    turned = swapped(wkb, turn=True)
    assert swapped(turned, turn=True) == swapped(wkb, turn=False) == wkb
    for before, after in zip(several, turned, strict=True):
        if before is not None:
            again = shapely.get_coordinates(shapely.from_wkb(after), include_z=True)
            expected = shapely.get_coordinates(before, include_z=True)[:, [1, 0, 2]]
            assert np.array_equal(again, expected, equal_nan=True)
