"""Writing into a department's front-end database: all rows of a push or none, new keys added and known ones renewed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Connection as Link
from sqlalchemy import MetaData, Table, delete, insert, tuple_
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import NoSuchTableError

from connectors.base import Connection
from connectors.errors import StopError
from connectors.sql_engines import open_engine
from connectors.sql_streams import database_errors

__all__ = ["push_rows"]

_ROWS: Final = 5_000
_NAME: Final = re.compile(r"\w+(\.\w+)?")


def push_rows(connection: Connection, table: str, rows: Iterable[pa.RecordBatch], keys: Sequence[str]) -> int:
    """Write rows into an existing table in one transaction and return how many.

    Args:
        connection: A connection of kind `sql` whose user may write there.
        table: `name` or `schema.name`; never made or altered here.
        rows: Batches whose columns are columns of the table.
        keys: Columns that tell a row; one that is there is renewed, so a push that is repeated changes nothing.

    Raises:
        StopError: No such table, a column it has not, no keys, or no right to write.
        RetryError: The database is away; nothing is written.
    """
    where = f"connection {connection.where}, table {table}"
    if not _NAME.fullmatch(table) or not keys:
        raise StopError(where, "a table or keys that are none", "a plain name and at least one key", "correct the push")
    engine = open_engine(connection)
    count = 0
    try:
        with database_errors(where), engine.begin() as link:
            target = _reflected(link, table, where)
            for batch in rows:
                _known_columns(batch.schema.names, [*keys], target, where)
                for start in range(0, batch.num_rows, _ROWS):
                    part = batch.slice(start, _ROWS).to_pylist()
                    _upsert(link, target, part, keys)
                    count += len(part)
    finally:
        engine.dispose()
    return count


def _reflected(link: Link, table: str, where: str) -> Table:
    schema, _, name = table.rpartition(".")
    try:
        return Table(name, MetaData(), schema=schema or None, autoload_with=link)
    except NoSuchTableError:
        raise StopError(
            where, "no such table for this user", "a table the user may write", "ask the department for it"
        ) from None


def _known_columns(names: Sequence[str], keys: list[str], target: Table, where: str) -> None:
    unknown = sorted({*names, *keys} - {*target.columns.keys()}) or sorted(set(keys) - set(names))
    if unknown:
        raise StopError(
            where,
            "column(s) the table or the push has not: " + ", ".join(unknown),
            ", ".join(target.columns.keys()),
            "agree the columns with the department",
        )


def _upsert(link: Link, target: Table, rows: list[dict[str, Any]], keys: Sequence[str]) -> None:
    changed = [name for name in rows[0] if name not in keys] if rows else []
    if not rows:
        return
    if link.dialect.name == "postgresql":
        added = postgresql.insert(target)
        renewed: Mapping[str, Any] = {name: added.excluded[name] for name in changed}
        told = added.on_conflict_do_update(index_elements=list(keys), set_=renewed)
        link.execute(told if changed else added.on_conflict_do_nothing(index_elements=list(keys)), rows)
    elif link.dialect.name in ("mysql", "mariadb"):
        fresh = mysql.insert(target)
        renewed = {name: fresh.inserted[name] for name in (changed or list(keys))}
        link.execute(fresh.on_duplicate_key_update(renewed), rows)
    else:
        # Any other database: what is there goes and comes back, within the one transaction.
        columns = [target.c[name] for name in keys]
        link.execute(delete(target).where(tuple_(*columns).in_([tuple(row[name] for name in keys) for row in rows])))
        link.execute(insert(target), rows)
