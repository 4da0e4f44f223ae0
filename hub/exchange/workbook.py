"""Workbooks for people: a caption, a header that stays in sight, filters, text as text; written as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter

from hub.errors import StopError

__all__ = ["write_workbook"]

_EXCEL_ROWS = 1_048_576
_NOT_IN_SHEET_NAMES = str.maketrans("", "", "[]:*?/\\（）")


def write_workbook(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    title: str,
    caption: str,
    path: Path,
    widths: Mapping[str, int] | None = None,
) -> int:
    """Write record batches into one worksheet.

    Args:
        batches: The rows.
        schema: Their columns; names are the header as people read it.
        title: Name of the sheet.
        caption: First line: whose data, of which day, for what use.
        path: Where the file goes.
        widths: Column -> width in characters, where it is not 14.

    Returns:
        How many rows were written.

    Raises:
        StopError: More rows came than a worksheet holds.
    """
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet(title.translate(_NOT_IN_SHEET_NAMES)[:31])
        head = book.add_format(
            {"bold": True, "bg_color": "#DCE9F5", "border": 1, "text_wrap": True, "valign": "vcenter"}
        )
        day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        for position, name in enumerate(schema.names):
            sheet.set_column(position, position, (widths or {}).get(name, 14))
        sheet.write_string(0, 0, caption, book.add_format({"bold": True, "font_size": 12}))
        for position, name in enumerate(schema.names):
            sheet.write_string(1, position, name, head)
        line = 2
        for batch in batches:
            if line + batch.num_rows > _EXCEL_ROWS:
                raise StopError(
                    title, "more rows than a worksheet holds", f"{_EXCEL_ROWS - 2} rows", "take CSV instead"
                )
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for position, value in enumerate(row):
                    _write_cell(sheet, line, position, value, day)
                line += 1
        sheet.freeze_panes(2, 0)
        sheet.autofilter(1, 0, max(line - 1, 1), len(schema.names) - 1)
    return line - 2


def _write_cell(sheet: Any, line: int, position: int, value: object, day: Any) -> None:
    if value is None:
        return
    if isinstance(value, str):
        # As a string always: an ID keeps its digits and "=…" stays text.
        sheet.write_string(line, position, value)
    elif isinstance(value, date | datetime):
        sheet.write_datetime(line, position, value, day)
    else:
        sheet.write_number(line, position, value)
