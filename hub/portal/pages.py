"""The portal's pages and what programs read of them: a village, the villages of a division, health."""

from __future__ import annotations

import logging
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from hub.portal.access import require_division, require_village, title_of
from hub.portal.division import LIST_FIGURES, division
from hub.portal.frame import ThePortal, render
from hub.portal.live import live_release
from hub.portal.session import ApiGrant, SignedIn
from hub.portal.village import FACILITY_STANDARD, SUMMARY, Village, village

__all__ = ["router"]

router = APIRouter()
_log = logging.getLogger(__name__)


@router.get("/village/{code}", include_in_schema=False)
def village_page(request: Request, portal: ThePortal, grant: SignedIn, code: str) -> Response:
    """A village's page."""
    require_village(portal, grant, code)
    release = live_release(portal.hub)
    shown = village(portal, grant, code)
    return render(
        request,
        "village.html",
        grant=grant,
        village=shown,
        map=portal.atlas.village_map(release, code) if release and shown.grids else None,
        path=_path(portal, grant.division_code, code),
        codelists=portal.hub.contracts.codelists,
        standard=FACILITY_STANDARD,
    )


@router.get("/division/{code}", include_in_schema=False)
def division_page(
    request: Request,
    portal: ThePortal,
    grant: SignedIn,
    code: str,
    q: Annotated[str, Query(max_length=60)] = "",
    page: Annotated[int, Query(ge=1, le=1_000)] = 1,
) -> Response:
    """The villages of a town, county or city."""
    require_division(portal, grant, code)
    shown = division(portal, grant, code, q.strip(), page)
    return render(
        request,
        "division.html",
        grant=grant,
        division=shown,
        columns=LIST_FIGURES,
        titles={name: column.title for name, column in portal.hub.contracts.products[SUMMARY].by_name.items()},
        standard=FACILITY_STANDARD,
    )


@router.get("/api/v1/village/{code}", tags=["village"], responses={401: {}, 404: {}, 429: {}})
def village_as_json(portal: ThePortal, grant: ApiGrant, code: str) -> Village:
    """A village's figures, grids and products; signed in by session or by HTTP Basic (operator, access code)."""
    require_village(portal, grant, code)
    return village(portal, grant, code)


@router.get("/healthz", tags=["health"])
def health(portal: ThePortal) -> JSONResponse:
    """Whether the database can be reached, and which release is live; 503 where it cannot."""
    try:
        release = live_release(portal.hub)
    except sa.exc.OperationalError:
        _log.warning("healthz: the database cannot be reached")
        return JSONResponse({"status": "unavailable", "database": False, "release": None}, 503)
    return JSONResponse({"status": "ok", "database": True, "release": release.number if release else None})


def _path(portal: ThePortal, granted: str, code: str) -> list[tuple[str, str | None]]:
    """Names of the divisions above a village, each with its page's address where the grant covers it."""
    return [
        (title_of(portal, code[:length]), f"/division/{code[:length]}" if len(granted) <= length else None)
        for length in (4, 6, 9)
    ]
