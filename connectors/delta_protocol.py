"""The client's side of the Delta Sharing protocol, version 1, parquet answers: what a table is and which files it has.

The official client pins a pandas that the hub cannot have; of the protocol a reader of whole tables needs four calls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import requests
from requests.auth import AuthBase

from connectors.errors import RetryError, StopError
from connectors.http import Http

__all__ = ["CHANGE_COLUMNS", "Client", "DataFile", "Table"]

CHANGE_COLUMNS: Final[Mapping[str, tuple[str, pa.DataType]]] = {
    "_change_type": ("string", pa.string()),
    "_commit_version": ("long", pa.int64()),
    "_commit_timestamp": ("timestamp", pa.timestamp("us", "UTC")),
}
"""Columns of a change feed -> their type there and here."""

_ARROW: Final[Mapping[str, pa.DataType]] = {
    "string": pa.string(),
    "long": pa.int64(),
    "integer": pa.int64(),
    "short": pa.int64(),
    "byte": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}
"""Types that keep their own Arrow type; all others, decimals and nested ones, come as text and so without loss."""

_ACTIONS: Final = ("file", "add", "cdf", "remove")
_READER_VERSION: Final = 1
_CAPABILITIES: Final = {"delta-sharing-capabilities": "responseformat=parquet"}
_BAD_REQUEST: Final = 400
_MARGIN_SECONDS: Final = 30
_LAST_MOMENT: Final = 253_402_300_800_000
"""Milliseconds up to the end of the year 9999."""
_LARGEST: Final = (1 << 63) - 1
_NOT_AS_AGREED: Final = (StopIteration, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading an answer of another form raises."""


@dataclass(frozen=True)
class Table:
    """What a table says of itself.

    Attributes:
        id: Stays for the table's life.
        version: Its newest version.
        types: Column -> its type there, nested ones as JSON.
        has_changes: Whether it offers a change feed.
    """

    id: str
    version: int
    types: Mapping[str, str]
    has_changes: bool

    def arrow(self, name: str) -> pa.DataType:
        """Return the Arrow type a column is given in."""
        change = CHANGE_COLUMNS.get(name)
        return change[1] if change and name not in self.types else _ARROW.get(self.types[name], pa.string())


@dataclass(frozen=True)
class DataFile:
    """One file of a table as the server lists it.

    Attributes:
        action: `file` of a snapshot; of a change feed `add`, `cdf` or `remove`.
        id: The same in every listing.
        url: Signed and short-lived; never shown.
        size: Bytes.
        rows: What the listing says of its rows; None where it says nothing.
        partition: Partition column -> value as text; empty is null.
        version: The commit it belongs to; None in a snapshot of a server that does not say.
        timestamp: Milliseconds of that commit.
        expires: Milliseconds after which the address is no longer good.
    """

    action: str
    id: str
    url: str = field(repr=False)
    size: int
    rows: int | None
    partition: Mapping[str, str]
    version: int | None
    timestamp: int | None
    expires: int | None

    @property
    def key(self) -> tuple[str, str, int | None]:
        """What finds the file in another listing: a change feed may add and remove the same one."""
        return self.action, self.id, None if self.action == "file" else self.version

    @property
    def has_expired(self) -> bool:
        """Whether the address ends too soon to begin with it."""
        return self.expires is not None and self.expires / 1000 - _MARGIN_SECONDS < time.time()


