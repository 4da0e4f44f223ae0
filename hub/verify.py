"""`hub verify`: the audit chain, the manifests with their signatures, the packs and the counts, all at once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import StopError
from hub.exchange.signing import public_key
from hub.exchange.signing import verify as signature_holds
from hub.exchange.versions import newest_versions
from hub.ledger.models import DeliveryRow

__all__ = ["verify"]


def verify(hub: Hub) -> dict[str, Any]:
    """Check everything that can be checked without the departments; gather all faults instead of stopping at one.

    Returns:
        `{"checked": {what: count}, "faults": [sentence, …]}`.
    """
    faults: list[str] = []
    checked = {
        "audit lines": _audit(hub, faults),
        "batches": _counts(hub, faults),
        "product manifests": _manifests(hub, faults),
        "packs": _packs(hub, faults),
    }
    return {"checked": checked, "faults": faults}


def _audit(hub: Hub, faults: list[str]) -> int:
    try:
        return hub.ledger.verify_audit()
    except StopError as error:
        faults.append(str(error))
        return 0


def _counts(hub: Hub, faults: list[str]) -> int:
    batches = [*hub.ledger.batches(state="checked"), *hub.ledger.batches(state="held")]
    for batch in batches:
        if batch.landed != batch.accepted + batch.quarantined + batch.duplicate:
            faults.append(f"{batch.id}: {batch.landed} landed is not accepted + quarantined + duplicate")
        if _json(hub.lake.raw(batch.tail, batch.id) / "manifest.json").get("rows") != batch.landed:
            faults.append(f"{batch.id}: its raw manifest is missing or counts other rows than the ledger")
    return len(batches)


def _json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one where the file is gone or torn."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _manifests(hub: Hub, faults: list[str]) -> int:
    newest = newest_versions(hub)
    for version in newest:
        product = version.name
        manifest = _json(hub.lake.product_manifest(product))
        if not signature_holds(manifest, public_key(hub)):
            faults.append(f"product {product}: its manifest is missing or does not bear this hub's signature")
            continue
        if manifest["version"] < version.version:
            told = f"its manifest is of version {manifest['version']}, the newest is {version.version}"
            faults.append(f"product {product}: {told}")
        for name, digest in manifest["files"].items():
            file = hub.lake.product(product) / name
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                faults.append(f"product {product}: file {name} is missing or changed")
    return len(newest)


def _packs(hub: Hub, faults: list[str]) -> int:
    newest = (
        select(DeliveryRow)
        .where(DeliveryRow.state.in_(("sent", "receipted")))
        .order_by(DeliveryRow.receiver_kind, DeliveryRow.receiver, DeliveryRow.id.desc())
        .ext(distinct_on(DeliveryRow.receiver_kind, DeliveryRow.receiver))
    )
    count = 0
    with Session(hub.database) as session:
        for row in session.scalars(newest):
            count += 1
            file = hub.lake.root / row.file
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != row.file_sha256:
                faults.append(f"delivery to {row.receiver_kind} {row.receiver}: its file is missing or changed")
    return count
