"""How the rows of one offer land: chunk by chunk into Parquet, each noted in the ledger, so that a kill loses one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from connectors.base import Offer
from hub.errors import SetAsideError
from hub.ledger import Batch
from hub.ledger.chunks import ChunkEntry, add_chunks, chunk_done, chunks_of

__all__ = ["CHUNK_ROWS_APART", "Landed", "assert_whole", "forget", "land", "write_manifest"]

CHUNK_ROWS_APART = 1_000_000_000
"""Row n of chunk c is numbered c times this, plus n: the number does not depend on which chunk was read first."""


@dataclass(frozen=True)
class Landed:
    """What landed of an offer.

    Attributes:
        rows: Rows of all chunks.
        sha256: Digest over the digests of the chunks' files, in order.
        notes: What the connector wanted remembered of each chunk.
        parts: Names of the Parquet files.
    """

    rows: int
    sha256: str
    notes: tuple[Any, ...]
    parts: tuple[str, ...]


def land(
    database: Engine,
    batch: Batch,
    offer: Offer,
    folder: Path,
    connections: int,
    awake: Callable[[], None] = lambda: None,
) -> Landed:
    """Read what is still due of a batch into `folder`; chunks that an earlier process has read are kept.

    Args:
        database: Where the ledger is.
        batch: The batch, in state `pulling`.
        offer: The same offer as that of the earlier process.
        folder: The batch's raw folder.
        connections: How many chunks may be read at once, where the offer allows it.
        awake: Called before each chunk; what it raises ends the reading between two of them.

    Raises:
        RetryError, StopError, SetAsideError: As the offer does, and `awake`.
    """
    # Arrow's own pool keeps what it was given once; a stream of batches needs little, and gives it back here.
    pa.set_memory_pool(pa.system_memory_pool())
    folder.mkdir(parents=True, exist_ok=True)
    if not chunks_of(database, batch.id):
        add_chunks(database, batch.id, offer.plan())
    while due := _due(database, batch, folder):
        _read_all(database, batch, offer, folder, due, connections, awake)
    chunks = chunks_of(database, batch.id)
    digest = hashlib.sha256("\n".join(str(chunk.sha256) for chunk in chunks).encode()).hexdigest()
    notes = tuple(chunk.note for chunk in chunks)
    return Landed(sum(chunk.rows for chunk in chunks), digest, notes, tuple(_part(chunk).name for chunk in chunks))


def assert_whole(where: str, offer: Offer, landed: Landed, *, may_be_empty: bool) -> None:
    """Hold what landed against what its source has announced.

    Raises:
        SetAsideError: `manifest_count`: another number of rows; `delivery_empty`: none, where that may not be.
    """
    if offer.expected_rows is not None and offer.expected_rows != landed.rows:
        raise SetAsideError(
            where=where,
            came=f"{landed.rows} rows where the source announced {offer.expected_rows}",
            allowed="as many rows as announced",
            do="the department checks the delivery and sends it again",
            reason="manifest_count",
        )
    if landed.rows == 0 and not may_be_empty:
        # Taken at its word, an empty list would delete every row the department ever sent.
        raise SetAsideError(
            where=where,
            came="a complete list without a row, after lists that had rows",
            allowed="a list with rows",
            do="the department confirms that the list is empty or sends it again",
            reason="delivery_empty",
        )


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write what the batch is and holds beside its parts."""
    (folder / "manifest.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")


def _part(chunk: ChunkEntry) -> Path:
    return Path(f"part-{chunk.number:05d}.parquet")


def _due(database: Engine, batch: Batch, folder: Path) -> list[ChunkEntry]:
    return [
        chunk
        for chunk in chunks_of(database, batch.id)
        if chunk.sha256 is None or not (folder / _part(chunk)).is_file()
    ]


def _read_all(
    database: Engine,
    batch: Batch,
    offer: Offer,
    folder: Path,
    due: Sequence[ChunkEntry],
    connections: int,
    awake: Callable[[], None],
) -> None:
    def read(chunk: ChunkEntry) -> None:
        awake()
        rows, digest = _write_part(offer.read(chunk.spec), folder / _part(chunk), chunk.number * CHUNK_ROWS_APART)
        note = offer.note(chunk.spec)
        # One that was read before and lost its file has its follower in the ledger already.
        follows = offer.after(chunk.spec, note) if chunk.sha256 is None else None
        chunk_done(database, batch.id, ChunkEntry(chunk.number, chunk.spec, note, rows, digest), follows)

    if not offer.parallel or connections < 2 or len(due) < 2:
        for chunk in due:
            read(chunk)
        return
    with ThreadPoolExecutor(min(connections, len(due)), thread_name_prefix="pull") as pool:
        running = [pool.submit(read, chunk) for chunk in due]
        try:
            for future in running:
                future.result()
        except BaseException:
            for future in running:
                future.cancel()
            raise


def _write_part(batches: Iterator[pa.RecordBatch], path: Path, offset: int) -> tuple[int, str]:
    """Write record batches with a `_row` column as one whole file or none; return the rows and their digest."""
    rows = 0
    fresh = path.with_name(f".{path.name}.part")
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            numbered = batch.append_column("_row", _numbers(offset + rows + 1, batch.num_rows))
            if writer is None:
                # Without dictionaries and statistics: raw rows are read once, whole.
                writer = pq.ParquetWriter(
                    fresh, numbered.schema, compression="zstd", use_dictionary=False, write_statistics=False
                )
            # As a row group of its own: pages of an open one would wait in memory.
            writer.write_table(pa.Table.from_batches([numbered]))
            rows += batch.num_rows
            # Not held while the next one comes; what reader threads have freed the C library would keep for them.
            del batch, numbered
            pa.default_memory_pool().release_unused()
    finally:
        if writer is not None:
            writer.close()
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
        # Of the file: the same rows in the same batches make the same bytes, whatever their buffers looked like.
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    fresh.replace(path)
    return rows, digest


def _numbers(first: int, count: int) -> pa.Array:
    # `pa.array` of NumPy's numbers asks pandas whether they are its own, and so loads 40 MB of it.
    numbers = np.arange(first, first + count, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(numbers)])


def forget(folder: Path) -> None:
    """Remove a batch's raw folder."""
    shutil.rmtree(folder, ignore_errors=True)
