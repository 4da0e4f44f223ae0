"""Rows into record batches."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import rows
from connectors.base import Request
from connectors.errors import ColumnsMissingError, SetAsideError
from connectors.rows import (
    as_text,
    column_positions,
    missing_columns,
    quick_columns,
    record_batches,
    regrouped,
    text_batches,
    text_columns,
)


def asked(*fields: str, **more: Any) -> Request:
    return Request("police/person", fields, **more)


words = st.text(st.characters(codec="utf-8"), max_size=8)


def test_columns_are_found_whatever_blanks_stand_in_names() -> None:
    assert column_positions(["序号", " 姓  名", "家庭\n编号"], asked("家庭编号", "姓名"), "f") == [2, 1]


def test_missing_columns_are_all_named() -> None:
    with pytest.raises(SetAsideError, match=r"f: column\(s\) missing: 甲, 丙\.") as caught:
        column_positions(["乙"], asked("甲", "乙", "丙"), "f")
    assert caught.value.reason == "schema_drift"


def test_column_that_stands_twice_is_not_guessed() -> None:
    with pytest.raises(SetAsideError, match=r"more than once: 姓名"):
        column_positions(["姓名", "姓 名", "x", "x"], asked("姓名"), "f")


@given(st.lists(st.tuples(st.none() | words, words), max_size=20))
def test_text_rows_round_trip(given_rows: list[tuple[str | None, str]]) -> None:
    table = pa.Table.from_batches(list(text_batches(given_rows, ["a", "b"])))
    assert [tuple(row.values()) for row in table.to_pylist()] == given_rows
    assert table.schema == pa.schema([("a", pa.string()), ("b", pa.string())])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("01", "01"),
        (True, "true"),
        (False, "false"),
        ({"名": ["1", None]}, '{"名": ["1", null]}'),
        ([], "[]"),
    ],
)
def test_json_values_as_text(value: Any, text: str | None) -> None:
    assert as_text(value) == text


def test_key_missing_in_some_records_is_null() -> None:
    (batch,) = record_batches([{"a": "1"}, {"b": "2"}], asked("a", "b"), "s")
    assert batch.to_pylist() == [{"a": "1", "b": None}, {"a": None, "b": "2"}]


def test_the_error_names_the_missing_columns_and_survives_between_processes() -> None:
    with pytest.raises(ColumnsMissingError) as caught:
        missing_columns("somewhere", ["b", "c"], asked("a", "b", "c"))
    told = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (told.columns, told.reason, str(told)) == (("b", "c"), "schema_drift", str(caught.value))


@pytest.mark.parametrize("word", ["evolve", "discard_value", "discard_row"])
def test_what_is_not_frozen_is_lent(word: str) -> None:
    missing_columns("somewhere", ["b"], asked("a", "b", drift={"missing": word}))


def test_key_missing_in_all_records_is_schema_drift() -> None:
    with pytest.raises(SetAsideError, match=r"column\(s\) missing: b, c"):
        list(record_batches([{"a": "1"}], asked("a", "b", "c"), "s"))


def test_no_records_are_no_drift() -> None:
    assert [batch.num_rows for batch in record_batches([], asked("a"), "s")] == [0]


@given(sizes=st.lists(st.integers(0, 25), min_size=1, max_size=12))
def test_regrouped_keeps_rows_and_order(sizes: list[int]) -> None:
    numbers = iter(range(sum(sizes)))
    batches = [
        pa.record_batch([pa.array([next(numbers) for _ in range(size)], pa.int64())], names=["n"]) for size in sizes
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BATCH_ROWS", 10)
        regroups = list(regrouped(batches))
    assert [batch.num_rows for batch in regroups[:-1]] == [10] * (len(regroups) - 1)
    assert 0 < regroups[-1].num_rows <= 10 or sum(sizes) == 0
    assert pa.Table.from_batches(regroups).column("n").to_pylist() == list(range(sum(sizes)))


def test_nothing_regrouped_is_nothing() -> None:
    assert list(regrouped([])) == []


def test_synonym_stands_for_a_renamed_column() -> None:
    request = asked("姓名", "家庭编号", synonyms={"姓名": ("户主姓名",)})
    assert column_positions(["家庭编号", "户主 姓名"], request, "f") == [1, 0]
    (batch,) = record_batches([{"户主姓名": "a", "家庭编号": "1"}], request, "s")
    assert batch.to_pylist() == [{"姓名": "a", "家庭编号": "1"}]


@pytest.mark.parametrize("policy", ["evolve", "discard_value"])
def test_absent_column_is_lent_where_the_contract_says_so(policy: str) -> None:
    request = asked("a", "b", drift={"missing": policy})
    assert column_positions(["b"], request, "f") == [-1, 0]
    (batch,) = record_batches([{"a": "1"}], request, "s")
    assert batch.to_pylist() == [{"a": "1", "b": None}]


scalars = st.none() | words | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2))


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), values), max_size=6))
def test_the_quick_way_gives_what_the_slow_one_gives_or_nothing(records: list[dict[str, Any]]) -> None:
    quick = quick_columns(records, asked("a", "b"))
    if quick is not None:
        assert quick == text_columns(records, asked("a", "b"))


def test_the_quick_way_takes_texts_whole_numbers_and_truths() -> None:
    records = [{"a": "01", "b": 7, "c": True}, {"a": None, "b": -1, "c": False, "d": 1.5}, {}]
    quick = quick_columns(records, asked("a", "b", "c"))
    assert quick is not None
    assert quick.to_pylist()[:2] == [{"a": "01", "b": "7", "c": "true"}, {"a": None, "b": "-1", "c": "false"}]
    assert quick_columns(records, asked("d")) is None, "a float may have lost its digits"


@pytest.mark.parametrize("later", [1.5, True, 2**64, -(2**63) - 1, [1], "1"])
def test_the_quick_way_leaves_a_column_alone_that_holds_more_than_whole_numbers(later: Any) -> None:
    assert quick_columns([{"a": 1}, {"a": later}], asked("a")) is None
    assert quick_columns([{"a": True}, {"a": 1}], asked("a")) is None