class _Bearer(AuthBase):
    """The token as a header; as `auth`, since a machine's own netrc would otherwise take its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Client:
    """Asks for one table.

    Args:
        endpoint: The share's endpoint, without a closing slash.
        token: Bearer token.
        names: Share, schema and table.
        where: The table as errors name it.
    """

    def __init__(self, endpoint: str, token: str, names: tuple[str, str, str], where: str) -> None:
        share, schema, table = (quote(name, safe="") for name in names)
        self._url = f"{endpoint}/shares/{share}/schemas/{schema}/tables/{table}"
        self._auth = _Bearer(token)
        self._where = where

    def describe(self) -> Table:
        """Return the table as it is now.

        Raises:
            RetryError: The server is away.
            StopError: It refuses, or speaks a later protocol.
        """
        answer = self._ask("GET", "metadata")
        if answer is None:
            raise self._malformed("HTTP 400 to the question what the table is")
        version, lines = answer
        try:
            readers = [int(line["protocol"].get("minReaderVersion", 1)) for line in lines if "protocol" in line]
            described = next(line["metaData"] for line in lines if "metaData" in line)
            fields = json.loads(described["schemaString"])["fields"]
            types = {item["name"]: _type_name(item["type"]) for item in fields}
            changes = str((described.get("configuration") or {}).get("enableChangeDataFeed", "")).lower() == "true"
            table = Table(str(described["id"]), version, types, changes)
        except _NOT_AS_AGREED:
            raise self._malformed("a description without id or schema") from None
        if max(readers, default=_READER_VERSION) > _READER_VERSION:
            raise self._malformed("a table that asks for a later reader")
        return table

    def version_at(self, since: datetime) -> int | None:
        """Return the first version at or after a moment; None where the server cannot tell."""
        moment = since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)
        asked = {"startingTimestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        answer = self._ask("GET", "version", params=asked)
        return answer[0] if answer else None

    def snapshot(self, version: int) -> list[DataFile]:
        """List the files of one version.

        Raises:
            RetryError: The server keeps no older versions and has moved on, or is away.
        """
        answer = self._ask("POST", "query", json={"version": version})
        # A share without history refuses any version, also the newest.
        answer = answer or self._ask("POST", "query", json={})
        if answer is None:
            raise self._malformed("HTTP 400 to a plain query")
        if answer[0] != version:
            raise RetryError(self._where, f"version {answer[0]} came", f"version {version}", "pull again")
        return self._files(answer[1], ("file",))

    def changes(self, first: int, last: int) -> list[DataFile] | None:
        """List the files of a change feed, oldest commit first; None where it no longer reaches back so far."""
        asked = {"startingVersion": str(first), "endingVersion": str(last)}
        answer = self._ask("GET", "changes", params=asked)
        if answer is None:
            return None
        files = self._files(answer[1], ("add", "cdf", "remove"))
        if any(found.version is None for found in files):
            raise self._malformed("a change without its version")
        # Within one commit a row is taken out before it is put in anew.
        return sorted(files, key=lambda found: (found.version, found.action != "remove"))

    def _ask(self, method: str, what: str, **parts: Any) -> tuple[int, list[dict[str, Any]]] | None:
        with Http(self._where) as http:
            url = f"{self._url}/{what}"
            return http.send(method, url, _lines, (_BAD_REQUEST,), auth=self._auth, headers=_CAPABILITIES, **parts)

    def _files(self, lines: Sequence[Mapping[str, Any]], actions: Sequence[str]) -> list[DataFile]:
        try:
            return [_file(name, line[name]) for line in lines for name in _ACTIONS if name in line and name in actions]
        except _NOT_AS_AGREED:
            raise self._malformed("a file without address, id or size") from None

    def _malformed(self, came: str) -> StopError:
        return StopError(
            self._where,
            came,
            "Delta Sharing protocol 1, parquet answers",
            "agree the share with the hub that gives it",
        )


def _lines(response: requests.Response) -> tuple[int, list[dict[str, Any]]] | None:
    """Read an answer of JSON lines and the version it is of; None for one that is refused as asked."""
    if response.status_code == _BAD_REQUEST:
        return None
    lines = [json.loads(line) for line in response.content.splitlines() if line.strip()]
    if not all(isinstance(line, dict) for line in lines):
        raise ValueError("no objects")
    # Half a surrogate pair is JSON, but no text that could be kept.
    json.dumps(lines, ensure_ascii=False).encode()
    return int(response.headers.get("Delta-Table-Version", "")), lines


def _type_name(kind: Any) -> str:
    return kind if isinstance(kind, str) else json.dumps(kind, ensure_ascii=False, sort_keys=True)


def _file(action: str, line: Mapping[str, Any]) -> DataFile:
    stats = json.loads(line.get("stats") or "{}")
    rows, version = _number(stats.get("numRecords"), _LARGEST), _number(line.get("version"), _LARGEST)
    timestamp, expires = (_number(line.get(name), _LAST_MOMENT) for name in ("timestamp", "expirationTimestamp"))
    partition = {str(name): str(value or "") for name, value in (line.get("partitionValues") or {}).items()}
    return DataFile(
        action, str(line["id"]), str(line["url"]), int(line["size"]), rows, partition, version, timestamp, expires
    )


def _number(value: Any, most: int) -> int | None:
    """A whole number from 0 to below a bound; None where nothing is told."""
    if value is None:
        return None
    number = int(value)
    if not 0 <= number < most:
        raise ValueError("a number that cannot be right")
    return number
