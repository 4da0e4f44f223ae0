"""Files of a Delta Sharing table: fetched by their signed addresses, streamed from Parquet, typed as the table says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import requests

from connectors.base import BATCH_ROWS
from connectors.errors import RetryError, SetAsideError
from connectors.http import ATTEMPTS, Http

__all__ = ["CHANGE_TYPE", "Wanted", "download", "read_rows"]

CHANGE_TYPE: Final = "_change_type"
"""Column of a change feed's files: `insert`, `delete`, `update_preimage`, `update_postimage`."""

_OLD_ROW: Final = "update_preimage"
_PARTIAL: Final = 206
_NO_LONGER: Final = (400, 401, 403, 404, 410)
"""What the stores answer where a signed address has expired."""
_PIECE: Final = 1 << 16
"""What is lost at most where an answer breaks off."""
_BUFFER: Final = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """One column as it is given.

    Attributes:
        field: Its name in the batches.
        name: Its name in the table; None for one that is lent as nulls.
        kind: Its Arrow type.
    """

    field: str
    name: str | None
    kind: pa.DataType


def download(http: Http, url: str, size: int, target: IO[bytes], where: str) -> bool:
    """Fetch a file into `target`; one that breaks off goes on where it stopped.

    Returns:
        False where the store no longer takes the address.

    Raises:
        RetryError: It breaks off again and again.
        SetAsideError: `digest_mismatch`; it has another size than its listing says.
    """
    stuck = 0
    while stuck < ATTEMPTS:
        start = target.tell()
        wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        parse = partial(_append, target=target, start=start, size=size)
        good, whole = http.send("GET", url, parse, _NO_LONGER, headers=wanted, stream=True)
        if not good:
            return False
        if whole and target.tell() == size:
            return True
        if whole:
            raise SetAsideError(
                where,
                "a file of another size than its listing says",
                f"{size} bytes",
                "ask the hub that shares it to make the release anew",
                reason="digest_mismatch",
            )
        stuck = 0 if target.tell() > start else stuck + 1
    raise RetryError(where, f"a file broke off {ATTEMPTS} times without one byte more", "the whole file", "pull again")


def _append(response: requests.Response, target: IO[bytes], start: int, size: int) -> tuple[bool, bool]:
    """Write what comes behind what is there; return whether the address was good and whether the answer was whole."""
    with response:
        if response.status_code in _NO_LONGER:
            return False, False
        if response.status_code != _PARTIAL:
            target.seek(0)
            target.truncate()
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ValueError("another part than asked for")
        try:
            for piece in response.iter_content(_PIECE):
                target.write(piece)
                if target.tell() > size:
                    break
        except requests.RequestException:
            return True, False
        return True, True


def read_rows(
    source: IO[bytes], rows: int | None, columns: Sequence[Wanted], constants: Mapping[str, Any], where: str
) -> Iterator[pa.RecordBatch]:
    """Stream the wanted columns of a Parquet file; what an update replaced is left out.

    Args:
        source: The file, from its beginning.
        rows: How many rows its listing announces; None: it does not say.
        columns: What to give; a column the file lacks, having been added to the table since, is null.
        constants: Column -> the one value of all rows, which the file itself does not hold.
        where: The table as errors name it.

    Raises:
        SetAsideError: `unreadable`, `manifest_count`, or `schema_drift` for a value that is not of its declared type.
    """
    try:
        # Buffered, column by column: memory is a matter of pages, not of row groups.
        file = pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit="us")
        _audit(file.metadata.num_rows, rows, where)
        held = [name for name in file.schema_arrow.names if name not in constants]
        needed = {column.name for column in columns} | {CHANGE_TYPE}
        for batch in file.iter_batches(BATCH_ROWS, columns=[name for name in held if name in needed]):
            # Arrow itself does not look whether texts are UTF-8 and lists end where they should.
            batch.validate(full=True)
            yield _given(_without_old_rows(batch), columns, constants, where)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise SetAsideError(
            where,
            f"a file that is no whole Parquet ({type(error).__name__})",
            "Parquet files that can be read",
            "ask the hub that shares it to make the release anew",
            reason="unreadable",
        ) from None


def _audit(came: int, announced: int | None, where: str) -> None:
    if announced is not None and came != announced:
        raise SetAsideError(
            where,
            f"a file of {came} rows where its listing announces {announced}",
            "as many rows as announced",
            "ask the hub that shares it to make the release anew",
            reason="manifest_count",
        )


def _without_old_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    if CHANGE_TYPE not in batch.schema.names:
        return batch
    return batch.filter(pc.fill_null(pc.not_equal(batch.column(CHANGE_TYPE).cast(pa.string()), _OLD_ROW), True))


def _given(
    batch: pa.RecordBatch, columns: Sequence[Wanted], constants: Mapping[str, Any], where: str
) -> pa.RecordBatch:
    arrays = []
    for column in columns:
        if column.name is not None and column.name in constants:
            arrays.append(pa.repeat(_constant(constants[column.name], column, where), batch.num_rows))
        elif column.name in batch.schema.names:
            arrays.append(_cast(batch.column(column.name), column, where))
        else:
            arrays.append(pa.nulls(batch.num_rows, column.kind))
    return pa.record_batch(arrays, schema=pa.schema([(column.field, column.kind) for column in columns]))


def _constant(value: Any, column: Wanted, where: str) -> pa.Scalar:
    """A partition's value, text in which an empty one is null, or a change column's own."""
    if not isinstance(value, str):
        return pa.scalar(value, column.kind)
    return _cast(pa.array([value or None], pa.string()), column, where)[0]


def _cast(array: pa.Array, column: Wanted, where: str) -> pa.Array:
    kind = column.kind
    if pa.types.is_nested(array.type):
        texts = [None if value is None else _json(value) for value in array.to_pylist()]
        return pa.array(texts, pa.string())
    moment = pa.types.is_timestamp(kind)
    try:
        if moment and pa.types.is_string(array.type):
            # A partition's moment is text without a zone; it is meant in UTC.
            array = array.cast(pa.timestamp("us"))
        # Nanoseconds may lose what microseconds cannot hold; nothing else may lose anything.
        return array.cast(kind, safe=not moment)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SetAsideError(
            where,
            f"column {column.name} of type {array.type} where {kind} is declared",
            "values of the declared type",
            "ask the hub that shares it to make the release anew",
            reason="schema_drift",
        ) from None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
