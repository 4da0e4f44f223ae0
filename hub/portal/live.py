"""The live release as the portal reads it: rows of base tables as they were released, and of products as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.contracts import Contract
from hub.delta import delta_files
from hub.ledger.models import ReleaseRow

__all__ = ["LiveRelease", "base_rows", "live_release", "product_dataset"]


@dataclass(frozen=True)
class LiveRelease:
    """The newest release.

    Attributes:
        versions: Entity -> version of its Delta table that was released.
    """

    number: int
    as_of: date
    released_at: datetime
    versions: Mapping[str, int] = field(compare=False)


def live_release(hub: Hub) -> LiveRelease | None:
    """Look up the newest release; None before the first."""
    with Session(hub.database) as session:
        row = session.scalars(select(ReleaseRow).order_by(ReleaseRow.number.desc()).limit(1)).first()
        if row is None:
            return None
        versions = {entity: int(facts["delta_version"]) for entity, facts in row.tables.items()}
        return LiveRelease(row.number, row.as_of_date, row.released_at, versions)


def base_rows(
    hub: Hub, release: LiveRelease, entity: str, columns: Sequence[str], where: ds.Expression | None = None
) -> pa.Table:
    """Rows of a base table as of a release, in no order; an entity that was not released has none."""
    contract = hub.contracts.base[entity]
    if entity not in release.versions:
        return contract.arrow_schema.empty_table().select(list(columns))
    rows = _dataset(contract, hub.lake.base(entity), release.versions[entity])
    return rows.to_table(columns=list(columns), filter=where)


def product_dataset(hub: Hub, product: str, version: int) -> ds.Dataset:
    """One version of a product."""
    return _dataset(hub.contracts.products[product], hub.lake.product(product), version)


def _dataset(contract: Contract, path: Path, version: int) -> ds.Dataset:
    files = [str(file) for file in delta_files(path, version)]
    if files:
        return ds.dataset(files, schema=contract.arrow_schema, format="parquet")
    return ds.dataset(contract.arrow_schema.empty_table())
