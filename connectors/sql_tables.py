"""What a server says of a table before its rows are asked for: columns, their types, and its own time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TableClause, func, select
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.types import Date, DateTime, TypeEngine

from connectors.base import Request
from connectors.errors import StopError
from connectors.moments import server_clock
from connectors.rows import missing_columns, schema_drift
from connectors.sql_streams import columns_of

__all__ = ["Table", "columns_in", "described", "require"]


@dataclass(frozen=True)
class Table:
    """One table or view.

    Attributes:
        name: As the contract has it, also `schema.name`.
        columns: All columns, and their types.
        named: Wanted field -> the column that has it; None for one that may be absent and is.
        now: The server's own time.
    """

    name: str
    columns: Mapping[str, TypeEngine[Any]]
    named: Mapping[str, str | None]
    now: datetime

    def source(self) -> TableClause:
        """Return the table for a statement."""
        schema, _, name = self.name.rpartition(".")
        return sql_table(name, *(sql_column(n, kind) for n, kind in self.columns.items()), schema=schema or None)

    def is_zoned(self, column: str) -> bool:
        """Whether a column's moments carry a zone."""
        kind = self.columns[column]
        return isinstance(kind, DateTime) and bool(kind.timezone)

    def clock(self, cursor: str) -> datetime:
        """Return the server's time in the form of a column."""
        return server_clock(self.now, zoned=self.is_zoned(cursor))

    def is_taken(self, column: str) -> bool:
        """Whether a column comes under its own name, so that the hub has it as well."""
        return self.named.get(column) == column


def columns_in(link: Connection, table: str, where: str) -> Mapping[str, TypeEngine[Any]]:
    """Return the columns of a table.

    Raises:
        StopError: The user sees no such table.
    """
    schema, _, name = table.rpartition(".")
    columns = columns_of(link, schema or None, name)
    if not columns:
        raise StopError(
            where,
            "no such table for this user",
            "a table or view the user may read",
            "ask the department for it, or correct `table` in the contract",
        )
    return columns


def described(
    link: Connection, table: str, columns: Mapping[str, TypeEngine[Any]], request: Request, where: str
) -> Table:
    """Find the wanted fields among a table's columns, and ask for the server's time.

    Raises:
        SetAsideError: A wanted column is missing and the contract does not lend it.
    """
    named = {field: next((n for n in request.names_of(field) if n in columns), None) for field in request.fields}
    missing_columns(where, [field for field, column in named.items() if column is None], request)
    return Table(table, columns, named, link.execute(select(func.now())).scalar_one())


def require(table: Table, needed: Sequence[str], cursor: str | None, where: str) -> None:
    """Assert that the columns a pull goes by are there, and the cursor of a kind that grows.

    Raises:
        SetAsideError: One of them is missing.
        StopError: The cursor is no time.
    """
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise schema_drift(where, "column(s) missing: " + ", ".join(missing), table.named)
    if cursor and not isinstance(table.columns[cursor], Date | DateTime):
        raise StopError(
            where,
            f"cursor {cursor} of type {table.columns[cursor]!r}",
            "a date or timestamp column",
            "take another cursor or mode snapshot in the contract",
        )
