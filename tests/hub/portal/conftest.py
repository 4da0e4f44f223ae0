"""The miniature hub and people at its portal."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from hub.context import Hub, open_hub
from hub.pg import ensure_database, libpq_uri
from hub.portal import create_app
from hub.settings import load_settings
from tests.hub.portal.miniature import MAZHUANG, TOWN, Visitor, fill, grant_for


@pytest.fixture(scope="session")
def portal_hub(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The miniature, opened once for all tests of the portal."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("portal"),
        database_url=ensure_database(postgresql_url, name),
        division="320305",
    )
    with open_hub(settings) as hub:
        fill(hub)
        yield hub
    with psycopg.connect(libpq_uri(postgresql_url), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def visitor(portal_hub: Hub) -> Iterator[Visitor]:
    """Somebody who is not signed in, at a portal of their own (its throttle is fresh)."""
    with Visitor(create_app(portal_hub)) as client:
        yield client


@pytest.fixture
def mazhuang(portal_hub: Hub, visitor: Visitor) -> Visitor:
    """马庄's operator, signed in."""
    visitor.sign_in(*grant_for(portal_hub, MAZHUANG))
    return visitor


@pytest.fixture
def town(portal_hub: Hub, visitor: Visitor) -> Visitor:
    """The town's operator, signed in."""
    visitor.sign_in(*grant_for(portal_hub, TOWN))
    return visitor
