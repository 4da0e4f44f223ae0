"""Products as people read them: Chinese headers, titles in place of codes, 是 and 否."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ibis
import pyarrow as pa
import xlsxwriter
from deltalake import DeltaTable
from pyarrow import csv

from hub.contracts import Codelist, ProductContract
from hub.engine import Engine
from hub.store import Lake

__all__ = ["csv_bytes", "product_table", "readable", "write_xlsx"]

_WIDE = {"address": 44, "full_address": 44, "entity_name": 36, "id_number": 22, "credit_code": 22}
_EXCEL_ROWS = 1_048_576


def product_table(engine: Engine, lake: Lake, product: ProductContract, version: int) -> ibis.Table:
    """Rows of one version of a product."""
    table = DeltaTable(str(lake.product(product.name)), version=version)
    files = [Path(uri.removeprefix("file://")) for uri in table.file_uris()]
    if not files:
        return engine.con.create_table(f"{product.name}__empty", schema=ibis.schema(product.arrow_schema), overwrite=True)
    return engine.read(files)


def readable(table: ibis.Table, product: ProductContract, codelists: Mapping[str, Codelist]) -> ibis.Table:
    """Replace codes by titles and names by Chinese titles; the columns keep their order."""
    columns = {}
    for column in product.columns:
        value = table[column.name]
        if column.codelist and len(codelists[column.codelist].titles) < 1_000:
            value = value.substitute(dict(codelists[column.codelist].titles))
        elif column.kind == "boolean":
            value = value.ifelse("是", "否")
        columns[column.title] = value
    return table.select(**columns)


def csv_bytes(batches: list[pa.RecordBatch], schema: pa.Schema, *, bom: bool = True) -> bytes:
    """Batches as one CSV text; with a mark that makes Excel read UTF-8."""
    sink = pa.BufferOutputStream()
    if bom:
        sink.write("\ufeff".encode())
    with csv.CSVWriter(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def write_xlsx(reader: pa.RecordBatchReader, product: ProductContract, caption: str, path: Path) -> int:
    """Write rows into a workbook, streamed: a caption, a header that stays in sight, filters, text as text.

    Args:
        reader: Rows with Chinese headers, in the order of the product's columns.
        product: The product, for widths and the sheet's name.
        caption: First line: whose data, of which day, for what use.
        path: Where the file goes.

    Returns:
        How many rows were written.
    """
    book = xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    try:
        sheet = book.add_worksheet(product.title.replace("（", "").replace("）", "")[:31])
        head = book.add_format({"bold": True, "bg_color": "#DCE9F5", "border": 1, "text_wrap": True, "valign": "vcenter"})
        day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        for position, column in enumerate(product.columns):
            sheet.set_column(position, position, _WIDE.get(column.name, 14))
        sheet.write_string(0, 0, caption, book.add_format({"bold": True, "font_size": 12}))
        for position, name in enumerate(reader.schema.names):
            sheet.write_string(1, position, name, head)
        line = 2
        for batch in reader:
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for position, value in enumerate(row):
                    _write_cell(sheet, line, position, value, day)
                line += 1
                if line > _EXCEL_ROWS:
                    raise ValueError(f"more than {_EXCEL_ROWS - 2} rows do not fit a worksheet; take csv or parquet")
        sheet.freeze_panes(2, 0)
        sheet.autofilter(1, 0, max(line - 1, 1), len(reader.schema.names) - 1)
    finally:
        book.close()
    return line - 2


def _write_cell(sheet: xlsxwriter.worksheet.Worksheet, line: int, position: int, value: object, day: object) -> None:
    if value is None:
        return
    if isinstance(value, str):
        sheet.write_string(line, position, value)
    elif isinstance(value, int | float):
        sheet.write_number(line, position, value)
    else:
        sheet.write_datetime(line, position, value, day)
