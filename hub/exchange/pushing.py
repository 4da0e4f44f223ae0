"""Products that go into a department's own system, beside the outbox: each change once, with the place's receipt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from connectors.base import BATCH_ROWS, Outgoing, Receipt, writer_of
from connectors.pace import Pace
from connectors.write_options import Deliver, split
from hub.asking import connection_to, lock_of, while_awake
from hub.context import Hub
from hub.contracts import ProductContract, System
from hub.errors import RetryError, StopError
from hub.exchange.receipts import last_hashes
from hub.ledger import now
from hub.ledger.models import DeliveryRow

__all__ = ["KIND", "Fault", "Pushed", "push_products"]

KIND = "system"
"""Kind of receiver: a department's own system; its name is `<system>/<connection>/<product>`."""

Fault = StopError | RetryError

_PATIENCE = 30.0
"""Seconds to wait for a pull of the same department; then the delivery stays due."""


@dataclass(frozen=True)
class Pushed:
    """What one system has got now."""

    receiver: str
    file: str
    rows: int


def push_products(hub: Hub) -> tuple[list[Pushed], list[Fault]]:
    """Write every product that a system's `deliver` names and that is not there yet; one that fails stops no other.

    Products are those of the outbox: what is pushed is the file a department may fetch there as well. In a
    department's quiet hours, and while it is being pulled, its deliveries stay due.

    Returns:
        What was written now, and what went wrong; the failed ones are tried again by the next call.
    """
    pushed: list[Pushed] = []
    faults: list[Fault] = []
    for system in hub.contracts.systems.values():
        due = list(_due(hub, system))
        if not due:
            continue
        try:
            while_awake(system)()
            with hub.ledger.locked(lock_of(system), _PATIENCE):
                for one in due:
                    _push_one(hub, system, one, pushed, faults)
        except RetryError as error:
            for one in due:
                _note(hub, one, "due", note=error.came)
    return pushed, faults


@dataclass(frozen=True)
class _Due:
    """One product that a system does not have yet.

    Attributes:
        row: The department's delivery in the outbox.
        content: What tells this delivery from others: the product's content and how it is written.
    """

    deliver: Deliver
    options: dict[str, Any]
    product: ProductContract
    row: DeliveryRow
    receiver: str
    content: str

    @property
    def delivery(self) -> str:
        """The delivery's id at the place."""
        return f"{self.product.name}-r{self.row.release_number}-{self.content[:12]}"


def _due(hub: Hub, system: System) -> Iterator[_Due]:
    last = last_hashes(hub, KIND) if system.deliver else {}
    for entry in system.deliver:
        common, options = split(entry)
        deliver = Deliver.model_validate(common)
        row = _in_outbox(hub, f"{system.name}/{deliver.product}")
        if row is None:
            continue
        receiver = f"{system.name}/{deliver.connection}/{deliver.product}"
        told = json.dumps([row.content_hash, dict(entry)], ensure_ascii=False, sort_keys=True)
        content = hashlib.sha256(told.encode()).hexdigest()
        if last.get(receiver) != content:
            yield _Due(deliver, options, hub.contracts.products[deliver.product], row, receiver, content)


def _in_outbox(hub: Hub, receiver: str) -> DeliveryRow | None:
    newest = (
        select(DeliveryRow)
        .where(
            DeliveryRow.receiver_kind == "department",
            DeliveryRow.receiver == receiver,
            DeliveryRow.state.in_(("sent", "receipted")),
        )
        .order_by(DeliveryRow.id.desc())
        .limit(1)
    )
    with Session(hub.database, expire_on_commit=False) as session:
        return session.scalars(newest).first()


def _push_one(hub: Hub, system: System, one: _Due, pushed: list[Pushed], faults: list[Fault]) -> None:
    """Note the delivery as due, write it, note what became of it: what is interrupted stays due."""
    _note(hub, one, "due")
    try:
        receipt = _written(hub, system, one)
    except (StopError, RetryError) as error:
        _note(hub, one, "failed", note=str(error))
        hub.ledger.audit("delivery_failed", "hub", {"receiver": one.receiver, "error": type(error).__name__})
        faults.append(error)
        return
    _note(hub, one, "receipted" if receipt.in_hand else "sent", receipt)
    hub.ledger.audit("delivery_written", "hub", {"receiver": one.receiver, **asdict(receipt)})
    pushed.append(Pushed(one.receiver, one.row.file, receipt.rows))


def _written(hub: Hub, system: System, one: _Due) -> Receipt:
    path = hub.lake.root / one.row.file
    if not path.is_file():
        raise StopError(one.receiver, f"{one.row.file} is gone", "the outbox as it was written", "restore the lake")
    names = one.deliver.columns or {column.name: column.name for column in one.product.columns}
    outgoing = Outgoing(
        delivery=one.delivery,
        name=one.product.name,
        columns=tuple(names.values()),
        keys=tuple(names[key] for key in one.deliver.keys or one.product.keys),
        options=one.options,
        facts={
            "title": one.product.title,
            "release": one.row.release_number,
            "content_sha256": one.row.content_hash,
            "use": one.product.sharing["condition"],
        },
    )
    connection = connection_to(system, one.deliver.connection, hub.settings)
    receipt = writer_of(connection).write(outgoing, _rows(path, names, Pace(system.rows_per_second)))
    if receipt.rows != one.row.rows:
        raise StopError(
            f"delivery {one.delivery} to {one.receiver}",
            f"the place has {receipt.rows} rows under its id",
            f"{one.row.rows} rows",
            "ask the department what it has kept under that id",
        )
    return receipt


def _rows(path: Path, names: dict[str, str], pace: Pace) -> Iterator[pa.RecordBatch]:
    """The product's rows under the department's names; at least one batch."""
    with pq.ParquetFile(path) as file:
        schema = pa.schema([file.schema_arrow.field(name).with_name(theirs) for name, theirs in names.items()])
        yield pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)
        for batch in file.iter_batches(BATCH_ROWS, columns=list(names)):
            yield pa.record_batch([batch.column(name) for name in names], schema=schema)
            pace(batch.num_rows)


def _note(hub: Hub, one: _Due, state: str, receipt: Receipt | None = None, note: str = "") -> None:
    """Write down where a delivery stands, in place of what was said of it before it arrived."""
    open_states = DeliveryRow.state.in_(("due", "failed"))
    mine = (DeliveryRow.receiver_kind == KIND, DeliveryRow.receiver == one.receiver, open_states)
    at = now()
    row = DeliveryRow(
        receiver_kind=KIND,
        receiver=one.receiver,
        release_number=one.row.release_number,
        content_hash=one.content,
        state=state,
        file=one.row.file,
        file_sha256=one.row.file_sha256,
        rows=one.row.rows,
        delivered_at=at,
        receipted_at=at if state == "receipted" else None,
        receipted_by=one.receiver if state == "receipted" else None,
        receipt=asdict(receipt) if receipt else None,
        note=note,
    )
    with Session(hub.database) as session, session.begin():
        session.execute(delete(DeliveryRow).where(*mine))
        session.add(row)
