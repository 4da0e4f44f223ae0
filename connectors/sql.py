"""Kind `sql`: a front-end database (前置库), whole tables or what changed since the last pull.

The statement is the same everywhere; how its rows stream is in `connectors.sql_streams`.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    ColumnElement,
    Engine,
    Integer,
    Select,
    String,
    TableClause,
    and_,
    cast,
    func,
    null,
    or_,
    select,
    true,
)
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.types import Date, DateTime, TypeEngine

from connectors.base import WHOLE, Chunk, Connection, Offer, Request
from connectors.errors import RetryError, StopError
from connectors.rows import missing_columns, regrouped, schema_drift
from connectors.sql_engines import open_engine
from connectors.sql_ranges import lower_bounds
from connectors.sql_streams import columns_of, database_errors, readable, stream

__all__ = ["SqlConnector"]

_TOTAL: Final = "rows_in_source"
_CHUNK_ROWS: Final = 200_000
_NAME: Final = re.compile(r"\w+(\.\w+)?")


class SqlConnector:
    """Reads tables and views of one database, in read-only transactions, over one connection at a time.

    Args:
        connection: `place` is an SQLAlchemy URL without password, `secret` the password.

    Raises:
        StopError: The place is no such URL, carries a password, or its driver is not installed.
    """

    def __init__(self, connection: Connection) -> None:
        self._engine = open_engine(connection)

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer one batch: the table, or its rows from the mark less the overlap on.

        Raises:
            StopError: `table` or, for an increment, `cursor` is missing or no plain name.
        """
        yield _SqlOffer(self._engine, request, mark)


@dataclass(frozen=True)
class _Table:
    """What the server says before the rows are asked for.

    Attributes:
        columns: All columns, and their types.
        named: Wanted field -> the column that has it; None for one that may be absent and is.
        now: The server's own time.
    """

    columns: Mapping[str, TypeEngine[Any]]
    named: Mapping[str, str | None]
    now: datetime


