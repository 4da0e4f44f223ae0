"""The table of indicators: measures of the villages, summed over five levels, made into ratios, few people hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import ibis

from hub.indicators.circles import covered
from hub.indicators.formulas import Formula, circle_of, formulas, measure_names, measures_of
from hub.indicators.suppression import suppress

__all__ = ["LEVELS", "indicator"]

LEVELS: Mapping[str, int] = {"province": 2, "prefecture": 4, "county": 6, "town": 9, "village": 12}
"""Level -> how many digits its codes have before the zeros."""
_CIRCLE = "circle"
_SUMS, _ROWS, _SHOWN = "indicator__sums", "indicator__rows", "indicator__shown"

_HOMES = """
SELECT a.division_code, a.longitude, a.latitude, COUNT(*) AS residents,
       ANY_VALUE(d.urban_rural_code LIKE '1%') AS is_urban
FROM residence r JOIN address a ON a.address_code = r.address_code JOIN division d ON d.division_code = a.division_code
WHERE r.is_current AND a.longitude IS NOT NULL AND (d.urban_rural_code LIKE '1%' OR d.urban_rural_code LIKE '2%')
GROUP BY a.division_code, a.longitude, a.latitude
"""
_SHOPS = """
SELECT e.industry_code, a.longitude, a.latitude
FROM legal_entity e JOIN address a ON a.address_code = e.address_code
WHERE e.entity_status_code = 'active' AND a.longitude IS NOT NULL AND e.industry_code IS NOT NULL
"""


def indicator(tables: Mapping[str, ibis.Table], as_of: date) -> ibis.Table:
    """Reckon every indicator of every division of the hub's tables.

    A level above the hub's own division has what the hub knows of it; `village_count` says of how many villages. A row
    is left out where its denominator is 0. Where `is_suppressed`, few people are meant (see `suppress`), and numerator,
    denominator and value are null.

    Args:
        tables: Base tables as the engine calls them; all others are derived already.
        as_of: The day; its month is the period.
    """
    backend: Any = tables["division"].get_backend()
    near = covered(_arrow(backend, _HOMES), _arrow(backend, _SHOPS), circle_of())
    backend.con.register(_CIRCLE, near)
    groups = {**measures_of(), _CIRCLE: ""}
    backend.raw_sql(f"CREATE OR REPLACE TABLE {_SUMS} AS {_summed(groups, near.column_names, as_of)}")
    backend.con.unregister(_CIRCLE)
    backend.raw_sql(f"CREATE OR REPLACE TABLE {_ROWS} AS {_rows(formulas())}")
    suppress(backend.con, _ROWS)
    backend.raw_sql(f"CREATE OR REPLACE TABLE {_SHOWN} AS {_shown(as_of)}")
    made: ibis.Table = backend.table(_SHOWN)
    return made


def _arrow(backend: Any, query: str) -> Any:
    return backend.con.sql(query).to_arrow_table()


def _summed(groups: Mapping[str, str], circle: Sequence[str], as_of: date) -> str:
    """One row a division of every level: how many villages, and the sum of each measure over them."""
    parts = [f"release_date AS (SELECT DATE '{as_of.isoformat()}' AS as_of_date)"]
    parts += [f"{name} AS MATERIALIZED ({query})" for name, query in groups.items() if query]
    names = {name: measure_names(query) if query else circle[1:] for name, query in groups.items()}
    # Sums of fractions end in other bits in another order, and half a hundredth must be rounded the same way each time.
    columns = [f"ROUND(COALESCE({group}.{one}, 0)::DOUBLE, 6) AS {one}" for group, own in names.items() for one in own]
    joins = " ".join(f"LEFT JOIN {group} ON {group}.division_code = d.division_code" for group in groups)
    parts.append(
        f"village AS (SELECT d.division_code, {', '.join(columns)} FROM division d {joins}"  # noqa: S608 -- contracts
        " WHERE d.division_level_code = 'village' AND d.valid_to IS NULL)"
    )
    sums = ", ".join(f"ROUND(SUM({one}), 6) AS {one}" for own in names.values() for one in own)
    levels = [
        f"SELECT rpad(left(division_code, {digits}), 12, '0') AS division_code, {digits} AS digits,"  # noqa: S608
        f" COUNT(*) AS village_count, {sums} FROM village GROUP BY 1"
        for digits in LEVELS.values()
    ]
    return f"WITH {', '.join(parts)} {' UNION ALL '.join(levels)}"


def _rows(ratios: Iterable[Formula]) -> str:
    """One row a division and indicator, with what `suppress` needs; nothing is hidden yet."""
    structs = ", ".join(
        f"{{'indicator_code': '{one.code}', 'numerator': ({one.numerator})::DOUBLE,"
        f" 'denominator': ({one.denominator or 'NULL'})::DOUBLE, 'scale': {one.scale}, 'is_persons': {one.is_persons},"
        f" 'family': nullif('{one.family}', ''), 'counted': '{one.numerator}', 'measured': '{one.denominator}'}}"
        for one in ratios
    )
    return f"""
SELECT *, division_code || '-' || indicator_code AS indicator_key, false AS hidden,
       rpad(left(division_code, CASE digits WHEN 12 THEN 9 WHEN 9 THEN 6 ELSE digits - 2 END), 12, '0') AS parent_code
FROM (SELECT division_code, digits, village_count, unnest([{structs}], recursive := true) FROM {_SUMS})
SEMI JOIN division USING (division_code) WHERE denominator IS NULL OR denominator > 0"""  # noqa: S608 -- contracts


def _shown(as_of: date) -> str:
    """The rows as everybody may see them: of what is hidden no number is kept."""
    return f"""
SELECT indicator_key, division_code, indicator_code, '{as_of:%Y-%m}' AS period,
       CASE WHEN NOT hidden THEN ROUND(numerator, 2) END AS numerator,
       CASE WHEN NOT hidden THEN ROUND(denominator, 2) END AS denominator,
       CASE WHEN NOT hidden THEN ROUND(COALESCE(numerator * scale / denominator, numerator), 2) END AS value,
       village_count, hidden AS is_suppressed
FROM {_ROWS}"""  # noqa: S608 -- names of this module
