"""What a REST service answers: JSON whose numbers keep every digit, and the parts of it the contract names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import orjson
import requests

from connectors.errors import StopError

__all__ = [
    "ABSENT",
    "Answer",
    "answer_of",
    "at_path",
    "is_gb",
    "json_of",
    "malformed",
    "records_of",
    "shown",
    "total_of",
]

ABSENT: Final = object()
"""What `at_path` gives where the path leads nowhere; null is something else."""

_GB: Final = re.compile(r"charset=\"?(gbk|gb2312|gb18030|cp936)\b", re.IGNORECASE)
_HALF_PAIR: Final = re.compile(rb"\\u[dD][89abAB]")
_SHOWABLE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_LONGEST_TOTAL: Final = 15
_FIRST_YEAR: Final = 2000


@dataclass(frozen=True)
class Answer:
    """An answer as read.

    Attributes:
        status: HTTP status.
        body: The JSON; numbers as text, or read quickly as int and float. `at_path` gives whole ones as text.
        exact: Reads it once more, every number as the text it came in.
        link: Address of the `Link` header's `rel=next`.
        moment: The server's own clock, where it tells it.
    """

    status: int
    body: Any
    exact: Callable[[], Any] | None = None
    link: str | None = None
    moment: datetime | None = None


def answer_of(response: requests.Response) -> Answer:
    """Read an answer; one of 401 need not be JSON.

    Raises:
        ValueError: It is no JSON.
    """
    link = response.links.get("next", {}).get("url") if response.headers.get("Link") else None
    try:
        body = _quick(response)
        body = json_of(response) if body is ABSENT else body
    except ValueError:
        if response.status_code != requests.codes.unauthorized:
            raise
        body = {}
    moment = _moment(response.headers.get("Date", ""))
    return Answer(response.status_code, body, partial(json_of, response), link, moment)


def json_of(response: requests.Response) -> Any:
    """Return the JSON of an answer, numbers as the text they came in, so that none loses a digit.

    A service that says its answer is GBK is read as GB18030, which holds all of GBK. Half a surrogate pair, which no
    encoding can carry on, becomes U+FFFD.

    Raises:
        ValueError: It is no whole JSON.
    """
    content = response.content
    text = content.decode("gb18030" if is_gb(response) else "utf-8-sig")
    try:
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
        return _whole_characters(value) if _HALF_PAIR.search(content) else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_gb(response: requests.Response) -> bool:
    """Whether a service says that its answer is GBK."""
    return _GB.search(response.headers.get("Content-Type", "")) is not None


def _quick(response: requests.Response) -> Any:
    """The same four times as fast for UTF-8, with numbers as int and float; `ABSENT` for anything special."""
    if is_gb(response):
        return ABSENT
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return ABSENT  # a byte order mark, NaN, or what is wrong: the other reader tells


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    return value


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment.year >= _FIRST_YEAR else None  # a clock that was never set tells nothing


def at_path(value: Any, path: str) -> Any:
    """Return what lies at a dotted path (`data.rows`, `0.total`), a whole number as text; else `ABSENT`.

    The empty path is all.
    """
    for step in path.split(".") if path else ():
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return ABSENT
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def records_of(body: Any, path: str, where: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a page; null is none.

    Raises:
        StopError: No list of objects is there.
    """
    records = at_path(body, path)
    if records is None:
        return ()
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise malformed(where, f"no list of objects at {path or 'the top'!r}")
    return records


def total_of(body: Any, path: str, where: str) -> int | None:
    """Return how many rows the source says it has; None where the contract names no path to it.

    Raises:
        StopError: No whole number is there.
    """
    if not path:
        return None
    total = at_path(body, path)
    if not (isinstance(total, str) and total.isascii() and total.isdigit() and len(total) <= _LONGEST_TOTAL):
        raise malformed(where, f"no whole number at {path!r}")
    return int(total)


def malformed(where: str, came: str) -> StopError:
    """Return the error for an answer of another form than the contract says."""
    return StopError(
        where, came, "the form the contract says", "agree the service's answer with its department, or correct the pull"
    )


def shown(value: Any) -> str:
    """Return a code of an answer as an error may show it: a short word or number, never running text."""
    text = str(value)
    return text if _SHOWABLE.fullmatch(text) else "of another form"
