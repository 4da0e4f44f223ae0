"""What every step is handed: settings, contracts, the lake, the ledger and the database, opened together."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from hub.contracts import Contracts, load_contracts
from hub.divisions import read_history
from hub.errors import ConfigurationError, RetryError
from hub.ledger import Ledger, migrate
from hub.pg import embedded_server
from hub.settings import Settings, load_settings
from hub.store import Lake, write_atomically

if TYPE_CHECKING:
    from hub.engine import Engine

__all__ = ["CHINA", "Hub", "open_hub", "own_division_faults"]

CHINA = ZoneInfo("Asia/Shanghai")
"""The one time zone of the departments; days begin and end by it."""


@dataclass(frozen=True)
class Hub:
    """The parts of a running hub.

    Attributes:
        as_of: The day ages and deadlines are reckoned on.
    """

    settings: Settings
    contracts: Contracts
    lake: Lake
    ledger: Ledger
    database: sa.Engine
    as_of: date

    def engine(self) -> Engine:
        """Open a compute connection; close it with `with`."""
        from hub.engine import Engine  # a pull computes nothing and should not pay for it

        return Engine(self.settings)

    def key(self, name: str, size: int = 32) -> bytes:
        """Return one of the hub's own keys, made on first use and kept in the lake's `keys` folder."""
        path = self.lake.keys() / name
        if not path.is_file():
            with self.ledger.locked(f"key {name}"):
                if not path.is_file():
                    _keep_secret(path, secrets.token_bytes(size))
        return path.read_bytes()


def _keep_secret(path: Path, content: bytes) -> None:
    write_atomically(path, content)
    path.chmod(0o600)


def _migrate(database: sa.Engine) -> None:
    try:
        migrate(database)
    except sa.exc.OperationalError as error:
        raise RetryError(
            where="PostgreSQL",
            came=f"it cannot be reached ({type(error.orig).__name__})",
            allowed="a server that answers",
            do="see that it runs and that HUB_DATABASE_URL is right, then run again",
        ) from error


def own_division_faults(settings: Settings, contracts: Contracts) -> list[str]:
    """What is wrong with the hub's own division: it is in no list, or has ended."""
    code = settings.division.ljust(12, "0")
    ended = read_history(contracts.root).ended(_as_of(settings))
    if code in ended:
        return [f"HUB_DIVISION: {settings.division} ended on {ended[code]}"]
    known = contracts.codelists.get("division")
    if known is not None and code not in known.titles:
        return [f"HUB_DIVISION: {settings.division} is not in schemas/codelists/division.csv"]
    return []


def _as_of(settings: Settings) -> date:
    return date.fromisoformat(settings.as_of) if settings.as_of else datetime.now(CHINA).date()


@contextmanager
def open_hub(settings: Settings | None = None) -> Iterator[Hub]:
    """Open the hub: read the contracts, reach or start PostgreSQL, bring the ledger up to date.

    Raises:
        ConfigurationError: Settings or contracts are wrong.
        RetryError: The database cannot be reached.
    """
    settings = settings or load_settings()
    contracts = load_contracts()
    faults = own_division_faults(settings, contracts)
    if faults:
        raise ConfigurationError(faults)
    with ExitStack() as stack:
        url = settings.database_url or stack.enter_context(embedded_server(settings.data_dir))
        database = sa.create_engine(url, pool_pre_ping=True, pool_size=5)
        stack.callback(database.dispose)
        _migrate(database)
        lake = Lake(settings.data_dir)
        lake.lay_out()
        yield Hub(
            settings=settings,
            contracts=contracts,
            lake=lake,
            ledger=Ledger(database),
            database=database,
            as_of=_as_of(settings),
        )
