"""Kind `sql`: a front-end database (前置库), whole tables or what changed since the last pull.

The statement is the same everywhere; how its rows stream is in `connectors.sql_streams`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Engine, Select, TableClause, create_engine, func, or_, select, true
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import Date, DateTime, TypeEngine

from connectors.base import Connection, Offer, Request
from connectors.errors import RetryError, StopError
from connectors.rows import regrouped, schema_drift
from connectors.sql_streams import columns_of, database_errors, readable, stream

__all__ = ["SqlConnector"]

_DRIVERS: Final[Mapping[str, str]] = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""A URL that names no driver gets the one installed."""

_CONNECT_SECONDS: Final = "10"
_TOTAL: Final = "rows_in_source"
_NAME: Final = re.compile(r"\w+(\.\w+)?")


class SqlConnector:
    """Reads tables and views of one database, in read-only transactions, over one connection at a time.

    Args:
        connection: `place` is an SQLAlchemy URL without password, `secret` the password.

    Raises:
        StopError: The place is no such URL, carries a password, or its driver is not installed.
    """

    def __init__(self, connection: Connection) -> None:
        self._where = f"connection {connection.where}"
        self._engine = self._open(connection)

    def _open(self, connection: Connection) -> Engine:
        allowed = "dialect://user@host:port/database, the password apart as the connection's secret"
        do = f"correct the place's variable named in connectors/systems/{connection.system}.yml"
        try:
            url = make_url(connection.place)
            if url.password:
                raise StopError(self._where, "a place with a password in it", allowed, do)
            return create_engine(_complete(url, connection.secret), poolclass=NullPool, hide_parameters=True)
        except (NoSuchModuleError, ImportError) as error:
            raise StopError(self._where, f"a dialect without driver ({error})", allowed, "install the driver") from None
        except (ArgumentError, ValueError):
            raise StopError(self._where, "a place that is no database URL", allowed, do) from None

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer one batch: the table, or its rows from the mark less the overlap on.

        Raises:
            StopError: `table` or, for an increment, `cursor` is missing or no plain name.
        """
        yield _SqlOffer(self._engine, request, mark)


def _complete(url: URL, secret: str) -> URL:
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if secret:
        url = url.set(password=secret)
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
    return url


@dataclass(frozen=True)
class _Table:
    """What the server says before the rows are asked for."""

    columns: Mapping[str, TypeEngine[Any]]
    now: datetime


class _SqlOffer(Offer):
    """One table, or the part of it that is new."""

    def __init__(self, engine: Engine, request: Request, mark: dict[str, Any] | None) -> None:
        self._engine = engine
        self._request = request
        self._table = _plain(request, "table")
        self._where = f"{request.tail}, table {self._table}"
        self._cursor = _plain(request, "cursor") if request.mode == "increment" else None
        self._reached = datetime.fromisoformat(mark["cursor"]) if self._cursor and mark else None
        overlap = timedelta(hours=float(request.options.get("overlap_hours", 24)))
        self._since = self._reached - overlap if self._reached else None
        self.name = f"{self._table} from {self._since.isoformat()}" if self._since else f"{self._table} whole"

    def read(self) -> Iterator[pa.RecordBatch]:
        """Stream the rows in the order the server gives them; see `Offer.read`."""
        with database_errors(self._where):
            table = self._describe()
            statement, columns = self._statement(table)
            self.expected_rows = count = 0
            latest: datetime | None = None
            for batch in regrouped(stream(self._engine, statement, columns)):
                latest = _later(latest, self._latest(batch))
                if batch.num_rows:
                    self.expected_rows = int(batch.column(_TOTAL)[0].as_py())
                count += batch.num_rows
                yield batch.select(list(self._request.fields))
            if count != self.expected_rows:
                raise RetryError(self._where, f"{count} of {self.expected_rows} rows came", "all rows", "pull again")
            if latest is not None:
                # A clock that runs ahead at the source must not make later rows invisible.
                self._reached = _later(self._reached, min(latest, _like(table.now, latest)))

    def mark(self) -> dict[str, Any] | None:
        """Return the newest cursor seen, never later than the server's own clock."""
        return {"cursor": self._reached.isoformat()} if self._reached else None

    def _describe(self) -> _Table:
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
        missing = [field for field in self._wanted() if field not in columns]
        if missing:
            raise schema_drift(self._where, "column(s) missing: " + ", ".join(missing), self._request.fields)
        if self._cursor and not isinstance(columns[self._cursor], Date | DateTime):
            raise StopError(
                self._where,
                f"cursor {self._cursor} of type {columns[self._cursor]!r}",
                "a date or timestamp column",
                "take another cursor or mode snapshot in the contract",
            )
        return _Table({name: columns[name] for name in self._wanted()}, now)

    def _wanted(self) -> tuple[str, ...]:
        extra = (self._cursor,) if self._cursor and self._cursor not in self._request.fields else ()
        return (*self._request.fields, *extra)

    def _statement(self, table: _Table) -> tuple[Select[Any], dict[str, TypeEngine[Any]]]:
        """The wanted columns and, on every row, the number of rows: one statement is one snapshot of both."""
        schema, _, name = self._table.rpartition(".")
        source = sql_table(name, *(sql_column(n, kind) for n, kind in table.columns.items()), schema=schema or None)
        condition = self._condition(source)
        total = (
            select(func.count()).select_from(source).where(condition).correlate(None).scalar_subquery().label(_TOTAL)
        )
        wanted = [readable(source.c[name], self._engine.dialect.name).label(name) for name in table.columns]
        return select(*wanted, total).where(condition), {**table.columns, _TOTAL: total.type}

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
