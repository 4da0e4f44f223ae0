"""Files as departments make them: GB18030 CSV, and Excel with a title, a unit row, merged headers and foot rows."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter
from python_calamine import CalamineWorkbook

from samples.faults import FILE, KEY

ENCODING = "gb18030"


@dataclass(frozen=True)
class Sheet:
    """How one Excel roll looks.

    Args:
        name: the sheet's name.
        title: the merged row on top.
        unit_row: the row below it: who reports, and in which units.
        headers: physical names; `upper/lower` makes a header of two rows, equal upper ones are merged.
        extra: a header without data at the end, which no contract names.
        numbers: headers whose cells are numbers.
        merged: headers whose cells are merged over the rows of one group; the first of them tells the groups.
        foot: rows after the last one, each text in the first cell.
    """

    name: str
    title: str
    unit_row: str
    headers: Sequence[str]
    extra: str
    numbers: Sequence[str] = ()
    merged: Sequence[str] = ()
    foot: Sequence[str] = ()
    notes: Sequence[str] = field(default=("1. 本表由系统导出，证件号码列为文本格式。", "2. 如有差错请与填报单位联系。"))

    @property
    def header_rows(self) -> int:
        """One or two."""
        return 2 if any("/" in header for header in self.headers) else 1

    @property
    def first_row(self) -> int:
        """The number of the first row of data, as a spreadsheet shows it."""
        return 2 + self.header_rows + 1


def with_keys(table: pa.Table, file: str, first_row: int) -> pa.Table:
    """Add the hidden columns that say in which file and physical row each row stands."""
    rows = pa.array([str(first_row + number) for number in range(len(table))], pa.string())
    return table.append_column(FILE, pa.array([file] * len(table), pa.string())).append_column(KEY, rows)


def visible(table: pa.Table) -> pa.Table:
    """The table without its hidden columns."""
    return table.select([name for name in table.column_names if not name.startswith("_")])


def csv_bytes(table: pa.Table) -> bytes:
    """A GB18030 CSV with a header line and CRLF ends; missing values are empty."""
    shown = visible(table)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(shown.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in shown.columns), strict=True))
    return buffer.getvalue().encode(ENCODING)


def write_excel(path: Path, sheet: Sheet, table: pa.Table, made: datetime) -> None:
    """Write a roll; `made` is the time the file claims to be made at."""
    book = xlsxwriter.Workbook(path, {"strings_to_numbers": False})
    book.set_properties({"created": made.replace(tzinfo=UTC), "author": sheet.title})
    page = book.add_worksheet(sheet.name)
    bold = book.add_format({"bold": True, "align": "center", "valign": "vcenter", "border": 1})
    cell = book.add_format({"valign": "vcenter", "num_format": "@"})
    _write_head(page, sheet, bold)
    columns = {name: table[name].to_pylist() for name in sheet.headers}
    for place, header in enumerate(sheet.headers):
        if header not in sheet.merged:
            _write_column(page, sheet, place, columns[header], header in sheet.numbers, cell)
    _write_merged(page, sheet, columns, cell)
    for number, text in enumerate(sheet.foot):
        page.write_string(sheet.first_row - 1 + len(table) + number, 0, text)
    page.set_column(0, len(sheet.headers), 18)
    page.freeze_panes(sheet.first_row - 1, 0)
    notes = book.add_worksheet("填表说明")
    for number, text in enumerate(sheet.notes):
        notes.write_string(number, 0, text)
    book.close()


def read_list(path: Path, sheet: Sheet | None, rows: int) -> pa.Table:
    """Read back a list as it was delivered: a CSV whole, or so many rows of a workbook, merged cells filled down."""
    if sheet is None:
        lines = list(csv.reader(io.StringIO(path.read_bytes().decode(ENCODING), newline="")))
        found = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
        return pa.Table.from_pylist(found, pa.schema([(name, pa.string()) for name in lines[0]]))
    with CalamineWorkbook.from_path(path) as book:
        cells = book.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
    kinds = {name: pa.float64() if name in sheet.numbers else pa.string() for name in sheet.headers}
    filled: list[dict[str, Any]] = []
    for line in cells[sheet.first_row - 1 : sheet.first_row - 1 + rows]:
        row = {name: None if value == "" else value for name, value in zip(sheet.headers, line, strict=False)}
        above = filled[-1] if filled else row
        filled.append(row | {name: above[name] for name in sheet.merged if row[name] is None})
    return pa.Table.from_pylist(filled, pa.schema(list(kinds.items())))


def _write_head(page: Any, sheet: Sheet, style: Any) -> None:
    last = len(sheet.headers)
    page.merge_range(0, 0, 0, last, sheet.title, style)
    page.merge_range(1, 0, 1, last, sheet.unit_row)
    headers = [*sheet.headers, sheet.extra]
    if sheet.header_rows == 1:
        page.write_row(2, 0, headers, style)
        return
    place = 0
    for upper, group in groupby(headers, key=lambda header: header.split("/")[0]):
        names = list(group)
        if "/" not in names[0]:
            page.merge_range(2, place, 3, place, upper, style)
        elif len(names) == 1:
            page.write(2, place, upper, style)
            page.write(3, place, names[0].split("/")[1], style)
        else:
            page.merge_range(2, place, 2, place + len(names) - 1, upper, style)
            page.write_row(3, place, [name.split("/")[1] for name in names], style)
        place += len(names)


def _write_column(page: Any, sheet: Sheet, place: int, values: Sequence[Any], number: bool, style: Any) -> None:
    write = page.write_number if number else page.write_string
    for row, value in enumerate(values, start=sheet.first_row - 1):
        if value is not None:
            write(row, place, value, None if number else style)


def _write_merged(page: Any, sheet: Sheet, columns: dict[str, list[Any]], style: Any) -> None:
    if not sheet.merged:
        return
    row = sheet.first_row - 1
    for _, group in groupby(columns[sheet.merged[0]]):
        size = len(list(group))
        for header in sheet.merged:
            place = list(sheet.headers).index(header)
            value = columns[header][row - sheet.first_row + 1] or ""
            if size > 1:
                page.merge_range(row, place, row + size - 1, place, value, style)
            else:
                page.write_string(row, place, value, style)
        row += size
