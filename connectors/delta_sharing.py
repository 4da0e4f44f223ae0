"""Kind `delta_sharing`: a table another hub shares by the Delta Sharing protocol, whole or by its change feed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import IO, Any, Final

import pyarrow as pa

from connectors.base import WHOLE, Chunk, Connection, Offer, Request
from connectors.delta_files import CHANGE_TYPE, Wanted, download, read_rows
from connectors.delta_protocol import CHANGE_COLUMNS, Client, DataFile, Table
from connectors.errors import RetryError, StopError
from connectors.http import Http, base_url
from connectors.options import connection_options, options_of
from connectors.rows import column_positions, regrouped
from connectors.sharing_options import SharingConnection, SharingPull

__all__ = ["DeltaSharingConnector"]

_IN_MEMORY: Final = 16 << 20
_CHANGE_OF: Final = {"file": "insert", "add": "insert", "remove": "delete"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DeltaSharingConnector:
    """Reads tables of one endpoint.

    Args:
        connection: `place` is the endpoint, `secret` the bearer token; options `share_credentials_version` (1) and
            `expiration_time`, as the profile file has them.

    Raises:
        StopError: The place is no web address, the credentials are of another version or have expired.
    """

    def __init__(self, connection: Connection) -> None:
        self._endpoint = base_url(connection)
        self._token = connection.secret
        _check_credentials(connection)

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer the newest version, or what changed since the one in the mark; nothing where none is newer.

        An increment reads the change feed where the table offers one and the request wants `_change_type`: without
        that a deletion looks like a row. Else, and where the feed no longer reaches back so far, it is the whole table.

        Raises:
            StopError: `share`, `schema` or `table` is missing or no name, or the server refuses.
            RetryError: The server is away.
        """
        pull = options_of(SharingPull, request)
        names = pull.share, pull.schema_, pull.table
        where = f"{request.tail}, table {'.'.join(names)}"
        client = Client(self._endpoint, self._token, names, where)
        table = client.describe()
        offer = _DeltaOffer(client, request, table, ".".join(names), where)
        if request.mode == "increment":
            first = _first_version(client, request, table, mark)
            if first is not None and first > table.version:
                return
            if first is not None and table.has_changes and CHANGE_TYPE in request.fields:
                offer.narrow(first)
        yield offer


def _check_credentials(connection: Connection) -> None:
    end = connection_options(SharingConnection, connection).expiration_time
    if end is not None and (end if end.tzinfo else end.replace(tzinfo=UTC)) < datetime.now(UTC):
        where = f"connection {connection.where}"
        raise StopError(where, "a token that has expired", "a valid one", "ask the other hub for a new profile")


def _first_version(client: Client, request: Request, table: Table, mark: dict[str, Any] | None) -> int | None:
    """The first version that is news; None where that is everything."""
    # A table made anew under its old name, or set back, has no history in common with what was read.
    if not mark or mark["table"] != table.id or mark["version"] > table.version:
        return None
    following = int(mark["version"]) + 1
    if request.since is None:
        return following
    asked = client.version_at(request.since)
    return None if asked is None else min(asked, following)


