"""Kind `message`: a feed of changes from a broker's queue (RabbitMQ; others as kombu can), JSON in each message.

A batch of waiting messages is one offer. The broker is told that they were taken only once the batch is kept, so a pull
that dies loses none: they come again.
"""

from __future__ import annotations

import json
import logging
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from kombu.message import Message

from connectors.base import WHOLE, Chunk, Connection, Offer, Request, Withheld
from connectors.errors import SetAsideError, StopError
from connectors.message_link import Link, check_place
from connectors.rows import record_batches

__all__ = ["MessageConnector", "decoded"]

_MOST_MESSAGES: Final = 65_535
"""What AMQP lets one consumer hold without acknowledging it."""
_LONGEST_NAME: Final = 255

_log = logging.getLogger(__name__)


class MessageConnector:
    """Takes messages from queues, and puts some into them.

    Args:
        connection: `place` is the broker's URL without password, `secret` the password; options `heartbeat_seconds`,
            `ca_file` (for amqps) and `transport_options` (as kombu has them).

    Raises:
        StopError: The place is no such URL, carries a password, or kombu cannot speak with such a broker.
    """

    def __init__(self, connection: Connection) -> None:
        check_place(connection)
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer the waiting messages as one batch; after it, say how many had to be put into the dead-letter queue.

        Raises:
            StopError: The mode is not `increment`, or an option is missing or cannot be right.
        """
        if request.mode != "increment":
            raise StopError(
                f"pull of {request.tail}",
                f"mode {request.mode!r} over kind 'message'",
                "increment: messages tell what changed",
                f"correct the mode in schemas/sources/{request.tail}.yml",
            )
        offer = _MessageOffer(self._connection, request, _feed(request))
        yield offer
        if offer.unreadable:
            yield offer.withheld()

    def publish(self, queue: str, records: Iterable[Mapping[str, Any]], together: int = 1) -> int:
        """Put records into a queue as JSON, durably.

        Args:
            queue: It must be there.
            records: What to send; dates and decimals go as text.
            together: How many go into one message, as a list; 1: each alone, as an object.

        Returns:
            How many records the broker has confirmed.

        Raises:
            StopError: No such queue, or no right to write to it.
            RetryError: The broker is away; what was confirmed before stays sent.
        """
        where = f"connection {self._connection.where}, queue {queue}"
        link, count, waiting = Link(self._connection, where), 0, iter(records)
        try:
            link.require(queue)
            while part := list(islice(waiting, together)):
                body = json.dumps(part[0] if together == 1 else part, ensure_ascii=False, default=_text).encode()
                kind = {"content_type": "application/json", "content_encoding": "utf-8"}
                link.send(queue, body, {**kind, "message_id": str(uuid.uuid4())}, {})
                count += len(part)
        finally:
            link.close()
        return count


def _text(value: Any) -> str:
    """What JSON has no word for, as `conform` reads it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"no JSON of a {type(value).__name__}")


@dataclass(frozen=True)
class _Feed:
    """What the contract says of a queue.

    Attributes:
        queue: Its name.
        encoding: Of every message's text.
        max_messages: A batch has no more.
        max_seconds: A batch takes no longer to gather.
        idle_seconds: A queue without news for so long counts as empty.
        dead_letter_queue: Where unreadable messages go; empty: one of them sets the batch aside.
    """

    queue: str
    encoding: str
    max_messages: int
    max_seconds: float
    idle_seconds: float
    dead_letter_queue: str


def _feed(request: Request) -> _Feed:
    encoding = str(request.options.get("encoding", "utf-8"))
    try:
        "".encode(encoding)
    except LookupError:
        raise _wrong(request, "encoding", "the name of an encoding, such as utf-8 or gb18030") from None
    return _Feed(
        queue=_queue_name(request, "queue", str(request.option("queue"))),
        encoding=encoding,
        max_messages=int(_number(request, "max_messages", 10_000, 1, _MOST_MESSAGES)),
        max_seconds=_number(request, "max_seconds", 300, 0, 86_400),
        idle_seconds=_number(request, "idle_seconds", 5, 0, 3_600),
        dead_letter_queue=_queue_name(request, "dead_letter_queue", str(request.options.get("dead_letter_queue", ""))),
    )


