"""Runs one expectation on a small table and tells which rows fail it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.contracts import Contract, load_contracts
from hub.settings import load_settings
from hub.validation import validate

AS_OF = dt.date(2026, 11, 1)


def failing(
    folder: Path, table: pa.Table, type_: str, base: Mapping[str, pa.Table] | None = None, **kwargs: Any
) -> list[int]:
    """Return the positions of the rows that fail, counted from 0."""
    others = {name: [folder / f"base_{name}.parquet"] for name in base or {}}
    for name, other in (base or {}).items():
        pq.write_table(other, others[name][0])
    file = folder / "table.parquet"
    pq.write_table(table.append_column("_row", pa.array(range(table.num_rows), pa.int64())), file)
    rule = {
        "type": type_,
        "kwargs": kwargs,
        "severity": "critical",
        "meta": {"rule_id": "the_rule", "title": "规则", "clause": "条款", "acts": "hub"},
    }
    verdict = validate(
        [file],
        Contract("base/table", "表", "", "1.0.0", (), {}),
        [rule],
        load_contracts().codelists,
        failures=folder / "failures.parquet",
        as_of=AS_OF,
        settings=load_settings(data_dir=folder),
        key=("_row",),
        base=others,
    )
    found = sorted(pq.read_table(verdict.failures)["_row"].to_pylist())
    assert verdict.expectations[0].unexpected == len(found)
    return found


def failing_values(folder: Path, values: list[Any], type_: str, **kwargs: Any) -> list[Any]:
    """Return the values of one column that fail."""
    found = failing(folder, pa.table({"value": values}), type_, column="value", **kwargs)
    return [values[position] for position in found]
