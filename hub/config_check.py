"""`hub check-config`: everything written in YAML and CSV, checked at once and before any data, by file and line.

What the walk cannot do without (`hub.contracts`) is checked at every start; here the suites and code lists are too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from hub.config_places import places_not_set, places_refused
from hub.conform.rows import GEOMETRY_OPERATIONS, OPERATION_NAMES
from hub.context import own_division_faults
from hub.contract_faults import cross_faults
from hub.contract_reader import read_contracts
from hub.contract_types import ARROW_TYPES, Contract, Contracts, SourceContract
from hub.divisions import division_faults
from hub.errors import ConfigurationError
from hub.gx import argument_faults
from hub.indicators.formulas import indicator_faults
from hub.settings import ROOT, load_settings
from hub.suites import HUB, Expectation, read_suite, suite_path
from hub.where import at, column, file_of

__all__ = ["Report", "check_config", "report_on"]


@dataclass(frozen=True)
class Report:
    """What a look at the whole configuration has shown.

    Attributes:
        contracts: As far as they could be read.
        faults: What must be mended, each with file and line, or the variable's name.
        warnings: Places and secrets that this machine has not.
    """

    contracts: Contracts
    faults: list[str]
    warnings: list[str]


def report_on(root: Path = ROOT, *, deep: bool = False) -> Report:
    """Check settings, contracts, systems, suites and code lists, and look up places and secrets; nothing is opened.

    Args:
        root: The folder that holds `schemas/`, `connectors/` and `expectations/`.
        deep: Whether this machine is to pull: a place or secret that it has not is a fault then, and so is one that its
            connector does not take.
    """
    contracts, faults = _checked(root)
    try:
        settings = load_settings()
    except ConfigurationError as error:
        return Report(contracts, sorted([*faults, *error.faults]), [])
    faults = sorted([*faults, *own_division_faults(settings, contracts)])
    missing = places_not_set(contracts, settings)
    if not deep:
        return Report(contracts, faults, missing)
    refused = places_refused(contracts, settings) if not faults and not missing else []
    return Report(contracts, sorted([*faults, *missing, *refused]), [])


def check_config(root: Path = ROOT) -> Contracts:
    """Check every contract, system, suite and code list below `root`.

    Raises:
        ConfigurationError: Something is wrong; every fault is listed with its file and line.
    """
    contracts, faults = _checked(root)
    if faults:
        raise ConfigurationError(faults)
    return contracts


def _checked(root: Path) -> tuple[Contracts, list[str]]:
    contracts, faults = read_contracts(root)
    faults += [fault for path in sorted((root / "schemas" / "codelists").glob("*.csv")) for fault in _list_faults(path)]
    faults += _joint_faults(root, contracts)
    for contract in (*contracts.sources.values(), *contracts.base.values(), *contracts.products.values()):
        faults += _suite_faults(contracts, contract)
    faults += _other_suites(contracts)
    faults += [fault for source in contracts.sources.values() for fault in _reading_faults(contracts, source)]
    return contracts, sorted(set(faults))


def _joint_faults(root: Path, contracts: Contracts) -> list[str]:
    """What shows only when files are held against each other; of a file that cannot be read nobody else is blamed."""
    faults = [*cross_faults(contracts), *indicator_faults(contracts)]
    divisions = contracts.codelists.get("division")
    lists = ("division_successor", "division_alias")
    if divisions is None or any(contracts.is_unread(f"schemas/codelists/{name}.csv") for name in lists):
        return faults
    return faults + division_faults(root, divisions.titles)


def _list_faults(path: Path) -> Iterator[str]:
    """What is wrong with a code list."""
    where = f"schemas/codelists/{path.name}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield f"{where}:1: cannot be read ({type(error).__name__})"
        return
    reader = csv.DictReader(lines)
    try:
        yield from _row_faults(where, reader)
    except csv.Error as error:
        yield f"{where}:{reader.line_num}: is no CSV ({error})"


def _row_faults(where: str, reader: csv.DictReader[str]) -> Iterator[str]:
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
    file = suite_path(contract.tail, contracts.root).relative_to(contracts.root).as_posix()
    return faults + [
        f"{at(contracts.root, file, 'expectations', place, 'kwargs')}: expectation {place + 1}: {fault}"
        for place, one in enumerate(suite)
        for fault in _expectation_faults(contracts, contract, one)
    ]


def _expectation_faults(contracts: Contracts, contract: Contract, one: Expectation) -> Iterator[str]:
    kwargs, meta = one.get("kwargs"), one.get("meta")
    acts = meta.get("acts") if isinstance(meta, Mapping) else None
    if acts and acts != HUB and acts not in contracts.systems and not contracts.is_unread(_system_file(acts)):
        yield f"meta.acts is {acts!r}; allowed: {', '.join((HUB, *contracts.systems))}"
    whose = meta.get("whose", []) if isinstance(meta, Mapping) else []
    if not isinstance(whose, list):
        yield "meta.whose must be a list of columns"
    if not isinstance(kwargs, Mapping) or not one.get("type"):
        return  # which is told already
    if not isinstance(one["type"], str) or not all(isinstance(name, str) for name in kwargs):
        yield "type must be a name, kwargs names with values"
        return
    yield from argument_faults(one["type"], kwargs)
    yield from _column_faults(contract, kwargs, whose if isinstance(whose, list) else [])
    yield from _base_table_faults(contracts, kwargs)
    other = kwargs.get("code_list")
    unread = contracts.is_unread(f"schemas/codelists/{other}.csv")
    if other is not None and other not in contracts.codelists and not unread:
        yield f"code list {other!r} is not in schemas/codelists/"
    for name in ("condition", "only_if", "where"):
        if name in kwargs and not _is_sql(kwargs[name]):
            yield f"{name} is no SQL condition"


def _system_file(department: Any) -> str:
    return f"connectors/systems/{department}.yml"


def _column_faults(contract: Contract, kwargs: Mapping[str, Any], whose: list[Any]) -> Iterator[str]:
    """Columns an expectation names that its table has not."""
    listed = kwargs.get("column_list", ())
    named = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    named += listed if isinstance(listed, list) else []
    named += _columns_in(kwargs.get("condition")) + _columns_in(kwargs.get("only_if")) + whose
    for name in dict.fromkeys(map(str, named)):
        if name not in contract.by_name:
            yield f"column {name!r} is not in {file_of(contract)}"


def _base_table_faults(contracts: Contracts, kwargs: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with how an expectation names another table."""
    if "base_table" not in kwargs:
        return
    other = contracts.base.get(str(kwargs["base_table"]))
    if other is None:
        if not contracts.is_unread(f"schemas/base/{kwargs['base_table']}.yml"):
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


