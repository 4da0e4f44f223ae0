"""The ledger: what was pulled, checked, released, published, delivered, granted and read. It is the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.errors import StopError
from hub.ledger.clock import now
from hub.ledger.locks import lock_number
from hub.ledger.models import AuditRow, BatchRow, IssueRow, ReleaseRow
from hub.ledger.pulls import Pulls

__all__ = ["AuditEntry", "Batch", "IssueCount", "Ledger"]

_FIRST_HASH = "0" * 64


@dataclass(frozen=True)
class Batch:
    """One delivery of one dataset.

    Attributes:
        id: `<department>.<dataset>.<number>`; also the name of its folders in the lake.
        tail: `<department>/<dataset>`.
        offer: What the source called it: a file's name, a slice of a table.
        mode: `snapshot`, `increment`, `tombstones` (keys that are gone) or `correction` (rows the department mended).
        state: pulling → landed → conformed → checked; or `withheld`: a delivery set aside whole; or `held`: checked,
            but so unlike the pulls before that a person must release it.
        content_hash: SHA-256 of what came, so that the same delivery twice is one batch.
        mark: Where the next pull goes on.
        columns: Every column the delivery had -> its type there, where the source says.
    """

    id: str
    tail: str
    offer: str
    mode: str
    state: str
    pulled_at: datetime
    content_hash: str | None = None
    landed: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0
    mark: dict[str, Any] | None = None
    note: str = ""
    columns: dict[str, str] | None = None

    @property
    def system(self) -> str:
        """The department the batch came from."""
        return self.tail.partition("/")[0]


@dataclass(frozen=True)
class IssueCount:
    """How often one rule spoke about one column of one batch, and what became of the cells."""

    tail: str
    batch: str
    step: str
    rule: str
    column: str
    outcome: str
    count: int


@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit record, with its place in the chain."""

    number: int
    at: datetime
    action: str
    actor: str
    details: Mapping[str, Any]


class Ledger(Pulls):
    """Reads and writes the schema `ledger` of the hub's PostgreSQL."""

    # Batches and their issues.

    def new_batch(self, tail: str, offer: str, mode: str) -> Batch:
        """Open the next batch of a dataset, in state `pulling`."""
        with Session(self.database) as session, session.begin():
            session.execute(select(func.pg_advisory_xact_lock(lock_number(f"batch {tail}"))))
            last = session.scalar(select(func.max(BatchRow.id)).where(BatchRow.tail == tail))
            number = int(last.rpartition(".")[2]) + 1 if last else 1
            batch = Batch(
                id=f"{tail.replace('/', '.')}.{number:06d}",
                tail=tail,
                offer=offer,
                mode=mode,
                state="pulling",
                pulled_at=now(),
            )
            session.add(BatchRow(**asdict(batch)))
            return batch

    def save_batch(self, batch: Batch) -> None:
        """Write a batch's present state."""
        with Session(self.database) as session, session.begin():
            session.merge(BatchRow(**asdict(batch)))

    def drop_batch(self, batch: Batch) -> None:
        """Forget a batch that landed nothing: its pull was killed, or brought what is here already."""
        with Session(self.database) as session, session.begin():
            session.execute(delete(BatchRow).where(BatchRow.id == batch.id))

    def batches(self, tail: str | None = None, state: str | None = None) -> list[Batch]:
        """Batches, the oldest of each dataset first."""
        query = select(BatchRow).order_by(BatchRow.tail, BatchRow.id)
        query = query.where(BatchRow.tail == tail) if tail else query
        query = query.where(BatchRow.state == state) if state else query
        with Session(self.database) as session:
            return [_batch(row) for row in session.scalars(query)]

    def record_issues(self, batch: Batch, step: str, counts: Iterable[tuple[str, str, str, int]]) -> None:
        """Replace what a step counted for a batch by rows of (rule, column, outcome, count)."""
        with Session(self.database) as session, session.begin():
            session.execute(delete(IssueRow).where(IssueRow.batch_id == batch.id, IssueRow.step == step))
            session.add_all(
                IssueRow(batch_id=batch.id, step=step, rule=rule, column=column, outcome=outcome, count=count)
                for rule, column, outcome, count in counts
            )

    def issues(self, system: str | None = None) -> list[IssueCount]:
        """Counts of all issues, by dataset, batch, rule and column."""
        query = select(BatchRow.tail, IssueRow).join(BatchRow, BatchRow.id == IssueRow.batch_id)
        query = query.where(BatchRow.tail.startswith(f"{system}/", autoescape=True)) if system else query
        with Session(self.database) as session:
            found = [
                IssueCount(tail, row.batch_id, row.step, row.rule, row.column, row.outcome, row.count)
                for tail, row in session.execute(query)
            ]
        return sorted(found, key=lambda issue: (issue.tail, issue.batch, -issue.count, issue.rule, issue.column))

    def newest_release(self) -> int | None:
        """Number of the live release, None before the first."""
        with Session(self.database) as session:
            return session.scalar(select(func.max(ReleaseRow.number)))

    # The audit record.

    def audit(self, action: str, actor: str, details: Mapping[str, Any]) -> None:
        """Append to the audit record; `details` hold codes and counts, never a person's data."""
        with Session(self.database) as session, session.begin():
            session.execute(select(func.pg_advisory_xact_lock(lock_number("audit"))))
            last = session.scalars(select(AuditRow).order_by(AuditRow.number.desc()).limit(1)).first()
            number, previous = (last.number + 1, last.hash) if last else (1, _FIRST_HASH)
            entry = AuditEntry(number, now(), action, actor, dict(details))
            session.execute(
                insert(AuditRow).values(
                    number=number,
                    at=entry.at,
                    action=action,
                    actor=actor,
                    details=entry.details,
                    previous_hash=previous,
                    hash=_chain_hash(previous, entry),
                )
            )

    def verify_audit(self) -> int:
        """Check the whole chain and return its length.

        Raises:
            StopError: A line was changed, removed or put in; its number is named.
        """
        previous, expected = _FIRST_HASH, 1
        lines = select(AuditRow).order_by(AuditRow.number).execution_options(yield_per=1000)
        with Session(self.database) as session, session.scalars(lines) as rows:
            for row in rows:
                entry = AuditEntry(row.number, row.at.astimezone(UTC), row.action, row.actor, row.details)
                whole = row.number == expected and row.previous_hash == previous
                if not whole or row.hash != _chain_hash(previous, entry):
                    raise StopError(
                        where=f"audit record, line {expected}",
                        came="its hash does not follow from the line before",
                        allowed="an unbroken chain",
                        do="compare with the last backup and report the breach",
                    )
                previous, expected = row.hash, expected + 1
        return expected - 1

    def server_version(self) -> str:
        """The database server's own name and version."""
        with self.database.connect() as connection:
            return str(connection.scalar(text("select version()")))


def _batch(row: BatchRow) -> Batch:
    return Batch(
        id=row.id,
        tail=row.tail,
        offer=row.offer,
        mode=row.mode,
        state=row.state,
        content_hash=row.content_hash,
        landed=row.landed,
        accepted=row.accepted,
        quarantined=row.quarantined,
        duplicate=row.duplicate,
        mark=row.mark,
        pulled_at=row.pulled_at,
        note=row.note,
        columns=row.columns,
    )


def _chain_hash(previous: str, entry: AuditEntry) -> str:
    line = json.dumps(
        [previous, entry.number, entry.at.isoformat(), entry.action, entry.actor, entry.details],
        ensure_ascii=False,
        sort_keys=True,
    )
    return hashlib.sha256(line.encode()).hexdigest()
