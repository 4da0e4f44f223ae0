"""Cutting keys into ranges."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from connectors.sql_ranges import lower_bounds, numeric_bounds


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(0, 10**7), st.integers(1, 10**6))
def test_bounds_cover_each_number_once(lowest: int, width: int, count: int, rows: int) -> None:
    bounds = numeric_bounds(lowest, lowest + width, max(count, 1), max(rows, count // 50 + 1))
    assert bounds == sorted(set(bounds))
    assert all(lowest < bound <= lowest + width for bound in bounds)


@pytest.mark.parametrize(
    ("lowest", "highest", "count", "bounds"),
    [(None, None, 0, []), (1, 10, 10, []), (1, 100, 100, [26, 51, 76]), (7, 7, 100, [])],
)
def test_numbers(lowest: int | None, highest: int | None, count: int, bounds: list[int]) -> None:
    assert numeric_bounds(lowest, highest, count, 30 if count == 100 else 10) == bounds


def test_texts_are_cut_at_every_so_many_th() -> None:
    engine = sa.create_engine("sqlite://")
    names = [f"{n:03d}" for n in range(25)]
    source = sa.table("t", sa.column("k", sa.String()))
    with engine.connect() as link:
        link.execute(sa.text("CREATE TABLE t (k TEXT)"))
        link.execute(source.insert(), [{"k": name} for name in [*names, None, "024", "024"]])
        assert lower_bounds(link, source, "k", sa.true(), 10) == ["010", "020"]
        assert lower_bounds(link, source, "k", source.c.k > "020", 100) == []
