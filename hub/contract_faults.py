"""What is wrong between contracts that are each well formed: names that lead nowhere, queries that read too much."""

from __future__ import annotations

from collections import Counter

import sqlglot
from sqlglot.errors import SqlglotError

from hub.contract_types import (
    ARROW_TYPES,
    BaseContract,
    Contract,
    Contracts,
    ProductContract,
    SourceContract,
)

__all__ = ["cross_faults"]


def cross_faults(contracts: Contracts) -> list[str]:
    """Name every fault that shows only when contracts are held against each other, one sentence each."""
    faults = [fault for source in contracts.sources.values() for fault in _source_faults(contracts, source)]
    faults += [fault for base in contracts.base.values() for fault in _base_faults(contracts, base)]
    faults += [fault for product in contracts.products.values() for fault in _query_faults(contracts, product)]
    for contract in (*contracts.sources.values(), *contracts.base.values(), *contracts.products.values()):
        faults += _column_faults(contracts, contract)
    return faults


def _column_faults(contracts: Contracts, contract: Contract) -> list[str]:
    names = Counter(item.name for item in contract.columns)
    faults = [f"{contract.tail}: column {name} is there {count} times" for name, count in names.items() if count > 1]
    faults += [
        f"{contract.tail}: column {item.name} names unknown code list {item.codelist!r}"
        for item in contract.columns
        if item.codelist and item.codelist not in contracts.codelists
    ]
    return faults + [
        f"{contract.tail}: column {item.name} has unknown type {item.kind!r}"
        for item in contract.columns
        if item.kind not in ARROW_TYPES
    ]


def _base_faults(contracts: Contracts, base: BaseContract) -> list[str]:
    named = {base.key_column, *(column for group in base.identify_by for column in group), *base.authority}
    faults = [f"{base.tail}: names unknown column {name!r}" for name in sorted(named - {*base.by_name, "default"})]
    if "default" not in base.authority:
        faults.append(f"{base.tail}: authority has no default")
    known = {*contracts.sources, *(f"codelists/{name}" for name in contracts.codelists)}
    return faults + [
        f"{base.tail}: authority of {column} names unknown {tail!r}"
        for column, tails in base.authority.items()
        for tail in tails
        if tail not in known
    ]


def _source_faults(contracts: Contracts, source: SourceContract) -> list[str]:
    faults = []
    system = contracts.systems.get(source.department)
    if system is None or source.connection not in system.connections:
        place = f"connectors/systems/{source.department}.yml"
        faults.append(f"{source.tail}: connection {source.connection!r} is not in {place}")
    current = {*source.identity, *source.deleted_when, *((source.order_by,) if source.order_by else ())}
    faults += [f"{source.tail}: current names unknown column {name!r}" for name in sorted(current - {*source.by_name})]
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
    if product.scope_column not in product.by_name:
        return [f"{product.tail}: its scope names unknown column {product.scope_column!r}"]
    try:
        statements = sqlglot.parse(product.query, dialect="duckdb")
    except SqlglotError as error:
        return [f"{product.tail}: its query is not SQL: {str(error).splitlines()[0]}"]
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, sqlglot.exp.Query):
        return [f"{product.tail}: its query must be a single SELECT"]
    own = {part.alias for part in query.find_all(sqlglot.exp.CTE)}
    allowed = {*contracts.base, "release_date", *own}
    read = {table.name or table.sql() for table in query.find_all(sqlglot.exp.Table)}
    return [f"{product.tail}: its query reads {name!r}, which is no base table" for name in sorted(read - allowed)]
