"""Which checked batches make up a dataset as it stands: its deliveries, and the rows that were mended since."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date

import ibis

from hub.context import CHINA, Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.ledger import Batch

__all__ = [
    "CORRECTION",
    "REPLACES",
    "corrections",
    "day_of",
    "of_batches",
    "present_batches",
    "replaced_rows",
    "without_replaced",
]

CORRECTION = "correction"
"""Mode of a batch that holds corrected rows."""

REPLACES = "replaces.parquet"
"""File in a correction's raw folder: `_row`, the row it stands for (`batch`, `row`), and `digest` of what was sent."""


def corrections(hub: Hub, tail: str) -> list[Batch]:
    """Checked batches of corrected rows, the oldest first."""
    return [batch for batch in hub.ledger.batches(tail, state="checked") if batch.mode == CORRECTION]


def present_batches(hub: Hub, contract: SourceContract, before: str | None = None) -> list[Batch]:
    """The checked batches a dataset's present rows are taken from, the oldest first.

    A list that comes whole is its newest delivery and the corrections of that; all other datasets are all batches.

    Args:
        hub: The opened hub.
        contract: The dataset.
        before: Only batches older than this one.
    """
    known = hub.ledger.batches(contract.tail, state="checked")
    known = [batch for batch in known if before is None or batch.id < before]
    if contract.mode != "snapshot":
        return known
    newest = [batch for batch in known if batch.mode != CORRECTION][-1:]
    ids = {batch.id for batch in newest}
    return newest + [batch for batch in known if batch.mode == CORRECTION and ids & _corrected(hub, batch)]


def _corrected(hub: Hub, batch: Batch) -> set[str]:
    """The batches that a correction has rows for."""
    manifest = hub.lake.raw(batch.tail, batch.id) / "manifest.json"
    return set(json.loads(manifest.read_bytes())["corrects"])


def day_of(hub: Hub, batch: Batch) -> date:
    """The day of a delivery: the hub's day when it was pulled, else that of the clock in China."""
    path = hub.lake.raw(batch.tail, batch.id) / "manifest.json"
    said = json.loads(path.read_bytes()).get("as_of") if path.is_file() else None
    return date.fromisoformat(said) if said else batch.pulled_at.astimezone(CHINA).date()


def of_batches(engine: Engine, files: Sequence[object]) -> ibis.Table:
    """Read files of several batches as one table, each row with its batch as `_batch`."""
    table = engine.con.read_parquet([str(file) for file in files], union_by_name=True, filename=True)
    return table.mutate(_batch=table.filename.split("/")[-2]).drop("filename")


def replaced_rows(hub: Hub, engine: Engine, mended: Iterable[Batch]) -> ibis.Table | None:
    """Rows (`batch`, `row`) that a correction stands for since it was not set aside again; None where there is none."""
    folders = [(hub.lake.raw(one.tail, one.id), hub.lake.checked(one.tail, one.id)) for one in mended]
    if not folders:
        return None
    told = of_batches(engine, [raw / REPLACES for raw, _ in folders])
    failed = of_batches(engine, [checked / "quarantine.parquet" for _, checked in folders])
    return told.anti_join(failed, ["_batch", "_row"]).select("batch", "row").distinct()


def without_replaced(hub: Hub, engine: Engine, rows: ibis.Table, batches: Iterable[Batch]) -> ibis.Table:
    """Leave out of rows with `_batch` and `_row` those that a correction among the batches stands for."""
    gone = replaced_rows(hub, engine, [batch for batch in batches if batch.mode == CORRECTION])
    if gone is None:
        return rows
    return rows.anti_join(gone, [rows["_batch"] == gone.batch, rows["_row"] == gone.row])
