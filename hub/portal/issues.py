"""A department's own program: its issues as JSON or XLSX, its corrections back; by the access code of its grant.

The form is that of `hub issues --export` and `--import`; nobody signs in here, and no page is shown.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from hub.context import Hub
from hub.corrections import Replayed, import_corrections
from hub.errors import RetryError, ScopeError, SetAsideError, StopError
from hub.exchange.grants_system import SystemGrant, grant_of_code
from hub.issues import export_issues
from hub.portal.frame import Portal, ThePortal

__all__ = ["MOST_BYTES", "router"]

MOST_BYTES = 32 << 20
"""A larger form is sent in parts, or by `hub issues --import`."""

_JSON, _XLSX = "application/json", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SUFFIXES = {_JSON: ".json", _XLSX: ".xlsx"}
_RETRY_SECONDS = "60"


class Fault(BaseModel):
    """What went wrong: where, what came, what is allowed, what to do; and the reason code where there is one."""

    where: str
    came: str
    allowed: str
    do: str
    reason: str = ""


class Refusal(BaseModel):
    """The body of every answer that is none of success."""

    detail: Fault


_REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in (401, 404, 429, 503)}

router = APIRouter(tags=["issues"], responses=_REFUSALS)
_bearer = HTTPBearer(scheme_name="department", description="Access code of a grant for a department.", auto_error=False)


def _refusal(status: int, fault: Fault, **headers: str) -> HTTPException:
    return HTTPException(status, fault.model_dump(), {name.replace("_", "-"): text for name, text in headers.items()})


def _told(error: StopError | RetryError | SetAsideError) -> Fault:
    reason = error.reason if isinstance(error, SetAsideError) else ""
    return Fault(where=error.where, came=error.came, allowed=error.allowed, do=error.do, reason=reason)


def _slowed(seconds: int) -> HTTPException:
    fault = Fault(where="issues", came="too many calls", allowed="some a minute", do=f"wait {seconds} seconds")
    return _refusal(429, fault, Retry_After=str(seconds))


def _grant(
    request: Request,
    portal: ThePortal,
    system: str,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> SystemGrant:
    address = request.client.host if request.client else ""
    code = credentials.credentials if credentials else ""
    # By the grant's id, so that who guesses does not shut out the others behind the same proxy.
    who = f"grant {code.partition('.')[0][:40]}"
    if seconds := portal.throttle.wait(who, address):
        raise _slowed(seconds)
    grant = grant_of_code(portal.hub, code)
    if grant is None:
        portal.hub.ledger.audit("access_refused", "portal", {"address": address})
        fault = Fault(
            where="issues", came="no access code that opens anything", allowed="Bearer", do="send a grant's access code"
        )
        raise _refusal(401, fault, WWW_Authenticate='Bearer realm="Community Data Hub"')
    portal.throttle.succeeded(who, address)
    if seconds := portal.calls.wait(grant.id, ""):
        raise _slowed(seconds)
    _require_own(portal, grant, system)
    return grant


def _require_own(portal: Portal, grant: SystemGrant, system: str) -> None:
    """Let pass who asks for the own department; what exists elsewhere is not told."""
    if system == grant.system:
        return
    known = system if system in portal.hub.contracts.systems else ""
    portal.hub.ledger.audit("refused", _actor(grant), {"grant": grant.id, "system": known})
    raise _refusal(
        404,
        Fault(
            where="issues", came="no such department", allowed=grant.system, do="ask for the department of the grant"
        ),
    )


OwnGrant = Annotated[SystemGrant, Depends(_grant)]
"""A route's parameter of this type is the grant for the department in its path."""


def _actor(grant: SystemGrant) -> str:
    return f"{grant.operator} ({grant.id})"


@router.get("/api/v1/issues/{system}.xlsx", response_class=FileResponse, responses={200: {"content": {_XLSX: {}}}})
def issues_as_workbook(portal: ThePortal, grant: OwnGrant) -> Response:
    """The rows that wait for a department, as the workbook it may mend and send back."""
    return _export(portal.hub, grant, _XLSX)


@router.get(
    "/api/v1/issues/{system}",
    response_class=FileResponse,
    responses={200: {"content": {_JSON: {}, _XLSX: {}}}, 406: {"model": Refusal}},
)
def issues(request: Request, portal: ThePortal, grant: OwnGrant) -> Response:
    """The rows that wait for a department, whole, as they came, with reasons: JSON, or the workbook where asked for."""
    return _export(portal.hub, grant, _XLSX if _XLSX in request.headers.get("accept", "") else _JSON)


def _export(hub: Hub, grant: SystemGrant, media_type: str) -> Response:
    scratch = tempfile.TemporaryDirectory(prefix="hub-issues-")
    path = Path(scratch.name) / f"{grant.system}{_SUFFIXES[media_type]}"
    try:
        export_issues(hub, grant.system, path, _actor(grant))
    except StopError as error:
        scratch.cleanup()
        if media_type != _XLSX:
            raise
        raise _refusal(406, _told(error)) from error  # more rows than a sheet holds
    except BaseException:
        scratch.cleanup()
        raise
    done = BackgroundTask(scratch.cleanup)
    return FileResponse(path, media_type=media_type, filename=path.name, background=done)


@router.post(
    "/api/v1/issues/{system}",
    responses={status: {"model": Refusal} for status in (403, 413, 415, 422)},
    openapi_extra={"requestBody": {"required": True, "content": {_JSON: {}, _XLSX: {}}}},
)
async def corrections(request: Request, portal: ThePortal, grant: OwnGrant) -> list[Replayed]:
    """Replay the rows of a form that were mended, once the whole form was read; twice does nothing more than once."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _SUFFIXES:
        fault = Fault(
            where="corrections", came="a body of another kind", allowed=", ".join(_SUFFIXES), do="send one of these"
        )
        raise _refusal(415, fault)
    with tempfile.TemporaryDirectory(prefix="hub-corrections-") as scratch:
        path = Path(scratch) / f"form{_SUFFIXES[media_type]}"
        await _receive(request, path)
        return await run_in_threadpool(_import, portal.hub, grant, path)


async def _receive(request: Request, path: Path) -> None:
    """Lay down what is sent, for its owner alone, and stop where it is too much."""
    path.touch(mode=0o600)
    size = 0
    with path.open("wb") as file:
        async for block in request.stream():
            size += len(block)
            if size > MOST_BYTES:
                fault = Fault(
                    where="corrections",
                    came=f"more than {MOST_BYTES >> 20} MB",
                    allowed=f"up to {MOST_BYTES >> 20} MB",
                    do="send it in parts; rows that are left out stay as they are",
                )
                raise _refusal(413, fault)
            file.write(block)


def _import(hub: Hub, grant: SystemGrant, path: Path) -> list[Replayed]:
    try:
        return import_corrections(hub, path, _actor(grant), grant.system)
    except SetAsideError as error:
        raise _refusal(422, _told(error)) from error
    except ScopeError as error:
        hub.ledger.audit("refused", _actor(grant), {"grant": grant.id, "system": ""})
        raise _refusal(403, _told(error)) from error
    except RetryError as error:
        raise _refusal(503, _told(error), Retry_After=_RETRY_SECONDS) from error
