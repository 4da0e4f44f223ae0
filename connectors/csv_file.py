"""CSV deliveries: strictly decoded, every physical line accounted for, all cells text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from connectors.base import Request
from connectors.drops import unreadable
from connectors.errors import SetAsideError
from connectors.file_options import Csv
from connectors.options import part_of
from connectors.rows import column_positions
from connectors.text_chunks import TextChunk
from connectors.text_file import Lines, agreed_encoding, undecodable, wrong_encoding

__all__ = ["csv_cells", "csv_rows"]

csv.field_size_limit(1 << 24)
"""Python's own limit of 128 KiB is less than an outline of a village in WKT."""

_ALLOWED: Final = "rows of as many cells as the header, at the agreed delimiter, quotes in pairs (RFC 4180)"


def csv_rows(
    path: Path, request: Request, where: str, available: dict[str, str], chunk: TextChunk | None = None
) -> Iterator[list[str | None]]:
    """Give the wanted cells of each row; blank lines are skipped, empty cells stay empty text.

    Args:
        path: The file.
        request: Its `encoding` is the agreed one; a UTF-8 byte order mark overrides it. `delimiter` is one character,
            a comma where it is not set.
        where: The file as errors name it.
        available: Is given every column of the file.
        chunk: Which rows; all where it is not told.

    Raises:
        SetAsideError: `encoding_invalid`, `schema_drift`, or `unreadable`: no header, quotes that do not close, a row
            with another number of cells than the header, or a quote that swallowed the next row.
        StopError: Python knows no such encoding, or the delimiter is no single character.
    """
    chunk = chunk or TextChunk()
    options = part_of(Csv, request)
    encoding, delimiter = agreed_encoding(path, options.encoding, where, look=chunk.is_first), options.delimiter
    with path.open(encoding=encoding, errors="strict", newline="") as file:
        lines = Lines(file, where)
        rows = csv_cells(lines, delimiter, where)
        try:
            header = next(rows, None)
            if header is None:
                raise unreadable(where, "no line in it", _ALLOWED)
            available.update(dict.fromkeys(header, "text"))
            positions = _positions(header, request, where, path, delimiter)
            chunk.enter(lines)
            for cells in rows:
                if cells:
                    if chunk.full:
                        return
                    _whole(cells, len(header), lines, delimiter, where)
                    chunk.took(lines)
                    yield [None if position < 0 else cells[position] for position in positions]
            chunk.ended()
        except UnicodeError:
            raise wrong_encoding(where, undecodable(path, encoding), encoding) from None


def csv_cells(lines: Lines[str], delimiter: str, where: str) -> Iterator[list[str]]:
    """Give the cells of each record; a line without any gives none.

    Raises:
        SetAsideError: `unreadable`; a quote does not close or stands amid a cell.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield cells
            lines.taken.clear()
    except csv.Error:
        raise unreadable(
            where, f"a quote that is not closed or stands amid a cell by line {lines.number}", _ALLOWED
        ) from None


def _positions(header: list[str], request: Request, where: str, path: Path, delimiter: str) -> list[int]:
    try:
        return column_positions(header, request, where)
    except SetAsideError:
        # UTF-8 read as GB18030 seldom fails to decode; it shows as a header of other characters.
        with path.open("rb") as file:
            line = file.readline()
        try:
            column_positions(next(csv.reader([line.decode("utf-8")], delimiter=delimiter)), request, where)
        except (SetAsideError, UnicodeDecodeError, csv.Error, StopIteration):
            pass
        else:
            raise wrong_encoding(where, "its header is UTF-8", part_of(Csv, request).encoding) from None
        raise


def _whole(cells: list[str], width: int, lines: Lines[str], delimiter: str, where: str) -> None:
    if len(cells) != width:
        raise unreadable(where, f"line {lines.number} has {len(cells)} cells where the header has {width}", _ALLOWED)
    if len(lines.taken) > 1 and sum(line.count(delimiter) >= width - 1 for line in lines.taken) > 1:
        # A cell may hold a line break, but not what looks like the end of one row and the whole of the next.
        raise unreadable(where, f"a quote swallowed the end of a row by line {lines.number}", _ALLOWED)
