"""What is wrong between contracts that are each well formed: names that lead nowhere, queries that read too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sqlglot
import yaml
from sqlglot.errors import SqlglotError

from hub.authority import authority_faults
from hub.contract_types import (
    ARROW_TYPES,
    BaseContract,
    Contract,
    Contracts,
    ProductContract,
    SourceContract,
)
from hub.option_faults import Fault, property_faults, source_option_faults, system_faults
from hub.references import reference_faults
from hub.where import at, column, file_of, item

__all__ = ["cross_faults"]


def cross_faults(contracts: Contracts) -> list[str]:
    """Name every fault that shows only when contracts are held against each other, each with its file and line."""
    faults = []
    for system in contracts.systems.values():
        file = file_of(system)
        raw = yaml.safe_load((contracts.root / file).read_text(encoding="utf-8"))
        faults += [f"{at(contracts.root, file, *way)}: {text}" for way, text in system_faults(system, raw)]
    for contract in (*contracts.sources.values(), *contracts.base.values(), *contracts.products.values()):
        file = file_of(contract)
        faults += [f"{at(contracts.root, file, *way)}: {text}" for way, text in _faults(contracts, contract)]
    return faults + reference_faults(contracts)


def _faults(contracts: Contracts, contract: Contract) -> Iterator[Fault]:
    yield from property_faults(contract)
    if isinstance(contract, SourceContract):
        yield from source_option_faults(contracts, contract)
        yield from _source_faults(contracts, contract)
    elif isinstance(contract, BaseContract):
        yield from _base_faults(contracts, contract)
    elif isinstance(contract, ProductContract):
        yield from _query_faults(contracts, contract)
    yield from _column_faults(contracts, contract)


def _column_faults(contracts: Contracts, contract: Contract) -> Iterator[Fault]:
    names = Counter(one.name for one in contract.columns)
    yield from ((column(name), f"column {name} is there {count} times") for name, count in names.items() if count > 1)
    for one in contract.columns:
        if one.codelist and one.codelist not in contracts.codelists:
            yield column(one.name), f"column {one.name} names unknown code list {one.codelist!r}"
        if one.kind not in ARROW_TYPES:
            yield column(one.name), f"column {one.name} has unknown type {one.kind!r}"


def _base_faults(contracts: Contracts, base: BaseContract) -> Iterator[Fault]:
    named = {base.key_column, *(name for group in base.identify_by for name in group)}
    for name in sorted(named - {*base.by_name}):
        yield item("key"), f"key names unknown column {name!r}"
    yield from authority_faults(contracts, base)
    for name in sorted({*base.counted, *base.counted.values()} - {*base.by_name}):
        yield item("counted"), f"counted names unknown column {name!r}"


def _source_faults(contracts: Contracts, source: SourceContract) -> Iterator[Fault]:
    system = contracts.systems.get(source.department)
    if system is None or source.connection not in system.connections:
        place = f"connectors/systems/{source.department}.yml"
        yield item("connection"), f"connection {source.connection!r} is not in {place}"
    current = {*source.identity, *source.deleted_when, *((source.order_by,) if source.order_by else ())}
    for name in sorted(current - {*source.by_name}):
        yield item("current"), f"current names unknown column {name!r}"
    for number, feed in enumerate(source.feeds):
        base = contracts.base.get(feed.entity)
        if base is None:
            yield item("feeds", number), f"feeds {feed.entity!r}, which schemas/base/ does not have"
            continue
        unknown = {*feed.constants, *feed.mapping} - set(base.by_name)
        unknown |= {*feed.mapping.values(), *feed.first} - set(source.by_name)
        for name in sorted(unknown):
            yield item("feeds", number), f"its feed of {feed.entity} names unknown column {name!r}"


def _query_faults(contracts: Contracts, product: ProductContract) -> Iterator[Fault]:
    """A product's query is one SELECT, and reads nothing but base tables."""
    if product.scope_column not in product.by_name:
        yield item("scope"), f"its scope names unknown column {product.scope_column!r}"
        return
    try:
        statements = sqlglot.parse(product.query, dialect="duckdb")
    except SqlglotError as error:
        yield item("query"), f"its query is not SQL: {str(error).splitlines()[0]}"
        return
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, sqlglot.exp.Query):
        yield item("query"), "its query must be a single SELECT"
        return
    own = {part.alias for part in query.find_all(sqlglot.exp.CTE)}
    allowed = {*contracts.base, "release_date", *own}
    read = {table.name or table.sql() for table in query.find_all(sqlglot.exp.Table)}
    for name in sorted(read - allowed):
        yield item("query"), f"its query reads {name!r}, which is no base table"
