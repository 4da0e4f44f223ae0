"""Versions of products: what is published now, from which release, with how many rows and villages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Row, Select, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.ledger.models import ProductRow, ReleaseRow

__all__ = ["ProductVersion", "newest_version", "newest_versions", "record_version"]


@dataclass(frozen=True)
class ProductVersion:
    """One version of a product.

    Attributes:
        version: The version of its Delta table.
        villages: How many villages have rows in it.
        content_hash: Equal contents have equal hashes, whatever the version.
    """

    name: str
    version: int
    release_number: int
    rows: int
    villages: int
    content_hash: str
    published_at: datetime
    as_of_date: date


def _query() -> Select[ProductRow, date]:
    return (
        select(ProductRow, ReleaseRow.as_of_date)
        .join(ReleaseRow, ReleaseRow.number == ProductRow.release_number)
        .order_by(ProductRow.name, ProductRow.version.desc())
        .ext(distinct_on(ProductRow.name))
    )


def _version(found: Row[ProductRow, date]) -> ProductVersion:
    row, as_of = found
    return ProductVersion(
        row.name,
        row.version,
        row.release_number,
        row.rows,
        row.villages,
        row.content_hash,
        row.published_at,
        as_of,
    )


def newest_version(hub: Hub, product: str) -> ProductVersion | None:
    """The newest version of a product, or None before its first."""
    with Session(hub.database) as session:
        found = session.execute(_query().where(ProductRow.name == product)).first()
        return _version(found) if found else None


def newest_versions(hub: Hub) -> list[ProductVersion]:
    """The newest version of every product, sorted by name."""
    with Session(hub.database) as session:
        return [_version(found) for found in session.execute(_query())]


def record_version(hub: Hub, version: ProductVersion) -> None:
    """Note a new version; the same one twice is one."""
    with Session(hub.database) as session, session.begin():
        session.merge(
            ProductRow(
                name=version.name,
                version=version.version,
                release_number=version.release_number,
                rows=version.rows,
                villages=version.villages,
                content_hash=version.content_hash,
                published_at=version.published_at,
            )
        )
