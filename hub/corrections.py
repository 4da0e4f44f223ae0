"""Rows that a department has mended come back: they alone are replayed, as a batch, and close their lines."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hub.asking import lock_of
from hub.context import Hub
from hub.contracts import SourceContract
from hub.correction_reader import Sent, no_form, read_form
from hub.engine import Engine
from hub.errors import ScopeError, SetAsideError
from hub.landing import write_manifest
from hub.ledger import Batch
from hub.present import CORRECTION, REPLACES, corrections, of_batches
from hub.quarantine import KEY, Quarantine
from hub.steps.check import check
from hub.steps.conform import conform
from hub.store import replacing

__all__ = ["Replayed", "import_corrections"]

_CHUNK = 10_000
_SENT, _LEFT_OUT = "_sent_", "_left_out_"


@dataclass(frozen=True)
class Replayed:
    """What became of the rows that were sent back for one dataset.

    Attributes:
        batch: The batch they landed as; None where nothing of them was new.
        sent: Rows in the file.
        not_waiting: They were corrected already, a newer delivery took their place, or no such row waits.
        unchanged: They are as they were.
        sent_before: The same correction was replayed before.
        accepted: Taken: their lines are closed.
        duplicate: Taken too: the dataset says the same already.
        still_open: Set aside again, with new reasons.
    """

    dataset: str
    batch: str | None
    sent: int
    not_waiting: int
    unchanged: int
    sent_before: int
    accepted: int = 0
    duplicate: int = 0
    still_open: int = 0


def import_corrections(hub: Hub, path: Path, actor: str, system: str | None = None) -> list[Replayed]:
    """Replay the rows of a form that came back; doing it twice does nothing more.

    A row that is well now is closed as `corrected` by its batch and used from the next build on; one that fails again
    stays open. Nothing but the rows of the form is read, and the whole form is read before anything of it is replayed.

    Args:
        hub: The opened hub.
        path: What `hub issues --export` wrote, with cells mended.
        actor: Who sends it, for the audit record.
        system: The department that sends it; rows of another one are refused.

    Raises:
        SetAsideError: `unreadable`, `schema_drift`: it is no such form; nothing was replayed.
        ScopeError: It has rows of another department; nothing was replayed.
        RetryError: The department is being pulled; nothing was replayed.
    """
    with tempfile.TemporaryDirectory(prefix="hub-corrections-") as scratch, ExitStack() as held:
        parts = list(_received(hub, path, system, Path(scratch)))
        for name in sorted({part.contract.department for part in parts}):
            held.enter_context(hub.ledger.locked(lock_of(hub.contracts.systems[name])))
        done = []
        for part in parts:
            _finish_interrupted(hub, part.contract.tail)
            done.append(_replay(hub, part, actor))
            hub.ledger.audit("corrections_imported", actor, asdict(done[-1]))
        return done


@dataclass(frozen=True)
class _Part:
    """Rows of one dataset as they were sent back, laid down in a file."""

    contract: SourceContract
    columns: tuple[str, ...]
    file: Path
    rows: int


def _received(hub: Hub, path: Path, system: str | None, scratch: Path) -> Iterator[_Part]:
    """Lay down what a form has, a file for each dataset, held against the department and its columns."""
    for number, sent in enumerate(read_form(path)):
        file, tails = scratch / f"{number}.parquet", set[str]()
        rows = _write(sent, file, tails)
        contracts = [_contract_of(hub, tail, system, path) for tail in sorted(tails)]
        if len(contracts) > 1:
            raise no_form(path, "rows of several datasets in one place")
        for contract in contracts:
            with hub.engine() as engine:
                _require_known(contract, sent.columns, Quarantine(hub, engine, contract).columns, path)
                _require_once(engine, engine.read(file), rows, path)
            yield _Part(contract, sent.columns, file, rows)


def _finish_interrupted(hub: Hub, tail: str) -> None:
    """Take in what an earlier process landed and was killed over, so that its rows are known as sent."""
    for batch in hub.ledger.batches(tail):
        if batch.mode == CORRECTION and batch.state in ("landed", "conformed"):
            check(hub, conform(hub, batch) if batch.state == "landed" else batch)


def _contract_of(hub: Hub, tail: str, system: str | None, path: Path) -> SourceContract:
    contract = hub.contracts.sources.get(tail)
    if contract is None:
        raise no_form(path, "a row's batch is none of this hub's")
    if system is not None and contract.department != system:
        raise ScopeError(
            f"corrections, {path.name}",
            f"rows of {contract.department}",
            f"rows of {system}",
            "send each department's form back by itself",
        )
    return contract


def _replay(hub: Hub, part: _Part, actor: str) -> Replayed:
    contract, rows = part.contract, part.rows
    with hub.engine() as engine:
        waiting = Quarantine(hub, engine, contract)
        mended = _mended(hub, engine, waiting, engine.read(part.file), part.columns)
        if mended is None:
            return Replayed(contract.tail, None, sent=rows, not_waiting=rows, unchanged=0, sent_before=0)
        told, changed, fresh = (_count(engine, one) for one in mended)
        counts = {"not_waiting": rows - told, "unchanged": told - changed, "sent_before": changed - fresh}
        batch = _land(hub, engine, contract, mended[-1], fresh, actor) if fresh else None
    if batch is None:
        return Replayed(contract.tail, None, sent=rows, **counts)
    checked = check(hub, conform(hub, batch))
    return Replayed(
        contract.tail,
        checked.id,
        sent=rows,
        **counts,
        accepted=checked.accepted,
        duplicate=checked.duplicate,
        still_open=checked.quarantined,
    )


def _write(sent: Sent, file: Path, tails: set[str]) -> int:
    """Write what came as Parquet, chunk by chunk; return the rows, and name the datasets they say they are of."""
    texts = [(f"{_SENT}{name}", pa.string()) for name in sent.columns]
    left_out = [(f"{_LEFT_OUT}{name}", pa.bool_()) for name in sent.columns]
    schema = pa.schema([(KEY[0], pa.string()), (KEY[1], pa.int64()), *texts, *left_out])
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _chunks(sent.rows):
            tails |= {batch.rpartition(".")[0].replace(".", "/", 1) for batch in {row[0] for row in rows}}
            cells = [[row[2][place] for row in rows] for place in range(len(sent.columns))]
            columns: list[list[Any]] = [[row[0] for row in rows], [row[1] for row in rows]]
            columns += [[None if cell is ... else cell or None for cell in column] for column in cells]
            columns += [[cell is ... for cell in column] for column in cells]
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(rows)
    return count


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _require_known(contract: SourceContract, sent: tuple[str, ...], known: tuple[str, ...], path: Path) -> None:
    strange = [name for name in sent if name not in known]
    if strange or len(set(sent)) != len(sent):
        raise SetAsideError(
            f"corrections of {contract.tail}, {path.name}",
            f"columns {', '.join(strange)} are not the dataset's" if strange else "a column is there twice",
            ", ".join(known),
            "leave the header as it was exported",
            reason="schema_drift",
        )


def _require_once(engine: Engine, table: ibis.Table, rows: int, path: Path) -> None:
    if _count(engine, table.select(*KEY).distinct()) != rows:
        raise SetAsideError(
            f"corrections, {path.name}",
            "a row is there more than once",
            "each row once",
            "decide which of them is right and remove the other",
            reason="unreadable",
        )


def _mended(
    hub: Hub, engine: Engine, waiting: Quarantine, sent: ibis.Table, columns: tuple[str, ...]
) -> tuple[ibis.Table, ibis.Table, ibis.Table] | None:
    """Rows that wait and came back; of these, the ones that were changed; of these, those never replayed before.

    They have the department's columns as they are to be read now, and `_digest`, which says the same of the same words.
    """
    shown = waiting.rows()
    if shown is None:
        return None
    both = shown.inner_join(sent, list(KEY))
    names = [name for name in shown.columns if name not in (*KEY, "_reasons")]
    values = {
        name: both[f"{_LEFT_OUT}{name}"].ifelse(both[name], both[f"{_SENT}{name}"]) if name in columns else both[name]
        for name in names
    }
    differs = [values[name].fill_null("") != both[name].fill_null("") for name in columns if name in values]
    words = [both[KEY[0]], both[KEY[1]].cast("string")]
    words += [values[name].fill_null("") for name in waiting.columns if name in values]
    told = both.select(
        *KEY,
        **values,
        _changed=ibis.or_(*differs) if differs else ibis.literal(False),
        _digest=ibis.literal("\x1f").join(words).hexdigest("sha256"),
    )
    told = engine.keep("told", told)
    changed = told.filter(told["_changed"])
    return told, changed, _not_before(hub, engine, changed, waiting.contract.tail)


def _not_before(hub: Hub, engine: Engine, rows: ibis.Table, tail: str) -> ibis.Table:
    earlier = corrections(hub, tail)
    if not earlier:
        return rows
    known = of_batches(engine, [hub.lake.raw(tail, one.id) / REPLACES for one in earlier])
    return rows.anti_join(known, [rows["_digest"] == known.digest])


def _land(hub: Hub, engine: Engine, contract: SourceContract, rows: ibis.Table, count: int, actor: str) -> Batch:
    """Lay rows into the lake as a raw batch, numbered from 1."""
    numbered = rows.mutate(_row=ibis.row_number().over(order_by=list(KEY)).cast("int64") + 1)
    held = engine.keep("landing", numbered)
    stands_for = held.select("_row", batch=KEY[0], row=KEY[1], digest="_digest")
    corrected = sorted(stands_for.select("batch").distinct().to_pyarrow()["batch"].to_pylist())
    digests = stands_for.order_by("_row").select("digest").to_pyarrow()["digest"].to_pylist()
    content = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    batch = hub.ledger.new_batch(contract.tail, f"corrections of {', '.join(corrected)}"[:200], CORRECTION)
    try:
        with replacing(hub.lake.raw(contract.tail, batch.id)) as folder:
            cells = [name for name in held.columns if name not in (*KEY, "_changed", "_digest")]
            _write_part(engine, held.select(*cells), folder / "part-00000.parquet")
            engine.write(stands_for, folder / REPLACES)
            write_manifest(
                folder,
                {
                    "dataset": contract.tail,
                    "offer": batch.offer,
                    "mode": CORRECTION,
                    "rows": count,
                    "content_sha256": content,
                    "pulled_at": batch.pulled_at.isoformat(),
                    "as_of": hub.as_of.isoformat(),
                    "parts": ["part-00000.parquet"],
                    "corrects": corrected,
                    "replaces": REPLACES,
                    "corrected_by": actor,
                },
            )
    except BaseException:
        hub.ledger.drop_batch(batch)
        raise
    batch = replace(batch, state="landed", landed=count, content_hash=content)
    hub.ledger.save_batch(batch)
    return batch


def _write_part(engine: Engine, rows: ibis.Table, path: Path) -> None:
    """Write rows as a pull does; the engine itself would mark columns without nulls as never null."""
    reader = engine.batches(rows)
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _count(engine: Engine, table: ibis.Table) -> int:
    found: pa.Scalar = engine.con.to_pyarrow(table.count())
    return int(found.as_py())