def _other_suites(contracts: Contracts) -> Iterator[str]:
    """Suites of which no contract bears the tail; of one whose contract cannot be read, its own form."""
    read = (*contracts.sources.values(), *contracts.base.values(), *contracts.products.values())
    known = {suite_path(contract.tail, contracts.root) for contract in read}
    for path in sorted((contracts.root / "expectations").rglob("*.yml")):
        file = path.relative_to(contracts.root / "expectations").as_posix()
        if path in known:
            continue
        if contracts.is_unread(f"schemas/{file}"):
            yield from read_suite(file.removeprefix("sources/").removesuffix(".yml"), contracts.root)[1]
        else:
            yield f"expectations/{file}:1: no contract in schemas/ has this path tail"


def _reading_faults(contracts: Contracts, source: SourceContract) -> Iterator[str]:
    """Operations that `conform` does not have."""
    for one in source.columns:
        allowed = [name for name in OPERATION_NAMES if (name in GEOMETRY_OPERATIONS) == (one.kind == "geometry")]
        if one.operation not in allowed and one.kind in ARROW_TYPES:
            where = at(contracts.root, file_of(source), *column(one.name, "transformLogic"))
            what = f"of a {one.kind} column" if one.operation in OPERATION_NAMES else "is unknown"
            yield f"{where}: transformLogic {one.operation!r} {what}; allowed: {', '.join(allowed)}"
