"""Which client speaks with which broker: Kafka has one of its own, all others go by kombu."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from kombu.message import Message

from connectors.base import Connection
from connectors.errors import StopError
from connectors.message_link import AmqpLink, check_place
from connectors.message_options import MessageConnection
from connectors.options import connection_options

__all__ = ["Link", "check_broker", "open_link"]

_KAFKA: Final = ("kafka", "kafkas")


class Link(Protocol):
    """An open connection to a broker; whatever is not acknowledged when it is closed comes again."""

    def close(self) -> None:
        """Close the connection; may be called again."""

    def require(self, queue: str) -> None:
        """Check that a queue (a topic) is there.

        Raises:
            StopError: It is not, or this user may not see it.
        """

    def receive(self, queue: str, most: int, idle_seconds: float, max_seconds: float) -> Iterator[Message]:
        """Give waiting messages until there are `most`, none has come for a while, or the time is over.

        One whose packing cannot be undone comes with its `errors`.
        """

    def acknowledge(self, tags: Sequence[Any]) -> None:
        """Tell the broker that messages were taken; the link is of no more use then."""

    def send(self, queue: str, body: bytes, properties: Mapping[str, Any], headers: Mapping[str, Any]) -> None:
        """Put a message into a queue; returns once the broker has it on disk."""


def _is_kafka(connection: Connection) -> bool:
    """By kombu's way to Kafka, `confluentkafka`, only what kombu wrote could be read."""
    try:
        return "kafka" in urlsplit(connection.place).scheme
    except ValueError:
        return False


def check_broker(connection: Connection) -> None:
    """Refuse a place that is no broker's URL, or that holds the password, and options that cannot be right.

    Raises:
        StopError: It is either, or there is no client for such a broker.
    """
    connection_options(MessageConnection, connection)
    if not _is_kafka(connection):
        check_place(connection)
        return
    scheme, netloc, *_ = urlsplit(connection.place)
    user, _, servers = netloc.rpartition("@")
    if scheme not in _KAFKA or not servers or ":" in user:
        raise StopError(
            f"connection {connection.where}",
            "a place with a password in it" if ":" in user else "a place that is no address of Kafka's",
            "kafka://[user@]host:port[,host:port] or kafkas://…, the password apart as the connection's secret",
            f"correct the place named in connectors/systems/{connection.system}.yml",
        )


def open_link(connection: Connection, where: str) -> Link:
    """Connect.

    Args:
        connection: Where to; see `connectors.message`.
        where: How errors and log lines name it; never its address.

    Raises:
        RetryError: The broker is away.
        StopError: It refuses the user.
    """
    if _is_kafka(connection):
        from connectors.message_kafka import KafkaLink  # loads librdkafka

        return KafkaLink(connection, where)
    return AmqpLink(connection, where)
