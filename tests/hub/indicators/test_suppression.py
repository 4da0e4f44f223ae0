"""What few people would be told by is hidden, and nothing hidden can be reckoned from what is shown."""

from __future__ import annotations

from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hub.indicators.suppression import LEAST_SHOWN, suppress

TOWN, VILLAGES = "320305005000", ("320305005201", "320305005202", "320305005203")
TIERS = ("high", "key", "general")


@cache
def engine() -> duckdb.DuckDBPyConnection:
    """One connection for all examples: to open one takes longer than the work."""
    return duckdb.connect()


def tables(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    engine().sql("DROP TABLE IF EXISTS told")
    engine().from_arrow(pa.Table.from_pylist(rows)).create("told")
    suppress(engine(), "told")
    return engine().sql("SELECT * FROM told ORDER BY indicator_key").to_arrow_table().to_pylist()


def row(place: str, code: str, numerator: float, denominator: float, **more: Any) -> dict[str, Any]:
    told = {"family": None, "is_persons": True, "counted": code, "measured": f"all of {code}"} | more
    return {
        "indicator_key": f"{place}-{code}",
        "division_code": place,
        "indicator_code": code,
        "parent_code": "320305000000" if place == TOWN else TOWN,
        "digits": 9 if place == TOWN else 12,
        "numerator": float(numerator),
        "denominator": float(denominator),
        "hidden": False,
        **told,
    }


def visits(of_village: dict[str, tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Three tiers and their sum in each village, and in the town above."""
    summed = {TOWN: tuple(sum(parts) for parts in zip(*of_village.values(), strict=True))} | of_village
    rows = []
    for place, parts in summed.items():
        rows += [row(place, tier, n, n + 50, family="visits") for tier, n in zip(TIERS, parts, strict=True)]
        rows.append(row(place, "all", sum(parts), sum(parts) + 150, family="visits"))
    return rows


counts = st.integers(0, 30)


@given(st.tuples(*(st.tuples(counts, counts, counts) for _ in VILLAGES)))
def test_nothing_hidden_can_be_reckoned(parts: tuple[tuple[int, int, int], ...]) -> None:
    found = tables(visits(dict(zip(VILLAGES, parts, strict=True))))
    assert all(one["hidden"] for one in found if 0 < one["numerator"] < LEAST_SHOWN)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in found:
        groups.setdefault(("family", one["division_code"]), []).append(one)
        groups.setdefault((one["parent_code"], one["indicator_code"]), []).append(one)
    for group in groups.values():
        hidden = [one for one in group if one["hidden"]]
        # A single one may stay only where all others are 0: then their sum is the same number, and hidden itself.
        others = [one for one in group if not one["hidden"] and one["numerator"] > 0]
        assert len(hidden) != 1 or not others


@given(st.tuples(*(st.tuples(counts, counts, counts) for _ in VILLAGES)))
def test_where_nobody_is_few_nothing_is_hidden(parts: tuple[tuple[int, int, int], ...]) -> None:
    many = {place: tuple(n + LEAST_SHOWN for n in own) for place, own in zip(VILLAGES, parts, strict=True)}
    assert not any(one["hidden"] for one in tables(visits(many)))  # type: ignore[arg-type]


def test_a_ratio_of_a_hidden_number_is_hidden() -> None:
    old = row(VILLAGES[0], "aged_60", 3, 900)
    alone = row(VILLAGES[0], "living_alone", 0, 3, measured="aged_60")
    elsewhere = row(VILLAGES[1], "empty_nest", 10, 30, measured="aged_60")
    assert [one["hidden"] for one in tables([old, alone, elsewhere])] == [True, True, False]


def test_who_is_not_counted_is_not_few_either() -> None:
    assert [one["hidden"] for one in tables([row(VILLAGES[0], "male", 97, 100), row(VILLAGES[0], "old", 0, 100)])] == [
        True,
        False,
    ]


def test_what_counts_no_people_is_shown() -> None:
    assert not tables([row(VILLAGES[0], "grids", 1, 2, is_persons=False)])[0]["hidden"]
