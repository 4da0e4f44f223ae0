"""Receipts: the newest delivery counts, and is receipted once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.exchange.receipts import delivery_counts, receipt
from hub.ledger import Ledger, migrate
from hub.ledger.models import DeliveryRow
from hub.store import Lake

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 1, tzinfo=UTC)
NONE: Any = None


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(module_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def hub(database: sa.Engine, tmp_path: Any) -> Hub:
    with database.begin() as connection:
        connection.execute(sa.text("TRUNCATE ledger.delivery"))
    return Hub(NONE, NONE, Lake(tmp_path), Ledger(database), database, cast(Any, AT.date()))


def sent(hub: Hub, receiver: str, *states: str, kind: str = "village") -> None:
    with Session(hub.database) as session, session.begin():
        session.add_all(
            DeliveryRow(
                receiver_kind=kind,
                receiver=receiver,
                release_number=number,
                content_hash="0",
                state=state,
                file="x",
                file_sha256="0",
                rows=1,
                delivered_at=AT,
            )
            for number, state in enumerate(states, 1)
        )


def states(hub: Hub, receiver: str) -> list[tuple[str, str | None]]:
    query = sa.select(DeliveryRow).where(DeliveryRow.receiver == receiver).order_by(DeliveryRow.id)
    with Session(hub.database) as session:
        return [(row.state, row.receipted_by) for row in session.scalars(query)]


def test_only_the_newest_delivery_is_receipted_and_only_once(hub: Hub) -> None:
    sent(hub, "a", "sent", "sent")
    assert receipt(hub, "village", "a", "马庄")
    assert states(hub, "a") == [("sent", None), ("receipted", "马庄")]
    assert not receipt(hub, "village", "a", "马庄")
    assert states(hub, "a") == [("sent", None), ("receipted", "马庄")]


@pytest.mark.parametrize("state", ["due", "failed"])
def test_what_was_not_sent_cannot_be_receipted(hub: Hub, state: str) -> None:
    sent(hub, "a", "sent", state)
    assert not receipt(hub, "village", "a", "马庄")


def test_kinds_of_receivers_are_apart(hub: Hub) -> None:
    sent(hub, "a", "sent", kind="department")
    assert not receipt(hub, "village", "a", "马庄")
    assert receipt(hub, "department", "a", "卫健委")


def test_counts_are_of_the_newest_delivery_of_each_receiver(hub: Hub) -> None:
    assert delivery_counts(hub) == {"due": 0, "sent": 0, "receipted": 0, "failed": 0}
    sent(hub, "a", "receipted", "sent")
    sent(hub, "b", "sent", "receipted")
    sent(hub, "c", "failed", "due")
    sent(hub, "c", "sent", kind="department")
    assert delivery_counts(hub) == {"due": 1, "sent": 2, "receipted": 1, "failed": 0}
