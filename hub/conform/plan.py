"""The expressions of one dataset as SQL, compiled once a process: compiling costs more than reading a small batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import ibis

from hub.conform.codes import SPELLINGS
from hub.conform.rows import issues_of, read_cells, rows_of
from hub.contracts import Contracts

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True)
class Plan:
    """Three SELECTs: `cells` reads the tables `raw` and `spellings`; `rows` and `issues` read the table `cells`."""

    cells: str
    rows: str
    issues: str


_compiled: dict[tuple[str, str, date, ibis.Schema, tuple[tuple[str, str], ...]], Plan] = {}


def plan_of(contracts: Contracts, tail: str, raw: ibis.Schema, as_of: date, drifted: Mapping[str, str]) -> Plan:
    """Return the plan of a dataset whose raw rows have a certain schema, and of whose columns some have `drifted`.

    Raises:
        ConfigurationError: The contract names an operation that does not exist.
    """
    key = (contracts.digest, tail, as_of, raw, tuple(sorted(drifted.items())))
    if key not in _compiled:
        contract = contracts.sources[tail]
        written = ibis.table(SPELLINGS, name="spellings")
        cells = read_cells(ibis.table(raw, name="raw"), written, contract, contracts.codelists, as_of, drifted)
        held = ibis.table(cells.schema(), name="cells")
        tables = (cells, rows_of(held, contract), issues_of(held, contract, drifted))
        _compiled[key] = Plan(*(str(ibis.to_sql(table, dialect="duckdb")) for table in tables))
    return _compiled[key]
