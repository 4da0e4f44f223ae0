"""Kind `wfs`: a feature type of a Web Feature Service 2.0.0 (OGC 09-025r2), sorted, counted and read page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import requests
from pyproj import CRS

from connectors.base import Connection, Offer, Request
from connectors.coordinates import Shifted
from connectors.geo_options import GEOMETRY, WfsPull
from connectors.http import Http, base_url
from connectors.options import options_of
from connectors.rest_auth import Auth, auth_of
from connectors.rest_chunks import Page, PagedOffer, Position, Progress, changed
from connectors.rest_features import feature_batch
from connectors.rest_probe import has_shapes, probe_end, probe_page
from connectors.service_crs import ServiceCrs
from connectors.wfs_answers import Service, collection_of, columns_of, matched_of, service_of

__all__ = ["WfsConnector"]

T = TypeVar("T")


class WfsConnector:
    """Reads whole feature types.

    Args:
        connection: `place` is the service's address, with what it needs of a query; option `auth` as for kind `rest`.

    Raises:
        StopError: The place is no web address, or `auth` is wrong.
    """

    def __init__(self, connection: Connection) -> None:
        self._base = base_url(connection)
        self._auth = auth_of(connection)

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer the feature type as one batch.

        Raises:
            StopError: The mode is not `snapshot`, or an option is missing or wrong: `type_name`, `sort_by`, `crs` ….
        """
        yield _WfsOffer(self._base, self._auth, request, options_of(WfsPull, request))


class _WfsOffer(PagedOffer):
    """All features of one type, in the declared CRS, x before y."""

    def __init__(self, base: str, auth: Auth, request: Request, pull: WfsPull) -> None:
        super().__init__(request, f"{request.tail}, feature type {pull.type_name}", pull.pages_a_chunk)
        self._base, self._auth = base, auth
        self._type, self._sort, self._count = pull.type_name, pull.sort_by, pull.page_size
        self._format = pull.format
        self._crs = ServiceCrs(pull.crs, pull.axis_order, self._where)
        self._service: Service | None = None
        self._columns: dict[str, str] = {}
        self.name = f"{self._type} all features"

    def first(self) -> Position:
        """Return the first page."""
        return {"start": 0}

    def begin(self, http: Http, progress: Progress) -> None:
        """Learn formats and columns, and count: every chunk begins with the count the one before ended with."""
        if self._service is None:
            self._service = self._ask(
                http, {"request": "GetCapabilities"}, lambda r: service_of(r, self._type, self._where)
            )
            # 2.0.0 says typeName here and typeNames elsewhere; servers differ in which of them they take.
            names = {"typeName": self._type, "typeNames": self._type}
            self._columns = self._ask(
                http, {"request": "DescribeFeatureType", **names}, lambda r: columns_of(r, self._where)
            )
        query = {"request": "GetFeature", "typeNames": self._type, "resultType": "hits"}
        matched = self._ask(http, query, lambda r: matched_of(r, self._where))
        if progress.pages and matched != progress.total:
            raise changed(self._where, f"the total went from {progress.total} to {matched}")
        progress.total = matched

    def page(self, http: Http, progress: Progress) -> Page:
        """Ask for a page, sorted; a short one is not taken for the last."""
        start = int((progress.at or {})["start"])
        page = self._ask(
            http, self._query(start), lambda r: collection_of(r, self._where, shapes=has_shapes(self._request))
        )
        if page.matched is not None and progress.total is not None and page.matched != progress.total:
            raise changed(self._where, f"the total went from {progress.total} to {page.matched}")
        if page.crs:
            self._crs.hold(page.crs)
        rows = progress.rows + len(page.records)
        done = not page.records or (progress.total is not None and rows >= progress.total)
        shapes = self._crs.turned(page.shapes, progress)
        probe_page(self._request, self._crs.declared, page.records, shapes, progress, self._where)
        following = None if done else {"start": start + len(page.records)}
        return Page(page.records, progress.total, following, page.names, shapes)

    def batches(self, page: Page, progress: Progress) -> Iterator[pa.RecordBatch]:
        """Give properties as text, geometry as WKB."""
        yield feature_batch(self._request, page.records, page.shapes)

    def types(self, columns: Sequence[str]) -> dict[str, str]:
        """Return what the service says of the type's columns, and the geometry."""
        return {**dict.fromkeys(columns, "text"), **self._columns, GEOMETRY: "geometry"}

    def finish(self, progress: Progress) -> None:
        """Assert also that the coordinates were those of the declared CRS."""
        super().finish(progress)
        self._crs.finish(progress)
        probe_end(self._request, self._crs.declared, progress, self._where)

    def _query(self, start: int) -> dict[str, str]:
        service = self._service or Service(None, ())
        query = {
            "request": "GetFeature",
            "typeNames": self._type,
            "srsName": self._crs.among(service.crs) or _urn(self._crs.declared),
            "sortBy": self._sort,
            "startIndex": str(start),
            "count": str(self._count),
        }
        if service.json_format and self._format == "auto":
            query["outputFormat"] = service.json_format
        return query

    def _ask(self, http: Http, query: Mapping[str, str], parse: Callable[[requests.Response], T]) -> T:
        return http.send(
            "GET",
            self._base,
            parse,
            handed_back=(400, 404),
            params={"service": "WFS", "version": "2.0.0", **query},
            auth=self._auth.signer(http, "", renew=False),
        )


def _urn(crs: CRS | Shifted) -> str:
    """A CRS as every service may be asked for it (OGC 07-092r3); shifted coordinates go by the name of WGS 84."""
    authority, code = ("EPSG", "4326") if isinstance(crs, Shifted) else crs.to_authority()
    return f"urn:ogc:def:crs:{authority}:{'1.3' if authority == 'OGC' else ''}:{code}"
