"""The chunk ledger: which parts of a batch are on disk already, so that a killed pull goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub.ledger.models import ChunkRow

__all__ = ["ChunkEntry", "add_chunks", "chunk_done", "chunks_of"]


@dataclass(frozen=True)
class ChunkEntry:
    """One chunk of a batch.

    Attributes:
        number: Its place in the batch, from 0.
        spec: What the connector needs to read it.
        note: What the connector wants remembered of it, once it is read.
        sha256: Digest of its rows; None while it is due.
    """

    number: int
    spec: Mapping[str, Any]
    note: Mapping[str, Any] | None = None
    rows: int = 0
    sha256: str | None = None


def chunks_of(database: Engine, batch: str) -> list[ChunkEntry]:
    """Return the chunks of a batch in their order."""
    query = select(ChunkRow).where(ChunkRow.batch_id == batch).order_by(ChunkRow.number)
    with Session(database) as session:
        return [ChunkEntry(row.number, row.spec, row.note, row.rows, row.sha256) for row in session.scalars(query)]


def add_chunks(database: Engine, batch: str, specs: Sequence[Mapping[str, Any]]) -> None:
    """Note the chunks a batch is to be read in, before any is read."""
    with Session(database) as session, session.begin():
        session.add_all(ChunkRow(batch_id=batch, number=n, spec=dict(spec), rows=0) for n, spec in enumerate(specs))


def chunk_done(database: Engine, batch: str, done: ChunkEntry, follows: Mapping[str, Any] | None) -> None:
    """Note that a chunk is on disk and, in the same transaction, the one that is known to follow only now."""
    with Session(database) as session, session.begin():
        row = session.get_one(ChunkRow, (batch, done.number))
        row.note, row.rows, row.sha256 = (None if done.note is None else dict(done.note)), done.rows, done.sha256
        if follows is not None:
            session.add(ChunkRow(batch_id=batch, number=done.number + 1, spec=dict(follows), rows=0))
