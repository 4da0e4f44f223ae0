"""What the hub holds now: batches and their counts, products, deliveries; the answer of `hub status`."""

from __future__ import annotations

from typing import Any

from hub.context import Hub
from hub.errors import CountsError
from hub.exchange.receipts import delivery_counts, undelivered
from hub.exchange.versions import newest_versions
from hub.ledger import Batch
from hub.ledger.repeats import repeats
from hub.withheld import reason_of, told

__all__ = ["status"]


def status(hub: Hub) -> dict[str, Any]:
    """Return release, batches, withheld, held and repeated deliveries, products and what was sent, JSON-able.

    Raises:
        CountsError: A checked batch does not add up.
    """
    batches = hub.ledger.batches()
    for batch in batches:
        _adds_up(batch)
    return {
        "release": hub.ledger.newest_release(),
        "as_of": hub.as_of.isoformat(),
        "batches": [_counted(batch) for batch in batches if batch.state != "withheld"],
        "withheld": [_reasoned(batch) for batch in batches if batch.state == "withheld"],
        "held": [_reasoned(batch) for batch in batches if batch.state == "held"],
        "repeated": [
            {**_named(repeat.tail, repeat.batch, repeat.offer), "at": repeat.at.isoformat()}
            for repeat in repeats(hub.database)
        ],
        "products": [
            {
                "name": version.name,
                "version": version.version,
                "release": version.release_number,
                "rows": version.rows,
                "villages": version.villages,
            }
            for version in newest_versions(hub)
        ],
        "deliveries": delivery_counts(hub),
        "undelivered": [{"receiver": row.receiver, "state": row.state, "reason": row.note} for row in undelivered(hub)],
    }


def _adds_up(batch: Batch) -> None:
    if batch.state in ("checked", "held") and batch.landed != batch.accepted + batch.quarantined + batch.duplicate:
        raise CountsError(
            where=batch.id,
            came=f"{batch.landed} landed, {batch.accepted} + {batch.quarantined} + {batch.duplicate} accounted for",
            allowed="landed = accepted + quarantined + duplicate",
            do="keep the lake as it is and report this",
        )


def _named(tail: str, batch: str, offer: str) -> dict[str, Any]:
    system, _, dataset = tail.partition("/")
    return {"system": system, "dataset": dataset, "batch": batch, "offer": offer}


def _counted(batch: Batch) -> dict[str, Any]:
    return {
        **_named(batch.tail, batch.id, batch.offer),
        "mode": batch.mode,
        "state": batch.state,
        "landed": batch.landed,
        "accepted": batch.accepted,
        "quarantined": batch.quarantined,
        "duplicate": batch.duplicate,
    }


def _reasoned(batch: Batch) -> dict[str, Any]:
    """A batch that waits: why, for programs and for people."""
    named = _named(batch.tail, batch.id, batch.offer)
    return {**named, "code": reason_of(batch.note)[0], "reason": told(batch.note)}
