"""Issues for the department that can mend them, in its own column names: the rows to correct, or every cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import ibis
import pyarrow as pa

from hub.base_issues import base_issue_rows
from hub.context import Hub
from hub.contracts import SourceContract
from hub.correction_forms import FORMATS, write_form
from hub.engine import Engine
from hub.errors import StopError
from hub.exchange.readable import csv_bytes
from hub.ledger import Batch
from hub.quarantine import Quarantine
from hub.reasons import Outcome, Reason
from hub.store import write_atomically
from hub.suites import HUB
from hub.withheld import withheld_deliveries

__all__ = ["OUTCOMES", "export_issues"]

OUTCOMES = {
    Outcome.REPAIRED: "已修正，保留原值",
    Outcome.VALUE_SET_ASIDE: "该值暂存，其余入库",
    Outcome.REFUSED: "整行暂存",
    Outcome.QUARANTINED: "整行暂存",
    Outcome.DUPLICATE: "重复行",
    Outcome.WARNED: "提示，已入库",
    Outcome.HELD: "整批暂缓使用",
}
"""Outcome -> what a department reads."""

_LISTS = (".csv", ".jsonl")

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
    """Write a department's issues into a file readable by its owner alone; return the rows.

    `.xlsx` and `.json` are the form it corrects and sends back: the rows that wait, whole, as they came
    (`hub.correction_forms`), and beside them the deliveries it must send anew. `.csv` and `.jsonl` list these
    deliveries, then every cell that was repaired, set aside or refused, of one department or of all; the row number
    counts the rows of the delivery as it came, from 1. Rows of base tables follow, by hub key, that the department must
    act on since they came together with others.

    Raises:
        StopError: The file's suffix is none of these; or a form is asked for without naming the department, for it may
            hold no other's rows.
    """
    if path.suffix not in (*_LISTS, *FORMATS):
        allowed = ", ".join((*FORMATS, *_LISTS))
        raise StopError("hub issues --export", path.suffix or "no suffix", allowed, "name the file so")
    if path.suffix in FORMATS and system is None:
        raise StopError(
            "hub issues --export", "no department is named", ", ".join(hub.contracts.systems), "name it by --system"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # Closed to others before the first row is in it.
    path.touch(mode=0o600)
    path.chmod(0o600)
    rows = _export_form(hub, system, path) if system and path.suffix in FORMATS else _export_list(hub, system, path)
    path.chmod(0o600)
    hub.ledger.audit("issues_exported", actor, {"system": system or "all", "rows": rows, "format": path.suffix})
    return rows


def _export_form(hub: Hub, system: str, path: Path) -> int:
    titles = {name: department.title for name, department in hub.contracts.systems.items()} | {HUB: "数据中枢"}

    def parts() -> Iterator[tuple[SourceContract, Iterator[pa.RecordBatch]]]:
        for contract in hub.contracts.of_system(system):
            with hub.engine() as engine:
                waiting = Quarantine(hub, engine, contract).rows()
                if waiting is not None:
                    yield contract, iter(engine.batches(waiting))

    return write_form(path, system, parts(), titles, withheld_deliveries(hub, hub.contracts.of_system(system)))


def _export_list(hub: Hub, system: str | None, path: Path) -> int:
    contracts = hub.contracts.of_system(system) if system else tuple(hub.contracts.sources.values())
    with hub.engine() as engine:
        batches = [*_of_withheld(hub, contracts), *_all(hub, engine, contracts), *_of_base(hub, system)]
    if path.suffix == ".csv":
        write_atomically(path, csv_bytes(batches, _SCHEMA))
    else:
        lines = (json.dumps(row, ensure_ascii=False) for batch in batches for row in batch.to_pylist())
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
    return sum(int(batch.num_rows) for batch in batches)


def _of_withheld(hub: Hub, contracts: tuple[SourceContract, ...]) -> Iterator[pa.RecordBatch]:
    """Deliveries set aside whole, which have no rows to speak of."""
    lines = []
    for one in withheld_deliveries(hub, contracts):
        cells = one.cells | {
            "来源": one.offer,
            "问题说明": f"{one.meaning}（{one.detail}）" if one.detail else one.meaning,
        }
        lines.append({name: cells.get(name) for name in _SCHEMA.names})
    yield from pa.Table.from_pylist(lines, _SCHEMA).to_batches(max_chunksize=65_536)


def _all(hub: Hub, engine: Engine, contracts: tuple[SourceContract, ...]) -> Iterator[pa.RecordBatch]:
    for contract in contracts:
        known = hub.ledger.batches(contract.tail)
        # Tombstones hold no row of the department's; a held batch is just what it must look into.
        for batch in [one for one in known if one.state in ("checked", "held") and one.mode != "tombstones"]:
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


def _of_base(hub: Hub, system: str | None) -> Iterator[pa.RecordBatch]:
    """Rows of base tables that fail a rule; the key stands where a delivery's name does."""
    lines = []
    for base, row in base_issue_rows(hub, system):
        titles = [base.by_name[name].title for name in row["column"].split(", ") if name in base.by_name]
        is_warning = row["severity"] != "critical"
        told = {
            "数据集": base.title,
            "来源": " ".join(str(row[key]) for key in base.keys),
            "源字段": row["column"],
            "字段名称": "、".join(titles),
            "问题代码": row["rule_id"],
            "问题说明": row["title"],
            "处理结果": OUTCOMES[Outcome.WARNED if is_warning else Outcome.HELD],
            "建议": f"用 hub show {base.name} 查看各部门所报，在源系统中改正",
        }
        lines.append({name: told.get(name) for name in _SCHEMA.names})
    yield from pa.Table.from_pylist(lines, _SCHEMA).to_batches(max_chunksize=65_536)


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
    return (meaning or reason.meaning, reason.action) if reason else (meaning or code, "核对后在源系统中改正")
