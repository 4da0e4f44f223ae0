"""The interface of every connector and the table of kinds; steps 1 (pull) and 8 (deliver) need only this module.

A connector turns a connection and a request into offers, each one batch's worth of untouched rows in an Arrow stream.
Some kinds write as well: they turn a stream of rows into a receipt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Final, Literal, Protocol, runtime_checkable

import pyarrow as pa

from connectors.errors import StopError
from connectors.outgoing import Outgoing, Receipt
from connectors.pace import Pace

__all__ = [
    "BATCH_ROWS",
    "KINDS",
    "WHOLE",
    "Chunk",
    "Connection",
    "Connector",
    "Offer",
    "Outgoing",
    "Receipt",
    "Request",
    "Withheld",
    "Writer",
    "connect",
    "writer_of",
]

BATCH_ROWS: Final = 32_768
"""No record batch of an offer has more rows."""

KINDS: Final[Mapping[str, str]] = {
    "sql": "connectors.sql:SqlConnector",
    "rest": "connectors.rest:RestConnector",
    "file": "connectors.files:FileConnector",
    "geo_file": "connectors.geo:GeoFileConnector",
    "ogc_features": "connectors.ogc:OgcFeaturesConnector",
    "wfs": "connectors.wfs:WfsConnector",
    "delta_sharing": "connectors.delta_sharing:DeltaSharingConnector",
    "message": "connectors.message:MessageConnector",
}
"""Kind of a connection -> its class, as `module:name` so that a pull loads only the drivers it needs."""


@dataclass(frozen=True)
class Connection:
    """One way into a department system.

    Attributes:
        system: The department's short name.
        name: The connection's name within the system.
        kind: A key of `KINDS`.
        place: URL or folder; never shown, for it may carry a user's name.
        secret: Password or key; never shown. Empty where none is needed.
        options: What the kind needs beside (`requester_id`, `secret_path`).
        max_connections: How many connections the department allows at once; every connector uses one at a time.
    """

    system: str
    name: str
    kind: str
    place: str = field(repr=False)
    secret: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    max_connections: int = 1

    @property
    def where(self) -> str:
        """The connection as errors name it."""
        return f"{self.system}/{self.name}"


@dataclass(frozen=True)
class Request:
    """What is wanted of one dataset.

    Attributes:
        tail: The dataset's path tail.
        fields: Names in the department's own system, each once, in the order wanted.
        options: The contract's `pull` without its mode: `table`, `pattern`, `encoding`, …
        mode: `snapshot` takes all there is, `increment` what is new.
        since: For a backfill: an increment begins here instead of at its mark.
        synonyms: Field -> other names the department may give it (ODCS `synonyms`).
        drift: What a change of the department's columns means: `new`, `missing`, `renamed` or `retyped` -> `evolve`,
            `freeze`, `discard_row` or `discard_value`. A connector acts on `missing` alone: unless that is frozen, an
            absent column is given as nulls.
        pace: To be called with the number of rows whenever some have come from the system; it waits as long as the
            department's cap asks for.
    """

    tail: str
    fields: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: Literal["snapshot", "increment"] = "snapshot"
    since: datetime | None = None
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drift: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace(None), compare=False)

    def names_of(self, wanted: str) -> tuple[str, ...]:
        """Return the names a field may bear in the department's system, its own first."""
        return (wanted, *self.synonyms.get(wanted, ()))

    @property
    def lends_missing(self) -> bool:
        """Whether a column that is absent is given as nulls instead of refusing the delivery."""
        return self.drift.get("missing", "freeze") != "freeze"


Chunk = Mapping[str, Any]
"""One part of an offer, JSON-able: it says all that is needed to read it again in another process."""

WHOLE: Final[Chunk] = {}
"""The chunk of an offer that is read in one piece."""


