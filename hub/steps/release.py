"""Step 6, release: all base tables of one date go live in the governance database together, or none does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypedDict

import orjson
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from psycopg import sql
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from hub.context import Hub
from hub.delta import delta_files
from hub.errors import StopError
from hub.governance import CRS, SCHEMA, Geometry, align
from hub.history import FACTS_AS_OF, Keeper, align_history, kept
from hub.ledger.models import ReleaseRow
from hub.pg import libpq_uri
from hub.pg_copy import copy_rows, parquet_rows
from hub.references import declare_references
from hub.release_faults import breaks, reported
from hub.store import write_atomically

__all__ = ["Release", "TableRelease", "release"]

_Cursor = psycopg.Cursor[tuple[Any, ...]]


class TableRelease(TypedDict):
    """What a release did to one table; `delta_id` and `delta_version` name the state of the base table it shows."""

    rows: int
    inserted: int
    updated: int
    deleted: int
    delta_id: str
    delta_version: int


@dataclass(frozen=True)
class Release:
    """A release that is live.

    Attributes:
        as_of: The day the data are of.
        tables: Entity -> what changed in its table.
    """

    number: int
    as_of: date
    released_at: datetime
    tables: Mapping[str, TableRelease]


def release(hub: Hub, judged: Callable[[], object] = lambda: None) -> Release | None:
    """Bring every base table into the governance database, in one transaction.

    Readers see the old release until all of the new one is there. A second process waits for the first. Killed at
    any moment, it leaves nothing behind: rows are staged in temporary tables of the same transaction. Rows that it
    replaces or deletes go into schema `history` with it. While nothing is live at all, readers wait for the first one.

    Args:
        hub: The opened hub.
        judged: Called once all rows are there and before any goes live; what it raises undoes the release.

    Returns:
        The new release, or None if no row changed.

    Raises:
        StopError: A base table is missing or breaks its contract, or the tables need a written migration.
        RetryError: The database went away.
    """
    with hub.database.begin() as connection:
        metadata = align(connection, kept(hub.contracts.base), hub.contracts)
        histories = align_history(connection, metadata, hub.contracts.base)
    uri = libpq_uri(hub.database.url)
    with reported("governance database"), psycopg.connect(uri) as loading, loading.cursor() as cursor:
        made = _merge_all(hub, metadata, histories, cursor, judged)
        if not made:
            loading.rollback()
    _keep_record(hub)
    return made


def _merge_all(
    hub: Hub,
    metadata: sa.MetaData,
    histories: Mapping[str, sa.Table],
    cursor: _Cursor,
    judged: Callable[[], object],
) -> Release | None:
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('community-data-hub release'))")
    cursor.execute("SET LOCAL work_mem = '128MB'")
    # Enough for the workers that build an index at once; sorts that fit the processor's cache take less of its time.
    cursor.execute("SET LOCAL maintenance_work_mem = '128MB'")
    # Joins are planned well by it; the server's autovacuum looks closer once the release is live.
    cursor.execute("SET LOCAL default_statistics_target = 30")
    bases = {entity: _open(hub, entity) for entity in hub.contracts.base}
    number, live = _ledger_state(cursor)
    keepers = {one: Keeper(metadata.tables[f"{SCHEMA}.{one}"], histories[one], number, hub.as_of) for one in bases}
    merges = {one: _Merge(cursor, hub, keeper, is_alone=not live) for one, keeper in keepers.items()}
    tables = {entity: merge.run(bases[entity], live.get(entity)) for entity, merge in merges.items()}
    judged()
    if not any(table["inserted"] or table["updated"] or table["deleted"] for table in tables.values()):
        return None
    # Last of all, for it keeps readers out until the commit.
    for merge in merges.values():
        merge.declare_key()
    declare_references(cursor, hub.contracts)
    made = Release(number, hub.as_of, datetime.now(UTC), tables)
    _record(cursor, made)
    return made


def _open(hub: Hub, entity: str) -> DeltaTable:
    try:
        return DeltaTable(str(hub.lake.base(entity)))
    except TableNotFoundError:
        raise StopError(
            where=f"base/{entity}",
            came="the base table is not in the lake",
            allowed="a Delta table for every contract of schemas/base",
            do="run the step merge first",
        ) from None


def _ledger_state(cursor: _Cursor) -> tuple[int, Mapping[str, TableRelease]]:
    """Return the next release's number, and what the live release shows, by entity."""
    cursor.execute("SELECT coalesce(max(number), 0) + 1 FROM ledger.release")
    [(number,)] = cursor.fetchall()
    # No row, if the schema was made anew: then every table is merged.
    cursor.execute(
        "SELECT tables::text FROM ledger.release WHERE number = (SELECT max(number) FROM governance.release)"
    )
    rows = cursor.fetchall()
    return number, orjson.loads(rows[0][0]) if rows else {}


