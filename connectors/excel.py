"""Excel deliveries: merged header rows joined to names, household cells filled down, the foot left out, all text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.base import Request
from connectors.cells import cell_text
from connectors.drops import unreadable
from connectors.file_options import Excel
from connectors.options import part_of
from connectors.rows import column_positions, schema_drift
from connectors.workbooks import Cells, Rows, sheet

__all__ = ["excel_rows", "header_names"]


def excel_rows(path: Path, request: Request, where: str, available: dict[str, str]) -> Iterator[Cells]:
    """Give the wanted cells of each row of a sheet; empty rows are skipped, empty cells are null.

    Args:
        path: The workbook (xlsx, xls), or what systems save under the name `.xls`: a web page, or text with tabs.
        request: Options `sheet` (default: the first), `header_starts_with` (the text of one cell of the header's first
            row; default: the first row with text), `header_rows` (default 1), `fill_down` (columns merged over the rows
            of a group; the first of them names the group), `stop_at` (how the first cell of the foot begins).
        where: The file as errors name it.
        available: Is given every named column of the sheet.

    Raises:
        SetAsideError: `schema_drift` (no such sheet, header, column), `encoding_invalid`, `unreadable` (no workbook,
            cells outside the header's columns, data below the foot).
        StopError: `header_rows` is no whole number from 1 on.
    """
    depth = part_of(Excel, request).header_rows
    found = sheet(path, request, where)
    rows = enumerate((_texts(cells) for cells in found.rows), start=1)
    header = header_names([_header_start(rows, request, where), *(cells for _, cells in islice(rows, depth - 1))])
    available.update({name: "text" for name in header if name})
    yield from _body(rows, _Sheet(request, header, where, found))


class _Sheet:
    """Where a sheet's wanted columns stand, and what ends it."""

    def __init__(self, request: Request, header: list[str], where: str, rows: Rows) -> None:
        options = part_of(Excel, request)
        fill_down = options.fill_down
        self.where = where
        self.width = len(header)
        self.exact = rows.exact
        self.positions = column_positions(header, request, where)
        filled = column_positions(header, request, where, fill_down) if fill_down else []
        self.groups = [position for position in filled if position >= 0]
        self.own = [place for place in self.positions if place >= 0 and place not in self.groups]
        self.stops = options.stop_at

    def squared(self, cells: Cells, number: int) -> Cells:
        """Bring a row to the header's width; what lies outside would vanish."""
        if any(cells[self.width :]) or (self.exact and len(cells) != self.width):
            raise unreadable(
                self.where,
                f"row {number} has another number of cells than the header",
                "as many cells in each row as the header has",
            )
        return (cells + [None] * (self.width - len(cells)))[: self.width]


def _body(rows: Iterator[tuple[int, Cells]], found: _Sheet) -> Iterator[Cells]:
    above: Cells = [None] * found.width
    for number, raw in rows:
        first = _first(raw)
        if first is None:
            continue
        if found.stops and first.startswith(found.stops):
            _nothing_below(rows, number, found)
            return
        cells = found.squared(raw, number)
        if found.groups:
            _fill(cells, above, found.groups)
            above = cells
        yield [None if position < 0 else cells[position] for position in found.positions]


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


def _texts(cells: Sequence[Any]) -> Cells:
    return [cell_text(value) for value in cells]


def _clean(text: str | None) -> str | None:
    return "".join(text.split()) or None if text else None


def _first(cells: Sequence[str | None]) -> str | None:
    return next((text.strip() for text in cells if text and text.strip()), None)


def _header_start(rows: Iterator[tuple[int, Cells]], request: Request, where: str) -> Cells:
    wanted = _clean(part_of(Excel, request).header_starts_with)
    for _, cells in rows:
        if any(_clean(text) == wanted for text in cells) if wanted else _first(cells):
            return cells
    raise schema_drift(where, f"no header row with a cell {wanted!r}" if wanted else "no row with text", request.fields)


def _fill(cells: Cells, above: Cells, groups: Sequence[int]) -> None:
    """Give a row of the same group the merged cells of the row above; another group's blanks stay blank."""
    if cells[groups[0]] is None or cells[groups[0]] == above[groups[0]]:
        for position in groups:
            if cells[position] is None:
                cells[position] = above[position]


def _nothing_below(rows: Iterator[tuple[int, Cells]], foot: int, found: _Sheet) -> None:
    """Assert that no row below the foot looks like data, for it would vanish."""
    for number, cells in rows:
        filled = sum(1 for position in found.own if cells[position : position + 1] not in ([], [None], [""]))
        if filled * 2 > len(found.own) and not (_first(cells) or "").startswith(found.stops):
            raise unreadable(
                found.where,
                f"row {number}, below the foot in row {foot}, looks like data",
                "no data below a row that begins with " + ", ".join(found.stops),
                "ask the department for a list without subtotals amid it, or correct `stop_at`",
            )