class _SqlOffer(Offer):
    """One table, or the part of it that is new; in chunks by ranges of the column `split_by`."""

    parallel = True

    def __init__(self, engine: Engine, request: Request, mark: dict[str, Any] | None) -> None:
        self._engine = engine
        self._request = request
        self._table = _plain(request, "table")
        self._where = f"{request.tail}, table {self._table}"
        self._cursor = _plain(request, "cursor") if request.mode == "increment" else None
        self._split = _plain(request, "split_by") if "split_by" in request.options else None
        self._reached = datetime.fromisoformat(mark["cursor"]) if self._cursor and mark else None
        overlap = timedelta(hours=float(request.options.get("overlap_hours", 24)))
        self._since = request.since or (self._reached - overlap if self._reached else None)
        begin = self._since if self._cursor else None
        self.name = f"{self._table} from {begin.isoformat()}" if begin else f"{self._table} whole"
        self._notes: dict[str, Chunk] = {}
        self._asking = threading.Lock()
        self._told: _Table | None = None

    def plan(self) -> Sequence[Chunk]:
        """Cut the rows into ranges of `split_by` with about `chunk_rows` rows each.

        Raises:
            StopError: `split_by` is no column of whole numbers or text.
        """
        if self._split is None:
            return (WHOLE,)
        with database_errors(self._where):
            table = self._describe()
            source, key = self._source(table), self._split_column(table)
            rows = int(self._request.options.get("chunk_rows", _CHUNK_ROWS))
            with self._engine.connect() as link:
                bounds = lower_bounds(link, source, key, self._condition(source), rows)
        edges = [None, *bounds, None]
        return [{"from": low, "to": high} for low, high in itertools.pairwise(edges)] if bounds else (WHOLE,)

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream the rows in the order the server gives them; see `Offer.read`."""
        with database_errors(self._where):
            table = self._describe()
            statement, columns = self._statement(table, chunk)
            told = count = 0
            latest: datetime | None = None
            for batch in regrouped(stream(self._engine, statement, columns)):
                latest = _later(latest, self._latest(batch))
                if batch.num_rows:
                    told = int(batch.column(_TOTAL)[0].as_py())
                count += batch.num_rows
                yield batch.select(list(self._request.fields))
                self._request.pace(batch.num_rows)
            if count != told:
                raise RetryError(self._where, f"{count} of {told} rows came", "all rows", "pull again")
            if not chunk:
                self.expected_rows = told
            if latest is not None:
                # A clock that runs ahead at the source must not make later rows invisible.
                self._notes[_key(chunk)] = {"cursor": min(latest, _like(table.now, latest)).isoformat()}

    def note(self, chunk: Chunk) -> Chunk | None:
        """Return the newest cursor of a chunk."""
        return self._notes.get(_key(chunk))

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return the newest cursor seen, never later than the server's own clock."""
        reached = self._reached
        for note in notes:
            reached = _later(reached, datetime.fromisoformat(note["cursor"]) if note else None)
        return {"cursor": reached.isoformat()} if reached else None

    def _describe(self) -> _Table:
        """Ask the server about the table, once for all chunks."""
        with self._asking:
            if self._told is None:
                self._told = self._described()
            return self._told

    def _described(self) -> _Table:
        schema, _, name = self._table.rpartition(".")
        with self._engine.connect() as link:
            columns = columns_of(link, schema or None, name)
            now = link.execute(select(func.now())).scalar_one()
        if not columns:
            raise StopError(
                self._where,
                "no such table for this user",
                "a table or view the user may read",
                "ask the department for it, or correct `table` in the contract",
            )
        self.available = {name: str(kind) for name, kind in columns.items()}
        fields = self._request.fields
        named = {field: next((n for n in self._request.names_of(field) if n in columns), None) for field in fields}
        missing_columns(self._where, [field for field, column in named.items() if column is None], self._request)
        needed = [column for column in (self._cursor, self._split) if column and column not in columns]
        if needed:
            raise schema_drift(self._where, "column(s) missing: " + ", ".join(needed), fields)
        if self._cursor and not isinstance(columns[self._cursor], Date | DateTime):
            raise StopError(
                self._where,
                f"cursor {self._cursor} of type {columns[self._cursor]!r}",
                "a date or timestamp column",
                "take another cursor or mode snapshot in the contract",
            )
        return _Table(columns, named, now)

    def _source(self, table: _Table) -> TableClause:
        schema, _, name = self._table.rpartition(".")
        return sql_table(name, *(sql_column(n, kind) for n, kind in table.columns.items()), schema=schema or None)

    def _split_column(self, table: _Table) -> str:
        split = str(self._split)
        if not isinstance(table.columns[split], Integer | String):
            raise StopError(
                self._where,
                f"split_by {split} of type {table.columns[split]!r}",
                "a column of whole numbers or text with an index",
                "take the table's key as split_by in the contract",
            )
        return split

    def _statement(self, table: _Table, chunk: Chunk) -> tuple[Select[Any], dict[str, TypeEngine[Any]]]:
        """The wanted columns and, on every row, the number of rows: one statement is one snapshot of both."""
        source = self._source(table)
        condition = and_(self._condition(source), *self._range(source, chunk))
        total = (
            select(func.count()).select_from(source).where(condition).correlate(None).scalar_subquery().label(_TOTAL)
        )
        cursor = {self._cursor: self._cursor} if self._cursor and self._cursor not in table.named else {}
        dialect = self._engine.dialect.name
        wanted: list[Any] = []
        types: dict[str, TypeEngine[Any]] = {}
        for field, column in {**table.named, **cursor}.items():
            types[field] = table.columns[column] if column else String()
            wanted.append((readable(source.c[column], dialect) if column else cast(null(), String())).label(field))
        return select(*wanted, total).where(condition), {**types, _TOTAL: total.type}

    def _range(self, source: TableClause, chunk: Chunk) -> Iterator[ColumnElement[bool]]:
        if not chunk:
            return
        key, low, high = source.c[str(self._split)], chunk["from"], chunk["to"]
        if low is not None:
            yield key >= low
        elif high is not None:
            yield or_(key < high, key.is_(None))
        if low is not None and high is not None:
            yield key < high

    def _condition(self, source: TableClause) -> ColumnElement[bool]:
        if self._cursor is None or self._since is None:
            return true()
        cursor = source.c[self._cursor]
        since = self._since if isinstance(cursor.type, DateTime) else self._since.date()
        # A row without cursor cannot be placed in time: it is read each time, and check finds it repeated.
        return or_(cursor >= since, cursor.is_(None))

    def _latest(self, batch: pa.RecordBatch) -> datetime | None:
        if self._cursor is None:
            return None
        value = pc.max(batch.column(self._cursor)).as_py()
        return datetime.combine(value, time()) if isinstance(value, date) and not isinstance(value, datetime) else value


def _key(chunk: Chunk) -> str:
    return json.dumps(dict(chunk), sort_keys=True, ensure_ascii=False)


def _plain(request: Request, option: str) -> str:
    value = str(request.option(option))
    if not _NAME.fullmatch(value):
        raise StopError(
            f"pull of {request.tail}",
            f"{option} {value!r}",
            "a plain name of letters, digits and _, for a table also schema.name",
            f"correct it in schemas/sources/{request.tail}.yml",
        )
    return value


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(_like(one, other), other)


def _like(moment: datetime, model: datetime) -> datetime:
    """The server's local time with a zone where the model has one, without where it has none."""
    if (moment.tzinfo is None) == (model.tzinfo is None):
        return moment
    return moment.replace(tzinfo=model.tzinfo)
