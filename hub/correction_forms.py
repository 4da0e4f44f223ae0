"""The file a department corrects its rows in and sends back: XLSX, a sheet a dataset, or the same as JSON.

It says of each row where it came (batch and row number), what is wrong with it and what its department wrote; the cells
of the department are open to be mended in place, all others are locked. `hub.correction_reader` reads it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import orjson
import pyarrow as pa
import xlsxwriter

from hub.contracts import SourceContract
from hub.errors import StopError
from hub.quarantine import KEY
from hub.withheld import WithheldDelivery, write_sheet

__all__ = ["ABOUT", "FORMATS", "HEAD_ROWS", "write_form"]

FORMATS: Final = (".json", ".xlsx")

ABOUT: Final = ("批次", "行号", "问题代码", "问题说明", "问题字段", "依据", "处理方", "处理结果")
"""Locked columns of a sheet, before the department's own; the first two name the row."""

_SEVERITIES: Final[Mapping[str, str]] = {"critical": "暂存，未入库", "warning": "提示，已入库", "info": "提示，已入库"}
_HOW: Final = "请在白色单元格内直接改正后交回；灰色列、行的顺序和表头请勿改动。无需改正的行可以保留。"
HEAD_ROWS: Final = 3
_EXCEL_ROWS: Final = 1_048_576


def write_form(
    path: Path,
    system: str,
    parts: Iterator[tuple[SourceContract, Iterator[pa.RecordBatch]]],
    titles: Mapping[str, str],
    withheld: Sequence[WithheldDelivery] = (),
) -> int:
    """Write the rows that wait for a department, and what it must deliver anew; return how many of both.

    Args:
        path: Ends in one of `FORMATS`.
        system: The department's short name.
        parts: For each dataset with such rows, batches of them as `Quarantine.rows` gives them.
        titles: Short name of a department -> its title, for who must act.
        withheld: Its deliveries that were set aside whole.

    Raises:
        StopError: A dataset has more rows than a worksheet holds.
    """
    with _Workbook(path, titles) if path.suffix == ".xlsx" else _Json(path, system) as form:
        for contract, batches in parts:
            form.begin(contract)
            for batch in batches:
                form.add(batch)
        if withheld:
            form.withhold(withheld)
        return form.rows + len(withheld)


class _Form:
    """What both kinds of form share."""

    def __init__(self) -> None:
        self.rows = 0
        self.contract: SourceContract

    def begin(self, contract: SourceContract) -> None:
        self.contract = contract

    def columns(self, batch: pa.RecordBatch) -> list[str]:
        """The department's columns that can be written in a cell: a geometry cannot."""
        own = (field for field in batch.schema if field.name not in (*KEY, "_reasons"))
        return [field.name for field in own if pa.types.is_string(field.type)]

    def column_titles(self) -> Mapping[str, str]:
        """The department's column name -> Chinese title; the first where several columns read one."""
        return {column.physical_name: column.title for column in reversed(self.contract.columns)}

    def faulty(self, reasons: Sequence[Mapping[str, str]]) -> dict[str, None]:
        """The department's names of the columns that the reasons speak of."""
        named = [name.strip() for reason in reasons for name in reason["column"].split(",")]
        known = self.contract.by_name
        columns = [known[name] for name in named if name in known]
        return dict.fromkeys(column.physical_name for column in columns)


