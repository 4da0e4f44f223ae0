"""Brings Arrow rows into PostgreSQL by COPY, a batch at a time, in the caller's transaction.

As CSV: Arrow writes it, and PostgreSQL reads it, for less in sum than binary rows cost; and a COPY of one's own can
freeze its rows, so that neither indexes, foreign keys nor readers have to look up later who may see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql
from pyarrow import csv

__all__ = ["copy_rows", "parquet_rows"]

_BATCH_ROWS = 16384
_OPTIONS = csv.WriteOptions(include_header=False)


def parquet_rows(files: Iterable[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Read Parquet files in small batches of a schema; a column that a file has not is null.

    Raises:
        pa.ArrowInvalid: A value does not fit its column.
    """
    for path in files:
        with pq.ParquetFile(path) as file:
            names = [name for name in schema.names if name in file.schema_arrow.names]
            # One row group after the other, unlike a dataset's scanner, which unpacks whole ones ahead.
            for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
                yield pa.RecordBatch.from_arrays([_column(batch, field) for field in schema], schema=schema)


def copy_rows(
    cursor: psycopg.Cursor[Any], table: sql.Identifier, batches: Iterable[pa.RecordBatch], *, freeze: bool
) -> int:
    """Add rows to a table and return how many they were.

    Args:
        cursor: A cursor in a transaction.
        table: The table's name.
        batches: The rows, all with the same columns of the table; binary ones go into `bytea`.
        freeze: Store the rows as old ones; the transaction must have created or emptied the table.

    Raises:
        psycopg.Error: The database refused a row, or went away.
    """
    rows = iter(batches)
    first = next(rows, None)
    if first is None:
        return 0
    names = sql.SQL(", ").join(map(sql.Identifier, first.schema.names))
    options = sql.SQL("FORMAT csv, ENCODING 'UTF8', FREEZE {}").format(freeze)
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN WITH ({})").format(table, names, options)) as copy:
        for batch in chain((first,), rows):
            copy.write(_csv(batch))
    return cursor.rowcount


def _csv(batch: pa.RecordBatch) -> memoryview:
    # Every text is quoted and nothing else, so that an empty one is no NULL.
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.RecordBatch.from_arrays([*map(_told, batch.columns)], names=batch.schema.names), sink, _OPTIONS)
    return memoryview(sink.getvalue())


def _told(column: pa.Array) -> pa.Array:
    if not pa.types.is_binary(column.type):
        return column
    return pa.array([None if value is None else f"\\x{value.hex()}" for value in column.to_pylist()], pa.string())


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    return batch.column(field.name).cast(field.type)