class Offer(ABC):
    """One batch's worth of rows, read chunk by chunk, so that a killed pull loses one chunk and not all.

    The pull keeps in the ledger what `plan` and `after` give and what `note` says of each chunk that is read; a later
    process goes on with a new offer of the same name, so nothing else may be remembered between two chunks.

    Attributes:
        name: File name, or table and lower bound; no secret and no machine path in it.
        fingerprint: Identity of the content where it is known before reading (files); else None.
        expected_rows: What the source itself says it gives; final once all chunks are read, None where it says nothing.
        available: Every column the source has -> its type there, as text, also columns nobody asked for; final once a
            chunk is read. None where the source does not say.
        parallel: Whether chunks may be read at the same time, each over a connection of its own.
    """

    name: str
    fingerprint: str | None = None
    expected_rows: int | None = None
    available: Mapping[str, str] | None = None
    parallel: bool = False

    def plan(self) -> Sequence[Chunk]:
        """Return the chunks known before reading, in order; one that is the whole unless the kind knows better."""
        return (WHOLE,)

    @abstractmethod
    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream a chunk's rows with exactly the columns asked for; at least one batch, so the schema is always known.

        May be called again; it then reads anew.

        Raises:
            RetryError: The source is away or changed while it was read.
            StopError: Configuration, credentials or rights are wrong.
            SetAsideError: The delivery is unusable; `reason` is one of the codes of `Withheld`.
        """

    def note(self, chunk: Chunk) -> Chunk | None:
        """Return what must be remembered of a chunk just read, JSON-able: its newest cursor, the next page's token."""
        return None

    def after(self, chunk: Chunk, note: Chunk | None) -> Chunk | None:
        """Return the chunk that follows one just read, where that is known only then; else None."""
        return None

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return where the next increment starts, JSON-able, from the notes of all chunks; None: nothing is kept."""
        return None

    def settle(self) -> None:  # noqa: B027  most kinds owe their source no answer
        """Told once the batch is kept: acknowledge messages, confirm receipt. May be told twice of one batch."""


@dataclass(frozen=True)
class Withheld:
    """A delivery set aside before it was read: named and counted, never used.

    Attributes:
        name: As in `Offer`.
        reason: `drop_incomplete`, `digest_mismatch`, `manifest_count`, `encoding_invalid`, `unreadable`,
            `schema_drift` or `crs_mismatch`.
        message: Where, what came, what is allowed, what to do.
        fingerprint: Identity of this delivery in this condition: it changes when anything of it is sent anew.
    """

    name: str
    reason: str
    message: str
    fingerprint: str | None = None


class Connector(Protocol):
    """One open way into a department system."""

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Name what there is to read, oldest first.

        Args:
            request: The dataset.
            mark: What `Offer.mark` gave after the last pull that was kept, or None.
        """


def connect(connection: Connection) -> Connector:
    """Return the connector for a connection; nothing is opened yet.

    Raises:
        StopError: No such kind, or the connection's place or options cannot be right.
    """
    target = KINDS.get(connection.kind)
    if target is None:
        raise StopError(
            f"connection {connection.where}",
            f"unknown kind {connection.kind!r}",
            ", ".join(sorted(KINDS)),
            f"correct the kind in connectors/systems/{connection.system}.yml",
        )
    module, _, name = target.partition(":")
    connector: Connector = getattr(import_module(module), name)(connection)
    return connector


@runtime_checkable
class Writer(Protocol):
    """A connector whose department system is also a place to write to."""

    def write(self, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
        """Write a stream of rows; a second time under the same id, after whatever happened to the first, is once.

        How the place knows its deliveries differs: docs/connectors/ says it for each kind.

        Args:
            outgoing: What and how.
            rows: Batches with exactly the columns of `outgoing`.

        Raises:
            StopError: Options, rights, columns or a row cannot be right.
            RetryError: The system is away; writing it once more is safe.
        """


def writer_of(connection: Connection) -> Writer:
    """Return the writer for a connection; nothing is opened yet.

    Raises:
        StopError: As for `connect`; or the kind only reads.
    """
    writer = connect(connection)
    if not isinstance(writer, Writer):
        raise StopError(
            f"connection {connection.where}",
            f"a delivery over kind {connection.kind!r}, which only reads",
            "a connection of a kind that writes: sql, file, rest, message",
            f"name another connection under `deliver` in connectors/systems/{connection.system}.yml",
        )
    return writer
