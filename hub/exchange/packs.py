"""Packs of villages: each product's rows as CSV, cut village by village, and with a signed manifest as one zip."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hub.context import Hub
from hub.contracts import ProductContract
from hub.engine import Engine
from hub.exchange.in_turn import in_turn
from hub.exchange.readable import csv_bytes, product_table, readable
from hub.exchange.signing import sign
from hub.exchange.versions import ProductVersion

__all__ = ["Pack", "VillageTexts", "pack_village", "write_texts", "zipped"]

_ZIP_TIME = (2020, 1, 1, 0, 0, 0)  # fixed, so that equal contents make equal packs
_AHEAD = 4
"""Villages whose texts are made while one is written."""


@dataclass(frozen=True)
class Pack:
    """What one village is to get.

    Attributes:
        content_hash: Equal texts have equal hashes, whatever the release.
        rows: Of all products together.
    """

    code: str
    content_hash: str
    content: bytes
    rows: int


@dataclass(frozen=True)
class _Place:
    """Where a village's text lies in the file of its product."""

    start: int
    length: int
    rows: int


@dataclass(frozen=True)
class VillageTexts:
    """One product's rows as CSV texts, a village's after another's in one file; threads may read it together.

    Attributes:
        empty: The text of a village that has no rows: the header.
        places: Village -> its place in the file, for those that have rows, in ascending order.
    """

    product: ProductContract
    version: ProductVersion
    path: Path
    empty: bytes
    places: Mapping[str, _Place]

    def read(self, code: str) -> tuple[bytes, int]:
        """One village's CSV, and how many rows it has."""
        place = self.places.get(code)
        if place is None:
            return self.empty, 0
        with self.path.open("rb") as file:
            file.seek(place.start)
            return file.read(place.length), place.rows


def write_texts(
    hub: Hub, engine: Engine, pool: Executor, product: ProductContract, version: ProductVersion, folder: Path
) -> VillageTexts:
    """Write a product's rows as texts of its villages in one pass, so that memory holds a few villages' rows.

    Args:
        hub: The opened hub.
        engine: Orders the rows.
        pool: Makes the texts.
        product: A product for villages.
        version: Which of its versions.
        folder: For the file.
    """
    shown = readable(product_table(engine, hub.lake, product, version.version), product, hub.contracts.codelists)
    scope = product.by_name[product.scope_column].title
    schema = shown.schema().to_pyarrow()
    ordered = shown.order_by([scope, *(name for name in shown.columns if name != scope)])
    villages = _villages(engine.batches(ordered).cast(schema), scope)
    path = folder / f"{product.name}.csv"
    places = {}
    with path.open("wb") as file:
        for code, text, rows in in_turn(pool, partial(_text, schema), villages, _AHEAD):
            places[code] = _Place(file.tell(), len(text), rows)
            file.write(text)
    return VillageTexts(product, version, path, csv_bytes([], schema), places)


def _text(schema: pa.Schema, village: tuple[str, list[pa.RecordBatch]]) -> tuple[str, bytes, int]:
    code, batches = village
    return code, csv_bytes(batches, schema), sum(batch.num_rows for batch in batches)


def _villages(reader: pa.RecordBatchReader, scope: str) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
    """Cut the ordered rows where the village changes."""
    code = ""
    held: list[pa.RecordBatch] = []
    for batch in reader:
        runs = pc.run_end_encode(batch[scope])
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


def pack_village(
    hub: Hub, texts: Sequence[VillageTexts], facts: Mapping[str, object], last: Mapping[str, str], code: str
) -> Pack | None:
    """Pack a village's texts of all products; None where they are those that reached it last.

    Args:
        hub: The opened hub.
        texts: Of each product, in the order in which they are told.
        facts: What the manifest says beside: the release and its day.
        last: Village -> content hash of the newest delivery that reached it.
        code: The village.
    """
    content = hashlib.sha256()
    files, products, rows = {}, [], 0
    for one in texts:
        text, count = one.read(code)
        content.update(f"{one.product.name}|{one.product.version_text}|".encode())
        content.update(text)
        files[f"{one.product.title}.csv"] = text
        products.append((one, text, count))
        rows += count
    if last.get(code) == content.hexdigest():
        return None
    manifest = {
        "division_code": code,
        **facts,
        "content_sha256": content.hexdigest(),
        "products": [_told(one, text, count) for one, text, count in products],
    }
    return Pack(code, content.hexdigest(), zipped({**files, "manifest.json": sign(hub, manifest)}), rows)


def _told(one: VillageTexts, text: bytes, rows: int) -> dict[str, object]:
    """What a pack's manifest says of one product."""
    return {
        "name": one.product.name,
        "title": one.product.title,
        "file": f"{one.product.title}.csv",
        "version": one.version.version,
        "rows": rows,
        "sha256": hashlib.sha256(text).hexdigest(),
        "use": one.product.sharing["condition"],
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files as one zip; equal files make equal bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as pack:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            pack.writestr(entry, content)
    return sink.getvalue()
