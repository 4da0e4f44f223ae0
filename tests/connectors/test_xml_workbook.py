"""XML spreadsheets of 2003 named `.xls`: cells in their places, whoever wrote them."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Request
from connectors.errors import SetAsideError
from connectors.excel import excel_rows
from connectors.xml_workbook import is_xml_workbook, xml_workbook_rows

SS = "urn:schemas-microsoft-com:office:spreadsheet"
HEAD = f'<?xml version="1.0"?>\r\n<?mso-application progid="Excel.Sheet"?>\r\n<Workbook xmlns="{SS}" xmlns:ss="{SS}">'
STYLES = '<Styles><Style ss:ID="s1"><NumberFormat ss:Format="Short Date"/></Style></Styles>'


def book(rows: str, head: str = HEAD, name: str = "名册") -> str:
    return f'{head}{STYLES}<Worksheet ss:Name="{name}"><Table>{rows}</Table></Worksheet></Workbook>'


def cell(text: str, kind: str = "String", **told: int) -> str:
    attributes = "".join(f' ss:{name}="{value}"' for name, value in told.items())
    return f'<Cell{attributes}><Data ss:Type="{kind}">{escape(text)}</Data></Cell>'


def row(*cells: str, **told: int) -> str:
    attributes = "".join(f' ss:{name}="{value}"' for name, value in told.items())
    return f"<Row{attributes}>{''.join(cells)}</Row>"


def read(path: Path, fields: tuple[str, ...] = ("编号", "姓名"), **options: object) -> list[list[str | None]]:
    return list(excel_rows(path, Request("t/d", fields, options), "t/d, f.xls", {}))


def refused(path: Path, **options: object) -> tuple[str, str]:
    with pytest.raises(SetAsideError) as caught:
        read(path, **options)
    return caught.value.reason, caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.xls"


HEADER = row(cell("编号"), cell("姓名"))
LIST = HEADER + row(cell("01"), cell("张三")) + row(cell("02"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("said", ["UTF-8", "gb2312", "GB18030", ""])
def test_read_whatever_its_encoding_is_called(path: Path, encoding: str, said: str) -> None:
    head = HEAD.replace('"1.0"', f'"1.0" encoding="{said}"') if said else HEAD
    path.write_bytes(book(LIST.replace("张三", "湖㳇镇"), head).encode(encoding))
    assert read(path) == [["01", "湖㳇镇"], ["02", None]]


def test_named_xml_as_excel_names_it(tmp_path: Path) -> None:
    path = tmp_path / "f.xml"
    path.write_text(book(LIST), encoding="utf-8")
    assert read(path) == [["01", "张三"], ["02", None]]
    path.write_text("<table><tr><td>编号<td>姓名</table>", encoding="utf-8")
    assert refused(path) == ("unreadable", "no readable workbook")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (cell("0012"), "0012"),
        (cell("  张 三\n"), "  张 三\n"),
        (cell(""), None),
        (cell("35", "Number"), "35"),
        (cell("320305199001010011", "Number"), "320305199001010011"),
        (cell("812.50", "Number"), "812.5"),
        (cell("1.5E+20", "Number"), "150000000000000000000"),
        (cell("1E+999999999", "Number"), "Infinity"),
        (cell("x", "Number"), "x"),
        (cell("2026-10-01T00:00:00.000", "DateTime"), "2026-10-01"),
        (cell("2026-10-01T08:05:00.000", "DateTime"), "2026-10-01T08:05:00"),
        (cell("1899-12-31T08:05:00.000", "DateTime"), "08:05:00"),
        (cell("1890-01-02T00:00:00.000", "DateTime"), "1890-01-02"),
        (cell("once", "DateTime"), "once"),
        (cell("1", "Boolean"), "true"),
        (cell("0", "Boolean"), "false"),
        (cell("#N/A", "Error"), None),
        ('<Cell ss:StyleID="s1"/>', None),
        ("<Cell><Data>x</Data></Cell>", "x"),
        ('<Cell><ss:Data ss:Type="String" xmlns="http://www.w3.org/TR/REC-html40">a<B>b</B>c</ss:Data></Cell>', "abc"),
        ('<Cell><Data ss:Type="String">a</Data><Comment><ss:Data>b</ss:Data></Comment></Cell>', "a"),
        ('<Cell><Data ss:Type="String">a<!-- x -->&#10;<![CDATA[<b>]]></Data></Cell>', "a\n<b>"),
    ],
)
def test_cells(path: Path, data: str, text: str | None) -> None:
    path.write_text(book(row(data)), encoding="utf-8")
    assert list(xml_workbook_rows(path, "utf-8", None)) == [[text]]


def test_cells_stand_where_they_say(path: Path) -> None:
    rows = [
        row(cell("a", MergeAcross=2), cell("b")),
        row(cell("c", Index=3), Index=3),
        row(Span=1),
        row(cell("d"), cell("e", MergeDown=1)),
        row(cell("f"), cell("g", Index=3)),
    ]
    path.write_text(book("".join(rows)), encoding="utf-8")
    assert list(xml_workbook_rows(path, "utf-8", None)) == [
        ["a", None, None, "b"],
        [],
        [None, None, "c"],
        [],
        [],
        ["d", "e"],
        ["f", None, "g"],
    ]


def test_merged_header_household_and_foot(path: Path) -> None:
    rows = (
        row(cell("花名册", MergeAcross=2))
        + row(cell("家庭编号", MergeDown=1), cell("成员", MergeAcross=1))
        + row(cell("姓名", Index=2), cell("关系"))
        + row(cell("JT01", MergeDown=1), cell("张三"), cell("户主"))
        + row(cell("李四", Index=2), cell("妻"))
        + row(cell("合计：2人", MergeAcross=2))
    )
    path.write_text(book(rows), encoding="utf-8")
    found = read(
        path,
        ("家庭编号", "成员/姓名"),
        header_starts_with="家庭编号",
        header_rows=2,
        fill_down=["家庭编号"],
        stop_at=["合计"],
    )
    assert found == [["JT01", "张三"], ["JT01", "李四"]]


def test_sheet_is_found_by_its_name(path: Path) -> None:
    two = book(row(cell("x")), name="说明").removesuffix("</Workbook>")
    path.write_text(two + book(LIST, head="").removeprefix(STYLES), encoding="utf-8")
    assert read(path, sheet="名册") == [["01", "张三"], ["02", None]]
    assert list(xml_workbook_rows(path, "utf-8", None)) == [["x"]]
    assert refused(path, sheet="另一页") == ("schema_drift", "no sheet '另一页'")


def test_attributes_may_come_without_their_namespace(path: Path) -> None:
    path.write_text(book(row(cell("a", Index=2))).replace("ss:", "").replace('xmlns:ss="', 'x="'), encoding="utf-8")
    assert list(xml_workbook_rows(path, "utf-8", "名册")) == [[None, "a"]]


def test_what_a_document_type_says_is_never_looked_at(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("no one's business")
    entity = f'<!DOCTYPE a [<!ENTITY b SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    head = HEAD.replace("<Workbook", entity + "<Workbook")
    path.write_text(book(HEADER + row(cell("01"), cell("&b;")).replace("&amp;", "&"), head), encoding="utf-8")
    assert refused(path) == ("unreadable", "no readable workbook: a document type")


@pytest.mark.parametrize(
    ("rows", "came"),
    [
        (row(Index=2) + row(Index=2), "rows or cells out of order"),
        (row(cell("a", Index=2), cell("b", Index=2)), "rows or cells out of order"),
        (row(cell("a", Index=16385)), "rows or cells out of order, or beyond the last"),
        (row(cell("a", MergeAcross=16384)), "a cell in no column a sheet can have"),
        (row(Index=1_048_577), "rows or cells out of order, or beyond the last"),
        ('<Row ss:Index="x"/>', "something else where a whole number must be"),
        ("<Row>", "no whole XML"),
        ("<Row>&#11;</Row>", "no whole XML"),
    ],
)
def test_sheets_that_cannot_be_read(path: Path, rows: str, came: str) -> None:
    path.write_text(book(HEADER.replace("<Row>", '<Row ss:Index="1">') + rows), encoding="utf-8")
    reason, found = refused(path)
    assert reason == "unreadable"
    assert found.startswith(f"no readable workbook: {came}")


def test_cut_off(path: Path) -> None:
    path.write_text(book(LIST).removesuffix("</Table></Worksheet></Workbook>"), encoding="utf-8")
    assert refused(path) == ("unreadable", "no readable workbook: no whole XML")


@pytest.mark.parametrize("start", ["<html xmlns:x='urn:schemas-microsoft-com:office:excel'>", "<Workbook>", f"x {SS}"])
def test_what_is_none(start: str) -> None:
    assert not is_xml_workbook(start)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.lists(TEXT, max_size=4), max_size=5),
    encoding=st.sampled_from(["utf-8", "gb18030", "utf-16"]),
)
def test_what_was_written_is_read(path: Path, rows: list[list[str]], encoding: str) -> None:
    path.write_bytes(book("".join(row(*map(cell, texts)) for texts in rows)).encode(encoding))
    found = list(xml_workbook_rows(path, encoding, None)) if rows else []
    assert found == [[text or None for text in texts] for texts in rows]
