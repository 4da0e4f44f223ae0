"""Standard addresses out of pygeoapi, the reference server of OGC API Features: each once, in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import shapely
from pyproj import Transformer

from connectors.base import Connection, Request
from connectors.errors import StopError
from tests.connectors.pygeoapi_server import pygeoapi
from tests.connectors.suite import Source, offer_of, rows_of, walked

pytestmark = pytest.mark.integration

COUNT = 57


def addresses() -> list[dict[str, Any]]:
    """Invented addresses in the county's extent."""
    return [
        {
            "type": "Feature",
            "id": f"DZ{number:04d}",
            "geometry": {"type": "Point", "coordinates": [117.4 + number / 1000, 34.4 + number / 2000]},
            "properties": {"dzbm": f"{number:06d}", "dzqc": f"潘安湖街道湖㳇路{number}号", "mph": number},
        }
        for number in range(COUNT)
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pygeoapi(tmp_path_factory.mktemp("pygeoapi"), addresses(), "dzbm") as url:
        yield url


@pytest.fixture
def source(server: str) -> Source:
    connection = Connection("natural_resources", "address_service", "ogc_features", server)
    options = {"collection": "bzdz", "page_size": 20, "pages_a_chunk": 1, "crs": "OGC:CRS84"}
    probe = {"where": {"dzbm": "000007"}, "near": [117.407, 34.4035], "within_m": 10}
    fields = ("dzbm", "dzqc", "mph", "geometry")
    request = Request("natural_resources/standard_address", fields, {**options, "probe": probe})
    return Source(connection, request, addresses())


def test_every_address_comes_once_and_in_its_place(source: Source) -> None:
    found = {row["dzbm"]: row for row in rows_of(offer_of(source))}
    assert len(found) == COUNT
    for feature in addresses():
        told = feature["properties"]
        row = found[told["dzbm"]]
        assert (row["dzqc"], row["mph"]) == (told["dzqc"], str(told["mph"]))
        point = shapely.from_wkb(row["geometry"])
        assert (point.x, point.y) == pytest.approx(feature["geometry"]["coordinates"])


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:4549"])
def test_another_crs_is_given_where_the_server_has_it(source: Source, crs: str) -> None:
    """pygeoapi keeps to the order of axes that the register has: north before east in both."""
    options = {**source.request.options, "crs": crs}
    found = {
        row["dzbm"]: row for row in rows_of(offer_of(replace(source, request=replace(source.request, options=options))))
    }
    assert len(found) == COUNT
    back = Transformer.from_crs(crs, "EPSG:4490", always_xy=True)
    for feature in addresses():
        point = shapely.from_wkb(found[feature["properties"]["dzbm"]]["geometry"])
        assert back.transform(point.x, point.y) == pytest.approx(feature["geometry"]["coordinates"], abs=1e-6)


def test_crs_that_the_server_has_not_stops_and_names_those_it_has(source: Source) -> None:
    request = replace(source.request, options={**source.request.options, "crs": "EPSG:4548"})
    with pytest.raises(StopError, match="OGC:CRS84, EPSG:4490, EPSG:4549"):
        rows_of(offer_of(replace(source, request=request)))


def test_chunks_are_pages_and_the_total_is_told(source: Source) -> None:
    offer = offer_of(source)
    assert len(walked(offer).chunks) == 3
    assert offer.expected_rows == COUNT
