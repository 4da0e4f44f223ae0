"""JSON lines: numbers to the last digit, nested values, and lines that are no objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import text_file
from connectors.base import Request
from connectors.errors import SetAsideError, StopError
from connectors.json_lines import json_lines_batches


def read(path: Path, content: str | bytes, *fields: str, **options: Any) -> list[list[str | None]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    request = Request("t/d", fields or ("a", "b"), options)
    table = pa.Table.from_batches(list(json_lines_batches(path, request, "t/d, f.jsonl", {})))
    return [list(row.values()) for row in table.to_pylist()]


def refused(path: Path, content: str | bytes, **options: Any) -> tuple[str, str]:
    with pytest.raises(SetAsideError) as caught:
        read(path, content, **options)
    return caught.value.reason, caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.jsonl"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(JSON, JSON), max_size=5))
def test_what_was_written_is_read(path: Path, rows: list[tuple[Any, Any]]) -> None:
    found = read(path, "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows))
    for row, values in zip(found, rows, strict=True):
        for text, value in zip(row, values, strict=True):
            if value is None or isinstance(value, str):
                assert text == value
            else:
                assert text is not None
                assert json.loads(text) == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=80) | st.text(st.sampled_from('{}[]":,ab1e.\\ud8\n'), max_size=40).map(str.encode))
def test_any_bytes_are_read_or_set_aside(path: Path, content: bytes) -> None:
    try:
        reason, rows = "", read(path, content)
    except SetAsideError as error:
        reason, rows = error.reason, []
    assert reason in ("", "unreadable", "encoding_invalid", "schema_drift")
    assert all(len(row) == 2 for row in rows)


@pytest.mark.parametrize(
    "number", ["320305199001010011", "1.0", "1.50", "-0", "1e400", "0.1000000000000000055", "9" * 5000]
)
def test_numbers_keep_their_text(path: Path, number: str) -> None:
    assert read(path, f'{{"a": {number}, "b": [{number}, {{"c": {number}}}]}}') == [
        [number, f'[{number}, {{"c": {number}}}]']
    ]


def test_columns_are_found_in_any_object(path: Path) -> None:
    available: dict[str, str] = {}
    path.write_text('{"a": 1}\n\n{"b": true, "c": null}\n')
    batches = list(json_lines_batches(path, Request("t/d", ("a", "b")), "t/d, f", available))
    assert pa.Table.from_batches(batches).to_pylist() == [{"a": "1", "b": None}, {"a": None, "b": "true"}]
    assert available == {"a": "json", "b": "json", "c": "json"}


@pytest.mark.parametrize(
    "line",
    [
        *("[1]", "1", '"a"', "{", "{'a': 1}", '{"a": 1} {}', '{"a": NaN}', '{"a": -Infinity}'),
        *('{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": 1, "a": 2}', '{"a": {"x": 1, "x": 2}}'),
        f'{{"a": {"[" * 100_000}{"]" * 100_000}}}',
    ],
)
def test_line_that_is_no_object_is_named(path: Path, line: str) -> None:
    assert refused(path, f'{{"a": 1, "b": 2}}\n{line}\n') == (
        "unreadable",
        "line 2 is no JSON object that can be kept",
    )


def test_cut_amid_a_line(path: Path) -> None:
    assert refused(path, '{"a": 1, "b": 2}\n{"a": 1, "b')[0] == "unreadable"


def test_other_line_breaks_belong_to_the_text(path: Path) -> None:
    assert read(path, '{"a": "x\u2028y\u0085z", "b": 1}\r\n') == [["x\u2028y\u0085z", "1"]]


def test_encoding_is_proved(path: Path) -> None:
    good, bad = '{"a": "镇", "b": 1}\n'.encode(), b'{"a": "\xff", "b": 1}\n'
    assert refused(path, good * 50_000 + bad) == ("encoding_invalid", "line 50001 has bytes that are not utf-8")
    assert read(path, '{"a": "镇", "b": 1}'.encode("gb18030"), encoding="gb18030") == [["镇", "1"]]
    assert read(path, '{"a": "镇", "b": 1}'.encode("utf-8-sig"), encoding="gb18030") == [["镇", "1"]]
    with pytest.raises(StopError):
        read(path, b"", encoding="klingon")


def test_line_without_end_does_not_fill_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "LONGEST_LINE", 1000)
    assert refused(path, '{"a": "' + "x" * 2000) == ("unreadable", "line 1 does not end")


def test_messages_hold_no_values(path: Path) -> None:
    with pytest.raises(SetAsideError) as caught:
        read(path, '{"a": "Zhang San"')
    assert "Zhang" not in str(caught.value)
