"""A ledger on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from hub.ledger import Ledger, migrate
from hub.ledger.models import LedgerBase


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(module_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(database: sa.Engine) -> Ledger:
    """An empty ledger."""
    with database.begin() as connection:
        names = ", ".join(f'ledger."{table.name}"' for table in LedgerBase.metadata.sorted_tables)
        connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
    return Ledger(database)


@pytest.fixture
def other(module_database_url: str, ledger: Ledger) -> Iterator[Ledger]:
    """The same ledger as another process has it: over connections of its own."""
    engine = sa.create_engine(module_database_url)
    yield Ledger(engine)
    engine.dispose()
