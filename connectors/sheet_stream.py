"""Large xlsx sheets as a stream: row by row out of the archive, its texts in a file, whatever their number.

What a cell says is what calamine, which reads small sheets, makes of it.
"""

from __future__ import annotations

import mmap
import posixpath
import re
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import IO, Any, Final
from zipfile import ZipFile, ZipInfo

from connectors.cells import cell_text
from connectors.sheet_values import Shows, duration_of, moment_of, shown_as, shown_by
from connectors.xml_stream import XmlError, elements, local

__all__ = ["MOST_COLUMNS", "MOST_ROWS", "NoSheetError", "streamed_rows", "whole"]

Cells = list[str | None]

_BLOCK: Final = 1 << 16
MOST_COLUMNS: Final = 16_384
MOST_ROWS: Final = 1_048_576
_ESCAPED: Final = re.compile("_x00([0-9A-Fa-f]{2})_")
_BLANKS: Final = " \t\r\n"
_PRESERVED: Final = "{http://www.w3.org/XML/1998/namespace}space"
_EXACT_DIGITS: Final = 15
"""So many digits a workbook's numbers hold, so that their text is the number."""


class NoSheetError(Exception):
    """The workbook has no such sheet."""


def _parts(archive: ZipFile) -> dict[str, ZipInfo]:
    """Return the parts of a workbook by name, which differ in case and slashes with who wrote them."""
    return {info.filename.lower().replace("\\", "/"): info for info in archive.infolist()}


def streamed_rows(archive: ZipFile, wanted: str | None) -> Iterator[Cells]:
    """Give the rows of a sheet from its first on, cells as text, blank rows among them.

    Args:
        archive: The workbook, proved not to be a bomb.
        wanted: The sheet's name; the first sheet where it is not told.

    Raises:
        NoSheetError: There is none of that name.
        XmlError: A part is missing or cannot be read; the text says why, without a value.
    """
    parts = _parts(archive)
    part, from_1904 = _sheet(archive, parts, wanted)
    with _shared_texts(archive, parts) as texts:
        cells = _CellReader(texts, _styles(archive, parts), from_1904)
        number = 0
        for _, row in _read(archive, parts, part, ("row", "sheetData")):
            if local(row.tag) == "sheetData":
                return
            told = _row_number(row, number + 1)
            if not number < told <= MOST_ROWS:
                raise XmlError("rows out of order, or beyond the last a sheet can have")
            yield from repeat([], told - number - 1)
            number = told
            yield cells.of(row)


def _read(
    archive: ZipFile, parts: Mapping[str, ZipInfo], part: str, tags: Sequence[str], *, starts: bool = False
) -> Iterator[tuple[str, Any]]:
    info = parts.get(part.lower())
    if info is None:
        raise XmlError("a part of the workbook is missing")
    with archive.open(info) as source:
        yield from elements(iter(lambda: source.read(_BLOCK), b""), tags, starts=starts)


def _sheet(archive: ZipFile, parts: Mapping[str, ZipInfo], wanted: str | None) -> tuple[str, bool]:
    """Return the part that holds a sheet, and whether its days are counted from 1904."""
    found, from_1904 = None, False
    for _, element in _read(archive, parts, "xl/workbook.xml", ("workbookPr", "sheet")):
        if local(element.tag) == "workbookPr":
            from_1904 = element.get("date1904") in ("1", "true")
        elif found is None and wanted in (None, element.get("name")):
            found = [value for name, value in element.attrib.items() if local(name) == "id" and name != "id"]
    if not found:
        raise NoSheetError
    for _, relation in _read(archive, parts, "xl/_rels/workbook.xml.rels", ("Relationship",)):
        if relation.get("Id") == found[0]:
            return posixpath.normpath(posixpath.join("/xl", str(relation.get("Target"))))[1:], from_1904
    raise XmlError("a sheet without a part")


def _styles(archive: ZipFile, parts: Mapping[str, ZipInfo]) -> list[Shows]:
    """What each cell style shows; without styles every number is one."""
    if "xl/styles.xml" not in parts:
        return []
    own: dict[str, Shows] = {}
    shows: list[Shows] = []
    within = False
    for event, element in _read(archive, parts, "xl/styles.xml", ("numFmt", "cellXfs", "xf"), starts=True):
        name = local(element.tag)
        if name == "cellXfs":
            within = event == "start"
        elif event == "start" and name == "numFmt":
            own[str(element.get("numFmtId"))] = shown_as(str(element.get("formatCode")))
        elif event == "start" and within:
            number = str(element.get("numFmtId", "0"))
            shows.append(own[number] if number in own else shown_by(whole(number)))
    return shows


