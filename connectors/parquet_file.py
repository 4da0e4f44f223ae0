"""Parquet deliveries: columns in the types of the file, row groups as chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import BATCH_ROWS, Chunk, Request
from connectors.drops import unreadable
from connectors.rows import column_positions, regrouped

__all__ = ["parquet_batches", "row_group_chunks"]

_ROWS_A_CHUNK: Final = 1_000_000


def row_group_chunks(path: Path, where: str) -> tuple[list[Chunk], int]:
    """Return chunks of neighbouring row groups of about a million rows, and the number of all rows.

    Raises:
        SetAsideError: `unreadable`.
    """
    with _faults(where):
        metadata = pq.read_metadata(path)
        counts = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    chunks: list[Chunk] = []
    first, rows = 0, 0
    for number, count in enumerate(counts):
        rows += count
        if rows >= _ROWS_A_CHUNK or number == len(counts) - 1:
            chunks.append({"row_groups": [first, number + 1]})
            first, rows = number + 1, 0
    return chunks or [{"row_groups": [0, 0]}], sum(counts)


def parquet_batches(
    path: Path, request: Request, where: str, available: dict[str, str], chunk: Chunk
) -> Iterator[pa.RecordBatch]:
    """Stream the wanted columns; a column that may be absent and is, is null text.

    Args:
        path: The file.
        request: Names the columns.
        where: The file as errors name it.
        available: Is given every column of the file with its type.
        chunk: One of `row_group_chunks`; all row groups where it is the whole.

    Raises:
        SetAsideError: `unreadable`, or `schema_drift`.
    """
    with _faults(where), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        available.update({field.name: str(field.type) for field in schema})
        positions = column_positions(schema.names, request, where)
        # Columns are read by their first name part, so neighbours of the same beginning may come along.
        names = [schema.names[position] for position in positions if position >= 0]
        first, last = chunk.get("row_groups", (0, file.num_row_groups))
        target = pa.schema(
            [
                pa.field(name, schema.field(position).type if position >= 0 else pa.string())
                for name, position in zip(request.fields, positions, strict=True)
            ]
        )
        batches = file.iter_batches(BATCH_ROWS, row_groups=list(range(first, last)), columns=names)
        yield from regrouped(_wanted(batches, schema, positions, target))


def _wanted(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, positions: Sequence[int], target: pa.Schema
) -> Iterator[pa.RecordBatch]:
    yield pa.RecordBatch.from_pylist([], schema=target)
    for batch in batches:
        columns = [
            pa.nulls(batch.num_rows, pa.string()) if position < 0 else batch.column(schema.names[position])
            for position in positions
        ]
        found = pa.record_batch(columns, schema=target)
        # Arrow itself does not look whether texts are UTF-8 and lists end where they should.
        found.validate(full=True)
        yield found


@contextmanager
def _faults(where: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file system's own, not Arrow's
        raise unreadable(where, f"no readable Parquet ({type(error).__name__})", "a whole Parquet file") from None
