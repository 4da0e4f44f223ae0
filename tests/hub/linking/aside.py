"""Batches with rows set aside, put straight into the lake as steps 1 to 3 leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.context import Hub
from hub.sorting import LINE

_ISSUE = ("column", "rule", "outcome", "original", "value")


@dataclass(frozen=True)
class Row:
    """A row of a batch.

    Attributes:
        values: The contract's columns.
        aside: Column -> reason, where it is quarantined.
        original: Column -> the value as it came, where that could not be read or was outranked.
        outranked: Column -> reason of a repair.
    """

    values: Mapping[str, Any]
    aside: Mapping[str, str] = field(default_factory=dict)
    original: Mapping[str, str] = field(default_factory=dict)
    outranked: Mapping[str, str] = field(default_factory=dict)


def deliver(hub: Hub, tail: str, rows: Sequence[Row]) -> str:
    """Put a checked batch with its conformed, accepted and quarantined rows into the lake; return its id."""
    contract = hub.contracts.sources[tail]
    batch = hub.ledger.new_batch(tail, "aside", contract.mode)
    whole = [{**dict.fromkeys(contract.by_name), **row.values} for row in rows]
    table = pa.Table.from_pylist(whole, schema=contract.arrow_schema)
    table = table.append_column("_row", pa.array(range(1, len(rows) + 1), pa.int64()))
    _write(hub, batch.id, table, pa.array([not row.aside for row in rows]), rows)
    aside = sum(1 for row in rows if row.aside)
    counts = {"landed": len(rows), "accepted": len(rows) - aside, "quarantined": aside}
    hub.ledger.save_batch(replace(batch, state="checked", **counts))
    return batch.id


def complete(hub: Hub) -> None:
    """Add what checked batches of `tests.hub.mini.put` leave out: nothing of them was mended or set aside."""
    for batch in hub.ledger.batches(state="checked"):
        if not hub.lake.conformed(batch.tail, batch.id).exists():
            table = pq.read_table(hub.lake.checked(batch.tail, batch.id) / "accepted.parquet")
            _write(hub, batch.id, table, pa.array([True] * len(table)), [])


def _write(hub: Hub, batch: str, table: pa.Table, good: pa.Array, rows: Sequence[Row]) -> None:
    tail = next(tail for tail in hub.contracts.sources if batch.startswith(f"{tail.replace('/', '.')}."))
    contract = hub.contracts.sources[tail]
    own = str(contract.pull.get("split_by", ""))
    column = next((one.name for one in contract.columns if one.physical_name == own), None)
    raw = table.append_column(own, table[column]) if column else table
    parts = {
        hub.lake.raw(tail, batch) / "part-00000.parquet": raw,
        hub.lake.conformed(tail, batch) / "rows.parquet": table,
        hub.lake.conformed(tail, batch) / "issues.parquet": _issues(rows),
        hub.lake.checked(tail, batch) / "accepted.parquet": table.filter(good),
        hub.lake.checked(tail, batch) / "quarantine.parquet": _lines(rows),
        hub.lake.checked(tail, batch) / "warnings.parquet": _lines([]),
    }
    for path, part in parts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, path)


def _issues(rows: Sequence[Row]) -> pa.Table:
    found = []
    for number, row in enumerate(rows, start=1):
        told = {"outcome": "refused", **dict.fromkeys(("column", "rule", "original", "value"))}
        for column, reason in row.aside.items():
            found.append(
                {"_row": number, **told, "column": column, "rule": reason, "original": row.original.get(column)}
            )
        for column, reason in row.outranked.items():
            repaired = {"column": column, "rule": reason, "outcome": "repaired", "original": row.original.get(column)}
            found.append({"_row": number, **told, **repaired, "value": str(row.values[column])})
    return pa.Table.from_pylist(found, pa.schema([("_row", pa.int64()), *((name, pa.string()) for name in _ISSUE)]))


def _lines(rows: Sequence[Row]) -> pa.Table:
    found = [
        {**dict.fromkeys(LINE), "_row": number, "rule_id": reason, "column": column, "severity": "critical"}
        for number, row in enumerate(rows, start=1)
        for column, reason in row.aside.items()
    ]
    schema = pa.schema([(name, pa.int64() if name == "_row" else pa.string()) for name in LINE])
    return pa.Table.from_pylist(found, schema)
