"""Digests: equal tables, and only those, have equal digests."""

from __future__ import annotations

from typing import Any

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.digest import table_digest

CON = ibis.duckdb.connect(threads=1)
SCHEMA = pa.schema([("name", pa.string()), ("number", pa.int64()), ("shape", pa.binary())])
ROW = st.tuples(
    st.none() | st.sampled_from(["", "甲", "NULL"]),
    st.none() | st.integers(0, 2),
    st.none() | st.sampled_from([b"", b"\x00", b"1"]),
)


def digest(rows: list[tuple[Any, ...]], columns: list[str] | None = None, salt: str = "") -> str:
    table = pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=SCHEMA)
    CON.con.register("digested", table)
    return table_digest(CON.table("digested"), columns or SCHEMA.names, salt)


@settings(max_examples=15, deadline=None)
@given(st.lists(ROW, max_size=4), st.lists(ROW, max_size=4), st.randoms(use_true_random=False))
def test_equal_if_and_only_if_the_rows_are_equal_in_any_order(
    one: list[tuple[Any, ...]], other: list[tuple[Any, ...]], random: Any
) -> None:
    shuffled = random.sample(one, len(one))
    assert digest(one) == digest(shuffled)
    same = sorted(one, key=repr) == sorted(other, key=repr)
    assert (digest(one) == digest(other)) is same


def test_a_row_more_or_twice_changes_it() -> None:
    row = ("甲", 1, b"1")
    assert len({digest([]), digest([row]), digest([row, row]), digest([row, row, row])}) == 4


def test_only_the_named_columns_count_in_their_order() -> None:
    assert digest([("甲", 1, b"1")], ["name"]) == digest([("甲", 2, b"2")], ["name"])
    assert digest([("甲", 1, b"1")], ["name", "number"]) != digest([("甲", 1, b"1")], ["number", "name"])


def test_salt_counts() -> None:
    assert digest([], salt="1.0.0") != digest([], salt="1.0.1")


def test_it_is_the_same_on_every_machine_and_in_every_release() -> None:
    assert digest([("甲", 1, b"1")]) == "18d1e61bd46a25d6a5835f42914bb703d69ae7f7994ccecef14900c6fc3ee095"
