"""Real servers for the connectors' tests, and no waiting between retries."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors import http
from tests.connectors.servers import WebServer


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.0)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    """URL of a server: the one of HUB_TEST_POSTGRESQL_URL, else the embedded one."""
    given = os.environ.get("HUB_TEST_POSTGRESQL_URL")
    if given:
        yield sa.make_url(given).set(drivername="postgresql+psycopg")
        return
    from hub.pg import embedded_server  # the connectors themselves know nothing of hub

    with embedded_server(tmp_path_factory.mktemp("pg")) as url:
        yield sa.make_url(url)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[sa.URL]:
    """URL of a database of its own on the server of HUB_TEST_MARIADB_URL."""
    given = os.environ.get("HUB_TEST_MARIADB_URL")
    if not given:
        pytest.skip("HUB_TEST_MARIADB_URL is not set")
    url = sa.make_url(given)
    name = f"connectors_{uuid.uuid4().hex[:8]}"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as link:
        link.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield url.set(database=name)
    with engine.begin() as link:
        link.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture
def web() -> Iterator[WebServer]:
    """An HTTP server on loopback that answers as the test tells it."""
    with WebServer() as server:
        yield server


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """An empty drop folder."""
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder
