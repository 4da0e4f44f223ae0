"""XML spreadsheets of Excel 2003, which many systems save under the name `.xls`: cells in their places, row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from connectors.cells import cell_text
from connectors.sheet_stream import MOST_COLUMNS, MOST_ROWS, NoSheetError, whole
from connectors.xml_stream import XmlError, elements, local

__all__ = ["is_xml_workbook", "xml_workbook_rows"]

Cells = list[str | None]

_NAMESPACE: Final = "urn:schemas-microsoft-com:office:spreadsheet"
_ROOT: Final = re.compile(r"<(?:\w+:)?Workbook\b")
_BLOCK: Final = 1 << 16
_WHOLE: Final = re.compile(r"-?[0-9]+")
_YEAR_OF_NO_DAY: Final = 1899
"""A time of day, which the format can only write as one of the day before its first."""


def is_xml_workbook(start: str) -> bool:
    """Tell by its beginning whether a text is an XML spreadsheet."""
    return _NAMESPACE in start and _ROOT.search(start) is not None


def xml_workbook_rows(path: Path, encoding: str, wanted: str | None) -> Iterator[Cells]:
    """Give the rows of a worksheet from its first on, cells as text, blank rows among them.

    As in a merged cell of a sheet, the text stands in the first of the cells it spans and the others are null.

    Args:
        path: The file.
        encoding: Proved before for the whole file; counts over what the file says.
        wanted: The worksheet's name; the first one where it is not told.

    Raises:
        NoSheetError: There is none of that name.
        XmlError: It cannot be read; the text says why, without a value.
    """
    within, number = False, 0
    for event, element in elements(_blocks(path, encoding), ("Worksheet", "Row"), starts=True, encoding="utf-8"):
        is_sheet = local(element.tag) == "Worksheet"
        if is_sheet and within:
            return
        if is_sheet:
            within = event == "start" and wanted in (None, _told(element, "Name"))
        elif within and event == "end":
            place = _place(element, number + 1, MOST_ROWS)
            yield from repeat([], place - number - 1)
            yield _cells(element)
            # A row may stand for several below it, which have no cells.
            number = min(place + whole(_told(element, "Span") or "0"), MOST_ROWS)
            yield from repeat([], number - place)
    raise NoSheetError


def _blocks(path: Path, encoding: str) -> Iterator[bytes]:
    with path.open(encoding=encoding, errors="strict", newline="") as file:
        yield file.read(_BLOCK).lstrip("\ufeff \t\r\n").encode()
        while text := file.read(_BLOCK):
            yield text.encode()


def _told(element: Any, name: str) -> str | None:
    """An attribute, which some writers leave without its namespace."""
    found = element.get(f"{{{_NAMESPACE}}}{name}")
    return str(found) if found is not None else element.get(name)


def _place(element: Any, following: int, most: int) -> int:
    told = _told(element, "Index")
    place = following if told is None else whole(told)
    if not following <= place <= most:
        raise XmlError("rows or cells out of order, or beyond the last a sheet can have")
    return place


def _cells(row: Any) -> Cells:
    cells: Cells = []
    for cell in row:
        if local(cell.tag) == "Cell":
            place = _place(cell, len(cells) + 1, MOST_COLUMNS)
            cells += repeat(None, place - len(cells) - 1)
            across = whole(_told(cell, "MergeAcross") or "0")
            if place + across > MOST_COLUMNS:
                raise XmlError("a cell in no column a sheet can have")
            cells += [_text(cell), *repeat(None, across)]
    return cells


def _text(cell: Any) -> str | None:
    data = next((child for child in cell if local(child.tag) == "Data"), None)
    if data is None:
        return None
    said, kind = "".join(data.itertext()), _told(data, "Type")
    if kind == "Number":
        return _number(said)
    if kind == "DateTime":
        return _moment(said)
    if kind == "Boolean" and said in ("0", "1"):
        return cell_text(said == "1")
    return None if kind == "Error" else said or None


def _number(said: str) -> str | None:
    """Whole numbers keep their digits, more of them than Excel itself would; what is no number stays text."""
    try:
        return said if _WHOLE.fullmatch(said) else cell_text(float(said))
    except ValueError:
        return said or None


def _moment(said: str) -> str | None:
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return said or None
    if moment.year == _YEAR_OF_NO_DAY:
        return cell_text(moment.time())
    return cell_text(moment if moment.time() != datetime.min.time() else moment.date())
