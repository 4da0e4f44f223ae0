"""Tables of web pages, which many systems save under the name `.xls`: cells with colspan and rowspan, row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from connectors.drops import unreadable

__all__ = ["html_rows"]

Cells = list[str | None]

_CHUNK: Final = 1 << 16
_LONGEST_TAG: Final = 1 << 24
_WIDEST: Final = 16_384
"""As many columns as a sheet may have."""
_HIGHEST: Final = 65_534
"""What HTML allows a rowspan at most."""
_BLANKS: Final = re.compile(r"[ \t\r\n\f]+")
"""What HTML takes for one blank; a full-width blank is a character like any other."""
_BREAKS: Final = {"br": "\n", "p": "\n", "div": "\n", "tr": "\n", "td": " ", "th": " "}
_ALLOWED: Final = "a web page with one whole table of up to 16384 columns"


def html_rows(path: Path, encoding: str, where: str) -> Iterator[Cells]:
    """Give the rows of a page's tables, one table after the other, blank cells as null.

    As in a merged cell of a sheet, the text stands in the first of the cells it spans and the others are null. A table
    within a cell is text of that cell.

    Args:
        path: The page.
        encoding: Proved before for the whole file.
        where: The file as errors name it.

    Raises:
        SetAsideError: `unreadable`; no table, or one that does not end.
    """
    tables = _Tables()
    try:
        with path.open(encoding=encoding, errors="strict", newline="") as file:
            while text := file.read(_CHUNK):
                tables.feed(text)
                if len(tables.rawdata) > _LONGEST_TAG:
                    raise unreadable(where, "a tag or comment that does not end", _ALLOWED)
                yield from tables.taken()
        tables.close()
        yield from tables.taken()
    except (AssertionError, _TooWideError):  # the parser asserts that declarations are of known kinds
        raise unreadable(where, "markup that is no page's, or a row too wide", _ALLOWED) from None
    if tables.depth or not tables.seen:
        raise unreadable(where, "a table that does not end" if tables.depth else "no table in it", _ALLOWED)


class _TooWideError(Exception):
    """A row is wider than any sheet's."""


class _Tables(HTMLParser):
    """Rows of the outermost tables; end tags that HTML lets one leave out may be missing."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.depth = 0
        self.seen = False
        self._rows: list[Cells] = []
        self._row: Cells | None = None
        self._text: list[str] | None = None
        self._spans = (1, 1)
        self._covered: dict[int, int] = {}

    def taken(self) -> list[Cells]:
        """Return the rows complete since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open what begins here and close what ends by it."""
        if tag == "table":
            self.depth += 1
            self.seen = True
        elif self.depth == 1 and tag == "tr":
            self._end_row()
            self._row = []
        elif self.depth == 1 and tag in ("td", "th"):
            self._end_cell()
            self._row = [] if self._row is None else self._row
            given = dict(attrs)
            self._spans = _span(given.get("colspan"), _WIDEST), _span(given.get("rowspan"), _HIGHEST)
            self._text = []
        elif self._text:
            self._text.append(_BREAKS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        """Close what ends here."""
        if tag == "table" and self.depth:
            if self.depth == 1:
                self._end_row()
                self._covered.clear()
            elif self._text:
                self._text.append("\n")
            self.depth -= 1
        elif self.depth == 1 and tag in ("td", "th"):
            self._end_cell()
        elif self.depth == 1 and tag == "tr":
            self._end_row()
        elif self._text and tag in ("p", "div"):
            self._text.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep a cell's text."""
        if self._text is not None:
            self._text.append(_BLANKS.sub(" ", data))

    def _end_cell(self) -> None:
        if self._text is None or self._row is None:
            return
        self._skip_covered()
        columns, rows = self._spans
        place = len(self._row)
        if place + columns > _WIDEST:
            raise _TooWideError
        self._row += [_plain(self._text), *[None] * (columns - 1)]
        self._text = None
        if rows > 1:
            self._covered.update(dict.fromkeys(range(place, place + columns), rows))

    def _end_row(self) -> None:
        self._end_cell()
        if self._row is None:
            return
        self._skip_covered()
        self._covered = {place: rows - 1 for place, rows in self._covered.items() if rows > 1}
        self._rows.append(self._row)
        self._row = None

    def _skip_covered(self) -> None:
        """Leave the places free that cells of rows above reach down to."""
        while self._row is not None and len(self._row) in self._covered:
            self._row.append(None)


def _span(told: str | None, most: int) -> int:
    text = (told or "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        return 1
    # A span of 0 reaches to the end of the table.
    return min(int(text), most) or most


def _plain(text: list[str]) -> str | None:
    lines = (_BLANKS.sub(" ", line).strip(" ") for line in "".join(text).replace("\xa0", " ").split("\n"))
    return "\n".join(line for line in lines if line) or None
