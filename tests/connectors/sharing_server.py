"""A small real Delta Sharing server on loopback: one table, its versions and changes, signed addresses that expire."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from tests.connectors.servers import Answer, Asked, WebServer

NAMES = ("province", "grassroots", "resident")
PREFIX = "/delta-sharing"


def parquet(table: pa.Table, **options: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@dataclass
class Stored:
    """A file as the store has it and as the listing describes it.

    Attributes:
        rows: What the listing says; None: nothing.
        listed_size: What the listing says where it is not the truth.
    """

    id: str
    content: bytes
    rows: int | None
    partition: dict[str, str] = field(default_factory=dict)
    listed_size: int | None = None


@dataclass
class Commit:
    """One version: the files of its snapshot, and what it changed as (action, file)."""

    files: list[Stored]
    changes: list[tuple[str, Stored]] = field(default_factory=list)


@dataclass
class Sharing:
    """One shared table; `respond` fits a `WebServer`.

    Attributes:
        columns: Column -> Spark type.
        commits: Version 0 and those after it.
        partitions: Partition columns.
        has_feed: Whether the table offers its change feed.
        feed_from: The feed does not reach back behind this version.
        has_history: Whether older versions are kept; without, even `version` of the newest is refused.
        url_seconds: How long an address is good, as the listing says.
        issued_before: Addresses numbered below this are refused, whatever they say.
        broken: File -> lengths at which its next answers break off.
        reader_version: What a reader must understand.
        calls: What was asked of the table.
        fetched: Files that were asked for, with the part wanted.
        issued: How many addresses were given.
        takes_ranges: Whether a part of a file can be asked for.
        ranges_off_by: How far a part begins from where it was asked to.
    """

    web: WebServer
    token: str
    columns: dict[str, Any]
    commits: list[Commit]
    names: tuple[str, str, str] = NAMES
    table_id: str = "f8d5c169-3d01-4ca3-ad9e-7dc3355aedb2"
    partitions: tuple[str, ...] = ()
    has_feed: bool = False
    feed_from: int = 0
    has_history: bool = True
    url_seconds: float = 3600
    issued_before: int = 0
    broken: dict[str, list[int]] = field(default_factory=dict)
    takes_ranges: bool = True
    ranges_off_by: int = 0
    reader_version: int = 1
    calls: list[str] = field(default_factory=list)
    fetched: list[tuple[str, str]] = field(default_factory=list)
    issued: int = 0

    @property
    def version(self) -> int:
        return len(self.commits) - 1

    def respond(self, asked: Asked) -> Answer:
        if asked.path.startswith("/store/"):
            return self._file(asked)
        head = {name.lower(): value for name, value in asked.headers.items()}
        if head.get("authorization") != f"Bearer {self.token}":
            return _error(401, "UNAUTHENTICATED")
        assert "responseformat=parquet" in head["delta-sharing-capabilities"]
        found = re.fullmatch(PREFIX + r"/shares/([^/]+)/schemas/([^/]+)/tables/([^/]+)/(\w+)", asked.path)
        if not found or tuple(unquote(name) for name in found.groups()[:3]) != self.names:
            return _error(404, "RESOURCE_DOES_NOT_EXIST")
        self.calls.append(found[4])
        answer: Answer = getattr(self, f"_{found[4]}")(asked)
        return answer

    def _metadata(self, asked: Asked) -> Answer:
        return self._lines(self.version, [])

    def _version(self, asked: Asked) -> Answer:
        if not self.has_history:
            return _error(400, "INVALID_PARAMETER_VALUE")
        # A commit a minute, from the beginning of 2026 on.
        since = time.strptime(asked.query["startingTimestamp"][:19], "%Y-%m-%dT%H:%M:%S")
        minutes = (since.tm_yday - 1) * 1440 + since.tm_hour * 60 + since.tm_min
        return Answer(headers={"Delta-Table-Version": str(minutes)})

    def _query(self, asked: Asked) -> Answer:
        body = json.loads(asked.body)
        if "version" in body and not self.has_history:
            return _error(400, "INVALID_PARAMETER_VALUE")
        version = body.get("version", self.version)
        return self._lines(version, [("file", stored, version) for stored in self.commits[version].files])

    def _changes(self, asked: Asked) -> Answer:
        first, last = int(asked.query["startingVersion"]), int(asked.query["endingVersion"])
        if first < self.feed_from:
            return _error(400, "INVALID_PARAMETER_VALUE")
        found = [
            (action, stored, version)
            for version in range(first, last + 1)
            for action, stored in self.commits[version].changes
        ]
        return self._lines(last, found)

    def _lines(self, version: int, files: list[tuple[str, Stored, int]]) -> Answer:
        schema = {
            "type": "struct",
            "fields": [{"name": name, "type": kind, "nullable": True} for name, kind in self.columns.items()],
        }
        described = {
            "id": self.table_id,
            "format": {"provider": "parquet"},
            "schemaString": json.dumps(schema),
            "partitionColumns": list(self.partitions),
            "configuration": {"enableChangeDataFeed": "true"} if self.has_feed else {},
        }
        lines: list[dict[str, Any]] = [
            {"protocol": {"minReaderVersion": self.reader_version}},
            {"metaData": described},
            *({action: self._listed(stored, at)} for action, stored, at in files),
        ]
        body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        return Answer(
            body, headers={"Delta-Table-Version": str(version), "Content-Type": "application/x-ndjson; charset=utf-8"}
        )

    def _listed(self, stored: Stored, version: int) -> dict[str, Any]:
        self.issued += 1
        expires = int((time.time() + self.url_seconds) * 1000)
        sealed = self._sign(stored.id, self.issued, expires)
        line: dict[str, Any] = {
            "url": f"{self.web.url}/store/{stored.id}?n={self.issued}&e={expires}&s={sealed}",
            "id": stored.id,
            "partitionValues": stored.partition,
            "size": len(stored.content) if stored.listed_size is None else stored.listed_size,
            "version": version,
            "timestamp": 1_767_225_600_000 + version * 60_000,
            "expirationTimestamp": expires,
        }
        if stored.rows is not None:
            line["stats"] = json.dumps({"numRecords": stored.rows})
        return line

    def _sign(self, name: str, number: int, expires: int) -> str:
        return hmac.new(self.token.encode(), f"{name} {number} {expires}".encode(), hashlib.sha256).hexdigest()

    def _file(self, asked: Asked) -> Answer:
        name = asked.path.rpartition("/")[2]
        number, expires = int(asked.query["n"]), int(asked.query["e"])
        # As the stores do: a signed address together with a token is one credential too many.
        if "Authorization" in asked.headers or asked.query["s"] != self._sign(name, number, expires):
            return Answer(b"<Error>SignatureDoesNotMatch</Error>", 400)
        if expires / 1000 < time.time() or number < self.issued_before:
            return Answer(b"<Error>AccessDenied: Request has expired</Error>", 403)
        content = next(
            stored.content
            for commit in self.commits
            for stored in (*commit.files, *(stored for _, stored in commit.changes))
            if stored.id == name
        )
        wanted = asked.headers.get("Range", "")
        self.fetched.append((name, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.takes_ranges else 0
        start += self.ranges_off_by if start else 0
        part = content[start:]
        headers = {"Content-Length": str(len(part))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stops = self.broken.get(name)
        return Answer(part[: stops.pop(0)] if stops else part, 206 if start else 200, headers)


def _error(status: int, code: str) -> Answer:
    return Answer({"errorCode": code, "message": "re-snapshot"}, status)
