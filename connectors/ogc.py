"""Kind `ogc_features`: a collection of an OGC API Features service (OGC 17-069r4), page by page as GeoJSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import requests
from pyproj import CRS

from connectors.base import Connection, Offer, Request
from connectors.errors import SetAsideError, StopError
from connectors.http import Http, base_url
from connectors.rest_answers import at_path
from connectors.rest_auth import Auth, auth_of
from connectors.rest_chunks import Page, PagedOffer, Position, Progress, positive
from connectors.rest_features import GEOMETRY, feature_batch, features_of, geometry_types, total_told
from connectors.rest_paging import link_position
from connectors.rest_probe import has_shapes, probe_end, probe_page

__all__ = ["GEOMETRY", "OgcFeaturesConnector"]

_CRS84: Final = "OGC:CRS84"


class OgcFeaturesConnector:
    """Reads whole collections.

    Args:
        connection: `place` is the service's landing page; option `auth` as for kind `rest`.

    Raises:
        StopError: The place is no web address, or `auth` is wrong.
    """

    def __init__(self, connection: Connection) -> None:
        self._base = base_url(connection)
        self._auth = auth_of(connection)

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
        yield _OgcOffer(self._base, self._auth, request)


class _OgcOffer(PagedOffer):
    """All features of one collection."""

    def __init__(self, base: str, auth: Auth, request: Request) -> None:
        collection = str(request.option("collection"))
        super().__init__(request, f"{request.tail}, collection {collection}")
        self._url = f"{base}/collections/{quote(collection, safe='')}/items"
        self._auth = auth
        self._limit = positive(request, "page_size", 1000)
        self.name = f"{collection} all features"

    def first(self) -> Position:
        """Return the query of the first page."""
        return {"query": [["limit", str(self._limit)]]}

    def page(self, http: Http, progress: Progress) -> Page:
        """Ask for a page; an empty one is the last, whatever its links say."""
        body, crs, records, names, shapes = http.send(
            "GET",
            self._url,
            partial(_answer, shapes=has_shapes(self._request)),
            params=[tuple(pair) for pair in (progress.at or {})["query"]],
            headers={"Accept": "application/geo+json"},
            auth=self._auth.signer(http, "", renew=False),
        )
        self._same_crs(crs)
        probe_page(self._request, CRS.from_user_input(_CRS84), records, shapes, progress, self._where)
        href = _next(body) if records else None
        following = link_position(href, self._url, self._auth.parameters, self._where) if href else None
        # The way to a collection is known: only the query of the link is followed.
        at = {"query": following["query"]} if following else None
        return Page(records, total_told(body.get("numberMatched")), at, names, shapes)

    def batches(self, page: Page, progress: Progress) -> Iterator[pa.RecordBatch]:
        """Give properties as text, geometry as WKB."""
        yield feature_batch(self._request, page.records, page.shapes)

    def types(self, columns: Sequence[str]) -> dict[str, str]:
        """Return the properties met and the geometry, which every feature has."""
        return geometry_types(columns)

    def finish(self, progress: Progress) -> None:
        """Assert also that the known feature was among them."""
        super().finish(progress)
        probe_end(self._request, CRS.from_user_input(_CRS84), progress, self._where)

    def _same_crs(self, found: str) -> None:
        if found not in ("", _CRS84.rpartition(":")[2]):
            raise SetAsideError(
                self._where,
                f"coordinates in {found}",
                _CRS84,
                "ask the department to serve GeoJSON in its standard CRS",
                reason="crs_mismatch",
            )


def _answer(
    response: requests.Response, *, shapes: bool
) -> tuple[Mapping[str, Any], str, list[dict[str, Any]], list[str], list[bytes | None]]:
    """Read a page: the whole, the CRS its header tells, properties, names and geometries of its features."""
    body, records, names, geometries = features_of(response, shapes=shapes)
    header = response.headers.get("Content-Crs", "").strip("<> ")
    return body, header.rpartition("/")[2], records, names, geometries


def _next(body: Mapping[str, Any]) -> str | None:
    """The link to the next page."""
    links = at_path(body, "links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") == "next" and isinstance(link.get("href"), str):
            return str(link["href"])
    return None
