"""Fixed-width deliveries: cells cut out of each line at agreed places, counted in bytes or in characters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from connectors.base import Request
from connectors.drops import unreadable
from connectors.errors import StopError
from connectors.rows import column_positions
from connectors.text_file import Lines, agreed_encoding, wrong_encoding

__all__ = ["fixed_width_rows"]

_UNITS: Final = ("bytes", "characters")
_END_OF_FILE: Final = b"\x1a"
"""Ends a text file of DOS, and of mainframes that write such."""


@dataclass(frozen=True)
class _Layout:
    """How a line is cut.

    Attributes:
        columns: Name -> the places it takes, from 0.
        width: Length of a whole line.
        in_bytes: Whether places and lengths are counted in bytes.
        short_lines: Whether a line may be shorter.
        skip: How many lines stand above the data.
    """

    columns: dict[str, slice]
    width: int
    in_bytes: bool
    short_lines: bool
    skip: int


def fixed_width_rows(path: Path, request: Request, where: str, available: dict[str, str]) -> Iterator[list[str | None]]:
    """Give the wanted cells of each line without the blanks that fill them; empty lines are skipped.

    Args:
        path: The file.
        request: Its `columns` are a list of `{name, start, width}`, `start` counted from 1 in `unit`: `bytes` of the
            encoded line (default, as tables written for GB encodings count) or `characters`. `encoding` is the agreed
            one. `line_width` is the length of a whole line (default: to the end of the last column). With `short_lines:
            true` lines may have lost their blanks at the end. `skip_lines` is how many lines stand above the data.
        where: The file as errors name it.
        available: Is given every column agreed.

    Raises:
        SetAsideError: `encoding_invalid` (also where a cell begins or ends amid a character), `schema_drift`, or
            `unreadable`: a line of another length.
        StopError: The columns cannot be right, or the encoding does not keep line breaks apart.
    """
    layout = _layout(request)
    encoding = agreed_encoding(path, request)
    if "\n".encode(encoding.removesuffix("-sig")) != b"\n":
        raise _misconfigured(request, f"encoding {encoding!r}", "one with line breaks of one byte, such as gb18030")
    available.update(dict.fromkeys(layout.columns, "text"))
    positions = column_positions(list(layout.columns), request, where)
    slices = list(layout.columns.values())
    cuts = [None if position < 0 else slices[position] for position in positions]
    with path.open("rb") as file:
        lines = Lines(file, where)
        for line in lines:
            text = _text(line, lines.number, encoding)
            lines.taken.clear()
            if text and lines.number > layout.skip:
                yield _cells(text, layout, cuts, encoding.removesuffix("-sig"), lines.number, where)


def _text(line: bytes, number: int, encoding: str) -> bytes:
    if number == 1 and encoding == "utf-8-sig":
        line = line[3:]
    line = line.rstrip(b"\r\n")
    return b"" if line == _END_OF_FILE else line


def _cells(
    line: bytes, layout: _Layout, cuts: list[slice | None], encoding: str, number: int, where: str
) -> list[str | None]:
    try:
        characters = line.decode(encoding)
        length = len(line) if layout.in_bytes else len(characters)
        if length > layout.width or (length < layout.width and not layout.short_lines):
            raise unreadable(
                where,
                f"line {number} is {length} {_UNITS[not layout.in_bytes]} long",
                f"lines of {layout.width}",
                "ask the department to export it again, or correct `columns` or `line_width` in the contract",
            )
        if layout.in_bytes:
            return [None if cut is None else line[cut].decode(encoding).strip(" ") for cut in cuts]
        return [None if cut is None else characters[cut].strip(" ") for cut in cuts]
    except UnicodeError:
        raise wrong_encoding(
            where, f"line {number} has bytes that are not {encoding}, or a column cuts a character there", encoding
        ) from None


def _layout(request: Request) -> _Layout:
    told = request.option("columns")
    unit = request.options.get("unit", "bytes")
    if unit not in _UNITS:
        raise _misconfigured(request, f"unit {unit!r}", " or ".join(_UNITS))
    columns: dict[str, slice] = {}
    for entry in told if isinstance(told, list) else [None]:
        name, start, width = _column(entry, request)
        if name in columns:
            raise _misconfigured(request, f"column {name} twice", "each name once")
        columns[name] = slice(start - 1, start - 1 + width)
    needed = max((cut.stop for cut in columns.values()), default=0)
    line_width = request.options.get("line_width", needed)
    skip = request.options.get("skip_lines", 0)
    if not _whole_number(line_width, needed) or not _whole_number(skip, 0):
        raise _misconfigured(
            request, f"line_width {line_width!r}, skip_lines {skip!r}", f"a number from {needed} on, one from 0 on"
        )
    return _Layout(columns, line_width, unit == "bytes", request.options.get("short_lines") is True, skip)


def _column(entry: Any, request: Request) -> tuple[str, int, int]:
    given = entry if isinstance(entry, dict) else {}
    name, start, width = given.get("name"), given.get("start"), given.get("width")
    if not name or not isinstance(name, str) or not _whole_number(start, 1) or not _whole_number(width, 1):
        raise _misconfigured(request, "a column not told whole", "{name: 姓名, start: 19, width: 30}, from 1 on")
    return name, start, width


def _whole_number(value: Any, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _misconfigured(request: Request, came: str, allowed: str) -> StopError:
    return StopError(f"pull of {request.tail}", came, allowed, f"correct schemas/sources/{request.tail}.yml")
