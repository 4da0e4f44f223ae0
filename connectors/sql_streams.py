"""How rows of a statement stream into Arrow: ADBC for PostgreSQL, connectorx for MariaDB and MySQL, else a cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final
from urllib.parse import quote

import adbc_driver_manager
import pyarrow as pa
from sqlalchemy import ColumnClause, ColumnElement, Engine, Select, case, cast, func, inspect, null, text, type_coerce
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import types as sql
from sqlalchemy.dialects.mysql import BIT
from sqlalchemy.dialects.mysql.base import ischema_names
from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from connectors.base import BATCH_ROWS
from connectors.errors import RetryError, StopError

__all__ = ["columns_of", "database_errors", "readable", "stream"]

_HINT_BYTES: Final = 2 * 1024 * 1024
_CONNECTORX_ROWS: Final = 8_192
"""Small steps of both drivers keep memory low; `regrouped` makes batches of one size of them."""

_MYSQL: Final = ("mysql", "mariadb")

_ARROW: Final[tuple[tuple[type[Any], pa.DataType], ...]] = (
    (sql.Enum, pa.string()),
    (sql.Integer, pa.int64()),
    (sql.Float, pa.float64()),
    (sql.String, pa.string()),
    (sql.DateTime, pa.timestamp("us")),
    (sql.Date, pa.date32()),
    (sql.Boolean, pa.bool_()),
    (sql.LargeBinary, pa.binary()),
)
"""Types that keep their own Arrow type; all others, decimals among them, come as text and so without loss."""

_GEOMETRIES: Final = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
    | {"geometrycollection", "geomcollection"}
)
"""Types of MySQL and MariaDB that are geometries."""

_MYSQL_COLUMNS: Final = text(
    "SELECT column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table ORDER BY ordinal_position"
)

_STOP_STATES: Final = ("28", "3D", "42")
_STOP_CODES: Final = frozenset({1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1698})
_STOP_WORDS: Final = re.compile(
    r"authentication failed|no password supplied|does not exist|permission denied|no pg_hba\.conf|认证失败|不存在|权限",
    re.IGNORECASE,
)
_CONNECTORX_CODE: Final = re.compile(r"ERROR (\d+) \((\w{5})\)")


class _UnfitError(Exception):
    """A value that its column's type does not hold; it is not named."""


class Wkb(sql.LargeBinary):
    """A geometry, given as WKB."""


def columns_of(link: SqlConnection, schema: str | None, table: str) -> dict[str, TypeEngine[Any]]:
    """Return the columns of a table or view with their types; none where the user sees no such table."""
    if link.dialect.name in _MYSQL:
        # SQLAlchemy's way asks for SHOW CREATE, which a user who may only read a view has no right to.
        found = link.execute(_MYSQL_COLUMNS, {"schema": schema, "table": table}).all()
        columns = {
            name: Wkb() if kind in _GEOMETRIES else ischema_names.get(kind, sql.NullType)() for name, kind in found
        }
    else:
        try:
            columns = {item["name"]: item["type"] for item in inspect(link).get_columns(table, schema=schema)}
        except NoSuchTableError:
            columns = {}
    return {name: sql.Double() if isinstance(kind, sql.Float) else kind for name, kind in columns.items()}


def readable(column: ColumnClause[Any], dialect: str) -> ColumnElement[Any]:
    """Return the column as the fast readers can carry it, without loss.

    Geometries are WKB; PostGIS gives it in hexadecimal digits wherever it is asked for text. MariaDB's zero and partial
    dates (0000-00-00) become null, as in every client of it: adding no days does so. So do PostgreSQL's infinite ones,
    for which Arrow has no value. MariaDB's short binary columns are hexadecimal digits, its bits a whole number.
    """
    kind = column.type
    if dialect in _MYSQL and isinstance(kind, sql.Date | sql.DateTime):
        return column + text("INTERVAL 0 DAY")
    if dialect == "postgresql" and isinstance(kind, sql.Date | sql.DateTime):
        return case((func.isfinite(column), column), else_=null())
    if dialect in _MYSQL and isinstance(kind, BIT | sql.BINARY | sql.VARBINARY):
        number = type_coerce(column, sql.BigInteger()) + text("0")
        return cast(number, sql.String()) if isinstance(kind, BIT) else func.hex(column, type_=sql.String())
    if isinstance(kind, Wkb):
        return func.ST_AsBinary(column, type_=Wkb())
    if dialect in (*_MYSQL, "postgresql") and (_kept(kind) is None or isinstance(kind, sql.Enum)):
        return cast(column, sql.String())
    return column


def _kept(kind: TypeEngine[Any]) -> pa.DataType | None:
    if isinstance(kind, sql.DateTime) and kind.timezone:
        return pa.timestamp("us", "UTC")
    return next((arrow for family, arrow in _ARROW if isinstance(kind, family)), None)


def stream(engine: Engine, statement: Select[Any], columns: Mapping[str, TypeEngine[Any]]) -> Iterator[pa.RecordBatch]:
    """Stream the rows of a statement, read-only; at least one batch.

    Args:
        engine: Where to; its URL has the password.
        statement: What to read; its columns are named as in `columns`.
        columns: Name and type of each column, in order.
    """
    url, dialect = engine.url, engine.dialect.name
    if dialect == "postgresql":
        return _plain(_adbc(engine, _literal(engine, statement)))
    # connectorx knows no further option of a URL (TLS, socket): a cursor is slower, but does what the URL says.
    if dialect in _MYSQL and set(url.query) <= {"charset"}:
        return _plain(_connectorx(url, _literal(engine, statement)))
    return _cursor(engine, statement, columns)


