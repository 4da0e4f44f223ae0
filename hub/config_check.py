"""`hub check-config`: everything written in YAML and CSV, checked at once and before any data, by file and line.

What the walk cannot do without (`hub.contracts`) is checked at every start; here the suites and code lists are too.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from hub.conform.rows import OPERATION_NAMES
from hub.contract_faults import cross_faults
from hub.contract_reader import read_contracts
from hub.contract_types import Contract, Contracts, SourceContract
from hub.divisions import division_faults
from hub.errors import ConfigurationError
from hub.gx import argument_faults
from hub.indicators.formulas import indicator_faults
from hub.settings import ROOT
from hub.suites import HUB, Expectation, read_suite, suite_path
from hub.where import at, column, file_of

__all__ = ["check_config"]


def check_config(root: Path = ROOT) -> Contracts:
    """Check every contract, system, suite and code list below `root`.

    Raises:
        ConfigurationError: Something is wrong; every fault is listed with its file and line.
    """
    contracts, faults = read_contracts(root)
    faults += [fault for path in sorted((root / "schemas" / "codelists").glob("*.csv")) for fault in _list_faults(path)]
    # What one unreadable file lacks, others would be blamed for.
    faults += _joint_faults(root, contracts) if not faults else []
    all_of_them = (*contracts.sources.values(), *contracts.base.values(), *contracts.products.values())
    for contract in all_of_them:
        faults += _suite_faults(contracts, contract)
    faults += _stray_suites(contracts, {contract.tail for contract in all_of_them}) if not faults else []
    faults += [fault for source in contracts.sources.values() for fault in _reading_faults(contracts, source)]
    if faults:
        raise ConfigurationError(sorted(faults))
    return contracts


def _joint_faults(root: Path, contracts: Contracts) -> list[str]:
    """What shows only when files are held against each other."""
    faults = [*cross_faults(contracts), *indicator_faults(contracts)]
    divisions = contracts.codelists.get("division")
    return faults + (division_faults(root, divisions.titles) if divisions else [])


def _list_faults(path: Path) -> Iterator[str]:
    """What is wrong with a code list."""
    where = f"schemas/codelists/{path.name}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield f"{where}:1: cannot be read ({type(error).__name__})"
        return
    reader = csv.DictReader(lines)
    missing = [name for name in ("code", "title") if name not in (reader.fieldnames or ())]
    if missing:
        yield f"{where}:1: misses column {', '.join(missing)}"
        return
    seen: set[str] = set()
    for row in reader:
        if not row["code"] or not row["title"]:
            yield f"{where}:{reader.line_num}: a line without code or title"
        elif row["code"] in seen:
            yield f"{where}:{reader.line_num}: code {row['code']!r} is there before"
        seen.add(row["code"])


def _suite_faults(contracts: Contracts, contract: Contract) -> list[str]:
    suite, faults = read_suite(contract.tail, contracts.root)
    if faults:
        return faults
    file = suite_path(contract.tail, contracts.root).relative_to(contracts.root).as_posix()
    return [
        f"{at(contracts.root, file, 'expectations', place, 'kwargs')}: expectation {place + 1}: {fault}"
        for place, one in enumerate(suite)
        for fault in _expectation_faults(contracts, contract, one)
    ]


def _expectation_faults(contracts: Contracts, contract: Contract, one: Expectation) -> Iterator[str]:
    kwargs, acts = one["kwargs"], one["meta"]["acts"]
    yield from argument_faults(one["type"], kwargs)
    named = Counter([kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs])
    named.update(kwargs.get("column_list", ()))
    named.update(_columns_in(kwargs.get("condition")))
    named.update(_columns_in(kwargs.get("only_if")))
    yield from (f"column {name!r} is not in {file_of(contract)}" for name in named if name not in contract.by_name)
    yield from _base_table_faults(contracts, kwargs)
    other = kwargs.get("code_list")
    if other is not None and other not in contracts.codelists:
        yield f"code list {other!r} is not in schemas/codelists/"
    if acts != HUB and acts not in contracts.systems:
        yield f"meta.acts is {acts!r}; allowed: {', '.join((HUB, *contracts.systems))}"
    for name in ("condition", "only_if", "where"):
        if name in kwargs and not _is_sql(kwargs[name]):
            yield f"{name} is no SQL condition"


def _base_table_faults(contracts: Contracts, kwargs: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with how an expectation names another table."""
    if "base_table" not in kwargs:
        return
    other = contracts.base.get(kwargs["base_table"])
    if other is None:
        yield f"base table {kwargs['base_table']!r} is not in schemas/base/"
        return
    for name in (kwargs.get("other"), *_columns_in(kwargs.get("where"))):
        if name not in other.by_name:
            yield f"column {name!r} is not in {file_of(other)}"


def _columns_in(condition: Any) -> list[str]:
    """The columns an SQL condition reads; none of what is no SQL."""
    if condition is None or not _is_sql(condition):
        return []
    return sorted({one.name for one in _parsed(condition).find_all(sqlglot.exp.Column)})


def _is_sql(condition: Any) -> bool:
    try:
        return isinstance(_parsed(condition), sqlglot.exp.Condition)
    except (SqlglotError, TypeError):
        return False


def _parsed(condition: Any) -> Any:
    return sqlglot.parse_one(str(condition), dialect="duckdb")


def _stray_suites(contracts: Contracts, tails: set[str]) -> Iterator[str]:
    """Suites of which no contract bears the tail."""
    known = {suite_path(tail, contracts.root) for tail in tails}
    for path in sorted((contracts.root / "expectations").rglob("*.yml")):
        if path not in known:
            yield f"{path.relative_to(contracts.root).as_posix()}:1: no contract in schemas/ has this path tail"


def _reading_faults(contracts: Contracts, source: SourceContract) -> Iterator[str]:
    """Operations that `conform` does not have."""
    for one in source.columns:
        if one.operation not in OPERATION_NAMES:
            where = at(contracts.root, file_of(source), *column(one.name, "transformLogic"))
            yield f"{where}: transformLogic {one.operation!r} is unknown; allowed: {', '.join(OPERATION_NAMES)}"
