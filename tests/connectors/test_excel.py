"""Excel as departments write it: titles, merged headers and households, feet, numbers as they are stored."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import workbooks
from connectors.base import Request
from connectors.cells import cell_text
from connectors.errors import SetAsideError, StopError
from connectors.excel import excel_rows, header_names

FAMILY = "家庭编号"
FIELDS = (FAMILY, "户主/姓名", "成员/姓名", "成员/身份证号", "保障/月保障金（元）", "村居代码")
OPTIONS: dict[str, Any] = {
    "sheet": "花名册",
    "header_rows": 2,
    "header_starts_with": FAMILY,
    "fill_down": [FAMILY, "户主/姓名", "村居代码"],
    "stop_at": ["合计", "小计", "制表人"],
}
HEADER = [
    ["序号", FAMILY, "户主", "成员", "", "保障", "村居代码"],
    ["", "", "姓名", "姓名", "身份证号", "月保障金\n（元）", ""],
]
BODY: list[list[Any]] = [
    [1, "JT01", "张三", "张三", "110101199003070017", 812.5, "320305005204"],
    [2, "", "", "李四", "110101199003070025", 812.5, ""],
    [3, "JT02", "王五", "王五", "11010119900307005X", 900, "320305005205"],
    [4, "JT03", "", "赵六", "110101199003070033", "", "320305005206"],
]


def make(path: Path, rows: Sequence[Sequence[Any]], sheet: str = "花名册") -> Path:
    with xlsxwriter.Workbook(path, {"strings_to_numbers": False}) as book:
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    page.write_string(number, column, value)
                elif isinstance(value, date):
                    form = "yyyy-mm-dd hh:mm:ss" if isinstance(value, datetime) else "yyyy-mm-dd"
                    page.write_datetime(number, column, value, book.add_format({"num_format": form}))
                else:
                    page.write(number, column, value)
    return path


def read(path: Path, fields: Sequence[str] = FIELDS, **options: Any) -> list[list[str | None]]:
    request = Request("civil/low_income", tuple(fields), {**OPTIONS, **options})
    return list(excel_rows(path, request, "civil/low_income, f.xlsx", {}))


def refused(path: Path, **options: Any) -> tuple[str, str]:
    with pytest.raises(SetAsideError) as caught:
        read(path, **options)
    return caught.value.reason, caught.value.came


@pytest.fixture(params=["held whole", "as a stream"], autouse=True)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here is true of small sheets and of large ones."""
    if request.param == "as a stream":
        monkeypatch.setattr(workbooks, "_SMALL", 0)


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    return lambda *rows, **sheet: make(tmp_path / "f.xlsx", rows, **sheet)


EXPECTED = [
    ["JT01", "张三", "张三", "110101199003070017", "812.5", "320305005204"],
    ["JT01", "张三", "李四", "110101199003070025", "812.5", "320305005204"],
    ["JT02", "王五", "王五", "11010119900307005X", "900", "320305005205"],
    ["JT03", None, "赵六", "110101199003070033", None, "320305005206"],
]


def test_whole_sheet_of_a_department(book: Callable[..., Path]) -> None:
    foot = [["合计", "", "", 4, "", 2525], ["制表人：张三", "", "", "审核人：李四", "", "", "2026年11月"]]
    path = book(["贾汪区最低生活保障对象花名册"], ["单位：元"], *HEADER, *BODY[:2], ["", " "], *BODY[2:], *foot)
    assert read(path) == EXPECTED


def test_really_merged_cells_read_alike(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "m.xlsx") as book:
        page = book.add_worksheet("花名册")
        page.merge_range(0, 0, 0, 6, "贾汪区最低生活保障对象花名册")
        for column, name in ((0, "序号"), (1, FAMILY), (6, "村居代码")):
            page.merge_range(1, column, 2, column, name)
        page.merge_range(1, 3, 1, 4, "成员")
        for row, column, name in ((1, 2, "户主"), (1, 5, "保障"), (2, 2, "姓名"), (2, 3, "姓名"), (2, 4, "身份证号")):
            page.write(row, column, name)
        page.write(2, 5, "月保障金（元）")
        for column, value in ((1, "JT01"), (2, "张三"), (6, "320305005204")):
            page.merge_range(3, column, 4, column, value)
        for row, cells in ((3, BODY[0]), (4, BODY[1])):
            for column in (0, 3, 4, 5):
                page.write(row, column, cells[column])
    assert read(tmp_path / "m.xlsx") == EXPECTED[:2]


def test_blank_of_another_household_is_not_filled(book: Callable[..., Path]) -> None:
    assert read(book(*HEADER, BODY[0], BODY[3]))[1][1] is None


def test_blank_before_the_first_household_stays_null(book: Callable[..., Path]) -> None:
    assert read(book(*HEADER, BODY[1]))[0][:2] == [None, None]


def test_number_of_the_household_may_be_repeated(book: Callable[..., Path]) -> None:
    again = [2, "JT01", "", *BODY[1][3:6], ""]
    assert read(book(*HEADER, BODY[0], again)) == EXPECTED[:2]