@dataclass
class _Texts:
    """The texts that cells share, in a file: text n is between two of the ends."""

    ends: array[int]
    held: mmap.mmap | bytes

    def __getitem__(self, number: int) -> str | None:
        if not 0 <= number < len(self.ends) - 1:
            raise XmlError("a cell whose text is not in the workbook")
        return self.held[self.ends[number] : self.ends[number + 1]].decode() or None


@contextmanager
def _shared_texts(archive: ZipFile, parts: Mapping[str, ZipInfo]) -> Iterator[_Texts]:
    with tempfile.TemporaryFile(prefix="hub-sheet-") as file:
        ends = array("Q", [0])
        if "xl/sharedstrings.xml" in parts:
            for _, element in _read(archive, parts, "xl/sharedstrings.xml", ("si",)):
                ends.append(ends[-1] + file.write(_said(element).encode()))
        with _mapped(file, ends[-1]) as held:
            yield _Texts(ends, held)


@contextmanager
def _mapped(file: IO[bytes], size: int) -> Iterator[mmap.mmap | bytes]:
    """A file as memory that the system may take back."""
    if not size:
        yield b""
        return
    file.flush()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        yield held


def _said(element: Any) -> str:
    """The text of a shared or inline string: its own or that of its runs, not how it is pronounced."""
    texts = []
    for child in element:
        name = local(child.tag)
        if name == "t":
            texts.append(_plain(child))
        elif name == "r":
            texts += [_plain(part) for part in child if local(part.tag) == "t"]
    return "".join(texts)


def _plain(element: Any) -> str:
    text = element.text or ""
    return _unescaped(text if element.get(_PRESERVED) == "preserve" else text.strip(_BLANKS))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x00" in text else text


class _CellReader:
    """Makes rows of cells out of the elements of one sheet."""

    def __init__(self, texts: _Texts, shows: Sequence[Shows], from_1904: bool) -> None:
        self._texts = texts
        self._shows = {str(style): kind for style, kind in enumerate(shows)}
        self._from_1904 = from_1904

    def of(self, row: Any) -> Cells:
        """Return the cells of a row, each in its place."""
        cells: Cells = []
        for cell in row:
            if not cell.tag.endswith("}c"):
                continue
            reference = cell.get("r")
            place = _column(reference.rstrip("0123456789")) if reference else len(cells)
            if place >= len(cells):
                cells.extend(repeat(None, place + 1 - len(cells)))
            cells[place] = self._text(cell)
        return cells

    def _text(self, cell: Any) -> str | None:
        said, inline = "", None
        for child in cell:
            name = child.tag
            if name.endswith("}v"):
                said = child.text or ""
            elif name.endswith("}is"):
                inline = child
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return (_said(inline) if inline is not None else "") or None
        if not said:
            return None
        return self._value(kind, said, cell.get("s", "0"))

    def _value(self, kind: str, said: str, style: str) -> str | None:
        if kind == "n":
            return self._number(said, self._shows.get(style, Shows.NUMBER))
        if kind == "s":
            return self._texts[whole(said)]
        if kind == "str":
            return _unescaped(said)
        if kind == "d":
            return said
        if kind == "e":
            return None
        if kind == "b" and said in ("0", "1", "true", "false"):
            return "true" if said in ("1", "true") else "false"
        raise XmlError("a cell of no known kind")

    def _number(self, said: str, shows: Shows) -> str | None:
        if shows is Shows.NUMBER and said.isdecimal() and len(said) <= _EXACT_DIGITS and said[0] != "0":
            return said
        try:
            value = float(said if said.isascii() and said == said.strip() and "_" not in said else "")
        except ValueError:
            return said
        if shows is Shows.MOMENT:
            return cell_text(moment_of(value, from_1904=self._from_1904))
        return cell_text(duration_of(value) if shows is Shows.DURATION else value)


def _row_number(row: Any, following: int) -> int:
    told = row.get("r")
    if told is None and len(row) and row[0].get("r"):
        told = row[0].get("r").lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    return following if told is None else whole(told)


@lru_cache(MOST_COLUMNS)
def _column(letters: str) -> int:
    """The place of a column, from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters.upper() if letters.isascii() and letters.isalpha() else "":
        number = number * 26 + ord(letter) - 64
    if not 0 < number <= MOST_COLUMNS:
        raise XmlError("a cell in no column a sheet can have")
    return number - 1


def whole(text: str) -> int:
    """Return a number that tells a place.

    Raises:
        XmlError: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise XmlError("something else where a whole number must be")
    return int(text)
