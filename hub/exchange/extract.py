"""Extracts: one product's rows of one division as a file, scoped, audited."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from hub.context import Hub
from hub.contracts import ProductContract
from hub.divisions import head_of, read_history
from hub.engine import Engine
from hub.errors import ScopeError, StopError
from hub.exchange.grants import DIVISION_CODE, Grant
from hub.exchange.readable import no_formulas, product_table, readable
from hub.exchange.versions import ProductVersion, newest_version
from hub.exchange.workbook import write_workbook

__all__ = ["FORMATS", "Followed", "count_rows", "extract", "follow"]

_WIDE = {"address": 44, "full_address": 44, "entity_name": 36, "id_number": 22, "credit_code": 22}


@dataclass(frozen=True)
class Followed:
    """What a division that was asked for stands for today.

    Attributes:
        asked: The code as it was asked for.
        heads: The digits that the codes of its rows begin with: its own, or those of the divisions that followed it.
        note: What became of it, in Chinese: 白下区并入秦淮区（2013-01-01起）; empty where it is still in force.
    """

    asked: str
    heads: tuple[str, ...]
    note: str


def follow(hub: Hub, division: str) -> Followed:
    """Say what a division stands for today; one that has ended stands for those that followed it.

    Raises:
        ScopeError: It is no division, or not this hub's, or was abolished without a successor.
    """
    own, full = hub.settings.division, division.ljust(12, "0")
    history = read_history(hub.contracts.root)
    ended = bool(DIVISION_CODE.fullmatch(division)) and full in history.ended(hub.as_of)
    known = ended or (bool(DIVISION_CODE.fullmatch(division)) and full in hub.contracts.codelists["division"].titles)
    heads = tuple(head_of(part.code) for part in history.followed(full, hub.as_of)) if known else ()
    inside = tuple(head for head in heads if head.startswith(own) or own.startswith(head))
    if not inside:
        raise ScopeError(
            "extract", f"division {division!r}", f"a division code inside {own}", "look it up in the list of divisions"
        )
    return Followed(division, inside, history.told(full, hub.as_of) if ended else "")


def count_rows(hub: Hub, product: str, division: str) -> int:
    """How many rows of a product lie in a division, or in those that followed it."""
    contract, version = _published(hub, product)
    with hub.engine() as engine:
        table = _scoped(hub, engine, contract, version, follow(hub, division))
        return int(table.count().to_pyarrow().as_py())


def extract(
    hub: Hub,
    product: str,
    division: str,
    format: str,
    output: Path,
    actor: str,
    purpose: str = "",
    grant: Grant | None = None,
) -> int:
    """Write a product's rows of a division and everything below it into a file; return how many there are.

    A division that has ended gives the rows of those that followed it; the caption and the audit record say so,
    `follow` tells it beforehand, and a grant must cover all of them.

    CSV and XLSX are for people (Chinese headers, titles in place of codes); Parquet, JSON lines and GeoJSON are for
    programs (the contract's names and codes).

    Args:
        hub: The opened hub.
        product: Name of a published product.
        division: A division's code, in force or ended, from the province's 2 digits to a village's 12.
        format: One of `FORMATS`.
        output: The file; it appears whole or not at all.
        actor: Who reads, for the audit record.
        purpose: What for.
        grant: By what right; None for the hub's own operators at the command line.

    Raises:
        ScopeError: The grant does not cover the product or the division, or the division is not this hub's.
        StopError: The product is unknown or unpublished, the format does not fit it, or there is no such folder.
    """
    if format not in FORMATS:
        raise StopError("extract", f"format {format!r}", ", ".join(FORMATS), "choose one of these")
    if not output.parent.is_dir():
        raise StopError("extract", f"{output.parent} is no folder", "a file in a folder that is there", "make it first")
    contract, version = _published(hub, product)
    if grant is not None and not _covered(hub, grant, product, division):
        hub.ledger.audit("extract_refused", actor, {"product": product, "division": division, "grant": grant.id})
        raise ScopeError(
            "extract", "a product or division outside the grant", "what the grant names", "ask for a grant"
        )
    asked = follow(hub, division)
    with hub.engine() as engine, tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        table = _scoped(hub, engine, contract, version, asked)
        job = _Job(hub, engine, contract, version, asked, table, Path(scratch) / output.name)
        rows = FORMATS[format](job)
        digest = hashlib.sha256(job.path.read_bytes()).hexdigest()
        job.path.chmod(0o600)
        job.path.replace(output)
    details = {
        "product": product,
        "version": version.version,
        "release": version.release_number,
        "division": division,
        "format": format,
        "columns": [column.name for column in contract.columns],
        "rows": rows,
        "file_sha256": digest,
        "purpose": purpose or (grant.purpose if grant else ""),
        "grant": grant.id if grant else None,
        **({"followed": list(asked.heads)} if asked.note else {}),
    }
    hub.ledger.audit("extract", actor, details)
    return rows


def _covered(hub: Hub, grant: Grant, product: str, division: str) -> bool:
    """Whether a grant covers a product's rows of a division, and of all that followed it if it has ended."""
    try:
        heads = follow(hub, division).heads
    except ScopeError:
        return False
    return all(grant.covers(product, head) for head in heads)


@dataclass(frozen=True)
class _Job:
    hub: Hub
    engine: Engine
    product: ProductContract
    version: ProductVersion
    asked: Followed
    table: ibis.Table
    path: Path

    def for_people(self) -> pa.RecordBatchReader:
        return self.engine.batches(readable(self.table, self.product, self.hub.contracts.codelists), 8_192)

    def for_programs(self) -> pa.RecordBatchReader:
        return self.engine.batches(self.table)

    def caption(self) -> str:
        titles = self.hub.contracts.codelists["division"].titles
        name = "、".join(titles.get(head.ljust(12, "0"), head) for head in self.asked.heads)
        note = f" · {self.asked.note}" if self.asked.note else ""
        use = self.product.sharing["condition"]
        day, number = self.version.as_of_date, self.version.release_number
        return f"{name} {self.product.title} · 数据日期 {day} · 第{number}期 · {use}{note}"


def _published(hub: Hub, product: str) -> tuple[ProductContract, ProductVersion]:
    contract = hub.contracts.products.get(product)
    if contract is None:
        raise StopError("extract", f"product {product!r}", ", ".join(hub.contracts.products), "choose one of these")
    version = newest_version(hub, product)
    if version is None:
        raise StopError(f"product {product}", "not published yet", "a published product", "run `hub run` first")
    return contract, version


def _scoped(
    hub: Hub, engine: Engine, contract: ProductContract, version: ProductVersion, asked: Followed
) -> ibis.Table:
    table = product_table(engine, hub.lake, contract, version.version)
    scope = table[contract.scope_column]
    inside = table.filter(ibis.or_(*(scope.startswith(head) for head in asked.heads)))
    return inside.order_by([column.name for column in contract.columns])


def _write_csv(job: _Job) -> int:
    rows = 0
    reader = job.for_people()
    with job.path.open("wb") as file:
        file.write("\ufeff".encode())
        with csv.CSVWriter(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(no_formulas(batch))
                rows += batch.num_rows
    return rows


def _write_xlsx(job: _Job) -> int:
    reader = job.for_people()
    widths = {column.title: _WIDE[column.name] for column in job.product.columns if column.name in _WIDE}
    return write_workbook(reader, reader.schema, job.product.title, job.caption(), job.path, widths)


def _write_parquet(job: _Job) -> int:
    rows = 0
    with pq.ParquetWriter(job.path, job.product.arrow_schema, compression="zstd") as writer:
        for batch in job.for_programs().cast(job.product.arrow_schema):
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_jsonl(job: _Job) -> int:
    rows = 0
    with job.path.open("w", encoding="utf-8") as file:
        for batch in job.for_programs():
            for row in batch.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False, default=str) + os.linesep)
                rows += 1
    return rows


def _write_geojson(job: _Job) -> int:
    """Points by `longitude` and `latitude`, RFC 7946; only products that have both."""
    if not {"longitude", "latitude"} <= set(job.product.by_name):
        raise StopError(
            f"product {job.product.name}",
            "no coordinates",
            "a product with longitude and latitude",
            "take another format",
        )
    rows = 0
    with job.path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [\n')
        for batch in job.for_programs():
            for row in batch.to_pylist():
                file.write((",\n" if rows else "") + json.dumps(_feature(row), ensure_ascii=False, default=str))
                rows += 1
        file.write("\n]}\n")
    return rows


def _feature(row: dict[str, Any]) -> dict[str, Any]:
    longitude, latitude = row.pop("longitude"), row.pop("latitude")
    point = None if longitude is None or latitude is None else {"type": "Point", "coordinates": [longitude, latitude]}
    return {"type": "Feature", "geometry": point, "properties": row}


FORMATS: Mapping[str, Callable[[_Job], int]] = {
    "csv": _write_csv,
    "xlsx": _write_xlsx,
    "parquet": _write_parquet,
    "geojson": _write_geojson,
    "jsonl": _write_jsonl,
}
"""Format -> what writes it."""
