"""Rows as they are and were believed: read from the governance database and its history."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from hub.believing import RECKONED_BY
from hub.context import Hub
from hub.contracts import BaseContract
from hub.errors import StopError
from hub.governance import SCHEMA
from hub.history import HISTORY, HOLDS_FROM
from hub.releases import live_release

__all__ = ["base_of", "believed", "no_row", "versions_of"]


def base_of(hub: Hub, entity: str) -> BaseContract:
    """Look up a base contract by its entity's name.

    Raises:
        StopError: There is no such entity.
    """
    base = hub.contracts.base.get(entity)
    if base is None:
        raise StopError("hub show", f"entity {entity!r}", ", ".join(hub.contracts.base), "choose one of these")
    return base


def no_row(entity: str, where: str) -> StopError:
    """The error of a key that nothing is known of."""
    return StopError(
        where=f"base/{entity}, {where}",
        came="no row has this key",
        allowed="a hub key or public code that was released",
        do=f"look it up in governance.{entity}",
    )


def believed(hub: Hub, entity: str, key: str, believed_on: date, about: date) -> dict[str, Any] | None:
    """What the hub believed on one day about a row on another; None where it knew of none.

    Args:
        hub: The opened hub.
        entity: A base table.
        key: The row's hub key or public code.
        believed_on: The day on which the question is put; what was released by its end, in China, counts.
        about: The day the question is about.

    Returns:
        The contract's columns, `holds_from` (None: from ever), `facts_as_of`, and `recorded_from`: the first release
        that said so.

    Raises:
        StopError: There is no such entity, or nothing is released yet.
    """
    base = base_of(hub, entity)
    live_release(hub)
    wanted = {base.key_column: key}
    if entity in RECKONED_BY:
        by = RECKONED_BY[entity]
        wanted[by] = next((version[by] for version in _versions(hub, base, key)), "")
    where = " AND ".join(f"{name} = :{name}" for name in wanted)
    query = sa.text(f"SELECT * FROM {HISTORY}.{entity}_believed(:believed_on, :about) WHERE {where}")  # noqa: S608
    with hub.database.connect() as connection:
        row = connection.execute(query, {"believed_on": believed_on, "about": about, **wanted}).one_or_none()
    return dict(row._mapping) if row else None


def versions_of(hub: Hub, base: BaseContract, key: str) -> list[dict[str, Any]]:
    """All versions of a row that were released, the newest first, with `holds_from`, `recorded_from` and `gone_on`.

    Raises:
        StopError: The governance database never had the key.
    """
    found = _versions(hub, base, key)
    if not found:
        raise no_row(base.name, "governance database")
    return found


def _versions(hub: Hub, base: BaseContract, key: str) -> list[dict[str, Any]]:
    names = ", ".join([*base.by_name, HOLDS_FROM.name])
    query = f"""
        SELECT {names}, release_number AS recorded_from, NULL AS gone_on FROM {SCHEMA}.{base.name}
        WHERE {base.key_column} = :key
        UNION ALL
        SELECT {names}, recorded_from, gone_on FROM {HISTORY}.{base.name} WHERE {base.key_column} = :key
        ORDER BY recorded_from DESC
    """  # noqa: S608  names of the contract
    with hub.database.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.text(query), {"key": key})]
