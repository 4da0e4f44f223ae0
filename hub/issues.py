"""Issues for the department that can mend them: every repaired, set-aside or refused cell, in its own column names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import ibis
import pyarrow as pa

from hub.context import Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.errors import StopError
from hub.exchange.readable import csv_bytes
from hub.exchange.workbook import write_workbook
from hub.ledger import Batch
from hub.reasons import Outcome, Reason
from hub.store import write_atomically

__all__ = ["OUTCOMES", "export_issues"]

OUTCOMES = {
    Outcome.REPAIRED: "已修正，保留原值",
    Outcome.VALUE_SET_ASIDE: "该值暂存，其余入库",
    Outcome.REFUSED: "整行暂存",
    Outcome.QUARANTINED: "整行暂存",
    Outcome.DUPLICATE: "重复行",
    Outcome.WARNED: "提示，已入库",
}
"""Outcome -> what a department reads."""

_REASONS = {str(reason): reason for reason in Reason}

_SCHEMA = pa.schema(
    [
        ("数据集", pa.string()),
        ("批次", pa.string()),
        ("来源", pa.string()),
        ("行号", pa.int64()),
        ("源字段", pa.string()),
        ("字段名称", pa.string()),
        ("问题代码", pa.string()),
        ("问题说明", pa.string()),
        ("处理结果", pa.string()),
        ("原值", pa.string()),
        ("修正值", pa.string()),
        ("建议", pa.string()),
    ]
)


def export_issues(hub: Hub, system: str | None, path: Path, actor: str) -> int:
    """Write every issue of a department (or of all) into a file readable by its owner alone; return the rows.

    The row number counts the rows of the delivery as it came, from 1; columns bear the department's own names.

    Raises:
        StopError: The file's suffix is not .xlsx, .csv or .jsonl.
    """
    if path.suffix not in (".xlsx", ".csv", ".jsonl"):
        raise StopError("hub issues --export", path.suffix or "no suffix", ".xlsx, .csv, .jsonl", "name the file so")
    contracts = hub.contracts.of_system(system) if system else tuple(hub.contracts.sources.values())
    with hub.engine() as engine:
        batches = list(_all(hub, engine, contracts))
    rows = sum(int(batch.num_rows) for batch in batches)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xlsx":
        write_workbook(iter(batches), _SCHEMA, "问题数据清单", "问题数据清单 · 请核对原值后在源系统中改正", path)
    elif path.suffix == ".csv":
        write_atomically(path, csv_bytes(batches, _SCHEMA))
    else:
        lines = (json.dumps(row, ensure_ascii=False) for batch in batches for row in batch.to_pylist())
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
    path.chmod(0o600)
    hub.ledger.audit("issues_exported", actor, {"system": system or "all", "rows": rows, "format": path.suffix})
    return rows


def _all(hub: Hub, engine: Engine, contracts: tuple[SourceContract, ...]) -> Iterator[pa.RecordBatch]:
    for contract in contracts:
        for batch in hub.ledger.batches(contract.tail, state="checked"):
            yield from _of_batch(hub, engine, contract, batch)


def _of_batch(hub: Hub, engine: Engine, contract: SourceContract, batch: Batch) -> Iterator[pa.RecordBatch]:
    cells = engine.read(hub.lake.conformed(contract.tail, batch.id) / "issues.parquet")
    found = cells.select("_row", "column", "rule", "outcome", "original", "value", meaning=ibis.null("string"))
    checked = hub.lake.checked(contract.tail, batch.id)
    told = cells.filter(cells.outcome == Outcome.REFUSED).select("_row", "column")
    for name, outcome in (("quarantine", Outcome.QUARANTINED), ("warnings", Outcome.WARNED)):
        lines = engine.read(checked / f"{name}.parquet").anti_join(told, ["_row", "column"])
        found = found.union(_row_lines(lines, lines["column"], lines["rule_id"], lines["reason"], outcome))
    twins = engine.read(checked / "duplicates.parquet")
    found = found.union(_row_lines(twins, ibis.literal(""), twins["reason"], ibis.null("string"), Outcome.DUPLICATE))
    table = engine.keep("issues", found).order_by(["_row", "column", "rule"]).to_pyarrow()
    for chunk in table.to_batches(max_chunksize=65_536):
        yield _told(contract, batch, chunk)


def _row_lines(
    lines: ibis.Table, column: ibis.Value, rule: ibis.Value, meaning: ibis.Value, outcome: Outcome
) -> ibis.Table:
    """Lines about whole rows in the shape of cells."""
    return lines.select(
        "_row",
        column=column.cast("string"),
        rule=rule.cast("string"),
        outcome=ibis.literal(str(outcome)),
        original=ibis.null("string"),
        value=ibis.null("string"),
        meaning=meaning.cast("string"),
    )


def _told(contract: SourceContract, batch: Batch, chunk: pa.RecordBatch) -> pa.RecordBatch:
    columns = [contract.by_name.get(name) for name in chunk["column"].to_pylist()]
    reasons = [_reason(*pair) for pair in zip(chunk["rule"].to_pylist(), chunk["meaning"].to_pylist(), strict=True)]
    rows = chunk.num_rows
    return pa.record_batch(
        [
            pa.array([contract.title] * rows, pa.string()),
            pa.array([batch.id] * rows, pa.string()),
            pa.array([batch.offer] * rows, pa.string()),
            chunk["_row"],
            pa.array([column.physical_name if column else "" for column in columns], pa.string()),
            pa.array([column.title if column else "" for column in columns], pa.string()),
            chunk["rule"],
            pa.array([reason[0] for reason in reasons], pa.string()),
            pa.array([OUTCOMES[Outcome(outcome)] for outcome in chunk["outcome"].to_pylist()], pa.string()),
            chunk["original"],
            chunk["value"],
            pa.array([reason[1] for reason in reasons], pa.string()),
        ],
        schema=_SCHEMA,
    )


def _reason(code: str, meaning: str | None) -> tuple[str, str]:
    """What a code means and what to do; a suite's rule brings its own meaning."""
    reason = _REASONS.get(code)
    return (reason.meaning, reason.action) if reason else (meaning or code, "核对后在源系统中改正")
