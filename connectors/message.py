"""Kind `message`: a feed of changes from a broker's queue (RabbitMQ; others as kombu can) or topic (Kafka), as JSON.

A batch of waiting messages is one offer, and another follows until nothing waits. The broker is told that they were
taken only once the batch is kept, so a pull that dies loses none: they come again.
"""

from __future__ import annotations

import json
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
from kombu.message import Message

from connectors import message_writer
from connectors.base import WHOLE, Chunk, Connection, Offer, Outgoing, Receipt, Request, Withheld
from connectors.errors import SetAsideError
from connectors.message_brokers import Link, check_broker, open_link
from connectors.message_options import MessagePull
from connectors.options import options_of
from connectors.rows import record_batches

__all__ = ["MessageConnector", "decoded"]

_MOST_BYTES: Final = 1 << 26
"""Of unreadable messages, which wait in memory until the batch is kept; with more of them it ends early."""

_log = logging.getLogger(__name__)


class MessageConnector:
    """Takes messages from queues, and puts some into them.

    Args:
        connection: `place` is the broker's URL without password, `secret` the password; options as
            docs/connectors/message.md has them.

    Raises:
        StopError: The place is no such URL, carries a password, or there is no client for such a broker.
    """

    def __init__(self, connection: Connection) -> None:
        check_broker(connection)
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer the waiting messages, one batch after the other as long as each was kept, until nothing waits.

        After a batch of which some could not be read, say how many were put into the dead-letter queue.

        Raises:
            StopError: The mode is not `increment`, or an option is missing or cannot be right.
        """
        feed = options_of(MessagePull, request)
        for number in range(1, feed.max_batches + 1):
            offer = _MessageOffer(self._connection, request, feed)
            yield offer
            if not offer.settled:
                # Its messages come again: to whoever pulls next, not to us at once.
                return
            if offer.unreadable:
                yield offer.withheld(number)
            if not offer.full:
                return
        _log.warning("%s: %d batches are taken, and more waits in queue %s", request.tail, feed.max_batches, feed.queue)

    def write(self, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
        """Put rows into a queue as JSON; see `connectors.message_writer.write`."""
        return message_writer.write(self._connection, outgoing, rows)


class _MessageOffer(Offer):
    """One batch of waiting messages; its connection stays open until the batch is settled or nobody wants it.

    Attributes:
        unreadable: How many messages go to the dead-letter queue.
        full: Whether it ended although more may wait.
        settled: Whether the broker was told that its messages are taken.
    """

    def __init__(self, connection: Connection, request: Request, feed: MessagePull) -> None:
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
        self._dead: list[tuple[bytes, dict[str, str], dict[str, Any]]] = []
        self.unreadable = 0
        self.full = False
        self.settled = False
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
            # A number need not be text of any meaning: AMQP passes on whatever bytes a sender gave it.
            known = "\n".join(sorted(self._identity)).encode("utf-8", "surrogatepass")
            self.fingerprint = sha256(known).hexdigest()

    def _open(self) -> Link:
        link = open_link(self._connection, self._where)
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
        feed, bytes_refused = self._feed, 0
        for message in link.receive(feed.queue, feed.max_messages, feed.idle_seconds, feed.max_seconds):
            self._tags.append(message.delivery_tag)
            self._know(message)
            try:
                records = decoded(message, feed.encoding)
            except ValueError as error:
                bytes_refused += self._refuse(message, str(error))
                if bytes_refused > _MOST_BYTES:
                    self.full = True
                    return
                continue
            for record in records:
                # A batch without a record says nothing of the columns, least of all that they are gone.
                if self.available is None or not record.keys() <= self.available.keys():
                    self.available = {**(self.available or {}), **dict.fromkeys(record, "json")}
                yield record
        self.full = len(self._tags) == feed.max_messages

    def _know(self, message: Message) -> None:
        """Gather what makes this batch itself, where every sender numbers its messages."""
        number = message.properties.get("message_id")
        if number and self._identity is not None:
            self._identity.append(str(number))
        else:
            self._identity = None

    def _refuse(self, message: Message, came: str) -> int:
        """Keep a message for the dead-letter queue; return its size."""
        self.unreadable += 1
        if not self._feed.dead_letter_queue:
            raise SetAsideError(
                self._where,
                f"message {len(self._tags)} of the batch is {came}",
                "a JSON object, or a list of them",
                "take the message out of the queue, or name a `dead_letter_queue` in the contract",
                reason="unreadable",
            )
        text = message.body
        body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        kind = {"content_type": message.content_type or "application/octet-stream"}
        # What was unpacked is sent as it is now.
        packed = "" if message.errors else "compression"
        headers = {name: value for name, value in message.headers.items() if name != packed}
        self._dead.append((body, kind, {**headers, "x-hub-reason": came, "x-hub-queue": self._feed.queue}))
        _log.warning("%s: message %d is %s: for the dead-letter queue", self._where, len(self._tags), came)
        return len(body)

    def withheld(self, number: int) -> Withheld:
        """Return what is to be told of the messages that could not be read; each time anew, so the name has a time.

        Args:
            number: Of the batch within its pull.
        """
        return Withheld(
            f"{self._feed.queue} unreadable messages {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "unreadable",
            f"{self._where}: {self.unreadable} of {len(self._tags)} messages of batch {number} are not JSON objects."
            f" Do: look at queue {self._feed.dead_letter_queue} and tell the department.",
        )

    def settle(self) -> None:
        """Send what could not be read to the dead-letter queue, acknowledge all messages and close the connection.

        Raises:
            RetryError: The broker cannot be told; it will send the same messages again.
            StopError: The dead-letter queue is gone.
        """
        link = self._link
        if link is None:
            return
        try:
            # Dying in between sends them twice, never not at all.
            for body, kind, headers in self._dead:
                link.send(self._feed.dead_letter_queue, body, kind, headers)
            link.acknowledge(self._tags)
            self.settled = True
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
        # Half a surrogate pair is JSON, but no text that could be kept.
        (json.dumps(found, ensure_ascii=False) if "\\u" in text else text).encode()
    except UnicodeDecodeError:
        raise ValueError(f"not {encoding}") from None
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    records = found if isinstance(found, list) else [found]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("JSON, but no object")
    return records
