"""Step 8, deliver: each village and each subscriber gets what changed for it, once, with a receipt."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from hub.context import Hub
from hub.engine import Engine
from hub.errors import RetryError, StopError
from hub.exchange.in_turn import in_turn
from hub.exchange.packs import pack_village, write_texts
from hub.exchange.pushing import KIND, Fault, push_products
from hub.exchange.readable import product_table
from hub.exchange.receipts import last_hashes
from hub.exchange.versions import ProductVersion, newest_versions
from hub.ledger import now
from hub.ledger.models import DeliveryRow
from hub.store import write_atomically

__all__ = ["Delivery", "deliver"]

_AHEAD = 4
"""Packs that are made while one is sent."""


@dataclass(frozen=True)
class Delivery:
    """What one receiver got now."""

    receiver_kind: str
    receiver: str
    file: str
    rows: int


def deliver(hub: Hub) -> list[Delivery]:
    """Write a pack for every village and a file for every department whose data changed since its last delivery.

    A pack is `8-outbox/village/<code>/<code>-r<release>.zip`: one CSV a product (UTF-8 with mark, Chinese headers,
    titles in place of codes) and `manifest.json`, signed. A department gets `8-outbox/department/<name>/
    <product>-v<version>.parquet` and the product's signed manifest, and where its system says so the same rows in a
    place of its own (`hub.exchange.pushing`). A delivery that was written down as due and then interrupted, or that
    failed, is made again by the next call.

    Returns:
        The deliveries made now, villages first.

    Raises:
        StopError, RetryError: One or more department systems could not be written to; all other
            deliveries were made before this is raised.
    """
    versions = {version.name: version for version in newest_versions(hub)}
    with (
        hub.ledger.locked("deliver"),
        hub.engine() as engine,
        tempfile.TemporaryDirectory() as scratch,
        ThreadPoolExecutor(hub.settings.threads, thread_name_prefix="pack") as pool,
    ):
        made = list(_villages(hub, engine, pool, versions, Path(scratch)))
        made += _departments(hub, engine, versions)
        pushed, faults = push_products(hub)
    if faults:
        raise _together(faults)
    return made + [Delivery(KIND, one.receiver, one.file, one.rows) for one in pushed]


def _together(faults: list[Fault]) -> Fault:
    """One error for several: to be retried only if all of them are."""
    if len(faults) == 1:
        return faults[0]
    kind = RetryError if all(isinstance(fault, RetryError) for fault in faults) else StopError
    came = f"{len(faults)} deliveries failed: " + " | ".join(f"{fault.where}: {fault.came}" for fault in faults)
    return kind("deliver", came, faults[0].allowed, faults[0].do)


def _villages(
    hub: Hub, engine: Engine, pool: Executor, versions: dict[str, ProductVersion], scratch: Path
) -> Iterator[Delivery]:
    products = [p for p in hub.contracts.products.values() if p.subscriber_kind == "village" and p.name in versions]
    if not products:
        return
    release = max(versions[product.name].release_number for product in products)
    texts = [write_texts(hub, engine, pool, product, versions[product.name], scratch) for product in products]
    summary = next(one for one in texts if one.product.by_name[one.product.scope_column].unique)
    facts = {"release": release, "as_of": summary.version.as_of_date.isoformat()}
    last = last_hashes(hub, "village")
    for pack in in_turn(pool, partial(pack_village, hub, texts, facts, last), summary.places, _AHEAD):
        if pack is None:
            continue
        path = hub.lake.outbox() / "village" / pack.code / f"{pack.code}-r{release}.zip"
        yield _send(hub, _Parcel("village", pack.code, release, pack.content_hash, path, pack.content, pack.rows))


def _departments(hub: Hub, engine: Engine, versions: dict[str, ProductVersion]) -> Iterator[Delivery]:
    last = last_hashes(hub, "department")
    for product in hub.contracts.products.values():
        version = versions.get(product.name)
        if product.subscriber_kind != "department" or version is None:
            continue
        receiver = f"{product.subscriber}/{product.name}"
        if last.get(receiver) == version.content_hash:
            continue
        folder = hub.lake.outbox() / "department" / str(product.subscriber)
        path = folder / f"{product.name}-v{version.version}.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".{path.name}.part"
        engine.write(
            product_table(engine, hub.lake, product, version.version).order_by([c.name for c in product.columns]), fresh
        )
        shutil.copyfile(
            hub.lake.product_manifest(product.name), folder / f"{product.name}-v{version.version}.manifest.json"
        )
        parcel = _Parcel(
            "department", receiver, version.release_number, version.content_hash, path, fresh.read_bytes(), version.rows
        )
        fresh.unlink()
        yield _send(hub, parcel)


@dataclass(frozen=True)
class _Parcel:
    kind: str
    receiver: str
    release: int
    content_hash: str
    path: Path
    content: bytes
    rows: int


def _send(hub: Hub, parcel: _Parcel) -> Delivery:
    """Note the delivery as due, write the file, note it as sent: what is interrupted stays due."""
    file = parcel.path.relative_to(hub.lake.root).as_posix()
    digest = hashlib.sha256(parcel.content).hexdigest()
    with Session(hub.database) as session, session.begin():
        session.query(DeliveryRow).filter_by(receiver=parcel.receiver, receiver_kind=parcel.kind, state="due").delete()
        row = DeliveryRow(
            receiver_kind=parcel.kind,
            receiver=parcel.receiver,
            release_number=parcel.release,
            content_hash=parcel.content_hash,
            state="due",
            file=file,
            file_sha256=digest,
            rows=parcel.rows,
            delivered_at=now(),
        )
        session.add(row)
        session.flush()
        number = row.id
    write_atomically(parcel.path, parcel.content)
    told = {"kind": parcel.kind, "receiver": parcel.receiver, "release": parcel.release, "rows": parcel.rows}
    hub.ledger.audit("delivered", "hub", {**told, "file_sha256": digest})
    with Session(hub.database) as session, session.begin():
        session.get_one(DeliveryRow, number).state = "sent"
    return Delivery(parcel.kind, parcel.receiver, file, parcel.rows)