def _literal(engine: Engine, statement: Select[Any]) -> str:
    # In the driver's own style a % would be doubled for a formatting that these readers do not do.
    kind: Any = type(engine.dialect)
    plain = kind(paramstyle="named")
    return str(statement.compile(dialect=plain, compile_kwargs={"literal_binds": True}))


def _plain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Without the driver's own metadata, which would make two equal schemas differ."""
    for batch in batches:
        yield pa.record_batch(batch.columns, names=batch.schema.names)


def _adbc(engine: Engine, statement: str) -> Iterator[pa.RecordBatch]:
    from adbc_driver_postgresql import dbapi  # the native driver is loaded by those who need it
    from psycopg.conninfo import make_conninfo

    _, parts = engine.url.get_dialect()().create_connect_args(engine.url)
    with closing(dbapi.connect(make_conninfo(**parts))) as link, closing(link.cursor()) as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": _HINT_BYTES})
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(statement)
        reader = cursor.fetch_record_batch()
        yield _empty(reader.schema)
        yield from reader


def _connectorx(url: URL, statement: str) -> Iterator[pa.RecordBatch]:
    import connectorx  # 40 MB of driver, loaded by those who need it

    login = quote(url.username or "", safe="") + (f":{quote(str(url.password), safe='')}" if url.password else "")
    address = f"mysql://{login}@{url.host}:{url.port or 3306}/{quote(url.database or '', safe='')}"
    reader = connectorx.read_sql(
        address,
        statement,
        return_type="arrow_stream",
        batch_size=_CONNECTORX_ROWS,
        pre_execution_query="SET SESSION TRANSACTION READ ONLY",
    )
    yield _empty(reader.schema)
    yield from reader


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    # `pa.array([])` would ask pandas whether the list is its own, and so load 40 MB of it.
    return pa.record_batch([pa.nulls(0, field.type) for field in schema], names=schema.names)


def _cursor(engine: Engine, statement: Select[Any], columns: Mapping[str, TypeEngine[Any]]) -> Iterator[pa.RecordBatch]:
    kinds = [_kept(kind) for kind in columns.values()]
    schema = pa.schema([pa.field(name, kind or pa.string()) for name, kind in zip(columns, kinds, strict=True)])
    yield _empty(schema)
    with engine.connect().execution_options(stream_results=True, max_row_buffer=BATCH_ROWS) as link:
        for rows in _fitting(link.execute(statement).partitions(BATCH_ROWS)):
            yield pa.record_batch(_arrays(rows, kinds), schema=schema)


def _fitting(pages: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    try:
        yield from pages
    except (ValueError, TypeError):  # of SQLAlchemy's readers of dates and numbers; they name the value
        raise _UnfitError from None


def _arrays(rows: Sequence[Any], kinds: Sequence[pa.DataType | None]) -> list[pa.Array]:
    try:
        return [_array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    except (ValueError, TypeError, OverflowError):  # of Arrow, which names the value
        raise _UnfitError from None


def _array(values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    """A column of a page; SQLite holds any value in any column, and Arrow would take 1.5 for the whole number 1."""
    if kind == pa.int64() and not {type(value) for value in values} <= {int, type(None)}:
        raise ValueError("no whole number")
    if kind is None:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values, kind)


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """Turn what a driver raises into the hub's groups; its text is left out, since it may hold values or addresses.

    Raises:
        StopError: Credentials, rights, a missing database or a statement the server does not take.
        RetryError: Everything else.
    """
    try:
        yield
    except _UnfitError:
        raise StopError(
            where,
            "a value that the type of its column does not hold",
            "dates, numbers and texts as the table's columns declare them, whole numbers of 64 bits",
            "ask the department for a view that gives the column as text, and name the view in the contract's pull",
        ) from None
    except (SQLAlchemyError, adbc_driver_manager.Error, RuntimeError, pa.ArrowException, OSError) as error:
        raise _translated(where, error) from None
    except BaseException as error:
        # connectorx is written in Rust: a connection lost in mid-stream is a panic there.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise _translated(where, error) from None


def _translated(where: str, error: BaseException) -> StopError | RetryError:
    state, code = _state(error)
    told = " ".join(str(part) for part in (type(getattr(error, "orig", error)).__name__, state, code) if part)
    came = f"the database refused or broke off ({told})"
    by_words = not state and not code and _STOP_WORDS.search(str(error))
    if state.startswith(_STOP_STATES) or code in _STOP_CODES or by_words:
        return StopError(
            where, came, "a user who may read this table", "check user, password, rights and table with the department"
        )
    return RetryError(where, came, "all rows in one reading", "run again later; if it stays, ask the department")


def _state(error: BaseException) -> tuple[str, int]:
    """SQLSTATE and the server's own code, as far as the driver tells them."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None) or ""
    first = cause.args[0] if cause.args else None
    if isinstance(first, int):
        return str(state), first
    match = _CONNECTORX_CODE.search(str(cause))
    return (match[2], int(match[1])) if match and not state else (str(state), 0)
