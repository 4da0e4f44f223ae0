"""Kind `file`: deliveries of tables in a folder, on an SFTP server or in an S3 bucket."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from connectors import file_writer
from connectors.base import WHOLE, Chunk, Connection, Offer, Outgoing, Receipt, Request, Withheld
from connectors.csv_file import csv_rows
from connectors.drops import Delivery, deliveries
from connectors.errors import SetAsideError
from connectors.excel import excel_rows
from connectors.file_options import Zipped, agreed_format
from connectors.fixed_width import fixed_width_rows
from connectors.json_lines import json_lines_batches
from connectors.options import part_of
from connectors.parquet_file import parquet_batches, row_group_chunks
from connectors.places import check_place, open_store
from connectors.rows import text_batches
from connectors.stores import file_errors
from connectors.text_chunks import FIRST, TextChunk
from connectors.zipped import unpacked

__all__ = ["FileConnector"]

_RowReader = Callable[[Path, Request, str, dict[str, str], TextChunk], Iterator[list[str | None]]]
_TextReader = Callable[[Path, Request, str, dict[str, str], TextChunk], Iterator[pa.RecordBatch]]
_Reader = Callable[[Path, Request, str, dict[str, str], Chunk], Iterator[pa.RecordBatch]]


def _texts(rows: _RowReader) -> _TextReader:
    return lambda path, request, where, available, chunk: text_batches(
        rows(path, request, where, available, chunk), request.fields
    )


_TEXT_READERS: Final[Mapping[str, _TextReader]] = {
    "csv": _texts(csv_rows),
    "fixed_width": _texts(fixed_width_rows),
    "json_lines": json_lines_batches,
}
_READERS: Final[Mapping[str, _Reader]] = {
    "excel": lambda path, request, where, available, _: text_batches(
        excel_rows(path, request, where, available), request.fields
    ),
    "parquet": parquet_batches,
}


class FileConnector:
    """Reads deliveries of tables, and puts some.

    Args:
        connection: `place` is a folder, `sftp://user@host:port/path` or `s3://bucket/prefix`; `connectors.places`
            tells the options each needs.

    Raises:
        StopError: The place or its options cannot be right.
    """

    def __init__(self, connection: Connection) -> None:
        check_place(connection)
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer every delivery by name (increment) or the newest (snapshot); the caller skips fingerprints it knows.

        Raises:
            StopError: The place, its credentials, `pattern` or `format` is wrong.
            RetryError: The place is away.
        """
        form = agreed_format(request)
        for delivery in deliveries(open_store(self._connection), request, mark):
            yield delivery if isinstance(delivery, Withheld) else _offered(delivery, request, form)

    def write(self, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
        """Put rows as one file with its companions; see `connectors.file_writer.write`."""
        return file_writer.write(self._connection, outgoing, rows)


def _offered(delivery: Delivery, request: Request, form: str) -> Offer | Withheld:
    if form in _TEXT_READERS:
        return _TextOffer(delivery, request, form)
    if form != "parquet" or part_of(Zipped, request).member:
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
        self._counted(count)

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return which deliveries of a remote store need not be copied again; see `Offer.mark`."""
        return self._delivery.kept()

    def _batches(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        available: dict[str, str] = {}
        with file_errors(self._where), self._file() as path:
            for batch in self._stream(path, available, chunk):
                self.available = available
                self._request.pace(batch.num_rows)
                yield batch
        self._delivery.unchanged()

    def _file(self) -> AbstractContextManager[Path]:
        return unpacked(self._delivery.path, self._request, self._where)

    def _stream(self, path: Path, available: dict[str, str], chunk: Chunk) -> Iterator[pa.RecordBatch]:
        return _READERS[self._form](path, self._request, self._where, available, chunk)

    def _counted(self, rows: int) -> None:
        if self.expected_rows is not None and rows != self.expected_rows:
            raise _miscounted(self._where, rows, self.expected_rows)


class _TextOffer(_FileOffer):
    """One text file, read by rows: where a chunk begins is known once the one before is read."""

    def __init__(self, delivery: Delivery, request: Request, form: str) -> None:
        super().__init__(delivery, request, form)
        self._opened: Path | None = None
        self._held = ExitStack()
        weakref.finalize(self, self._held.close)
        self._note: Chunk | None = None

    def plan(self) -> Sequence[Chunk]:
        """Return the first chunk; see `Offer.plan`."""
        return (FIRST,)

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream a chunk's rows, all of them where it is the whole; see `Offer.read`."""
        self._note = None
        part = self._part = TextChunk(chunk)
        yield from self._batches(chunk)
        if part.is_last:
            self._counted(part.rows)
        self._note = part.note(self.available or ())

    def note(self, chunk: Chunk) -> Chunk | None:
        """Return where the next chunk begins; see `TextChunk.note`."""
        return self._note

    def after(self, chunk: Chunk, note: Chunk | None) -> Chunk | None:
        """Return the chunk that begins where the one before ended; None after the last row."""
        return note if note and "at" in note else None

    def _file(self) -> AbstractContextManager[Path]:
        # Unpacked once for all chunks.
        self._opened = self._opened or self._held.enter_context(super()._file())
        return nullcontext(self._opened)

    def _stream(self, path: Path, available: dict[str, str], chunk: Chunk) -> Iterator[pa.RecordBatch]:
        return _TEXT_READERS[self._form](path, self._request, self._where, available, self._part)


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
