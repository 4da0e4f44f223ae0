"""What contracts and systems are, as types; `hub.contracts` hands them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from hub.errors import ConfigurationError

__all__ = [
    "ARROW_TYPES",
    "DRIFT_DEFAULTS",
    "DRIFT_WORDS",
    "BaseContract",
    "Codelist",
    "Column",
    "Contract",
    "Contracts",
    "Feed",
    "ProductContract",
    "SourceContract",
    "System",
]

ARROW_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "geometry": pa.binary(),
}
"""Logical type of a contract -> the Arrow type it has in the hub; geometry is WKB in EPSG:4490, longitude first."""

DRIFT_WORDS = ("evolve", "freeze", "discard_row", "discard_value")
"""What a contract's `drift` may say of a kind of change.

`evolve` goes on with the agreed columns; `freeze` withholds the delivery; `discard_value` leaves the cell out and takes
the row; `discard_row` sets the row aside. Whatever it says, a change opens a notice; docs/pulling.md has the table.
"""

DRIFT_DEFAULTS: Mapping[str, str] = {
    "new": "evolve",
    "missing": "freeze",
    "renamed": "evolve",
    "retyped": "evolve",
    "unknown_codes": "discard_value",
}
"""Kind of change -> what it means where a contract says nothing."""


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    Attributes:
        name: The hub's English name.
        physical_name: The name in the department's system.
        title: Chinese title (`businessName`).
        kind: A key of `ARROW_TYPES`.
        operation: How `conform` reads it (`transformLogic`), e.g. `resident_id`; by default the kind's own.
        codelist: Name of the code list its values come from.
        mask: Rule a product applies, e.g. `{"rule": "name", "when": "_under_14"}`.
        grade: L1 to L4 (`classification`).
        synonyms: Other names the department may give the column.
    """

    name: str
    physical_name: str
    title: str
    kind: str
    required: bool = False
    unique: bool = False
    key: bool = False
    operation: str = "text"
    codelist: str | None = None
    max_length: int | None = None
    pattern: str | None = None
    mask: Mapping[str, str] | None = None
    grade: str = "L1"
    synonyms: tuple[str, ...] = ()

    @property
    def arrow(self) -> pa.Field:
        """The column as an Arrow field."""
        return pa.field(self.name, ARROW_TYPES[self.kind])


