"""Opening what is called a workbook, by its bytes: xlsx, xls, or the page, XML or text that systems save as `.xls`.

calamine reads a sheet fastest and holds it whole, so it reads small ones; larger ones are read as a stream.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook, WorksheetNotFound

from connectors import cells
from connectors.base import Request
from connectors.csv_file import csv_cells
from connectors.drops import unreadable
from connectors.errors import SetAsideError
from connectors.file_options import Excel
from connectors.html_table import html_rows
from connectors.options import part_of
from connectors.rows import schema_drift
from connectors.sheet_stream import NoSheetError, streamed_rows
from connectors.text_file import Lines, proved_encoding
from connectors.xml_stream import XmlError
from connectors.xml_workbook import is_xml_workbook, xml_workbook_rows
from connectors.zipped import bounded_archive

__all__ = ["Cells", "Rows", "sheet"]

Cells = list[str | None]

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LARGEST_MB: Final = 4096
_SMALL: Final = 1 << 24
"""Bytes of XML of a workbook that calamine reads; it takes several times as much memory."""
_MOST_CELLS: Final = 1_000_000
"""calamine holds a sheet as a rectangle, up to its furthest cell: this many take about 30 MB."""
_REFERENCE: Final = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,7})([0-9]{1,9})["']""")
_CHUNK: Final = 1 << 20
_ALLOWED: Final = (
    "a whole xlsx or xls file without password; of files named .xls also a web page with a table, XML, or text"
)
_DO: Final = "ask the department to save it as xlsx and send it again"


@dataclass(frozen=True)
class Rows:
    """The rows of a sheet.

    Attributes:
        rows: Cells as they are stored.
        exact: Whether each row owes as many cells as the header (text).
    """

    rows: Iterable[list[Any]]
    exact: bool = False


def sheet(path: Path, request: Request, where: str) -> Rows:
    """Return the rows of the agreed sheet.

    Args:
        path: The file.
        request: `sheet` names it, the first where it does not; `encoding` is that of a file which only claims to be
            a workbook, where it is agreed.
        where: The file as errors name it.

    Raises:
        SetAsideError: `schema_drift` (no such sheet), `encoding_invalid` or `unreadable`.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_ZIP):
        return Rows(_streamed(path, request, where) if _is_large(path, where) else _rows(path, request, where))
    if head.startswith(_OLE):
        return Rows(_old_rows(path, request, where))
    if path.suffix.lower() not in (".xls", ".xml") or not head.strip():
        raise _no_workbook(where, "no readable workbook")
    return _pretended(path, head, request, where)


def _rows(path: Path, request: Request, where: str) -> Iterator[list[Any]]:
    wanted = part_of(Excel, request).sheet
    try:
        workbook = _workbook(path)
        found = workbook.get_sheet_by_name(wanted) if wanted else workbook.get_sheet_by_index(0)
        yield from found.iter_rows()
    except WorksheetNotFound:
        raise _no_sheet(request, where) from None
    except (CalamineError, OverflowError) as error:
        # OverflowError: a duration beyond those Python knows.
        raise _no_workbook(where, f"no readable workbook ({type(error).__name__})") from None
    except BaseException as error:
        # Over some spoiled files calamine panics, which reaches Python as a BaseException that has no importable name.
        if type(error).__name__ != "PanicException":
            raise
        raise _no_workbook(where, "no readable workbook (it broke the reader)") from None


def _streamed(path: Path, request: Request, where: str) -> Iterator[Cells]:
    with bounded_archive(path, where, _LARGEST_MB) as archive:
        yield from _told(streamed_rows(archive, part_of(Excel, request).sheet), request, where)


def _told(rows: Iterator[Cells], request: Request, where: str) -> Iterator[Cells]:
    """The same rows, faults in the hub's own words."""
    try:
        yield from rows
    except NoSheetError:
        raise _no_sheet(request, where) from None
    except XmlError as error:
        raise _no_workbook(where, f"no readable workbook: {error}") from None


