"""Workbooks: text stays text, days are days, and what does not fit is refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from hub.errors import StopError
from hub.exchange import workbook
from hub.exchange.workbook import write_workbook

SCHEMA = pa.schema([("证件号码", pa.string()), ("出生日期", pa.date32()), ("面积", pa.float64()), ("人数", pa.int64())])
ROWS = [
    {"证件号码": "320371195001010010", "出生日期": dt.date(1950, 1, 1), "面积": 31.5, "人数": 3},
    {"证件号码": "=1+1", "出生日期": None, "面积": None, "人数": None},
    {"证件号码": "https://a.example/", "出生日期": dt.date(2026, 11, 1), "面积": 0.0, "人数": 0},
]


def batches(rows: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist([row], schema=SCHEMA) for row in rows]


def sheet(path: Path, rows: list[dict[str, Any]], title: str = "名单", **options: Any) -> Any:
    assert write_workbook(batches(rows), SCHEMA, title, "马庄村 名单", path, **options) == len(rows)
    found = openpyxl.load_workbook(path).active
    assert found is not None
    return found


def test_caption_header_and_rows(tmp_path: Path) -> None:
    lines = list(sheet(tmp_path / "x.xlsx", ROWS).iter_rows(values_only=True))
    assert lines[0][0] == "马庄村 名单"
    assert lines[1] == ("证件号码", "出生日期", "面积", "人数")
    assert lines[2] == ("320371195001010010", dt.datetime(1950, 1, 1), 31.5, 3)  # noqa: DTZ001
    assert lines[3][1:] == (None, None, None)
    assert len(lines) == 5


def test_no_text_becomes_a_formula_a_number_or_a_link(tmp_path: Path) -> None:
    found = sheet(tmp_path / "x.xlsx", ROWS)
    cells = [found.cell(row, 1) for row in (3, 4, 5)]
    assert [cell.value for cell in cells] == ["320371195001010010", "=1+1", "https://a.example/"]
    assert [cell.data_type for cell in cells] == ["s", "s", "s"]
    assert [cell.hyperlink for cell in cells] == [None, None, None]


def test_header_stays_in_sight_and_can_be_filtered(tmp_path: Path) -> None:
    found = sheet(tmp_path / "x.xlsx", ROWS, widths={"证件号码": 22})
    assert (found.freeze_panes, found.auto_filter.ref) == ("A3", "A2:D5")
    assert found.column_dimensions["A"].width == pytest.approx(22, abs=1)
    assert found.column_dimensions["B"].width == pytest.approx(14, abs=1)


def test_no_rows_still_make_a_sheet(tmp_path: Path) -> None:
    assert sheet(tmp_path / "x.xlsx", []).max_row == 2


def test_sheet_names_have_what_excel_allows(tmp_path: Path) -> None:
    assert sheet(tmp_path / "x.xlsx", [], title="村（社区）名单[1]:*?/\\").title == "村社区名单1"
    assert len(sheet(tmp_path / "y.xlsx", [], title="长" * 40).title) == 31


def test_more_rows_than_a_sheet_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "_EXCEL_ROWS", 4)
    sheet(tmp_path / "x.xlsx", ROWS[:2])
    with pytest.raises(StopError, match=r"more rows than a worksheet holds.*take CSV"):
        write_workbook(batches(ROWS), SCHEMA, "名单", "", tmp_path / "y.xlsx")
