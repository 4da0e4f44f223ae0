"""The expressions of one dataset as SQL, compiled once a process: compiling costs more than reading a small batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import ibis

from hub.conform.rows import issues_of, read_cells, rows_of
from hub.contracts import Contracts

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True)
class Plan:
    """Three SELECTs: `cells` reads the tables `raw` and `divisions`; `rows` and `issues` read the table `cells`."""

    cells: str
    rows: str
    issues: str


_compiled: dict[tuple[str, str, date, ibis.Schema], Plan] = {}


def plan_of(contracts: Contracts, tail: str, raw: ibis.Schema, as_of: date) -> Plan:
    """Return the plan of a dataset whose raw rows have a certain schema.

    Raises:
        ConfigurationError: The contract names an operation that does not exist.
    """
    key = (contracts.digest, tail, as_of, raw)
    if key not in _compiled:
        contract = contracts.sources[tail]
        divisions = ibis.table({"key": "string", "code": "string"}, name="divisions")
        cells = read_cells(ibis.table(raw, name="raw"), divisions, contract, contracts.codelists, as_of)
        held = ibis.table(cells.schema(), name="cells")
        tables = (cells, rows_of(held, contract), issues_of(held, contract))
        _compiled[key] = Plan(*(str(ibis.to_sql(table, dialect="duckdb")) for table in tables))
    return _compiled[key]