_HAS_KEY = "SELECT 1 FROM pg_constraint WHERE contype = 'p' AND conrelid = %s::text::regclass"


class _Merge:
    """Makes one governance table equal to its base table, touching only rows that differ, whose old state is kept."""

    def __init__(self, cursor: _Cursor, hub: Hub, keeper: Keeper, *, is_alone: bool) -> None:
        self.cursor, self.keeper, self.is_alone = cursor, keeper, is_alone
        self.target = keeper.target
        self.contract = hub.contracts.base[self.target.name]
        self.lake_table = hub.lake.base(self.target.name)
        columns = [sa.Column(name, self._type(name)) for name in self.contract.by_name]
        facts = sa.Column(FACTS_AS_OF, sa.Date())
        self.staged = sa.Table(f"staged_{self.target.name}", sa.MetaData(), *columns, facts, prefixes=["TEMPORARY"])
        self.same_key = sa.and_(*(self.target.c[key] == self.staged.c[key] for key in self.contract.keys))
        self.values = {name: self._value(name) for name in self.contract.by_name}
        cursor.execute(_HAS_KEY, (f"{SCHEMA}.{self.target.name}",))
        self.first = not cursor.fetchall()

    def run(self, base: DeltaTable, live: TableRelease | None) -> TableRelease:
        """Carry the base table's differences over, unless the live release shows this very version.

        Raises:
            StopError: The base table has other columns than its contract, or a key is missing or comes twice.
        """
        made, version = str(base.metadata().id), base.version()
        if live and not self.first and (live["delta_id"], live["delta_version"]) == (made, version):
            return {**live, "inserted": 0, "updated": 0, "deleted": 0}
        with reported(self.contract.tail):
            rows, (deleted, updated, inserted) = self._fill(base) if self.first else self._change(base)
        return TableRelease(
            rows=rows, inserted=inserted, updated=updated, deleted=deleted, delta_id=made, delta_version=version
        )

    def declare_key(self) -> None:
        """Make the unique index that a first release built the primary key."""
        if self.first:
            key = self.target.primary_key.name
            self.cursor.execute(
                f"ALTER TABLE {SCHEMA}.{self.target.name} ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {key}"
            )

    def _fill(self, base: DeltaTable) -> tuple[int, tuple[int, int, int]]:
        rows = self._rows(base)
        if any(isinstance(column.type, Geometry) for column in self.target.c):
            self._stage(rows)
            inserted = self._execute(self._insert(sa.true(), opening=True))
            self._execute(DropTable(self.staged))
        else:
            table = sql.Identifier(SCHEMA, self.target.name)
            if self.is_alone:
                # Its own empty table takes a transaction's rows frozen, and logs none where wal_level is minimal.
                self.cursor.execute(sql.SQL("TRUNCATE {}").format(table))
            inserted = copy_rows(self.cursor, table, map(self.keeper.opening_rows, rows), freeze=self.is_alone)
        others = list(self.target.indexes)
        key = sa.Index(str(self.target.primary_key.name), *self.target.primary_key, unique=True)
        for index in (key, *others):
            self._execute(CreateIndex(index))
        self.cursor.execute(f"ANALYZE {SCHEMA}.{self.target.name}")
        return inserted, (0, 0, inserted)

    def _change(self, base: DeltaTable) -> tuple[int, tuple[int, int, int]]:
        staged = self._stage(self._rows(base))
        self.cursor.execute(f"ANALYZE {self.staged.name}")
        [(opening,)] = self._query(self.keeper.opening())
        gone = ~sa.exists().where(self.same_key).correlate(self.target)
        new = ~sa.exists().where(self.same_key).correlate(self.staged)
        deleted = self._execute(self.keeper.gone(gone))
        if deleted:
            self._execute(sa.delete(self.target).where(self.keeper.was_kept(gone=True)))
        updated = self._execute(self.keeper.replaced(self.staged, sa.and_(self.same_key, self._differs())))
        if updated:
            self._execute(self._update())
        inserted = self._execute(self._insert(new, opening=opening))
        [(rows,)] = self._query(sa.select(sa.func.count()).select_from(self.target))
        if rows != staged:
            raise breaks(self.contract.tail, f"{staged - rows} row(s) repeat the key of another")
        self._execute(DropTable(self.staged))
        return rows, (deleted, updated, inserted)

    def _stage(self, rows: Iterator[pa.RecordBatch]) -> int:
        self._execute(CreateTable(self.staged))
        return copy_rows(self.cursor, sql.Identifier(self.staged.name), rows, freeze=True)

    def _rows(self, base: DeltaTable) -> Iterator[pa.RecordBatch]:
        odd = {field.name for field in base.schema().fields} - {FACTS_AS_OF} ^ {*self.contract.by_name}
        if odd:
            told = ", ".join(sorted(odd))
            raise breaks(self.contract.tail, f"columns {told} are in the contract or in the table only")
        schema = self.contract.arrow_schema.append(pa.field(FACTS_AS_OF, pa.date32()))
        return parquet_rows(delta_files(self.lake_table, base.version()), schema)

    def _type(self, name: str) -> sa.types.TypeEngine[Any]:
        kept_as = self.target.c[name].type
        return sa.LargeBinary() if isinstance(kept_as, Geometry) else kept_as

    def _value(self, name: str) -> sa.ColumnElement[object]:
        staged = self.staged.c[name]
        return sa.func.ST_GeomFromWKB(staged, CRS) if isinstance(self.target.c[name].type, Geometry) else staged

    def _differs(self) -> sa.ColumnElement[bool]:
        others = [name for name in self.values if name not in self.contract.keys]
        old, new = (sa.tuple_(*(side[name] for name in others)) for side in (self.target.c, self.values))
        return old.is_distinct_from(new)

    def _update(self) -> sa.Update:
        others = {name: value for name, value in self.values.items() if name not in self.contract.keys}
        recorded = self.keeper.recorded(self.staged, self.keeper.goes_on(self.staged))
        # The rows that differ were found when they were kept; comparing them again would cost as much once more.
        which = self.keeper.was_kept(gone=False)
        return sa.update(self.target).values(others | recorded).where(self.same_key, which)

    def _insert(self, which: sa.ColumnElement[bool], *, opening: bool) -> sa.Insert:
        recorded = self.keeper.recorded(self.staged, self.keeper.begins(self.staged, opening=opening))
        rows = sa.select(*self.values.values(), *recorded.values()).select_from(self.staged).where(which)
        return sa.insert(self.target).from_select([*self.values, *recorded], rows)

    def _execute(self, statement: sa.ClauseElement) -> int:
        """Run a statement as text, without SQLAlchemy's own errors, and return how many rows it touched."""
        dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
        self.cursor.execute(str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).encode())
        return self.cursor.rowcount

    def _query(self, statement: sa.ClauseElement) -> list[tuple[Any, ...]]:
        self._execute(statement)
        return self.cursor.fetchall()


def _record(cursor: _Cursor, made: Release) -> None:
    rows = orjson.dumps({entity: table["rows"] for entity, table in made.tables.items()}).decode()
    tables = orjson.dumps(made.tables).decode()
    head = (made.number, made.as_of, made.released_at)
    cursor.execute("INSERT INTO governance.release VALUES (%s, %s, %s, %s::text::jsonb)", (*head, rows))
    cursor.execute(
        "INSERT INTO ledger.release (number, as_of_date, released_at, tables, state)"
        " VALUES (%s, %s, %s, %s::text::jsonb, 'live')",
        (*head, tables),
    )


def _keep_record(hub: Hub) -> None:
    """Write the newest release of the ledger into the lake, unless it is there."""
    newest = sa.select(ReleaseRow.__table__).order_by(ReleaseRow.number.desc()).limit(1)
    with hub.database.connect() as connection:
        row = connection.execute(newest).one_or_none()
    if row is None:
        return
    content = orjson.dumps(
        {
            "number": row.number,
            "as_of": row.as_of_date,
            "released_at": row.released_at.astimezone(UTC),
            "tables": row.tables,
        },
        option=orjson.OPT_INDENT_2,
    )
    path = hub.lake.release(row.number)
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)
