"""Numbered notices to the owners of datasets: columns, codes or rows are not what was agreed or is here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from hub.errors import StopError
from hub.ledger.clock import now
from hub.ledger.ledger import Batch
from hub.ledger.models import NoticeRow

__all__ = ["Notice", "close_notice", "notices", "open_notice"]


@dataclass(frozen=True)
class Notice:
    """One notice.

    Attributes:
        kind: `column_new`, `column_missing`, `column_renamed`, `column_retyped`, `code_unknown`; `rows_differ` or
            `rows_vanished`: the count audit found another number of rows at the source.
        subject: The column.
        detail: What changed, in words; never a value of a person.
    """

    number: int
    tail: str
    kind: str
    subject: str
    detail: str
    batch: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None


def open_notice(database: Engine, batch: Batch, kind: str, subject: str, detail: str) -> int | None:
    """Open a notice and return its number; None where one of the same dataset, kind, column and words is open."""
    same = select(func.count()).where(
        NoticeRow.tail == batch.tail,
        NoticeRow.kind == kind,
        NoticeRow.subject == subject,
        NoticeRow.detail == detail,
        NoticeRow.closed_at.is_(None),
    )
    with Session(database) as session, session.begin():
        if session.scalar(same):
            return None
        row = NoticeRow(tail=batch.tail, kind=kind, subject=subject, detail=detail, batch_id=batch.id, opened_at=now())
        session.add(row)
        session.flush()
        return row.number


def notices(database: Engine, system: str | None = None, *, closed: bool = False) -> list[Notice]:
    """Return the open notices, or all, by number."""
    query = select(NoticeRow).order_by(NoticeRow.number)
    query = query if closed else query.where(NoticeRow.closed_at.is_(None))
    query = query.where(NoticeRow.tail.startswith(f"{system}/", autoescape=True)) if system else query
    with Session(database) as session:
        return [
            Notice(
                row.number,
                row.tail,
                row.kind,
                row.subject,
                row.detail,
                row.batch_id,
                row.opened_at,
                row.closed_at,
                row.closed_by,
            )
            for row in session.scalars(query)
        ]


def close_notice(database: Engine, number: int, by: str) -> None:
    """Close a notice: the owner has answered, or the contract was changed.

    Raises:
        StopError: There is no such open notice.
    """
    with Session(database) as session, session.begin():
        row = session.get(NoticeRow, number)
        if row is None or row.closed_at is not None:
            raise StopError(f"notice {number}", "no open notice has that number", "one of `hub notices`", "look there")
        row.closed_at, row.closed_by = now(), by
