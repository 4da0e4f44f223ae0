"""Excel deliveries: merged header rows joined to names, household cells filled down, the foot left out, all text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, WorksheetNotFound

from connectors.base import Request
from connectors.errors import SetAsideError, StopError
from connectors.rows import column_positions, schema_drift

__all__ = ["cell_text", "excel_rows", "header_names"]

Cells = list[str | None]


def excel_rows(path: Path, request: Request, where: str) -> Iterator[Cells]:
    """Give the wanted cells of each row of a sheet; empty rows are skipped, empty cells are null.

    Args:
        path: The workbook (xlsx, xls, xlsb, ods).
        request: Options `sheet` (default: the first), `header_starts_with` (the text of one cell of the header's first
            row; default: the first row with text), `header_rows` (default 1), `fill_down` (columns merged over the rows
            of a group; the first of them names the group), `stop_at` (how the first cell of the foot begins).
        where: The file as errors name it.

    Raises:
        SetAsideError: `schema_drift` (no such sheet, header, column), `unreadable` (no workbook, data below the foot).
        StopError: `header_rows` is no whole number from 1 on.
    """
    rows = [_texts(cells) for cells in _sheet(path, request, where).iter_rows()]
    start, depth = _header_start(rows, request, where), _depth(request)
    header = header_names(rows[start : start + depth])
    positions = column_positions(header, request.fields, where)
    groups = column_positions(header, tuple(request.options.get("fill_down", ())), where)
    stops = tuple(str(word) for word in request.options.get("stop_at", ()))
    above: Cells = [None] * len(header)
    for number, cells in enumerate(rows[start + depth :], start=start + depth + 1):
        first = _first(cells)
        if first is None:
            continue
        if stops and first.startswith(stops):
            _nothing_below(rows[number:], number, [p for p in positions if p not in groups], stops, where)
            return
        if groups:
            _fill(cells, above, groups)
            above = cells
        yield [cells[position] for position in positions]


def header_names(rows: Sequence[Sequence[str | None]]) -> list[str]:
    """Join each column's header cells to one name, the upper before the lower: `户主/姓名`.

    A blank cell right of one that spans several columns belongs to it; a cell with nothing below stands alone.
    """
    names: list[str] = []
    left: Cells = [None] * len(rows)
    for position in range(max((len(row) for row in rows), default=0)):
        path = [_clean(row[position]) if position < len(row) else None for row in rows]
        for level in range(len(path) - 1):
            spanned = path[level] is None and any(path[level + 1 :]) and any(left[level + 1 :])
            if spanned and path[:level] == left[:level]:
                path[level] = left[level]
        names.append("/".join(part for part in path if part))
        left = path
    return names


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


def _texts(cells: Sequence[Any]) -> Cells:
    return [cell_text(value) for value in cells]


def _clean(text: str | None) -> str | None:
    return "".join(text.split()) or None if text else None


def _first(cells: Sequence[str | None]) -> str | None:
    return next((text.strip() for text in cells if text and text.strip()), None)


def _sheet(path: Path, request: Request, where: str) -> CalamineSheet:
    wanted = request.options.get("sheet")
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        return workbook.get_sheet_by_name(str(wanted)) if wanted else workbook.get_sheet_by_index(0)
    except WorksheetNotFound:
        raise schema_drift(where, f"no sheet {wanted!r}", request.fields) from None
    except CalamineError as error:
        raise SetAsideError(
            where,
            f"no readable workbook ({type(error).__name__})",
            "a whole xlsx or xls file without password; not a web page or text named so",
            "ask the department to save it as xlsx and send it again",
            reason="unreadable",
        ) from None


def _depth(request: Request) -> int:
    depth = request.options.get("header_rows", 1)
    if not isinstance(depth, int) or depth < 1:
        raise StopError(
            f"pull of {request.tail}",
            f"header_rows {depth!r}",
            "1, 2, 3, …",
            f"correct schemas/sources/{request.tail}.yml",
        )
    return depth


def _header_start(rows: Sequence[Cells], request: Request, where: str) -> int:
    wanted = _clean(str(request.options.get("header_starts_with") or ""))
    for number, cells in enumerate(rows):
        if any(_clean(text) == wanted for text in cells) if wanted else _first(cells):
            return number
    raise schema_drift(where, f"no header row with a cell {wanted!r}" if wanted else "no row with text", request.fields)


def _fill(cells: Cells, above: Cells, groups: Sequence[int]) -> None:
    """Give a row of the same group the merged cells of the row above; another group's blanks stay blank."""
    if cells[groups[0]] is None or cells[groups[0]] == above[groups[0]]:
        for position in groups:
            if cells[position] is None:
                cells[position] = above[position]


def _nothing_below(
    rows: Sequence[Cells], above: int, positions: Sequence[int], stops: tuple[str, ...], where: str
) -> None:
    """Assert that no row below the foot looks like data, for it would vanish."""
    for number, cells in enumerate(rows, start=above + 1):
        filled = sum(1 for position in positions if cells[position])
        if filled * 2 > len(positions) and not (_first(cells) or "").startswith(stops):
            raise SetAsideError(
                where,
                f"row {number}, below the foot in row {above}, looks like data",
                "no data below a row that begins with " + ", ".join(stops),
                "ask the department for a list without subtotals amid it, or correct `stop_at`",
                reason="unreadable",
            )
