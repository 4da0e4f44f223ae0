"""What every page of the portal shares: the hub, the atlas, the templates and the language."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, cast

import jinja2
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from hub.context import Hub
from hub.exchange.grants import Grant
from hub.portal.atlas import Atlas
from hub.portal.throttle import Throttle
from hub.portal.words import LANGUAGES, Language, day, moment, name_of, number, say, short_name

__all__ = ["FOLDER", "Portal", "ThePortal", "language_of", "render", "sees_quality", "templates"]

FOLDER = Path(__file__).parent
_CALLS_A_MINUTE = 30


@dataclass(frozen=True)
class Portal:
    """The parts of a running portal, kept in `app.state.portal`.

    Attributes:
        throttle: Counts failed tries of access codes.
        calls: Counts what departments' programs ask, each of which is work.
        ended: Sessions that were signed out -> when their day would have been over: a copied cookie opens nothing.
    """

    hub: Hub
    atlas: Atlas
    throttle: Throttle
    calls: Throttle = field(default_factory=lambda: Throttle(_CALLS_A_MINUTE))
    ended: dict[str, float] = field(default_factory=dict)


def _portal(request: Request) -> Portal:
    return cast(Portal, request.app.state.portal)


ThePortal = Annotated[Portal, Depends(_portal)]
"""A route's parameter of this type is the portal it belongs to."""


@cache
def templates() -> Jinja2Templates:
    """The templates; a name that is not given is an error, not an empty place."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["short_name"] = short_name
    environment.globals["style_version"] = _digest("portal.css")
    environment.globals["script_version"] = _digest("portal.js")
    return Jinja2Templates(env=environment)


def _digest(name: str) -> str:
    return hashlib.sha256((FOLDER / "static" / name).read_bytes()).hexdigest()[:12]


def language_of(request: Request) -> Language:
    """The language asked for by `?lang=`, kept in the session; Chinese where none was."""
    asked = request.query_params.get("lang")
    for language in LANGUAGES:
        if asked == language and request.session.get("language") != language:
            request.session["language"] = language
    kept = request.session.get("language")
    return next((language for language in LANGUAGES if language == kept), LANGUAGES[0])


def sees_quality(portal: Portal, grant: Grant | None) -> bool:
    """Whether a grant covers the whole hub, and with it every department's figures."""
    return grant is not None and portal.hub.settings.division.startswith(grant.division_code)


def render(request: Request, name: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """Render a template with what all of them use: words, dates, the grant and the footer's notice."""
    language = language_of(request)
    other = next(item for item in LANGUAGES if item != language)
    shared = {
        "grant": None,
        "language": language,
        "other_language_url": "?" + request.url.include_query_params(lang=other).query,
        "t": partial(say, language),
        "day": partial(day, language),
        "moment": partial(moment, language),
        "name_of": partial(name_of, language),
        "notice": _portal(request).hub.settings.lookup("HUB_NOTICE") or "",
        "csrf_token": request.session.get("csrf", ""),
        "sees_quality": sees_quality(_portal(request), context.get("grant")),
    }
    return templates().TemplateResponse(request, name, {**shared, **context}, status_code=status_code)
