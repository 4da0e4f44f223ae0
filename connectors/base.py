"""The interface of every connector and the table of kinds; step 1 (pull) needs only this module.

A connector turns a connection and a request into offers, each one batch's worth of untouched rows in an Arrow stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal, Protocol

import pyarrow as pa

from connectors.errors import StopError

__all__ = ["BATCH_ROWS", "KINDS", "Connection", "Connector", "Offer", "Request", "Withheld", "connect"]

BATCH_ROWS: Final = 65_536
"""No record batch of an offer has more rows."""

KINDS: Final[Mapping[str, str]] = {
    "sql": "connectors.sql:SqlConnector",
    "rest": "connectors.rest:RestConnector",
    "file": "connectors.files:FileConnector",
    "geo_file": "connectors.geo:GeoFileConnector",
    "ogc_features": "connectors.ogc:OgcFeaturesConnector",
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

    def option(self, name: str) -> Any:
        """Return an option the kind cannot do without.

        Raises:
            StopError: It is not set.
        """
        return _required(self.options, name, f"connection {self.where}", f"connectors/systems/{self.system}.yml")


@dataclass(frozen=True)
class Request:
    """What is wanted of one dataset.

    Attributes:
        tail: The dataset's path tail.
        fields: Names in the department's own system, each once, in the order wanted.
        options: The contract's `pull` without its mode: `table`, `pattern`, `encoding`, …
        mode: `snapshot` takes all there is, `increment` what is new.
    """

    tail: str
    fields: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: Literal["snapshot", "increment"] = "snapshot"

    def option(self, name: str) -> Any:
        """Return an option the kind cannot do without.

        Raises:
            StopError: It is not set.
        """
        return _required(self.options, name, f"pull of {self.tail}", f"schemas/sources/{self.tail}.yml")

    def snapshot_only(self, kind: str) -> None:
        """Refuse an increment for a kind that always gives the whole collection.

        Raises:
            StopError: The mode is `increment`.
        """
        if self.mode != "snapshot":
            raise StopError(
                f"pull of {self.tail}",
                f"mode {self.mode!r} over kind {kind!r}",
                "snapshot",
                f"correct the mode in schemas/sources/{self.tail}.yml",
            )


def _required(options: Mapping[str, Any], name: str, where: str, file: str) -> Any:
    if options.get(name) in (None, ""):
        raise StopError(where, f"option {name!r} is not set", "a value for it", f"set it in {file}")
    return options[name]


class Offer(ABC):
    """One batch's worth of rows.

    Attributes:
        name: File name, or table and lower bound; no secret and no machine path in it.
        fingerprint: Identity of the content where it is known before reading (files); else None.
        expected_rows: What the source itself says it gives; final once `read` is exhausted, None where it says nothing.
    """

    name: str
    fingerprint: str | None = None
    expected_rows: int | None = None

    @abstractmethod
    def read(self) -> Iterator[pa.RecordBatch]:
        """Stream the rows with exactly the columns asked for; at least one batch, so the schema is always known.

        May be called again; it then reads anew.

        Raises:
            RetryError: The source is away or changed while it was read.
            StopError: Configuration, credentials or rights are wrong.
            SetAsideError: The delivery is unusable; `reason` is one of the codes of `Withheld`.
        """

    def mark(self) -> dict[str, Any] | None:
        """Return where the next increment starts, JSON-able, once `read` is exhausted; None where nothing is kept."""
        return None


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
