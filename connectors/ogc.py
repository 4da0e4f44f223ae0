"""Kind `ogc_features`: a collection of an OGC API Features service (OGC 17-069r4), page by page as GeoJSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import orjson
import pyarrow as pa
import requests
import shapely

from connectors.base import Connection, Offer, Request
from connectors.errors import RetryError, SetAsideError, StopError
from connectors.http import Http, base_url
from connectors.rows import as_text, regrouped, schema_drift

__all__ = ["GEOMETRY", "OgcFeaturesConnector"]

GEOMETRY: Final = "geometry"
"""The name a contract gives the geometry column; it holds WKB."""

_CRS84: Final = "OGC:CRS84"


class OgcFeaturesConnector:
    """Reads whole collections.

    Args:
        connection: `place` is the service's landing page.

    Raises:
        StopError: The place is no web address.
    """

    def __init__(self, connection: Connection) -> None:
        self._base = base_url(connection)

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer the collection as one batch.

        Raises:
            StopError: The mode is not `snapshot`, `collection` is missing, or a CRS is declared that GeoJSON has not.
        """
        request.snapshot_only("ogc_features")
        if request.options.get("crs", _CRS84) != _CRS84:
            raise StopError(
                f"pull of {request.tail}",
                f"crs {request.options['crs']!r} over kind 'ogc_features'",
                f"{_CRS84}: longitude, latitude, as GeoJSON has it (RFC 7946, 4)",
                f"correct it in schemas/sources/{request.tail}.yml",
            )
        yield _OgcOffer(self._base, request)


class _OgcOffer(Offer):
    """All features of one collection."""

    def __init__(self, base: str, request: Request) -> None:
        collection = str(request.option("collection"))
        self._url = f"{base}/collections/{quote(collection, safe='')}/items"
        self._fields = request.fields
        self._limit = int(request.options.get("page_size", 1000))
        self._where = f"{request.tail}, collection {collection}"
        self.name = f"{collection} all features"

    def read(self) -> Iterator[pa.RecordBatch]:
        """Stream all features, properties as text, geometry as WKB; see `Offer.read`."""
        unseen = set(self._fields) - {GEOMETRY}
        count = 0
        with Http(self._where) as http:

            def batches() -> Iterator[pa.RecordBatch]:
                nonlocal count
                for features, geometries in self._pages(http):
                    count += len(features)
                    properties = [feature.get("properties") or {} for feature in features]
                    if unseen:
                        unseen.difference_update(*properties)
                    yield _batch(self._fields, properties, geometries)

            yield from regrouped(batches())
        if count and unseen:
            raise schema_drift(self._where, "property(ies) of no feature: " + ", ".join(sorted(unseen)), self._fields)

    def _pages(self, http: Http) -> Iterator[tuple[list[dict[str, Any]], list[bytes | None]]]:
        query: dict[str, str] | None = {"limit": str(self._limit)}
        asked: set[tuple[tuple[str, str], ...]] = set()
        ids: set[str] = set()
        count = 0
        while query is not None:
            step = tuple(sorted(query.items()))
            if step in asked:
                raise StopError(
                    self._where, "a next link that leads back", "one to new features", "tell the department"
                )
            asked.add(step)
            page, geometries = http.send(
                "GET", self._url, _page, params=query, headers={"Accept": "application/geo+json"}
            )
            self._same_total(page, first=len(asked) == 1)
            features = page["features"]
            count += len(features)
            self._each_once(features, ids)
            yield features, geometries
            query = _next_query(page) if features else None
        if self.expected_rows is not None and count != self.expected_rows:
            raise self._moved(f"{count} features came where numberMatched is {self.expected_rows}")

    def _same_total(self, page: Mapping[str, Any], *, first: bool) -> None:
        if page["crs_header"] not in ("", _CRS84.rpartition(":")[2]):
            raise SetAsideError(
                self._where,
                f"coordinates in {page['crs_header']}",
                _CRS84,
                "ask the department to serve GeoJSON in its standard CRS",
                reason="crs_mismatch",
            )
        matched = page.get("numberMatched")
        total = int(matched) if matched is not None and str(matched).isdigit() else None
        if first:
            self.expected_rows = total
        elif total != self.expected_rows:
            raise self._moved(f"numberMatched went from {self.expected_rows} to {total}")

    def _each_once(self, features: Sequence[Mapping[str, Any]], ids: set[str]) -> None:
        named = [str(feature["id"]) for feature in features if feature.get("id") is not None]
        before = len(ids)
        ids.update(named)
        if len(ids) - before != len(named):
            raise self._moved("a feature came twice")

    def _moved(self, came: str) -> RetryError:
        return RetryError(self._where, came, "each feature once", "pull again; the collection changed meanwhile")


def _page(response: requests.Response) -> tuple[dict[str, Any], list[bytes | None]]:
    """Read a page: numbers of properties as the text they came in, geometries as WKB."""
    page = json.loads(response.content, parse_float=str, parse_int=str, parse_constant=str)
    if not isinstance(page, dict) or not isinstance(page.get("features"), list):
        raise ValueError("no feature collection")
    header = response.headers.get("Content-Crs", "").strip("<> ")
    page["crs_header"] = header.rpartition("/")[2]
    return page, _wkb(orjson.loads(response.content)["features"])


def _wkb(features: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
    """Geometries as WKB; what GeoJSON does not allow is null, so that one feature cannot hold up the rest."""
    texts = [orjson.dumps(feature["geometry"]).decode() if feature.get("geometry") else None for feature in features]
    geometries: list[bytes | None] = shapely.to_wkb(shapely.from_geojson(texts, on_invalid="ignore")).tolist()
    return geometries


def _batch(
    fields: Sequence[str], properties: Sequence[Mapping[str, Any]], geometries: Sequence[bytes | None]
) -> pa.RecordBatch:
    columns = [
        pa.array(geometries, pa.binary())
        if name == GEOMETRY
        else pa.array([as_text(record.get(name)) for record in properties], pa.string())
        for name in fields
    ]
    return pa.record_batch(columns, names=list(fields))


def _next_query(page: Mapping[str, Any]) -> dict[str, str] | None:
    """The query of the link to the next page; only that part, since behind a proxy the link's host is often another."""
    links = page.get("links") or []
    href = next((str(link["href"]) for link in links if link.get("rel") == "next" and link.get("href")), None)
    return dict(parse_qsl(urlsplit(href).query, keep_blank_values=True)) if href else None
