"""CSV: decoding proved for the whole file, every physical line accounted for."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import text_file
from connectors.base import Request
from connectors.csv_file import csv_rows
from connectors.errors import SetAsideError, StopError
from connectors.text_file import is_rather_utf8

# All of Unicode, with what makes CSV hard more often. A cell with both a comma and a line break is not among them: in a
# table of two columns it cannot be told from a swallowed row.
ONE_LINE = st.text(st.sampled_from('", ;') | st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=6)
NO_COMMA = st.text(st.sampled_from('"\n\r ;') | st.characters(codec="utf-8", exclude_characters="\x00,"), max_size=6)


def read(path: Path, content: bytes, *fields: str, encoding: str = "gb18030", **options: Any) -> list[list[str | None]]:
    path.write_bytes(content)
    request = Request("t/d", fields or ("a", "b"), {"encoding": encoding, **options})
    return list(csv_rows(path, request, "t/d, f.csv", {}))


def refused(path: Path, content: bytes, *fields: str) -> tuple[str, str]:
    with pytest.raises(SetAsideError) as caught:
        read(path, content, *fields)
    return caught.value.reason, caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.csv"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(ONE_LINE, ONE_LINE), max_size=8) | st.lists(st.tuples(NO_COMMA, NO_COMMA), max_size=8),
    encoding=st.sampled_from(["gb18030", "utf-8", "utf-8-sig"]),
    end=st.sampled_from(["\r\n", "\n"]),
)
def test_what_was_written_is_read(path: Path, rows: list[tuple[str, str]], encoding: str, end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    writer.writerows(rows)
    assert read(path, text.getvalue().encode(encoding), encoding=encoding) == [list(row) for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_set_aside(path: Path, content: bytes) -> None:
    try:
        reason, rows = "", read(path, b"a,b\n" + content)
    except SetAsideError as error:
        reason, rows = error.reason, []
    assert reason in {"", "unreadable", "encoding_invalid"}
    assert all(len(row) == 2 for row in rows)


def test_gb18030_beyond_gbk(path: Path) -> None:
    content = b"a,b\n" + "湖㳇镇,😀".encode("gb18030")
    assert bytes.fromhex("8231d233") in content
    assert read(path, content) == [["湖㳇镇", "😀"]]


def test_byte_order_mark_overrides_the_declared_encoding(path: Path) -> None:
    assert read(path, "姓名,a\n张三,1\n".encode("utf-8-sig"), "姓名", "a") == [["张三", "1"]]


def test_gbk_alone_is_not_enough(path: Path) -> None:
    reason, came = refused(path, b"a,b\n1,2\n3,\xff\xff\n")
    assert (reason, came) == ("encoding_invalid", "line 3 has bytes that are not gb18030")


def test_wrong_byte_far_down_sets_the_whole_file_aside(path: Path) -> None:
    reason, came = refused(path, b"a,b\n" + b"1,2\n" * 50_000 + b"3,\xff\xff\n")
    assert (reason, came) == ("encoding_invalid", "line 50002 has bytes that are not gb18030")


def test_character_cut_at_the_end_of_the_file(path: Path) -> None:
    assert refused(path, b"a,b\n1," + "镇".encode("gb18030")[:1])[0] == "encoding_invalid"


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n张三,1\n",
        "a,b\n1,2\n" * 200_000 + "王五,贾汪区潘安湖街道\n",
        "a,b\nئابدۇراخمان,1\n",  # two bytes a letter: it always decodes as GB18030
    ],
)
def test_utf8_in_place_of_gb18030_is_told_by_the_rows_alone(path: Path, text: str) -> None:
    # The bytes are GB18030 as well, of other characters: nothing else would tell.
    assert text.encode().decode("gb18030") != text
    assert refused(path, text.encode()) == ("encoding_invalid", "a file in UTF-8")
    assert read(path, text.encode(), encoding="utf-8") == read(path, text.encode("gb18030"))


@pytest.mark.parametrize("text", ["a,b\n女,十一楼\n", "a,b\n女,1\n" * 50_000, "夕,b\n1,2\n", "a,b\n1,2\n"])
def test_gb18030_that_is_utf8_by_chance_is_believed(path: Path, text: str) -> None:
    # Python reads it as UTF-8, of Greek and other letters; only short texts can be so.
    content = text.encode("gb18030")
    assert content.decode() == content.decode() != text or text.isascii()
    fields = tuple(text.splitlines()[0].split(","))
    assert read(path, content, *fields)[0] == text.splitlines()[1].split(",")


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=4))
def test_no_text_of_chinese_characters_is_taken_for_another_encoding(text: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(f"a\n{text}\n".encode("gb18030"))
        file.flush()
        assert not is_rather_utf8(Path(file.name), "gb18030")
        assert not is_rather_utf8(Path(file.name), "utf-8")


def test_header_in_another_encoding_than_the_rows_is_named(path: Path) -> None:
    # The bytes of this header are GB18030 as well, of other characters.
    header = "行政区划,村居代码"
    assert header.encode().decode("gb18030")
    content = f"{header}\n".encode() + "湖㳇镇,1\n".encode("gb18030")
    assert refused(path, content, "行政区划", "村居代码") == ("encoding_invalid", "its header is UTF-8")


def test_columns_missing_are_drift(path: Path) -> None:
    assert refused(path, "姓名,x\n".encode("gb18030"), "姓名", "性别")[0] == "schema_drift"


@pytest.mark.parametrize("content", [b"a,b\n1,2\n3\n", b"a,b\n1,2\n3,4,5\n"])
def test_row_of_another_width_is_named_by_its_line(path: Path, content: bytes) -> None:
    reason, came = refused(path, content)
    assert reason == "unreadable"
    assert came.startswith("line 3 has ")


def test_cut_in_the_middle_of_a_row(path: Path) -> None:
    assert refused(path, b"a,b,c\n1,2,3\n4,5")[0] == "unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n"x,1\ny",2\n',
        b'a,b\n"x,1\ny,2\nz",3\n',
        b'a,b,c\n"x,1,1\ny",2,2\nz,3,3\n',
        b'a,b\nx,"1\ny,2\nz,3\n',
        b'a,b\nx,"1" 2\n',
    ],
)
def test_stray_quote_swallows_no_rows(path: Path, content: bytes) -> None:
    assert refused(path, content)[0] == "unreadable"


def test_line_break_in_a_cell_is_allowed(path: Path) -> None:
    content = b'a,b,c\n"x\ny",1,2\n3,"x\n\ny",4\n'
    assert read(path, content, "a", "b", "c") == [["x\ny", "1", "2"], ["3", "x\n\ny", "4"]]


def test_blank_lines_are_skipped_and_empty_cells_stay(path: Path) -> None:
    assert read(path, b"a,b\n\n,\n\n1,\n") == [["", ""], ["1", ""]]


@pytest.mark.parametrize("content", [b"", b"\n1,2\n"])
def test_file_without_header(path: Path, content: bytes) -> None:
    assert refused(path, content)[0] in {"unreadable", "schema_drift"}


def test_unknown_encoding_stops(path: Path) -> None:
    with pytest.raises(StopError, match="encoding: 'klingon' is no encoding"):
        read(path, b"a,b\n", encoding="klingon")


def test_messages_hold_no_values(path: Path) -> None:
    for content in (b"a,b\nZhang San\n", b'a,b\nZhang,"San" x\n', b"a,b\nZhang,\xff\xff\n"):
        path.write_bytes(content)
        with pytest.raises(SetAsideError) as caught:
            read(path, content)
        assert "Zhang" not in str(caught.value)
        assert "San" not in str(caught.value)


def test_other_delimiters(path: Path) -> None:
    assert read(path, b'a|b\n"1|2"|,\n', delimiter="|") == [["1|2", ","]]
    assert read(path, b"b\ta\n1\t2\n", delimiter="\t") == [["2", "1"]]
    with pytest.raises(SetAsideError, match="a quote swallowed"):
        read(path, b'a|b|c\n"x|1|1\ny"|2|2\nz|3|3\n', "a", "b", "c", delimiter="|")
    with pytest.raises(SetAsideError, match=r"column\(s\) missing"):
        read(path, b"a|b\n", delimiter=",")


@pytest.mark.parametrize("delimiter", ["", "||", '"', "\n", "\r", 1, None])
def test_delimiter_that_is_none_stops(path: Path, delimiter: Any) -> None:
    with pytest.raises(StopError, match="delimiter"):
        read(path, b"a,b\n", delimiter=delimiter)


def test_available_names_all_columns(path: Path) -> None:
    path.write_bytes(b"a,x,b\n")
    available: dict[str, str] = {}
    assert list(csv_rows(path, Request("t/d", ("b",), {"encoding": "utf-8"}), "t/d, f.csv", available)) == []
    assert available == {"a": "text", "x": "text", "b": "text"}


def test_a_cell_may_be_long(path: Path) -> None:
    outline = "POLYGON((" + "118.1 34.2," * 50_000 + "118.1 34.2))"
    assert read(path, f'a,b\n1,"{outline}"\n'.encode(), "a", "b") == [["1", outline]]


def test_line_without_end_does_not_fill_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "LONGEST_LINE", 1000)
    assert refused(path, b"a,b\n" + b"x" * 2000) == ("unreadable", "line 2 does not end")
