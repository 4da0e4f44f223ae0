"""CSV deliveries: strictly decoded, every physical line accounted for, all cells text."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path

from connectors.base import Request
from connectors.errors import SetAsideError, StopError
from connectors.rows import column_positions

__all__ = ["csv_rows"]


def csv_rows(path: Path, request: Request, where: str) -> Iterator[list[str | None]]:
    """Give the wanted cells of each row; blank lines are skipped, empty cells stay empty text.

    Args:
        path: The file.
        request: Its `encoding` is the agreed one; a UTF-8 byte order mark overrides it.
        where: The file as errors name it.

    Raises:
        SetAsideError: `encoding_invalid`, `schema_drift`, or `unreadable`: no header, quotes that do not close, a row
            with another number of cells than the header, or a quote that swallowed the next row.
        StopError: Python knows no such encoding.
    """
    encoding = _encoding(path, str(request.option("encoding")), request.tail)
    with path.open(encoding=encoding, errors="strict", newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise _unreadable(where, "no line in it")
            positions = _positions(header, request, where, path)
            lines.taken.clear()
            for cells in reader:
                if cells:
                    _whole(cells, len(header), lines, where)
                    yield [cells[position] for position in positions]
                lines.taken.clear()
        except UnicodeDecodeError:
            raise _wrong_encoding(where, _undecodable(path, encoding), encoding) from None
        except csv.Error:
            raise _unreadable(
                where, f"a quote that is not closed or stands amid a cell by line {lines.number}"
            ) from None


class _Lines:
    """Physical lines of a file, counted; `taken` holds those of the record being read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.taken.append(line)
        return line


def _encoding(path: Path, declared: str, tail: str) -> str:
    try:
        codecs.lookup(declared)
    except LookupError:
        raise StopError(
            f"pull of {tail}",
            f"encoding {declared!r}",
            "gb18030, utf-8, …",
            f"correct it in schemas/sources/{tail}.yml",
        ) from None
    with path.open("rb") as file:
        return "utf-8-sig" if file.read(3) == codecs.BOM_UTF8 else declared


def _positions(header: list[str], request: Request, where: str, path: Path) -> list[int]:
    try:
        return column_positions(header, request.fields, where)
    except SetAsideError:
        # UTF-8 read as GB18030 seldom fails to decode; it shows as a header of other characters.
        with path.open("rb") as file:
            line = file.readline()
        try:
            column_positions(next(csv.reader([line.decode("utf-8")])), request.fields, where)
        except (SetAsideError, UnicodeDecodeError, csv.Error, StopIteration):
            pass
        else:
            raise _wrong_encoding(where, "its header is UTF-8", str(request.options["encoding"])) from None
        raise


def _undecodable(path: Path, encoding: str) -> str:
    """Name the first line that cannot be decoded; no line break is part of a character in the encodings met."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return f"line {number} has bytes that are not {encoding}"
    return f"bytes that are not {encoding}"


def _wrong_encoding(where: str, came: str, encoding: str) -> SetAsideError:
    return SetAsideError(
        where,
        came,
        f"{encoding} throughout, or UTF-8 with a byte order mark",
        "ask the department to export it again in the agreed encoding",
        reason="encoding_invalid",
    )


def _whole(cells: list[str], width: int, lines: _Lines, where: str) -> None:
    if len(cells) != width:
        raise _unreadable(where, f"line {lines.number} has {len(cells)} cells where the header has {width}")
    if len(lines.taken) > 1 and sum(line.count(",") >= width - 1 for line in lines.taken) > 1:
        # A cell may hold a line break, but not what looks like the end of one row and the whole of the next.
        raise _unreadable(where, f"a quote swallowed the end of a row by line {lines.number}")


def _unreadable(where: str, came: str) -> SetAsideError:
    return SetAsideError(
        where,
        came,
        "comma-separated rows of as many cells as the header, quotes in pairs (RFC 4180)",
        "ask the department to export it again",
        reason="unreadable",
    )
