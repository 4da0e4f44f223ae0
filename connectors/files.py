"""Kind `file`: CSV and Excel deliveries in a drop folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from connectors.base import Connection, Offer, Request, Withheld
from connectors.csv_file import csv_rows
from connectors.drops import Delivery, deliveries, drop_folder, file_errors
from connectors.errors import SetAsideError, StopError
from connectors.excel import excel_rows
from connectors.rows import text_batches

__all__ = ["FileConnector"]

_READERS: Final[Mapping[str, Callable[[Path, Request, str], Iterator[list[str | None]]]]] = {
    "csv": csv_rows,
    "excel": excel_rows,
}


class FileConnector:
    """Reads deliveries of a folder.

    Args:
        connection: `place` is the folder.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer every delivery by name (increment) or the newest (snapshot); the caller skips fingerprints it knows.

        Raises:
            StopError: The folder, `pattern` or `format` is wrong.
            RetryError: The folder is away.
        """
        form = str(request.option("format"))
        if form not in _READERS:
            raise StopError(
                f"pull of {request.tail}",
                f"format {form!r}",
                ", ".join(_READERS),
                f"correct it in schemas/sources/{request.tail}.yml",
            )
        for delivery in deliveries(drop_folder(self._connection), request):
            yield delivery if isinstance(delivery, Withheld) else _FileOffer(delivery, request, form)


class _FileOffer(Offer):
    """One file."""

    def __init__(self, delivery: Delivery, request: Request, form: str) -> None:
        self._delivery = delivery
        self._request = request
        self._form = form
        self._where = f"{request.tail}, {delivery.name}"
        self.name = delivery.name
        self.fingerprint = delivery.fingerprint
        self.expected_rows = delivery.rows

    def read(self) -> Iterator[pa.RecordBatch]:
        """Stream the file's rows as text; see `Offer.read`."""
        count = 0
        with file_errors(self._where):
            rows = _READERS[self._form](self._delivery.path, self._request, self._where)
            for batch in text_batches(rows, self._request.fields):
                count += batch.num_rows
                yield batch
        self._delivery.unchanged()
        if self.expected_rows is not None and count != self.expected_rows:
            raise SetAsideError(
                self._where,
                f"{count} rows where the manifest tells {self.expected_rows}",
                "as many rows as the manifest tells",
                "ask the department to send file and manifest again",
                reason="manifest_count",
            )
