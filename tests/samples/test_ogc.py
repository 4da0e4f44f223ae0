"""The address service, read as any client of OGC API Features reads it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from samples import ogc

ITEMS = "/ogc/collections/bzdz/items"
POINTS: list[tuple[float | None, float | None]] = [
    (117.4, 34.3),
    (117.5, 34.4),
    (117.6, 34.5),
    (34.6, 117.7),
    (None, None),
]
ADDRESSES = [
    {
        "dzbm": f"3203050052040{number:08d}",
        "dzqc": f'江苏省徐州市贾汪区潘安湖街道马庄村\n"{number}"号㳇',
        "jlx": None,
        "lon": lon,
        "lat": lat,
    }
    for number, (lon, lat) in enumerate(POINTS)
]


class Client:
    """Asks the service directly, without a socket, at the place where it is mounted."""

    def __init__(self, app: FastAPI) -> None:
        self.transport = httpx.ASGITransport(Starlette(routes=[Mount("/ogc", app)]))

    def get(self, url: str, params: dict[str, Any] | None = None) -> httpx.Response:
        async def get() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://addresses") as client:
                return await client.get(url, params=params)

        return asyncio.run(get())


@pytest.fixture
def client(tmp_path: Path) -> Client:
    path = tmp_path / "bzdz.parquet"
    pq.write_table(pa.Table.from_pylist(ADDRESSES[::-1]), path)
    return Client(ogc.create_app(ogc.read_features(path)))


def codes(page: dict[str, Any]) -> list[str]:
    return [feature["id"] for feature in page["features"]]


def test_landing_page_leads_to_everything(client: Client) -> None:
    links = {link["rel"]: link["href"] for link in client.get("/ogc/").json()["links"]}
    assert set(links) == {"self", "service-desc", "conformance", "data"}
    assert {client.get(href).status_code for href in links.values()} == {200}
    assert (
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core"
        in client.get("/ogc/conformance").json()["conformsTo"]
    )


def test_collection_tells_its_extent_without_points_off_the_earth(client: Client) -> None:
    listed = client.get("/ogc/collections").json()["collections"]
    assert listed == [client.get("/ogc/collections/bzdz").json()]
    assert listed[0]["extent"]["spatial"]["bbox"] == [[117.4, 34.3, 117.6, 34.5]]
    assert {link["rel"]: client.get(link["href"]).status_code for link in listed[0]["links"]} == {
        "self": 200,
        "items": 200,
    }


def test_features_carry_every_column_under_its_own_name(client: Client) -> None:
    answer = client.get(ITEMS)
    assert answer.headers["content-type"] == "application/geo+json"
    features = answer.json()["features"]
    assert [feature["properties"] for feature in features] == [
        {name: value for name, value in row.items() if name not in ("lon", "lat")} for row in ADDRESSES
    ]
    assert [feature["geometry"] for feature in features[:-1]] == [
        {"type": "Point", "coordinates": list(point)} for point in POINTS[:-1]
    ]
    assert features[-1]["geometry"] is None


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_following_next_reads_every_address_once(client: Client, limit: int) -> None:
    found: list[str] = []
    href: str | None = f"{ITEMS}?limit={limit}"
    while href:
        page = client.get(href).json()
        assert (page["type"], page["numberMatched"]) == ("FeatureCollection", 5)
        assert page["numberReturned"] == len(page["features"]) > 0
        found += codes(page)
        href = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert found == [row["dzbm"] for row in ADDRESSES]


def test_limit_above_the_maximum_means_the_maximum(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ogc, "MAX_LIMIT", 3)
    page = client.get(f"{ITEMS}?limit=100").json()
    assert page["numberReturned"] == 3
    assert next(link["href"] for link in page["links"] if link["rel"] == "next").endswith("limit=3&offset=3")


@pytest.mark.parametrize("box", ["117.45,34,117.6,35", "117.45,34,0,117.6,35,9", " 117.45, 34.0, 117.6, 35 "])
def test_bbox_selects_and_its_next_page_keeps_it(client: Client, box: str) -> None:
    page = client.get(ITEMS, params={"bbox": box, "limit": 1}).json()
    following = client.get(next(link["href"] for link in page["links"] if link["rel"] == "next")).json()
    assert page["numberMatched"] == 2
    assert codes(page) + codes(following) == [ADDRESSES[1]["dzbm"], ADDRESSES[2]["dzbm"]]
    assert [link["rel"] for link in following["links"]] == ["self"]


def test_datetime_selects_every_address(client: Client) -> None:
    assert client.get(ITEMS, params={"datetime": "2026-01-01T00:00:00Z/.."}).json()["numberMatched"] == 5


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": "x"},
        {"offset": -1},
        {"bbox": "1,2,3"},
        {"bbox": "1,2,3,4,5"},
        {"bbox": "a,b,c,d"},
        {"xm": 1},
    ],
)
def test_wrong_parameter_is_refused_by_name(client: Client, parameters: dict[str, Any]) -> None:
    answer = client.get(ITEMS, params=parameters)
    assert answer.status_code == 400
    assert answer.json()["code"] == "InvalidParameterValue"
    assert next(iter(parameters)) in answer.json()["description"].split("；")[0]


def test_one_address_is_found_by_its_code(client: Client) -> None:
    assert client.get(f"{ITEMS}/{ADDRESSES[2]['dzbm']}").json()["geometry"]["coordinates"] == [117.6, 34.5]
    assert client.get(f"{ITEMS}/000").status_code == 404