def _workbook(path: Path) -> CalamineWorkbook:
    if path.suffix.lower() == ".xlsx":
        return CalamineWorkbook.from_path(str(path))
    # By its path calamine would believe the name.
    with path.open("rb") as file:
        return CalamineWorkbook.from_filelike(file)


def _old_rows(path: Path, request: Request, where: str) -> Iterator[Cells]:
    """Read an xls in a process of its own; `connectors.cells` tells why."""
    program = [sys.executable, "-I", cells.__file__, part_of(Excel, request).sheet or ""]
    with (
        path.open("rb") as file,
        subprocess.Popen(program, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,  # noqa: S603  our own program
    ):
        try:
            for line in process.stdout or ():
                yield json.loads(line)
            code = process.wait()
        finally:
            process.kill()
    if code == cells.NO_SHEET:
        raise _no_sheet(request, where)
    if code != 0:
        fault = "CalamineError" if code == cells.UNREADABLE else "it broke the reader"
        raise _no_workbook(where, f"no readable workbook ({fault})")


def _no_sheet(request: Request, where: str) -> SetAsideError:
    return schema_drift(where, f"no sheet {part_of(Excel, request).sheet!r}", request.fields)


def _no_workbook(where: str, came: str) -> SetAsideError:
    return unreadable(where, came, _ALLOWED, _DO)


def _is_large(path: Path, where: str) -> bool:
    """Tell whether an xlsx would fill the memory, were it read whole: by its size, or by one cell far off all others.

    Raises:
        SetAsideError: `unreadable`; it is no xlsx, or unpacks to too much.
    """
    try:
        with bounded_archive(path, where, _LARGEST_MB) as archive:
            infos = archive.infolist()
            names = [info.filename.lower().replace("\\", "/") for info in infos]
            sizes = [info.file_size for info, name in zip(infos, names, strict=True) if name.endswith(".xml")]
            large = sum(sizes) > _SMALL
            extents = [] if large else [_extent(archive, info) for info in infos]
    except SetAsideError as error:
        raise _no_workbook(where, f"no readable workbook: {error.came}") from None
    if "xl/workbook.xml" not in names:
        raise _no_workbook(where, "no readable workbook: a zip archive that is no xlsx")
    return large or any(columns * rows > _MOST_CELLS for columns, rows in extents)


def _extent(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return the furthest column and row of a sheet; of another part, none."""
    letters: set[bytes] = set()
    rows, rest, is_sheet = 0, b"", False
    with archive.open(info) as source:
        while block := source.read(_CHUNK):
            text = rest + block
            is_sheet = is_sheet or b"sheetData" in text
            if is_sheet:
                found = _REFERENCE.findall(text)
                letters.update(column for column, _ in found)
                rows = max(rows, max((int(row) for row in {row for _, row in found}), default=0))
            rest = text[-32:]
    return max(map(_column, letters), default=0), rows


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _pretended(path: Path, head: bytes, request: Request, where: str) -> Rows:
    encoding = proved_encoding(path, part_of(Excel, request).encoding, where)
    start = head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    if "\0" in start:
        raise _no_workbook(where, "no readable workbook: neither that nor text")
    if is_xml_workbook(start):
        return Rows(_told(xml_workbook_rows(path, encoding, part_of(Excel, request).sheet), request, where))
    if path.suffix.lower() == ".xml":
        raise _no_workbook(where, "no readable workbook")
    if start.startswith("<"):
        return Rows(html_rows(path, encoding, where))
    return Rows(_text_rows(path, encoding, "\t" if "\t" in start else ",", where), exact=True)


def _text_rows(path: Path, encoding: str, delimiter: str, where: str) -> Iterator[Cells]:
    with path.open(encoding=encoding, errors="strict", newline="") as file:
        for cells in csv_cells(Lines(file, where), delimiter, where):
            yield [text or None for text in cells]
