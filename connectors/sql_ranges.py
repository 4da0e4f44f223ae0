"""Cutting a table into ranges of a key with about as many rows each, so that a pull can go on amid a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Integer, TableClause, and_, func, select

__all__ = ["lower_bounds"]

_DENSE: Final = 1.25
"""Numbers with so few gaps are cut by arithmetic: no range can then hold more than a quarter too much."""


def lower_bounds(
    link: Connection, source: TableClause, key: str, condition: ColumnElement[bool], rows: int
) -> list[Any]:
    """Return the lower bounds of all ranges but the first; none where one range is enough.

    Whole numbers with few gaps are cut by arithmetic from the smallest, the greatest and the count; others, however
    they lie, by going along the index, `rows` entries at a time; texts by numbering them, in one pass over it. Only a
    key that many rows share makes a range much fuller than the others.
    """
    column = source.c[key]
    if isinstance(column.type, Integer):
        found = link.execute(select(func.min(column), func.max(column), func.count()).where(condition)).one()
        low, high, count = found
        if low is None or count <= rows:
            return []
        if count <= high - low + 1 <= count * _DENSE:
            width = -(-(high - low + 1) // -(-count // rows))
            return list(range(low + width, high + 1, width))
        return list(_along_the_index(link, column, condition, rows))
    place = func.row_number().over(order_by=column).label("place")
    numbered = select(column.label("bound"), place).where(condition, column.is_not(None)).subquery()
    each = select(numbered.c.bound).where(numbered.c.place % rows == 1, numbered.c.place > 1)
    return list(dict.fromkeys(row.bound for row in link.execute(each.order_by(numbered.c.bound))))


def _along_the_index(
    link: Connection, column: ColumnElement[Any], condition: ColumnElement[bool], rows: int
) -> Iterator[Any]:
    low = None
    while True:
        rest = and_(condition, column.is_not(None) if low is None else column >= low)
        bound = link.execute(select(column).where(rest).order_by(column).limit(1).offset(rows)).scalar()
        if bound is not None and bound == low:
            bound = link.execute(select(func.min(column)).where(condition, column > low)).scalar()
        if bound is None:
            return
        yield bound
        low = bound
