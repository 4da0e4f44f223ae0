"""The contracts of `schemas/` and the systems of `connectors/systems/`, read once, checked whole, typed.

Everything structural is stated there once; Arrow and SQL types, structural expectations, products and
dictionary pages are derived from the objects of this module.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import sqlglot
import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from hub.errors import ConfigurationError
from hub.settings import ROOT

__all__ = [
    "ARROW_TYPES",
    "BaseContract",
    "Codelist",
    "Column",
    "Contracts",
    "Feed",
    "ProductContract",
    "SourceContract",
    "System",
    "load_contracts",
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
        cycle: How often news is due: a number and `d`, `m` or `y`.
    """

    department: str
    connection: str
    mode: Literal["snapshot", "increment"]
    pull: Mapping[str, Any]
    current: Mapping[str, Any]
    attach: Mapping[str, str] | None
    feeds: tuple[Feed, ...]
    cycle: str

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
        authority: Base column (or `default`) -> source datasets, the winner first.
        reference: A code list that seeds rows, with its column map, or None.
    """

    key_column: str
    key_prefix: str
    identify_by: tuple[tuple[str, ...], ...]
    authority: Mapping[str, tuple[str, ...]]
    reference: Mapping[str, Any] | None

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
    """Allowed values. `titles` maps code -> title; `readings` maps every accepted spelling -> code."""

    name: str
    titles: Mapping[str, str]
    readings: Mapping[str, str]


@dataclass(frozen=True)
class System:
    """One department system of `connectors/systems/`.

    Attributes:
        connections: Name -> `{"kind", "place", "secret"?, "options"?}`.
        schedule: Cron expression of its pulls.
    """

    name: str
    title: str
    english: str
    owner: Mapping[str, str]
    schedule: str
    max_connections: int
    connections: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Contracts:
    """All contracts of the hub, each mapping sorted by name.

    Attributes:
        root: The folder that holds `schemas/` and `connectors/`.
        digest: SHA-256 over all contract files: another digest, another build.
    """

    root: Path
    digest: str
    systems: Mapping[str, System]
    sources: Mapping[str, SourceContract]
    base: Mapping[str, BaseContract]
    products: Mapping[str, ProductContract]
    codelists: Mapping[str, Codelist]

    def of_system(self, system: str) -> tuple[SourceContract, ...]:
        """The source contracts of one department, sorted by tail.

        Raises:
            ConfigurationError: No system has that name.
        """
        if system not in self.systems:
            raise ConfigurationError([f"system {system!r} is unknown; known: {', '.join(self.systems)}"])
        return tuple(contract for contract in self.sources.values() if contract.department == system)


def _custom(items: Any) -> dict[str, Any]:
    return {item.property: item.value for item in items or ()}


def _column(prop: SchemaProperty) -> Column:
    custom, options = _custom(prop.customProperties), prop.logicalTypeOptions or {}
    kind = "geometry" if prop.physicalType == "geometry" else str(prop.logicalType or "string")
    codelist = custom.get("codelist")
    default_operation = "code" if codelist else ("text" if kind == "string" else kind)
    return Column(
        name=str(prop.name),
        physical_name=prop.physicalName or str(prop.name),
        title=prop.businessName or str(prop.name),
        kind=kind,
        required=bool(prop.required),
        unique=bool(prop.unique),
        key=bool(prop.primaryKey),
        operation=prop.transformLogic or default_operation,
        codelist=codelist,
        max_length=options.get("maxLength"),
        pattern=options.get("pattern"),
        mask=custom.get("mask"),
        grade=prop.classification or "L1",
    )


def _common(document: OpenDataContractStandard) -> dict[str, Any]:
    schema = (document.schema_ or [])[0]
    properties = sorted(
        enumerate(schema.properties or []), key=lambda pair: (pair[1].primaryKeyPosition or 99, pair[0])
    )
    ordered = {id(prop): position for position, (_, prop) in enumerate(properties)}
    columns = tuple(_column(prop) for prop in schema.properties or [])
    keys = sorted((p for p in schema.properties or [] if p.primaryKey), key=lambda p: ordered[id(p)])
    key_names = [str(p.name) for p in keys]
    columns = tuple(c for name in key_names for c in columns if c.name == name) + tuple(
        c for c in columns if c.name not in key_names
    )
    return {
        "tail": str(document.id),
        "title": str(document.name),
        "purpose": (document.description.purpose if document.description else None) or "",
        "version_text": str(document.version),
        "columns": columns,
        "properties": _custom(document.customProperties),
    }


def _feed(raw: Mapping[str, Any]) -> Feed:
    first = {column: tuple(values) for column, values in raw.get("first", {}).items()}
    return Feed(raw["entity"], raw.get("set", {}), raw.get("map", {}), first)


def _source(document: OpenDataContractStandard) -> SourceContract:
    common = _common(document)
    custom = common["properties"]
    frequency = next((item for item in document.slaProperties or () if item.property == "frequency"), None)
    return SourceContract(
        **common,
        department=common["tail"].partition("/")[0],
        connection=custom["connection"],
        mode=custom["pull"]["mode"],
        pull={key: value for key, value in custom["pull"].items() if key != "mode"},
        current=custom.get("current", {}),
        attach=custom.get("attach"),
        feeds=tuple(_feed(feed) for feed in custom["feeds"]),
        cycle=f"{frequency.value}{frequency.unit}" if frequency else "",
    )


def _base(document: OpenDataContractStandard) -> BaseContract:
    common = _common(document)
    custom = common["properties"]
    key = custom["key"]
    return BaseContract(
        **common,
        key_column=key["column"],
        key_prefix=key.get("prefix", ""),
        identify_by=tuple(tuple(group) for group in key.get("identify_by", [[key["column"]]])),
        authority={column: tuple(tails) for column, tails in custom["authority"].items()},
        reference=custom.get("reference"),
    )


def _product(document: OpenDataContractStandard) -> ProductContract:
    common = _common(document)
    custom = common["properties"]
    return ProductContract(
        **common,
        query=custom["query"],
        scope_column=custom["scope"]["column"],
        subscriber_kind=custom["subscriber"]["kind"],
        subscriber=custom["subscriber"].get("name"),
        sharing=custom["sharing"],
    )


def _system(path: Path) -> System:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return System(
        name=raw["system"],
        title=raw["title"],
        english=raw["english"],
        owner=raw["owner"],
        schedule=raw["schedule"],
        max_connections=raw.get("max_connections", 1),
        connections=raw["connections"],
    )


def _codelist(path: Path) -> Codelist:
    titles: dict[str, str] = {}
    readings: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            code, title = row["code"], row["title"]
            titles[code] = title
            spellings = [code, title, *(row.get("synonyms") or "").split("|")] if "synonyms" in row else [code]
            for spelling in spellings:
                if spelling:
                    readings.setdefault(spelling, code)
    return Codelist(path.stem, titles, readings)


class _Reader:
    """Reads files one by one and gathers their faults instead of stopping at the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[str] = []

    def each(self, pattern: str, parse: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in sorted(self.root.glob(pattern)):
            try:
                item = parse(path)
            except (KeyError, IndexError, TypeError, ValueError, ValidationError, yaml.YAMLError) as error:
                reason = f"misses {error}" if isinstance(error, KeyError) else str(error).replace("\n", " ")
                self.faults.append(f"{path.relative_to(self.root)}: {reason}")
                continue
            self._same_tail(path, item)
            found[getattr(item, "tail", None) or item.name] = item
        return found

    def _same_tail(self, path: Path, item: Any) -> None:
        tail = getattr(item, "tail", None)
        if tail is None and item.name != path.stem:
            self.faults.append(f"{path.relative_to(self.root)}: is named {item.name!r}, not as its file")
        elif tail is not None and not path.with_suffix("").as_posix().endswith(tail):
            self.faults.append(f"{path.relative_to(self.root)}: its id {tail!r} is not its path tail")


def _document(build: Any) -> Any:
    return lambda path: build(OpenDataContractStandard.from_file(str(path)))


def _cross_faults(contracts: Contracts) -> list[str]:
    faults = [fault for source in contracts.sources.values() for fault in _source_faults(contracts, source)]
    known = {*contracts.sources, *(f"codelists/{name}" for name in contracts.codelists)}
    for entity, base in contracts.base.items():
        for column, tails in base.authority.items():
            faults += [
                f"base/{entity}: authority of {column} names unknown {tail!r}" for tail in tails if tail not in known
            ]
    for product in contracts.products.values():
        faults += _query_faults(contracts, product)
    for contract in (*contracts.sources.values(), *contracts.base.values(), *contracts.products.values()):
        for item in contract.columns:
            if item.codelist and item.codelist not in contracts.codelists:
                faults.append(f"{contract.tail}: column {item.name} names unknown code list {item.codelist!r}")
            if item.kind not in ARROW_TYPES:
                faults.append(f"{contract.tail}: column {item.name} has unknown type {item.kind!r}")
    return faults


def _source_faults(contracts: Contracts, source: SourceContract) -> list[str]:
    faults = []
    system = contracts.systems.get(source.department)
    if system is None or source.connection not in system.connections:
        place = f"connectors/systems/{source.department}.yml"
        faults.append(f"{source.tail}: connection {source.connection!r} is not in {place}")
    for feed in source.feeds:
        base = contracts.base.get(feed.entity)
        if base is None:
            faults.append(f"{source.tail}: feeds {feed.entity!r}, which schemas/base/ does not have")
            continue
        unknown = {*feed.constants, *feed.mapping} - set(base.by_name)
        unknown |= {*feed.mapping.values(), *feed.first} - set(source.by_name)
        faults += [
            f"{source.tail}: its feed of {feed.entity} names unknown column {name!r}" for name in sorted(unknown)
        ]
    return faults


def _query_faults(contracts: Contracts, product: ProductContract) -> list[str]:
    """A product's query is one SELECT, and reads nothing but base tables."""
    try:
        statements = sqlglot.parse(product.query, dialect="duckdb")
    except sqlglot.ParseError as error:
        return [f"{product.tail}: its query is not SQL: {error.errors[0]['description'] if error.errors else error}"]
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, sqlglot.exp.Query):
        return [f"{product.tail}: its query must be a single SELECT"]
    own = {part.alias for part in query.find_all(sqlglot.exp.CTE)}
    allowed = {*contracts.base, "release_date", *own}
    read = {table.name for table in query.find_all(sqlglot.exp.Table)}
    return [f"{product.tail}: its query reads {name!r}, which is no base table" for name in sorted(read - allowed)]


def _digest(root: Path) -> str:
    total = hashlib.sha256()
    for path in sorted((*root.glob("schemas/**/*.yml"), *root.glob("schemas/codelists/*.csv"))):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


@cache
def load_contracts(root: Path = ROOT) -> Contracts:
    """Read and check every contract, system and code list below `root`.

    Raises:
        ConfigurationError: Something is wrong; every fault is listed with its file.
    """
    reader = _Reader(root)
    base = reader.each("schemas/base/*.yml", _document(_base))
    products = reader.each("schemas/products/*.yml", _document(_product))
    contracts = Contracts(
        root=root,
        digest=_digest(root),
        systems=reader.each("connectors/systems/*.yml", _system),
        sources=reader.each("schemas/sources/*/*.yml", _document(_source)),
        base={contract.name: contract for contract in base.values()},
        products={contract.name: contract for contract in products.values()},
        codelists=reader.each("schemas/codelists/*.csv", _codelist),
    )
    faults = reader.faults or _cross_faults(contracts)
    if faults:
        raise ConfigurationError(faults)
    return contracts
