"""OGC API Features, as a real HTTP server on loopback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from connectors.base import BATCH_ROWS, Connection, Request
from connectors.coordinates import Shifted
from connectors.errors import ChangedError, RetryError, SetAsideError, StopError
from tests.connectors.servers import Answer, Asked, Features, WebServer
from tests.connectors.suite import (
    HOSTILE_NAMES,
    SECRET,
    ConnectorSuite,
    Source,
    begun,
    offer_of,
    rows_of,
    step,
    walked,
)

pytestmark = pytest.mark.integration

AUTH = {"auth": {"kind": "header", "name": "X-Key"}}
POINT = {"type": "Point", "coordinates": [117.5, 34.5]}


def feature(number: int, geometry: dict[str, Any] | None = POINT, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": number, "geometry": geometry, "properties": {"dzbm": str(number), **properties}}


def source_at(web: WebServer, features: Features, page_size: int = 2, fields: tuple[str, ...] = ("dzbm",)) -> Source:
    web.respond = features.respond
    rows = [{"dzbm": item["properties"]["dzbm"]} for item in features.features]
    connection = Connection("natural_resources", "address_service", "ogc_features", f"{web.url}/ogc/", SECRET, AUTH)
    pull = {"collection": "bzdz", "page_size": page_size, "crs": "OGC:CRS84"}
    return Source(connection, Request("natural_resources/standard_address", fields, pull), rows)


class TestOgcFeatures(ConnectorSuite):
    @pytest.fixture
    def source(self, web: WebServer) -> Source:
        features = [
            feature(1, dzqc="湖㳇镇1号", mph=12, x=1.50, ok=True, extra="x"),
            feature(2, {"type": "Point", "coordinates": [117.0, 34.0, 5.5]}, dzqc="", mph=None),
            feature(3, None, dzqc=None, mph="3"),
        ]
        source = source_at(web, Features(features, 3), fields=("dzbm", "dzqc", "mph", "x", "ok", "geometry"))
        rows: list[dict[str, Any]] = [
            {"dzqc": "湖㳇镇1号", "mph": "12", "x": "1.5", "ok": "true"},
            {"dzqc": "", "mph": None, "x": None, "ok": None},
            {"dzqc": None, "mph": "3", "x": None, "ok": None},
        ]
        shapes = [shapely.to_wkb(shapely.Point(117.5, 34.5)), shapely.to_wkb(shapely.Point(117, 34, 5.5)), None]
        numbered = enumerate(zip(rows, shapes, strict=True), start=1)
        whole = [{"dzbm": str(number), **row, "geometry": shape} for number, (row, shape) in numbered]
        return replace(source, rows=whole)

    @pytest.fixture
    def empty(self, web: WebServer) -> Source:
        return source_at(web, Features([], 0))

    @pytest.fixture
    def many(self, web: WebServer) -> Source:
        features = [feature(number) for number in range(BATCH_ROWS + 1)]
        many = source_at(web, Features(features, len(features)), page_size=9000)
        return replace(many, request=replace(many.request, options={**many.request.options, "pages_a_chunk": 3}))

    @pytest.fixture
    def hostile(self, web: WebServer) -> Source:
        properties: dict[str, Any] = dict.fromkeys(HOSTILE_NAMES, "x")
        features = Features([{**feature(1), "properties": {"dzbm": "1", **properties}}], 1)
        return replace(source_at(web, features, fields=HOSTILE_NAMES), rows=[properties])


def numbered(count: int) -> list[dict[str, Any]]:
    return [feature(number) for number in range(count)]


def test_next_links_are_followed_on_our_own_host(web: WebServer) -> None:
    source = source_at(web, Features(numbered(5), 5))
    assert rows_of(offer_of(source)) == source.rows
    assert [asked.query for asked in web.asked] == [
        {"limit": "2"},
        {"limit": "2", "offset": "2"},
        {"limit": "2", "offset": "4"},
    ]
    assert {asked.headers["Accept"] for asked in web.asked} == {"application/geo+json"}


def test_service_that_does_not_count_is_read_to_its_end(web: WebServer) -> None:
    offer = offer_of(source_at(web, Features(numbered(5), None)))
    assert len(rows_of(offer)) == 5
    assert offer.expected_rows is None


@pytest.mark.parametrize("matched", [4, 6])
def test_other_number_than_matched_is_an_outage(web: WebServer, matched: int) -> None:
    with pytest.raises(RetryError, match=f"5 rows came where the total is {matched}"):
        rows_of(offer_of(source_at(web, Features(numbered(5), matched))))


def changed(web: WebServer, collection: Features, page: int, **members: Any) -> None:
    """Let one page differ."""

    def respond(asked: Asked) -> Answer:
        answer = collection.respond(asked)
        if asked.query.get("offset", "0") == str(page * 2):
            answer.body.update(members)
        return answer

    web.respond = respond


def test_number_matched_that_changes_is_an_outage(web: WebServer) -> None:
    features = Features(numbered(5), 5)
    source = source_at(web, features)
    changed(web, features, 1, numberMatched=6)
    with pytest.raises(RetryError, match="the total went from 5 to 6 at page 2"):
        rows_of(offer_of(source))


def test_feature_that_comes_twice_is_an_outage(web: WebServer) -> None:
    features = Features(numbered(5), 5)
    source = source_at(web, features)
    changed(web, features, 1, features=[feature(1), feature(3)])
    with pytest.raises(RetryError, match="a row came twice"):
        rows_of(offer_of(source))


def test_next_link_that_leads_back_stops(web: WebServer) -> None:
    features = Features([{**item, "id": None} for item in numbered(5)], None)
    source = source_at(web, features)
    changed(web, features, 1, links=[{"rel": "next", "href": "?limit=2"}])
    with pytest.raises(StopError, match="a next link that leads back"):
        rows_of(offer_of(source))


def test_empty_page_ends_the_reading_and_the_count_shows_it(web: WebServer) -> None:
    features = Features(numbered(5), 5)
    source = source_at(web, features)
    changed(web, features, 1, features=[])
    with pytest.raises(RetryError, match="2 rows came where the total is 5"):
        rows_of(offer_of(source))


@pytest.mark.parametrize("geometry", [{"type": "Circle", "coordinates": [1, 2]}, {"type": "Point"}, {"a": 1}])
def test_geometry_of_no_kind_is_null_and_stops_nothing(web: WebServer, geometry: dict[str, Any]) -> None:
    features = Features([feature(1, geometry), feature(2)], 2)
    rows = rows_of(offer_of(source_at(web, features, fields=("dzbm", "geometry"))))
    assert [row["geometry"] for row in rows] == [None, shapely.to_wkb(shapely.Point(117.5, 34.5))]


def test_coordinates_in_another_crs_are_set_aside(web: WebServer) -> None:
    header = {"Content-Crs": "<http://www.opengis.net/def/crs/EPSG/0/4490>"}
    with pytest.raises(SetAsideError, match="coordinates in EPSG:4490") as caught:
        rows_of(offer_of(source_at(web, Features(numbered(1), 1, header))))
    assert caught.value.reason == "crs_mismatch"


def test_coordinates_in_the_named_standard_crs_are_taken(web: WebServer) -> None:
    header = {"Content-Crs": "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"}
    assert len(rows_of(offer_of(source_at(web, Features(numbered(1), 1, header))))) == 1


def test_page_that_is_no_feature_collection_is_an_outage(web: WebServer) -> None:
    source = source_at(web, Features([], 0))
    web.respond = lambda _: Answer({"type": "Feature"})
    with pytest.raises(RetryError, match="not whole"):
        rows_of(offer_of(source))


def test_unknown_collection_stops(web: WebServer) -> None:
    source = source_at(web, Features([], 0))
    request = replace(source.request, options={"collection": "../../a b"})
    with pytest.raises(StopError, match="HTTP 404"):
        rows_of(offer_of(replace(source, request=request)))
    assert web.asked[-1].path == "/ogc/collections/..%2F..%2Fa%20b/items"


def crs_of(name: str) -> str:
    return f"http://www.opengis.net/def/crs/{name}"


OFFERED = [crs_of("OGC/1.3/CRS84"), crs_of("EPSG/0/4326"), crs_of("EPSG/0/4490"), crs_of("EPSG/0/4549")]


def in_crs(
    web: WebServer,
    crs: str,
    points: list[tuple[float, float]],
    told: str | None = "",
    listed: Any = OFFERED,
    **options: Any,
) -> Source:
    """A service of part 2: its pages name the CRS `told`; empty: the one asked for; None: none."""
    shapes = [{"type": "Point", "coordinates": list(point)} for point in points]
    features = Features([feature(number, shape) for number, shape in enumerate(shapes)], len(shapes))
    source = source_at(web, features, 1, ("dzbm", "geometry"))

    def respond(asked: Asked) -> Answer:
        match asked.path:
            case "/ogc/collections":
                return Answer({"collections": [], "crs": OFFERED})
            case "/ogc/collections/bzdz":
                return Answer({"id": "bzdz", "crs": listed})
        answer = features.respond(asked)
        name = told or asked.query.get("crs", "")
        return Answer(answer.body, answer.status, {"Content-Crs": f"<{name}>"} if told is not None and name else {})

    web.respond = respond
    return replace(source, request=replace(source.request, options={**source.request.options, "crs": crs, **options}))


def points_of(source: Source) -> list[tuple[float, float]]:
    shapes = [shapely.from_wkb(row["geometry"]) for row in rows_of(offer_of(source))]
    return [(shape.x, shape.y) for shape in shapes]


@pytest.mark.parametrize("listed", [OFFERED, ["#/crs"], [OFFERED[0], "#/crs"]])
def test_crs_of_the_services_list_is_asked_for_on_every_page(web: WebServer, listed: list[str]) -> None:
    # As the register has it, north comes first.
    source = in_crs(web, "EPSG:4490", [(34.5, 117.5), (33.75, 118.25)], listed=listed)
    assert points_of(source) == [(117.5, 34.5), (118.25, 33.75)]
    pages = [asked for asked in web.asked if asked.path.endswith("/items")]
    assert [asked.query["crs"] for asked in pages] == [crs_of("EPSG/0/4490")] * 2
    described = [asked for asked in web.asked if not asked.path.endswith("/items")]
    assert {asked.headers["Accept"] for asked in described} == {"application/json"}
    assert {asked.headers["X-Key"] for asked in web.asked} == {SECRET}


def test_projected_coordinates_come_east_first(web: WebServer) -> None:
    east, north = Transformer.from_crs("EPSG:4490", "EPSG:4549", always_xy=True).transform(117.5, 34.5)
    assert points_of(in_crs(web, "EPSG:4549", [(north, east)])) == [(east, north)]
    assert points_of(in_crs(web, "EPSG:4549", [(east, north)], axis_order="xy")) == [(east, north)]


def test_crs_is_asked_for_anew_by_whoever_reads_the_next_chunk(web: WebServer) -> None:
    source = in_crs(web, "EPSG:4490", [(34.5, 117.5), (33.75, 118.25)], pages_a_chunk=1)
    whole = walked(offer_of(source))
    walk = begun(offer_of(source))
    while not walk.is_over:
        step(offer_of(source), walk)
        walk = walk.through_json()
    assert walk == whole


@pytest.mark.parametrize("listed", [OFFERED[:2], [], None, "x", [1, "nonsense"]])
def test_crs_that_the_service_has_not_stops(web: WebServer, listed: Any) -> None:
    with pytest.raises(StopError, match="does not give this collection in China Geodetic") as caught:
        points_of(in_crs(web, "EPSG:4490", [(34.5, 117.5)], listed=listed))
    assert caught.value.allowed == ("OGC:CRS84, EPSG:4326" if listed == OFFERED[:2] else "OGC:CRS84")


@pytest.mark.parametrize("told", [None, OFFERED[0], OFFERED[3], "nonsense"])
def test_page_in_another_crs_than_asked_for_is_set_aside(web: WebServer, told: str | None) -> None:
    with pytest.raises(SetAsideError, match="coordinates in") as caught:
        points_of(in_crs(web, "EPSG:4490", [(34.5, 117.5)], told=told))
    assert caught.value.reason == "crs_mismatch"


def test_coordinates_outside_of_the_declared_crs_are_set_aside(web: WebServer) -> None:
    with pytest.raises(SetAsideError, match="coordinates outside the area of CGCS2000") as caught:
        points_of(in_crs(web, "EPSG:4549", [(117.5, 34.5)]))
    assert caught.value.reason == "crs_mismatch"


@pytest.mark.parametrize("shifted", list(Shifted))
def test_shifted_coordinates_come_as_they_are(web: WebServer, shifted: Shifted) -> None:
    (moved,) = [tuple(point) for point in shifted.from_true(np.array([[117.5, 34.5]]))]
    probe = {"where": {"dzbm": "0"}, "near": [117.5, 34.5], "within_m": 10}
    assert points_of(in_crs(web, shifted.value, [moved], probe=probe)) == [moved]
    assert {asked.path for asked in web.asked} == {"/ogc/collections/bzdz/items"}
    assert all("crs" not in asked.query for asked in web.asked)
    with pytest.raises(SetAsideError, match="looks like"):
        points_of(in_crs(web, shifted.value, [(117.5, 34.5)], probe=probe))


def test_what_the_service_has_is_told(web: WebServer) -> None:
    offer = offer_of(source_at(web, Features([feature(1, extra="x")], 1)))
    rows_of(offer)
    assert offer.available == {"dzbm": "json", "extra": "json", "geometry": "geometry"}


def test_chunks_end_after_so_many_pages_and_hold_no_host(web: WebServer) -> None:
    source = source_at(web, Features(numbered(9), 9))
    source = replace(source, request=replace(source.request, options={**source.request.options, "pages_a_chunk": 2}))
    walk = walked(offer_of(source))
    assert [note["rows"] for note in walk.notes if note] == [4, 8, 9]
    assert "example" not in repr(walk.chunks)


def test_row_pushed_over_the_end_of_a_chunk_is_noticed(web: WebServer) -> None:
    features = Features(numbered(4), 4)
    source = source_at(web, features)
    source = replace(source, request=replace(source.request, options={**source.request.options, "pages_a_chunk": 1}))
    offer = offer_of(source)
    chunk = offer.plan()[0]
    list(offer.read(chunk))
    following = offer.after(chunk, offer.note(chunk))
    features.features = [feature(9), *features.features[:3]]
    assert following is not None
    with pytest.raises(ChangedError, match="a row came twice"):
        list(offer.read(following))


def test_credentials_are_sent(web: WebServer) -> None:
    rows_of(offer_of(source_at(web, Features(numbered(1), 1))))
    assert {asked.headers["X-Key"] for asked in web.asked} == {SECRET}


@pytest.mark.parametrize("size", [0, "many", True])
def test_page_size_that_is_no_number_stops(web: WebServer, size: Any) -> None:
    source = source_at(web, Features([], 0))
    request = replace(source.request, options={**source.request.options, "page_size": size})
    with pytest.raises(StopError, match="page_size"):
        offer_of(replace(source, request=request))


@pytest.mark.parametrize("fields", [("dzbm",), ("dzbm", "geometry")])
def test_a_known_feature_proves_the_coordinates(web: WebServer, fields: tuple[str, ...]) -> None:
    def asked(near: list[float], value: str = "4") -> Source:
        source = source_at(web, Features(numbered(5), 5), fields=fields)
        probe = {"where": {"dzbm": value}, "near": near, "within_m": 500}
        options = {**source.request.options, "probe": probe, "pages_a_chunk": 1}
        return replace(source, request=replace(source.request, options=options))

    assert len(rows_of(offer_of(asked([117.5, 34.5])))) == 5
    with pytest.raises(SetAsideError, match="away") as caught:
        rows_of(offer_of(asked([117.6, 34.5])))
    assert caught.value.reason == "crs_mismatch"
    with pytest.raises(SetAsideError, match="is not in it"):
        rows_of(offer_of(asked([117.5, 34.5], value="99")))
