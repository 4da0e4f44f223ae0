"""What all tests share: a small county walked once a session; no sockets in unit tests."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from pytest_socket import disable_socket, enable_socket

from hub.context import Hub, open_hub
from hub.pg import ensure_database
from hub.settings import load_settings
from hub.walk import run
from samples.make import make
from samples.plan import Plan
from samples.serve import running

# How long an example takes says more of the machine than of the code.
settings.register_profile("hub", deadline=None)
settings.load_profile("hub")

PEOPLE, SEED, FAULTS, AS_OF = 600, 1, 0.02, date(2026, 11, 1)


@pytest.fixture(autouse=True)
def _no_sockets_in_unit_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that reaches for a socket says so by its mark."""
    talks = any(request.node.get_closest_marker(name) for name in ("integration", "browser"))
    if not talks:
        disable_socket(allow_unix_socket=True)  # event loops need a socket pair
    yield
    enable_socket()


@pytest.fixture(scope="session")
def walked() -> Iterator[tuple[Hub, Path]]:
    """A county of 600 people behind its six systems, walked once: the open hub and the county's folder.

    Not in pytest's own folder, which is closed to the account the embedded PostgreSQL runs under.
    """
    given = os.environ.get("HUB_TEST_POSTGRESQL_URL")
    with tempfile.TemporaryDirectory(prefix="walked-") as folder:
        county = Path(folder) / "county"
        make(Plan("320305", PEOPLE, SEED, FAULTS, AS_OF), county)
        database = ensure_database(given, f"walked_{uuid.uuid4().hex[:12]}") if given else None
        with running(county, _police_url()):
            settings = load_settings(
                data_dir=Path(folder) / "hub",
                database_url=database,
                env_file=county / "places.env",
                as_of=AS_OF.isoformat(),
            )
            with open_hub(settings) as hub:
                run(hub)
                yield hub, county


def _police_url() -> str | None:
    """A database for the police tables on MariaDB, where the machine has one; else the embedded PostgreSQL.

    Each of the processes that share the tests has its own.
    """
    given = os.environ.get("HUB_TEST_MARIADB_URL")
    name = f"hub_test_walked_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    return str(sa.make_url(given).set(database=name)) if given else None
