"""How the next page is asked for: by number, by offset, by a token of the answer, or by a link; no network here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from connectors.errors import StopError
from connectors.rest_answers import ABSENT, Answer, at_path, malformed
from connectors.rest_chunks import Position
from connectors.rest_options import Pull

__all__ = ["first_position", "link_position", "nested", "next_position", "page_params"]


def first_position(pull: Pull) -> Position:
    """Return where the first page begins."""
    return {"page": {"page": pull.first_page}, "offset": {"offset": 0}}.get(pull.paging, {"first": True})


def page_params(pull: Pull, at: Position) -> dict[str, Any]:
    """Return the parameters that ask for the page at a position; those of a link stand in the link itself."""
    if pull.paging == "none" or "query" in at:
        return {}
    size: dict[str, Any] = {pull.size_param: pull.page_size} if pull.size_param else {}
    if pull.paging == "page":
        return {pull.page_param: at["page"], **size}
    if pull.paging == "offset":
        return {pull.offset_param: at["offset"], **size}
    return {**size, pull.token_param: at["token"]} if "token" in at else size


def next_position(pull: Pull, at: Position, answer: Answer, came: int, rows: int, total: int | None) -> Position | None:
    """Return where the next page begins; None after the last.

    A short page is not taken for the last: many services give fewer rows than asked for.

    Args:
        pull: The contract's paging.
        at: Where the page just read began.
        answer: The page.
        came: Its rows.
        rows: Rows of all pages so far, with these.
        total: What the source says it has.

    Raises:
        StopError: The token or link is of no form that leads on.
    """
    done = came == 0 or (total is not None and rows >= total)
    if pull.paging in ("page", "offset"):
        if done:
            return None
        return {"page": at["page"] + 1} if pull.paging == "page" else {"offset": at["offset"] + came}
    if pull.paging == "none":
        return None
    found = answer.link if pull.paging == "link" and not pull.next else at_path(answer.body, pull.next)
    if found in (None, "", ABSENT):
        return None
    if not isinstance(found, str):
        raise malformed(pull.title, f"no text at {pull.next!r}")
    return {"link": found} if pull.paging == "link" else {"token": found}


def link_position(href: str, asked: str, strip: Collection[str], where: str) -> Position:
    """Return a link as a position without its host: behind a proxy it often names another one than ours.

    A link to our own host keeps its path; of another host's only the query counts, sent to the path we know.

    Args:
        href: The link, absolute or relative.
        asked: The address that was asked, without a query.
        strip: Parameters that the signature adds anew.
        where: How errors name the offer.

    Raises:
        StopError: It leads nowhere we may go.
    """
    try:
        link, ours = urlsplit(urljoin(asked, href)), urlsplit(asked)
        same = (link.scheme, link.netloc) == (ours.scheme, ours.netloc)
    except ValueError:
        raise malformed(where, "a next link that is no address") from None
    query = [[name, value] for name, value in parse_qsl(link.query, keep_blank_values=True) if name not in strip]
    if not same and not query:
        raise StopError(
            where,
            "a next link to another host without a query",
            "a link whose query says what comes next",
            "ask the department to correct its links",
        )
    return {"path": link.path if same else ours.path, "query": query}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters for a JSON body: a dotted name makes objects in objects.

    Raises:
        ValueError: A name is both a value and an object.
    """
    body: dict[str, Any] = {}
    for name, value in values.items():
        *outer, last = name.split(".")
        inner = body
        for step in outer:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ValueError(name)
        if last in inner:
            raise ValueError(name)
        inner[last] = value
    return body
