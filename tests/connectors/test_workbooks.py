"""What is called a workbook: told by its bytes, bounded before it is opened."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import workbooks, zipped
from connectors.base import Request
from connectors.errors import SetAsideError
from connectors.excel import excel_rows
from connectors.sheet_stream import streamed_rows
from tests.connectors.biff import xls
from tests.connectors.raw_xlsx import raw_xlsx

ROWS = [["01", "张三"], ["02", None]]


def read(path: Path, fields: tuple[str, ...] = ("编号", "姓名"), **options: Any) -> list[list[str | None]]:
    return list(excel_rows(path, Request("t/d", fields, options), "t/d, f.xls", {}))


def refused(path: Path, **options: Any) -> tuple[str, str]:
    with pytest.raises(SetAsideError) as caught:
        read(path, **options)
    return caught.value.reason, caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.xls"


def written(path: Path, furthest: tuple[int, int] | None = None) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("名册")
        for number, row in enumerate([["编号", "姓名"], *ROWS]):
            sheet.write_row(number, 0, row)
        if furthest:
            sheet.write(*furthest, "x")
    return path


def test_real_xls(path: Path) -> None:
    path.write_bytes(xls([["编号", "姓名", "年龄"], ["01", "张三", 35], ["02", "", 1.5]]))
    assert read(path, ("编号", "姓名", "年龄")) == [["01", "张三", "35"], ["02", None, "1.5"]]
    assert refused(path, sheet="另一页") == ("schema_drift", "no sheet '另一页'")


def test_xls_that_points_in_a_circle_ends_no_process_but_its_own(path: Path) -> None:
    content = bytearray(xls([["编号", "姓名"]]))
    content[512 + 4 : 512 + 8] = (1).to_bytes(4, "little")  # in the allocation table: after the directory comes itself
    path.write_bytes(content)
    assert refused(path) == ("unreadable", "no readable workbook (it broke the reader)")


def test_reader_ends_with_whoever_reads(path: Path) -> None:
    path.write_bytes(xls([["编号", "姓名"], *[["1", "2"]] * 400]))
    rows = excel_rows(path, Request("t/d", ("编号",)), "t/d, f.xls", {})
    assert next(rows) == ["1"]
    rows.close()  # type: ignore[attr-defined]
    assert not [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ["f.xls", "f.et", "f.XLSX", "f"])
def test_workbooks_under_another_name(tmp_path: Path, name: str) -> None:
    assert read(written(tmp_path / name)) == ROWS
    (tmp_path / name).write_bytes(xls([["编号", "姓名"], *[[cell or "" for cell in row] for row in ROWS]]))
    assert read(tmp_path / name) == ROWS


PAGE = "<table><tr><td>编号<td>姓名<tr><td>01<td>张三<tr><td>02<td></table>"
TABS = "编号\t姓名\r\n01\t张三\r\n02\t\r\n"
COMMAS = '编号,姓名\n01,"张三"\n02,\n'


@pytest.mark.parametrize("text", [PAGE, TABS, COMMAS, "\r\n " + PAGE])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_page_or_text_named_xls(path: Path, text: str, encoding: str) -> None:
    path.write_bytes(text.encode(encoding))
    assert read(path) == ROWS


@pytest.mark.parametrize("said", ["gb2312", "GBK", "gb18030"])
def test_page_that_says_its_encoding(path: Path, said: str) -> None:
    # In GBK these are UTF-8 as well, of other characters.
    head, cell = "夕", "楼"
    assert (head + cell).encode("gb18030").decode() != head + cell
    page = f"<table><tr><td>{head}<tr><td>{cell}</table>"
    path.write_bytes(f'<meta http-equiv=Content-Type content="text/html; charset={said}">{page}'.encode("gb18030"))
    assert read(path, (head,)) == [[cell]]


@pytest.mark.parametrize("text", [PAGE, TABS, COMMAS])
def test_file_in_utf8_that_owes_gb18030(path: Path, text: str) -> None:
    # An even number of Chinese characters in each cell is GB18030 as well, of other characters.
    assert text.encode().decode("gb18030")
    path.write_bytes(text.encode())
    assert refused(path, encoding="gb18030")[0] == "encoding_invalid"
    path.write_bytes(b"<meta charset=gb2312>" + PAGE.encode())
    assert read(path) == ROWS


def test_agreed_encoding_counts_over_what_a_page_says(path: Path) -> None:
    path.write_bytes(f"<meta charset=gb2312>{PAGE}".encode())
    assert read(path, encoding="utf-8") == ROWS
    path.write_bytes(f"<meta charset=utf-8>{PAGE}".encode("gb18030"))
    assert refused(path, encoding="utf-8")[0] == "encoding_invalid"
    assert read(path) == ROWS  # what it says does not fit, the next does


def test_wrong_byte_far_down(path: Path) -> None:
    path.write_bytes(TABS.encode("gb18030") + "01\t张三\r\n".encode("gb18030") * 50_000 + b"03\t\xff\xff\r\n")
    assert refused(path)[0] == "encoding_invalid"


@pytest.mark.parametrize("suffix", [".xlsx", ".et"])
def test_only_xls_may_pretend(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(PAGE.encode())
    assert refused(path) == ("unreadable", "no readable workbook")


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"", "no readable workbook"),
        (b"  \r\n", "no readable workbook"),
        (b"\x01\x00\x02\x00\x03", "no readable workbook: neither that nor text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "no readable workbook (XlsError)"),
        (b"PK\x03\x04", "no readable workbook: no archive that can be read (BadZipFile)"),
    ],
)
def test_what_is_no_workbook(path: Path, content: bytes, came: str) -> None:
    path.write_bytes(content)
    reason, found = refused(path)
    assert (reason, found.partition(" (")[0]) == ("unreadable", came.partition(" (")[0])


def test_zip_that_is_no_workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
    assert refused(path) == ("unreadable", "no readable workbook: a zip archive that is no xlsx")


def test_cell_far_off_all_others_does_not_fill_the_memory(path: Path) -> None:
    # calamine would ask for 400 GB and end the process.
    reason, came = refused(written(path, (1_048_575, 16_383)))
    assert (reason, came) == ("unreadable", "row 1048576 has another number of cells than the header")
    assert read(written(path, (1_048_575, 1)))[2:] == [[None, "x"]]


@pytest.mark.parametrize("reference", [b"r='XFD1048576'", b'r = "xfd1048576"', b'r="ZZZZZZ1"'])
def test_far_cell_written_otherwise(path: Path, tmp_path: Path, reference: bytes) -> None:
    with zipfile.ZipFile(written(tmp_path / "whole.xlsx")) as whole, zipfile.ZipFile(path, "w") as archive:
        for info in whole.infolist():
            content = whole.read(info)
            archive.writestr(info, content.replace(b'r="B3"', reference).replace(b'r="A3"', reference))
    assert workbooks._is_large(path, "f")
    assert refused(path)[0] == "unreadable"


def test_workbook_that_unpacks_to_too_much(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "_SMALL", 100)
    monkeypatch.setattr(zipped, "_RATIO", 2)
    assert "times as large unpacked" in refused(written(path))[1]


@pytest.mark.parametrize(("most", "large"), [(1199, True), (1200, False)])
def test_extent_is_found_across_the_edges_of_blocks(
    path: Path, monkeypatch: pytest.MonkeyPatch, most: int, large: bool
) -> None:
    monkeypatch.setattr(workbooks, "_MOST_CELLS", most)
    monkeypatch.setattr(workbooks, "_CHUNK", 7)
    assert workbooks._is_large(written(path, (29, 39)), "f") is large


def test_large_sheets_are_read_as_a_stream(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def streamed(archive: zipfile.ZipFile, wanted: str | None) -> Iterator[list[str | None]]:
        asked.append(wanted)
        return streamed_rows(archive, wanted)

    monkeypatch.setattr(workbooks, "streamed_rows", streamed)
    assert read(written(path)) == ROWS
    assert asked == []
    monkeypatch.setattr(workbooks, "_SMALL", 100)
    assert read(path) == read(path, sheet="名册") == ROWS
    assert asked == [None, "名册"]
    assert refused(path, sheet="另一页") == ("schema_drift", "no sheet '另一页'")


@pytest.mark.parametrize(("form", "value"), [(14, "-1e30"), (46, "1e30"), (46, "-1e30")])
def test_date_beyond_all_others_breaks_no_pull(tmp_path: Path, form: int, value: str) -> None:
    # Over these calamine panics, or gives Python a duration it cannot hold.
    head = '<row><c t="inlineStr"><is><t>编号</t></is></c><c t="inlineStr"><is><t>姓名</t></is></c></row>'
    styles = f'<cellXfs><xf numFmtId="{form}"/></cellXfs>'
    path = raw_xlsx(tmp_path / "f.xlsx", f'{head}<row><c s="0"><v>{value}</v></c></row>', styles=styles)
    assert refused(path)[0] == "unreadable"


def test_row_of_text_with_another_number_of_cells(path: Path) -> None:
    path.write_text("编号\t姓名\n01\n", encoding="utf-8")
    assert refused(path) == ("unreadable", "row 2 has another number of cells than the header")


def test_cells_right_of_a_pages_header_do_not_vanish(path: Path) -> None:
    path.write_text(PAGE.replace("<td>张三", "<td>张三<td><td>x"), encoding="utf-8")
    assert refused(path) == ("unreadable", "row 2 has another number of cells than the header")


def test_merged_page_reads_like_a_merged_sheet(path: Path) -> None:
    head = "<tr><td rowspan=2>家庭编号<td colspan=2>成员<tr><td>姓名<td>关系"
    body = "<tr><td rowspan=2>JT01<td>张三<td>户主<tr><td>李四<td>妻<tr><td colspan=3>合计：2人"
    path.write_text(f"<table><tr><th colspan=3>花名册{head}{body}</table>", encoding="utf-8")
    found = read(
        path,
        ("家庭编号", "成员/姓名"),
        header_starts_with="家庭编号",
        header_rows=2,
        fill_down=["家庭编号"],
        stop_at=["合计"],
    )
    assert found == [["JT01", "张三"], ["JT01", "李四"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200), head=st.sampled_from([b"", b"<table>", b"PK\x03\x04", b"\xff\xfe", b"a\tb\n"]))
def test_any_bytes_are_read_or_set_aside(path: Path, content: bytes, head: bytes) -> None:
    path.write_bytes(head + content)
    with pytest.raises(SetAsideError) as caught:
        read(path)
    assert caught.value.reason in ("unreadable", "encoding_invalid", "schema_drift")


@pytest.mark.parametrize("spoil", [lambda raw: raw[: len(raw) // 2], lambda raw: raw[:-1]])
def test_half_a_workbook(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path.write_bytes(spoil(written(path).read_bytes()))
    assert refused(path)[0] == "unreadable"
