"""Fixed-width deliveries: cells cut out of each line at agreed places, counted in bytes or in characters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from connectors.base import Request
from connectors.drops import unreadable
from connectors.file_options import FixedWidth
from connectors.options import part_of
from connectors.rows import column_positions
from connectors.text_chunks import TextChunk
from connectors.text_file import Lines, agreed_encoding, wrong_encoding

__all__ = ["fixed_width_rows"]

_END_OF_FILE: Final = b"\x1a"
"""Ends a text file of DOS, and of mainframes that write such."""


def fixed_width_rows(
    path: Path, request: Request, where: str, available: dict[str, str], chunk: TextChunk | None = None
) -> Iterator[list[str | None]]:
    """Give the wanted cells of each line without the blanks that fill them; empty lines are skipped.

    Args:
        path: The file.
        request: Its `columns` are a list of `{name, start, width}`, `start` counted from 1 in `unit`: `bytes` of the
            encoded line (default, as tables written for GB encodings count) or `characters`. `encoding` is the agreed
            one. `line_width` is the length of a whole line (default: to the end of the last column). With `short_lines:
            true` lines may have lost their blanks at the end. `skip_lines` is how many lines stand above the data.
        where: The file as errors name it.
        available: Is given every column agreed.
        chunk: Which rows; all where it is not told.

    Raises:
        SetAsideError: `encoding_invalid` (also where a cell begins or ends amid a character), `schema_drift`, or
            `unreadable`: a line of another length.
        StopError: The columns cannot be right, or the encoding does not keep line breaks apart.
    """
    layout = part_of(FixedWidth, request)
    chunk = chunk or TextChunk()
    encoding = agreed_encoding(path, layout.encoding, where, look=chunk.is_first)
    names = [column.name for column in layout.columns]
    available.update(dict.fromkeys(names, "text"))
    positions = column_positions(names, request, where)
    slices = [slice(column.start - 1, column.end) for column in layout.columns]
    cuts = [None if position < 0 else slices[position] for position in positions]
    with path.open("rb") as file:
        lines = Lines(file, where)
        chunk.enter(lines)
        for line in lines:
            text = _text(line, lines.number, encoding)
            lines.taken.clear()
            if text and lines.number > layout.skip_lines:
                if chunk.full:
                    return
                chunk.took(lines)
                yield _cells(text, layout, cuts, encoding.removesuffix("-sig"), lines.number, where)
        chunk.ended()


def _text(line: bytes, number: int, encoding: str) -> bytes:
    if number == 1 and encoding == "utf-8-sig":
        line = line[3:]
    line = line.rstrip(b"\r\n")
    return b"" if line == _END_OF_FILE else line


def _cells(
    line: bytes, layout: FixedWidth, cuts: list[slice | None], encoding: str, number: int, where: str
) -> list[str | None]:
    try:
        characters = line.decode(encoding)
        in_bytes, width = layout.unit == "bytes", layout.width
        length = len(line) if in_bytes else len(characters)
        if length > width or (length < width and not layout.short_lines):
            raise unreadable(
                where,
                f"line {number} is {length} {layout.unit} long",
                f"lines of {width}",
                "ask the department to export it again, or correct `columns` or `line_width` in the contract",
            )
        if in_bytes:
            return [None if cut is None else line[cut].decode(encoding).strip(" ") for cut in cuts]
        return [None if cut is None else characters[cut].strip(" ") for cut in cuts]
    except UnicodeError:
        raise wrong_encoding(
            where, f"line {number} has bytes that are not {encoding}, or a column cuts a character there", encoding
        ) from None
