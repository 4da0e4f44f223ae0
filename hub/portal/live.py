"""The live release as the portal reads it: rows of base tables as they were released, and of products as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import Hub
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
    """Rows of a base table as of a release, sorted by nothing; an entity that was not released has none."""
    if entity not in release.versions:
        return hub.contracts.base[entity].arrow_schema.empty_table().select(list(columns))
    table = DeltaTable(str(hub.lake.base(entity)), version=release.versions[entity])
    return table.to_pyarrow_dataset().to_table(columns=list(columns), filter=where)


def product_dataset(hub: Hub, product: str, version: int) -> ds.Dataset:
    """One version of a product."""
    return DeltaTable(str(hub.lake.product(product)), version=version).to_pyarrow_dataset()