def _number(request: Request, option: str, default: float, low: float, high: float) -> float:
    value = request.options.get(option, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _wrong(request, option, f"a number from {low} to {high}")
    return value


def _queue_name(request: Request, option: str, name: str) -> str:
    if len(name.encode()) > _LONGEST_NAME or not name.isprintable():
        raise _wrong(request, option, f"a name of at most {_LONGEST_NAME} bytes without control characters")
    return name


def _wrong(request: Request, option: str, allowed: str) -> StopError:
    return StopError(
        f"pull of {request.tail}",
        f"{option} {request.options[option]!r}",
        allowed,
        f"correct it in schemas/sources/{request.tail}.yml",
    )


class _MessageOffer(Offer):
    """One batch of waiting messages; its connection stays open until the batch is settled or nobody wants it."""

    def __init__(self, connection: Connection, request: Request, feed: _Feed) -> None:
        self._connection = connection
        self._request = request
        self._feed = feed
        self._where = f"{request.tail}, queue {feed.queue}"
        self._link: Link | None = None
        self._close: Callable[[], object] | None = None
        self.name = f"{feed.queue} waiting messages"
        self._begin()

    def _begin(self) -> None:
        self._tags: list[Any] = []
        self._identity: list[str] | None = []
        self.unreadable = 0
        self.fingerprint = None
        self.available = None

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream the records of the waiting messages as text; see `Offer.read`.

        Read again, it first gives back what it holds, so that the same messages come with those that are new.
        """
        self._let_go()
        self._begin()
        try:
            link = self._open()
            for batch in record_batches(self._records(link), self._request, self._where):
                yield batch
                self._request.pace(batch.num_rows)
        except BaseException:
            self._let_go()
            raise
        if self._identity:
            self.fingerprint = sha256("\n".join(sorted(self._identity)).encode()).hexdigest()

    def _open(self) -> Link:
        link = Link(self._connection, self._where)
        self._link = link
        self._close = weakref.finalize(self, link.close)
        link.require(self._feed.queue)
        if self._feed.dead_letter_queue:
            link.require(self._feed.dead_letter_queue)
        return link

    def _let_go(self) -> None:
        """Close the connection; what was not acknowledged goes back into the queue."""
        if self._close is not None:
            self._close()
        self._link, self._close = None, None

    def _records(self, link: Link) -> Iterator[Mapping[str, Any]]:
        feed = self._feed
        for message in link.receive(feed.queue, feed.max_messages, feed.idle_seconds, feed.max_seconds):
            self._tags.append(message.delivery_tag)
            self._know(message)
            try:
                records = decoded(message, feed.encoding)
            except ValueError as error:
                self._refuse(link, message, str(error))
                continue
            for record in records:
                # A batch without a record says nothing of the columns, least of all that they are gone.
                if self.available is None or not record.keys() <= self.available.keys():
                    self.available = {**(self.available or {}), **dict.fromkeys(record, "json")}
                yield record

    def _know(self, message: Message) -> None:
        """Gather what makes this batch itself, where every sender numbers its messages."""
        number = message.properties.get("message_id")
        if number and self._identity is not None:
            self._identity.append(str(number))
        else:
            self._identity = None

    def _refuse(self, link: Link, message: Message, came: str) -> None:
        self.unreadable += 1
        if not self._feed.dead_letter_queue:
            raise SetAsideError(
                self._where,
                f"message {len(self._tags)} of the batch is {came}",
                "a JSON object, or a list of them",
                "take the message out of the queue, or name a `dead_letter_queue` in the contract",
                reason="unreadable",
            )
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        kind = {"content_type": message.content_type or "application/octet-stream"}
        headers = {**message.headers, "x-hub-reason": came, "x-hub-queue": self._feed.queue}
        # Sent before the batch is settled: dying in between sends it twice, never not at all.
        link.send(self._feed.dead_letter_queue, body, kind, headers)
        _log.warning("%s: message %d is %s: sent to the dead-letter queue", self._where, len(self._tags), came)

    def withheld(self) -> Withheld:
        """Return what is to be told of the messages that could not be read; each time anew, so the name has a time."""
        return Withheld(
            f"{self._feed.queue} unreadable messages {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "unreadable",
            f"{self._where}: {self.unreadable} of {len(self._tags)} messages are not JSON objects."
            f" Do: look at queue {self._feed.dead_letter_queue} and tell the department.",
        )

    def settle(self) -> None:
        """Acknowledge the batch's messages, the unreadable ones too, and close the connection.

        Raises:
            RetryError: The broker cannot be told; it will send the same messages again.
        """
        link = self._link
        if link is None:
            return
        try:
            link.acknowledge(self._tags)
        finally:
            self._let_go()


def decoded(message: Message, encoding: str) -> list[Mapping[str, Any]]:
    """Return the objects in a message, numbers as the text they came in, so that none loses a digit.

    Raises:
        ValueError: It holds none; the text says why, without a word of the message.
    """
    if message.errors:
        raise ValueError("compressed in a way that cannot be undone")
    keep: Callable[[str], str] = str
    try:
        text = message.body if isinstance(message.body, str) else bytes(message.body).decode(encoding)
        found = json.loads(text, parse_float=keep, parse_int=keep, parse_constant=keep)
    except UnicodeDecodeError:
        raise ValueError(f"not {encoding}") from None
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    records = found if isinstance(found, list) else [found]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("JSON, but no object")
    return records
