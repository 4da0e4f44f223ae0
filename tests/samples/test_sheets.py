"""Files look as departments make them."""

from datetime import datetime

import openpyxl
import pyarrow as pa

from samples.sheets import Sheet, csv_bytes, with_keys, write_excel

TABLE = pa.table(
    {
        "家庭编号": ["1", "1", "2"],
        "户主/姓名": ["甲", "甲", "丙"],
        "成员/姓名": ["甲", "乙", "丙"],
        "成员/金额": [10.0, 20.5, 30.0],
    }
)
SHEET = Sheet(
    name="册",
    title="花名册",
    unit_row="单位：元",
    headers=tuple(TABLE.column_names),
    extra="备注",
    numbers=("成员/金额",),
    merged=("家庭编号", "户主/姓名"),
    foot=("合计：3 人", "制表人："),
)


def test_excel_has_title_unit_merged_headers_merged_cells_and_foot(tmp_path):
    path = tmp_path / "册.xlsx"
    write_excel(path, SHEET, TABLE, datetime(2026, 11, 1))  # noqa: DTZ001 - a file's own clock
    page = openpyxl.load_workbook(path)["册"]
    rows = list(page.iter_rows(values_only=True))
    assert rows[0][0] == "花名册"
    assert rows[1][0] == "单位：元"
    assert rows[2] == ("家庭编号", "户主", "成员", None, "备注")
    assert rows[3] == (None, "姓名", "姓名", "金额", None)
    assert rows[4] == ("1", "甲", "甲", 10, None)
    assert rows[5] == (None, None, "乙", 20.5, None)
    assert rows[6] == ("2", "丙", "丙", 30, None)
    assert [row[0] for row in rows[7:]] == ["合计：3 人", "制表人："]
    merged = {str(area) for area in page.merged_cells.ranges}
    assert {"A1:E1", "A3:A4", "C3:D3", "A5:A6", "B5:B6"} <= merged
    assert SHEET.first_row == 5


def test_excel_files_of_equal_rows_are_equal(tmp_path):
    paths = [tmp_path / name for name in ("a.xlsx", "b.xlsx")]
    for path in paths:
        write_excel(path, SHEET, TABLE, datetime(2026, 11, 1))  # noqa: DTZ001 - a file's own clock
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_csv_is_gb18030_without_hidden_columns():
    table = with_keys(pa.table({"姓名": ["湖㳇", None], "号": ["1", "2"]}), "x.csv", 2)
    assert csv_bytes(table) == "姓名,号\r\n湖㳇,1\r\n,2\r\n".encode("gb18030")
    assert table["_key"].to_pylist() == ["2", "3"]
