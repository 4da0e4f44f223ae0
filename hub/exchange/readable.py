"""Products as people read them: Chinese headers, titles in place of codes, 是 and 否."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from hub.contracts import Codelist, ProductContract
from hub.delta import delta_table
from hub.engine import Engine
from hub.store import Lake

__all__ = ["csv_bytes", "no_formulas", "product_table", "readable"]

_FORMULA = r"^([=+\-@\t\r])"
"""How a cell of a CSV begins that Excel or WPS computes."""

_TOO_MANY = 5_000
"""From so many titles on, as divisions have, the codes stay: industries are 2,000."""


def product_table(engine: Engine, lake: Lake, product: ProductContract, version: int) -> ibis.Table:
    """Rows of one version of a product."""
    return delta_table(engine, lake.product(product.name), product.arrow_schema, version)


def readable(table: ibis.Table, product: ProductContract, codelists: Mapping[str, Codelist]) -> ibis.Table:
    """Replace codes by titles and names by Chinese titles; the columns keep their order."""
    columns = {}
    for column in product.columns:
        value = table[column.name]
        if column.codelist and len(codelists[column.codelist].titles) < _TOO_MANY:
            titles = ibis.literal(dict(codelists[column.codelist].titles), type="map<string, string>")
            value = ibis.coalesce(titles.get(value), value)
        elif column.kind == "boolean":
            value = value.cases((True, "是"), (False, "否"))
        columns[column.title] = value
    return table.select(**columns)


def csv_bytes(batches: list[pa.RecordBatch], schema: pa.Schema, *, bom: bool = True) -> bytes:
    """Batches as one CSV text; with a mark that makes Excel read UTF-8."""
    sink = pa.BufferOutputStream()
    if bom:
        sink.write("\ufeff".encode())
    with csv.CSVWriter(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(no_formulas(batch))
    return bytes(sink.getvalue())


def no_formulas(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Put a ' before texts that a spreadsheet would take for a formula: what a department wrote must not run."""
    for place, name in enumerate(batch.schema.names):
        column = batch.column(place)
        if pa.types.is_string(column.type) and pc.any(pc.match_substring_regex(column, _FORMULA)).as_py():
            batch = batch.set_column(place, name, pc.replace_substring_regex(column, _FORMULA, r"'\1"))
    return batch
