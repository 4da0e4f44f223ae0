"""Writing into a department's front-end database: all rows of a delivery or none, over a table of this session alone.

The rows are laid beside the department's table and compared inside the database, by statements that every database
named here takes: no list of keys in a statement, no unique index asked for, no column touched that is not delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Column as SqlColumn
from sqlalchemy import (
    ColumnElement,
    Executable,
    Index,
    Integer,
    MetaData,
    Table,
    and_,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy import Connection as Link
from sqlalchemy import update as sql_update
from sqlalchemy.exc import DataError, IntegrityError, NoSuchTableError

from connectors.base import Connection, Outgoing, Receipt
from connectors.errors import StopError
from connectors.sql_engines import open_engine
from connectors.sql_streams import database_errors
from connectors.write_options import SqlWrite
from connectors.writing import Counted, where_of, write_options

__all__ = ["merge_statements", "staging_table", "write"]

_ROWS: Final = 5_000
_KNOWN: Final = "hub_known"
"""Marks rows that wait and have their like in the target."""
_RECEIPT: Final = ("delivery", "row_count", "sha256")
_STAGING: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "postgresql": ("hub_delivery", {"prefixes": ["TEMPORARY"], "postgresql_on_commit": "DROP"}),
    "mysql": ("hub_delivery", {"prefixes": ["TEMPORARY"]}),
    "mariadb": ("hub_delivery", {"prefixes": ["TEMPORARY"]}),
    "sqlite": ("hub_delivery", {"prefixes": ["TEMPORARY"]}),
    "mssql": ("#hub_delivery", {}),
    "oracle": ("ora$ptt_hub_delivery", {"prefixes": ["PRIVATE TEMPORARY"], "oracle_on_commit": "DROP DEFINITION"}),
}
"""Dialect -> name of a table that only this session sees, and how it is made."""


def write(connection: Connection, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
    """Write a delivery into an existing table in one transaction; see `connectors.base.Writer`.

    Rows whose keys are there are renewed, new ones are added; of a `snapshot` those that are no longer in it go.

    Args:
        connection: A connection of kind `sql` whose user may write there and make temporary tables.
        outgoing: Its options are those of `SqlWrite`.
        rows: Its rows.

    Raises:
        StopError: No such table, a column it has not, no keys, a key that is null or there twice, a row the table does
            not take, no right to write, or a database that has no table for one session.
        RetryError: The database is away; nothing is written.
    """
    options = write_options(SqlWrite, connection, outgoing)
    where = f"{where_of(connection, outgoing)}, table {options.table}"
    if not outgoing.keys:
        raise StopError(where, "no keys", "columns that tell a row", "name them by `keys` under `deliver`")
    counted = Counted(outgoing, rows, where)
    engine = open_engine(connection)
    try:
        with database_errors(where), _refusals(where), engine.begin() as link:
            _be_strict(link)
            target = _reflected(link, options.table, where)
            _require(target, {*outgoing.columns, *outgoing.keys}, where)
            receipts = _reflected(link, options.receipts, where) if options.receipts else None
            known = None if receipts is None else _known(link, receipts, outgoing, where)
            if known is not None:
                return known
            _deliver(link, target, outgoing, counted, options, where)
            receipt = counted.receipt(in_hand=True)
            if receipts is not None:
                told = (receipt.delivery, receipt.rows, receipt.sha256)
                link.execute(insert(receipts), dict(zip(_RECEIPT, told, strict=True)))
            return receipt
    finally:
        engine.dispose()


def _deliver(link: Link, target: Table, outgoing: Outgoing, counted: Counted, options: SqlWrite, where: str) -> None:
    staging = staging_table(link.dialect.name, target, outgoing, where)
    staging.create(link, checkfirst=False)
    for batch in counted.batches():
        for name in outgoing.keys:
            if batch.column(name).null_count:
                raise StopError(where, f"a row without {name}", "keys that are never null", "choose other keys")
        for start in range(0, batch.num_rows, _ROWS):
            link.execute(insert(staging), batch.slice(start, _ROWS).to_pylist())
    twice = select(literal(1)).select_from(staging).group_by(*_of(staging, outgoing.keys)).having(func.count() > 1)
    if link.execute(twice.limit(1)).first() is not None:
        raise StopError(where, "several rows with the same keys", "keys that tell a row", "name more keys")
    for statement in merge_statements(link.dialect.name, target, staging, outgoing, options.mode):
        link.execute(statement)


def staging_table(dialect: str, target: Table, outgoing: Outgoing, where: str) -> Table:
    """Return the table in which a delivery's rows wait: in the types of the target, for this session alone.

    Raises:
        StopError: The hub knows of no such table in this database.
    """
    if dialect not in _STAGING:
        raise StopError(
            where,
            f"a database of dialect {dialect!r}, of which the hub knows no table for one session alone",
            ", ".join(_STAGING),
            "deliver a file, messages or calls instead, or ask for a front-end database of one of these",
        )
    name, how = _STAGING[dialect]
    columns = [SqlColumn(one, target.c[one].type, autoincrement=False) for one in outgoing.columns]
    table = Table(name, MetaData(), *columns, SqlColumn(_KNOWN, Integer), **how)
    if dialect != "oracle":  # its private tables have no index
        Index("hub_delivery_keys", *_of(table, outgoing.keys))
    return table


def merge_statements(
    dialect: str, target: Table, staging: Table, outgoing: Outgoing, mode: str
) -> Iterator[Executable]:
    """Give the statements that make the target hold what waits: what is gone, what changed, what is new.

    Each looks into the staging table, which has an index, and not into the target, which may have none.
    """
    same = and_(*(target.c[name] == staging.c[name] for name in outgoing.keys))
    if mode == "snapshot":
        yield delete(target).where(~_match(staging, same, target))
    changed = {name: staging.c[name] for name in outgoing.columns if name not in outgoing.keys}
    if changed:
        yield _joined(dialect, target, staging, same, changed)
    yield _joined(dialect, staging, target, same, {_KNOWN: literal(1)})
    fresh = select(*_of(staging, outgoing.columns)).where(staging.c[_KNOWN].is_(None))
    yield insert(target).from_select(list(outgoing.columns), fresh)


def _joined(
    dialect: str, table: Table, other: Table, same: ColumnElement[bool], values: Mapping[str, ColumnElement[Any]]
) -> Executable:
    """Set columns of the rows that have their like in another table."""
    if dialect != "oracle":
        return sql_update(table).where(same).values(dict(values))
    # It joins nothing in an update.
    one = {name: _value(value, same, table) for name, value in values.items()}
    return sql_update(table).where(_match(other, same, table)).values(one)


def _value(value: ColumnElement[Any], same: ColumnElement[bool], outer: Table) -> ColumnElement[Any]:
    if not isinstance(value, SqlColumn):
        return value
    return select(value).where(same).correlate(outer).scalar_subquery()


def _match(inner: Table, same: ColumnElement[bool], outer: Table) -> ColumnElement[bool]:
    return select(literal(1)).select_from(inner).where(same).correlate(outer).exists()


def _of(table: Table, names: Sequence[str]) -> list[SqlColumn[Any]]:
    return [table.c[name] for name in names]


def _be_strict(link: Link) -> None:
    """Let MySQL refuse a value that is too long for its column, instead of cutting it as a server may be set to."""
    if link.dialect.name in ("mysql", "mariadb"):
        link.exec_driver_sql("SET SESSION sql_mode = CONCAT_WS(',', @@SESSION.sql_mode, 'STRICT_ALL_TABLES')")


def _reflected(link: Link, table: str, where: str) -> Table:
    schema, _, name = table.rpartition(".")
    try:
        return Table(name, MetaData(), schema=schema or None, autoload_with=link)
    except NoSuchTableError:
        raise StopError(
            where, f"no table {table} for this user", "a table the user may write", "ask the department for it"
        ) from None


def _require(table: Table, names: set[str], where: str) -> None:
    unknown = sorted(names - {*table.columns.keys()})
    if unknown:
        raise StopError(
            where,
            f"column(s) that {table.name} has not: " + ", ".join(unknown),
            ", ".join(table.columns.keys()),
            "agree the columns with the department, or map them by `columns` under `deliver`",
        )


def _known(link: Link, receipts: Table, outgoing: Outgoing, where: str) -> Receipt | None:
    """The receipt of a delivery that the database has already."""
    _require(receipts, set(_RECEIPT), where)
    mine = select(*_of(receipts, _RECEIPT)).where(receipts.c.delivery == outgoing.delivery)
    found = link.execute(mine).first()
    if found is None:
        return None
    return Receipt(found.delivery, found.row_count, found.sha256, in_hand=True, repeated=True)


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Tell what repeating does not cure: a row that the table's types or constraints do not take."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise StopError(
            where,
            f"a row that the table does not take ({type(error).__name__})",
            "rows that fit the table's types, lengths and constraints",
            "agree types, lengths and constraints with the department",
        ) from None
