"""Deliveries that came twice: what was sent again is one batch with the first, and a line of the audit record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub.ledger.ledger import Batch, Ledger
from hub.ledger.models import AuditRow

__all__ = ["Repeat", "note_repeat", "repeats"]

_ACTION = "delivery_repeated"


@dataclass(frozen=True)
class Repeat:
    """A delivery that had come before.

    Attributes:
        offer: What it was called the second time.
        batch: The batch it is.
        at: When it was met.
    """

    tail: str
    offer: str
    batch: str
    at: datetime


def note_repeat(ledger: Ledger, batch: Batch, offer: str) -> bool:
    """Keep a line about a delivery that is a batch already; False where there is one.

    Args:
        ledger: The ledger.
        batch: What it is.
        offer: What it is called this time.
    """
    if any((one.batch, one.offer) == (batch.id, offer) for one in repeats(ledger.database)):
        return False
    ledger.audit(_ACTION, "hub", {"dataset": batch.tail, "offer": offer, "batch": batch.id})
    return True


def repeats(database: Engine) -> list[Repeat]:
    """Return all deliveries that came twice, the oldest first."""
    query = select(AuditRow).where(AuditRow.action == _ACTION).order_by(AuditRow.number)
    with Session(database) as session:
        return [
            Repeat(row.details["dataset"], row.details["offer"], row.details["batch"], row.at)
            for row in session.scalars(query)
        ]
