"""Kind `sql`: a front-end database (前置库), whole tables or what changed since the last pull.

The statement is the same everywhere; how its rows stream is in `connectors.sql_streams`.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
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
from sqlalchemy.types import TypeEngine

from connectors import sql_writer
from connectors.base import WHOLE, Chunk, Connection, Offer, Outgoing, Receipt, Request
from connectors.errors import RetryError, StopError
from connectors.moments import in_form, local
from connectors.options import connection_options, options_of
from connectors.rows import regrouped
from connectors.slices import Counted, Days
from connectors.sql_days import bound, counted, within
from connectors.sql_engines import open_engine
from connectors.sql_options import SqlConnection, SqlPull
from connectors.sql_ranges import lower_bounds
from connectors.sql_streams import database_errors, readable, stream
from connectors.sql_tables import Table, columns_in, described, require

__all__ = ["SqlConnector"]

_TOTAL: Final = "rows_in_source"
_DAY: Final = timedelta(days=1)


class SqlConnector:
    """Reads tables and views of one database, in read-only transactions, and writes into its tables.

    Args:
        connection: `place` is an SQLAlchemy URL without password, `secret` the password.

    Raises:
        StopError: The place is no such URL, carries a password, or its driver is not installed.
    """

    def __init__(self, connection: Connection) -> None:
        connection_options(SqlConnection, connection)
        self._connection = connection
        self._engine = open_engine(connection)

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer one batch: the table, or its rows from the mark less the overlap on.

        A backfill begins at its own moment where that is earlier; where it is later, rows would be left out for good.

        Raises:
            StopError: `table` or, for an increment, `cursor` is missing or no plain name.
        """
        yield _SqlOffer(self._engine, request, options_of(SqlPull, request), mark)

    def write(self, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
        """Write rows into a table, all or none; see `connectors.sql_writer.write`."""
        return sql_writer.write(self._connection, outgoing, rows)


class _SqlOffer(Offer):
    """One table, or the part of it that is new; in chunks by ranges of the column `split_by`."""

    parallel = True

    def __init__(self, engine: Engine, request: Request, pull: SqlPull, mark: dict[str, Any] | None) -> None:
        self._engine, self._request, self._pull = engine, request, pull
        self._where = f"{request.tail}, table {pull.table}"
        self._cursor = pull.cursor if request.mode == "increment" else None
        self._reached = datetime.fromisoformat(mark["cursor"]) if self._cursor and mark else None
        self._begin = self._beginning()
        self.name = f"{pull.table} from {self._begin.isoformat()}" if self._begin else f"{pull.table} whole"
        self._notes: dict[str, Chunk] = {}
        self._asking = threading.Lock()
        self._told: Table | None = None

    def _beginning(self) -> datetime | None:
        """Where the increment begins, by China's clocks; None: it is everything, for nothing was taken before."""
        if self._reached is None:
            return None
        begin = local(self._reached) - timedelta(hours=self._pull.overlap_hours)
        return min(begin, local(self._request.since)) if self._request.since else begin

    def plan(self) -> Sequence[Chunk]:
        """Cut the rows into ranges of `split_by` with about `chunk_rows` rows each.

        Raises:
            StopError: `split_by` is no column of whole numbers or text.
        """
        if self._pull.split_by is None:
            return (WHOLE,)
        with database_errors(self._where):
            table = self._describe()
            source, key = table.source(), self._split_column(table)
            with self._engine.connect() as link:
                bounds = lower_bounds(link, source, key, self._condition(source), self._pull.chunk_rows)
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
            if self._cursor:
                asked = {"asked": table.clock(self._cursor).isoformat()}
                self._notes[_key(chunk)] = {**asked, "cursor": latest.isoformat()} if latest else asked

    def note(self, chunk: Chunk) -> Chunk | None:
        """Return the newest cursor of a chunk, and when by the server's clock it was asked for."""
        return self._notes.get(_key(chunk))

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return the newest cursor seen, never later than when the first chunk was asked for.

        So a clock that runs ahead at the source makes no later row invisible; nor does a row that changed after its
        chunk was read, however long the others took.
        """
        told = [note for note in notes if note]
        cursors = [datetime.fromisoformat(note["cursor"]) for note in told if "cursor" in note]
        asked = [datetime.fromisoformat(note["asked"]) for note in told if "asked" in note]
        reached = self._reached
        if cursors:
            newest = min([max(cursors), *asked])
            reached = _later(reached and in_form(reached, zoned=newest.tzinfo is not None), newest)
        return {"cursor": reached.isoformat()} if reached else None

    def covers(self) -> Sequence[Days]:
        """Return the days of which this offer has every row; see `connectors.slices`."""
        return ((None if self._begin is None else self._begin.date() + _DAY, None),)

    def counted(self) -> Counted | None:
        """Count the rows behind this offer by days; see `connectors.slices`."""
        if self._cursor is None or self._begin is None or self._pull.audit_days == 0:
            return None
        with database_errors(self._where):
            found = counted(self._engine, self._describe(), self._pull, self._begin)
        self._request.pace(len(found.days) if found else 0)
        return found

    def again(self, days: Sequence[Days]) -> Offer:
        """Return an offer of the rows of some days; see `connectors.slices`."""
        return _DaysOffer(self._engine, self._request, self._pull, days)

    def _describe(self) -> Table:
        """Ask the server about the table, once for all chunks."""
        with self._asking:
            if self._told is None:
                self._told = self._described()
            return self._told

    def _described(self) -> Table:
        with self._engine.connect() as link:
            columns = columns_in(link, self._pull.table, self._where)
            self.available = {name: str(kind) for name, kind in columns.items()}
            table = described(link, self._pull.table, columns, self._request, self._where)
        require(table, [column for column in (self._cursor, self._pull.split_by) if column], self._cursor, self._where)
        return table

    def _split_column(self, table: Table) -> str:
        split = str(self._pull.split_by)
        if not isinstance(table.columns[split], Integer | String):
            raise StopError(
                self._where,
                f"split_by {split} of type {table.columns[split]!r}",
                "a column of whole numbers or text with an index",
                "take the table's key as split_by in the contract",
            )
        return split

    def _statement(self, table: Table, chunk: Chunk) -> tuple[Select[Any], dict[str, TypeEngine[Any]]]:
        """The wanted columns and, on every row, the number of rows: one statement is one snapshot of both."""
        source = table.source()
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
        key, low, high = source.c[str(self._pull.split_by)], chunk["from"], chunk["to"]
        if low is not None:
            yield key >= low
        elif high is not None:
            yield or_(key < high, key.is_(None))
        if low is not None and high is not None:
            yield key < high

    def _condition(self, source: TableClause) -> ColumnElement[bool]:
        if self._cursor is None or self._begin is None:
            return true()
        cursor = source.c[self._cursor]
        # A row without cursor cannot be placed in time: it is read each time, and check finds it repeated.
        return or_(cursor >= bound(cursor, self._begin), cursor.is_(None))

    def _latest(self, batch: pa.RecordBatch) -> datetime | None:
        if self._cursor is None:
            return None
        try:
            value = pc.max(batch.column(self._cursor)).as_py()
        except (OverflowError, ValueError):  # later than Python's last year: later than now, which is what counts
            is_zoned = getattr(batch.schema.field(self._cursor).type, "tz", None) is not None  # a day has none
            return datetime(9999, 1, 1, tzinfo=UTC if is_zoned else None)
        return datetime.combine(value, time()) if isinstance(value, date) and not isinstance(value, datetime) else value


class _DaysOffer(_SqlOffer):
    """The rows of some days of the cursor, read once more; where the next increment begins is not its business."""

    def __init__(self, engine: Engine, request: Request, pull: SqlPull, days: Sequence[Days]) -> None:
        super().__init__(engine, request, pull, None)
        self._days = days
        self.name = f"{pull.table} again {', '.join(f'{low} to {high}' for low, high in days)}"

    def covers(self) -> Sequence[Days]:
        """Return its days."""
        return self._days

    def mark(self, notes: Sequence[Chunk | None]) -> None:
        """Return None: the mark stays where it is."""

    def _condition(self, source: TableClause) -> ColumnElement[bool]:
        return or_(*(within(source.c[str(self._cursor)], days) for days in self._days))


def _key(chunk: Chunk) -> str:
    return json.dumps(dict(chunk), sort_keys=True, ensure_ascii=False)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one is not None and other is not None else one or other
