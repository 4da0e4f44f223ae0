"""Reading a form that came back: sheets of a workbook or rows of JSON, whatever else was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import EllipsisType
from typing import Any, Final

import orjson

from connectors.base import Request
from connectors.cells import cell_text
from connectors.workbooks import sheet
from connectors.xml_stream import XmlError, elements
from connectors.zipped import bounded_archive
from hub.correction_forms import ABOUT, FORMATS, HEAD_ROWS
from hub.errors import SetAsideError, StopError

__all__ = ["Cell", "Sent", "no_form", "read_form"]

Cell = str | None | EllipsisType
"""A cell as it was sent; `...` where it was left out, and so keeps its value."""

_MOST_ROW: Final = 2**63 - 1
_LARGEST_MB: Final = 1024
"""What a workbook may hold unpacked: a form of a million rows takes half of it."""


@dataclass(frozen=True)
class Sent:
    """Rows of one dataset as they were sent back, one by one.

    Attributes:
        columns: The department's names of the columns that came.
        rows: Batch, row number, and the cells of `columns`.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[str, int, list[Cell]]]


def read_form(path: Path) -> Iterator[Sent]:
    """Read a form that came back, a part for each sheet or dataset.

    Raises:
        StopError: Its suffix is none of `FORMATS`.
        SetAsideError: `unreadable`: no such file, or not a form of the hub's.
    """
    if path.suffix not in FORMATS:
        raise StopError(
            "hub issues --import", path.suffix or "no suffix", ", ".join(FORMATS), "send the form back as it is"
        )
    try:
        yield from _read_workbook(path) if path.suffix == ".xlsx" else _read_json(path)
    except (OSError, orjson.JSONDecodeError) as error:
        raise no_form(path, f"it cannot be read ({type(error).__name__})") from None


def no_form(path: Path, came: str) -> SetAsideError:
    """Return the error for a file that is no form of the hub's."""
    return SetAsideError(
        f"corrections, {path.name}",
        came,
        "a form written by hub issues --export, its cells mended and nothing else changed",
        "export the form anew, copy the mended cells into it and send that",
        reason="unreadable",
    )


def _read_workbook(path: Path) -> Iterator[Sent]:
    try:
        for name in _sheet_names(path):
            rows = iter(sheet(path, Request("corrections", (), {"sheet": name}), path.name).rows)
            head = [[cell_text(cell) or "" for cell in cells] for cells in islice(rows, HEAD_ROWS)]
            if len(head) < HEAD_ROWS or not any(head[1]):
                continue  # a sheet without a table: nothing had to be mended
            names = head[-1]
            while names and not names[-1]:
                names.pop()
            if tuple(names[: len(ABOUT)]) != ABOUT:
                raise no_form(path, f"a sheet does not have the columns {', '.join(ABOUT)} in row {HEAD_ROWS}")
            yield Sent(tuple(names[len(ABOUT) :]), _workbook_rows(path, rows, len(names)))
    except XmlError as error:
        raise no_form(path, f"it cannot be read: {error}") from None
    except SetAsideError as error:
        raise no_form(path, error.came) from None


def _sheet_names(path: Path) -> list[str]:
    with bounded_archive(path, path.name, _LARGEST_MB) as archive:
        parts = {info.filename.lower().replace("\\", "/"): info for info in archive.infolist()}
        told = parts.get("xl/workbook.xml")
        if told is None:
            raise no_form(path, "it is no workbook")
        with archive.open(told) as source:
            found = elements(iter(lambda: source.read(1 << 16), b""), ("sheet",))
            return [str(element.get("name")) for _, element in found]


def _workbook_rows(path: Path, rows: Iterator[list[Any]], width: int) -> Iterator[tuple[str, int, list[Cell]]]:
    for number, cells in enumerate(rows, HEAD_ROWS + 1):
        texts = [cell_text(cell) for cell in cells[:width]]
        texts += [None] * (width - len(texts))
        if not any(texts):
            continue
        batch, row = texts[0], texts[1] or ""
        if not batch or not (row.isascii() and row.isdecimal() and len(row) < len(str(_MOST_ROW))):
            raise no_form(path, f"row {number} of a sheet has no batch or row number")
        yield batch, int(row), list(texts[len(ABOUT) :])


def _read_json(path: Path) -> Iterator[Sent]:
    document = orjson.loads(path.read_bytes())
    datasets = document.get("datasets") if isinstance(document, dict) else None
    if not isinstance(datasets, list):
        raise no_form(path, "it has no list `datasets`")
    for dataset in datasets:
        rows = dataset.get("rows") if isinstance(dataset, dict) else None
        if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
            raise no_form(path, "a dataset does not list rows of `batch`, `row` and `values`")
        columns = tuple(dict.fromkeys(name for row in rows for name in row["values"]))
        yield Sent(columns, _json_rows(rows, columns))


def _json_rows(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[tuple[str, int, list[Cell]]]:
    for row in rows:
        yield row["batch"], row["row"], [row["values"].get(name, ...) for name in columns]


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("values"), dict):
        return False
    number, cells = row.get("row"), row["values"].values()
    whole = isinstance(row.get("batch"), str) and type(number) is int and 0 < number <= _MOST_ROW
    return whole and all(cell is None or isinstance(cell, str) for cell in cells)
