"""Step 1, pull: rows arrive from a department system, untouched, counted, hashed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Connection, Offer, Request, Withheld, connect
from hub.context import Hub
from hub.contracts import SourceContract
from hub.errors import SetAsideError
from hub.ledger import Batch
from hub.store import replacing

__all__ = ["pull"]

_ROWS_A_PART = 1_000_000


def pull(hub: Hub, tail: str) -> list[Batch]:
    """Pull what a dataset's department offers and has not delivered before.

    Returns:
        The batches that landed or were withheld; empty where nothing new was offered.

    Raises:
        StopError: Configuration or rights are wrong.
        RetryError: The system is away, or fewer rows came than it announced.
    """
    contract = hub.contracts.sources[tail]
    with hub.ledger.locked(f"pull {tail}"):
        _forget_killed(hub, tail)
        taken = [batch for batch in hub.ledger.batches(tail) if batch.state != "withheld"]
        # A snapshot that returns to an older state is news; a file that comes twice is not.
        known = {batch.content_hash for batch in (taken[-1:] if contract.mode == "snapshot" else taken)}
        marks = [batch.mark for batch in taken if batch.mark is not None]
        batches = []
        for offer in connect(_connection(hub, contract)).offers(_request(contract), marks[-1] if marks else None):
            if isinstance(offer, Withheld):
                batch = _withhold(hub, contract, offer)
            elif offer.fingerprint is None or offer.fingerprint not in known:
                batch = _land(hub, contract, offer, known, had_rows=any(last.landed for last in taken[-1:]))
            else:
                continue
            if batch is not None:
                batches.append(batch)
                known.add(batch.content_hash)
        return batches


def _connection(hub: Hub, contract: SourceContract) -> Connection:
    system = hub.contracts.systems[contract.department]
    entry = system.connections[contract.connection]
    return Connection(
        system=system.name,
        name=contract.connection,
        kind=entry["kind"],
        place=hub.settings.place(entry["place"]),
        secret=hub.settings.secret(entry["secret"]).get_secret_value() if "secret" in entry else "",
        options=entry.get("options", {}),
        max_connections=system.max_connections,
    )


def _request(contract: SourceContract) -> Request:
    fields = tuple(dict.fromkeys(column.physical_name for column in contract.columns))
    return Request(tail=contract.tail, fields=fields, options=contract.pull, mode=contract.mode)


def _forget_killed(hub: Hub, tail: str) -> None:
    """Remove what a killed pull left: it landed nothing, so it is simply taken again."""
    for batch in hub.ledger.batches(tail, state="pulling"):
        shutil.rmtree(hub.lake.raw(tail, batch.id), ignore_errors=True)
        hub.ledger.drop_batch(batch)


def _withhold(hub: Hub, contract: SourceContract, offer: Withheld) -> Batch | None:
    """Put a delivery aside whole; the same one is told of once, not at every pull."""
    told = {(batch.offer, batch.note) for batch in hub.ledger.batches(contract.tail, state="withheld")}
    note = f"{offer.reason}: {offer.message}"
    if (offer.name, note) in told:
        return None
    batch = hub.ledger.new_batch(contract.tail, offer.name, contract.mode)
    batch = replace(batch, state="withheld", content_hash=offer.fingerprint, note=note)
    hub.ledger.save_batch(batch)
    hub.ledger.record_issues(batch, "pull", [(offer.reason, "", "withheld", 1)])
    return batch


def _land(hub: Hub, contract: SourceContract, offer: Offer, known: set[str | None], had_rows: bool) -> Batch | None:
    batch = hub.ledger.new_batch(contract.tail, offer.name, contract.mode)
    folder = hub.lake.raw(contract.tail, batch.id)
    try:
        with replacing(folder) as fresh:
            landed, digest = _write_parts(offer.read(), fresh)
            _audit_count(contract, offer, landed, had_rows)
            content_hash = offer.fingerprint or digest
            manifest = {
                "dataset": contract.tail,
                "offer": offer.name,
                "rows": landed,
                "rows_announced": offer.expected_rows,
                "rows_sha256": digest,
                "content_sha256": content_hash,
                "pulled_at": batch.pulled_at.isoformat(),
                "parts": [path.name for path in sorted(fresh.glob("part-*.parquet"))],
            }
            (fresh / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    except SetAsideError as error:
        hub.ledger.drop_batch(batch)
        message = f"{error.came}; {error.do}"
        return _withhold(hub, contract, Withheld(offer.name, error.reason, message, offer.fingerprint))
    except BaseException:
        hub.ledger.drop_batch(batch)
        raise
    if content_hash in known or (landed == 0 and contract.mode == "increment"):
        # The same rows again are the same batch: nothing new to say.
        shutil.rmtree(folder)
        hub.ledger.drop_batch(batch)
        return None
    batch = replace(batch, state="landed", landed=landed, content_hash=content_hash, mark=offer.mark())
    hub.ledger.save_batch(batch)
    return batch


def _audit_count(contract: SourceContract, offer: Offer, landed: int, had_rows: bool) -> None:
    where = f"{contract.tail}, {offer.name}"
    if offer.expected_rows is not None and offer.expected_rows != landed:
        raise SetAsideError(
            where=where,
            came=f"{landed} rows where the source announced {offer.expected_rows}",
            allowed="as many rows as announced",
            do="the department checks the delivery and sends it again",
            reason="manifest_count",
        )
    if landed == 0 and had_rows and contract.mode == "snapshot":
        # Taken at its word, an empty list would delete every row the department ever sent.
        raise SetAsideError(
            where=where,
            came="a complete list without a row, after lists that had rows",
            allowed="a list with rows",
            do="the department confirms that the list is empty or sends it again",
            reason="delivery_empty",
        )


def _write_parts(batches: Iterator[pa.RecordBatch], folder: Path) -> tuple[int, str]:
    """Write record batches with a `_row` column into parts; return the rows and their digest."""
    digest = hashlib.sha256()
    landed, part = 0, 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            digest.update(_batch_bytes(batch))
            numbered = batch.append_column("_row", pa.array(range(landed + 1, landed + batch.num_rows + 1), pa.int64()))
            if writer is not None and landed // _ROWS_A_PART != part:
                writer.close()
                writer, part = None, landed // _ROWS_A_PART
            if writer is None:
                writer = pq.ParquetWriter(folder / f"part-{part:05d}.parquet", numbered.schema, compression="zstd")
            writer.write_batch(numbered)
            landed += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return landed, digest.hexdigest()


def _batch_bytes(batch: pa.RecordBatch) -> Any:
    """The rows as bytes that depend on values alone, not on how buffers happen to be padded."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(pa.record_batch([pa.concat_arrays([column]) for column in batch.columns], batch.schema))
    return memoryview(sink.getvalue())
