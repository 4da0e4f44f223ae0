"""Cutting a table into ranges of a key with about as many rows each, so that a pull can go on amid a table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, TableClause, func, select

__all__ = ["lower_bounds", "numeric_bounds"]


def lower_bounds(
    link: Connection, source: TableClause, key: str, condition: ColumnElement[bool], rows: int
) -> list[Any]:
    """Return the lower bounds of all ranges but the first; none where one range is enough.

    Whole numbers are cut by arithmetic from the smallest, the greatest and the count, which an index answers; texts by
    every `rows`-th value, which costs one pass over the index.
    """
    column = source.c[key]
    if isinstance(column.type, Integer):
        found = link.execute(select(func.min(column), func.max(column), func.count()).where(condition)).one()
        return numeric_bounds(found[0], found[1], found[2], rows)
    place = func.row_number().over(order_by=column).label("place")
    numbered = select(column.label("bound"), place).where(condition, column.is_not(None)).subquery()
    each = select(numbered.c.bound).where(numbered.c.place % rows == 1, numbered.c.place > 1)
    return list(dict.fromkeys(row.bound for row in link.execute(each.order_by(numbered.c.bound))))


def numeric_bounds(lowest: int | None, highest: int | None, count: int, rows: int) -> list[int]:
    """Return where to cut whole numbers from `lowest` to `highest` so that `count` of them make chunks of `rows`."""
    if lowest is None or highest is None or count <= rows:
        return []
    pieces = -(-count // rows)
    width = -(-(highest - lowest + 1) // pieces)
    return list(range(lowest + width, highest + 1, width))
