"""The portal as an ASGI application: routes, the signed session, security headers, pages for errors."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.context import Hub
from hub.errors import RetryError, ScopeError
from hub.portal import downloads, issues, pages, person, quality, review, session
from hub.portal.atlas import Atlas
from hub.portal.frame import FOLDER, Portal, render
from hub.portal.throttle import Throttle
from hub.scorecard_page import STYLE_SOURCE

__all__ = ["create_app"]

_log = logging.getLogger(__name__)
_OWN_PAGE = (400, 403, 404, 405, 500, 503)
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'self' {STYLE_SOURCE}; script-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def create_app(hub: Hub) -> FastAPI:
    """Make the portal over an opened hub.

    Routes: `/` (sign in), `/signout`, `/village/{code}`, `/village/{code}/{product}.xlsx|csv`, `/division/{code}`,
    `/people/{code}`, `/people/{code}/{key}`, `/links`, `/quality`,
    `/quality/scorecard/{system}/{month}`, `/quality/docs/…`, `/api/v1/village/{code}`,
    `/api/v1/issues/{system}`, `/api/v1/issues/{system}.xlsx`, `/api/v1/openapi.json`, `/healthz`, `/static/…`.

    Args:
        hub: Stays open as long as the application is served.
    """
    app = FastAPI(
        title="基层治理数据中枢 Community Data Hub",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.portal = Portal(hub, Atlas(hub), Throttle())
    for module in (session, pages, downloads, person, quality, review, issues):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    _add_middleware(app, hub)
    app.add_exception_handler(session.SignedOutError, _signed_out)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ScopeError, _outside)
    app.add_exception_handler(RetryError, _unavailable)
    app.add_exception_handler(sa.exc.OperationalError, _unavailable)
    app.add_exception_handler(Exception, _broken)
    return app


def _add_middleware(app: FastAPI, hub: Hub) -> None:
    is_https = hub.settings.public_url.startswith("https://")
    secret = hub.settings.portal_secret
    app.add_middleware(
        SessionMiddleware,
        secret_key=secret.get_secret_value() if secret else hub.key("portal-session").hex(),
        session_cookie="hub_session",
        max_age=session.SESSION_SECONDS,
        same_site="lax",
        https_only=is_https,
    )
    app.add_middleware(_Headers, is_https=is_https)


class _Headers:
    """Adds the security headers to every answer; only what is the same for all may be kept by a browser."""

    def __init__(self, app: ASGIApp, is_https: bool) -> None:
        self._app = app
        self._is_https = is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                is_static = str(scope["path"]).startswith("/static/")
                headers["Cache-Control"] = "public, max-age=86400" if is_static else "no-store"
                if self._is_https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _is_for_programs(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/healthz"))


def _signed_out(request: Request, error: Exception) -> Response:
    if _is_for_programs(request):
        headers = {"WWW-Authenticate": 'Basic realm="Community Data Hub", charset="UTF-8"'}
        return JSONResponse({"detail": "sign in with operator and access code"}, 401, headers)
    return RedirectResponse("/", 303)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if _is_for_programs(request):
        return await http_exception_handler(request, error)
    return _page(request, error.status_code)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if _is_for_programs(request):
        return await request_validation_exception_handler(request, error)
    return _page(request, 400)


def _outside(request: Request, error: Exception) -> Response:
    return _page(request, 404)


def _unavailable(request: Request, error: Exception) -> Response:
    _log.warning("%s %s: %s", request.method, request.url.path, type(error).__name__)
    return _page(request, 503)


def _broken(request: Request, error: Exception) -> Response:
    response = _page(request, 500)
    # This answer is given outside the middleware.
    response.headers.update({**_SECURITY_HEADERS, "Cache-Control": "no-store"})
    return response


def _page(request: Request, status: int) -> Response:
    if _is_for_programs(request):
        return JSONResponse({"detail": "not found" if status == 404 else "unavailable"}, status)
    known = status if status in _OWN_PAGE else 500
    return render(request, "error.html", status, status=status, text=f"error_{known}")
