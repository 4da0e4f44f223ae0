"""Options of kind `message`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from connectors.options import Count, Encoding, Number, Options, PullOptions, Text

__all__ = ["MessageConnection", "MessagePull"]

_MOST_MESSAGES: Final = 65_535
"""What AMQP lets one consumer hold without acknowledging it."""
_LONGEST_NAME: Final = 255


def _queue(name: str) -> str:
    if len(name.encode()) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"must be a name of at most {_LONGEST_NAME} bytes without control characters")
    return name


QueueName = Annotated[str, AfterValidator(_queue)]


class MessageConnection(Options):
    """How the broker is spoken with; docs/connectors/message.md has each option's meaning."""

    page: ClassVar[str] = "docs/connectors/message.md"
    ca_file: str | None = Field(default=None, min_length=1)
    transport_options: dict[str, Any] = Field(default={})
    group: Text = "community-data-hub"
    heartbeat_seconds: Number = 60


class MessagePull(PullOptions):
    """What is taken from which queue.

    Attributes:
        mode: Messages tell what changed.
        queue: Its name.
        encoding: Of every message's text.
        max_messages: A batch has no more.
        max_seconds: A batch takes no longer to gather.
        idle_seconds: A queue without news for so long counts as empty.
        max_batches: A pull takes no more batches.
        dead_letter_queue: Where unreadable messages go; empty: one of them sets the batch aside.
    """

    page: ClassVar[str] = "docs/connectors/message.md"
    mode: Literal["increment"]
    queue: QueueName = Field(min_length=1)
    encoding: Encoding = "utf-8"
    max_messages: Annotated[int, Field(strict=True, ge=1, le=_MOST_MESSAGES)] = 10_000
    max_batches: Count = 100
    max_seconds: Annotated[Number, Field(le=86_400)] = 300
    idle_seconds: Annotated[Number, Field(le=3_600)] = 5
    dead_letter_queue: QueueName = ""
