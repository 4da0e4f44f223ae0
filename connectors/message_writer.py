"""Writing rows as messages: durable, each confirmed by the broker, each with the same id whenever it is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from kombu.message import Message

from connectors.base import Connection, Outgoing, Receipt
from connectors.message_brokers import Link, open_link
from connectors.write_options import MessageWrite
from connectors.writing import Counted, where_of, write_options

__all__ = ["write"]

_KIND: Final = {"content_type": "application/json", "content_encoding": "utf-8"}
_MOST_RECEIPTS: Final = 1_000
_IDLE_SECONDS: Final = 0.5
_MAX_SECONDS: Final = 30.0


def write(connection: Connection, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
    """Put rows into a queue as JSON; see `connectors.base.Writer`.

    With `receipts`, a delivery whose receipt is there is not sent again. Without it, or where the hub died between the
    last message and the receipt, its messages come a second time under the same ids.

    Args:
        connection: A connection of kind `message` whose user may write to the queue.
        outgoing: Its options are those of `MessageWrite`.
        rows: Its rows.

    Raises:
        StopError: No such queue, no right to write to it, or wrong options or columns.
        RetryError: The broker is away; what was confirmed before stays sent.
    """
    options = write_options(MessageWrite, connection, outgoing)
    where = f"{where_of(connection, outgoing)}, queue {options.queue}"
    link, counted = open_link(connection, where), Counted(outgoing, rows, where)
    try:
        link.require(options.queue)
        known = _kept(link, options, outgoing)
        for _, told in known:
            if told.get("delivery") == outgoing.delivery:
                return replace(Receipt(**told), repeated=True)
        _send(link, options, outgoing, counted)
        receipt = counted.receipt(in_hand=False)
        if options.receipts:
            _keep(link, options.receipts, outgoing, receipt)
            link.acknowledge([message.delivery_tag for message, _ in known])
    finally:
        link.close()
    return receipt


def _send(link: Link, options: MessageWrite, outgoing: Outgoing, counted: Counted) -> None:
    waiting, number = counted.lines(), 0
    while part := list(islice(waiting, options.together)):
        number += 1
        body = part[0] if options.together == 1 else b"[" + b",".join(part) + b"]"
        named = hashlib.sha256(f"{outgoing.delivery}|{number}".encode()).hexdigest()[:32]
        headers = {"x-hub-delivery": outgoing.delivery, "x-hub-name": outgoing.name}
        link.send(options.queue, body, {**_KIND, "message_id": named}, headers)


def _kept(link: Link, options: MessageWrite, outgoing: Outgoing) -> list[tuple[Message, dict[str, Any]]]:
    """The receipts of this product that are kept; the broker has them again when the link is closed."""
    if not options.receipts:
        return []
    link.require(options.receipts)
    arrived = link.receive(options.receipts, _MOST_RECEIPTS, _IDLE_SECONDS, _MAX_SECONDS)
    mine = [message for message in arrived if message.headers.get("x-hub-name") == outgoing.name]
    return [(message, json.loads(_text(message))) for message in mine]


def _text(message: Message) -> str | bytes:
    return message.body if isinstance(message.body, str) else bytes(message.body)


def _keep(link: Link, queue: str, outgoing: Outgoing, receipt: Receipt) -> None:
    body = json.dumps(asdict(receipt), ensure_ascii=False).encode()
    link.send(queue, body, {**_KIND, "message_id": outgoing.delivery}, {"x-hub-name": outgoing.name})
