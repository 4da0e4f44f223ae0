"""Cutting keys into ranges."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sql_ranges import lower_bounds

NUMBERS = sa.table("n", sa.column("k", sa.BigInteger()), sa.column("new", sa.Boolean()))


@pytest.fixture(scope="module")
def link() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as link:
        link.execute(sa.text("CREATE TABLE n (k INTEGER, new INTEGER)"))
        link.execute(sa.text("CREATE INDEX by_k ON n (k)"))
        yield link
    engine.dispose()


@pytest.fixture
def asked(link: sa.Connection) -> Iterator[list[str]]:
    """The statements the server is asked."""
    statements: list[str] = []

    def note(*told: object) -> None:
        statements.append(str(told[2]))

    sa.event.listen(link.engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(link.engine, "before_cursor_execute", note)


def cut(link: sa.Connection, numbers: list[int | None], rows: int) -> list[int]:
    """The bounds of a table with these keys."""
    link.execute(NUMBERS.delete())
    if numbers:
        link.execute(NUMBERS.insert(), [{"k": number, "new": True} for number in numbers])
    return lower_bounds(link, NUMBERS, "k", sa.true(), rows)


def sizes(numbers: list[int], bounds: list[int]) -> list[int]:
    edges = [None, *bounds, None]
    return [
        sum((low is None or number >= low) and (high is None or number < high) for number in numbers)
        for low, high in itertools.pairwise(edges)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 5), max_size=60), st.integers(1, 20))
def test_ranges_hold_each_key_once_and_only_a_shared_one_overfills_them(
    link: sa.Connection, numbers: list[int], rows: int
) -> None:
    bounds = cut(link, [*numbers, None], rows)
    assert bounds == sorted(set(bounds))
    found = sizes(numbers, bounds)
    assert sum(found) == len(numbers)
    most = max((numbers.count(number) for number in numbers), default=0)
    assert all(size <= most * (rows * 1.25 + 1) for size in found)


@pytest.mark.parametrize(
    "numbers",
    [
        [*range(100), 9_000_000_000_000_000_000],
        [-9_000_000_000_000_000_000, *range(100)],
        [2**n for n in range(60)],
        [*range(50), *range(1_000, 1_050)],
    ],
)
def test_far_keys_do_not_put_all_others_into_one_range(link: sa.Connection, numbers: list[int]) -> None:
    found = sizes(numbers, cut(link, list(numbers), 25))
    assert set(found[:-1]) == {25}
    assert found[-1] <= 25


def test_a_key_that_many_share_is_a_range_of_its_own(link: sa.Connection) -> None:
    numbers = [7] * 60 + [1, 2, 3, 900, 901, 902]
    assert sizes(numbers, cut(link, list(numbers), 10)) == [3, 60, 3]


@pytest.mark.parametrize(("numbers", "bounds"), [(range(1, 101), [26, 51, 76]), (range(1, 11), []), (range(0), [])])
def test_numbers_without_gaps_cost_one_question(
    link: sa.Connection, numbers: range, bounds: list[int], asked: list[str]
) -> None:
    assert cut(link, list(numbers), 30) == bounds
    assert sum("SELECT" in statement for statement in asked) == 1


def test_a_few_new_rows_are_counted_and_no_index_is_walked(link: sa.Connection, asked: list[str]) -> None:
    cut(link, [n * 10 for n in range(50)], 10)
    asked.clear()
    assert lower_bounds(link, NUMBERS, "k", NUMBERS.c.k > 450, 10) == []
    assert len(asked) == 1
    assert lower_bounds(link, NUMBERS, "k", NUMBERS.c.k >= 250, 10) == [350, 450]


def test_texts_are_cut_at_every_so_many_th() -> None:
    engine = sa.create_engine("sqlite://")
    names = [f"{n:03d}" for n in range(25)]
    source = sa.table("t", sa.column("k", sa.String()))
    with engine.connect() as link:
        link.execute(sa.text("CREATE TABLE t (k TEXT)"))
        link.execute(source.insert(), [{"k": name} for name in [*names, None, "024", "024"]])
        assert lower_bounds(link, source, "k", sa.true(), 10) == ["010", "020"]
        assert lower_bounds(link, source, "k", source.c.k > "020", 100) == []
