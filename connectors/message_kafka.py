"""One connection to Kafka, over librdkafka: JSON of any producer, in the order of each partition.

How far a topic was taken the brokers keep, under the connection's `group`. Partitions are assigned by ourselves: the
hub lets one pull run at a time, so nothing is to be shared out, and no broker takes a long landing for death.
"""

# kombu calls itself typed, but most of its functions are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import confluent_kafka as kafka
from kombu.message import Message

from connectors.base import Connection
from connectors.errors import RetryError, StopError
from connectors.message_options import MessageConnection
from connectors.options import connection_options

__all__ = ["KafkaLink"]

_ANSWER_SECONDS: Final = 10.0
_SEND_SECONDS: Final = 60.0
_SLICE_SECONDS: Final = 1.0
_TOGETHER: Final = 500
_REFUSALS: Final = frozenset(
    {
        kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
        kafka.KafkaError.TOPIC_EXCEPTION,
        kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
        kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        kafka.KafkaError.SASL_AUTHENTICATION_FAILED,
        kafka.KafkaError.UNSUPPORTED_SASL_MECHANISM,
        kafka.KafkaError.MSG_SIZE_TOO_LARGE,
        kafka.KafkaError._UNKNOWN_TOPIC,
        kafka.KafkaError._AUTHENTICATION,
        kafka.KafkaError._SSL,
        kafka.KafkaError._INVALID_ARG,
    }
)
"""Answers that no repetition changes: no such topic, no right to it, another password, an option there is not."""

Tag = tuple[int, int]
"""Partition and offset of a message."""


class KafkaLink:
    """An open connection; see `connectors.message_brokers.Link`.

    Args:
        connection: `place` is `kafka://[user@]host:port[,host:port]`, or `kafkas://` over TLS.
        where: How errors and log lines name it.
    """

    def __init__(self, connection: Connection, where: str) -> None:
        self._where = where
        self._heard: list[int] = []
        self._topic = ""
        self._taken: list[Tag] = []
        self._settings = _settings(connection)
        self._producer: kafka.Producer | None = None
        group = connection_options(MessageConnection, connection).group
        reading = {
            "group.id": group,
            # Where nothing was taken yet, or what was taken last is gone.
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # What waits in memory while a batch is written.
            "queued.max.messages.kbytes": 16_384,
        }
        with self._errors():
            self._consumer = kafka.Consumer({**self._settings, **reading, "error_cb": self._hear})

    def close(self) -> None:
        """Close the connection; may be called again."""
        self._consumer.close()

    def require(self, queue: str) -> None:
        """Check that a topic is there."""
        self._partitions(queue)

    def receive(self, queue: str, most: int, idle_seconds: float, max_seconds: float) -> Iterator[Message]:
        """Give waiting messages, from behind the last one that was acknowledged."""
        self._assign(queue)
        taken, last = 0, time.monotonic()
        end = last + max_seconds
        while taken < most:
            rest = min(last + idle_seconds, end) - time.monotonic()
            if rest <= 0:
                break
            with self._errors():
                arrived = self._consumer.consume(min(most - taken, _TOGETHER), timeout=min(rest, _SLICE_SECONDS))
            for came in arrived:
                with self._errors():
                    _raise(came.error())
                message = _message(came)
                self._taken.append(message.delivery_tag)
                yield message
                taken, last = taken + 1, time.monotonic()

    def acknowledge(self, tags: Sequence[Tag]) -> None:
        """Tell the brokers how far each partition was taken: up to the first message that was not."""
        done = set(tags)
        reached: dict[int, int] = {}
        left: set[int] = set()
        for partition, offset in self._taken:
            if (partition, offset) not in done:
                left.add(partition)
            elif partition not in left:
                reached[partition] = offset + 1
        if not reached:
            return
        offsets = [kafka.TopicPartition(self._topic, partition, offset) for partition, offset in reached.items()]
        with self._errors():
            for told in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
                _raise(told.error)

    def send(self, queue: str, body: bytes, properties: Mapping[str, Any], headers: Mapping[str, Any]) -> None:
        """Put a message into a topic; returns once all replicas have it."""
        failures: list[kafka.KafkaError | None] = []
        named = {name.replace("_", "-"): value for name, value in properties.items()}
        told: list[tuple[str, str | bytes | None]] = [
            (name, str(value).encode("utf-8", "surrogatepass")) for name, value in {**headers, **named}.items()
        ]
        with self._errors():
            if self._producer is None:
                writing = {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "error_cb": self._hear}
                self._producer = kafka.Producer({**self._settings, **writing})
            self._producer.produce(queue, body, headers=told, on_delivery=lambda error, _: failures.append(error))
            self._producer.flush(_SEND_SECONDS)
            _raise(failures[0] if failures else kafka.KafkaError(kafka.KafkaError._TIMED_OUT))

    def _partitions(self, topic: str) -> list[int]:
        with self._errors():
            # A consumer's question makes no topic; a producer's might.
            found = self._consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
            _raise(found.error)
        return sorted(found.partitions)

    def _assign(self, topic: str) -> None:
        partitions = [kafka.TopicPartition(topic, number) for number in self._partitions(topic)]
        with self._errors():
            known = self._consumer.committed(partitions, timeout=_ANSWER_SECONDS)
            for told in known:
                _raise(told.error)
            # An offset that was never kept is none: reading begins where `auto.offset.reset` says.
            self._consumer.assign(known)
        self._topic, self._taken = topic, []

    def _hear(self, error: kafka.KafkaError) -> None:
        """Keep what librdkafka says aside: that a password was wrong, it says nowhere else."""
        self._heard.append(error.code())

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (kafka.KafkaException, BufferError, ValueError) as error:
            told = error.args[0] if isinstance(error, kafka.KafkaException) else None
            name = told.name() if isinstance(told, kafka.KafkaError) else type(error).__name__
            codes = {told.code() if isinstance(told, kafka.KafkaError) else 0, *self._heard}
            if codes & _REFUSALS:
                raise StopError(
                    self._where,
                    f"the broker refuses ({name})",
                    "a topic that is there, and a user and group with the right to read it",
                    "check place, password, `group`, `transport_options` and topic with the department",
                ) from None
            raise RetryError(
                self._where, f"no whole answer from the broker ({name})", "a broker that answers", "run again later"
            ) from None


