"""Writing a delivery for others: file, digest, manifest and, last of all, the marker that says it is whole."""

from __future__ import annotations

import csv
import glob
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Connection, Outgoing, Receipt
from connectors.drops import companions, file_digest
from connectors.errors import StopError
from connectors.file_options import StoreConnection
from connectors.options import connection_options
from connectors.places import open_store
from connectors.stores import file_errors
from connectors.write_options import FileWrite
from connectors.writing import Counted, where_of, write_options

__all__ = ["FileWriter", "write"]

_SUFFIXES: Final[Mapping[str, str]] = {"csv": ".csv", "json_lines": ".jsonl", "parquet": ".parquet"}


class FileWriter:
    """Puts deliveries into a folder, onto an SFTP server or into an S3 bucket, as `connectors.drops` reads them.

    Args:
        connection: As for kind `file`; its options `marker`, `digest` and `manifest` are the companions' suffixes
            (default `.ok`, `.sha256`, `.manifest.json`).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._suffixes = connection_options(StoreConnection, connection).model_dump()

    def put(self, source: Path, name: str, rows: int, told: Mapping[str, Any] | None = None) -> str:
        """Put one file with its companions; each appears whole under its name, the marker after all others.

        A delivery of that name that lies there is replaced; its marker goes first, so that nobody takes a mixture.

        Args:
            source: The file, here.
            name: Its path below the connection's place.
            rows: How many rows it holds.
            told: What else the manifest shall say.

        Returns:
            The file's sha256.

        Raises:
            StopError: The name leads out of the place, a suffix is none, or credentials or rights are wrong.
            RetryError: The place is away; putting it again makes it whole.
        """
        where = f"delivery {name}"
        beside = self._beside(name, where)
        store = open_store(self._connection)
        with file_errors(where), tempfile.TemporaryDirectory(prefix="hub-put-") as folder:
            sha256 = file_digest("sha256", [source])
            algorithm = str(self._suffixes["digest"]).lstrip(".").lower()
            manifest = {
                **(told or {}),
                "file": PurePosixPath(name).name,
                "rows": rows,
                "bytes": source.stat().st_size,
                "sha256": sha256,
            }
            contents = {
                "digest": f"{file_digest(algorithm, [source])}  {PurePosixPath(name).name}\n",
                "manifest": json.dumps(manifest, ensure_ascii=False, indent=1),
                "marker": "",
            }
            store.remove(beside["marker"])
            store.put(source, name)
            for role, text in contents.items():
                part = Path(folder) / role
                part.write_text(text, encoding="utf-8")
                store.put(part, beside[role])
        return sha256

    def told(self, name: str) -> Mapping[str, Any] | None:
        """Return the manifest of a delivery that lies there whole; None where it does not.

        Raises:
            StopError, RetryError: As for `put`.
        """
        where = f"delivery {name}"
        beside = self._beside(name, where)
        store = open_store(self._connection)
        listing = store.listed(glob.escape(name))
        if not {name, *beside.values()} <= listing.beside.keys():
            return None
        item = listing.beside[beside["manifest"]]
        folder, spool = store.here([item], where)
        with file_errors(where):
            text = (folder / item.name).read_bytes()
        del spool  # the copy is needed no longer
        return _manifest(text)

    def _beside(self, name: str, where: str) -> dict[str, str]:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise StopError(where, "a name that leads out of the place", "a relative path", "correct the name")
        return companions(name, self._suffixes)


def _manifest(text: bytes) -> Mapping[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, Mapping) else None


def write(connection: Connection, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
    """Write a delivery as one file with its companions; see `connectors.base.Writer`.

    It is there already where a whole delivery of its name has a manifest that tells its id.

    Args:
        connection: A connection of kind `file` whose user may write there.
        outgoing: Its options are those of `FileWrite`.
        rows: Its rows.

    Raises:
        StopError: Options, name or columns are wrong, or credentials or rights are.
        RetryError: The place is away.
    """
    options = write_options(FileWrite, connection, outgoing)
    where = where_of(connection, outgoing)
    stem = options.file.replace("{delivery}", outgoing.delivery).replace("{name}", outgoing.name)
    writer, name = FileWriter(connection), stem + _SUFFIXES[options.format]
    told = writer.told(name)
    if told is not None and told.get("delivery") == outgoing.delivery:
        return Receipt(outgoing.delivery, told["rows"], told["rows_sha256"], in_hand=False, repeated=True)
    counted = Counted(outgoing, rows, where)
    with file_errors(where), tempfile.TemporaryDirectory(prefix="hub-write-") as folder:
        path = Path(folder) / "rows"
        _FORMATS[options.format](path, counted, outgoing, options)
        receipt = counted.receipt(in_hand=False)
        facts = {"delivery": outgoing.delivery, "dataset": outgoing.name, "rows_sha256": receipt.sha256}
        writer.put(path, name, receipt.rows, {**outgoing.facts, **facts})
    return receipt


def _csv(path: Path, counted: Counted, outgoing: Outgoing, options: FileWrite) -> None:
    with path.open("w", encoding=options.encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(outgoing.columns)
        for batch in counted.batches():
            writer.writerows(map(_cells, zip(*(column.to_pylist() for column in batch.columns), strict=True)))


def _cells(row: Iterable[Any]) -> list[Any]:
    return [_cell(value) for value in row]


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else value


def _json_lines(path: Path, counted: Counted, outgoing: Outgoing, options: FileWrite) -> None:
    with path.open("wb") as file:
        for line in counted.lines():
            file.write(line + b"\n")


def _parquet(path: Path, counted: Counted, outgoing: Outgoing, options: FileWrite) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for batch in counted.batches():
            writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


_FORMATS: Final[Mapping[str, Callable[[Path, Counted, Outgoing, FileWrite], None]]] = {
    "csv": _csv,
    "json_lines": _json_lines,
    "parquet": _parquet,
}
