"""The natural resources address service: standard addresses as OGC API Features 1.0 (core and GeoJSON)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

COLLECTION = "bzdz"
KEY_COLUMN = "dzbm"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CONFORMANCE = [f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson")]
GEOJSON = "application/geo+json"
MAX_LIMIT = 10_000
NUMBER = r"\s*-?\d+(\.\d+)?\s*"


class ItemsQuery(BaseModel):
    """Parameters of an items request; others are refused, as the standard demands.

    `datetime` is accepted and selects everything: addresses have no temporal geometry (requirement 26 C).
    """

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(default=10, ge=1)
    offset: int = Field(default=0, ge=0)
    bbox: str | None = Field(default=None, pattern=f"^{NUMBER}(,{NUMBER}){{3}}((,{NUMBER}){{2}})?$")
    datetime: str | None = None


@dataclass(frozen=True)
class Features:
    """Addresses in order of their code.

    Attributes:
        keys: address codes (`dzbm`).
        lon: degrees east, CRS84; NaN where the point is missing.
        lat: degrees north, CRS84; NaN where the point is missing.
        text: each address as a GeoJSON feature, written once, so that a page is only a join.
    """

    keys: pa.ChunkedArray
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    text: pa.ChunkedArray

    def within(self, box: str | None) -> pa.ChunkedArray:
        """Select the features inside a box `west,south,east,north` (or with heights, which are ignored)."""
        if box is None:
            return self.text
        numbers = [float(number) for number in box.split(",")]
        west, south, east, north = numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])
        inside = (self.lon >= west) & (self.lon <= east) & (self.lat >= south) & (self.lat <= north)
        return self.text.filter(pa.array(inside))

    def extent(self) -> list[float]:
        """West, south, east and north of all points that can be on Earth (spoiled ones may not be)."""
        real = (np.abs(self.lon) <= 180) & (np.abs(self.lat) <= 90)
        if not real.any():
            return [-180.0, -90.0, 180.0, 90.0]
        lon, lat = self.lon[real], self.lat[real]
        return [float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())]


def read_features(path: Path) -> Features:
    """Read `bzdz.parquet`: every column but `lon` and `lat` becomes a property under its physicalName."""
    names = [name for name in pq.read_schema(path).names if name not in ("lon", "lat")]
    properties = ", ".join(f'"{name}"' for name in names)
    query = f"""
        SELECT {KEY_COLUMN} AS key, lon, lat, to_json({{
            'type': 'Feature',
            'id': {KEY_COLUMN},
            'geometry': CASE WHEN lon IS NOT NULL AND lat IS NOT NULL
                             THEN {{'type': 'Point', 'coordinates': [lon, lat]}} END,
            'properties': struct_pack({properties})
        }})::VARCHAR AS text
        FROM read_parquet($1) ORDER BY {KEY_COLUMN}
    """  # noqa: S608  names come from the file's own schema
    with duckdb.connect() as connection:
        table = connection.sql(query, params=[str(path)]).to_arrow_table()
    lon, lat = (table.column(name).to_numpy() for name in ("lon", "lat"))
    return Features(table.column("key"), lon, lat, table.column("text"))


def create_app(features: Features) -> FastAPI:
    """Build the HTTP service: landing page, conformance, API definition, and the collection `bzdz` with its items."""
    app = FastAPI(title="标准地址服务", openapi_url="/api", docs_url=None, redoc_url=None)

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> Response:
        wrong = ", ".join(str(fault["loc"][-1]) for fault in error.errors())
        allowed = ", ".join(ItemsQuery.model_fields)
        return _json(
            {"code": "InvalidParameterValue", "description": f"参数错误：{wrong}；可用参数：{allowed}"}, status=400
        )

    @app.get("/")
    async def landing(request: Request) -> Response:
        return _json(
            {"title": app.title, "description": "虚构县的标准地址，坐标系 CRS84", "links": _entrances(request)}
        )

    @app.get("/conformance")
    async def conformance() -> Response:
        return _json({"conformsTo": CONFORMANCE})

    @app.get("/collections")
    async def collections(request: Request) -> Response:
        links = [_link(str(request.url), "self", "application/json")]
        return _json({"links": links, "collections": [_collection(request, features)]})

    @app.get(f"/collections/{COLLECTION}")
    async def collection(request: Request) -> Response:
        return _json(_collection(request, features))

    @app.get(f"/collections/{COLLECTION}/items")
    async def items(request: Request, query: Annotated[ItemsQuery, Query()]) -> Response:
        return Response(_page(request, features.within(query.bbox), query), media_type=GEOJSON)

    @app.get(f"/collections/{COLLECTION}/items/{{key}}")
    async def item(key: str) -> Response:
        row = pc.index(features.keys, pa.scalar(key)).as_py()
        if row < 0:
            raise HTTPException(404, f"没有编码为 {key} 的标准地址")
        return Response(features.text[row].as_py(), media_type=GEOJSON)

    return app


def _page(request: Request, found: pa.ChunkedArray, query: ItemsQuery) -> str:
    # A larger limit is not an error by the standard: the maximum is used instead.
    limit = min(query.limit, MAX_LIMIT)
    page = found.slice(query.offset, limit).to_pylist()
    links = [_link(str(request.url), "self", GEOJSON)]
    if query.offset + limit < len(found):
        following = request.url.include_query_params(limit=limit, offset=query.offset + limit)
        links.append(_link(str(following), "next", GEOJSON))
    counts = f'"numberMatched":{len(found)},"numberReturned":{len(page)}'
    head = f'{{"type":"FeatureCollection",{counts},"links":{orjson.dumps(links).decode()},"features":['
    return f"{head}{','.join(page)}]}}"


def _collection(request: Request, features: Features) -> dict[str, object]:
    here = f"{_base(request)}/collections/{COLLECTION}"
    return {
        "id": COLLECTION,
        "title": "标准地址",
        "itemType": "feature",
        "crs": [CRS84],
        "extent": {"spatial": {"bbox": [features.extent()], "crs": CRS84}},
        "links": [_link(here, "self", "application/json"), _link(f"{here}/items", "items", GEOJSON)],
    }


def _entrances(request: Request) -> list[dict[str, str]]:
    base = _base(request)
    return [
        _link(f"{base}/", "self", "application/json"),
        _link(f"{base}/api", "service-desc", "application/vnd.oai.openapi+json;version=3.1"),
        _link(f"{base}/conformance", "conformance", "application/json"),
        _link(f"{base}/collections", "data", "application/json"),
    ]


def _base(request: Request) -> str:
    # Not request.base_url: that leaves out where the service is mounted.
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"


def _link(href: str, rel: str, media_type: str) -> dict[str, str]:
    return {"href": href, "rel": rel, "type": media_type}


def _json(content: dict[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
