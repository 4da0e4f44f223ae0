"""From raw Parquet parts to `rows.parquet` and `issues.parquet`: what step 2 and a look at a sample share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hub.conform.codes import DIVISIONS, SPELLINGS, is_long, spellings
from hub.conform.geometry import place_geometries, placed_schema
from hub.conform.plan import Plan, plan_of
from hub.contracts import Contracts, SourceContract
from hub.divisions import known_keys, read_aliases
from hub.drift import NO_DRIFT
from hub.engine import Engine
from hub.errors import SetAsideError
from hub.reasons import Reason

__all__ = ["conform_parts", "counted"]


def conform_parts(
    engine: Engine,
    contracts: Contracts,
    contract: SourceContract,
    parts: list[Path],
    folder: Path,
    as_of: date,
    drifted: Mapping[str, str] = NO_DRIFT,
) -> int:
    """Read raw parts by their contract and write `rows.parquet` and `issues.parquet` into a folder.

    Columns that have `drifted` are left out as their contract says; see `hub.drift.discarded`.

    Returns:
        The rows written.

    Raises:
        SetAsideError: `schema_drift`: a part lacks a column of the contract.
    """
    engine.define_files("raw", _readable(parts, contract, folder))
    engine.keep("spellings", _spellings(contracts, contract, as_of))
    return _write(engine, plan_of(contracts, contract.tail, engine.con.get_schema("raw"), as_of, drifted), folder)


def _spellings(contracts: Contracts, contract: SourceContract, as_of: date) -> ibis.Table:
    """What may be written for the codes of divisions and of the long lists that a dataset has."""
    named = {column.codelist for column in contract.columns}
    long = [one for one in contracts.codelists.values() if one.name in named and is_long(one)]
    known = {one.name: spellings(one) for one in long}
    known[DIVISIONS] = known_keys(contracts.codelists[DIVISIONS].titles, read_aliases(contracts.root), as_of)
    columns = {
        "list": [name for name, written in known.items() for _ in written],
        "written": [text for written in known.values() for text in written],
        "code": [code for written in known.values() for code in written.values()],
    }
    return ibis.memtable(columns, schema=SPELLINGS)


def counted(issues: ibis.Table) -> list[tuple[str, str, str, int]]:
    """Count issues by rule, column and outcome."""
    keys = ["rule", "column", "outcome"]
    table = issues.group_by(keys).aggregate(count=issues.count()).order_by(keys).to_pyarrow()
    return [(row["rule"], row["column"], row["outcome"], row["count"]) for row in table.to_pylist()]


def _readable(parts: list[Path], contract: SourceContract, folder: Path) -> list[Path]:
    """The raw parts, or the one working file that stands for them."""
    placed = folder / "placed.parquet"
    if not parts:
        # A first delivery without rows has no part at all; it still has its columns.
        names = dict.fromkeys(column.physical_name for column in contract.columns)
        geometries = [contract.by_name[name].physical_name for name in contract.geometry_columns]
        schema = pa.schema([*((name, pa.string()) for name in names), ("_row", pa.int64())])
        pq.write_table(placed_schema(schema, geometries).empty_table(), placed)
        return [placed]
    for part in parts:
        _require_columns(pq.read_schema(part), contract)
    if contract.geometry_columns:
        place_geometries(parts, contract, placed)
        return [placed]
    return parts


def _require_columns(part: pa.Schema, contract: SourceContract) -> None:
    wanted = {column.physical_name for column in contract.columns}
    missing = sorted(wanted - set(part.names))
    if missing:
        raise SetAsideError(
            where=contract.tail,
            came=f"no column {', '.join(missing)}",
            allowed=f"the contract's columns: {', '.join(sorted(wanted))}",
            do="pull the batch again, or agree the change with the department and change the contract",
            reason=str(Reason.SCHEMA_DRIFT),
        )


def _write(engine: Engine, plan: Plan, folder: Path) -> int:
    """Write rows and issues, by way of cells so that each is read once; return the rows."""
    cells = folder / "cells.parquet"
    engine.write(plan.cells, cells)
    engine.define_files("cells", cells)
    rows = engine.write(plan.rows, folder / "rows.parquet")
    engine.write(plan.issues, folder / "issues.parquet")
    for working in (cells, folder / "placed.parquet"):
        working.unlink(missing_ok=True)
    return rows
