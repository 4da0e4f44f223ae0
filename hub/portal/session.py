"""Who is at the portal: sign in and out, the signed session, the CSRF token, and HTTP Basic for programs."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import time
import unicodedata
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from hub.exchange.grants import Grant, grant_in_force, sign_in
from hub.portal.access import home_of
from hub.portal.frame import Portal, ThePortal, render

__all__ = ["SESSION_SECONDS", "ApiGrant", "SignedIn", "SignedOutError", "check_csrf", "router"]

SESSION_SECONDS = 8 * 60 * 60
"""One working day; then everybody signs in again, however busy."""

router = APIRouter(include_in_schema=False)


class SignedOutError(Exception):
    """Nobody is signed in, or the grant is no longer in force; the way on is the sign-in page."""


class _SlowedError(Exception):
    """Too many failed tries."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__()


def _session_grant(request: Request, portal: Portal) -> Grant | None:
    """The session's grant, looked up anew at each request so that a revocation works at once."""
    grant_id, since = request.session.get("grant"), request.session.get("since", 0)
    if grant_id is None:
        return None
    is_over = time.time() - since >= SESSION_SECONDS or request.session.get("id") in portal.ended
    grant = None if is_over else grant_in_force(portal.hub, grant_id)
    if grant is None:
        _forget(request)
        request.session["message"] = "session_over"
    return grant


def _signed_in(request: Request, portal: ThePortal) -> Grant:
    grant = _session_grant(request, portal)
    if grant is None:
        raise SignedOutError
    return grant


class _Basic(HTTPBasic):
    """HTTP Basic in UTF-8 (RFC 7617): operators have Chinese names."""

    async def __call__(self, request: Request) -> HTTPBasicCredentials | None:  # type: ignore[override]
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            operator, _, code = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise SignedOutError from error
        return HTTPBasicCredentials(username=operator, password=code)


_basic = _Basic(scheme_name="operator", description="Operator and access code.", auto_error=False)


def _api_grant(
    request: Request, portal: ThePortal, credentials: Annotated[HTTPBasicCredentials | None, Depends(_basic)]
) -> Grant:
    if credentials is None:
        return _signed_in(request, portal)
    try:
        grant = _try(request, portal, credentials.username, credentials.password)
    except _SlowedError as slowed:
        raise HTTPException(429, headers={"Retry-After": str(slowed.seconds)}) from slowed
    if grant is None:
        raise SignedOutError
    return grant


SignedIn = Annotated[Grant, Depends(_signed_in)]
"""A route's parameter of this type is the signed-in operator's grant; without one the sign-in page comes."""

ApiGrant = Annotated[Grant, Depends(_api_grant)]
"""The same for programs: by session or by HTTP Basic (operator, access code)."""


@router.get("/")
def sign_in_page(request: Request, portal: ThePortal) -> Response:
    """Show the sign-in form, or go on to the grant's own page."""
    grant = _session_grant(request, portal)
    if grant is not None:
        return RedirectResponse(home_of(grant), 303)
    message = request.session.pop("message", None)
    return _form(request, message)


@router.post("/")
def submit_sign_in(
    request: Request,
    portal: ThePortal,
    csrf_token: Annotated[str, Form(max_length=100)] = "",
    operator: Annotated[str, Form(max_length=60)] = "",
    code: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Sign an operator in; what was wrong is never said."""
    check_csrf(request, csrf_token)
    operator = operator.strip()
    try:
        grant = _try(request, portal, operator, code)
    except _SlowedError as slowed:
        response = _form(request, "slowed", status=429, operator=operator, seconds=slowed.seconds)
        response.headers["Retry-After"] = str(slowed.seconds)
        return response
    if grant is None:
        return _form(request, "sign_in_failed", status=401, operator=operator)
    _forget(request)
    fresh = {"id": secrets.token_urlsafe(12), "csrf": secrets.token_urlsafe(24)}
    request.session.update({"grant": grant.id, "since": int(time.time()), **fresh})
    return RedirectResponse(home_of(grant), 303)


@router.post("/signout")
def sign_out(request: Request, portal: ThePortal, csrf_token: Annotated[str, Form(max_length=100)] = "") -> Response:
    """End the session, whoever else has its cookie."""
    check_csrf(request, csrf_token)
    _end(portal, request.session.get("id"))
    _forget(request)
    request.session["message"] = "signed_out"
    return RedirectResponse("/", 303)


def _end(portal: Portal, session_id: str | None) -> None:
    present = time.time()
    for old in [one for one, until in portal.ended.items() if until < present]:
        portal.ended.pop(old, None)
    if session_id is not None:
        portal.ended[session_id] = present + SESSION_SECONDS


def _try(request: Request, portal: Portal, operator: str, code: str) -> Grant | None:
    address = request.client.host if request.client else ""
    seconds = portal.throttle.wait(operator, address)
    if seconds:
        raise _SlowedError(seconds)
    grant = sign_in(portal.hub, operator, _as_shown(code))
    if grant is None:
        # Not the name that was typed: people type their code into the wrong box.
        portal.hub.ledger.audit("sign_in_refused", "portal", {"address": address})
        return None
    portal.throttle.succeeded(operator, address)
    portal.hub.ledger.audit("sign_in", grant.operator, {"grant": grant.id, "address": address})
    return grant


def _as_shown(code: str) -> str:
    """The code in groups of four, as it was shown once, however it was typed: full width, spaced, without hyphens."""
    plain = re.sub(r"[^0-9a-zA-Z]", "", unicodedata.normalize("NFKC", code))
    return "-".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def _form(
    request: Request, message: str | None, *, status: int = 200, operator: str = "", seconds: int = 0
) -> Response:
    if "csrf" not in request.session:
        request.session["csrf"] = secrets.token_urlsafe(24)
    return render(request, "signin.html", status, message=message, operator=operator, seconds=seconds)


def check_csrf(request: Request, token: str) -> None:
    """Let a posted form pass if it bears the token its session was given.

    Raises:
        HTTPException: 403, the page was of another session or too old.
    """
    kept = request.session.get("csrf", "")
    if not kept or not hmac.compare_digest(kept.encode(), token.encode()):
        raise HTTPException(403)


def _forget(request: Request) -> None:
    """Drop all of the session but the language."""
    language = request.session.get("language")
    request.session.clear()
    if language is not None:
        request.session["language"] = language
