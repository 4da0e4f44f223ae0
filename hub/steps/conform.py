"""Step 2, conform: renamed, decoded, typed, codes mapped; a repair keeps the original value beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hub.conform import DIVISIONS, Plan, place_geometries, placed_schema, plan_of
from hub.context import Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.errors import CountsError, SetAsideError
from hub.ledger import Batch
from hub.reasons import Reason
from hub.store import replacing

__all__ = ["conform"]


def conform(hub: Hub, batch: Batch) -> Batch:
    """Read a landed batch by its contract and write `rows.parquet` and `issues.parquet`.

    Running it again gives the same files. `rows.parquet` has the contract's columns and `_row`; `issues.parquet` has
    one row for every cell that was repaired, set aside or refused: `_row`, `column`, `rule`, `outcome`, `original`
    (the value as it came) and `value` (what it became, or null).

    Returns:
        The batch in state `conformed`, saved.

    Raises:
        SetAsideError: The batch lacks a column of the contract.
        CountsError: Not every landed row came out.
    """
    contract = hub.contracts.sources[batch.tail]
    with replacing(hub.lake.conformed(batch.tail, batch.id)) as folder, hub.engine() as engine:
        raw = _held(engine, "raw", _raw_parts(hub, batch, contract, folder))
        codes = list(hub.contracts.codelists[DIVISIONS].titles)
        engine.keep("divisions", ibis.memtable({"code": codes}, schema={"code": "string"}))
        rows = _write(engine, plan_of(hub.contracts, batch.tail, raw.schema(), hub.as_of), folder)
        if rows != batch.landed:
            raise CountsError(
                where=f"{batch.tail}, batch {batch.id}, step conform",
                came=f"{rows} rows of {batch.landed} landed",
                allowed="as many rows as landed",
                do="compare the raw parts with their manifest, then pull the batch again",
            )
        counts = _counted(engine.read(folder / "issues.parquet"))
    hub.ledger.record_issues(batch, "conform", counts)
    conformed = replace(batch, state="conformed")
    hub.ledger.save_batch(conformed)
    return conformed


def _raw_parts(hub: Hub, batch: Batch, contract: SourceContract, folder: Path) -> list[Path]:
    """The batch's parts, or the one working file that stands for them."""
    parts = sorted(hub.lake.raw(batch.tail, batch.id).glob("part-*.parquet"))
    placed = folder / "placed.parquet"
    if not parts:
        # A first delivery without rows has no part at all; it still has its columns.
        names = dict.fromkeys(column.physical_name for column in contract.columns)
        geometries = [contract.by_name[name].physical_name for name in contract.geometry_columns]
        schema = pa.schema([*((name, pa.string()) for name in names), ("_row", pa.int64())])
        pq.write_table(placed_schema(schema, geometries).empty_table(), placed)
        return [placed]
    for part in parts:
        _require_columns(pq.read_schema(part), contract, batch)
    if contract.geometry_columns:
        place_geometries(parts, contract, placed)
        return [placed]
    return parts


def _held(engine: Engine, name: str, parts: list[Path]) -> ibis.Table:
    return engine.define(name, str(ibis.to_sql(engine.read(parts), dialect="duckdb")))


def _require_columns(part: pa.Schema, contract: SourceContract, batch: Batch) -> None:
    wanted = {column.physical_name for column in contract.columns}
    missing = sorted(wanted - set(part.names))
    if missing:
        raise SetAsideError(
            where=f"{batch.tail}, batch {batch.id}",
            came=f"no column {', '.join(missing)}",
            allowed=f"the contract's columns: {', '.join(sorted(wanted))}",
            do="pull the batch again, or agree the change with the department and change the contract",
            reason=str(Reason.SCHEMA_DRIFT),
        )


def _write(engine: Engine, plan: Plan, folder: Path) -> int:
    """Write rows and issues, by way of cells so that each is read once; return the rows."""
    cells = folder / "cells.parquet"
    engine.write(engine.define("reading", plan.cells), cells)
    _held(engine, "cells", [cells])
    rows = engine.write(engine.define("rows", plan.rows), folder / "rows.parquet")
    engine.write(engine.define("issues", plan.issues), folder / "issues.parquet")
    for working in (cells, folder / "placed.parquet"):
        working.unlink(missing_ok=True)
    return rows


def _counted(issues: ibis.Table) -> list[tuple[str, str, str, int]]:
    keys = ["rule", "column", "outcome"]
    table = issues.group_by(keys).aggregate(count=issues.count()).order_by(keys).to_pyarrow()
    return [(row["rule"], row["column"], row["outcome"], row["count"]) for row in table.to_pylist()]