class _Workbook(_Form):
    def __init__(self, path: Path, titles: Mapping[str, str]) -> None:
        super().__init__()
        self.titles = titles
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self.book = xlsxwriter.Workbook(path, options)
        grey = {"bg_color": "#EDEDED", "valign": "top"}
        self.head = self.book.add_format({"bold": True, "bg_color": "#DCE9F5", "border": 1, "text_wrap": True})
        self.locked = self.book.add_format(grey)
        self.wrapped = self.book.add_format({**grey, "text_wrap": True})
        # As text, so that a number typed in keeps all its digits.
        self.open = self.book.add_format({"locked": False, "num_format": "@", "valign": "top"})
        self.wrong = self.book.add_format({"locked": False, "num_format": "@", "valign": "top", "bg_color": "#FFF2CC"})
        self.caption = self.book.add_format({"bold": True, "font_size": 12})
        self.sheet: Any = None
        self.line = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.sheet is None:
            self.book.add_worksheet("无").write_string(0, 0, "没有需要改正的行。", self.caption)
        self.book.close()

    def begin(self, contract: SourceContract) -> None:
        super().begin(contract)
        self.sheet = self.book.add_worksheet(contract.title.translate(str.maketrans("", "", "[]:*?/\\（）"))[:31])
        self.sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})
        self.line = 0

    def withhold(self, deliveries: Sequence[WithheldDelivery]) -> None:
        self.sheet = write_sheet(self.book, deliveries)

    def _write_head(self, columns: Sequence[str]) -> None:
        titles = self.column_titles()
        self.sheet.set_column(0, len(ABOUT) - 1, 16, self.locked)
        self.sheet.set_column(len(ABOUT), len(ABOUT) + len(columns) - 1, 18)
        self.sheet.freeze_panes(HEAD_ROWS, 2)
        self.sheet.write_string(0, 0, f"{self.contract.title} · {_HOW}", self.caption)
        for number, names in enumerate(([*ABOUT, *(titles[name] for name in columns)], [*ABOUT, *columns]), 1):
            for position, name in enumerate(names):
                self.sheet.write_string(number, position, name, self.head)
        self.line = HEAD_ROWS

    def add(self, batch: pa.RecordBatch) -> None:
        columns = self.columns(batch)
        if self.line == 0:
            self._write_head(columns)
        if self.line + batch.num_rows > _EXCEL_ROWS:
            raise StopError(
                f"hub issues --export, {self.contract.tail}",
                "more rows than a worksheet holds",
                f"{_EXCEL_ROWS - HEAD_ROWS} rows",
                "export as .json instead",
            )
        for row in zip(*(batch[name].to_pylist() for name in (*KEY, "_reasons", *columns)), strict=True):
            self._add_row(columns, *row)
        self.rows += batch.num_rows

    def _add_row(
        self, columns: Sequence[str], batch: str, row: int, reasons: list[dict[str, str]], *cells: str | None
    ) -> None:
        faulty, titles = self.faulty(reasons), self.column_titles()
        self.sheet.write_string(self.line, 0, batch, self.locked)
        self.sheet.write_number(self.line, 1, row, self.locked)
        told = (
            [reason["rule_id"] for reason in reasons],
            [reason["reason"] for reason in reasons],
            [titles[name] for name in faulty],
            [reason["clause"] for reason in reasons],
            [self.titles.get(reason["acts"], reason["acts"]) for reason in reasons],
            [_SEVERITIES[reason["severity"]] for reason in reasons],
        )
        for position, words in enumerate(told, 2):
            self.sheet.write_string(self.line, position, "\n".join(dict.fromkeys(words)), self.wrapped)
        for position, (name, cell) in enumerate(zip(columns, cells, strict=True), len(ABOUT)):
            format = self.wrong if name in faulty else self.open
            if cell:
                self.sheet.write_string(self.line, position, cell, format)
            else:
                self.sheet.write_blank(self.line, position, None, format)
        self.line += 1


class _Json(_Form):
    """Written row by row: a list of a million rows is never held."""

    def __init__(self, path: Path, system: str) -> None:
        super().__init__()
        self.file = path.open("wb")
        self.file.write(b'{"system": ' + orjson.dumps(system) + b', "datasets": [')
        self.datasets, self.rows_here = 0, 0
        self.withheld: list[dict[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.write(b"\n]}" if self.datasets else b"")
        withheld = b', "withheld": ' + orjson.dumps(self.withheld) if self.withheld else b""
        self.file.write(b"]" + withheld + b"}\n")
        self.file.close()

    def begin(self, contract: SourceContract) -> None:
        super().begin(contract)
        self.file.write(b"\n]}," if self.datasets else b"")
        told = {"dataset": contract.tail, "title": contract.title}
        self.file.write(b"\n" + orjson.dumps(told)[:-1] + b', "rows": [')
        self.datasets, self.rows_here = self.datasets + 1, 0

    def withhold(self, deliveries: Sequence[WithheldDelivery]) -> None:
        self.withheld = [{"dataset": one.contract.tail, **one.cells} for one in deliveries]

    def add(self, batch: pa.RecordBatch) -> None:
        columns, titles = self.columns(batch), self.column_titles()
        for row in batch.to_pylist():
            faulty = self.faulty(row["_reasons"])
            line = {
                "batch": row[KEY[0]],
                "row": row[KEY[1]],
                "reasons": row["_reasons"],
                "faulty": {name: titles[name] for name in faulty},
                "values": {name: row[name] for name in columns},
            }
            self.file.write((b",\n" if self.rows_here else b"\n") + orjson.dumps(line))
            self.rows_here += 1
        self.rows += batch.num_rows
