"""Real places of departments that the hub writes to; what lies there is read back without the connectors."""

from __future__ import annotations

import csv
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from kombu.connection import Connection as Broker

from connectors.base import Connection
from tests.connectors.servers import Answer, Asked, WebServer
from tests.connectors.store_servers import SftpServer
from tests.connectors.suite import SECRET

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """One place to write to.

    Attributes:
        connection: The way there.
        options: What a delivery says beside.
        rows: Reads what lies there, sorted.
        empty: Takes it away, as the department does.
    """

    connection: Connection
    options: dict[str, Any]
    rows: Callable[[], Rows]
    empty: Callable[[], None]


def by_text(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))


@contextmanager
def table(url: sa.URL, *columns: sa.Column[Any]) -> Iterator[Place]:
    """A table of a department's database, and one for receipts."""
    metadata, name = sa.MetaData(), f"hub_{uuid.uuid4().hex[:8]}"
    target = sa.Table(name, metadata, *columns)
    told = [sa.Column("row_count", sa.BigInteger), sa.Column("sha256", sa.String(64))]
    sa.Table(f"{name}_receipts", metadata, sa.Column("delivery", sa.String(100), primary_key=True), *told)
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def rows() -> Rows:
        with engine.connect() as link:
            return by_text([dict(row) for row in link.execute(sa.select(target)).mappings()])

    def empty() -> None:
        with engine.begin() as link:
            link.execute(sa.delete(target))

    metadata.create_all(engine)
    place = url.set(password=None).render_as_string()
    connection = Connection("health_commission", "front", "sql", place, url.password or "")
    try:
        yield Place(connection, {"table": name, "receipts": f"{name}_receipts"}, rows, empty)
    finally:
        metadata.drop_all(engine)
        engine.dispose()


@contextmanager
def sftp_folder(root: Path) -> Iterator[Place]:
    """A folder on an SFTP server; CSV with companions."""
    root.mkdir()

    def rows() -> Rows:
        found: Rows = []
        for path in sorted(root.rglob("*.csv")):
            assert path.with_suffix(".ok").is_file()
            with path.open(encoding="utf-8", newline="") as lines:
                found += list(csv.DictReader(lines))
        return by_text(found)

    with SftpServer(root) as server:
        yield Place(server.connection(digest=".md5"), {"format": "csv"}, rows, lambda: None)


@dataclass
class Inbox:
    """A service that takes pages under their keys, each once."""

    pages: dict[str, Rows] = field(default_factory=dict)

    def respond(self, asked: Asked) -> Answer:
        heads = {name.lower(): value for name, value in asked.headers.items()}
        if heads.get("x-key") != SECRET or asked.path != "/in":
            return Answer(status=403)
        page = json.loads(asked.body)["records"]
        self.pages.setdefault(heads["idempotency-key"], page)
        return Answer({"data": {"count": len(page)}})


@contextmanager
def service() -> Iterator[Place]:
    """A REST endpoint."""
    with WebServer() as web:
        inbox = Inbox()
        web.respond = inbox.respond
        auth = {"auth": {"kind": "header", "name": "X-Key"}}
        connection = Connection("health_commission", "gateway", "rest", web.url, SECRET, auth)
        options = {"path": "/in", "acknowledged": "data.count", "page_size": 2}
        yield Place(
            connection,
            options,
            lambda: by_text([row for page in inbox.pages.values() for row in page]),
            lambda: None,
        )


@contextmanager
def queue() -> Iterator[Place]:
    """A queue of RabbitMQ and one for receipts."""
    given = os.environ.get("HUB_TEST_RABBITMQ_URL")
    if not given:
        pytest.skip("HUB_TEST_RABBITMQ_URL is not set")
    parts, name = urlsplit(given), f"hub.test.{uuid.uuid4().hex[:8]}"
    place = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port or 5672}").geturl()

    def taken() -> Rows:
        found: Rows = []
        with Broker(given) as broker, broker.channel() as channel:
            while (message := channel.basic_get(name, no_ack=True)) is not None:
                told = json.loads(channel.message_to_python(message).body)
                found += told if isinstance(told, list) else [told]
        return found

    held: Rows = []

    def rows() -> Rows:
        held.extend(taken())
        return by_text(held)

    with Broker(given) as broker, broker.channel() as channel:
        for one in (name, f"{name}.receipts"):
            channel.queue_declare(one, durable=True, auto_delete=False)
        connection = Connection("health_commission", "broker", "message", place, parts.password or "")
        yield Place(connection, {"queue": name, "together": 2, "receipts": f"{name}.receipts"}, rows, lambda: None)
        for one in (name, f"{name}.receipts"):
            channel.queue_delete(one)
