"""Kind `wfs`: a feature type of a Web Feature Service 2.0.0 (OGC 09-025r2), sorted, counted and read page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import pyarrow as pa
import requests
from pyproj import CRS
from pyproj.exceptions import CRSError

from connectors.base import Connection, Offer, Request
from connectors.errors import SetAsideError, StopError
from connectors.http import Http, base_url
from connectors.rest_auth import Auth, auth_of
from connectors.rest_chunks import Page, PagedOffer, Position, Progress, changed, positive
from connectors.rest_features import GEOMETRY, feature_batch
from connectors.rest_probe import has_shapes, probe_end, probe_page
from connectors.wfs_answers import Service, collection_of, columns_of, matched_of, service_of
from connectors.wfs_axes import fitting, swapped

__all__ = ["WfsConnector"]

T = TypeVar("T")

_TYPE: Final = re.compile(r"[\w.-]+(:[\w.-]+)?")
_SORT: Final = re.compile(r"[\w.:/-]+( (ASC|DESC))?(,[\w.:/-]+( (ASC|DESC))?)*")
_AXES: Final = ("auto", "xy", "yx")
_FORMATS: Final = ("auto", "gml")


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
        request.snapshot_only("wfs")
        yield _WfsOffer(self._base, self._auth, request)


class _WfsOffer(PagedOffer):
    """All features of one type, in the declared CRS, x before y."""

    def __init__(self, base: str, auth: Auth, request: Request) -> None:
        self._type = _chosen(request, "type_name", _TYPE.fullmatch, "a name as the capabilities have it: prefix:name")
        super().__init__(request, f"{request.tail}, feature type {self._type}")
        self._base, self._auth = base, auth
        self._sort = _chosen(request, "sort_by", _SORT.fullmatch, "columns that tell each feature apart: a or a,b DESC")
        self._count = positive(request, "page_size", 1000)
        self._axes = _chosen(request, "axis_order", _AXES.__contains__, ", ".join(_AXES), "auto")
        self._format = _chosen(request, "format", _FORMATS.__contains__, ", ".join(_FORMATS), "auto")
        self._crs = _declared(request)
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
        self._same_crs(page.crs)
        rows = progress.rows + len(page.records)
        done = not page.records or (progress.total is not None and rows >= progress.total)
        shapes = self._turned(page.shapes, progress)
        probe_page(self._request, self._crs, page.records, shapes, progress, self._where)
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
        if progress.memory.get("outside") and "axes" not in progress.memory:
            raise self._mismatch(f"coordinates outside the area of {self._crs.name}")
        probe_end(self._request, self._crs, progress, self._where)

    def _query(self, start: int) -> dict[str, str]:
        service = self._service or Service(None, ())
        query = {
            "request": "GetFeature",
            "typeNames": self._type,
            "srsName": _srs_name(self._crs, service.crs),
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

    def _same_crs(self, told: str) -> None:
        """A server that does not know the CRS asked for may answer in its own."""
        try:
            own = CRS.from_user_input(told) if told else None
        except CRSError:
            raise self._mismatch("coordinates in a CRS of no known name") from None
        if own is not None and not _same(own, self._crs):
            raise self._mismatch(f"coordinates in {own.name}")

    def _turned(self, shapes: Sequence[bytes | None], progress: Progress) -> list[bytes | None]:
        """Put x before y: which comes first differs by server, format and form of the CRS's name."""
        axes = progress.memory.get("axes") or (self._axes if self._axes != "auto" else None)
        if axes is None:
            axes, outside = fitting(shapes, self._crs)
            progress.memory["outside"] = bool(progress.memory.get("outside")) or outside
        if axes is not None:
            progress.memory["axes"] = axes
        return swapped(shapes, turn=axes == "yx")

    def _mismatch(self, came: str) -> SetAsideError:
        return SetAsideError(
            self._where,
            came,
            self._crs.name,
            "ask the department for the CRS in which its service answers, and declare that one",
            reason="crs_mismatch",
        )


def _chosen(request: Request, name: str, right: Callable[[str], Any], allowed: str, default: str = "") -> str:
    value = str(request.options.get(name) or default) if default else str(request.option(name))
    if not right(value):
        raise StopError(
            f"pull of {request.tail}",
            f"{name} {value!r}",
            allowed,
            f"correct it in schemas/sources/{request.tail}.yml",
        )
    return value


def _declared(request: Request) -> CRS:
    try:
        crs = CRS.from_user_input(request.option("crs"))
    except CRSError:
        crs = None
    if crs is None or crs.to_authority() is None:
        raise StopError(
            f"pull of {request.tail}",
            f"crs {request.options['crs']!r}",
            "a CRS of a register, as EPSG:4490",
            f"correct it in schemas/sources/{request.tail}.yml",
        )
    return crs


def _srs_name(crs: CRS, offered: Sequence[str]) -> str:
    """The declared CRS by the name the service has for it, else by its URN (OGC 07-092r3)."""
    for name in offered:
        try:
            if _same(CRS.from_user_input(name), crs):
                return name
        except CRSError:
            continue
    authority, code = crs.to_authority()
    return f"urn:ogc:def:crs:{authority}:{'1.3' if authority == 'OGC' else ''}:{code}"


def _same(one: CRS, other: CRS) -> bool:
    return bool(one.equals(other, ignore_axis_order=True)) or one.to_authority() == other.to_authority()
