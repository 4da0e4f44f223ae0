"""Receipts: a receiver has its delivery in hand."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.ledger import now
from hub.ledger.models import DeliveryRow

__all__ = ["delivery_counts", "last_hashes", "receipt", "undelivered"]


def receipt(hub: Hub, receiver_kind: str, receiver: str, actor: str) -> bool:
    """Mark the newest delivery to a receiver as receipted; False where none is waiting for one."""
    newest = (
        select(DeliveryRow)
        .where(DeliveryRow.receiver_kind == receiver_kind, DeliveryRow.receiver == receiver)
        .order_by(DeliveryRow.id.desc())
        .limit(1)
        .with_for_update()
    )
    with Session(hub.database) as session, session.begin():
        row = session.scalars(newest).first()
        if row is None or row.state != "sent":
            return False
        row.state, row.receipted_at, row.receipted_by = "receipted", now(), actor
        return True


def last_hashes(hub: Hub, kind: str) -> dict[str, str]:
    """Content hash of the newest delivery that reached each receiver of a kind."""
    query = (
        select(DeliveryRow.receiver, DeliveryRow.content_hash)
        .where(DeliveryRow.receiver_kind == kind, DeliveryRow.state.in_(("sent", "receipted")))
        .order_by(DeliveryRow.receiver, DeliveryRow.id.desc())
        .ext(distinct_on(DeliveryRow.receiver))
    )
    with Session(hub.database) as session:
        return {receiver: content for receiver, content in session.execute(query)}  # noqa: C416 - rows, not pairs


def delivery_counts(hub: Hub) -> dict[str, int]:
    """How many receivers' newest deliveries are due, sent, receipted and failed."""
    newest = (
        select(DeliveryRow.state)
        .order_by(DeliveryRow.receiver_kind, DeliveryRow.receiver, DeliveryRow.id.desc())
        .ext(distinct_on(DeliveryRow.receiver_kind, DeliveryRow.receiver))
        .subquery()
    )
    with Session(hub.database) as session:
        rows = session.execute(select(newest.c.state, func.count()).group_by(newest.c.state))
        found = {str(state): int(count) for state, count in rows}
    return {state: found.get(state, 0) for state in ("due", "sent", "receipted", "failed")}


def undelivered(hub: Hub) -> list[DeliveryRow]:
    """The deliveries to departments' systems that failed or wait, with the reason; by receiver."""
    waiting = select(DeliveryRow).where(DeliveryRow.state.in_(("due", "failed")), DeliveryRow.note != "")
    with Session(hub.database, expire_on_commit=False) as session:
        return list(session.scalars(waiting.order_by(DeliveryRow.receiver)))
