"""The password reaches the server it was given for, and no other one does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from connectors.base import Connection
from connectors.errors import StopError
from connectors.sql_engines import open_engine
from connectors.sql_streams import database_errors, stream

_ENCRYPTION = {struct.pack("!ii", 8, code) for code in (80877103, 80877104)}
_ASK_FOR_PASSWORD = b"R" + struct.pack("!ii", 8, 3)


@contextmanager
def asking_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server that speaks PostgreSQL's first words, asks for a password in clear and keeps what it is told."""
    told: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            with closing(server.accept()[0]) as client:
                client.settimeout(10)
                while (word := client.recv(1024)) in _ENCRYPTION:
                    client.sendall(b"N")
                assert word
                client.sendall(_ASK_FOR_PASSWORD)
                told.append(client.recv(1024))

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1], told
        thread.join(10)


def engine_of(port: int, secret: str) -> sa.Engine:
    place = f"postgresql://reader@127.0.0.1:{port}/front"
    return open_engine(Connection("police", "front", "sql", place, secret))


@pytest.mark.integration
@pytest.mark.parametrize("by", ["cursor", "stream"])
@pytest.mark.parametrize(("secret", "sent"), [("", b""), ("its-own", b"its-own\0")])
def test_the_hubs_own_password_is_never_offered_to_a_department(
    monkeypatch: pytest.MonkeyPatch, by: str, secret: str, sent: bytes
) -> None:
    monkeypatch.setenv("PGPASSWORD", "the-hubs-own")
    with asking_server() as (port, told), pytest.raises(Exception, match="refused or broke off"):  # noqa: PT012
        engine = engine_of(port, secret)
        with database_errors("connection police.front"):
            if by == "cursor":
                engine.connect()
            else:
                list(stream(engine, sa.select(sa.column("a")), {}))
    assert len(told) == 1
    assert told[0].endswith(sent)
    assert bool(told[0]) is bool(secret), "without a secret nothing is sent at all"
    assert b"the-hubs-own" not in told[0]


def test_what_a_place_says_of_its_own_stays() -> None:
    place = "postgresql://reader@h/front?connect_timeout=3&sslmode=require"
    query = open_engine(Connection("police", "front", "sql", place, "x")).url.query
    assert dict(query) == {"connect_timeout": "3", "sslmode": "require", "client_encoding": "UTF8"}


def test_other_databases_are_left_as_they_are() -> None:
    assert dict(open_engine(Connection("police", "front", "sql", "mysql://r@h/front", "")).url.query) == {}


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://r:hunter2@h/front",
        "postgresql://r@h/front?password=hunter2",
        "mysql://r@h/front?charset=utf8mb4&PASSWD=hunter2",
    ],
)
def test_a_place_with_a_password_is_refused(place: str) -> None:
    with pytest.raises(StopError, match="a place with a password in it") as caught:
        open_engine(Connection("police", "front", "sql", place, ""))
    assert "hunter2" not in str(caught.value)
