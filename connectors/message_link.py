"""One open connection to a message broker, over kombu: receives, sends, acknowledges, and stays alive meanwhile."""

# kombu calls itself typed, but most of its functions are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from amqp.exceptions import MessageNacked
from kombu.connection import Connection as Broker
from kombu.entity import Queue
from kombu.exceptions import KombuError
from kombu.message import Message
from kombu.messaging import Consumer, Producer

from connectors.base import Connection
from connectors.errors import RetryError, StopError
from connectors.message_options import MessageConnection
from connectors.options import connection_options

__all__ = ["AmqpLink", "check_place"]

_CONNECT_SECONDS: Final = 10
_SLICE_SECONDS: Final = 1.0
_SEND_SECONDS: Final = 60
_PERSISTENT: Final = 2
_REFUSALS: Final = ("402", "403", "404", "406", "530")
"""Replies of AMQP that no repetition changes: path, rights, no such queue, another kind of queue, virtual host."""

_log = logging.getLogger(__name__)


def check_place(connection: Connection) -> None:
    """Refuse a place that is no broker's URL, or that holds the password.

    Raises:
        StopError: It is either, or kombu cannot speak with such a broker.
    """
    where, do = (
        f"connection {connection.where}",
        f"correct the place named in connectors/systems/{connection.system}.yml",
    )
    allowed = "amqp://user@host[:port]/vhost or amqps://…, the password apart as the connection's secret"
    try:
        parts = urlsplit(connection.place)
        scheme, password, _ = parts.scheme, parts.password, parts.port
    except ValueError:
        scheme, password = "", None
    if password:
        raise StopError(where, "a place with a password in it", allowed, do)
    if not scheme:
        raise StopError(where, "a place that is no broker's address", allowed, do)
    try:
        Broker(connection.place).get_transport_cls()
    except (ImportError, NameError, KeyError, ValueError, KombuError) as error:
        # NameError: how kombu 5.7 says that the Kafka library is not installed.
        raise StopError(where, f"a broker kombu cannot speak with ({type(error).__name__})", allowed, do) from None


class AmqpLink:
    """An open connection with one channel; see `connectors.message_brokers.Link`.

    Args:
        connection: Where to; see `connectors.message`.
        where: How errors and log lines name it; never its address.

    Raises:
        RetryError: The broker is away.
        StopError: It refuses user, password or virtual host.
    """

    def __init__(self, connection: Connection, where: str) -> None:
        self._where = where
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._broker = _broker(connection)
        with self._errors():
            self._broker.connect()
            self._channel = self._broker.channel()
        # A process may take minutes between reading a batch and keeping it; the broker must not take that for death.
        interval = self._broker.get_heartbeat_interval() if self._broker.supports_heartbeats else 0
        if interval:
            self._interval = float(interval) / 4
            threading.Thread(target=self._keep_alive, name="message-heartbeat", daemon=True).start()

    def close(self) -> None:
        """Close the connection; may be called again."""
        self._closed.set()
        with self._lock:
            self._broker.release()

    def require(self, queue: str) -> None:
        """Check that a queue is there.

        Raises:
            StopError: It is not, or this user may not see it.
        """
        with self._lock, self._errors():
            self._channel.queue_declare(queue=queue, passive=True)

    def receive(self, queue: str, most: int, idle_seconds: float, max_seconds: float) -> Iterator[Message]:
        """Give waiting messages until there are `most`, none has come for a while, or the time is over.

        One whose packing cannot be undone comes with its `errors`.
        """
        arrived: deque[Message] = deque()
        end = time.monotonic() + max_seconds
        consumer = self._consume(queue, most, arrived)
        taken, last = 0, time.monotonic()
        while taken < most:
            if arrived:
                yield arrived.popleft()
                taken, last = taken + 1, time.monotonic()
                continue
            rest = min(last + idle_seconds, end) - time.monotonic()
            if rest <= 0:
                break
            self._turn(min(rest, _SLICE_SECONDS))
        with self._lock, self._errors():
            consumer.cancel()

    def _consume(self, queue: str, most: int, arrived: deque[Message]) -> Consumer:
        with self._lock, self._errors():
            # No more than can be taken: what is sent to us, others do not get.
            self._channel.basic_qos(0, most, False)
            consumer = Consumer(
                self._channel,
                queues=[Queue(queue, no_declare=True)],
                auto_declare=False,
                on_message=arrived.append,
            )
            consumer.on_decode_error = lambda message, _: arrived.append(message)
            consumer.consume()
            return consumer

    def acknowledge(self, tags: Sequence[Any]) -> None:
        """Tell the broker that messages were taken."""
        with self._lock, self._errors():
            for tag in tags:
                self._channel.basic_ack(tag)
            # Answered only after the acknowledgements before it.
            self._channel.close()

    def send(self, queue: str, body: bytes, properties: Mapping[str, Any], headers: Mapping[str, Any]) -> None:
        """Put a message into a queue; returns once the broker has it on disk."""
        with self._lock, self._errors():
            Producer(self._channel).publish(
                body,
                routing_key=queue,
                exchange="",
                delivery_mode=_PERSISTENT,
                headers=dict(headers),
                confirm_timeout=_SEND_SECONDS,
                **properties,
            )

    def _turn(self, seconds: float) -> None:
        """Take in what the broker sends, for so long at most."""
        with self._lock, self._errors():
            if self._closed.is_set():
                return
            with suppress(TimeoutError):
                self._broker.drain_events(timeout=seconds)
            self._broker.heartbeat_check()

    def _keep_alive(self) -> None:
        while not self._closed.wait(self._interval):
            try:
                self._turn(0.01)
            except (RetryError, StopError) as error:
                # Whoever uses the link next meets the same error.
                _log.warning("%s: the connection was lost: %s", self._where, error.came)
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        known = (*self._broker.connection_errors, *self._broker.channel_errors, OSError, KombuError, MessageNacked)
        try:
            yield
        except known as error:
            name = type(error).__name__
            if str(getattr(error, "reply_code", "")) in _REFUSALS:
                raise StopError(
                    self._where,
                    f"the broker refuses ({name})",
                    "a user with the right to read the queue, and a queue that is there",
                    "check place, password, virtual host and queue with the department",
                ) from None
            raise RetryError(
                self._where, f"no whole answer from the broker ({name})", "a broker that answers", "run again later"
            ) from None


def _broker(connection: Connection) -> Broker:
    parts, told = urlsplit(connection.place), connection_options(MessageConnection, connection)
    tls = {"server_hostname": parts.hostname, "ca_certs": told.ca_file}
    options = dict(told.transport_options)
    if parts.scheme in ("amqp", "amqps", "pyamqp"):
        options["confirm_publish"] = True
    return Broker(
        connection.place,
        password=connection.secret or None,
        ssl=tls if parts.scheme == "amqps" else False,
        connect_timeout=_CONNECT_SECONDS,
        heartbeat=told.heartbeat_seconds,
        transport_options=options,
    )