class _DeltaOffer(Offer):
    """One version of a table, or the commits from one version to another; a chunk is a file."""

    def __init__(self, client: Client, request: Request, table: Table, name: str, where: str) -> None:
        self._client = client
        self._request = request
        self._table = table
        self._where = where
        self._plain_name = name
        self._first: int | None = None
        self._files: dict[tuple[str, str, int | None], DataFile] = {}
        self.available = dict(table.types)
        if request.mode == "increment":
            self.available = {name: kind for name, (kind, _) in CHANGE_COLUMNS.items()} | self.available
        self._say(f"version {table.version}")

    def _say(self, what: str) -> None:
        self.name = f"{self._plain_name} {what}"
        self.fingerprint = f"{self._table.id} {what}"

    def narrow(self, first: int) -> None:
        """Offer only the commits from `first` on, where the change feed still has them."""
        files = self._client.changes(first, self._table.version)
        if files is not None:
            self._first = first
            self._keep(files)
            self._say(f"changes {first} to {self._table.version}")

    def plan(self) -> Sequence[Chunk]:
        """List the files, all of one version; one chunk without a file where there is none."""
        span = {"first": self._first, "last": self._table.version}
        if self._first is None:
            self._list(span)
        return [{**span, **_chunk_of(found)} for found in self._files.values()] or [span]

    def _list(self, span: Chunk) -> None:
        first, last = span["first"], span["last"]
        files = self._client.snapshot(last) if first is None else self._client.changes(first, last)
        self._keep(files or [])

    def _keep(self, files: Sequence[DataFile]) -> None:
        self._files = {found.key: found for found in files}
        counts = [found.rows for found in files]
        if self._first is None and None not in counts:
            self.expected_rows = sum(count for count in counts if count is not None)

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream a file's rows, or those of all files; see `Offer.read`."""
        if chunk == WHOLE:
            yield from regrouped(chain.from_iterable(self.read(each) for each in self.plan()))
            return
        columns = self._columns()
        schema = pa.schema([(column.field, column.kind) for column in columns])
        yield from regrouped(chain([_empty(schema)], self._rows(chunk, columns)))

    def _columns(self) -> list[Wanted]:
        header = list(self.available or {})
        positions = column_positions(header, self._request, self._where)
        names = [None if position < 0 else header[position] for position in positions]
        return [
            Wanted(field, name, pa.string() if name is None else self._table.arrow(name))
            for field, name in zip(self._request.fields, names, strict=True)
        ]

    def _rows(self, chunk: Chunk, columns: Sequence[Wanted]) -> Iterator[pa.RecordBatch]:
        if "id" not in chunk:
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as target, Http(self._where) as http:
            self._fetch(http, chunk, target)
            target.seek(0)
            for batch in read_rows(target, chunk["rows"], columns, self._constants(chunk), self._where):
                yield batch
                self._request.pace(batch.num_rows)

    def _constants(self, chunk: Chunk) -> Mapping[str, Any]:
        constants = dict(chunk["partition"])
        if self._request.mode == "increment":
            moment = chunk["timestamp"]
            own = {
                "_commit_version": chunk["last"] if chunk["version"] is None else chunk["version"],
                "_commit_timestamp": None if moment is None else _EPOCH + timedelta(milliseconds=moment),
            }
            if chunk["action"] in _CHANGE_OF:
                own[CHANGE_TYPE] = _CHANGE_OF[chunk["action"]]
            constants |= {name: value for name, value in own.items() if name not in self._table.types}
        return constants

    def _fetch(self, http: Http, chunk: Chunk, target: IO[bytes]) -> None:
        """Fetch by the address at hand, or by a fresh one: addresses are short-lived, and none is kept in a chunk."""
        key = (chunk["action"], chunk["id"], None if chunk["action"] == "file" else chunk["version"])
        found = self._files.get(key)
        if found and not found.has_expired and download(http, found.url, chunk["size"], target, self._where):
            return
        self._list(chunk)
        if key not in self._files:
            raise RetryError(self._where, "a file that is no longer listed", "the files of one version", "pull again")
        if not download(http, self._files[key].url, chunk["size"], target, self._where):
            raise RetryError(
                self._where,
                "a fresh file address that the store refuses",
                "one it takes",
                "pull again; if it stays, tell the hub that shares the table",
            )

    def note(self, chunk: Chunk) -> Chunk | None:
        """Return the version this chunk belongs to."""
        return {"table": self._table.id, "version": chunk.get("last", self._table.version)}

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return the version all chunks are of; the next increment starts behind it."""
        return dict(next(filter(None, notes), {})) or None


def _chunk_of(found: DataFile) -> Chunk:
    return {
        "action": found.action,
        "id": found.id,
        "version": found.version,
        "timestamp": found.timestamp,
        "size": found.size,
        "rows": found.rows,
        "partition": dict(found.partition),
    }


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([pa.array([], kind) for kind in schema.types], schema=schema)
