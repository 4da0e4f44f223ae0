"""Addresses that no standard address is written like: compared part by part, by Splink, where all their numbers agree.

A road with one wrong character, a village left out: the numbers of door, building and room still are the same. They
choose whom an address is compared with; names of town, village, road and estate decide.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import log2

import ibis

from hub.conform.addresses import ADDRESS
from hub.conform.cell import Cell
from hub.contracts import Column
from hub.linking.bench import Bench
from hub.linking.models import ACCEPT, CAP, MARGIN, Comparison, Level, comparison_settings, one_character_off

__all__ = ["NAMES", "look_closer"]

_LEAST = log2(ACCEPT / (1 - ACCEPT))
"""`ACCEPT` in bits."""
_PARTS, _PAIRS, _ASKED = "addresses__parts", "addresses__pairs", "addresses__asked"


def _name(column: str, u: float) -> Comparison:
    left, right = f"{column}_l", f"{column}_r"
    return Comparison(
        column,
        f"{left} IS NULL OR {right} IS NULL",
        (
            Level(f"{left} = {right}", 0.95, u),
            Level(f"length({left}) > 2 AND {one_character_off(column)}", 0.04, 0.004),
            Level("", 0.01, 1 - u - 0.004),
        ),
    )


NAMES: Mapping[str, Comparison] = {
    "town_name": _name("town_name", 0.08),
    "village_name": _name("village_name", 0.008),
    "group_name": _name("group_name", 0.1),
    "road_name": _name("road_name", 0.02),
    "estate_name": _name("estate_name", 0.02),
}
"""Levels of an address that are compared; `m` and `u` as in `hub.linking.models`."""


def look_closer(bench: Bench, wanted: str, known: str) -> str | None:
    """Find the standard addresses that texts most likely mean.

    Args:
        bench: Holds the tables.
        wanted: Table with `text`, canonical.
        known: Table with `text`, canonical, and `address_code`.

    Returns:
        Name of a table `text`, `code` with the texts of which one address is likely enough and by far the likeliest;
        None where no text shares its numbers with any.
    """
    numbers = "regexp_replace(text, '[^0-9A-Za-z]+', '-', 'g')"
    bench.run(f"""
        CREATE OR REPLACE TABLE {_PAIRS} AS
        WITH w AS (SELECT DISTINCT text, {numbers} AS numbers FROM "{wanted}" WHERE text IS NOT NULL),
        k AS (SELECT text, address_code, {numbers} AS numbers FROM {known} WHERE numbers IN (SELECT numbers FROM w)),
        few AS (SELECT numbers FROM k WHERE numbers <> '-' GROUP BY numbers HAVING count(*) <= {CAP})
        SELECT w.text AS wanted, k.text AS known, k.address_code AS code
        FROM w JOIN few USING (numbers) JOIN k USING (numbers)
    """)  # noqa: S608 - names of this package
    if not bench.count(_PAIRS):
        return None
    _lay_out_parts(bench)
    found = "addresses__likely"
    bench.make(found, _likely(_score(bench)))
    return found


def _lay_out_parts(bench: Bench) -> None:
    """Take every text of a pair apart, once."""
    texts = f"SELECT wanted AS text FROM {_PAIRS} UNION SELECT known FROM {_PAIRS}"  # noqa: S608
    bench.make("addresses__texts", texts)
    table = bench.engine.con.table("addresses__texts")
    table = table.mutate(text__original=table.text)
    column = Column(name="text", physical_name="text", title="", kind="string")
    for stage in ADDRESS:
        cell = Cell(table, column, bench.hub.as_of, codelists=bench.hub.contracts.codelists)
        table = table.mutate(**{f"text__{part}": value for part, value in stage(cell).items()})
    parts = {name: table[f"text__{name}"] for name in NAMES}
    made = table.select(unique_id=table.text, **parts)
    bench.make(_PARTS, ibis.to_sql(made, dialect="duckdb"))


def _score(bench: Bench) -> str:
    """Weigh the pairs; the table that says what they weigh."""
    from splink import DuckDBAPI, Linker  # not paid for by whoever has nothing to compare

    asked = f"SELECT DISTINCT 0 AS match_key, wanted AS join_key_l, known AS join_key_r FROM {_PAIRS}"  # noqa: S608
    bench.make(_ASKED, asked)
    api = DuckDBAPI(bench.duck)
    settings = {
        "link_type": "dedupe_only",
        "sql_dialect": "duckdb",
        "unique_id_column_name": "unique_id",
        "probability_two_random_records_match": 0.5,  # how many share the numbers is reckoned in afterwards
        "blocking_rules_to_generate_predictions": [],
        "comparisons": [comparison_settings(one) for one in NAMES.values()],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
    }
    linker = Linker(api.register(_PARTS), settings, log_level=logging.ERROR, validate_settings=False)
    linker.table_management.register_blocked_pairs_for_predict(api.register(_ASKED))
    return str(linker.inference.predict(warning_mode="never").physical_name)


def _likely(predicted: str) -> str:
    """SELECT the texts of which one address is likely enough, and by far the likeliest.

    The more addresses have the same numbers, the more the names must tell: blindly, one of twice as many is meant.
    """
    return f"""
        WITH weighed AS (
            SELECT pair.wanted AS text, pair.code,
                p.match_weight - log2(2 * count(*) OVER (PARTITION BY pair.wanted)) AS weight
            FROM {_PAIRS} AS pair JOIN {predicted} AS p ON p.unique_id_l = pair.wanted AND p.unique_id_r = pair.known),
        placed AS (
            SELECT *, lead(weight) OVER (PARTITION BY text ORDER BY weight DESC, code) AS next_weight,
                row_number() OVER (PARTITION BY text ORDER BY weight DESC, code) AS place FROM weighed)
        SELECT text, code FROM placed
        WHERE place = 1 AND weight >= {_LEAST:.4f} AND weight >= coalesce(next_weight + {MARGIN}, weight)
    """  # noqa: S608
