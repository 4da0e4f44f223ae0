"""A PostgreSQL server for the session, a fresh database for each test that asks."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from hub.pg import embedded_server, ensure_database, libpq_uri


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server: the one of HUB_TEST_POSTGRESQL_URL, else the embedded one."""
    given = os.environ.get("HUB_TEST_POSTGRESQL_URL")
    if given:
        yield sa.make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    with embedded_server(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgresql_url: str) -> Iterator[str]:
    """URL of an empty database that the tests of a module share."""
    yield from _fresh_database(postgresql_url)


@pytest.fixture
def database_url(postgresql_url: str) -> Iterator[str]:
    """URL of an empty database that is dropped after the test."""
    yield from _fresh_database(postgresql_url)


def _fresh_database(postgresql_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield ensure_database(postgresql_url, name)
    with psycopg.connect(libpq_uri(postgresql_url), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
