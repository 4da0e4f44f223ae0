"""Days of a table's cursor: which rows lie in some, and how many in each, counted and grouped by the server."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Integer, TableClause, and_, cast, func, literal, select, text, true
from sqlalchemy.types import Date, DateTime

from connectors.moments import in_form
from connectors.slices import CHINA_HOURS, KEY_MODULUS, Counted, DayCount, Days
from connectors.sql_options import SqlPull
from connectors.sql_streams import readable
from connectors.sql_tables import Table

__all__ = ["bound", "counted", "within"]

_PLAIN_DATE: Final = ("sqlite", "mysql", "mariadb")


def within(cursor: ColumnElement[Any], days: Days) -> ColumnElement[bool]:
    """Return the condition of rows of some days, by comparisons that an index answers."""
    low, high = (None if day is None else bound(cursor, datetime.combine(day, time())) for day in days)
    return and_(true() if low is None else cursor >= low, true() if high is None else cursor < high)


def bound(cursor: ColumnElement[Any], moment: datetime) -> date:
    """Return a moment of China's clocks as the cursor's column is compared with it."""
    if not isinstance(cursor.type, DateTime):
        return moment.date()
    return in_form(moment, zoned=bool(cursor.type.timezone))


def counted(engine: Engine, table: Table, pull: SqlPull, begin: datetime) -> Counted | None:
    """Count the rows of each day before the one an increment begins on, back to `audit_days`.

    Args:
        engine: Where to.
        table: What is known of it.
        pull: The contract's options, of an increment.
        begin: Where the increment begins, by China's clocks.

    Returns:
        None where the hub does not have the cursor, or the database is not known to reckon days as the hub does.
    """
    cursor, source, end = str(pull.cursor), table.source(), begin.date()
    day = _day_of(source, cursor, engine.dialect.name) if table.is_taken(cursor) else None
    if day is None:
        return None
    span = (None if pull.audit_days is None else end - timedelta(days=pull.audit_days), end)
    key = source.c[pull.split_by] if pull.split_by is not None and table.is_taken(pull.split_by) else None
    has_keys = key is not None and isinstance(key.type, Integer)
    keys = func.sum(key % KEY_MODULUS) if key is not None and has_keys else literal(0)
    since = select(func.count()).select_from(source).where(source.c[cursor] > table.clock(cursor))
    label = day.label("day_of_cursor")
    behind = and_(within(source.c[cursor], span), day.is_not(None))
    statement = select(label, func.count(), keys, since.scalar_subquery()).select_from(source).where(behind)
    with engine.connect() as link:
        found = link.execute(statement.group_by(label)).all()
    days = {_as_date(row[0]): DayCount(row[1], int(row[2] or 0)) for row in found}
    return Counted(days, span, found[0][3] if found else 0, has_keys)


def _day_of(source: TableClause, cursor: str, dialect: str) -> ColumnElement[Any] | None:
    """The expression of a cursor's day, China's; None where the database is not known to reckon it so."""
    column = source.c[cursor]
    moment = readable(column, dialect)
    if not isinstance(column.type, DateTime):
        return moment
    if column.type.timezone:
        shifted = func.timezone(text(f"INTERVAL '{CHINA_HOURS} hours'"), column)
        return cast(shifted, Date) if dialect == "postgresql" else None
    if dialect in _PLAIN_DATE:
        return func.date(moment, type_=Date())
    return func.trunc(moment) if dialect == "oracle" else cast(moment, Date)


def _as_date(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value
