"""Parquet: types as they are, chunks, and texts that are none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import parquet_file
from connectors.base import WHOLE, Request
from connectors.errors import SetAsideError
from connectors.parquet_file import parquet_batches, row_group_chunks

WHERE = "t/d, f.parquet"


def read(path: Path, *fields: str, **given: Any) -> pa.Table:
    request = Request("t/d", fields, **given)
    return pa.Table.from_batches(list(parquet_batches(path, request, WHERE, {}, WHOLE)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.parquet"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None], pa.int64()),
        pa.array([1.5, None]),
        pa.array([True, None]),
        pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
        pa.array([date(2026, 1, 2), None]),
        pa.array([datetime(2026, 1, 2, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        pa.array([b"\xff", None]),
        pa.array([["a"], None]),
        pa.array([{"x": 1}, None]),
        pa.array(["镇", None]).dictionary_encode(),
        pa.array(["镇", None], pa.large_string()),
    ],
)
def test_types_are_kept(path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"b": ["x", "y"], "a": column}), path)
    table = read(path, "a", "b")
    assert table.schema.names == ["a", "b"]
    assert table["a"].to_pylist() == column.to_pylist()
    assert table.schema.field("a").type == column.type


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    rows=st.lists(st.text(st.characters(codec="utf-8"), max_size=5) | st.none(), max_size=20), group=st.integers(1, 7)
)
def test_what_was_written_is_read(path: Path, rows: list[str | None], group: int) -> None:
    pq.write_table(pa.table({"a": pa.array(rows, pa.string())}), path, row_group_size=group)
    chunks, count = row_group_chunks(path, WHERE)
    assert count == len(rows)
    found = [
        text
        for chunk in chunks
        for batch in parquet_batches(path, Request("t/d", ("a",)), WHERE, {}, chunk)
        for text in batch["a"].to_pylist()
    ]
    assert found == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=100))
def test_any_bytes_are_set_aside(path: Path, content: bytes) -> None:
    path.write_bytes(b"PAR1" + content + b"PAR1")
    with pytest.raises(SetAsideError) as caught:
        row_group_chunks(path, WHERE)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize(
    ("groups", "chunks"),
    [
        ([], [[0, 0]]),
        ([1], [[0, 1]]),
        ([10], [[0, 1]]),
        ([4, 4, 4, 4], [[0, 3], [3, 4]]),
        ([10, 10, 1], [[0, 1], [1, 2], [2, 3]]),
    ],
)
def test_chunks(path: Path, monkeypatch: pytest.MonkeyPatch, groups: list[int], chunks: list[list[int]]) -> None:
    monkeypatch.setattr(parquet_file, "_ROWS_A_CHUNK", 10)
    schema = pa.schema([pa.field("a", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for size in groups:
            writer.write_table(pa.table({"a": list(range(size))}, schema), row_group_size=size)
    assert row_group_chunks(path, WHERE) == ([{"row_groups": chunk} for chunk in chunks], sum(groups))


def test_available_tells_types(path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "镇": ["x"]}), path)
    available: dict[str, str] = {}
    list(parquet_batches(path, Request("t/d", ("a",)), WHERE, available, WHOLE))
    assert available == {"a": "int64", "镇": "string"}


def test_column_names_with_dots(path: Path) -> None:
    pq.write_table(pa.table({"a": [{"b": 1}], "a.b": ["x"], "c": [1]}), path)
    assert read(path, "a.b").to_pylist() == [{"a.b": "x"}]
    assert read(path, "a").to_pylist() == [{"a": {"b": 1}}]


def test_missing_column(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(SetAsideError) as caught:
        read(path, "b")
    assert caught.value.reason == "schema_drift"
    lent = read(path, "b", "a", drift={"missing": "evolve"})
    assert lent.to_pylist() == [{"b": None, "a": 1}]
    assert read(path, "b", synonyms={"b": ("a",)}).to_pylist() == [{"b": 1}]


def test_texts_that_are_no_utf8_are_set_aside(path: Path) -> None:
    text = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe"))
    pq.write_table(pa.table({"a": text}), path)
    with pytest.raises(SetAsideError, match="no readable Parquet"):
        read(path, "a")


def test_half_a_file_is_set_aside(path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SetAsideError, match="no readable Parquet"):
        row_group_chunks(path, WHERE)


def test_file_that_went_is_no_fault_of_parquet(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        row_group_chunks(path, WHERE)
