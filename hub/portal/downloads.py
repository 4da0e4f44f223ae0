"""Downloads: a product of one village as a file, audited as it is cut, receipted when it has been sent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from hub.context import Hub
from hub.exchange.extract import extract
from hub.exchange.grants import Grant
from hub.exchange.receipts import receipt
from hub.exchange.versions import newest_version
from hub.portal.access import require_village, title_of
from hub.portal.frame import ThePortal
from hub.portal.session import SignedIn

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


@router.get("/village/{code}/{file}")
def download(request: Request, portal: ThePortal, grant: SignedIn, code: str, file: str) -> Response:
    """Cut a product for a village and send it, named in Chinese; `file` is `<product>.xlsx` or `<product>.csv`."""
    product, _, format = file.rpartition(".")
    require_village(portal, grant, code, product)
    version = newest_version(portal.hub, product)
    if format not in _MEDIA_TYPES or version is None:
        raise HTTPException(404)
    scratch = tempfile.TemporaryDirectory(prefix="hub-portal-")
    try:
        path = Path(scratch.name) / file
        extract(portal.hub, product, code, format, path, grant.operator, grant.purpose, grant)
    except BaseException:
        scratch.cleanup()
        raise
    title = portal.hub.contracts.products[product].title
    return FileResponse(
        path,
        media_type=_MEDIA_TYPES[format],
        filename=f"{title_of(portal, code)}_{title}_第{version.release_number}期_{version.as_of_date:%Y%m%d}.{format}",
        background=BackgroundTask(_sent, portal.hub, grant, code, scratch),
    )


def _sent(hub: Hub, grant: Grant, code: str, scratch: tempfile.TemporaryDirectory[str]) -> None:
    scratch.cleanup()
    # A town's or county's look is no receipt of the village's, nor is one at a part of the pack.
    pack = {one.name for one in hub.contracts.products.values() if one.subscriber_kind == "village"}
    if grant.division_code == code and pack <= set(grant.products):
        receipt(hub, "village", code, grant.operator)
