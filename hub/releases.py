"""Releases that were: each names the versions of the base tables it showed, and those are never dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import sqlalchemy as sa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.delta import delta_table
from hub.engine import Engine
from hub.errors import StopError
from hub.ledger.models import ReleaseRow

__all__ = ["PastRelease", "find_release", "live_release", "release_table"]


@dataclass(frozen=True)
class PastRelease:
    """A release as the ledger recorded it.

    Attributes:
        as_of: The day its data are of.
        versions: Entity -> the Delta table's id, and the version of it that the release showed.
    """

    number: int
    as_of: date
    released_at: datetime
    versions: dict[str, tuple[str, int]]


def find_release(hub: Hub, number: int) -> PastRelease:
    """Look up a release.

    Raises:
        StopError: There is no such release.
    """
    with Session(hub.database) as session:
        row = session.get(ReleaseRow, number)
        if row is None:
            newest = session.scalar(sa.select(sa.func.max(ReleaseRow.number)))
            known = f"1 to {newest}" if newest else "none yet"
            raise StopError("release", f"no release {number}", known, "choose one of these, or run `hub run` first")
        return _past(row)


def live_release(hub: Hub) -> PastRelease:
    """Look up the newest release.

    Raises:
        StopError: There is none yet.
    """
    number = hub.ledger.newest_release()
    if number is None:
        raise StopError("release", "nothing is released yet", "a released hub", "run `hub run` first")
    return find_release(hub, number)


def _past(row: ReleaseRow) -> PastRelease:
    versions: dict[str, tuple[str, int]] = {}
    for entity, facts in row.tables.items():
        known: dict[str, Any] = facts
        versions[entity] = (str(known.get("delta_id", "")), int(known["delta_version"]))
    return PastRelease(row.number, row.as_of_date, row.released_at, versions)


def release_table(hub: Hub, engine: Engine, release: PastRelease, entity: str) -> ibis.Table:
    """Rows of a base table as a release showed them; an entity that it did not have yet has none.

    Raises:
        StopError: The lake has that version no more: the table was made anew or its files were removed by hand.
    """
    contract = hub.contracts.base[entity]
    if entity not in release.versions:
        return engine.keep(f"empty__{entity}", ibis.memtable(contract.arrow_schema.empty_table()))
    made, version = release.versions[entity]
    path = hub.lake.base(entity)
    try:
        found = DeltaTable(str(path), version=version)
        if made and str(found.metadata().id) != made:
            raise _lost(entity, release)
    except (DeltaError, OSError) as error:
        raise _lost(entity, release) from error
    return delta_table(engine, path, contract.arrow_schema, version)


def _lost(entity: str, release: PastRelease) -> StopError:
    return StopError(
        where=f"base/{entity}, release {release.number}",
        came="the lake does not have the version it showed",
        allowed="the Delta table as the releases left it",
        do="bring the folder 5-base back from the backup of that time",
    )
