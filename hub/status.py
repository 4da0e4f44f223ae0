"""What the hub holds now: batches and their counts, products, deliveries; the answer of `hub status`."""

from __future__ import annotations

from typing import Any

from hub.context import Hub
from hub.errors import CountsError
from hub.exchange.receipts import delivery_counts
from hub.exchange.versions import newest_versions

__all__ = ["status"]


def status(hub: Hub) -> dict[str, Any]:
    """Return release, batches, withheld and held deliveries, products and what was sent as one JSON-able object.

    Raises:
        CountsError: A checked batch does not add up.
    """
    batches = hub.ledger.batches()
    for batch in batches:
        if batch.state in ("checked", "held") and batch.landed != batch.accepted + batch.quarantined + batch.duplicate:
            raise CountsError(
                where=batch.id,
                came=f"{batch.landed} landed, {batch.accepted} + {batch.quarantined} + {batch.duplicate} accounted for",
                allowed="landed = accepted + quarantined + duplicate",
                do="keep the lake as it is and report this",
            )
    return {
        "release": hub.ledger.newest_release(),
        "as_of": hub.as_of.isoformat(),
        "batches": [
            {
                "system": batch.system,
                "dataset": batch.tail.partition("/")[2],
                "batch": batch.id,
                "offer": batch.offer,
                "mode": batch.mode,
                "state": batch.state,
                "landed": batch.landed,
                "accepted": batch.accepted,
                "quarantined": batch.quarantined,
                "duplicate": batch.duplicate,
            }
            for batch in batches
            if batch.state != "withheld"
        ],
        "withheld": [
            {
                "system": batch.system,
                "dataset": batch.tail.partition("/")[2],
                "batch": batch.id,
                "offer": batch.offer,
                "reason": batch.note,
            }
            for batch in batches
            if batch.state == "withheld"
        ],
        "held": [
            {
                "system": batch.system,
                "dataset": batch.tail.partition("/")[2],
                "batch": batch.id,
                "offer": batch.offer,
                "reason": batch.note,
            }
            for batch in batches
            if batch.state == "held"
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
    }
