"""Fixed-width lines: places in bytes or characters, blanks that fill, lines of another length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Request
from connectors.errors import SetAsideError, StopError
from connectors.fixed_width import fixed_width_rows

COLUMNS = [{"name": "a", "start": 1, "width": 4}, {"name": "b", "start": 5, "width": 6}]


def read(path: Path, content: bytes, *fields: str, **options: Any) -> list[list[str | None]]:
    path.write_bytes(content)
    given_options = {"encoding": "gb18030", "columns": COLUMNS, **options}
    request = Request("t/d", fields or ("a", "b"), given_options)
    return list(fixed_width_rows(path, request, "t/d, f.txt", {}))


def refused(path: Path, content: bytes, **options: Any) -> tuple[str, str]:
    with pytest.raises(SetAsideError) as caught:
        read(path, content, **options)
    return caught.value.reason, caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.txt"


CELL = st.text(
    st.characters(codec="gb18030", exclude_characters="\r\n\x1a", exclude_categories=["Cs"]), max_size=5
).map(lambda text: text.strip(" "))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6), unit=st.sampled_from(["bytes", "characters"]))
def test_what_was_written_is_read(path: Path, rows: list[tuple[str, str]], unit: str) -> None:
    columns = [{"name": "b", "start": 21, "width": 20}, {"name": "a", "start": 1, "width": 20}]
    if unit == "bytes":
        lines = [b"".join(cell.encode("gb18030").ljust(20) for cell in row) for row in rows]
    else:
        lines = ["".join(cell.ljust(20) for cell in row).encode("gb18030") for row in rows]
    found = read(path, b"".join(line + b"\r\n" for line in lines), columns=columns, unit=unit)
    assert found == [list(row) for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60), short=st.booleans(), unit=st.sampled_from(["bytes", "characters"]))
def test_any_bytes_are_read_or_set_aside(path: Path, content: bytes, short: bool, unit: str) -> None:
    try:
        reason, rows = "", read(path, content, short_lines=short, unit=unit)
    except SetAsideError as error:
        reason, rows = error.reason, []
    assert reason in ("", "unreadable", "encoding_invalid")
    assert all(len(row) == 2 for row in rows)


def test_bytes_and_characters_differ(path: Path) -> None:
    assert read(path, "镇12村庄1x\n".encode("gb18030")) == [["镇12", "村庄1x"]]
    assert read(path, "镇123村庄456x\n".encode("gb18030"), unit="characters") == [["镇123", "村庄456x"]]


def test_only_blanks_that_fill_go(path: Path) -> None:
    assert read(path, "\t1  　镇  \n".encode("gb18030")) == [["\t1", "　镇"]]


def test_column_that_cuts_a_character_is_told(path: Path) -> None:
    reason, came = refused(path, "1234567890\n123镇56789\n".encode("gb18030"))
    assert (reason, came) == (
        "encoding_invalid",
        "line 2 has bytes that are not gb18030, or a column cuts a character there",
    )


@pytest.mark.parametrize("content", [b"1234567890\n123456789\n", b"1234567890\n12345678901\n"])
def test_line_of_another_length_is_named(path: Path, content: bytes) -> None:
    reason, came = refused(path, content)
    assert (reason, came[:9]) == ("unreadable", "line 2 is")


def test_lines_that_lost_their_blanks(path: Path) -> None:
    assert read(path, b"1\n12345\n", short_lines=True) == [["1", ""], ["1234", "5"]]
    assert refused(path, b"12345678901\n", short_lines=True)[0] == "unreadable"


def test_line_may_be_longer_than_the_columns(path: Path) -> None:
    assert read(path, b"1234567890xx\n", line_width=12) == [["1234", "567890"]]


def test_lines_above_empty_lines_and_the_end_of_a_dos_file(path: Path) -> None:
    assert read(path, b"\xef\xbb\xbfTITLE\r\n\r\n1234567890\r\n\x1a", skip_lines=1) == [["1234", "567890"]]


def test_columns_may_overlap_and_come_in_any_order(path: Path) -> None:
    columns = [*COLUMNS, {"name": "whole", "start": 1, "width": 10}]
    assert read(path, b"1234567890\n", "b", "whole", columns=columns) == [["567890", "1234567890"]]


def test_unknown_field_is_drift(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(SetAsideError, match="column"):
        read(path, b"", "c")


@pytest.mark.parametrize(
    "options",
    [
        {"columns": []} | {"columns": "a"},
        {"columns": [{"name": "a", "start": 0, "width": 1}]},
        {"columns": [{"name": "a", "start": 1, "width": 0}]},
        {"columns": [{"name": "a", "start": 1}]},
        {"columns": [{"name": "", "start": 1, "width": 1}]},
        {"columns": [{"name": "a", "start": True, "width": 1}]},
        {"columns": [COLUMNS[0], COLUMNS[0]]},
        {"columns": ["a"]},
        {"unit": "words"},
        {"line_width": 9},
        {"line_width": "10"},
        {"skip_lines": -1},
        {"encoding": "utf-16"},
        {"encoding": "klingon"},
        {"encoding": "base64"},
    ],
)
def test_layout_that_cannot_be_right_stops(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(StopError):
        read(path, b"1234567890\n", **options)


def test_messages_hold_no_values(path: Path) -> None:
    for content in (b"ZhangSan\n", b"Zhang\xff\xffSan\n"):
        with pytest.raises(SetAsideError) as caught:
            read(path, content)
        assert "Zhang" not in str(caught.value)
