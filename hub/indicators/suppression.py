"""Few people are hidden (小数抑制), and whatever would tell them by subtraction is hidden with them."""

from __future__ import annotations

from typing import Any

__all__ = ["LEAST_SHOWN", "suppress"]

LEAST_SHOWN = 5
"""Fewer people than this are not shown."""

_SMALL = f"""
UPDATE {{table}} SET hidden = true WHERE is_persons AND (
  numerator BETWEEN 1 AND {LEAST_SHOWN - 1} OR denominator - numerator BETWEEN 1 AND {LEAST_SHOWN - 1})
"""  # noqa: S608  a constant

_TOGETHER = """
UPDATE {table} SET hidden = true FROM (
  SELECT indicator_key AS chosen, row_number() OVER (PARTITION BY {group} ORDER BY numerator, indicator_key) AS place
  FROM (SELECT *, count(*) FILTER (WHERE hidden) OVER (PARTITION BY {group}) AS alone FROM {table} WHERE {which})
  WHERE alone = 1 AND NOT hidden AND numerator > 0)
WHERE indicator_key = chosen AND place = 1
"""

_AS_WHOLE = """
UPDATE {table} SET hidden = true FROM (SELECT division_code AS place, counted AS part FROM {table} WHERE hidden) told
WHERE NOT hidden AND is_persons AND division_code = place AND measured = part
"""

_HIDDEN = "SELECT count(*) FILTER (WHERE hidden) FROM {table}"


def suppress(duck: Any, table: str) -> None:
    """Set `hidden` of a table of indicators until nothing hidden can be reckoned from what is shown.

    Hidden are ratios of people where those counted, or those left, are fewer than `LEAST_SHOWN`. With a single hidden
    row goes the smallest other one of the same indicator below the same division, which else the division's sum less
    the others would tell; the smallest other one of the same `family` in its division, whose rows are parts and sum of
    each other; and every ratio whose denominator is the number hidden.

    Args:
        duck: A DuckDB connection.
        table: Has `indicator_key`, `division_code`, `indicator_code`, `parent_code`, `digits`, `family` (null: none),
            `is_persons`, `numerator`, `denominator`, `counted` and `measured` (what these are, as formulas), `hidden`.
    """
    duck.execute(_SMALL.format(table=table))
    neighbours = _TOGETHER.format(table=table, group="indicator_code, digits, parent_code", which="is_persons")
    family = _TOGETHER.format(table=table, group="division_code, family", which="family IS NOT NULL")
    before = -1
    while before != (now := duck.sql(_HIDDEN.format(table=table)).fetchall()[0][0]):
        before = now
        for statement in (_AS_WHOLE.format(table=table), family, neighbours):
            duck.execute(statement)
