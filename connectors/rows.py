"""Rows into Arrow record batches: finding the wanted columns, text columns, batches of one size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from connectors.base import BATCH_ROWS, Request
from connectors.errors import ColumnsMissingError, SetAsideError

__all__ = [
    "as_text",
    "column_positions",
    "missing_columns",
    "quick_columns",
    "record_batches",
    "regrouped",
    "schema_drift",
    "text_batches",
    "text_columns",
    "text_schema",
]


_PIECE_ROWS: Final = 4_096
"""So many rows are in memory as Python's objects, which take several times as much of it as Arrow's."""


def schema_drift(where: str, came: str, fields: Iterable[str]) -> SetAsideError:
    """Return the error for a delivery whose columns are not those of the contract."""
    return SetAsideError(
        where,
        came,
        "the columns " + ", ".join(fields),
        "ask the department whether it renamed or dropped them, then correct the export or the contract",
        reason="schema_drift",
    )


def column_positions(header: Sequence[str], request: Request, where: str, fields: Sequence[str] = ()) -> list[int]:
    """Return where each wanted column stands in a header, -1 for one that may be absent and is.

    Blanks and line breaks in names do not count; of a field's own name and its synonyms the first that is there counts.

    Args:
        header: The delivery's names.
        request: Names the wanted fields, their synonyms and what an absent one means.
        where: The delivery as errors name it.
        fields: The columns wanted, where not those of the request.

    Raises:
        SetAsideError: `schema_drift`; a column is missing or stands there twice.
    """
    wanted = fields or request.fields
    names = [_plain(name) for name in header]
    found = {field: _first_present(names, request.names_of(field)) for field in wanted}
    missing_columns(where, [field for field, name in found.items() if name is None], request)
    twice = [field for field, name in found.items() if name is not None and names.count(name) > 1]
    if twice:
        raise schema_drift(where, "column(s) named more than once: " + ", ".join(twice), wanted)
    return [-1 if name is None else names.index(name) for name in found.values()]


def missing_columns(where: str, missing: Sequence[str], request: Request) -> None:
    """Refuse a delivery that lacks wanted columns, unless the contract lends them as nulls.

    Raises:
        ColumnsMissingError: It names them.
    """
    if missing and not request.lends_missing:
        drift = schema_drift(where, "column(s) missing: " + ", ".join(missing), request.fields)
        raise ColumnsMissingError(drift.where, drift.came, drift.allowed, drift.do, tuple(missing))


def _plain(name: str) -> str:
    return "".join(name.split())


def _first_present(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    return next((name for name in map(_plain, wanted) if name in names), None)


def text_schema(fields: Sequence[str]) -> pa.Schema:
    """Return a schema of text columns."""
    return pa.schema([pa.field(name, pa.string()) for name in fields])


def text_batches(rows: Iterable[Sequence[str | None]], fields: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Turn rows of text, cells in the order of `fields`, into record batches; the last may be empty."""
    schema, source = text_schema(fields), iter(rows)
    while True:
        pieces = [_piece(source, schema)]
        while pieces[-1].num_rows == _PIECE_ROWS and len(pieces) < BATCH_ROWS // _PIECE_ROWS:
            pieces.append(_piece(source, schema))
        batch = pa.concat_batches(pieces)
        yield batch
        if batch.num_rows < BATCH_ROWS:
            return


def _piece(source: Iterator[Sequence[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    rows = list(islice(source, _PIECE_ROWS))
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=schema)


def as_text(value: Any) -> str | None:
    """Return a JSON scalar as text, null as None, an object or list as JSON with its numbers as text.

    Numbers must come as their own text, or as an int that was written plainly.
    """
    if value is None or isinstance(value, str):
        return value
    return json.dumps(_numbers_as_text(value) if isinstance(value, dict | list) else value, ensure_ascii=False)


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def text_columns(records: Sequence[Mapping[str, Any]], request: Request) -> pa.RecordBatch:
    """Turn the JSON objects of a page into one record batch of text, cell by cell; what a record lacks is null."""
    cells = [[as_text(_of(record, request.names_of(field))) for record in records] for field in request.fields]
    schema = text_schema(request.fields)
    return pa.record_batch([pa.array(column, pa.string()) for column in cells], schema=schema)


def quick_columns(records: Sequence[Mapping[str, Any]], request: Request) -> pa.RecordBatch | None:
    """The same in one call, which Arrow runs in C; None where a cell is a float, an object or a list, or types differ.

    Whole numbers and truths are the texts that JSON has for them.
    """
    if not records or any(request.synonyms.values()):
        return None
    kinds = [(name, _plain_type(records[0].get(name))) for name in request.fields]
    # Arrow refuses anything but text among texts, but takes 1.5 for 1 among whole numbers.
    if not all(_of_one_type(records, name) for name, kind in kinds if kind != pa.string()):
        return None
    try:
        columns = pa.array(records, pa.struct(kinds)).flatten()
    except (pa.ArrowTypeError, pa.ArrowInvalid, OverflowError):
        return None
    texts = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in columns]
    return pa.record_batch(texts, schema=text_schema(request.fields))


def _plain_type(value: Any) -> pa.DataType:
    if isinstance(value, bool):
        return pa.bool_()
    return pa.int64() if isinstance(value, int) else pa.string()


def _of_one_type(records: Sequence[Mapping[str, Any]], name: str) -> bool:
    found = {type(record.get(name)) for record in records}
    return len(found - {type(None)}) <= 1


def record_batches(records: Iterable[Mapping[str, Any]], request: Request, where: str) -> Iterator[pa.RecordBatch]:
    """Turn JSON objects into record batches of text; a key an object lacks is null.

    Raises:
        SetAsideError: `schema_drift`, after the last record: a wanted field was in none of them.
    """
    fields = request.fields
    names = {field: request.names_of(field) for field in fields}
    unseen, count = set(fields), 0

    def rows() -> Iterator[list[str | None]]:
        nonlocal count
        for record in records:
            count += 1
            if unseen:
                unseen.difference_update([field for field in unseen if any(name in record for name in names[field])])
            yield [as_text(_of(record, names[name])) for name in fields]

    yield from text_batches(rows(), fields)
    if count:
        missing_columns(where, sorted(unseen), request)


def _of(record: Mapping[str, Any], names: Sequence[str]) -> Any:
    if len(names) == 1:
        return record.get(names[0])
    return next((record[name] for name in names if name in record), None)


def regrouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give the same rows in batches of `BATCH_ROWS`, the last one shorter; where there are none, one empty batch."""
    waiting: list[pa.RecordBatch] = []
    rows, yielded, empty = 0, False, None
    for batch in batches:
        if batch.num_rows == 0:
            empty = batch
        start = 0
        while rows + batch.num_rows - start >= BATCH_ROWS:
            wanted = BATCH_ROWS - rows
            waiting.append(batch.slice(start, wanted))
            yield _joined(waiting)
            start, rows, yielded = start + wanted, 0, True
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            rows += batch.num_rows - start
    if waiting:
        yield _joined(waiting)
    elif not yielded and empty is not None:
        yield empty


def _joined(waiting: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Take batches out of a list as one, so that nobody holds their rows a second time."""
    one = pa.concat_batches(waiting) if len(waiting) > 1 else waiting[0]
    waiting.clear()
    return one
