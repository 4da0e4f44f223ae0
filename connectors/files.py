"""Kind `file`: deliveries of tables in a folder, on an SFTP server or in an S3 bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from connectors.base import WHOLE, Chunk, Connection, Offer, Request, Withheld
from connectors.csv_file import csv_rows
from connectors.drops import Delivery, deliveries
from connectors.errors import SetAsideError, StopError
from connectors.excel import excel_rows
from connectors.fixed_width import fixed_width_rows
from connectors.json_lines import json_lines_batches
from connectors.parquet_file import parquet_batches, row_group_chunks
from connectors.places import open_store
from connectors.rows import text_batches
from connectors.stores import file_errors
from connectors.zipped import unpacked

__all__ = ["FileConnector"]

_RowReader = Callable[[Path, Request, str, dict[str, str]], Iterator[list[str | None]]]
_Reader = Callable[[Path, Request, str, dict[str, str], Chunk], Iterator[pa.RecordBatch]]


def _texts(rows: _RowReader) -> _Reader:
    return lambda path, request, where, available, _: text_batches(
        rows(path, request, where, available), request.fields
    )


_READERS: Final[Mapping[str, _Reader]] = {
    "csv": _texts(csv_rows),
    "excel": _texts(excel_rows),
    "fixed_width": _texts(fixed_width_rows),
    "json_lines": lambda path, request, where, available, _: json_lines_batches(path, request, where, available),
    "parquet": parquet_batches,
}


class FileConnector:
    """Reads deliveries of tables.

    Args:
        connection: `place` is a folder, `sftp://user@host:port/path` or `s3://bucket/prefix`; `connectors.places`
            tells the options each needs.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer every delivery by name (increment) or the newest (snapshot); the caller skips fingerprints it knows.

        Raises:
            StopError: The place, its credentials, `pattern` or `format` is wrong.
            RetryError: The place is away.
        """
        form = str(request.option("format"))
        if form not in _READERS:
            raise StopError(
                f"pull of {request.tail}",
                f"format {form!r}",
                ", ".join(_READERS),
                f"correct it in schemas/sources/{request.tail}.yml",
            )
        for delivery in deliveries(open_store(self._connection), request, mark):
            yield delivery if isinstance(delivery, Withheld) else _offered(delivery, request, form)


def _offered(delivery: Delivery, request: Request, form: str) -> Offer | Withheld:
    if form != "parquet" or "member" in request.options:
        return _FileOffer(delivery, request, form)
    try:
        with file_errors(f"{request.tail}, {delivery.name}"):
            return _ParquetOffer(delivery, request)
    except SetAsideError as error:
        return Withheld(delivery.name, error.reason, str(error), delivery.fingerprint)


class _FileOffer(Offer):
    """One file, read in one piece."""

    def __init__(self, delivery: Delivery, request: Request, form: str) -> None:
        self._delivery = delivery
        self._request = request
        self._form = form
        self._where = f"{request.tail}, {delivery.name}"
        self.name = delivery.name
        self.fingerprint = delivery.fingerprint
        self.expected_rows = delivery.rows

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream the file's rows, as text but for Parquet; see `Offer.read`."""
        count = 0
        for batch in self._batches(chunk):
            count += batch.num_rows
            yield batch
        if self.expected_rows is not None and count != self.expected_rows:
            raise _miscounted(self._where, count, self.expected_rows)

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return which deliveries of a remote store need not be copied again; see `Offer.mark`."""
        return self._delivery.kept()

    def _batches(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        available: dict[str, str] = {}
        with file_errors(self._where), unpacked(self._delivery.path, self._request, self._where) as path:
            for batch in _READERS[self._form](path, self._request, self._where, available, chunk):
                self.available = available
                self._request.pace(batch.num_rows)
                yield batch
        self._delivery.unchanged()


class _ParquetOffer(_FileOffer):
    """One Parquet file, read by row groups."""

    parallel = True

    def __init__(self, delivery: Delivery, request: Request) -> None:
        super().__init__(delivery, request, "parquet")
        self._chunks, rows = row_group_chunks(delivery.path, self._where)
        if delivery.rows not in (None, rows):
            raise _miscounted(self._where, rows, delivery.rows)
        self.expected_rows = rows

    def plan(self) -> Sequence[Chunk]:
        """Return chunks of about a million rows; see `Offer.plan`."""
        return self._chunks

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream row groups in the types of the file; see `Offer.read`."""
        return self._batches(chunk)


def _miscounted(where: str, count: int, told: int | None) -> SetAsideError:
    return SetAsideError(
        where,
        f"{count} rows where the manifest tells {told}",
        "as many rows as the manifest tells",
        "ask the department to send file and manifest again",
        reason="manifest_count",
    )
