"""Tables of web pages: spans, missing end tags, what is text and what is not."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import html_table
from connectors.errors import SetAsideError
from connectors.html_table import Cells, html_rows


def read(path: Path, text: str) -> list[Cells]:
    path.write_text(text, encoding="utf-8", newline="")
    return list(html_rows(path, "utf-8", "t/d, f.xls"))


def refused(path: Path, text: str) -> str:
    with pytest.raises(SetAsideError) as caught:
        read(path, text)
    assert caught.value.reason == "unreadable"
    return caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.xls"


# What a page keeps: no blank at the ends and none after another, for HTML takes them for one.
WORDS = st.text(st.sampled_from("<>&\"'　é") | st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.lists(WORDS, min_size=2, max_size=2), max_size=6), closed=st.booleans())
def test_what_was_written_is_read(path: Path, rows: list[list[str]], closed: bool) -> None:
    ends = ("</td>", "</tr>") if closed else ("", "")
    lines = ["<tr>" + "".join(f"<td>{html.escape(cell)}{ends[0]}" for cell in row) + ends[1] for row in rows]
    assert read(path, f"<table>{''.join(lines)}</table>") == [[cell or None for cell in row] for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["<table>", "</table>", "<tr>", "<td>", "<td rowspan=3>", "<th colspan=2>", "</tr>", "<!--"])
        | st.sampled_from(["-->", "<![", "]>", "<script>", "&#0;", "&lt", "x", "<td colspan='99999999999'>", "<"])
    )
)
def test_any_markup_is_read_or_set_aside(path: Path, pieces: list[str]) -> None:
    try:
        reason, rows = "", read(path, "".join(pieces))
    except SetAsideError as error:
        reason, rows = error.reason, []
    assert reason in ("", "unreadable")
    assert all(len(row) <= 16_384 for row in rows)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("<tr><td colspan=3>a<td>b", [["a", None, None, "b"]]),
        ("<tr><td rowspan=2>a<td>b<tr><td>c", [["a", "b"], [None, "c"]]),
        ("<tr><td>a<td rowspan=2>b<tr><td>c", [["a", "b"], ["c", None]]),
        ("<tr><td rowspan=2 colspan=2>a<td>b<tr><td>c", [["a", None, "b"], [None, None, "c"]]),
        ("<tr><td rowspan=0>a<td>b<tr><td>c<tr><td>d", [["a", "b"], [None, "c"], [None, "d"]]),
        ("<tr><td rowspan=3>a<tr><tr><td>c", [["a"], [None], [None, "c"]]),
        ("<tr><td rowspan=x colspan=-1>a", [["a"]]),
        ("<thead><tr><th>a</thead><tbody><tr><td>b</tbody>", [["a"], ["b"]]),
        ("<tr><td>a<br>b<p>c</p>d", [["a\nb\nc\nd"]]),
        ("<tr><td> a \n b&nbsp; <td>&nbsp;<td>张　三", [["a b", None, "张　三"]]),
        ("<tr><td>a<!-- x --><td><b>b</b>", [["a", "b"]]),
        ("<tr><td>a<table><tr><td>x<td>y</table>b<td>c", [["a\nx y\nb", "c"]]),
        ("<td>a<td>b", [["a", "b"]]),
        ("<tr><td>&#24352;&amp;", [["张&"]]),
        ("x<tr>y<td>a</td>z</tr>", [["a"]]),
    ],
)
def test_cells(path: Path, body: str, rows: list[Cells]) -> None:
    assert read(path, f"<html><style>td {{x}}</style><body><TABLE border=1>{body}</TABLE>") == rows


def test_tables_follow_one_another(path: Path) -> None:
    found = read(path, "<table><tr><td rowspan=5>a</table>x<table><tr><td>b</table>")
    assert found == [["a"], ["b"]]


def test_rows_come_while_the_page_is_read(path: Path) -> None:
    path.write_text("<table>" + "<tr><td>a" * 50_000 + "<![", encoding="utf-8")
    rows = html_rows(path, "utf-8", "t/d, f.xls")
    assert next(rows) == ["a"]
    with pytest.raises(SetAsideError):
        list(rows)


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("<html></html>", "no table in it"),
        ("<table><tr><td>a", "a table that does not end"),
        ("<table><tr><td><table></table>", "a table that does not end"),
        ("<table><tr><td colspan=16384>a<td>b</table>", "markup that is no page's, or a row too wide"),
    ],
)
def test_what_is_no_whole_table(path: Path, text: str, came: str) -> None:
    assert refused(path, text) == came


def test_comment_without_end_does_not_fill_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_table, "_LONGEST_TAG", 100_000)
    assert refused(path, "<table><!--" + "x" * 300_000) == "a tag or comment that does not end"