@dataclass(frozen=True)
class Contract:
    """What all contracts share: a path tail, titles and columns.

    Attributes:
        version_text: The contract's own version, e.g. `1.0.0`.
        properties: Its custom properties by name.
    """

    tail: str
    title: str
    purpose: str
    version_text: str
    columns: tuple[Column, ...]
    properties: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last part of the tail: table, entity or product name."""
        return self.tail.rpartition("/")[2]

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name, in contract order."""
        return {column.name: column for column in self.columns}

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Names of the primary-key columns in their order."""
        return tuple(column.name for column in self.columns if column.key)

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema([column.arrow for column in self.columns])

    @cached_property
    def geometry_columns(self) -> tuple[str, ...]:
        """Names of the geometry columns."""
        return tuple(column.name for column in self.columns if column.kind == "geometry")


@dataclass(frozen=True)
class Feed:
    """Which base entity a source dataset fills.

    Attributes:
        entity: Name of the base contract.
        constants: Base column -> constant value.
        mapping: Base column -> column of the dataset, where the names differ.
        first: Column -> values: where several rows fill one base row, those come first (a household's head).
    """

    entity: str
    constants: Mapping[str, str]
    mapping: Mapping[str, str]
    first: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class SourceContract(Contract):
    """What a department delivers. `tail` is `<department>/<dataset>`.

    Attributes:
        attach: Identity columns -> constant or column that names another person, beside whom the row's place is
            taken: a newborn lives where the mother does.
        cycle: How often news is due: a number and `d`, `w`, `m`, `q` or `y`.
        drift: Kind of change -> what it means, one of `DRIFT_WORDS`.
        deletions: `{"by": "key_comparison", "max_delete_share": 0.05}`, either left out: how rows that vanish are
            found, and which share of them at once is not believed.
    """

    department: str
    connection: str
    mode: Literal["snapshot", "increment"]
    pull: Mapping[str, Any]
    current: Mapping[str, Any]
    attach: Mapping[str, str] | None
    feeds: tuple[Feed, ...]
    cycle: str
    drift: Mapping[str, str]
    deletions: Mapping[str, Any]

    @cached_property
    def physical_names(self) -> Mapping[str, tuple[str, ...]]:
        """The department's names of the wanted columns, each once, with the other names each may bear."""
        return {column.physical_name: column.synonyms for column in self.columns}

    @property
    def order_by(self) -> str | None:
        """The column that tells which of two rows with one key is newer."""
        value = self.current.get("order_by")
        return str(value) if value else None

    @property
    def deleted_when(self) -> Mapping[str, str]:
        """Column -> value that marks a row as a deletion."""
        return dict(self.current.get("deleted_when", {}))

    @property
    def place(self) -> str | None:
        """The column in which two records of one key, both in force, must not differ without a word."""
        value = self.current.get("place")
        return str(value) if value else None

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns two rows with one key must share to be duplicates; else the older one is quarantined."""
        return tuple(self.current.get("identity", ()))


@dataclass(frozen=True)
class BaseContract(Contract):
    """One table of the governance database. `tail` is `base/<entity>`.

    Attributes:
        key_column: The hub key's column.
        key_prefix: First letter of generated hub keys; empty where the key is a public code.
        identify_by: Column groups in order; the first whole one identifies the row.
        authority: Base column (or `default`) -> source datasets, the winner first, by the newest order stated.
        reference: A code list that seeds rows, with its column map, or None.
    """

    key_column: str
    key_prefix: str
    identify_by: tuple[tuple[str, ...], ...]
    authority: Mapping[str, tuple[str, ...]]
    reference: Mapping[str, Any] | None

    @property
    def counted(self) -> Mapping[str, str]:
        """Column -> the column of which it counts how many different values the datasets claim."""
        return dict(self.properties.get("counted", {}))

    def ranked(self, column: str) -> tuple[str, ...]:
        """Source datasets for a column, the one that wins first."""
        return self.authority.get(column, self.authority["default"])


@dataclass(frozen=True)
class ProductContract(Contract):
    """What is published. `tail` is `products/<product>`.

    Attributes:
        query: A SELECT over the base tables and `release_date(as_of_date)`; columns that begin with `_` steer masks.
        scope_column: The column rows are cut by: a village-level division code.
        subscriber_kind: `village` or `department`.
        subscriber: The department, where the subscriber is one.
        sharing: `{"class": unconditional|conditional|refused, "condition": …}`.
    """

    query: str
    scope_column: str
    subscriber_kind: Literal["village", "department"]
    subscriber: str | None
    sharing: Mapping[str, str]


@dataclass(frozen=True)
class Codelist:
    """Allowed values.

    Attributes:
        titles: Code -> title.
        readings: Every accepted spelling -> code.
        is_own: Whether the hub made the codes itself: no department can be asked to write those.
    """

    name: str
    titles: Mapping[str, str]
    readings: Mapping[str, str]
    is_own: bool = False


@dataclass(frozen=True)
class System:
    """One department system of `connectors/systems/`.

    Attributes:
        connections: Name -> `{"kind", "place", "secret"?, "options"?}`.
        schedule: `{at}`, the hour of its pulls in China's time, or `{cron, reason}`; see `hub.cycles.calendar_of`.
        quiet_hours: Spans `HH:MM-HH:MM` in which nothing is pulled, in China's time.
        rows_per_second: The most that may be asked of it; None: no cap.
        deliver: Which products go into the system itself: `{"product", "connection", …}` each; see docs/delivering.md.
        verify: Name -> how one person is verified by a call; see docs/connectors/rest.md.
    """

    name: str
    title: str
    english: str
    owner: Mapping[str, str]
    schedule: Mapping[str, str]
    max_connections: int
    connections: Mapping[str, Mapping[str, Any]]
    quiet_hours: tuple[str, ...] = ()
    rows_per_second: int | None = None
    deliver: tuple[Mapping[str, Any], ...] = ()
    verify: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Contracts:
    """All contracts of the hub, each mapping sorted by name.

    Attributes:
        root: The folder that holds `schemas/` and `connectors/`.
        digest: SHA-256 over all contract files: another digest, another build.
        unread: Files that are not of the agreed form; what they say is not among the rest.
    """

    root: Path
    digest: str
    systems: Mapping[str, System]
    sources: Mapping[str, SourceContract]
    base: Mapping[str, BaseContract]
    products: Mapping[str, ProductContract]
    codelists: Mapping[str, Codelist]
    unread: frozenset[str] = frozenset()

    def is_unread(self, file: str) -> bool:
        """Whether a file below `root` is there and could not be read, so that nothing can be said of its name."""
        return file in self.unread

    def of_system(self, system: str) -> tuple[SourceContract, ...]:
        """The source contracts of one department, sorted by tail.

        Raises:
            ConfigurationError: No system has that name.
        """
        if system not in self.systems:
            raise ConfigurationError([f"system {system!r} is unknown; known: {', '.join(self.systems)}"])
        return tuple(contract for contract in self.sources.values() if contract.department == system)
