"""Small web services for the tests: a REST service with every way of paging, a WFS; over HTTP or without any socket."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from tests.connectors.servers import Answer, Asked

WIRE = "http://wire.example/base"
"""Where `wired` services are; no such host is ever looked for."""


class _Wire(BaseAdapter):
    """Answers at once, without a socket."""

    def __init__(self, respond: Callable[[Asked], Answer]) -> None:
        super().__init__()
        self._respond = respond

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(str(request.url))
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        told = self._respond(Asked(str(request.method), parts.path, query, dict(request.headers), bytes(body)))
        return response_of(told, request)

    def close(self) -> None:
        pass


def response_of(answer: Answer, request: requests.PreparedRequest | None = None) -> requests.Response:
    """An answer as `requests` gives it."""
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    response.raw = io.BytesIO(answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode())
    if request is not None:
        response.request, response.url = request, str(request.url)
    return response


@contextmanager
def wired(respond: Callable[[Asked], Answer]) -> Iterator[None]:
    """Let every request be answered by a function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "get_adapter", lambda *_, **__: _Wire(respond))
        yield


@dataclass
class Shop:
    """A REST service at `/rows`; its answer is `{"ok": "0", "data": {"rows": […], "total": n, "next": …}}`.

    Attributes:
        rows: What it has.
        paging: As in a contract's pull.
        cap: No page is longer, whatever is asked for.
        counts: Whether it says how many rows there are.
        lets_in: Whether a request is signed as it should be; else 401.
        totals: Page, from 0 -> another total than the true one.
        asked: Every request, as parameters.
    """

    rows: list[dict[str, Any]]
    paging: str = "page"
    cap: int = 1_000_000
    counts: bool = True
    lets_in: Callable[[Asked], bool] = lambda _: True
    totals: dict[int, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def respond(self, asked: Asked) -> Answer:
        if not asked.path.endswith("/rows"):
            return Answer({"ok": "1"}, 404)
        if not self.lets_in(asked):
            return Answer({"ok": "401"}, 401)
        given = parameters(asked)
        self.asked.append(given)
        start, size = self._part(given)
        data: dict[str, Any] = {"rows": self.rows[start : start + size]}
        if self.counts:
            data["total"] = self.totals.get(len(self.asked) - 1, len(self.rows))
        headers = dict(self.headers)
        behind = start + size
        if behind < len(self.rows):
            if self.paging == "token":
                data["next"] = f"from-{behind}"
            if self.paging == "link":
                query = urlencode({"start": behind, "size": size, "tk": "echoed"})
                headers["Link"] = f'<https://inner.example/rows?{query}>; rel="next", </rows>; rel="first"'
        return Answer({"ok": "0", "data": data}, headers=headers)

    def _part(self, given: dict[str, Any]) -> tuple[int, int]:
        size = min(int(given.get("size", len(self.rows) or 1)), self.cap)
        match self.paging:
            case "page":
                return (int(given["no"]) - 1) * size, size
            case "token":
                return int(str(given.get("token", "from-0")).removeprefix("from-")), size
            case _:
                return int(given.get("start", 0)), size


def parameters(asked: Asked) -> dict[str, Any]:
    """The parameters of a request, wherever they stand."""
    kind = {name.lower(): value for name, value in asked.headers.items()}.get("content-type", "")
    body = json.loads(asked.body) if "json" in kind else dict(parse_qsl(asked.body.decode()))
    return {**asked.query, **body}


SHOP_PULL: dict[str, Any] = {
    "path": "/rows",
    "records": "data.rows",
    "total": "data.total",
    "code": "ok",
    "page_param": "no",
    "size_param": "size",
    "offset_param": "start",
    "token_param": "token",
}
"""A pull of a `Shop`; `paging` and what it needs are added."""


def shop_pull(paging: str, /, **options: Any) -> dict[str, Any]:
    """A pull of a `Shop` by one way of paging."""
    pull = {**SHOP_PULL, "paging": paging, **({"next": "data.next"} if paging == "token" else {}), **options}
    return {name: value for name, value in pull.items() if value is not None}


def basic(user: str, password: str) -> str:
    """The header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class Wfs:
    """A WFS 2.0.0 with the type `h:bzdz`, whose features are `(id, columns, (x, y) or None)`.

    Attributes:
        features: What it has, sorted by its first column.
        json: Whether it offers GeoJSON.
        crs: The CRS its answers name; empty: none is named.
        north_first: Whether it writes the northern coordinate first.
        cap: No page is longer.
        matched: What it says it has, where that is not the truth.
        ignores_start: Whether it gives the first page again and again.
    """

    features: list[tuple[str, dict[str, str | None], tuple[float, float] | None]]
    json: bool = True
    crs: str = "urn:ogc:def:crs:EPSG::4490"
    north_first: bool = False
    cap: int = 1_000_000
    matched: int | str | None = None
    ignores_start: bool = False
    columns: tuple[str, ...] = ("dzbm", "dzqc")
    asked: list[dict[str, str]] = field(default_factory=list)

    def respond(self, asked: Asked) -> Answer:
        self.asked.append(asked.query)
        query = asked.query
        if query.get("service") != "WFS" or query.get("version") != "2.0.0":
            return self.exception("VersionNegotiationFailed")
        match query.get("request"):
            case "GetCapabilities":
                return Answer(self._capabilities(), headers={"Content-Type": "text/xml"})
            case "DescribeFeatureType":
                return Answer(self._schema()) if query["typeName"] == "h:bzdz" else self.exception("InvalidParameter")
            case "GetFeature":
                return self._hits() if query.get("resultType") == "hits" else self._page(query)
        return self.exception("OperationNotSupported")

    @staticmethod
    def exception(code: str, status: int = 400) -> Answer:
        text = (
            '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="2.0.0">'
            f'<ows:Exception exceptionCode="{code}"><ows:ExceptionText>张三</ows:ExceptionText></ows:Exception>'
            "</ows:ExceptionReport>"
        )
        return Answer(text.encode(), status)

    def _told(self) -> int | str:
        return len(self.features) if self.matched is None else self.matched

    def _capabilities(self) -> bytes:
        formats = ["application/gml+xml; version=3.2", *(["text/javascript; jsonp", "application/json"] * self.json)]
        values = "".join(f"<ows:Value>{form}</ows:Value>" for form in formats)
        return (
            '<wfs:WFS_Capabilities version="2.0.0" xmlns:wfs="http://www.opengis.net/wfs/2.0"'
            ' xmlns:ows="http://www.opengis.net/ows/1.1"><ows:OperationsMetadata><ows:Operation name="GetFeature">'
            f'<ows:Parameter name="outputFormat"><ows:AllowedValues>{values}</ows:AllowedValues></ows:Parameter>'
            "</ows:Operation></ows:OperationsMetadata><wfs:FeatureTypeList><wfs:FeatureType><wfs:Name>h:bzdz</wfs:Name>"
            "<wfs:DefaultCRS>urn:ogc:def:crs:EPSG::4490</wfs:DefaultCRS>"
            "<wfs:OtherCRS>urn:ogc:def:crs:EPSG::4549</wfs:OtherCRS>"
            "</wfs:FeatureType></wfs:FeatureTypeList></wfs:WFS_Capabilities>"
        ).encode()

    def _schema(self) -> bytes:
        inner = "".join(f'<xs:element name="{name}" type="xs:string" minOccurs="0"/>' for name in self.columns)
        return (
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml/3.2"'
            ' xmlns:h="http://h.example"><xs:element name="bzdz" type="h:bzdzType"/>'
            '<xs:complexType name="bzdzType"><xs:complexContent><xs:extension base="gml:AbstractFeatureType">'
            f'<xs:sequence>{inner}<xs:element name="geom" type="gml:PointPropertyType"/></xs:sequence>'
            "</xs:extension></xs:complexContent></xs:complexType></xs:schema>"
        ).encode()

    def _hits(self) -> Answer:
        head = f'xmlns:wfs="http://www.opengis.net/wfs/2.0" numberMatched="{self._told()}" numberReturned="0"'
        return Answer(f"<wfs:FeatureCollection {head}/>".encode())

    def _page(self, query: dict[str, str]) -> Answer:
        if not query.get("sortBy") or query["typeNames"] != "h:bzdz":
            return self.exception("InvalidParameterValue")
        start = 0 if self.ignores_start else int(query["startIndex"])
        part = self.features[start : start + min(int(query["count"]), self.cap)]
        if query.get("outputFormat") == "application/json":
            return Answer(self._geojson(part))
        return Answer(self._gml(part).encode(), headers={"Content-Type": "application/gml+xml"})

    def _pair(self, point: tuple[float, float]) -> tuple[float, float]:
        return (point[1], point[0]) if self.north_first else point

    def _geojson(self, part: list[tuple[str, dict[str, str | None], tuple[float, float] | None]]) -> dict[str, Any]:
        features = [
            {
                "type": "Feature",
                **({"id": name} if name else {}),
                "properties": columns,
                "geometry": {"type": "Point", "coordinates": self._pair(point)} if point else None,
            }
            for name, columns, point in part
        ]
        crs = {"crs": {"type": "name", "properties": {"name": self.crs}}} if self.crs else {}
        return {"type": "FeatureCollection", "features": features, "numberMatched": self._told(), **crs}

    def _gml(self, part: list[tuple[str, dict[str, str | None], tuple[float, float] | None]]) -> str:
        members = "".join(self._member(*feature) for feature in part)
        return (
            '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:h="http://h.example"'
            ' xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            ' xsi:schemaLocation="http://h.example http://127.0.0.1:1/schema"'
            f' numberMatched="{self._told()}" numberReturned="{len(part)}">{members}</wfs:FeatureCollection>'
        )

    def _member(self, name: str, columns: dict[str, str | None], point: tuple[float, float] | None) -> str:
        cells = "".join(
            f"<h:{key}>{value}</h:{key}>" if value is not None else f'<h:{key} xsi:nil="true"/>'
            for key, value in columns.items()
        )
        srs = f' srsName="{self.crs}"' if self.crs else ""
        where = f"<gml:pos>{' '.join(map(str, self._pair(point)))}</gml:pos>" if point else ""
        shape = f"<h:geom><gml:Point{srs}>{where}</gml:Point></h:geom>" if point else ""
        return f'<wfs:member><h:bzdz gml:id="{name}">{cells}{shape}</h:bzdz></wfs:member>'
