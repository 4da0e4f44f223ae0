"""What is wrong between contracts that are each well formed: names that lead nowhere, queries that read too much."""

from __future__ import annotations

import sqlglot

from hub.contract_types import ARROW_TYPES, Contracts, ProductContract, SourceContract

__all__ = ["cross_faults"]


def cross_faults(contracts: Contracts) -> list[str]:
    """Name every fault that shows only when contracts are held against each other, one sentence each."""
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