def test_data_below_a_subtotal_does_not_vanish(book: Callable[..., Path]) -> None:
    reason, came = refused(book(*HEADER, BODY[0], ["小计", "", "", 1], BODY[2]))
    assert (reason, came) == ("unreadable", "row 5, below the foot in row 4, looks like data")


def test_member_row_below_a_subtotal_does_not_vanish(book: Callable[..., Path]) -> None:
    assert refused(book(*HEADER, BODY[0], ["小计"], BODY[1]))[0] == "unreadable"


def test_totals_and_signatures_below_the_foot_are_foot(book: Callable[..., Path]) -> None:
    foot = [["小计", "", "", 1, 2, 3], ["合计", "", "", 1, 2, 3], [], ["", "签字：", "", "盖章"]]
    assert read(book(*HEADER, BODY[0], *foot)) == EXPECTED[:1]


def test_sheet_without_the_header(book: Callable[..., Path]) -> None:
    assert refused(book(["a", "b"])) == ("schema_drift", f"no header row with a cell {FAMILY!r}")
    assert refused(book(), header_starts_with=None)[0] == "schema_drift"


def test_missing_sheet_column_and_group(book: Callable[..., Path]) -> None:
    path = book(*HEADER, *BODY)
    assert refused(path, sheet="另一页") == ("schema_drift", "no sheet '另一页'")
    assert refused(path, fields=("户主/性别",)) == ("schema_drift", "column(s) missing: 户主/性别")
    assert refused(path, fill_down=["户"]) == ("schema_drift", "column(s) missing: 户")


def test_first_sheet_where_none_is_named(book: Callable[..., Path]) -> None:
    assert read(book(*HEADER, *BODY, sheet="任意"), sheet=None) == EXPECTED


@pytest.mark.parametrize("depth", [0, -1, "2", None])
def test_header_rows_must_be_a_number(book: Callable[..., Path], depth: object) -> None:
    with pytest.raises(StopError, match="header_rows"):
        read(book(*HEADER), header_rows=depth)


@pytest.mark.parametrize("content", [b"", b"<html><table><tr><td>1</td></tr></table>", b"a,b\n1,2\n", b"PK\x03\x04cut"])
def test_what_is_no_workbook(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.xlsx"
    path.write_bytes(content)
    reason, came = refused(path)
    assert reason == "unreadable"
    assert came.startswith("no readable workbook")


def test_half_a_workbook(book: Callable[..., Path]) -> None:
    path = book(*HEADER, *BODY)
    path.write_bytes(path.read_bytes()[:-200])
    assert refused(path)[0] == "unreadable"


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([["a", "b"]], ["a", "b"]),
        ([["户 主", "", "x"], ["姓名", "证号", ""]], ["户主/姓名", "户主/证号", "x"]),
        # Right of a cell with nothing below, a lower name stands alone.
        ([["a", ""], ["", "b"]], ["a", "b"]),
        ([["a", "", "c"], ["1", "2", "3"]], ["a/1", "a/2", "c/3"]),
        ([["a", "", "", ""], ["b", "", "c", ""], ["1", "2", "3", "4"]], ["a/b/1", "a/b/2", "a/c/3", "a/c/4"]),
        ([["a", "", "d", ""], ["b", "", "", ""], ["1", "2", "3", "4"]], ["a/b/1", "a/b/2", "d/3", "d/4"]),
        ([["a", None], [None]], ["a", ""]),
        ([], []),
    ],
)
def test_header_names(rows: list[list[str | None]], names: list[str]) -> None:
    assert header_names(rows) == names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        (" ", " "),
        ("01", "01"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (1e-7, "0.0000001"),
        # An ID kept as a number: Excel has 15 digits of it, and no more are invented.
        (3.2030519900101e17, "320305199001010000"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None), "2026-01-02T03:04:05"),
    ],
)
def test_cell_text(value: object, text: str | None) -> None:
    assert cell_text(value) == text


# What XML 1.0 and xlsx can hold; a leading or trailing blank counts.
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"], exclude_characters="_"), max_size=8
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            texts.filter(str.strip),
            st.integers(-(10**15), 10**15) | st.floats(-1e15, 1e15, allow_subnormal=False),
            st.dates(date(1900, 3, 1)),
        ),
        max_size=6,
    )
)
def test_what_was_written_is_read(rows: list[tuple[str, float, date]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder) / "f.xlsx", [["甲", "乙", "丙"], *rows], sheet="页")
        found = read(
            path, ["甲", "乙", "丙"], sheet="页", header_rows=1, header_starts_with="甲", fill_down=[], stop_at=[]
        )
    assert [row[0] for row in found] == [row[0] for row in rows]
    assert [float(str(row[1])) for row in found] == pytest.approx([row[1] for row in rows], rel=1e-14)
    assert [row[2] for row in found] == [row[2].isoformat() for row in rows]
