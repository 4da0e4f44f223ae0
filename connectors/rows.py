"""Rows into Arrow record batches: finding the wanted columns, text columns, batches of one size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from connectors.base import BATCH_ROWS
from connectors.errors import SetAsideError

__all__ = ["as_text", "column_positions", "record_batches", "regrouped", "schema_drift", "text_batches", "text_schema"]


def schema_drift(where: str, came: str, fields: Iterable[str]) -> SetAsideError:
    """Return the error for a delivery whose columns are not those of the contract."""
    return SetAsideError(
        where,
        came,
        "the columns " + ", ".join(fields),
        "ask the department whether it renamed or dropped them, then correct the export or the contract",
        reason="schema_drift",
    )


def column_positions(header: Sequence[str], fields: Sequence[str], where: str) -> list[int]:
    """Return where each wanted column stands in a header; blanks and line breaks in names do not count.

    Raises:
        SetAsideError: `schema_drift`; a column is missing or stands there twice.
    """
    names = ["".join(name.split()) for name in header]
    counts = {field: names.count("".join(field.split())) for field in fields}
    missing = [field for field, count in counts.items() if count == 0]
    if missing:
        raise schema_drift(where, "column(s) missing: " + ", ".join(missing), fields)
    twice = [field for field, count in counts.items() if count > 1]
    if twice:
        raise schema_drift(where, "column(s) named more than once: " + ", ".join(twice), fields)
    return [names.index("".join(field.split())) for field in fields]


def text_schema(fields: Sequence[str]) -> pa.Schema:
    """Return a schema of text columns."""
    return pa.schema([pa.field(name, pa.string()) for name in fields])


def text_batches(rows: Iterable[Sequence[str | None]], fields: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Turn rows of text, cells in the order of `fields`, into record batches; the last may be empty."""
    schema, source = text_schema(fields), iter(rows)
    while True:
        chunk = list(islice(source, BATCH_ROWS))
        columns = zip(*chunk, strict=True) if chunk else ([] for _ in fields)
        yield pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=schema)
        if len(chunk) < BATCH_ROWS:
            return


def as_text(value: Any) -> str | None:
    """Return a JSON scalar as text, null as None, an object or list as JSON; numbers must come as their own text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def record_batches(records: Iterable[Mapping[str, Any]], fields: Sequence[str], where: str) -> Iterator[pa.RecordBatch]:
    """Turn JSON objects into record batches of text; a key an object lacks is null.

    Raises:
        SetAsideError: `schema_drift`, after the last record: a wanted field was in none of them.
    """
    unseen, count = set(fields), 0

    def rows() -> Iterator[list[str | None]]:
        nonlocal count
        for record in records:
            count += 1
            if unseen:
                unseen.difference_update(record)
            yield [as_text(record.get(name)) for name in fields]

    yield from text_batches(rows(), fields)
    if count and unseen:
        raise schema_drift(where, "field(s) in no record: " + ", ".join(sorted(unseen)), fields)


def regrouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give the same rows in batches of `BATCH_ROWS`, the last one shorter; where there are none, one empty batch."""
    waiting: list[pa.RecordBatch] = []
    rows, yielded, first = 0, False, None
    for batch in batches:
        first = first if first is not None else batch
        if batch.num_rows == 0:
            continue
        waiting.append(batch)
        rows += batch.num_rows
        if rows < BATCH_ROWS:
            continue
        whole = pa.concat_batches(waiting) if len(waiting) > 1 else batch
        full = rows - rows % BATCH_ROWS
        for start in range(0, full, BATCH_ROWS):
            yield whole.slice(start, BATCH_ROWS)
            yielded = True
        rows -= full
        waiting = [whole.slice(full)] if rows else []
    if waiting:
        yield pa.concat_batches(waiting) if len(waiting) > 1 else waiting[0]
    elif not yielded and first is not None:
        yield first
