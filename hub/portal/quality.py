"""Quality at the portal, for operators whose grant covers the whole hub: Data Docs and the departments' scorecards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from hub.context import CHINA
from hub.data_docs import docs_folder
from hub.errors import StopError
from hub.exchange.grants import Grant
from hub.portal.frame import ThePortal, render, sees_quality
from hub.portal.session import SignedIn
from hub.scorecard import month_of, scorecard
from hub.scorecard_page import page

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MONTHS = 6
_MEDIA_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}


def _overseer(portal: ThePortal, grant: SignedIn) -> Grant:
    if not sees_quality(portal, grant):
        raise HTTPException(404)
    return grant


Overseer = Annotated[Grant, Depends(_overseer)]
"""A route's parameter of this type is the grant of somebody who may see all departments' figures."""


@router.get("/quality")
def quality_page(request: Request, portal: ThePortal, grant: Overseer) -> Response:
    """Lead to Data Docs and to each department's scorecards of the last months."""
    day = datetime.now(CHINA).date()
    months = []
    for _ in range(_MONTHS):
        months.append(f"{day:%Y-%m}")
        day = day.replace(day=1) - timedelta(days=1)
    return render(
        request,
        "quality.html",
        grant=grant,
        systems=portal.hub.contracts.systems.values(),
        months=months,
        has_docs=(docs_folder(portal.hub) / "index.html").is_file(),
    )


@router.get("/quality/scorecard/{system}/{month}")
def scorecard_page(portal: ThePortal, grant: Overseer, system: str, month: str) -> Response:
    """A department's month, reckoned now."""
    if system not in portal.hub.contracts.systems:
        raise HTTPException(404)
    try:
        chosen = month_of(month)
    except StopError as error:
        raise HTTPException(404) from error
    return HTMLResponse(page(scorecard(portal.hub, system, chosen)))


@router.get("/quality/docs/{path:path}")
def data_docs_page(portal: ThePortal, grant: Overseer, path: str) -> Response:
    """A page of Data Docs."""
    if "\0" in path:  # which no path can hold
        raise HTTPException(404)
    folder = docs_folder(portal.hub).resolve()
    file = (folder / path).resolve()
    if not file.is_relative_to(folder) or file.suffix not in _MEDIA_TYPES or not file.is_file():
        raise HTTPException(404)
    return FileResponse(file, media_type=_MEDIA_TYPES[file.suffix])
