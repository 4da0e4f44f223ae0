"""Kind `ogc_features`: a collection of an OGC API Features service (OGC 17-069r4), page by page as GeoJSON.

Another CRS than GeoJSON's own is asked for as part 2 has it (OGC 18-058r1), where the service says that it has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import requests

from connectors.base import Connection, Offer, Request
from connectors.coordinates import Shifted, declared_crs
from connectors.errors import StopError
from connectors.geo_options import CRS84, OgcPull
from connectors.http import Http, base_url
from connectors.options import options_of
from connectors.rest_answers import at_path, json_of
from connectors.rest_auth import Auth, auth_of
from connectors.rest_chunks import Page, PagedOffer, Position, Progress
from connectors.rest_features import feature_batch, features_of, geometry_types, total_told
from connectors.rest_paging import link_position
from connectors.rest_probe import has_shapes, probe_end, probe_page
from connectors.service_crs import ServiceCrs, registered

__all__ = ["OgcFeaturesConnector"]

_GLOBAL: Final = "#/crs"
"""Stands in a collection's list for the list that all collections share."""


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
            StopError: The mode is not `snapshot`, or an option is missing or wrong: `collection`, `crs` ….
        """
        yield _OgcOffer(self._base, self._auth, request, options_of(OgcPull, request))


class _OgcOffer(PagedOffer):
    """All features of one collection, in the declared CRS, x before y."""

    def __init__(self, base: str, auth: Auth, request: Request, pull: OgcPull) -> None:
        super().__init__(request, f"{request.tail}, collection {pull.collection}", pull.pages_a_chunk)
        self._collections = f"{base}/collections"
        self._collection = f"{self._collections}/{quote(pull.collection, safe='')}"
        self._url = f"{self._collection}/items"
        self._auth = auth
        own = pull.crs == CRS84 or isinstance(declared_crs(pull.crs), Shifted)
        # GeoJSON's own CRS is not asked for, and has x before y.
        self._crs = ServiceCrs(pull.crs, "xy" if own and pull.axis_order == "auto" else pull.axis_order, self._where)
        self._own = own
        self._asked_by: str | None = None
        self._limit = pull.page_size
        self.name = f"{pull.collection} all features"

    def first(self) -> Position:
        """Return the query of the first page."""
        return {"query": [["limit", str(self._limit)]]}

    def begin(self, http: Http, progress: Progress) -> None:
        """Learn by which name the service has the declared CRS."""
        if self._own or self._asked_by is not None:
            return
        offered = self._listed(http, self._collection)
        if _GLOBAL in offered:
            offered = [*offered, *self._listed(http, self._collections)]
        self._asked_by = self._crs.among(offered)
        if self._asked_by is None:
            raise StopError(
                self._where,
                f"a service that does not give this collection in {self._crs.title}",
                ", ".join(registered(offered)) or CRS84,
                "declare one of these as `crs` in the contract's pull",
            )

    def page(self, http: Http, progress: Progress) -> Page:
        """Ask for a page; an empty one is the last, whatever its links say."""
        query = [tuple(pair) for pair in (progress.at or {})["query"] if pair[0] != "crs"]
        body, told, records, names, came = http.send(
            "GET",
            self._url,
            partial(_answer, shapes=has_shapes(self._request)),
            # Not all services repeat it in their links.
            params=query if self._asked_by is None else [*query, ("crs", self._asked_by)],
            headers={"Accept": "application/geo+json"},
            auth=self._auth.signer(http, "", renew=False),
        )
        self._same_crs(told)
        shapes = self._crs.turned(came, progress)
        probe_page(self._request, self._crs.declared, records, shapes, progress, self._where)
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
        self._crs.finish(progress)
        probe_end(self._request, self._crs.declared, progress, self._where)

    def _listed(self, http: Http, url: str) -> list[str]:
        """The names of CRS that a description lists."""
        described = http.send(
            "GET", url, json_of, headers={"Accept": "application/json"}, auth=self._auth.signer(http, "", renew=False)
        )
        found = at_path(described, "crs")
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []

    def _same_crs(self, told: str) -> None:
        """Hold the header against what was asked for; only GeoJSON's own CRS need not be named."""
        if not self._own:
            self._crs.hold(told)
        elif told and registered([told]) != [CRS84]:
            raise self._crs.mismatch(f"coordinates in {', '.join(registered([told])) or 'a CRS of no known name'}")


def _answer(
    response: requests.Response, *, shapes: bool
) -> tuple[Mapping[str, Any], str, list[dict[str, Any]], list[str], list[bytes | None]]:
    """Read a page: the whole, the CRS its header tells, properties, names and geometries of its features."""
    body, records, names, geometries = features_of(response, shapes=shapes)
    return body, response.headers.get("Content-Crs", "").strip("<> "), records, names, geometries


def _next(body: Mapping[str, Any]) -> str | None:
    """The link to the next page."""
    links = at_path(body, "links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") == "next" and isinstance(link.get("href"), str):
            return str(link["href"])
    return None
