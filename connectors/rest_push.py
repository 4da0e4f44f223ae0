"""Writing rows to a service in pages, each acknowledged by the count the answer tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from connectors.errors import StopError
from connectors.http import Http
from connectors.rest_answers import total_of
from connectors.rest_calls import Caller
from connectors.rest_options import Push

__all__ = ["Pushed", "push_pages"]


@dataclass(frozen=True)
class Pushed:
    """A page the service has acknowledged.

    Attributes:
        page: Its number, from 1; given as `pages_done`, the next push goes on behind it.
        rows: How many rows it has.
    """

    page: int
    rows: int


def push_pages(
    caller: Caller, tail: str, options: Push, records: Iterable[Mapping[str, Any]], name: str, pages_done: int = 0
) -> Iterator[Pushed]:
    """Send rows page by page; nothing is sent before the result is read.

    A page sent again, after an outage or by a later process, bears the same idempotency key.

    Args:
        caller: The connection.
        tail: The dataset.
        options: How the service is called.
        records: Rows, JSON-able; the same in the same order when a push is taken up again.
        name: What is pushed, the same when it is taken up again.
        pages_done: Pages acknowledged before; they are passed over.

    Raises:
        RetryError: The service is away.
        StopError: It refuses, or acknowledges another number of rows than the page has.
    """
    where = f"{tail}, {options.title}"
    rows = iter(records)
    with Http(where) as http:
        number = 0
        while page := list(islice(rows, options.page_size)):
            number += 1
            if number <= pages_done:
                continue
            headers = {options.idempotency_header: _key(where, name, number, page)}
            answer = caller.call(http, options, {options.envelope: page}, headers=headers)
            taken = total_of(answer.body, options.acknowledged, where)
            if taken != len(page):
                raise StopError(
                    where,
                    f"{taken} rows acknowledged of page {number}, which has {len(page)}",
                    "every row acknowledged",
                    "ask the department which rows it refused and why",
                )
            yield Pushed(number, len(page))


def _key(where: str, name: str, number: int, page: Sequence[Mapping[str, Any]]) -> str:
    try:
        text = json.dumps([where, name, number, page], ensure_ascii=False, allow_nan=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]
    except (TypeError, ValueError):
        raise StopError(
            where,
            f"a value on page {number} that JSON does not have",
            "text, whole numbers, true, false, null",
            "turn dates and numbers into text before they are pushed",
        ) from None
