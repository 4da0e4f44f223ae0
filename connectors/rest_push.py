"""Writing rows to a service in pages, each acknowledged by the count the answer tells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

import orjson
import pyarrow as pa

from connectors.base import Connection, Outgoing, Receipt
from connectors.errors import StopError
from connectors.http import Http
from connectors.rest_answers import total_of
from connectors.rest_calls import Caller
from connectors.rest_options import Push
from connectors.writing import Counted, where_of, write_options

__all__ = ["push"]


def push(caller: Caller, connection: Connection, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
    """Send rows page by page; see `connectors.base.Writer`.

    A page that is sent again, after an outage or by a later process, bears the same idempotency key: the service takes
    it once.

    Args:
        caller: Calls the services of the connection.
        connection: A connection of kind `rest`.
        outgoing: Its options are those of `Push`.
        rows: Its rows.

    Raises:
        RetryError: The service is away.
        StopError: It refuses, or acknowledges another number of rows than the page has.
    """
    options = write_options(Push, connection, outgoing, {"code": caller.auth.defaults.get("code", "")})
    where = f"{where_of(connection, outgoing)}, {options.title}"
    counted = Counted(outgoing, rows, where)
    lines = counted.lines()
    with Http(where) as http:
        number = 0
        while page := list(islice(lines, options.page_size)):
            number += 1
            headers = {options.idempotency_header: _key(outgoing, number, page)}
            answer = caller.call(http, options, {options.envelope: list(map(orjson.loads, page))}, headers=headers)
            taken = total_of(answer.body, options.acknowledged, where)
            if taken != len(page):
                raise StopError(
                    where,
                    f"{taken} rows acknowledged of page {number}, which has {len(page)}",
                    "every row acknowledged",
                    "ask the department which rows it refused and why",
                )
    return counted.receipt(in_hand=True)


def _key(outgoing: Outgoing, number: int, page: list[bytes]) -> str:
    told = "\n".join((outgoing.delivery, outgoing.name, str(number))).encode()
    return hashlib.sha256(b"\n".join([told, *page])).hexdigest()[:32]
