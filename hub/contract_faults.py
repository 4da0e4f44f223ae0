"""What is wrong between contracts that are each well formed: names that lead nowhere, queries that read too much."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import sqlglot
import yaml
from sqlglot.errors import SqlglotError

from hub.authority import authority_faults
from hub.contract_types import (
    ARROW_TYPES,
    BaseContract,
    Column,
    Contract,
    Contracts,
    ProductContract,
    SourceContract,
)
from hub.option_faults import Fault, property_faults, source_option_faults, system_faults
from hub.outward_faults import outward_faults
from hub.references import reference_faults
from hub.where import Step, at, column, file_of, item

__all__ = ["cross_faults"]


def cross_faults(contracts: Contracts) -> list[str]:
    """Name every fault that shows only when contracts are held against each other, each with its file and line."""
    faults = []
    for system in contracts.systems.values():
        file = file_of(system)
        raw = yaml.safe_load((contracts.root / file).read_text(encoding="utf-8"))
        found = [*system_faults(system, raw), *outward_faults(contracts, system)]
        faults += [f"{at(contracts.root, file, *way)}: {text}" for way, text in found]
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
        unread = contracts.is_unread(f"schemas/codelists/{one.codelist}.csv")
        if one.codelist and one.codelist not in contracts.codelists and not unread:
            yield column(one.name), f"column {one.name} names unknown code list {one.codelist!r}"
        if one.kind not in ARROW_TYPES:
            yield column(one.name), f"column {one.name} has unknown type {one.kind!r}"
        if one.max_length is not None and (not isinstance(one.max_length, int) or one.max_length < 1):
            yield column(one.name, "logicalTypeOptions"), f"maxLength of column {one.name} must be a number from 1 on"
        if one.pattern is not None and not _is_pattern(one.pattern):
            yield column(one.name, "logicalTypeOptions"), f"pattern of column {one.name} is no regular expression"


def _is_pattern(text: Any) -> bool:
    try:
        re.compile(text)
    except (re.error, TypeError):
        return False
    return True


def _base_faults(contracts: Contracts, base: BaseContract) -> Iterator[Fault]:
    named = {base.key_column, *(name for group in base.identify_by for name in group)}
    for name in sorted(named - {*base.by_name}):
        yield item("key"), f"key names unknown column {name!r}"
    yield from authority_faults(contracts, base)
    for name in sorted({*base.counted, *base.counted.values()} - {*base.by_name}):
        yield item("counted"), f"counted names unknown column {name!r}"


def _source_faults(contracts: Contracts, source: SourceContract) -> Iterator[Fault]:
    system, place = contracts.systems.get(source.department), f"connectors/systems/{source.department}.yml"
    known: Any = system.connections if system else {}
    # Connections that are no mapping are told where they stand.
    if isinstance(known, Mapping) and source.connection not in known and not contracts.is_unread(place):
        yield item("connection"), f"connection {source.connection!r} is not in {place}"
    if not source.keys:
        yield ("schema", 0, "properties"), "no column is its key: primaryKey tells two rows apart"
    current = {*source.identity, *source.deleted_when, *filter(None, (source.order_by, source.place))}
    for name in sorted(current - {*source.by_name}):
        yield item("current"), f"current names unknown column {name!r}"
    for number, feed in enumerate(source.feeds):
        base = contracts.base.get(feed.entity)
        if base is None:
            if not contracts.is_unread(f"schemas/base/{feed.entity}.yml"):
                yield item("feeds", number), f"feeds {feed.entity!r}, which schemas/base/ does not have"
            continue
        unknown = {*feed.constants, *feed.mapping} - set(base.by_name)
        unknown |= {*feed.mapping.values(), *feed.first} - set(source.by_name)
        for name in sorted(unknown):
            yield item("feeds", number), f"its feed of {feed.entity} names unknown column {name!r}"
    yield from _code_faults(contracts, source)


def _code_faults(contracts: Contracts, source: SourceContract) -> Iterator[Fault]:
    """Values that a contract names and the code list of their column has not."""
    for name, value in source.deleted_when.items():
        yield from _no_code(contracts, source.by_name.get(name), value, *item("current", "deleted_when", name))
    for number, feed in enumerate(source.feeds):
        base = contracts.base.get(feed.entity)
        columns = base.by_name if base else {}
        for name, value in feed.constants.items():
            yield from _no_code(contracts, columns.get(name), value, *item("feeds", number, "set", name))
        for name, values in feed.first.items():
            for value in values:
                yield from _no_code(contracts, source.by_name.get(name), value, *item("feeds", number, "first", name))


def _no_code(contracts: Contracts, one: Column | None, value: Any, *way: Step) -> Iterator[Fault]:
    codes = contracts.codelists.get(one.codelist) if one and one.codelist else None
    if one and codes is not None and (not isinstance(value, str) or value not in codes.titles):
        yield way, f"{value!r} of {one.name} is not in code list {codes.name}"


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
        if contracts.is_unread(f"schemas/base/{name}.yml"):
            continue
        yield item("query"), f"its query reads {name!r}, which is no base table"
