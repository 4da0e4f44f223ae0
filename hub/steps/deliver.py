"""Step 8, deliver: each village and each subscriber gets what changed for it, once, with a receipt."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.contracts import ProductContract
from hub.engine import Engine
from hub.errors import RetryError, StopError
from hub.exchange.pushing import KIND, Fault, push_products
from hub.exchange.readable import csv_bytes, product_table, readable
from hub.exchange.receipts import last_hashes
from hub.exchange.signing import sign
from hub.exchange.versions import ProductVersion, newest_versions
from hub.ledger import now
from hub.ledger.models import DeliveryRow
from hub.store import write_atomically

__all__ = ["Delivery", "deliver"]

_ZIP_TIME = (2020, 1, 1, 0, 0, 0)  # fixed, so that equal contents make equal packs


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
    with hub.ledger.locked("deliver"), hub.engine() as engine, tempfile.TemporaryDirectory() as scratch:
        made = list(_villages(hub, engine, versions, Path(scratch)))
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


def _villages(hub: Hub, engine: Engine, versions: dict[str, ProductVersion], scratch: Path) -> Iterator[Delivery]:
    products = [p for p in hub.contracts.products.values() if p.subscriber_kind == "village" and p.name in versions]
    if not products:
        return
    release = max(versions[product.name].release_number for product in products)
    last = last_hashes(hub, "village")
    readers = [_Cursor(hub, engine, product, versions[product.name].version, scratch) for product in products]
    summary = next(cursor for cursor in readers if cursor.product.by_name[cursor.product.scope_column].unique)
    for code in summary.codes():
        texts = [(cursor.product, *cursor.take(code)) for cursor in readers]
        content = hashlib.sha256()
        for product, text, _rows in texts:
            content.update(f"{product.name}|{product.version_text}|".encode() + text)
        if last.get(code) == content.hexdigest():
            continue
        rows = sum(count for _product, _text, count in texts)
        manifest = {
            "division_code": code,
            "release": release,
            "as_of": versions[summary.product.name].as_of_date.isoformat(),
            "content_sha256": content.hexdigest(),
            "products": [
                {
                    "name": product.name,
                    "title": product.title,
                    "file": f"{product.title}.csv",
                    "version": versions[product.name].version,
                    "rows": count,
                    "sha256": hashlib.sha256(text).hexdigest(),
                    "use": product.sharing["condition"],
                }
                for product, text, count in texts
            ],
        }
        files = {f"{product.title}.csv": text for product, text, _count in texts}
        pack = _zip({**files, "manifest.json": sign(hub, manifest)})
        path = hub.lake.outbox() / "village" / code / f"{code}-r{release}.zip"
        yield _send(hub, _Parcel("village", code, release, content.hexdigest(), path, pack, rows))


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
    with Session(hub.database) as session, session.begin():
        session.query(DeliveryRow).filter_by(receiver=parcel.receiver, receiver_kind=parcel.kind, state="due").delete()
        row = DeliveryRow(
            receiver_kind=parcel.kind,
            receiver=parcel.receiver,
            release_number=parcel.release,
            content_hash=parcel.content_hash,
            state="due",
            file=file,
            file_sha256=hashlib.sha256(parcel.content).hexdigest(),
            rows=parcel.rows,
            delivered_at=now(),
        )
        session.add(row)
        session.flush()
        number = row.id
    write_atomically(parcel.path, parcel.content)
    told = {"kind": parcel.kind, "receiver": parcel.receiver, "release": parcel.release, "rows": parcel.rows}
    hub.ledger.audit("delivered", "hub", {**told, "file_sha256": hashlib.sha256(parcel.content).hexdigest()})
    with Session(hub.database) as session, session.begin():
        session.get_one(DeliveryRow, number).state = "sent"
    return Delivery(parcel.kind, parcel.receiver, file, parcel.rows)


class _Cursor:
    """Reads a product village by village in one pass, so that memory holds one village's rows."""

    def __init__(self, hub: Hub, engine: Engine, product: ProductContract, version: int, scratch: Path) -> None:
        self.product = product
        table = product_table(engine, hub.lake, product, version)
        shown = readable(table, product, hub.contracts.codelists)
        self._scope = product.by_name[product.scope_column].title
        self._file = scratch / f"{product.name}.parquet"
        engine.write(
            shown.order_by([self._scope, *(name for name in shown.columns if name != self._scope)]), self._file
        )
        self.schema = shown.schema().to_pyarrow()
        self._villages = self._read()
        self._next = next(self._villages, None)

    def codes(self) -> list[str]:
        """All villages of this product, sorted."""
        return sorted(set(pq.read_table(self._file, columns=[self._scope])[self._scope].to_pylist()))

    def take(self, code: str) -> tuple[bytes, int]:
        """One village's rows as CSV, and how many they are; ask for villages in ascending order."""
        while self._next is not None and self._next[0] < code:
            self._next = next(self._villages, None)
        if self._next is None or self._next[0] != code:
            return csv_bytes([], self.schema), 0
        batches = self._next[1]
        return csv_bytes(batches, self.schema), sum(batch.num_rows for batch in batches)

    def _read(self) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
        """Cut the ordered rows where the village changes."""
        code = ""
        held: list[pa.RecordBatch] = []
        for batch in pq.ParquetFile(self._file).iter_batches(65_536):
            runs = pc.run_end_encode(batch[self._scope])
            start = 0
            for end, value in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
                if value != code and held:
                    yield code, held
                    held = []
                code = value
                held.append(batch.slice(start, end - start))
                start = end
        if held:
            yield code, held


def _zip(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as pack:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            pack.writestr(entry, content)
    return sink.getvalue()
