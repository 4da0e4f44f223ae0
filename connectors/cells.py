"""Cells of workbooks as text; run as a program, it reads an old `.xls` apart from the hub's own process.

calamine follows whatever a spoiled OLE file points at, without end where it points in a circle, until the memory is
full and the process ends. As a program of its own that is a program's end, and the file is set aside.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook, WorksheetNotFound

__all__ = ["NO_SHEET", "UNREADABLE", "cell_text"]

NO_SHEET: Final = 3
UNREADABLE: Final = 4
"""Exit codes; any other but 0 means that the reader broke."""
_MEMORY: Final = 4 << 30
"""The largest sheet an xls can hold takes a tenth."""
_SECONDS: Final = 600


def cell_text(value: Any) -> str | None:
    """Return a cell as text: whole numbers without `.0`, no exponent, ISO dates, text as it is, blank as None."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        text = format(Decimal(repr(value)), "f")
        return text.removesuffix(".0")
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)


def main(sheet: str) -> int:
    """Read a workbook from standard input and write each row as one line of JSON, its cells as text.

    Args:
        sheet: The sheet's name; the first sheet where it is empty.

    Returns:
        The exit code.
    """
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        workbook = CalamineWorkbook.from_filelike(sys.stdin.buffer)
        found = workbook.get_sheet_by_name(sheet) if sheet else workbook.get_sheet_by_index(0)
        for cells in found.iter_rows():
            sys.stdout.write(json.dumps([cell_text(value) for value in cells]) + "\n")
    except WorksheetNotFound:
        return NO_SHEET
    except (CalamineError, OverflowError, ValueError):
        return UNREADABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