def _raise(error: kafka.KafkaError | None) -> None:
    if error is not None:
        raise kafka.KafkaException(error)


def _settings(connection: Connection) -> dict[str, Any]:
    parts, told = urlsplit(connection.place), connection_options(MessageConnection, connection)
    user, _, servers = parts.netloc.rpartition("@")
    tls = parts.scheme == "kafkas"
    ours: dict[str, Any] = {
        "bootstrap.servers": servers,
        "security.protocol": f"{'sasl_' if user else ''}{'ssl' if tls else 'plaintext'}",
        # Its log lines name addresses; what counts comes as an error.
        "log_level": 0,
    }
    if tls and told.ca_file:
        ours["ssl.ca.location"] = told.ca_file
    if user:
        ours |= {"sasl.username": unquote(user), "sasl.password": connection.secret}
    return {"sasl.mechanism": "PLAIN", **told.transport_options, **ours} if user else {**told.transport_options, **ours}


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def _message(came: kafka.Message) -> Message:
    """A message of Kafka like one of any other broker; without a number of its sender's it is known by its place.

    Its place alone would not do: a topic that is made anew counts from the beginning.
    """
    pairs = came.headers() or []
    headers = {name: _text(value) for name, value in (pairs.items() if isinstance(pairs, dict) else pairs)}
    body, tag = came.value() or b"", (came.partition() or 0, came.offset() or 0)
    place = f"{tag}{came.timestamp()}{hashlib.sha256(body).hexdigest()}"
    return Message(
        body=body,
        delivery_tag=tag,
        content_type=headers.get("content-type"),
        headers=headers,
        properties={"message_id": headers.get("message-id") or place},
    )
