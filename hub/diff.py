"""What changed between two releases: how many rows of each table, in which columns, and which ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ibis

from hub.context import Hub
from hub.contracts import BaseContract
from hub.engine import Engine
from hub.errors import StopError
from hub.releases import PastRelease, find_release, release_table

__all__ = ["LISTED", "RowChange", "TableDiff", "diff"]

LISTED = 20
"""How many changed rows of a table are listed unless another number is asked for."""


@dataclass(frozen=True)
class RowChange:
    """One row that is not the same in both releases.

    Attributes:
        key: The values of its key columns.
        change: `inserted`, `updated` or `deleted`.
        columns: What changed of an updated row.
        values: Changed column -> its value before and after; None unless values were asked for.
    """

    key: tuple[Any, ...]
    change: str
    columns: tuple[str, ...]
    values: Mapping[str, tuple[Any, Any]] | None = None


@dataclass(frozen=True)
class TableDiff:
    """What changed of one table.

    Attributes:
        columns: Column -> in how many of the updated rows it changed; those that never did are left out.
        only_before: Columns the earlier release had alone.
        only_after: Columns the later release has alone.
        rows: The first of the changed rows, by kind of change and key.
    """

    entity: str
    inserted: int
    updated: int
    deleted: int
    columns: Mapping[str, int]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    rows: tuple[RowChange, ...]


def diff(
    hub: Hub,
    before: int,
    after: int,
    *,
    actor: str,
    entity: str | None = None,
    values: bool = False,
    listed: int = LISTED,
) -> list[TableDiff]:
    """Compare two releases, table by table.

    Args:
        hub: The opened hub.
        before: Number of a release.
        after: Number of another one, the later as a rule.
        actor: Who asks; a look at values is audited.
        entity: Only this table; None: all that changed.
        values: Whether the values before and after are told beside the names of the changed columns.
        listed: How many changed rows of each table are told.

    Raises:
        StopError: There is no such release or entity, or the lake has lost what a release showed.
    """
    if entity is not None and entity not in hub.contracts.base:
        raise StopError("hub diff", f"entity {entity!r}", ", ".join(hub.contracts.base), "choose one of these")
    first, second = find_release(hub, before), find_release(hub, after)
    found = []
    with hub.engine() as engine:
        for name in [entity] if entity else list(hub.contracts.base):
            if entity is None and first.versions.get(name) == second.versions.get(name):
                continue
            told = _Pair(hub, engine, hub.contracts.base[name], first, second).diff(listed, values=values)
            if entity or told.inserted or told.updated or told.deleted or told.only_before or told.only_after:
                found.append(told)
    if values:
        seen = {told.entity: len(told.rows) for told in found}
        hub.ledger.audit("diff", actor, {"before": before, "after": after, "rows": seen})
    return found


class _Pair:
    """One table in two releases, as `earlier` and `later` of an engine."""

    def __init__(
        self, hub: Hub, engine: Engine, contract: BaseContract, first: PastRelease, second: PastRelease
    ) -> None:
        self.engine, self.contract = engine, contract
        tables = [release_table(hub, engine, release, contract.name) for release in (first, second)]
        names = [[name for name in table.columns if not name.startswith("_")] for table in tables]
        both = set(names[0]) & set(names[1])
        self.keys = contract.keys
        self.compared = [name for name in names[1] if name in both and name not in self.keys]
        self.only_before = tuple(name for name in names[0] if name not in both)
        self.only_after = tuple(name for name in names[1] if name not in both)
        for name, table in zip(("earlier", "later"), tables, strict=True):
            engine.define(name, ibis.to_sql(table, dialect="duckdb"))
        same = " AND ".join(f'e."{key}" = l."{key}"' for key in self.keys)
        self.joined = f"earlier e FULL JOIN later l ON {same}"
        self.inserted, self.deleted = f'e."{self.keys[0]}" IS NULL', f'l."{self.keys[0]}" IS NULL'
        self.differs = {name: f'e."{name}" IS DISTINCT FROM l."{name}"' for name in self.compared}

    def diff(self, listed: int, *, values: bool) -> TableDiff:
        in_both = f"NOT ({self.inserted}) AND NOT ({self.deleted})"
        updated = f"{in_both} AND ({' OR '.join(self.differs.values()) or 'false'})"
        counts = [f"count(*) FILTER ({which})" for which in (self.inserted, updated, self.deleted)]
        counts += [f"count(*) FILTER ({in_both} AND {differs})" for differs in self.differs.values()]
        (found,) = self._fetch(f"SELECT {', '.join(counts)} FROM {self.joined}")  # noqa: S608  names of the contract
        inserted, changed, deleted, *by_column = found
        columns = {name: count for name, count in zip(self.compared, by_column, strict=True) if count}
        return TableDiff(
            entity=self.contract.name,
            inserted=inserted,
            updated=changed,
            deleted=deleted,
            columns=dict(sorted(columns.items(), key=lambda entry: (-entry[1], entry[0]))),
            only_before=self.only_before,
            only_after=self.only_after,
            rows=self._rows(list(columns), updated, listed, values=values),
        )

    def _rows(self, columns: list[str], updated: str, listed: int, *, values: bool) -> tuple[RowChange, ...]:
        """The first changed rows; of columns that no row changed nothing needs to be read."""
        keys = [f'coalesce(l."{key}", e."{key}")' for key in self.keys]
        change = f"CASE WHEN {self.inserted} THEN 'inserted' WHEN {self.deleted} THEN 'deleted' ELSE 'updated' END"
        pairs = [f'{side}."{name}"' for name in columns for side in ("e", "l")]
        query = f"""
            SELECT {", ".join([change, *keys, *pairs])} FROM {self.joined}
            WHERE {self.inserted} OR {self.deleted} OR ({updated})
            ORDER BY {", ".join(map(str, range(1, len(keys) + 2)))} LIMIT {listed}
        """  # noqa: S608  names of the contract
        return tuple(self._row(row, columns, values=values) for row in self._fetch(query))

    def _row(self, row: tuple[Any, ...], columns: list[str], *, values: bool) -> RowChange:
        change, key, rest = row[0], row[1 : len(self.keys) + 1], row[len(self.keys) + 1 :]
        pairs = dict(zip(columns, zip(rest[::2], rest[1::2], strict=True), strict=True))
        changed = {name: pair for name, pair in pairs.items() if change == "updated" and pair[0] != pair[1]}
        return RowChange(key, change, tuple(changed), changed if values else None)

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.engine.con.con.execute(query).fetchall()
        return found
